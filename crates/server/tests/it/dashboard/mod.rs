//! The dashboard as a browser without scripts meets it.

mod access;
mod browser;
mod browser_errors;
mod customer_keys;
mod customers;
mod first_run;
mod forms;
mod pages;
mod settings;
mod usage;

pub use self::browser::{Browser, Page};
