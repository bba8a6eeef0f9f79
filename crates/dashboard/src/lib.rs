#![doc = include_str!("../README.md")]

use runtime::Module;

/// This part, ready to be composed.
pub fn module() -> Module {
    Module::new("dashboard")
}
