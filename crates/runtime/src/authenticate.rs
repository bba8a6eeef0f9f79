//! From a credential to a caller. Parts register authenticators; each turns a credential it knows into plain data, a
//! [`Grant`], and only this module makes a scope of it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use http::{HeaderMap, header};
use types::id::{ApiKeyId, PlatformId, RealmId, RequestId, SessionId, UserId, WorkspaceId};
use types::{Error, ErrorCode, Mode, PermissionSet, Result};

use crate::app::App;
use crate::caller::{Actor, Anonymous, Caller, CustomerCaller, KeyBinding, UserCaller};
use crate::http::Problem;

/// The header that names the workspace of a signed-in person's API call.
pub const WORKSPACE_HEADER: &str = "plinth-workspace";
/// The cookie of a session. The `__Host-` prefix makes browsers refuse it from anywhere but this very host over TLS.
pub const SESSION_COOKIE: &str = "__Host-session";

/// What a request shows to say who it is from.
#[derive(Clone)]
pub enum Credential {
    /// `Authorization: Bearer …`
    Bearer(String),
    /// The session cookie.
    Session(String),
}

/// What an authenticator found out.
#[derive(Debug, Clone)]
pub enum Grant {
    /// A person, and when a workspace was named and they are in it, what they may do there.
    Person {
        realm: RealmId,
        user: UserId,
        session: SessionId,
        member_of: Option<(WorkspaceId, PermissionSet)>,
    },
    /// A secret key.
    SecretKey {
        workspace: WorkspaceId,
        api_key: ApiKeyId,
        scopes: PermissionSet,
        platform: Option<PlatformId>,
        mode: Mode,
    },
    /// A publishable key.
    PublishableKey {
        workspace: WorkspaceId,
        api_key: ApiKeyId,
        platform: PlatformId,
        mode: Mode,
    },
}

/// Turns credentials of some kind into grants.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Whether this authenticator knows credentials of this shape. Cheap: no I/O.
    fn accepts(&self, credential: &Credential) -> bool;

    /// Checks a credential. `workspace` is the one the request names, if it does.
    ///
    /// # Errors
    /// `unauthenticated`, `api_key_expired`, `api_key_revoked` or `session_expired`, whatever fits.
    async fn authenticate(
        &self,
        app: &App,
        credential: &Credential,
        workspace: Option<WorkspaceId>,
    ) -> Result<Grant>;
}

/// The grant of a request, remembered for its other extractors.
#[derive(Clone)]
struct Remembered(Grant);

/// The id that the pipeline gave the request.
#[derive(Debug, Clone, Copy)]
pub struct RequestTag(pub RequestId);

pub(crate) fn request_id(parts: &Parts) -> Option<RequestId> {
    parts.extensions.get::<RequestTag>().map(|tag| tag.0)
}

/// The credential a request shows: a bearer token before a cookie.
pub(crate) fn credential(headers: &HeaderMap) -> Option<Credential> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then(|| Credential::Bearer(token.trim().to_owned()))
        });
    bearer.or_else(|| cookie(headers, SESSION_COOKIE).map(|value| Credential::Session(value.to_owned())))
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|line| {
            line.split(';').find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                (key == name).then_some(value)
            })
        })
}

/// The workspace that the request names: in its path as `{workspace}`, else in its header.
async fn named_workspace(parts: &mut Parts) -> Result<Option<WorkspaceId>> {
    use axum::extract::RawPathParams;
    if let Ok(params) = RawPathParams::from_request_parts(parts, &()).await
        && let Some((_, text)) = params.iter().find(|(name, _)| *name == "workspace")
    {
        return text.parse().map(Some).map_err(|_| Error::not_found("workspace"));
    }
    match parts.headers.get(WORKSPACE_HEADER) {
        None => Ok(None),
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .map(Some)
            .ok_or_else(|| {
                Error::invalid(
                    "Plinth-Workspace",
                    "expected the id of a workspace, such as wsp_…",
                )
            }),
    }
}

/// Who the request is from.
///
/// # Errors
/// `unauthenticated`, when it shows nothing, or nothing that is known here.
pub(crate) async fn grant(parts: &mut Parts, app: &App) -> Result<Grant> {
    if let Some(Remembered(grant)) = parts.extensions.get::<Remembered>() {
        return Ok(grant.clone());
    }
    let credential = credential(&parts.headers).ok_or_else(|| {
        Error::new(
            ErrorCode::Unauthenticated,
            "Send an API key as `Authorization: Bearer sk_…`, or sign in with a browser.",
        )
    })?;
    let workspace = named_workspace(parts).await?;
    let authenticator: &Arc<dyn Authenticator> = app
        .authenticators()
        .iter()
        .find(|authenticator| authenticator.accepts(&credential))
        .ok_or_else(|| {
            Error::new(
                ErrorCode::Unauthenticated,
                "This is not a credential of a kind that is known here.",
            )
        })?;
    let grant = authenticator.authenticate(app, &credential, workspace).await?;
    parts.extensions.insert(Remembered(grant.clone()));
    Ok(grant)
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let request = request_id(parts);
        match grant(parts, app).await? {
            Grant::SecretKey {
                workspace,
                api_key,
                scopes,
                platform,
                mode,
            } => Ok(Caller::new(
                app.issuer().tenant(workspace),
                Actor::ApiKey(api_key),
                scopes,
                Some(KeyBinding { platform, mode }),
                request,
            )),
            Grant::Person {
                user,
                member_of: Some((workspace, permissions)),
                ..
            } => Ok(Caller::new(
                app.issuer().tenant(workspace),
                Actor::User(user),
                permissions,
                None,
                request,
            )),
            Grant::Person { member_of: None, .. } => Err(match named_workspace(parts).await? {
                Some(_) => Error::not_found("workspace"),
                None => Error::invalid("Plinth-Workspace", "name the workspace in this header"),
            }
            .into()),
            Grant::PublishableKey { .. } => Err(Error::new(
                ErrorCode::WrongKeyKind,
                "A publishable key (pk_…) cannot do this. Use a secret key (sk_…) from your server.",
            )
            .into()),
        }
    }
}

impl FromRequestParts<App> for UserCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let request = request_id(parts);
        match grant(parts, app).await? {
            Grant::Person {
                realm, user, session, ..
            } => Ok(UserCaller {
                person: app.issuer().person(realm, user),
                session,
                request,
            }),
            _ => Err(Error::new(
                ErrorCode::WrongKeyKind,
                "This belongs to a person. Sign in; an API key does not do.",
            )
            .into()),
        }
    }
}

impl OptionalFromRequestParts<App> for UserCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        match <UserCaller as FromRequestParts<App>>::from_request_parts(parts, app).await {
            Ok(caller) => Ok(Some(caller)),
            Err(Problem(error)) if matches!(error.code().status(), 401 | 403) => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

impl FromRequestParts<App> for CustomerCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match grant(parts, app).await? {
            Grant::PublishableKey {
                workspace,
                api_key,
                platform,
                mode,
            } => Ok(CustomerCaller {
                tenant: app.issuer().tenant(workspace),
                api_key,
                platform,
                mode,
                customer: None,
                end_user: None,
            }),
            _ => Err(Error::new(ErrorCode::WrongKeyKind, "Send a publishable key (pk_…) here.").into()),
        }
    }
}

impl FromRequestParts<App> for Anonymous {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Anonymous {
            visitor: app.issuer().visitor(),
            request: request_id(parts),
        })
    }
}
