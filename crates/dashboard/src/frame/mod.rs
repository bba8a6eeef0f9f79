//! What stands around every page: who looks at it and where, the shell, forms and their check, notices, errors, headers
//! and assets. The parts next to this folder fill it in.

mod assets;
mod browser_errors;
mod entries;
mod fault;
pub(crate) mod figures;
mod forms;
mod listing;
mod mode;
mod nav;
mod notice;
mod person;
mod policy;
pub(crate) mod return_path;
mod shop;

pub(crate) use self::assets::routes as asset_routes;
pub(crate) use self::browser_errors::{Reports as BrowserErrors, routes as browser_error_routes};
pub use self::entries::{Draft, Entries, form_buttons, placed, renamed};
pub(crate) use self::fault::{layer as fault_layer, nowhere};
pub use self::forms::{Posted, Visit};
pub use self::listing::{page_at, pages, with_parameter};
pub use self::mode::{mode_of, mode_query};
pub use self::notice::{go, go_saying};
pub use self::person::{Member, Person, role_word};
pub use self::policy::FRAMING_POLICY;
pub use self::shop::Shopkeeper;
