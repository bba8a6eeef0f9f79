//! The first way in. Whoever runs the server needs no invitation: `bootstrap` makes an owner of the operator's workspace,
//! and `serve` prints a link that signs its reader in as one, once, for a quarter of an hour.

mod store;

use std::time::Duration;

use commerce::catalogue::OPERATOR_WORKSPACE;
use runtime::crypto::password::{PasswordContext, PasswordPolicy};
use runtime::crypto::{OpaqueToken, TokenUse};
use runtime::{Actor, Anonymous, App};
use storage::{Reason, System, Tx};
use types::id::{RequestId, WorkspaceId};
use types::{Error, ErrorCode, Result, Role, Timestamp};
use zeroize::Zeroizing;

pub(crate) use self::store::forget_links;

use crate::auth::{self, Password};
use crate::client::Client;
use crate::sessions::{self, NewSession};
use crate::users::{self, Email, User};
use crate::{memberships, realms};

/// How long an operator's link works.
pub const LINK_TTL: Duration = Duration::from_secs(15 * 60);

/// Who an operator's link makes when the operator's workspace has no owner yet.
const LOCAL_EMAIL: &str = "operator@localhost";
const LOCAL_NAME: &str = "Operator";

/// What `bootstrap` made or found.
#[derive(Debug)]
pub struct Bootstrapped {
    pub user: User,
    /// The operator's workspace, which they own.
    pub workspace: WorkspaceId,
    /// The password that was made for them: said this once.
    pub password: Option<Zeroizing<String>>,
}

/// Makes a user who owns the operator's workspace: called by their address and with a random password where neither is given.
/// A second time it finds them and leaves them as they are.
///
/// # Errors
/// `validation_failed`, for an address, a name or a password that breaks a rule.
pub async fn bootstrap(
    app: &App,
    email: &str,
    name: Option<&str>,
    password: Option<Password>,
) -> Result<Bootstrapped> {
    let email = &Email::parse("email", email)?;
    let name = name.map(users::check_name).transpose()?;
    let name = name.as_deref().unwrap_or(email.typed());
    let known = app
        .db()
        .of(app.issuer().system(Reason::Operator))
        .read(|mut tx| async move { users::store::find_by_email(&mut tx, realms::DASHBOARD, email).await })
        .await?;
    let mut made = None;
    let phc = match (known, password) {
        (Some(_), _) => None,
        (None, Some(password)) => Some(choose(app, email, &password).await?),
        (None, None) => {
            let random = sessions::new_token()?.to_text();
            let phc = app.passwords().hash(&random).await?;
            made = Some(random);
            Some(phc)
        }
    };
    let (phc, now) = (phc.as_deref(), app.now());
    let (user, is_new) = app
        .db()
        .of(app.issuer().system(Reason::Operator))
        .write(|mut tx| async move { ensure_owner(&mut tx, email, name, phc, None, now).await })
        .await?;
    Ok(Bootstrapped {
        user,
        workspace: OPERATOR_WORKSPACE,
        password: made.filter(|_| is_new),
    })
}

async fn choose(app: &App, email: &Email, password: &Password) -> Result<String> {
    let context = PasswordContext::new().with(email.typed());
    let policy = PasswordPolicy::SOLE_FACTOR;
    Ok(app
        .passwords()
        .hash_checked(password.expose(), policy, context)
        .await?)
}

/// The user with an address as an owner of the operator's workspace, and whether they are new.
async fn ensure_owner(
    tx: &mut Tx<System>,
    email: &Email,
    name: &str,
    phc: Option<&str>,
    request: Option<RequestId>,
    now: Timestamp,
) -> Result<(User, bool)> {
    let name: String = name.chars().take(users::MAX_NAME_CHARS).collect();
    let new = User::new(realms::DASHBOARD, email, name, now);
    let is_new = auth::create(tx, &new, email, phc, request, now).await?;
    let found = users::store::find_by_email(tx, realms::DASHBOARD, email).await?;
    let (user, _) =
        found.ok_or_else(|| Error::internal("a user vanished in the transaction that made them"))?;
    memberships::join(
        tx,
        OPERATOR_WORKSPACE,
        &user,
        Role::Owner,
        Actor::Operator,
        request,
        now,
    )
    .await?;
    Ok((user, is_new))
}

/// Makes a link that signs in as the operator: the path and query under the server's own address.
pub async fn operator_link(app: &App) -> Result<Zeroizing<String>> {
    let token = sessions::new_token()?;
    let (hash, now) = (&token.hash(TokenUse::OperatorLink), app.now());
    app.db()
        .of(app.issuer().system(Reason::Operator))
        .write(|mut tx| async move { store::insert(&mut tx, hash, now, now + LINK_TTL).await })
        .await?;
    Ok(Zeroizing::new(format!(
        "/operator?token={}",
        token.to_text().as_str()
    )))
}

/// Signs in with the token of an operator's link, which works once. The user is the oldest owner of the operator's
/// workspace; when it has none, one is made.
///
/// # Errors
/// `invalid_credentials`, when the link is unknown, was used, or is too old.
pub async fn enter(app: &App, visitor: &Anonymous, client: &Client, token: &str) -> Result<NewSession> {
    let hash = &OpaqueToken::parse(token)
        .ok_or_else(dead_link)?
        .hash(TokenUse::OperatorLink);
    let session_token = &sessions::new_token()?;
    let email = &Email::parse("email", LOCAL_EMAIL)?;
    let (request, now) = (visitor.request(), app.now());
    let (user, session) = app
        .db()
        .of(app.issuer().system(Reason::Operator))
        .write(|mut tx| async move {
            if !store::use_up(&mut tx, hash, now).await? {
                return Err(dead_link());
            }
            let user = match memberships::oldest_owner(&mut tx, OPERATOR_WORKSPACE).await? {
                Some(owner) => owner,
                None => {
                    ensure_owner(&mut tx, email, LOCAL_NAME, None, request, now)
                        .await?
                        .0
                }
            };
            let session =
                auth::open_session(&mut tx, &user, session_token, client, &None, request, now).await?;
            Ok((user, session))
        })
        .await?;
    Ok(NewSession {
        token: session_token.to_text(),
        session,
        user,
    })
}

fn dead_link() -> Error {
    Error::new(
        ErrorCode::InvalidCredentials,
        "This link was used already or is older than a quarter of an hour. Start the server again for a new one, or sign in.",
    )
}
