//! One exchange over one connection: resolve, check, connect to what was checked, speak HTTP/1.1.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use url::Host;

use super::error::EgressError;
use super::policy::EgressPolicy;
use super::resolve::{Resolve, SystemResolver};
use super::target::Target;

const USER_AGENT: &str = concat!("Plinth/", env!("CARGO_PKG_VERSION"));

/// Largest response head, in bytes.
const MAX_RESPONSE_HEAD_BYTES: usize = 64 * 1024;

/// Headers that belong to the connection, or that this client sets itself.
const RESERVED_HEADERS: [HeaderName; 11] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
    HeaderName::from_static("keep-alive"),
];

/// Whether a request may not carry this header, because the client sets it itself.
pub fn is_reserved_header(name: &HeaderName) -> bool {
    RESERVED_HEADERS.contains(name)
}

/// An outbound request.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub url: String,
    /// Without those for which [`is_reserved_header`] holds.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Bytes of the response body that are read; the rest is left unread and [`Response::truncated`] is set.
    pub max_response_bytes: usize,
}

/// What came back, whatever its status: a redirect is a response like any other and is not followed.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The body was longer than `max_response_bytes`.
    pub truncated: bool,
}

/// The one way out to an address that a user gave. Cheap to clone.
#[derive(Clone)]
pub struct Egress {
    policy: Arc<EgressPolicy>,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

impl Egress {
    /// A client with the system's resolver and Mozilla's root certificates.
    pub fn new(policy: EgressPolicy) -> Result<Self, EgressError> {
        Egress::with_resolver(policy, Arc::new(SystemResolver))
    }

    pub fn with_resolver(policy: EgressPolicy, resolver: Arc<dyn Resolve>) -> Result<Self, EgressError> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Egress::with_roots(policy, resolver, roots)
    }

    pub(super) fn with_roots(
        policy: EgressPolicy,
        resolver: Arc<dyn Resolve>,
        roots: RootCertStore,
    ) -> Result<Self, EgressError> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(EgressError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Egress {
            policy: Arc::new(policy),
            resolver,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Whether a request to this URL would be refused without asking the network: for the moment in which a user
    /// enters it. A URL that passes can still turn out to resolve to a private address.
    pub fn check_url(&self, url: &str) -> Result<(), EgressError> {
        self.policy.check_before_resolving(&Target::parse(url)?)
    }

    /// Sends one request and reads its response.
    pub async fn request(&self, request: Request) -> Result<Response, EgressError> {
        let target = Target::parse(&request.url)?;
        let exchange = self.exchange(&target, request);
        timeout(self.policy.total_timeout, exchange)
            .await
            .unwrap_or(Err(EgressError::TimedOut))
    }

    async fn exchange(&self, target: &Target, request: Request) -> Result<Response, EgressError> {
        let max_response_bytes = request.max_response_bytes;
        let message = message(target, request)?;
        let connect = async {
            let addresses = self.checked_addresses(target).await?;
            let stream = self.connect(&addresses).await?;
            self.secure(target, stream).await
        };
        let stream = timeout(self.policy.connect_timeout, connect)
            .await
            .unwrap_or(Err(EgressError::TimedOut))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_RESPONSE_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(EgressError::Http)?;
        let answer = async {
            let response = sender.send_request(message).await.map_err(EgressError::Http)?;
            read(response, max_response_bytes).await
        };
        tokio::pin!(answer);
        // The connection is driven here rather than in a task of its own, so that nothing outlives the request.
        tokio::select! {
            answered = &mut answer => answered,
            ended = connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(EgressError::Http(error)),
            },
        }
    }

    /// The addresses that may be connected to. One bad address among them refuses the whole name: a name that is half
    /// private is either a mistake or an attack.
    pub(super) async fn checked_addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, EgressError> {
        self.policy.check_before_resolving(target)?;
        let addresses = match &target.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => self
                .resolver
                .resolve(name)
                .await
                .map_err(EgressError::NotResolved)?,
        };
        if addresses.is_empty() {
            return Err(EgressError::NotResolved(io::ErrorKind::NotFound.into()));
        }
        for address in &addresses {
            self.policy.check(target, *address)?;
        }
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, target.port))
            .collect())
    }

    /// Connects to the first address that answers. With several, each gets half of the time, so that an unreachable
    /// IPv6 route leaves some for IPv4.
    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, EgressError> {
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        for address in addresses {
            match timeout(self.policy.connect_timeout / 2, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => {}
            }
        }
        Err(EgressError::NotConnected(last))
    }

    async fn secure(&self, target: &Target, stream: TcpStream) -> Result<Box<dyn Stream>, EgressError> {
        if !target.tls {
            return Ok(Box::new(stream));
        }
        let name = match &target.host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| EgressError::BadUrl("its host is not a host name"))?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
        };
        let secured = self.tls.connect(name, stream).await.map_err(EgressError::Tls)?;
        Ok(Box::new(secured))
    }
}

/// A connection, secured or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn message(target: &Target, request: Request) -> Result<http::Request<Full<Bytes>>, EgressError> {
    if let Some(name) = request.headers.keys().find(|name| is_reserved_header(name)) {
        return Err(EgressError::HeaderRefused(name.clone()));
    }
    let path = target
        .path
        .parse()
        .map_err(|_| EgressError::BadUrl("its path cannot be sent"))?;
    let mut message = http::Request::new(Full::new(request.body));
    *message.method_mut() = request.method;
    *message.uri_mut() = path;
    *message.headers_mut() = request.headers;
    let headers = message.headers_mut();
    headers.insert(header::HOST, target.authority.clone());
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(message)
}

async fn read(response: http::Response<Incoming>, max_bytes: usize) -> Result<Response, EgressError> {
    let (head, mut body) = response.into_parts();
    let mut read = BytesMut::new();
    let mut truncated = false;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(EgressError::Http)?.into_data() else {
            continue;
        };
        let room = max_bytes - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(Response {
        status: head.status,
        headers: head.headers,
        body: read.freeze(),
        truncated,
    })
}
