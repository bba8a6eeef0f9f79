//! What a consume would be answered.

use ledger::{Book, Decision};
use runtime::App;
use types::{Error, Result, Timestamp};

use super::commit::{gate_refusal, system};
use super::order::Order;
use super::resolve::{Memory, Resolved};
use super::{Usage, store};

/// Decides an order on the counters as they stand, without effect.
pub(super) async fn run(app: &App, order: &Order, now: Timestamp) -> Result<Usage> {
    app.db()
        .of(system(app))
        .read(|mut tx| async move {
            let ready = match Memory::of_check().resolve(&mut tx, order, now).await? {
                Resolved::Open(ready) => ready,
                Resolved::Unready(refusal) => return Err(refusal),
                Resolved::Refused {
                    customer,
                    scale,
                    units,
                    code,
                } => {
                    let decision = Decision::refused(code, now);
                    return Ok(Usage::from_decision(order, customer, scale, &decision, units));
                }
            };
            let mut book = Book::new();
            for key in ready.counters() {
                let state = store::read_counter(&mut tx, &key).await?;
                book.load_counter(key, state);
            }
            if let Some(gate) = &ready.gate {
                let decision = ledger::check(&book, &gate.request, now).map_err(Error::internal)?;
                if !decision.is_granted() {
                    return Err(gate_refusal(&decision, &ready));
                }
            }
            let mut decision = ledger::check(&book, &ready.request, now).map_err(Error::internal)?;
            // The figures are those of now: what a check asks about has not happened.
            decision.counters.clear();
            for charge in &ready.request.charges {
                decision
                    .counters
                    .push(charge.view(&book, now).map_err(Error::internal)?);
            }
            decision.warnings.clear();
            Ok(Usage::from_decision(
                order,
                ready.customer,
                ready.scale,
                &decision,
                ready.units,
            ))
        })
        .await
}
