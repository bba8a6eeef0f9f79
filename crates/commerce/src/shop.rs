//! Whose goods: one platform of one workspace, live or test. Every store of this crate takes a [`Shop`], never bare ids.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use runtime::http::Problem;
use runtime::{App, Caller};
use storage::Tenant;
use types::id::{PlatformId, WorkspaceId};
use types::{Error, ErrorCode, Mode, Result};
use utoipa::IntoParams;

use crate::platforms;

/// The header that names the platform, for a caller that is not bound to one.
pub const PLATFORM_HEADER: &str = "plinth-platform";
/// The header that names the mode, for a caller that is not bound to one.
pub const MODE_HEADER: &str = "plinth-mode";

/// One platform of one workspace, in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shop {
    pub workspace: WorkspaceId,
    pub platform: PlatformId,
    pub mode: Mode,
}

/// A caller at work in a shop: a key bound to a platform, or somebody of the workspace who named one.
#[derive(Debug, Clone)]
pub struct ShopCaller {
    pub caller: Caller,
    pub shop: Shop,
    /// Whether the platform is archived: then everything can be read, and nothing changed or used.
    pub archived: bool,
}

impl ShopCaller {
    /// Goes into a shop on behalf of somebody of the workspace.
    ///
    /// # Errors
    /// `not_found`, when the workspace has no such platform, `wrong_mode` or `permission_denied`, when the caller is a key
    /// that is bound to another mode or platform.
    pub async fn enter(app: &App, caller: Caller, platform: PlatformId, mode: Mode) -> Result<Self> {
        if let Some(binding) = caller.binding() {
            if binding.mode != mode {
                return Err(Error::new(
                    ErrorCode::WrongMode,
                    format!(
                        "This is a {} key; use a {mode} key for {mode} data.",
                        binding.mode
                    ),
                ));
            }
            if binding.platform.is_some_and(|bound| bound != platform) {
                return Err(Error::not_found("platform"));
            }
        }
        let archived = platforms::is_archived(app, caller.tenant(), platform).await?;
        let shop = Shop {
            workspace: caller.workspace(),
            platform,
            mode,
        };
        Ok(ShopCaller {
            caller,
            shop,
            archived,
        })
    }

    /// The scope to reach the shop's rows in.
    pub fn tenant(&self) -> Tenant {
        self.caller.tenant()
    }
}

/// The headers that name a shop, as the API's description tells them: `params(ShopHeaders)`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ShopHeaders {
    /// The platform; a key of a platform needs not name it.
    #[param(rename = "Plinth-Platform")]
    pub platform: Option<PlatformId>,
    /// `live` or `test`; a key needs not name it, anybody else works in live mode when it is absent.
    #[param(rename = "Plinth-Mode")]
    pub mode: Option<Mode>,
}

impl FromRequestParts<App> for ShopCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let binding = caller.binding();
        let named_mode: Option<Mode> = header(&parts.headers, MODE_HEADER, "Plinth-Mode", "live or test")?;
        let mode = named_mode
            .or(binding.map(|binding| binding.mode))
            .unwrap_or(Mode::Live);
        let named: Option<PlatformId> = header(
            &parts.headers,
            PLATFORM_HEADER,
            "Plinth-Platform",
            "the id of a platform, such as plt_…",
        )?;
        let platform = named
            .or(binding.and_then(|binding| binding.platform))
            .ok_or_else(|| {
                Error::invalid(
                    "Plinth-Platform",
                    "name the platform in this header, or use a key of the platform",
                )
            })?;
        let shop_caller = ShopCaller::enter(app, caller, platform, mode).await?;
        if shop_caller.archived && !parts.method.is_safe() {
            return Err(Error::not_found("platform").into());
        }
        Ok(shop_caller)
    }
}

fn header<T: std::str::FromStr>(
    headers: &HeaderMap,
    name: &str,
    shown: &str,
    expected: &str,
) -> Result<Option<T>> {
    headers
        .get(name)
        .map(|value| {
            let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
            parsed.ok_or_else(|| Error::invalid(shown, format!("expected {expected}")))
        })
        .transpose()
}
