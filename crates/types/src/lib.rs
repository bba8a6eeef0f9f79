#![doc = include_str!("../README.md")]

pub mod cursor;
pub mod error;
pub mod id;
pub mod mode;
pub mod money;
pub mod page;
pub mod permission;
pub mod text;
pub mod time;

pub use error::{Error, ErrorCode, FieldError, Result};
pub use id::Id;
pub use mode::Mode;
pub use money::Money;
pub use page::{Page, PageRequest};
pub use permission::{Permission, PermissionSet, Role};
pub use time::Timestamp;
