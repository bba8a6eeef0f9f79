//! Links for direct transfer. S3 presigns its own; this is what does the same for a directory: the link carries
//! length, hash and expiry, and an HMAC-SHA-256 over them, the method and the key.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use types::{Error, ErrorCode, Result, Timestamp};
use url::Url;

use super::key::{BlobKey, from_hex, hex};

/// S3 refuses links that live longer; so does the directory, for one rule everywhere.
pub const MAX_LINK_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The shortest secret that links may be signed with.
const MIN_SECRET_BYTES: usize = 32;

/// What a link lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Download the blob.
    Get,
    /// Upload exactly this content, once.
    Put { length_bytes: u64, sha256: [u8; 32] },
}

impl Action {
    /// The HTTP method.
    pub const fn method(&self) -> &'static str {
        match self {
            Action::Get => "GET",
            Action::Put { .. } => "PUT",
        }
    }
}

/// What a link is asked for.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    pub key: &'a BlobKey,
    pub action: Action,
    /// After now and at most [`MAX_LINK_AGE`] away; cut to whole seconds.
    pub expires_at: Timestamp,
}

/// A link that needs no other credential.
#[derive(Debug, Clone)]
pub struct SignedUrl {
    pub method: &'static str,
    pub url: Url,
    /// Headers that must be sent exactly so, beside the `content-length` that every client sends.
    pub headers: Vec<(&'static str, String)>,
    pub expires_at: Timestamp,
}

/// What a verified link allows. For a PUT the receiver still compares length and hash with what arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    pub key: BlobKey,
    pub action: Action,
}

/// How long a link lives, when that is allowed.
pub(super) fn time_left(expires_at: Timestamp, now: Timestamp) -> Result<Duration> {
    let left = Duration::from_secs(expires_at.since(now).as_secs());
    if left.is_zero() || left > MAX_LINK_AGE {
        return Err(Error::invalid(
            "expires_at",
            "a link lives between one second and seven days",
        ));
    }
    Ok(left)
}

/// Signs and verifies the links of a directory.
pub(super) struct LinkSigner {
    keyed: Hmac<Sha256>,
    base_url: Url,
}

impl LinkSigner {
    pub(super) fn new(secret: &SecretSlice<u8>, base_url: Url) -> Result<Self> {
        let secret = secret.expose_secret();
        if secret.len() < MIN_SECRET_BYTES {
            let message = format!(
                "{} bytes are too few; give at least {MIN_SECRET_BYTES}",
                secret.len()
            );
            return Err(Error::invalid("blobs.signing_secret", message));
        }
        if base_url.cannot_be_a_base() {
            return Err(Error::invalid(
                "blobs.base_url",
                "not an address that paths can be added to",
            ));
        }
        Ok(LinkSigner {
            keyed: Hmac::new_from_slice(secret).map_err(Error::internal)?,
            base_url,
        })
    }

    pub(super) fn sign(&self, request: &SignedRequest<'_>, now: Timestamp) -> Result<SignedUrl> {
        time_left(request.expires_at, now)?;
        let expires_secs = request.expires_at.as_secs();
        let signature = self.mac(request.key.as_str(), &request.action, expires_secs);
        let signature = URL_SAFE_NO_PAD.encode(signature.finalize().into_bytes());

        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(request.key.as_str().split('/'));
        }
        url.query_pairs_mut()
            .append_pair("expires", &expires_secs.to_string());
        if let Action::Put { length_bytes, sha256 } = &request.action {
            url.query_pairs_mut()
                .append_pair("length", &length_bytes.to_string())
                .append_pair("sha256", &hex(sha256));
        }
        url.query_pairs_mut().append_pair("signature", &signature);
        Ok(SignedUrl {
            method: request.action.method(),
            url,
            headers: Vec::new(),
            expires_at: Timestamp::from_secs(expires_secs),
        })
    }

    /// Every way in which a link can be wrong gets the same answer, except that a genuine one is told it has expired.
    pub(super) fn verify(&self, method: &str, path: &str, query: &str, now: Timestamp) -> Result<Granted> {
        let forged = || {
            let detail = "This link is not genuine or was changed. Ask for a new one where it came from.";
            Error::new(ErrorCode::PermissionDenied, detail)
        };
        let link = Link::parse(method, query).ok_or_else(forged)?;
        let path = path.strip_prefix('/').unwrap_or(path);
        self.mac(path, &link.action, link.expires_secs)
            .verify_slice(&link.signature)
            .map_err(|_| forged())?;
        if now >= Timestamp::from_secs(link.expires_secs) {
            let detail = "This link has expired. Ask for a new one where it came from.";
            return Err(Error::new(ErrorCode::PermissionDenied, detail));
        }
        let key = BlobKey::parse(path).ok_or_else(forged)?;
        Ok(Granted {
            key,
            action: link.action,
        })
    }

    /// One line each, none of which can hold a line break: no two requests are signed by the same bytes.
    fn mac(&self, path: &str, action: &Action, expires_secs: i64) -> Hmac<Sha256> {
        let (length, hash) = match action {
            Action::Get => (String::new(), String::new()),
            Action::Put { length_bytes, sha256 } => (length_bytes.to_string(), hex(sha256)),
        };
        let method = action.method();
        let message = format!("plinth-blob-1\n{method}\n{length}\n{hash}\n{expires_secs}\n{path}");
        self.keyed.clone().chain_update(message)
    }
}

/// What a link says, before it is believed.
struct Link {
    action: Action,
    expires_secs: i64,
    signature: Vec<u8>,
}

impl Link {
    /// Reads a link whose parameters are exactly those of its method, each once.
    fn parse(method: &str, query: &str) -> Option<Link> {
        let (mut expires, mut length, mut hash, mut signature) = (None, None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match name.as_ref() {
                "expires" => &mut expires,
                "length" => &mut length,
                "sha256" => &mut hash,
                "signature" => &mut signature,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let action = match (method, length, hash) {
            ("GET", None, None) => Action::Get,
            ("PUT", Some(length), Some(hash)) => {
                let mut sha256 = [0; 32];
                from_hex(hash.as_bytes(), &mut sha256)?;
                Action::Put {
                    length_bytes: length.parse().ok()?,
                    sha256,
                }
            }
            _ => return None,
        };
        Some(Link {
            action,
            expires_secs: expires?.parse().ok()?,
            signature: URL_SAFE_NO_PAD.decode(signature?.as_bytes()).ok()?,
        })
    }
}
