//! Blobs in an S3-compatible store (AWS, R2, MinIO, Garage, Ceph …).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use types::{Error, Result, Timestamp};
use url::Url;

use super::failure;
use super::signing::{Action, SignedRequest, SignedUrl, time_left};

/// A whole attempt, from connecting to the last byte.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// After this no further attempt starts.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the bucket is and who asks.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Base address of the service without the bucket; None for AWS itself. Plain `http` only where it says so.
    pub endpoint: Option<Url>,
    /// Such as `eu-central-1`; R2 takes `auto`.
    pub region: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: SecretString,
    /// The bucket stands in the path, not in the host name. R2 takes both, most self-hosted stores want this.
    pub path_style: bool,
}

/// Makes the client. Nothing is sent yet: the server starts even while the store is away.
pub(super) fn open(config: &S3Config) -> Result<AmazonS3> {
    install_ring();
    let plain_http = config.endpoint.as_ref().is_some_and(|url| url.scheme() == "http");
    let mut builder = AmazonS3Builder::new()
        .with_region(&config.region)
        .with_bucket_name(&config.bucket)
        .with_access_key_id(&config.access_key)
        .with_secret_access_key(config.secret_key.expose_secret())
        .with_virtual_hosted_style_request(!config.path_style)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Not every compatible store has the bulk call, and one request deletes one blob here anyway.
        .with_disable_bulk_delete(true)
        .with_client_options(
            ClientOptions::new()
                .with_allow_http(plain_http)
                .with_connect_timeout(CONNECT_TIMEOUT)
                .with_timeout(REQUEST_TIMEOUT),
        )
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                max_backoff: Duration::from_secs(2),
                ..BackoffConfig::default()
            },
            max_retries: 3,
            retry_timeout: RETRY_TIMEOUT,
        });
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(bucket_address(config, endpoint)?);
    }
    builder
        .build()
        .map_err(|error| Error::invalid("blobs", format!("the S3 settings do not fit together: {error}")))
}

/// The HTTP client takes the process's provider of cryptography, and there must be one before it is built.
fn install_ring() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race against another thread's install leaves a provider in place, which is all that matters.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// With the bucket in the host name the client expects it to be there already.
fn bucket_address(config: &S3Config, endpoint: &Url) -> Result<String> {
    let wrong = || {
        let message = format!("{endpoint} is not an http or https address with a host name");
        Error::invalid("blobs.endpoint", message)
    };
    let mut address = endpoint.clone();
    let host = endpoint.host_str().ok_or_else(wrong)?;
    if !config.path_style {
        let with_bucket = format!("{}.{host}", config.bucket);
        address.set_host(Some(&with_bucket)).map_err(|_| wrong())?;
    }
    Ok(address.as_str().trim_end_matches('/').to_owned())
}

/// Presigns one request. A PUT is bound to the length, to the hash and to there being nothing under the key yet.
pub(super) async fn sign(store: &AmazonS3, request: &SignedRequest<'_>, now: Timestamp) -> Result<SignedUrl> {
    let expires_in = time_left(request.expires_at, now)?;
    let mut headers = Vec::new();
    let mut options = SignedUrlOptions::new();
    let method = match &request.action {
        Action::Get => Method::GET,
        Action::Put { length_bytes, sha256 } => {
            headers.push(("if-none-match", "*".to_owned()));
            headers.push(("x-amz-checksum-sha256", STANDARD.encode(sha256)));
            options =
                options.with_signed_header(HeaderName::from_static("content-length"), (*length_bytes).into());
            for (name, value) in &headers {
                let value = HeaderValue::from_str(value).map_err(Error::internal)?;
                options = options.with_signed_header(HeaderName::from_static(name), value);
            }
            Method::PUT
        }
    };
    let url = store
        .signed_url_opts(method, &request.key.location(), expires_in, &options)
        .await
        .map_err(failure::from_store)?;
    Ok(SignedUrl {
        method: request.action.method(),
        url,
        headers,
        expires_at: request.expires_at,
    })
}
