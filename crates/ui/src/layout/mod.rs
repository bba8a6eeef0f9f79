//! Whole pages: the document, the dashboard's shell and the card for signing in.

mod app;
mod auth;
mod page;

pub use app::{AppShell, PageHeader, UserMenu, WorkspaceSwitcher};
pub use auth::AuthCard;
pub use page::{Page, Theme};
