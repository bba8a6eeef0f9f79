//! Users: people, each in one realm, known by their e-mail address there.

mod email;
mod http;
pub(crate) mod store;

use runtime::{App, UserCaller};
use serde::{Deserialize, Serialize};
use types::id::{RealmId, UserId};
use types::text::check_text;
use types::{Result, Timestamp};
use utoipa::ToSchema;

pub use self::email::{Email, MAX_EMAIL_CHARS};
pub(crate) use self::http::routes;

/// Characters of a person's name.
pub const MAX_NAME_CHARS: usize = 100;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: UserId,
    pub realm: RealmId,
    /// As they typed it.
    pub email: String,
    pub name: String,
    pub created_at: Timestamp,
    /// Since when they cannot sign in; null for everybody else.
    pub suspended_at: Option<Timestamp>,
}

impl User {
    /// A person who has just come.
    pub(crate) fn new(realm: RealmId, email: &Email, name: String, now: Timestamp) -> Self {
        User {
            id: UserId::generate(),
            realm,
            email: email.typed().to_owned(),
            name,
            created_at: now,
            suspended_at: None,
        }
    }
}

/// A person's name as it is stored: without space around it.
pub(crate) fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    check_text("name", name, 1, MAX_NAME_CHARS)?;
    Ok(name.to_owned())
}

/// The caller's own account.
pub async fn me(app: &App, caller: &UserCaller) -> Result<User> {
    let (realm, user) = (caller.realm(), caller.user());
    app.db()
        .of(caller.person())
        .read(|mut tx| async move { store::get(&mut tx, realm, user).await })
        .await
}
