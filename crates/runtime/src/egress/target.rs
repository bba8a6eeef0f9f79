//! What a URL points at. Parsed by the WHATWG rules, so that `2130706433`, `0x7f.1` and `127.1` are the addresses that
//! they would be in a browser, and nothing downstream parses a host again.

use http::HeaderValue;
use url::{Host, Url};

use super::error::EgressError;

/// Longest URL accepted, in bytes.
const MAX_URL_BYTES: usize = 8_192;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub tls: bool,
    /// A name without a trailing dot, or an address.
    pub host: Host<String>,
    /// Never 0.
    pub port: u16,
    /// The `Host` header.
    pub authority: HeaderValue,
    /// Path and query.
    pub path: String,
}

impl Target {
    pub fn parse(text: &str) -> Result<Self, EgressError> {
        if text.len() > MAX_URL_BYTES {
            return Err(EgressError::BadUrl("it is too long"));
        }
        let url = Url::parse(text).map_err(|_| EgressError::BadUrl("it is not an absolute URL"))?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(EgressError::SchemeRefused),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EgressError::BadUrl(
                "it has a user name or a password before the host",
            ));
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if port == 0 {
            return Err(EgressError::PortRefused(0));
        }
        let host = match url.host().ok_or(EgressError::BadUrl("it has no host"))? {
            Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(name).to_owned()),
            Host::Ipv4(address) => Host::Ipv4(address),
            Host::Ipv6(address) => Host::Ipv6(address),
        };
        if matches!(&host, Host::Domain(name) if name.is_empty() || name.ends_with('.') || name.len() > 253) {
            return Err(EgressError::BadUrl("its host is not a host name"));
        }
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let authority = HeaderValue::try_from(authority)
            .map_err(|_| EgressError::BadUrl("its host is not a host name"))?;
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Target {
            tls,
            host,
            port,
            authority,
            path,
        })
    }
}
