//! Bytes from the operating system's generator: the only source of secrets here.

use zeroize::Zeroizing;

/// The operating system gave no random bytes. Nothing secret can be made until it does.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct RandomError(#[from] getrandom::Error);

impl From<RandomError> for types::Error {
    fn from(error: RandomError) -> Self {
        types::Error::internal(error)
    }
}

/// `N` fresh random bytes, wiped when dropped.
pub fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, RandomError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(bytes)
}
