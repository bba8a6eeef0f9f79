//! Why an outbound request got no response. The texts may be shown to whoever gave the address: they say nothing about
//! the network that this server is in.

use http::HeaderName;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    #[error("the URL cannot be used: {0}")]
    BadUrl(&'static str),
    #[error("the URL must begin with https://")]
    SchemeRefused,
    #[error("port {0} is not allowed; use 443, 80, 8080 or 8443")]
    PortRefused(u16),
    #[error("the host is not on the public internet")]
    AddressRefused,
    #[error("the header `{0}` is set by this server")]
    HeaderRefused(HeaderName),
    #[error("the host name was not found")]
    NotResolved(#[source] std::io::Error),
    #[error("no connection to the host was possible")]
    NotConnected(#[source] std::io::Error),
    #[error("the TLS handshake failed: check the certificate and the host name in it")]
    Tls(#[source] std::io::Error),
    #[error("the host did not speak HTTP as expected")]
    Http(#[source] hyper::Error),
    #[error("the host did not answer in time")]
    TimedOut,
    #[error("this server could not set up TLS")]
    Setup(#[source] tokio_rustls::rustls::Error),
}

impl EgressError {
    /// The request will be refused however often it is tried: the URL, not the network, is at fault.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            EgressError::BadUrl(_)
                | EgressError::SchemeRefused
                | EgressError::PortRefused(_)
                | EgressError::AddressRefused
                | EgressError::HeaderRefused(_)
        )
    }
}
