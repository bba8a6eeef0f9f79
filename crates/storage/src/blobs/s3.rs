//! Blobs in an S3-compatible store (AWS, R2, MinIO, Garage, Ceph …).

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use types::{Error, Result};
use url::Url;

use super::presign::Presigner;

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
pub(super) fn open(config: S3Config) -> Result<(AmazonS3, Presigner)> {
    install_ring();
    let bucket_url = bucket_url(&config)?;
    let builder = AmazonS3Builder::new()
        .with_region(&config.region)
        .with_bucket_name(&config.bucket)
        .with_access_key_id(&config.access_key)
        .with_secret_access_key(config.secret_key.expose_secret())
        .with_virtual_hosted_style_request(!config.path_style)
        .with_endpoint(client_endpoint(&config, &bucket_url))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Not every compatible store has the bulk call, and one request deletes one blob here anyway.
        .with_disable_bulk_delete(true)
        .with_client_options(
            ClientOptions::new()
                .with_allow_http(bucket_url.scheme() == "http")
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
    let store = builder
        .build()
        .map_err(|error| Error::invalid("blobs", format!("the S3 settings do not fit together: {error}")))?;
    let presigner = Presigner {
        bucket_url,
        region: config.region,
        access_key: config.access_key,
        secret_key: config.secret_key,
    };
    Ok((store, presigner))
}

/// The HTTP client takes the process's provider of cryptography, and there must be one before it is built.
pub(super) fn install_ring() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race against another thread's install leaves a provider in place, which is all that matters.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The bucket's own address, with its name in the path or in the host name.
fn bucket_url(config: &S3Config) -> Result<Url> {
    let endpoint = match &config.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => Url::parse(&format!("https://s3.{}.amazonaws.com", config.region))
            .map_err(|_| Error::invalid("blobs.region", "not the name of a region, such as eu-central-1"))?,
    };
    let wrong = || {
        let message = format!("{endpoint} is not an http or https address with a host name");
        Error::invalid("blobs.endpoint", message)
    };
    let host = endpoint.host_str().ok_or_else(wrong)?;
    if !matches!(endpoint.scheme(), "http" | "https") {
        return Err(wrong());
    }
    let mut url = endpoint.clone();
    if config.path_style {
        let path = format!("{}/{}", endpoint.path().trim_end_matches('/'), config.bucket);
        url.set_path(&path);
    } else {
        let with_bucket = format!("{}.{host}", config.bucket);
        url.set_host(Some(&with_bucket)).map_err(|_| wrong())?;
    }
    Ok(url)
}

/// The client adds the bucket to the path by itself, but expects to find it in the host name.
fn client_endpoint(config: &S3Config, bucket_url: &Url) -> String {
    let address = bucket_url.as_str().trim_end_matches('/');
    let address = match config.path_style {
        true => address.strip_suffix(&config.bucket).unwrap_or(address),
        false => address,
    };
    address.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: Option<&str>, path_style: bool) -> S3Config {
        S3Config {
            endpoint: endpoint.map(|url| Url::parse(url).unwrap()),
            region: "eu-central-1".to_owned(),
            bucket: "files".to_owned(),
            access_key: "key".to_owned(),
            secret_key: SecretString::from("secret"),
            path_style,
        }
    }

    #[test]
    fn the_bucket_stands_in_the_path_or_in_the_host_name() {
        for (endpoint, path_style, bucket, client) in [
            (
                Some("http://127.0.0.1:9000/"),
                true,
                "http://127.0.0.1:9000/files",
                "http://127.0.0.1:9000",
            ),
            (
                Some("https://s3.example.com/base"),
                true,
                "https://s3.example.com/base/files",
                "https://s3.example.com/base",
            ),
            (
                Some("https://r2.example.com"),
                false,
                "https://files.r2.example.com/",
                "https://files.r2.example.com",
            ),
            (
                None,
                false,
                "https://files.s3.eu-central-1.amazonaws.com/",
                "https://files.s3.eu-central-1.amazonaws.com",
            ),
            (
                None,
                true,
                "https://s3.eu-central-1.amazonaws.com/files",
                "https://s3.eu-central-1.amazonaws.com",
            ),
        ] {
            let config = config(endpoint, path_style);
            let url = bucket_url(&config).unwrap();
            assert_eq!(
                (url.as_str(), client_endpoint(&config, &url).as_str()),
                (bucket, client)
            );
            assert!(open(config).is_ok());
        }
    }

    #[test]
    fn an_endpoint_without_a_host_is_refused() {
        for endpoint in ["mailto:files", "ftp://example.com"] {
            let error = bucket_url(&config(Some(endpoint), true)).unwrap_err();
            assert_eq!(error.fields()[0].field, "blobs.endpoint");
        }
    }
}
