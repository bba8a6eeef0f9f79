//! Random schedules: requests, holds, corrections, limits that change, time that passes, and batches whose commit fails.
//! After every step the ledger and the plain model agree on every number.

use std::collections::BTreeSet;
use std::time::Duration;

use ledger::*;
use proptest::prelude::*;
use types::Timestamp;

use crate::fixture::{charge_of, consume, grant_id, hold_id, limit, now};
use crate::model::{CUSTOMER, Model, ModelHold, Owner, Payer, World};

/// Holds and uses are named by their place among those there are.
#[derive(Debug, Clone)]
enum Step {
    Consume { user: usize, amount: i64 },
    Reserve { user: usize, amount: i64, ttl_secs: u64 },
    Settle { hold: usize, total: i64, close: bool },
    Release { hold: usize },
    Expire { hold: usize },
    Correct { which: usize, amount: i64 },
    Limit { counter: usize, limit: Limit },
    Wait { secs: u64 },
}

fn limits() -> impl Strategy<Value = Limit> {
    let overage = prop_oneof![
        Just(Overage::Deny),
        (0_i64..6).prop_map(|cap| Overage::Soft { cap }),
        (0_i64..6).prop_map(|cap| Overage::Bill { cap: Some(cap) }),
        Just(Overage::Bill { cap: None }),
    ];
    let thresholds = prop::sample::subsequence(vec![25_u16, 50, 80, 100, 120], 0..=5);
    let some = (0_i64..30, overage, thresholds);
    prop_oneof![
        8 => some.prop_map(|(amount, overage, thresholds)| limit(amount, overage, &thresholds)),
        1 => Just(Limit::unlimited()),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..CUSTOMER, 1_i64..9).prop_map(|(user, amount)| Step::Consume { user, amount }),
        3 => (0..CUSTOMER, 1_i64..12, 1_u64..90)
            .prop_map(|(user, amount, ttl_secs)| Step::Reserve { user, amount, ttl_secs }),
        4 => (0_usize..50, 0_i64..14, any::<bool>()).prop_map(|(hold, total, close)| Step::Settle { hold, total, close }),
        1 => (0_usize..50).prop_map(|hold| Step::Release { hold }),
        1 => (0_usize..50).prop_map(|hold| Step::Expire { hold }),
        2 => (0_usize..50, 1_i64..9).prop_map(|(which, amount)| Step::Correct { which, amount }),
        1 => (0_usize..=CUSTOMER, limits()).prop_map(|(counter, limit)| Step::Limit { counter, limit }),
        2 => (1_u64..60).prop_map(|secs| Step::Wait { secs }),
    ]
}

fn worlds() -> impl Strategy<Value = World> {
    let grant = (1_i64..12, 0_i16..3, 0_u64..120, prop::option::of(0_u64..600));
    (
        prop::array::uniform3(limits()),
        prop::collection::vec(grant, 0..4),
    )
        .prop_map(|(limits, grants)| World {
            limits,
            grants: (0_u128..)
                .zip(grants)
                .map(|(number, (amount, priority, from, until))| Grant {
                    priority,
                    ..Grant::new(
                        grant_id(number),
                        amount,
                        now() + Duration::from_secs(from),
                        until.map(|secs| now() + Duration::from_secs(secs)),
                    )
                })
                .collect(),
        })
}

/// Steps of one batch, and whether its commit succeeds.
fn schedules() -> impl Strategy<Value = Vec<(Vec<Step>, bool)>> {
    prop::collection::vec(
        (prop::collection::vec(steps(), 1..12), prop::bool::weighted(0.8)),
        1..8,
    )
}

/// One use as its event row would remember it.
#[derive(Debug, Clone)]
struct Use {
    user: usize,
    charged_at: Timestamp,
    left: Vec<Allocation>,
}

/// All that a failed commit takes back.
#[derive(Debug, Clone)]
struct State {
    model: Model,
    world: World,
    uses: Vec<Use>,
    now: Timestamp,
}

impl State {
    fn charges(&self, user: usize) -> Vec<Charge> {
        [user, CUSTOMER].map(|counter| self.charge(counter)).to_vec()
    }

    fn charge(&self, counter: usize) -> Charge {
        let kind = if counter == CUSTOMER {
            SubjectKind::Customer
        } else {
            SubjectKind::EndUser
        };
        let mut charge = charge_of(kind, counter as u128, self.world.limits[counter].clone());
        if counter == CUSTOMER {
            charge.grants = self.world.grants.iter().map(|grant| grant.id).collect();
        }
        charge
    }

    /// Takes one step on both sides and compares what they answer. The text is what the ledger said.
    fn step(&mut self, overlay: &mut Overlay<'_>, step: &Step) -> String {
        let some = |which: usize, len: usize| (len > 0).then(|| which % len.max(1));
        match step {
            Step::Wait { secs } => self.now = self.now + Duration::from_secs(*secs),
            Step::Limit { counter, limit } => self.world.limits[*counter] = limit.clone(),
            Step::Consume { user, amount } => return self.consume(overlay, *user, *amount),
            Step::Reserve {
                user,
                amount,
                ttl_secs,
            } => return self.reserve(overlay, *user, *amount, *ttl_secs),
            Step::Settle { hold, total, close } => {
                if let Some(hold) = some(*hold, self.model.holds.len()) {
                    return self.settle(overlay, hold, *total, *close);
                }
            }
            Step::Release { hold } => {
                if let Some(hold) = some(*hold, self.model.holds.len()) {
                    let released = release(overlay, hold_id(hold as u128));
                    assert_eq!(released.is_ok(), self.model.release(hold));
                }
            }
            Step::Expire { hold } => {
                if let Some(hold) = some(*hold, self.model.holds.len()) {
                    expire(overlay, hold_id(hold as u128), self.now).unwrap();
                    self.model.expire(hold, self.now);
                }
            }
            Step::Correct { which, amount } => {
                if let Some(which) = some(*which, self.uses.len()) {
                    self.correct(overlay, which, *amount);
                }
            }
        }
        String::new()
    }

    fn consume(&mut self, overlay: &mut Overlay<'_>, user: usize, amount: i64) -> String {
        let request = consume(amount, &self.charges(user));
        let before = overlay.changes().clone();
        let would = check(overlay, &request, self.now).unwrap();
        assert_eq!(*overlay.changes(), before, "a dry run changes nothing");
        let decision = decide(overlay, &request, self.now).unwrap();
        assert_eq!(would.code, decision.code);
        let owner = Owner::Use(self.uses.len());
        let placed = self
            .model
            .place(&self.world, user, owner, amount, self.now, false);
        self.agree(overlay, user, &decision, placed, &before);
        if placed {
            self.uses.push(Use {
                user,
                charged_at: self.now,
                left: decision.allocations.clone(),
            });
        }
        format!("{decision:?}")
    }

    fn reserve(&mut self, overlay: &mut Overlay<'_>, user: usize, amount: i64, ttl_secs: u64) -> String {
        let number = self.model.holds.len();
        let expires_at = self.now + Duration::from_secs(ttl_secs);
        let request = consume(amount, &self.charges(user));
        let before = overlay.changes().clone();
        let decision = reserve(overlay, &request, hold_id(number as u128), expires_at, self.now).unwrap();
        let placed = self
            .model
            .place(&self.world, user, Owner::Hold(number), amount, self.now, false);
        if placed {
            self.model.holds.push(ModelHold {
                user,
                status: HoldStatus::Open,
                settled: 0,
                expires_at,
            });
        }
        self.agree(overlay, user, &decision, placed, &before);
        format!("{decision:?}")
    }

    /// Both sides grant or deny, with the same warnings; a denial changes nothing; a grant keeps every limit.
    fn agree(
        &mut self,
        overlay: &Overlay<'_>,
        user: usize,
        decision: &Decision,
        placed: bool,
        before: &Changes,
    ) {
        assert_eq!(decision.is_granted(), placed, "{decision:?}");
        if !placed {
            assert_eq!(overlay.changes(), before, "all or nothing");
            assert!(decision.warnings.is_empty() && decision.allocations.is_empty());
            return;
        }
        let warned = self.model.warn(&self.world, user);
        assert_eq!(self.numbered(&decision.warnings), warned, "thresholds once");
        for (counter, paid) in [user, CUSTOMER].into_iter().zip(&decision.allocations) {
            let state = overlay.counter(&self.charge(counter).key).unwrap();
            let limit = &self.world.limits[counter];
            let (soft, billed) = match limit.overage {
                Overage::Deny => (0, 0),
                Overage::Soft { cap } => (cap, 0),
                Overage::Bill { cap } => (0, cap.unwrap_or(i64::MAX)),
            };
            let allowed = limit.amount.unwrap_or(i64::MAX).saturating_add(soft);
            assert!(
                paid.included == 0 || state.plan_load() <= allowed,
                "granted above the limit: {state:?}"
            );
            assert!(
                paid.overage == 0 || state.overage <= billed,
                "sold above the cap: {state:?}"
            );
        }
    }

    fn settle(&mut self, overlay: &mut Overlay<'_>, hold: usize, total: i64, close: bool) -> String {
        let user = self.model.holds[hold].user;
        let settling = Settle {
            hold: hold_id(hold as u128),
            total,
            close,
            charges: self.charges(user),
        };
        let settled = settle(overlay, &settling, self.now);
        let new_use = self.uses.len();
        let charged = self
            .model
            .settle(&self.world, hold, new_use, total, close, self.now);
        assert_eq!(
            settled.as_ref().ok().map(|settled| settled.charged),
            charged,
            "{settled:?}"
        );
        if let Ok(settled) = &settled {
            let warned = match settled.charged {
                0 => BTreeSet::new(),
                _ => self.model.warn(&self.world, user),
            };
            assert_eq!(self.numbered(&settled.warnings), warned, "thresholds once");
            let again = settle(overlay, &settling, self.now).unwrap();
            assert_eq!(
                (again.charged, again.hold == settled.hold),
                (0, true),
                "settle twice is once"
            );
            if settled.charged > 0 {
                self.uses.push(Use {
                    user,
                    charged_at: self.model.holds[hold].expires_at,
                    left: settled.allocations.clone(),
                });
            }
        }
        format!("{settled:?}")
    }

    fn correct(&mut self, overlay: &mut Overlay<'_>, which: usize, amount: i64) {
        let corrected = self.uses[which].clone();
        let charges = self.charges(corrected.user);
        let parts = charges.into_iter().zip(corrected.left);
        let correction = Correction {
            amount,
            charged_at: corrected.charged_at,
            parts: parts
                .map(|(charge, left)| CorrectionPart { charge, left })
                .collect(),
        };
        let result = correct(overlay, &correction, self.now);
        assert_eq!(
            result.is_ok(),
            self.model.correct(corrected.user, which, amount),
            "{result:?}"
        );
        if let Ok(result) = result {
            self.uses[which].left = result.left;
        }
    }

    fn numbered(&self, warnings: &[Warning]) -> BTreeSet<(usize, u16)> {
        let numbered: BTreeSet<(usize, u16)> = warnings
            .iter()
            .map(|warning| {
                let counter = (0..=CUSTOMER).find(|counter| self.charge(*counter).key == warning.key);
                (counter.unwrap(), warning.threshold_percent)
            })
            .collect();
        assert_eq!(numbered.len(), warnings.len(), "no warning twice");
        numbered
    }

    /// Every number of the ledger is the model's, and units are conserved.
    fn compare(&self, base: &dyn Base) {
        let mut held = 0;
        for counter in 0..=CUSTOMER {
            let state = base.counter(&self.charge(counter).key).unwrap();
            let count = |payer: fn(&Payer) -> bool| {
                self.model
                    .count(|unit| unit.counter == counter && payer(&unit.payer))
            };
            assert_eq!(state.used, self.model.used(counter));
            assert_eq!(state.used + state.held, count(|_| true));
            assert_eq!(state.from_grants, count(|payer| matches!(payer, Payer::Grant(_))));
            assert_eq!(state.overage, count(|payer| *payer == Payer::Overage));
            held = state.held;
        }
        let mut from_grants = 0;
        for (number, grant) in self.world.grants.iter().enumerate() {
            let grant = base.grant(grant.id).unwrap();
            let burned = self.model.count(|unit| unit.payer == Payer::Grant(number));
            assert_eq!(grant.used + grant.held, burned);
            assert!(
                grant.used >= 0 && grant.held >= 0 && burned <= grant.amount,
                "{grant:?}"
            );
            from_grants += burned;
        }
        let customer = base.counter(&self.charge(CUSTOMER).key).unwrap();
        assert_eq!(
            customer.from_grants, from_grants,
            "what grants paid is what counters carry"
        );
        for (number, model) in self.model.holds.iter().enumerate() {
            let hold = base.hold(hold_id(number as u128)).unwrap();
            assert_eq!((hold.status, hold.settled), (model.status, model.settled));
            let parts = hold.parts.iter().map(|part| part.held.total());
            assert!(parts.clone().all(|part| part == hold.held()), "{hold:?}");
            assert!(
                hold.held() + hold.settled - hold.overrun <= hold.amount,
                "{hold:?}"
            );
            held -= hold.held();
        }
        assert_eq!(
            held, 0,
            "what the customer's counter holds is what its holds hold"
        );
    }
}

/// Runs a schedule and returns all that the ledger said.
fn run(world: World, schedule: &[(Vec<Step>, bool)]) -> Vec<String> {
    let mut state = State {
        model: Model::default(),
        world,
        uses: Vec::new(),
        now: now(),
    };
    let mut book = Book::new();
    for counter in 0..=CUSTOMER {
        book.load_counter(state.charge(counter).key, None);
    }
    for grant in state.world.grants.clone() {
        book.load_grant(grant);
    }
    let mut said = Vec::new();
    for (steps, commits) in schedule {
        let before = state.clone();
        let mut overlay = Overlay::begin(&book);
        for step in steps {
            said.push(state.step(&mut overlay, step));
            state.compare(&overlay);
        }
        let changes = overlay.into_changes();
        if *commits {
            book.merge(changes);
        } else {
            state = before;
        }
        state.compare(&book);
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_ledger_agrees_with_the_model((world, schedule) in (worlds(), schedules())) {
        run(world, &schedule);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_same_schedule_gives_the_same_answers((world, schedule) in (worlds(), schedules())) {
        prop_assert_eq!(run(world.clone(), &schedule), run(world, &schedule));
    }
}
