//! Presigned S3 requests (AWS Signature Version 4 in the query). `object_store` presigns too, but it cannot bind
//! `content-length`, and a link that takes any length is a way round every quota on storage.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use types::{Error, Result, Timestamp};
use url::{Position, Url};

use super::key::hex;
use super::signing::{Action, SignedRequest, SignedUrl, time_left};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Presigns requests for one bucket.
pub(super) struct Presigner {
    /// Address of the bucket, without a slash at the end of its path.
    pub(super) bucket_url: Url,
    pub(super) region: String,
    pub(super) access_key: String,
    pub(super) secret_key: SecretString,
}

impl Presigner {
    /// A PUT is bound to the length, to the hash and to there being nothing under the key yet.
    pub(super) fn sign(&self, request: &SignedRequest<'_>, now: Timestamp) -> Result<SignedUrl> {
        let expires_in = time_left(request.expires_at, now)?;
        let mut headers = Vec::new();
        let mut bound = BTreeMap::new();
        if let Action::Put { length_bytes, sha256 } = &request.action {
            headers.push(("if-none-match", "*".to_owned()));
            headers.push(("x-amz-checksum-sha256", STANDARD.encode(sha256)));
            bound.insert("content-length", length_bytes.to_string());
            bound.extend(headers.iter().cloned());
        }
        Ok(SignedUrl {
            method: request.action.method(),
            url: self.presign(
                request.action.method(),
                request.key.as_str(),
                bound,
                expires_in,
                now,
            )?,
            headers,
            expires_at: now + expires_in,
        })
    }

    fn presign(
        &self,
        method: &str,
        path: &str,
        mut headers: BTreeMap<&'static str, String>,
        expires_in: Duration,
        now: Timestamp,
    ) -> Result<Url> {
        let mut url = self.bucket_url.clone();
        url.set_path(&format!(
            "{}/{path}",
            self.bucket_url.path().trim_end_matches('/')
        ));
        headers.insert("host", url[Position::BeforeHost..Position::AfterPort].to_owned());
        let signed_headers = headers.keys().copied().collect::<Vec<_>>().join(";");
        let instant = instant(now);
        let scope = format!("{}/{}/s3/aws4_request", &instant[..8], self.region);
        // In the order of their names, as the signature wants them.
        let query = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &format!("{}/{scope}", self.access_key)),
            ("X-Amz-Date", &instant),
            ("X-Amz-Expires", &expires_in.as_secs().to_string()),
            ("X-Amz-SignedHeaders", &signed_headers),
        ]
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
        .join("&");

        let header_lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let request = format!(
            "{method}\n{}\n{query}\n{header_lines}\n{signed_headers}\nUNSIGNED-PAYLOAD",
            url.path()
        );
        let hash = hex(&Sha256::digest(request));
        let signature = self.signature(&scope, &format!("{ALGORITHM}\n{instant}\n{scope}\n{hash}"))?;
        url.set_query(Some(&format!("{query}&X-Amz-Signature={signature}")));
        Ok(url)
    }

    /// The secret is hashed with each part of the scope in turn; the last key signs.
    fn signature(&self, scope: &str, text: &str) -> Result<String> {
        let mut key = format!("AWS4{}", self.secret_key.expose_secret()).into_bytes();
        for part in scope.split('/').chain([text]) {
            let keyed = Hmac::<Sha256>::new_from_slice(&key).map_err(Error::internal)?;
            key = keyed.chain_update(part).finalize().into_bytes().to_vec();
        }
        Ok(hex(&key))
    }
}

/// `20260131T120000Z`.
fn instant(now: Timestamp) -> String {
    let text = now.to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    let mut compact: String = seconds.chars().filter(char::is_ascii_alphanumeric).collect();
    compact.push('Z');
    compact
}

/// Everything but letters, digits and `-._~`.
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3Builder;
    use object_store::path::Path;
    use object_store::signer::{HeaderName, Method, SignedUrlOptions, Signer};

    use super::*;

    fn presigner(bucket_url: &str) -> Presigner {
        Presigner {
            bucket_url: Url::parse(bucket_url).unwrap(),
            region: "us-east-1".to_owned(),
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: SecretString::from("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        }
    }

    /// The example that AWS publishes with its description of the signature.
    #[test]
    fn signs_the_published_example() {
        let now: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        let url = presigner("https://examplebucket.s3.amazonaws.com")
            .presign(
                "GET",
                "test.txt",
                BTreeMap::new(),
                Duration::from_secs(86400),
                now,
            )
            .unwrap();
        assert!(
            url.as_str().ends_with(
                "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
            ),
            "{url}"
        );
    }

    /// With headers and a bucket in the path: the same as what the other implementation signs.
    #[tokio::test]
    async fn agrees_with_object_store() {
        super::super::s3::install_ring();
        let ours = presigner("http://127.0.0.1:9000/bucket");
        let theirs = AmazonS3Builder::new()
            .with_endpoint("http://127.0.0.1:9000")
            .with_allow_http(true)
            .with_bucket_name("bucket")
            .with_region(&ours.region)
            .with_access_key_id(&ours.access_key)
            .with_secret_access_key(ours.secret_key.expose_secret())
            .build()
            .unwrap();
        let mut options = SignedUrlOptions::new();
        let headers = BTreeMap::from([
            ("if-none-match", "*".to_owned()),
            ("x-amz-checksum-sha256", "yv66vg==".to_owned()),
        ]);
        for (name, value) in &headers {
            options = options.with_signed_header(HeaderName::from_static(name), value.parse().unwrap());
        }
        let lifetime = Duration::from_secs(60);
        let path = "wsp_0/objects/ab/abcdef";
        let expected = theirs
            .signed_url_opts(Method::PUT, &Path::from(path), lifetime, &options)
            .await
            .unwrap();
        let date = expected
            .query_pairs()
            .find(|(name, _)| name == "X-Amz-Date")
            .unwrap()
            .1;
        let digits: String = date.chars().filter(char::is_ascii_digit).collect();
        let [day, time] = [&digits[..8], &digits[8..]];
        let at = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &day[..4],
            &day[4..6],
            &day[6..],
            &time[..2],
            &time[2..4],
            &time[4..]
        );
        let url = ours
            .presign("PUT", path, headers, lifetime, at.parse().unwrap())
            .unwrap();
        let signature = |url: &Url| {
            url.query_pairs()
                .find(|(name, _)| name == "X-Amz-Signature")
                .unwrap()
                .1
                .into_owned()
        };
        assert_eq!(
            (url.path(), signature(&url)),
            (expected.path(), signature(&expected))
        );
    }
}
