//! The dashboard as a browser without scripts meets it.

mod access;
mod browser;
mod browser_errors;
mod first_run;
mod forms;
mod pages;

pub use self::browser::{Browser, Page};
