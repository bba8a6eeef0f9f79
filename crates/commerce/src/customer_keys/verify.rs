//! Verifying a key: whose it is, whether it may be used, and what that uses up. What stands in the key's own row is looked at
//! first; quotas, credits and rate limits are then decided together with the customer's own, by the group commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::Code;
use runtime::App;
use runtime::crypto::IssuedKey;
use serde::{Deserialize, Serialize};
use types::id::{CustomerId, CustomerKeyId, EndUserId};
use types::text::check_text;
use types::{Error, Permission, Result, Timestamp};
use utoipa::ToSchema;

use super::permissions::{Needed, PermissionQuery};
use super::resource::Key;
use super::store::{self, Row};
use super::{Known, Uses, budget, secret};
use crate::customers::CustomerRef;
use crate::usage::{self, Also, KeyedUse, LimitedBy, RateLimitStanding, Usage, Used, whole_secs};
use crate::{Amount, Shop, ShopCaller, rate_limits};

/// Characters of what may be shown as a key.
const MAX_KEY_CHARS: usize = 512;

/// A key that somebody showed to the seller's server, and what they want to do.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVerification {
    /// The key as it was shown.
    #[schema(min_length = 1, max_length = 512)]
    pub key: String,
    /// What the key must be permitted.
    pub permissions: Option<PermissionQuery>,
    /// The key of a metered feature that is used; nothing is when absent.
    #[schema(min_length = 1, max_length = 63, example = "calls")]
    pub feature: Option<String>,
    /// How much of the feature, above zero; 1 when absent. Credits count the verification, whatever the amount.
    pub amount: Option<Amount>,
    /// Values of the feature's dimensions, by name, such as `{"model": "small"}`.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub dimensions: BTreeMap<String, String>,
    /// What was called, for rate limits of one route, such as `POST /v1/reports`.
    #[schema(min_length = 1, max_length = 200)]
    pub route: Option<String>,
    /// Makes the call safe to repeat: what was granted under it is answered again, and counted once. Kept 32 days. The
    /// header `Idempotency-Key` does the same.
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
}

/// Whether a key may be used, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictCode {
    Valid,
    /// The platform has issued no such key, or it was mistyped.
    NotFound,
    /// It is a key of the other mode.
    Forbidden,
    Revoked,
    Expired,
    Disabled,
    CustomerArchived,
    InsufficientPermissions,
    /// The plan of the customer lacks the feature.
    FeatureNotInPlan,
    /// A quota of the customer or of the key, or the key's credits, have no room for it.
    UsageExceeded,
    RateLimited,
}

/// The answer to a verification.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Verdict {
    /// Whether the key may be used; what was asked for is counted then.
    pub valid: bool,
    pub code: VerdictCode,
    /// The key's id; null when there is none, or none for you.
    pub key: Option<CustomerKeyId>,
    pub name: Option<String>,
    pub customer: Option<CustomerId>,
    pub end_user: Option<EndUserId>,
    /// What the key may do, all of it.
    pub permissions: Vec<String>,
    /// Your own notes on the key.
    pub metadata: BTreeMap<String, String>,
    pub expires_at: Option<Timestamp>,
    /// Verifications that the key has left; null for as many as you like, and when they were not looked at.
    pub credits_remaining: Option<i64>,
    /// The rate limits that it came under: the platform's and the key's own.
    pub rate_limits: Vec<RateLimitStanding>,
    /// After a refusal by a limit: whose it is.
    pub limited_by: Option<VerdictLimit>,
    /// After a refusal: seconds after which the same may be granted, if waiting can help.
    pub retry_after_secs: Option<u64>,
    /// What was counted, or was not, of the feature.
    pub usage: Option<Usage>,
}

/// What a verification came to: the answer, and whether it is that of an earlier one under the same idempotency key.
#[derive(Debug, Clone)]
pub struct Verified {
    pub verdict: Verdict,
    pub replayed: bool,
}

impl Verdict {
    /// Of what is no key of the platform, or none to be spoken of.
    fn unknown(code: VerdictCode) -> Self {
        Verdict {
            valid: false,
            code,
            key: None,
            name: None,
            customer: None,
            end_user: None,
            permissions: Vec::new(),
            metadata: BTreeMap::new(),
            expires_at: None,
            credits_remaining: None,
            rate_limits: Vec::new(),
            limited_by: None,
            retry_after_secs: None,
            usage: None,
        }
    }

    fn about(key: &Key, code: VerdictCode) -> Self {
        Verdict {
            valid: code == VerdictCode::Valid,
            key: Some(key.id),
            name: Some(key.name.clone()),
            customer: Some(key.customer),
            end_user: key.end_user,
            permissions: key.permissions.clone(),
            metadata: key.metadata.clone(),
            expires_at: key.expires_at,
            ..Verdict::unknown(code)
        }
    }

    /// Of a key that may be used, as far as what it uses up allows.
    fn counted(key: &Key, used: Used) -> Self {
        let credits = used.calls.first();
        Verdict {
            credits_remaining: credits.and_then(|credits| credits.remaining),
            rate_limits: used.rates.iter().map(RateLimitStanding::from).collect(),
            limited_by: used.limited_by.map(VerdictLimit::from),
            retry_after_secs: used.retry_after.map(whole_secs),
            usage: used.usage,
            ..Verdict::about(key, VerdictCode::from(used.code))
        }
    }
}

impl From<Code> for VerdictCode {
    fn from(code: Code) -> Self {
        match code {
            Code::Granted => VerdictCode::Valid,
            Code::RateLimited => VerdictCode::RateLimited,
            Code::FeatureNotInPlan => VerdictCode::FeatureNotInPlan,
            Code::CustomerArchived => VerdictCode::CustomerArchived,
            Code::QuotaExceeded | Code::UniqueCapReached | Code::AmountTooLarge => VerdictCode::UsageExceeded,
        }
    }
}

/// Whose limit a use did not fit in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictLimit {
    /// The customer's quota of the feature.
    Customer,
    /// The key's own quota of the feature.
    Key,
    /// The key's credits.
    Credits,
    /// One of the rate limits.
    RateLimit,
}

impl From<LimitedBy> for VerdictLimit {
    fn from(limited_by: LimitedBy) -> Self {
        match limited_by {
            LimitedBy::Customer => VerdictLimit::Customer,
            LimitedBy::Also(_) => VerdictLimit::Key,
            LimitedBy::Calls => VerdictLimit::Credits,
            LimitedBy::Rate(_) => VerdictLimit::RateLimit,
        }
    }
}

/// Says whether a key may be used, and counts the use if it may.
///
/// # Errors
/// `permission_denied`, `validation_failed`; `not_found` and `feature_not_metered` for the feature; `plan_limit_reached` (the
/// workspace's own plan). `outcome_unknown` asks for a retry under the same idempotency key.
pub async fn verify(app: &App, caller: &ShopCaller, input: NewVerification) -> Result<Verified> {
    caller.caller.require(Permission::CustomerKeysVerify)?;
    check_text("key", &input.key, 1, MAX_KEY_CHARS)?;
    usage::check_call(
        input.feature.as_deref(),
        &input.dimensions,
        input.route.as_deref(),
        input.idempotency_key.as_deref(),
    )?;
    if let Some(amount) = &input.amount {
        amount.check_field("amount")?;
    }
    check_feature(&input)?;
    let needed = input.permissions.as_ref().map(Needed::read).transpose()?;
    let verdict = |verdict| {
        Ok(Verified {
            verdict,
            replayed: false,
        })
    };
    let Some(row) = recognise(app, caller, &input.key).await? else {
        return verdict(Verdict::unknown(VerdictCode::NotFound));
    };
    let (key, now) = (&row.key, app.now());
    if row.shop.mode != caller.shop.mode {
        return verdict(Verdict::unknown(VerdictCode::Forbidden));
    }
    let standing = key.standing(needed.as_ref(), now);
    if standing != VerdictCode::Valid {
        return verdict(Verdict::about(key, standing));
    }
    let also = key.charges(caller.shop, input.feature.as_deref(), now);
    if input.feature.is_none() && also.is_empty() && !is_rate_limited(app, caller.shop).await? {
        return verdict(Verdict::about(key, VerdictCode::Valid));
    }
    let keyed = KeyedUse {
        customer: CustomerRef::Id(key.customer),
        end_user: key.end_user,
        feature: input.feature,
        amount: input.amount,
        dimensions: input.dimensions,
        route: input.route,
        idempotency_key: input.idempotency_key,
    };
    let used = usage::consume_with_key(app, caller, keyed, also).await?;
    Ok(Verified {
        replayed: used.replayed,
        verdict: Verdict::counted(key, used),
    })
}

/// What is said of a feature goes with one.
fn check_feature(input: &NewVerification) -> Result<()> {
    if input.feature.is_some() {
        return Ok(());
    }
    let given = [
        ("amount", input.amount.is_some()),
        ("dimensions", !input.dimensions.is_empty()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((field, _)) => Err(Error::invalid(*field, "belongs to a feature: name it")),
        None => Ok(()),
    }
}

/// Whether the platform has rate limits, which a key may come under.
async fn is_rate_limited(app: &App, shop: Shop) -> Result<bool> {
    let rules = app.service::<rate_limits::Known>()?.of(app, shop).await?;
    Ok(!rules.is_empty())
}

/// The platform's key whose secret this is, live or test.
async fn recognise(app: &App, caller: &ShopCaller, shown: &str) -> Result<Option<Arc<Row>>> {
    let Some(shown) = IssuedKey::parse(shown) else {
        return Ok(None);
    };
    let (known, id) = (app.service::<Known>()?, shown.id());
    let is_ours =
        |shop: Shop| shop.workspace == caller.shop.workspace && shop.platform == caller.shop.platform;
    if let Some(found) = known.find(id).filter(|found| is_ours(found.shop)) {
        return Ok(Some(found).filter(|found| secret::matches(app, &shown, &found.secret)));
    }
    let (moment, shop) = (known.moment(), caller.shop);
    let found = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::look_up(&mut tx, shop, id).await })
        .await?;
    let Some(row) = found.filter(|row| secret::matches(app, &shown, &row.secret)) else {
        return Ok(None);
    };
    app.service::<Uses>()?
        .note(id, row.shop, row.key.last_used_at, app.now());
    Ok(Some(known.remember(row, moment)))
}

impl Key {
    /// What a use is charged to because it comes with this key.
    fn charges(&self, shop: Shop, feature: Option<&str>, now: Timestamp) -> Also {
        let (budget, anchor) = (&self.budget, &self.anchor);
        let subject = budget::subject(shop, self.family);
        let quota = feature.and_then(|feature| budget.quota(subject, feature, anchor, now));
        Also {
            api_key: Some(self.family.uuid()),
            charges: quota.into_iter().collect(),
            calls: budget.credit(subject, anchor, now).into_iter().collect(),
            rates: budget.rates(subject),
        }
    }

    /// What there is to say before anything is counted.
    fn standing(&self, needed: Option<&Needed>, now: Timestamp) -> VerdictCode {
        if self.revoked_at.is_some() {
            VerdictCode::Revoked
        } else if self.has_expired(now) {
            VerdictCode::Expired
        } else if !self.enabled {
            VerdictCode::Disabled
        } else if self.customer_archived {
            VerdictCode::CustomerArchived
        } else if needed.is_some_and(|needed| !needed.is_met_by(&self.permissions)) {
            VerdictCode::InsufficientPermissions
        } else {
            VerdictCode::Valid
        }
    }
}
