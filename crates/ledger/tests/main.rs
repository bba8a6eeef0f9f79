//! The ledger as its caller uses it. `schedules` compares it with the plain `model` on random schedules.

mod counting;
mod decisions;
mod fixture;
mod holds;
mod model;
mod schedules;
