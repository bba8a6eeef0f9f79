//! Where a request comes from: the peer, or whom the proxies in front of us say they had it from.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{Extensions, HeaderMap};

use crate::egress::Block;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address a request came from, for rate limits and the audit log: the peer's, or what a trusted proxy in front says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<ClientAddr>().copied();
        Ok(known.unwrap_or(ClientAddr(Ipv4Addr::LOCALHOST.into())))
    }
}

/// Finds out where a request comes from and notes it, unless whoever made the request within this process has.
pub(crate) fn note(extensions: &mut Extensions, headers: &HeaderMap, proxies: &[Block]) {
    if extensions.get::<ClientAddr>().is_some() {
        return;
    }
    if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>().copied() {
        extensions.insert(ClientAddr(client(peer.ip(), headers, proxies)));
    }
}

/// Every proxy appends whom it had the request from, and anybody can write what stands before that: so the list is read
/// backwards, for as long as a trusted proxy has written it.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Block]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|block| block.contains(address));
    let mut client = peer.to_canonical();
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let named = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for text in named {
        if !is_proxy(client) {
            break;
        }
        match parse(text.trim()) {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// An address, which some proxies write with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn a_trusted_proxy_is_believed() {
        assert_eq!(seen("10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(seen("::ffff:10.0.0.1", &["192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(seen("10.0.0.1", &["192.0.2.7, 2001:db8::1"]), "192.0.2.7");
        assert_eq!(
            seen("10.0.0.1", &["[2001:db8::7]:4711", "10.0.0.2"]),
            "2001:db8::7"
        );
    }

    #[test]
    fn nobody_else_is() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(
            seen("10.0.0.1", &["198.51.100.9, 192.0.2.7"]),
            "192.0.2.7",
            "what the client itself wrote"
        );
        assert_eq!(seen("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }
}
