//! What every kind of key has in common: how a secret is kept, what a node remembers of the keys that it has seen, and when
//! keys were last used. The kinds themselves are nouns: `api_keys`, `customer_keys`.

mod known;
mod secret;
mod upkeep;
mod uses;

use runtime::App;
use storage::cache::Channel;
use types::id::Kind;
use types::{Id, Result};

pub(crate) use self::known::KnownKeys;
pub(crate) use self::secret::StoredSecret;
pub(crate) use self::upkeep::run;
pub(crate) use self::uses::{Use, Uses};

/// A key as it is read to recognise its secret, with all that a decision about it needs.
pub(crate) trait KeyRow: Send + Sync + 'static {
    type Kind: Kind;

    /// Tells every node the id of a key that has changed.
    const CHANGED: Channel;

    fn id(&self) -> Id<Self::Kind>;

    /// Writes when keys of this kind were last used.
    fn write_uses(app: &App) -> impl Future<Output = Result<()>> + Send;
}
