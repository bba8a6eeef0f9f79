//! Signing up, in and out with e-mail address and password.
//!
//! What is answered tells nobody who has an account: a wrong address and a wrong password give the same answer after the
//! same work, and an account that cannot be made gives one answer whatever the reason
//! (`docs/decisions/0003-sign-up-enumeration.md`).

mod attempts;
mod http;
mod password;
pub(crate) mod store;

use runtime::audit::{NewEntry, Personal};
use runtime::crypto::OpaqueToken;
use runtime::crypto::password::{PasswordContext, PasswordPolicy, Verification};
use runtime::outbox::NewEvent;
use runtime::{Actor, Anonymous, App, UserCaller};
use serde::Deserialize;
use storage::{Reason, Scope, System, Tx};
use types::id::RequestId;
use types::{Error, ErrorCode, Result, Timestamp};
use utoipa::ToSchema;

pub use self::attempts::{FREE_OF_ACCOUNT, FREE_OF_ADDRESS, MAX_WAIT};
pub(crate) use self::http::routes;
pub use self::password::Password;

use self::attempts::Attempt;
use crate::client::Client;
use crate::realms;
use crate::sessions::{self, NewSession};
use crate::users::{self, Email, User};
use crate::workspaces::{self, Workspace};

/// Somebody new.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    #[schema(format = Email, min_length = 3, max_length = 254)]
    pub email: String,
    /// At least 15 characters and hard to guess; a few unrelated words are best. No other rules.
    #[schema(value_type = String, format = Password, min_length = 15, max_length = 256)]
    pub password: Password,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What their first workspace is called; when absent, it is named after them.
    #[schema(min_length = 1, max_length = 100)]
    pub workspace_name: Option<String>,
}

/// Somebody who has been here.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[schema(format = Email, min_length = 3, max_length = 254)]
    pub email: String,
    #[schema(value_type = String, format = Password, max_length = 256)]
    pub password: Password,
}

/// What signing up makes.
pub struct SignedUp {
    pub new_session: NewSession,
    pub workspace: Workspace,
}

/// Makes a user with their first workspace, and signs them in.
///
/// # Errors
/// `validation_failed` with a field for a password or another field that breaks a rule, and without one when no account
/// can be made with the address; `rate_limited` after too many of the latter.
pub async fn sign_up(app: &App, visitor: &Anonymous, client: &Client, input: SignUp) -> Result<SignedUp> {
    let email = Email::parse("email", &input.email)?;
    let name = users::check_name(&input.name)?;
    let workspace_name = match &input.workspace_name {
        Some(name) => workspaces::check_name("workspace_name", name)?,
        None => workspaces::named_after(&name),
    };
    let attempt = Attempt::from_address(app, realms::DASHBOARD, client.network());
    let context = PasswordContext::new()
        .with(email.typed())
        .with(&name)
        .with(&workspace_name);
    attempts::take(app, &attempt).await?;
    // Before anything is looked up: a taken address costs as much as a free one.
    let hashed = app
        .passwords()
        .hash_checked(input.password.expose(), PasswordPolicy::SOLE_FACTOR, context)
        .await;
    let phc = match hashed {
        Ok(phc) => phc,
        Err(refused) => {
            // Looking for a password that is accepted is no guess.
            attempts::give_back(app, &attempt).await?;
            return Err(refused.into());
        }
    };

    let token = sessions::new_token()?;
    let now = app.now();
    let user = User::new(realms::DASHBOARD, &email, name, now);
    let (user, email, phc, token, attempt) = (&user, &email, &phc, &token, &attempt);
    let (workspace_name, request) = (&workspace_name, visitor.request());
    let (session, workspace) = app
        .db()
        .of(app.issuer().system(Reason::Gates))
        .write(|mut tx| async move {
            if !create(&mut tx, user, email, Some(phc), request, now).await? {
                return Err(refused());
            }
            let workspace = workspaces::found(app, &mut tx, user, workspace_name, request, now).await?;
            let session = open_session(&mut tx, user, token, client, &None, request, now).await?;
            store::give_back(&mut tx, attempt).await?;
            Ok((session, workspace))
        })
        .await?;
    let new_session = NewSession {
        token: token.to_text(),
        session,
        user: user.clone(),
    };
    Ok(SignedUp {
        new_session,
        workspace,
    })
}

/// Starts a session for whoever knows the password.
///
/// # Errors
/// `invalid_credentials`, the same for a wrong address, a wrong password and a suspended user; `rate_limited` after too
/// many of them.
pub async fn sign_in(app: &App, visitor: &Anonymous, client: &Client, input: SignIn) -> Result<NewSession> {
    let email = Email::parse("email", &input.email)?;
    input.password.check_length()?;
    let attempt = Attempt::on_account(app, realms::DASHBOARD, &email, client.network());
    attempts::take(app, &attempt).await?;
    let known = match recognise(app, visitor, &email, &input.password).await {
        Ok(known) => known.ok_or_else(wrong)?,
        Err(error) => {
            // Nobody has looked at the password, so it was no guess.
            attempts::give_back(app, &attempt).await?;
            return Err(error);
        }
    };

    let Known { user, phc, rehashed } = &known;
    let token = sessions::new_token()?;
    let place = &realms::place_of(app, user.id, client).await?;
    let (token, attempt, request) = (&token, &attempt, visitor.request());
    let now = app.now();
    let session = app
        .db()
        .of(visitor.visitor())
        .write(|mut tx| async move {
            if let Some(rehashed) = rehashed.as_deref() {
                users::store::rehash_password(&mut tx, user, phc, rehashed).await?;
            }
            store::give_back(&mut tx, attempt).await?;
            open_session(&mut tx, user, token, client, place, request, now).await
        })
        .await?;
    Ok(NewSession {
        token: token.to_text(),
        session,
        user: user.clone(),
    })
}

/// Somebody who knows the password of an account.
struct Known {
    user: User,
    phc: String,
    /// The password hashed anew, where it was hashed with other costs than today's.
    rehashed: Option<String>,
}

/// The user with that address and password; `None` when either is wrong, or they are suspended.
async fn recognise(
    app: &App,
    visitor: &Anonymous,
    email: &Email,
    password: &Password,
) -> Result<Option<Known>> {
    let found = app
        .db()
        .of(visitor.visitor())
        .read(|mut tx| async move { users::store::find_by_email(&mut tx, realms::DASHBOARD, email).await })
        .await?;
    let stored = found.as_ref().and_then(|(_, phc)| phc.as_deref());
    let verification = app.passwords().verify(password.expose(), stored).await?;
    let (Some((user, Some(phc))), Verification::Match { needs_rehash }) = (found, verification) else {
        return Ok(None);
    };
    if user.suspended_at.is_some() {
        return Ok(None);
    }
    let rehashed = match needs_rehash {
        true => Some(app.passwords().hash(password.expose()).await?),
        false => None,
    };
    Ok(Some(Known { user, phc, rehashed }))
}

/// Ends the session that the caller uses.
pub async fn sign_out(app: &App, caller: &UserCaller) -> Result<()> {
    sessions::revoke(app, caller, caller.session()).await
}

/// Inserts a user with their password, if they have one, and tells of it. Whether the address was free.
pub(crate) async fn create(
    tx: &mut Tx<System>,
    user: &User,
    email: &Email,
    phc: Option<&str>,
    request: Option<RequestId>,
    now: Timestamp,
) -> Result<bool> {
    if !users::store::insert(tx, user, email).await? {
        return Ok(false);
    }
    if let Some(phc) = phc {
        users::store::set_password(tx, user, phc, now).await?;
    }
    let entry = NewEntry::new("user.create", "user", user.id);
    realms::record(tx, user.realm, Actor::User(user.id), request, entry, now).await?;
    let event = NewEvent::new("user.created", user.id, user)?;
    realms::emit(tx, user.realm, event, now).await?;
    Ok(true)
}

/// Starts a session and records that somebody has signed in, and from which `place` if that is known.
pub(crate) async fn open_session<S: Scope>(
    tx: &mut Tx<S>,
    user: &User,
    token: &OpaqueToken,
    client: &Client,
    place: &Option<Personal>,
    request: Option<RequestId>,
    now: Timestamp,
) -> Result<sessions::Session> {
    let session = sessions::start(tx, user, token, client, now).await?;
    let entry = NewEntry::new("session.create", "session", session.id).with_personal(place.clone());
    realms::record(tx, user.realm, Actor::User(user.id), request, entry, now).await?;
    Ok(session)
}

fn wrong() -> Error {
    Error::new(
        ErrorCode::InvalidCredentials,
        "The e-mail address or the password is wrong.",
    )
}

fn refused() -> Error {
    Error::new(
        ErrorCode::ValidationFailed,
        "No account can be made with these details. If you have one already, sign in with it; otherwise try another \
         e-mail address.",
    )
}
