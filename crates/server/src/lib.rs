#![doc = include_str!("../README.md")]

pub mod cli;
pub mod compose;
pub mod demo;
pub mod lock;
pub mod serve;
