//! What a consume would be answered.

use runtime::App;
use types::{Error, Result};

use super::Usage;
use super::commit::{
    self, Answer, Committer, Purpose, Ready, ReadyUse, Rules, Stage, Used, Wanted, gate_refusal, load_book,
    prepare, system,
};
use super::order::Order;

/// Decides an order on the counters as they stand, without effect. Rate limits are left aside: to ask is not to call.
pub(super) async fn run(app: &App, order: Order) -> Result<Usage> {
    let committer = app.service::<Committer>()?;
    let memory = &committer.desk().memory;
    let (now, orders) = (app.now(), &[order]);
    app.db()
        .of(system(app))
        .read(|mut tx| async move {
            let config = commit::load(&mut tx, memory, orders, Purpose::Check, now).await?;
            let order = &orders[0];
            let ready = match prepare(order, &config, &Rules::new()) {
                Stage::Open(ready) => *ready,
                Stage::Done(answer) => return usage_of(*answer),
            };
            let wanted = Wanted::of([(order.shop, &ready)].into_iter());
            let book = load_book(&mut tx, &wanted, &config, Purpose::Check).await?;
            let Ready::Use(ready) = ready else {
                return Err(Answer::unexpected());
            };
            decide(&book, &ready, order)
        })
        .await
}

fn decide(book: &ledger::Book, ready: &ReadyUse, order: &Order) -> Result<Usage> {
    if let Some(gate) = &ready.gate {
        let decision = ledger::check(book, &gate.request, order.at).map_err(Error::internal)?;
        if !decision.is_granted() {
            return Err(gate_refusal(&decision, &gate.plan));
        }
    }
    let mut decision = ledger::check(book, &ready.request, order.at).map_err(Error::internal)?;
    // The figures are those of now: what a check asks about has not happened.
    decision.counters.clear();
    for charge in &ready.request.charges {
        decision
            .counters
            .push(charge.view(book, order.at).map_err(Error::internal)?);
    }
    decision.warnings.clear();
    Used::decided(ready, &decision)
        .usage
        .ok_or_else(Answer::unexpected)
}

fn usage_of(answer: Result<Answer>) -> Result<Usage> {
    match answer? {
        Answer::Used(used) => used.usage.ok_or_else(Answer::unexpected),
        _ => Err(Answer::unexpected()),
    }
}
