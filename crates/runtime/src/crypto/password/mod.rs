//! Passwords: argon2id, at most a few at once, and the same work whether or not the user exists.

mod policy;

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub use argon2::Params;
pub use policy::{MAX_CODE_POINTS, PasswordContext, PasswordPolicy, PasswordRejection};

/// What every password is hashed with: 19 MiB, two passes, one lane (OWASP's recommendation).
pub const RECOMMENDED: Params = match Params::new(19_456, 2, 1, None) {
    Ok(params) => params,
    Err(_) => panic!("argon2 accepts these costs"),
};

/// How many passwords may wait for each one that is being hashed. At some 30 ms each, the last waits two seconds.
const WAITING_PER_WORKER: usize = 64;

/// The salt and the output of the hash that stands in for a missing one. No password has an output of zeros.
const DUMMY_SALT_AND_OUTPUT: &str = "cGxpbnRoLW5vLXNhbHQxNg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password was not hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("the password cannot be used: {0}")]
    Rejected(#[from] PasswordRejection),
    #[error("too many people are signing in at once")]
    Busy,
    #[error("hashing a password was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
    #[error("argon2 failed: {0}")]
    Argon2(password_hash::Error),
    #[error("the stored hash is no whole PHC string: the row was damaged")]
    Damaged,
}

impl From<PasswordError> for types::Error {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Rejected(rejection) => types::Error::invalid("password", rejection.to_string()),
            PasswordError::Busy => {
                types::Error::unavailable("Too many people are signing in at once; try again in a moment.")
            }
            PasswordError::Interrupted(_) | PasswordError::Argon2(_) | PasswordError::Damaged => {
                types::Error::internal(error)
            }
        }
    }
}

/// What comparing a password with a stored hash showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    Mismatch,
    Match {
        /// The hash was made with other costs than today's: hash the password again while it is known.
        needs_rehash: bool,
    },
}

/// Hashes and compares passwords on the blocking pool. Clones share the bound on how many run at once.
#[derive(Clone)]
pub struct PasswordHasher {
    params: Params,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    dummy: Arc<str>,
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self::new(RECOMMENDED)
    }
}

impl PasswordHasher {
    /// A hasher with other costs than [`RECOMMENDED`]: for tests, where nothing needs protection. It uses every core.
    pub fn new(params: Params) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_workers(params, workers)
    }

    /// A hasher that computes at most so many hashes at once.
    pub fn with_workers(params: Params, workers: usize) -> Self {
        let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
        PasswordHasher {
            running: Arc::new(Semaphore::new(workers)),
            admitted: Arc::new(Semaphore::new(workers * (1 + WAITING_PER_WORKER))),
            dummy: format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${DUMMY_SALT_AND_OUTPUT}").into(),
            params,
        }
    }

    /// Hashes a password that a person chose, if the policy allows it. The answer is a PHC string.
    pub async fn hash_checked(
        &self,
        password: &str,
        policy: PasswordPolicy,
        context: PasswordContext,
    ) -> Result<String, PasswordError> {
        let (params, password) = (self.params.clone(), Zeroizing::new(password.to_owned()));
        self.run(move || {
            policy.check(&password, &context)?;
            hash(&password, params)
        })
        .await?
    }

    /// Hashes a password without asking whether it is a good one: a known one again, or one that we made.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let (params, password) = (self.params.clone(), Zeroizing::new(password.to_owned()));
        self.run(move || hash(&password, params)).await?
    }

    /// Compares a password with the stored PHC string. Without one (there is no such user, or they have no password) it
    /// does the same work and answers [`Verification::Mismatch`], so that the time tells nothing.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Verification, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        let phc = stored.unwrap_or(&self.dummy).to_owned();
        let matches = self.run(move || verify(&password, &phc)).await??;
        Ok(match stored {
            Some(phc) if matches => Verification::Match {
                needs_rehash: self.needs_rehash(phc),
            },
            _ => Verification::Mismatch,
        })
    }

    /// Whether a stored PHC string was made in another way than new ones are.
    pub fn needs_rehash(&self, phc: &str) -> bool {
        let Ok(hash) = PasswordHash::new(phc) else {
            return true;
        };
        let Ok(params) = Params::try_from(&hash) else {
            return true;
        };
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        hash.algorithm != ARGON2ID_IDENT
            || hash.version != Some(Version::V0x13.into())
            || costs(&params) != costs(&self.params)
    }

    /// Runs `work` on the blocking pool when its turn comes. A caller who goes away gives up a waiting place at once; the
    /// place of running work is given up when it ends.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| PasswordError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_| PasswordError::Busy)?;
        let worker = tokio::task::spawn_blocking(move || {
            let _places = (admitted, running);
            work()
        });
        worker.await.map_err(PasswordError::Interrupted)
    }
}

/// The bytes that are hashed: NFC, as SP 800-63B-4 asks, so that two keyboards spell one password alike.
fn normalise(password: &str) -> Zeroizing<String> {
    // NFC makes UTF-8 at most three times as long: no growth leaves a copy behind.
    let mut normalised = Zeroizing::new(String::with_capacity(3 * password.len()));
    normalised.extend(password.nfc());
    normalised
}

fn hash(password: &str, params: Params) -> Result<String, PasswordError> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(normalise(password).as_bytes())
        .map(|hash| hash.to_string())
        .map_err(PasswordError::Argon2)
}

fn verify(password: &str, phc: &str) -> Result<bool, PasswordError> {
    let stored = PasswordHash::new(phc).map_err(|_| PasswordError::Damaged)?;
    // Without an output nothing would be compared, and every password would look wrong.
    if stored.hash.is_none() {
        return Err(PasswordError::Damaged);
    }
    match Argon2::default().verify_password(normalise(password).as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(PasswordError::Argon2(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "my dog ate the blue sofa";

    fn cheap() -> PasswordHasher {
        PasswordHasher::new(Params::new(8, 1, 1, None).unwrap())
    }

    fn matched(needs_rehash: bool) -> Verification {
        Verification::Match { needs_rehash }
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let hasher = PasswordHasher::default();
        let phc = hasher.hash(PASSWORD).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(hasher.verify(PASSWORD, Some(&phc)).await.unwrap(), matched(false));
        assert_eq!(
            hasher.verify("another", Some(&phc)).await.unwrap(),
            Verification::Mismatch
        );
        assert_ne!(
            hasher.hash(PASSWORD).await.unwrap(),
            phc,
            "the salt is new each time"
        );
    }

    #[tokio::test]
    async fn a_hash_made_by_another_implementation_matches() {
        // Made with argon2-cffi, the binding of the reference implementation.
        let phc =
            "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$PXzlGStaHSREOTVMhXxwScYA8D+ZkrU8shaIkIowG7o";
        assert_eq!(cheap().verify(PASSWORD, Some(phc)).await.unwrap(), matched(false));
    }

    #[tokio::test]
    async fn two_spellings_of_one_text_are_one_password() {
        let phc = cheap().hash("z\u{fc}rich im sp\u{e4}therbst").await.unwrap();
        let decomposed = "zu\u{308}rich im spa\u{308}therbst";
        assert_eq!(
            cheap().verify(decomposed, Some(&phc)).await.unwrap(),
            matched(false)
        );
    }

    #[tokio::test]
    async fn an_unknown_user_is_compared_with_a_hash_of_the_same_cost() {
        let hasher = PasswordHasher::default();
        assert!(!hasher.needs_rehash(&hasher.dummy));
        let dummy = PasswordHash::new(&hasher.dummy).unwrap();
        let real = PasswordHash::new(&hasher.hash(PASSWORD).await.unwrap()).unwrap();
        assert_eq!(
            dummy.salt.map(|salt| salt.len()),
            real.salt.map(|salt| salt.len())
        );
        assert_eq!(
            dummy.hash.map(|hash| hash.len()),
            real.hash.map(|hash| hash.len())
        );
        assert_eq!(
            hasher.verify(PASSWORD, None).await.unwrap(),
            Verification::Mismatch
        );
    }

    #[tokio::test]
    async fn a_hash_of_other_costs_matches_and_asks_to_be_renewed() {
        let old = cheap().hash(PASSWORD).await.unwrap();
        let verification = PasswordHasher::default().verify(PASSWORD, Some(&old)).await;
        assert_eq!(verification.unwrap(), matched(true));
        assert!(cheap().needs_rehash(&old.replace("argon2id", "argon2i")));
        assert!(cheap().needs_rehash("$2b$12$nonsense"));
    }

    #[tokio::test]
    async fn a_refused_password_is_a_field_error() {
        let (hasher, policy) = (cheap(), PasswordPolicy::SOLE_FACTOR);
        let choose = |password| hasher.hash_checked(password, policy, PasswordContext::new());
        let refused = choose("passwordpassword").await.unwrap_err();
        let error = types::Error::from(refused);
        assert_eq!(error.code(), types::ErrorCode::ValidationFailed);
        assert_eq!(error.fields()[0].field, "password");
        assert!(choose(PASSWORD).await.is_ok());
    }

    #[tokio::test]
    async fn a_damaged_hash_is_an_internal_error_and_no_mismatch() {
        let error = types::Error::from(
            cheap()
                .verify(PASSWORD, Some("$argon2id$v=19$m=8"))
                .await
                .unwrap_err(),
        );
        assert_eq!(error.code(), types::ErrorCode::Internal);
    }

    #[tokio::test]
    async fn a_crowd_beyond_the_queue_is_sent_away_and_leaves_the_hasher_usable() {
        let hasher = cheap();
        let places = hasher.admitted.available_permits();
        let everybody = (0..places + 1).map(|_| {
            tokio::spawn({
                let hasher = hasher.clone();
                async move { hasher.hash(PASSWORD).await }
            })
        });
        // No task has run yet: on this single-threaded runtime all of them ask before the first is answered.
        let mut refused = 0;
        for task in everybody.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Err(PasswordError::Busy) => refused += 1,
                other => drop(other.unwrap()),
            }
        }
        assert_eq!(refused, 1);
        assert!(hasher.hash(PASSWORD).await.is_ok());
        assert_eq!(hasher.admitted.available_permits(), places);
    }
}
