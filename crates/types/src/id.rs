//! Typed ids. In the database an id is a UUID; on the wire it is `prefix_` and 26 characters of lower-case Crockford
//! base32, so that a pasted id tells what it is. Ids are UUIDv7 (they sort by creation) unless the noun must not tell
//! its time, in which case [`Id::random`] makes a version 4 one.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Timestamp;

/// A noun that has ids. Implemented only by the registry in this module.
pub trait Kind: Send + Sync + 'static {
    /// What stands before the underscore on the wire.
    const PREFIX: &'static str;
    /// The noun in prose, for error messages: "no such customer".
    const NOUN: &'static str;
}

macro_rules! registry {
    ($($(#[$doc:meta])* $kind:ident, $alias:ident, $prefix:literal, $noun:literal;)*) => {
        $(
            $(#[$doc])*
            pub enum $kind {}
            impl Kind for $kind {
                const PREFIX: &'static str = $prefix;
                const NOUN: &'static str = $noun;
            }
            #[doc = concat!("Id of a ", $noun, ", `", $prefix, "_…` on the wire.")]
            pub type $alias = Id<$kind>;
        )*
        /// Every prefix with its noun: the registry.
        pub const PREFIXES: &[(&str, &str)] = &[$(($prefix, $noun)),*];
    };
}

registry! {
    /// Tenant: the unit of isolation.
    Workspace, WorkspaceId, "wsp", "workspace";
    /// A pool of users with its own keys.
    Realm, RealmId, "rlm", "realm";
    User, UserId, "usr", "user";
    Session, SessionId, "ses", "session";
    Membership, MembershipId, "mbr", "membership";
    Invitation, InvitationId, "inv", "invitation";
    Identity, IdentityId, "idn", "identity";
    /// A product that a workspace sells.
    Platform, PlatformId, "plt", "platform";
    Customer, CustomerId, "cus", "customer";
    EndUser, EndUserId, "eus", "end user";
    ApiKey, ApiKeyId, "key", "API key";
    /// A key that a platform issues to a customer.
    CustomerKey, CustomerKeyId, "ckey", "customer key";
    Feature, FeatureId, "fea", "feature";
    PlanGroup, PlanGroupId, "pgr", "plan group";
    Plan, PlanId, "pln", "plan";
    Subscription, SubscriptionId, "sub", "subscription";
    Override, OverrideId, "ovr", "override";
    UsageEvent, UsageEventId, "uev", "usage event";
    UsageBatch, UsageBatchId, "ubt", "usage batch";
    Hold, HoldId, "hld", "hold";
    Grant, GrantId, "grt", "grant";
    RateLimit, RateLimitId, "rtl", "rate limit";
    Event, EventId, "evt", "event";
    Job, JobId, "job", "job";
    InboxMessage, InboxMessageId, "ibx", "inbox message";
    AuditEntry, AuditEntryId, "aud", "audit entry";
    Mail, MailId, "eml", "mail";
    Node, NodeId, "nod", "node";
    SealingKey, SealingKeyId, "skm", "sealing key";
    Request, RequestId, "req", "request";
}

/// An id of one noun. Copy, ordered by its bytes (so by creation time, for UUIDv7).
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// Wraps a UUID read from the database.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Id {
            uuid,
            kind: PhantomData,
        }
    }

    /// The UUID as the database stores it.
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl<K: Kind> Id<K> {
    /// A new id that sorts after the ones made before it (UUIDv7).
    pub fn generate() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// The least id that is made at an instant or later: every id that was made before it sorts before it.
    pub fn least_at(at: Timestamp) -> Self {
        let millis = u64::try_from(at.as_micros().div_euclid(1_000)).unwrap_or(0);
        Self::from_uuid(Uuid::from_u128(u128::from(millis) << 80))
    }

    /// A new id that tells nothing, not even when it was made (UUIDv4).
    pub fn random() -> Self {
        Self::from_uuid(Uuid::new_v4())
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LEN: usize = 26;

/// Encodes 128 bits as 26 lower-case Crockford base32 characters, most significant first.
fn encode(uuid: Uuid) -> [u8; ENCODED_LEN] {
    let mut rest = uuid.as_u128();
    let mut out = [0; ENCODED_LEN];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    out
}

/// Decodes what [`encode`] made. Upper case is accepted, the look-alikes `i l o u` are not: an id is copied, not typed.
fn decode(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    if bytes.len() != ENCODED_LEN || bytes[0] > b'7' {
        return None;
    }
    let mut value: u128 = 0;
    for byte in bytes {
        let digit = ALPHABET
            .iter()
            .position(|letter| *letter == byte.to_ascii_lowercase())?;
        value = (value << 5) | digit as u128;
    }
    Some(Uuid::from_u128(value))
}

/// The text was not an id of the noun that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseIdError {
    prefix: &'static str,
    noun: &'static str,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not the id of a {}: expected {}_ and 26 letters or digits",
            self.noun, self.prefix
        )
    }
}

impl std::error::Error for ParseIdError {}

impl<K: Kind> FromStr for Id<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .and_then(decode)
            .map(Self::from_uuid)
            .ok_or(ParseIdError {
                prefix: K::PREFIX,
                noun: K::NOUN,
            })
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = encode(self.uuid);
        let text = std::str::from_utf8(&encoded).map_err(|_| fmt::Error)?;
        write!(f, "{}_{text}", K::PREFIX)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<K: Kind> utoipa::PartialSchema for Id<K> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some(format!("^{}_[0-9a-hjkmnp-tv-z]{{26}}$", K::PREFIX)))
            .into()
    }
}

impl<K: Kind> utoipa::ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}_id", K::NOUN.replace(' ', "_")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_sorts_like_its_bytes() {
        let (a, b) = (WorkspaceId::generate(), WorkspaceId::generate());
        assert_eq!(a.to_string().parse::<WorkspaceId>(), Ok(a));
        assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        assert_eq!(a.to_string().len(), "wsp_".len() + ENCODED_LEN);
    }

    #[test]
    fn ids_stop_where_their_instant_says() {
        let id = UserId::generate();
        let now = Timestamp::now();
        let minute = std::time::Duration::from_secs(60);
        assert!(Id::least_at(now - minute) < id && id < Id::least_at(now + minute));
    }

    #[test]
    fn another_noun_s_id_is_refused() {
        let text = UserId::generate().to_string();
        let refusal = text.parse::<WorkspaceId>().unwrap_err();
        assert!(refusal.to_string().contains("workspace"), "{refusal}");
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in [
            "",
            "wsp_",
            "wsp_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "wsp_0000000000000000000000000i",
            "wsp_é",
        ] {
            assert!(text.parse::<WorkspaceId>().is_err(), "{text}");
        }
    }

    #[test]
    fn prefixes_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        assert!(PREFIXES.iter().all(|(prefix, _)| seen.insert(prefix)));
    }
}
