#![doc = include_str!("../README.md")]

mod app;
pub mod audit;
pub mod authenticate;
mod caller;
mod client_addr;
mod clock;
pub mod config;
pub mod crypto;
pub mod egress;
pub mod http;
pub mod inbox;
pub mod installation;
pub mod jobs;
pub mod mail;
mod module;
pub mod node;
pub mod outbox;
pub mod retention;
mod sealer;
pub mod subject_keys;
mod tables;
pub mod telemetry;

pub use app::{App, Build, Parts};
pub use caller::{Actor, ActorKind, Anonymous, Caller, CustomerCaller, KeyBinding, UserCaller};
pub use client_addr::ClientAddr;
pub use clock::Clock;
pub use module::{Module, Task};
pub use sealer::Sealer;
pub use tables::TABLES;
