//! What may be asked of API keys, and by whom.

use runtime::{Caller, KeyBinding};
use types::id::PlatformId;
use types::text::check_text;
use types::{Error, ErrorCode, Mode, Permission, PermissionSet, Result, Timestamp};

use super::{ApiKey, ApiKeyChange, ApiKeyKind, ApiKeyStatus, NewApiKey};

/// The most keys of a workspace that are neither revoked nor expired.
pub const MAX_KEYS: i64 = 1_000;
/// The longest time that a rotated key stays good, in seconds: 30 days.
pub const MAX_OVERLAP_SECS: u32 = 30 * 24 * 60 * 60;
const MAX_NAME_CHARS: usize = 100;

/// What a key of a platform may be given: nothing that reaches beyond the platform.
pub const PLATFORM_SCOPES: PermissionSet = PermissionSet::of(&[
    Permission::ApiKeysRead,
    Permission::ApiKeysManage,
    Permission::PlatformsRead,
    Permission::PlatformsManage,
    Permission::CustomersRead,
    Permission::CustomersManage,
    Permission::CustomerKeysRead,
    Permission::CustomerKeysManage,
    Permission::CustomerKeysVerify,
    Permission::UsageRead,
    Permission::UsageConsume,
]);

/// Which keys somebody sees and makes: all of the workspace, of one platform, or of one platform in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub platform: Option<PlatformId>,
    pub mode: Option<Mode>,
}

impl Reach {
    /// A key that is bound to a platform reaches that platform's keys of its own mode. People and workspace keys run
    /// the workspace, and reach every key.
    pub(super) fn of(caller: &Caller) -> Self {
        match caller.binding() {
            Some(KeyBinding {
                platform: Some(platform),
                mode,
            }) => Reach {
                platform: Some(platform),
                mode: Some(mode),
            },
            _ => Reach {
                platform: None,
                mode: None,
            },
        }
    }

    pub(super) fn covers(self, platform: Option<PlatformId>, mode: Mode) -> bool {
        self.platform.is_none_or(|own| platform == Some(own)) && self.mode.is_none_or(|own| mode == own)
    }

    /// The part of it that belongs to one platform.
    pub(super) fn narrowed(self, platform: Option<PlatformId>) -> Result<Self> {
        match (self.platform, platform) {
            (Some(own), Some(named)) if own != named => Err(Error::not_found("platform")),
            (own, named) => Ok(Reach {
                platform: own.or(named),
                mode: self.mode,
            }),
        }
    }
}

pub(super) fn check_new(caller: &Caller, new: &NewApiKey, now: Timestamp) -> Result<()> {
    check_text("name", &new.name, 1, MAX_NAME_CHARS)?;
    if new.platform.is_none() && new.kind == ApiKeyKind::Publishable {
        return Err(Error::invalid(
            "platform",
            "a publishable key belongs to a platform: name it",
        ));
    }
    if new.platform.is_none() && new.mode == Mode::Test {
        return Err(Error::invalid(
            "mode",
            "a key of the whole workspace is live; name a platform for a test key",
        ));
    }
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("expires_at", "must be an instant to come"));
    }
    if !Reach::of(caller).covers(new.platform, new.mode) {
        return Err(Error::new(
            ErrorCode::PermissionDenied,
            "This API key makes keys of its own platform and mode only. Use a key of the workspace.",
        ));
    }
    check_scopes(caller, new)
}

fn check_scopes(caller: &Caller, new: &NewApiKey) -> Result<()> {
    match (new.kind, new.scopes.is_empty()) {
        (ApiKeyKind::Publishable, false) => {
            return Err(Error::invalid(
                "scopes",
                "a publishable key has no scopes: leave them out",
            ));
        }
        (ApiKeyKind::Secret, true) => {
            return Err(Error::invalid("scopes", "a secret key needs at least one scope"));
        }
        _ => {}
    }
    let beyond = new.scopes.iter().find(|scope| !PLATFORM_SCOPES.contains(**scope));
    if let (Some(scope), Some(_)) = (beyond, new.platform) {
        return Err(Error::invalid(
            "scopes",
            format!("{scope} reaches beyond a platform: a key of a platform cannot have it"),
        ));
    }
    check_no_escalation(caller, new.scopes.iter().copied().collect())
}

/// Nobody gives away, or gets hold of, more than they have.
fn check_no_escalation(caller: &Caller, scopes: PermissionSet) -> Result<()> {
    match scopes.iter().find(|scope| !caller.may(*scope)) {
        None => Ok(()),
        Some(lacking) => Err(Error::new(
            ErrorCode::PermissionDenied,
            format!("A key cannot do more than whoever makes it, and you lack {lacking}. Leave it out, or ask an owner."),
        )
        .with_member("permission", lacking.as_str())),
    }
}

pub(super) fn check_change(change: &ApiKeyChange) -> Result<()> {
    if change.name.is_none() && change.expires_at.is_none() {
        return Err(Error::invalid(
            "body",
            "say what changes: name, expires_at or both",
        ));
    }
    change
        .name
        .as_ref()
        .map_or(Ok(()), |name| check_text("name", name, 1, MAX_NAME_CHARS))
}

pub(super) fn check_sooner(key: &ApiKey, end: Timestamp) -> Result<()> {
    match key.expires_at {
        Some(now_set) if end > now_set => Err(Error::invalid(
            "expires_at",
            format!(
                "the key expires at {now_set}, and its end can only be brought forward; make a new key instead"
            ),
        )),
        _ => Ok(()),
    }
}

pub(super) fn check_overlap(overlap_secs: u32) -> Result<()> {
    if overlap_secs > MAX_OVERLAP_SECS {
        return Err(Error::invalid(
            "overlap_secs",
            format!("must be from 0 to {MAX_OVERLAP_SECS} (30 days)"),
        ));
    }
    Ok(())
}

pub(super) fn check_rotatable(caller: &Caller, key: &ApiKey, now: Timestamp) -> Result<()> {
    check_no_escalation(caller, key.permissions())?;
    let refuse = |detail: String| Err(Error::new(ErrorCode::Conflict, detail));
    match (key.rotated_to, key.status(now)) {
        (_, ApiKeyStatus::Revoked) => refuse("The key is revoked. Make a new one.".to_owned()),
        (Some(new), _) => refuse(format!("The key was rotated already; {new} takes its place.")),
        (None, ApiKeyStatus::Expired) => refuse("The key has expired. Make a new one.".to_owned()),
        (None, ApiKeyStatus::Active) => Ok(()),
    }
}

/// `archived_at` of the platform that a key is made for; none when there is no such platform.
pub(super) fn check_open(platform: Option<Option<Timestamp>>) -> Result<()> {
    match platform {
        None => Err(Error::not_found("platform")),
        Some(None) => Ok(()),
        Some(Some(_)) => Err(Error::new(
            ErrorCode::Conflict,
            "The platform is archived: its keys are refused, and it gets no new ones.",
        )),
    }
}

pub(super) fn check_room(usable: i64) -> Result<()> {
    if usable < MAX_KEYS {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Conflict,
        format!("The workspace has {MAX_KEYS} usable API keys, the most there can be. Revoke one first."),
    )
    .with_member("limit", MAX_KEYS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::id::ApiKeyId;

    fn key(expires_at: Option<i64>) -> ApiKey {
        ApiKey {
            id: ApiKeyId::generate(),
            platform: None,
            mode: Mode::Live,
            kind: ApiKeyKind::Secret,
            name: "a".to_owned(),
            hint: String::new(),
            scopes: vec![Permission::UsageRead],
            created_by: "operator".to_owned(),
            created_at: Timestamp::EPOCH,
            expires_at: expires_at.map(Timestamp::from_secs),
            revoked_at: None,
            rotated_to: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_key_is_refused_from_the_instant_it_expires() {
        let key = key(Some(100));
        assert_eq!(
            key.status(Timestamp::from_micros(99_999_999)),
            ApiKeyStatus::Active
        );
        assert_eq!(key.status(Timestamp::from_secs(100)), ApiKeyStatus::Expired);
    }

    #[test]
    fn an_end_is_brought_forward_and_never_put_off() {
        assert!(check_sooner(&key(None), Timestamp::MAX).is_ok());
        assert!(check_sooner(&key(Some(100)), Timestamp::from_secs(50)).is_ok());
        assert!(check_sooner(&key(Some(100)), Timestamp::from_secs(101)).is_err());
    }

    #[test]
    fn a_bound_key_reaches_its_own_platform_and_mode() {
        let (own, other) = (PlatformId::generate(), PlatformId::generate());
        let reach = Reach {
            platform: Some(own),
            mode: Some(Mode::Test),
        };
        assert!(reach.covers(Some(own), Mode::Test));
        assert!(!reach.covers(Some(own), Mode::Live));
        assert!(!reach.covers(Some(other), Mode::Test));
        assert!(!reach.covers(None, Mode::Live));
        assert!(reach.narrowed(Some(other)).is_err());
        assert_eq!(reach.narrowed(None).unwrap(), reach);
    }

    #[test]
    fn room_ends_at_the_limit() {
        assert!(check_room(MAX_KEYS - 1).is_ok());
        assert!(check_room(MAX_KEYS).is_err());
    }
}
