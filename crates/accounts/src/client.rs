//! Where a request came from: what a session remembers of it, and what slows guessing down.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use runtime::ClientAddr;
use runtime::authenticate::{SESSION_COOKIE, cookie};
use runtime::crypto::{OpaqueToken, TokenHash, TokenUse};

/// Characters of a browser's description of itself that are kept.
const MAX_USER_AGENT_CHARS: usize = 255;

/// The program at the other end of a request.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: IpAddr,
    /// What the program calls itself.
    pub user_agent: Option<String>,
    /// The session it has, which ends when it signs in again.
    session: Option<TokenHash>,
}

impl Client {
    /// A client without a session: a command, or a test.
    pub fn at(address: IpAddr) -> Self {
        Client {
            address,
            user_agent: None,
            session: None,
        }
    }

    pub(crate) fn session(&self) -> Option<&TokenHash> {
        self.session.as_ref()
    }

    /// What attempts are counted by: the address, of which IPv6 gives a whole /64 to one subscriber.
    pub fn network(&self) -> IpAddr {
        match self.address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
            address => address,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let ClientAddr(address) = ClientAddr::from_request_parts(parts, state).await?;
        let user_agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        let session = cookie(&parts.headers, SESSION_COOKIE).and_then(OpaqueToken::parse);
        Ok(Client {
            address: address.to_canonical(),
            user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT_CHARS).collect()),
            session: session.map(|token| token.hash(TokenUse::Session)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> String {
        Client::at(address.parse().unwrap()).network().to_string()
    }

    #[test]
    fn an_address_counts_as_what_one_subscriber_has() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
