//! What may be reached: the rules about a target and one of its addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use url::Host;

use super::address::not_public;
use super::block::Block;
use super::error::EgressError;
use super::target::Target;

/// Ports of public addresses that web servers listen on.
const WEB_PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// A part of the private network that the operator opens to outbound requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHost {
    /// A host name in lower case; whatever it resolves to is trusted.
    Name(String),
    Block(Block),
}

/// The text is neither a host name, nor an address, nor a CIDR block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a host name, an IP address or a CIDR block")]
pub struct NotAHost;

impl FromStr for AllowedHost {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        if let Ok(block) = text.parse() {
            return Ok(AllowedHost::Block(block));
        }
        match Host::parse(text).map_err(|_| NotAHost)? {
            Host::Domain(name) if !name.ends_with('.') => Ok(AllowedHost::Name(name)),
            // A notation of an address that `Block` does not know; the operator should see which address it means.
            Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => Err(NotAHost),
        }
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllowedHost::Name(name) => f.write_str(name),
            AllowedHost::Block(block) => block.fmt(f),
        }
    }
}

/// What the operator permits beyond https to the public internet's web ports.
#[derive(Debug, Clone)]
pub struct EgressPolicy {
    /// Reached although private, also over plain http and on any port but 0.
    pub allow: Vec<AllowedHost>,
    /// Further ports of public addresses.
    pub ports: Vec<u16>,
    /// Plain http to public addresses.
    pub allow_http: bool,
    /// How long resolving, connecting and the TLS handshake may take together.
    pub connect_timeout: Duration,
    /// How long the whole exchange may take.
    pub total_timeout: Duration,
}

impl Default for EgressPolicy {
    fn default() -> Self {
        EgressPolicy {
            allow: Vec::new(),
            ports: Vec::new(),
            allow_http: false,
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(15),
        }
    }
}

impl From<&crate::config::Egress> for EgressPolicy {
    fn from(config: &crate::config::Egress) -> Self {
        EgressPolicy {
            allow: config.allow.clone(),
            ports: config.ports.clone(),
            allow_http: config.allow_http,
            ..EgressPolicy::default()
        }
    }
}

impl EgressPolicy {
    /// Refuses a target that no answer of the resolver could make acceptable.
    pub(super) fn check_before_resolving(&self, target: &Target) -> Result<(), EgressError> {
        match &target.host {
            Host::Domain(_) => {
                // Any name may turn out to be in an allowed block, where other schemes and ports are fine.
                let any_block = self
                    .allow
                    .iter()
                    .any(|allowed| matches!(allowed, AllowedHost::Block(_)));
                if any_block || self.trusts_name(target) {
                    Ok(())
                } else {
                    self.check_manners(target)
                }
            }
            Host::Ipv4(address) => self.check(target, IpAddr::V4(*address)),
            Host::Ipv6(address) => self.check(target, IpAddr::V6(*address)),
        }
    }

    /// Whether the target may be reached at this address.
    pub(super) fn check(&self, target: &Target, address: IpAddr) -> Result<(), EgressError> {
        let trusted =
            |allowed: &AllowedHost| matches!(allowed, AllowedHost::Block(block) if block.contains(address));
        if self.trusts_name(target) || self.allow.iter().any(trusted) {
            return Ok(());
        }
        self.check_manners(target)?;
        match not_public(address) {
            Some(purpose) => {
                tracing::warn!(host = %target.host, %address, purpose, "outbound request refused: the address is not public");
                Err(EgressError::AddressRefused)
            }
            None => Ok(()),
        }
    }

    fn trusts_name(&self, target: &Target) -> bool {
        let Host::Domain(name) = &target.host else {
            return false;
        };
        let same = |allowed: &AllowedHost| matches!(allowed, AllowedHost::Name(trusted) if trusted == name);
        self.allow.iter().any(same)
    }

    /// Scheme and port, as they must be on the public internet.
    fn check_manners(&self, target: &Target) -> Result<(), EgressError> {
        if !target.tls && !self.allow_http {
            return Err(EgressError::SchemeRefused);
        }
        if WEB_PORTS.contains(&target.port) || self.ports.contains(&target.port) {
            Ok(())
        } else {
            Err(EgressError::PortRefused(target.port))
        }
    }
}
