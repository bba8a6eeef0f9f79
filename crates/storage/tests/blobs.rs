//! Blobs behave alike in a directory and in a bucket. The bucket is the one that `PLINTH_TEST_S3_URL` names, such as
//! `http://key:secret@127.0.0.1:9000/bucket?region=us-east-1`; without it those runs are skipped.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use secrecy::{SecretSlice, SecretString};
use storage::blobs::{
    Action, BlobKey, BlobKind, Blobs, BlobsConfig, Granted, PutOutcome, S3Config, SignedRequest, SignedUrl,
};
use types::id::{UserId, WorkspaceId};
use types::{ErrorCode, Timestamp};
use url::Url;

const OBJECTS: BlobKind = BlobKind::new("objects");
const EXPORTS: BlobKind = BlobKind::new("exports");
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn directory_config(path: &Path, secret: &[u8]) -> BlobsConfig {
    BlobsConfig::Directory {
        path: path.to_owned(),
        signing_secret: SecretSlice::from(secret.to_vec()),
        base_url: Url::parse("https://api.example.com/v1/blobs").unwrap(),
    }
}

fn in_directory(path: &Path) -> Blobs {
    Blobs::open(directory_config(path, &[7; 32])).unwrap()
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn bucket_config() -> Option<S3Config> {
    let Ok(url) = std::env::var("PLINTH_TEST_S3_URL") else {
        eprintln!("skipped: PLINTH_TEST_S3_URL names no bucket");
        return None;
    };
    let url = Url::parse(&url).unwrap();
    let region = url.query_pairs().find(|(name, _)| name == "region");
    let mut endpoint = url.clone();
    endpoint.set_path("");
    endpoint.set_query(None);
    endpoint.set_username("").unwrap();
    endpoint.set_password(None).unwrap();
    Some(S3Config {
        endpoint: Some(endpoint),
        region: region.map_or("us-east-1".to_owned(), |(_, value)| value.into_owned()),
        bucket: url.path().trim_matches('/').to_owned(),
        access_key: url.username().to_owned(),
        secret_key: SecretString::from(url.password().unwrap_or_default().to_owned()),
        path_style: true,
    })
}

fn in_bucket() -> Option<Blobs> {
    bucket_config().map(|config| Blobs::open(BlobsConfig::S3(config)).unwrap())
}

/// Runs one test on every store there is.
macro_rules! on_each_store {
    ($($test:ident)*) => {
        mod directory {
            $(#[tokio::test]
            async fn $test() {
                let folder = tempfile::tempdir().unwrap();
                super::$test(super::in_directory(folder.path())).await;
            })*
        }
        mod bucket {
            $(#[tokio::test]
            async fn $test() {
                if let Some(blobs) = super::in_bucket() {
                    super::$test(blobs).await;
                }
            })*
        }
    };
}

on_each_store! {
    what_was_put_comes_back
    the_same_content_twice_is_harmless
    another_content_under_the_same_key_is_refused
    a_missing_blob_is_told_as_such
    ranges_are_cut_at_the_end
    a_listing_shows_one_kind_of_one_workspace
    one_of_many_writers_creates
    a_healthy_store_says_so
}

fn new_key() -> BlobKey {
    BlobKey::for_id(WorkspaceId::generate(), OBJECTS, UserId::random())
}

async fn what_was_put_comes_back(blobs: Blobs) {
    let key = new_key();
    let content = Bytes::from(vec![42; 300_000]);
    assert_eq!(
        blobs.put(&key, content.clone()).await.unwrap(),
        PutOutcome::Created
    );
    assert_eq!(blobs.get(&key).await.unwrap(), content);
    assert_eq!(blobs.head(&key).await.unwrap(), Some(300_000));
    let stream = blobs.stream(&key).await.unwrap();
    assert_eq!(stream.size_bytes, 300_000);
    let pieces: Vec<Bytes> = stream.chunks.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), content);

    blobs.delete(&key).await.unwrap();
    assert_eq!(blobs.head(&key).await.unwrap(), None);
}

async fn the_same_content_twice_is_harmless(blobs: Blobs) {
    for content in [
        Bytes::new(),
        Bytes::from_static(b"once"),
        Bytes::from(vec![1; 100_000]),
    ] {
        let key = new_key();
        assert_eq!(
            blobs.put(&key, content.clone()).await.unwrap(),
            PutOutcome::Created
        );
        assert_eq!(
            blobs.put(&key, content.clone()).await.unwrap(),
            PutOutcome::AlreadyThere
        );
        assert_eq!(blobs.get(&key).await.unwrap(), content);
    }
}

async fn another_content_under_the_same_key_is_refused(blobs: Blobs) {
    let key = new_key();
    blobs.put(&key, Bytes::from_static(b"first")).await.unwrap();
    for other in ["other", "first and more", "fir", ""] {
        let error = blobs
            .put(&key, Bytes::from_static(other.as_bytes()))
            .await
            .unwrap_err();
        assert!(error.is(ErrorCode::Conflict), "{other:?}: {error:?}");
    }
    assert_eq!(blobs.get(&key).await.unwrap(), "first");
}

async fn a_missing_blob_is_told_as_such(blobs: Blobs) {
    let key = new_key();
    assert_eq!(blobs.head(&key).await.unwrap(), None);
    assert!(blobs.get(&key).await.unwrap_err().is(ErrorCode::NotFound));
    assert!(
        blobs
            .get_range(&key, 0..1)
            .await
            .unwrap_err()
            .is(ErrorCode::NotFound)
    );
    assert!(blobs.stream(&key).await.err().unwrap().is(ErrorCode::NotFound));
    blobs.delete(&key).await.unwrap();
}

async fn ranges_are_cut_at_the_end(blobs: Blobs) {
    let key = new_key();
    blobs.put(&key, Bytes::from_static(b"0123456789")).await.unwrap();
    assert_eq!(blobs.get_range(&key, 2..5).await.unwrap(), "234");
    assert_eq!(blobs.get_range(&key, 8..100).await.unwrap(), "89");
    for outside in [3..3, 10..11, 50..60] {
        let error = blobs.get_range(&key, outside.clone()).await.unwrap_err();
        assert!(error.is(ErrorCode::ValidationFailed), "{outside:?}: {error:?}");
    }
}

async fn a_listing_shows_one_kind_of_one_workspace(blobs: Blobs) {
    let (workspace, neighbour) = (WorkspaceId::generate(), WorkspaceId::generate());
    let mine: Vec<BlobKey> = (0..5)
        .map(|n| BlobKey::for_hash(workspace, OBJECTS, &[n * 50; 32]))
        .collect();
    let others = [
        BlobKey::for_hash(workspace, EXPORTS, &[1; 32]),
        BlobKey::for_hash(neighbour, OBJECTS, &[2; 32]),
    ];
    for key in mine.iter().chain(&others) {
        blobs.put(key, Bytes::from_static(b"four")).await.unwrap();
    }
    let mut listed: Vec<_> = blobs.list(workspace, OBJECTS).try_collect().await.unwrap();
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    let keys: Vec<&BlobKey> = listed.iter().map(|entry| &entry.key).collect();
    assert_eq!(keys, mine.iter().collect::<Vec<_>>());
    assert!(listed.iter().all(|entry| entry.size_bytes == 4));
    assert!(
        listed
            .iter()
            .all(|entry| entry.stored_at > Timestamp::from_secs(1_700_000_000))
    );

    let nothing: Vec<_> = blobs.list(neighbour, EXPORTS).try_collect().await.unwrap();
    assert_eq!(nothing, []);
}

async fn one_of_many_writers_creates(blobs: Blobs) {
    let key = new_key();
    let content = Bytes::from(vec![9; 50_000]);
    let outcomes = join_all((0..8).map(|_| blobs.put(&key, content.clone()))).await;
    let created = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(PutOutcome::Created)))
        .count();
    assert_eq!(created, 1, "{outcomes:?}");
    assert_eq!(blobs.get(&key).await.unwrap(), content);
}

async fn a_healthy_store_says_so(blobs: Blobs) {
    blobs.check().await.unwrap();
    blobs.check().await.unwrap();
}

#[tokio::test]
async fn a_directory_keeps_its_blobs_and_links_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/yet/there");
    let key = new_key();
    let before = in_directory(&path);
    before.put(&key, Bytes::from_static(b"kept")).await.unwrap();
    let link = sign(&before, &key, Action::Get);
    drop(before);

    let after = in_directory(&path);
    assert_eq!(after.get(&key).await.unwrap(), "kept");
    assert_eq!(verify(&after, &link, NOW).unwrap().key, key);
}

#[tokio::test]
async fn a_directory_that_is_gone_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    let blobs = in_directory(&path);
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, "a file in its place").unwrap();

    let error = blobs.put(&new_key(), Bytes::from_static(b"x")).await.unwrap_err();
    assert!(error.is(ErrorCode::Unavailable), "{error:?}");
    let error = blobs.check().await.unwrap_err();
    assert!(error.is(ErrorCode::Unavailable), "{error:?}");
    let Err(error) = Blobs::open(directory_config(&path, &[7; 32])) else {
        panic!("a file was opened as a directory");
    };
    assert_eq!(error.fields()[0].field, "blobs.path");
}

#[tokio::test]
async fn a_store_that_refuses_connections_is_unavailable_soon() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let blobs = Blobs::open(BlobsConfig::S3(S3Config {
        endpoint: Some(Url::parse(&format!("http://127.0.0.1:{port}")).unwrap()),
        region: "auto".to_owned(),
        bucket: "bucket".to_owned(),
        access_key: "key".to_owned(),
        secret_key: SecretString::from("secret"),
        path_style: true,
    }))
    .unwrap();
    let started = Instant::now();
    let error = blobs.put(&new_key(), Bytes::from_static(b"x")).await.unwrap_err();
    assert!(error.is(ErrorCode::Unavailable), "{error:?}");
    assert!(blobs.check().await.unwrap_err().is(ErrorCode::Unavailable));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_missing_bucket_is_named_as_the_cause() {
    let Some(mut config) = bucket_config() else { return };
    config.bucket = "there-is-no-such-bucket".to_owned();
    let blobs = Blobs::open(BlobsConfig::S3(config)).unwrap();
    for error in [
        blobs.check().await.unwrap_err(),
        blobs.put(&new_key(), Bytes::from_static(b"x")).await.unwrap_err(),
        blobs.get(&new_key()).await.unwrap_err(),
    ] {
        assert!(error.is(ErrorCode::Unavailable), "{error:?}");
        assert!(error.detail().contains("bucket"), "{error}");
    }
}

#[tokio::test]
async fn a_bucket_is_written_and_read_by_links() {
    let Some(blobs) = in_bucket() else { return };
    let content = b"sent past the server";
    let key = BlobKey::for_hash(WorkspaceId::generate(), OBJECTS, &sha256(content));
    let put = Action::Put {
        length_bytes: content.len() as u64,
        sha256: sha256(content),
    };
    let http = reqwest::Client::new();
    let now = Timestamp::now();
    let expires_at = now + Duration::from_secs(60);
    let sign = |action| {
        blobs.sign(
            SignedRequest {
                key: &key,
                action,
                expires_at,
            },
            now,
        )
    };

    let upload = sign(put).unwrap();
    let send = |link: SignedUrl| {
        let mut request = http.put(link.url).body(content.to_vec());
        for (name, value) in link.headers {
            request = request.header(name, value);
        }
        request.send()
    };
    assert_eq!(send(upload.clone()).await.unwrap().status(), 200);
    assert_eq!(
        send(upload).await.unwrap().status(),
        412,
        "a blob was overwritten"
    );

    let download = sign(Action::Get).unwrap();
    let answer = http.get(download.url).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), content.as_slice());
    assert_eq!(
        blobs.put(&key, Bytes::from_static(content)).await.unwrap(),
        PutOutcome::AlreadyThere
    );
}

fn sha256(content: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(content).into()
}

fn sign(blobs: &Blobs, key: &BlobKey, action: Action) -> SignedUrl {
    let expires_at = NOW + Duration::from_secs(60);
    blobs
        .sign(
            SignedRequest {
                key,
                action,
                expires_at,
            },
            NOW,
        )
        .unwrap()
}

/// Verifies as the route does: with what follows the base address.
fn verify(blobs: &Blobs, link: &SignedUrl, now: Timestamp) -> types::Result<Granted> {
    let path = link.url.path().strip_prefix("/v1/blobs/").unwrap();
    blobs.verify_signed(link.method, path, link.url.query().unwrap(), now)
}

const PUT: Action = Action::Put {
    length_bytes: 5,
    sha256: [0xee; 32],
};

#[tokio::test]
async fn a_link_grants_what_it_was_made_for() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = in_directory(folder.path());
    let key = new_key();
    for action in [Action::Get, PUT] {
        let link = sign(&blobs, &key, action);
        assert!(
            link.url
                .as_str()
                .starts_with("https://api.example.com/v1/blobs/wsp_")
        );
        assert_eq!(
            verify(&blobs, &link, NOW).unwrap(),
            Granted {
                key: key.clone(),
                action
            }
        );
    }
}

#[tokio::test]
async fn a_changed_link_grants_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = in_directory(folder.path());
    let (key, other_key) = (new_key(), new_key());
    let link = sign(&blobs, &key, PUT);
    let get = sign(&blobs, &key, Action::Get);
    let (path, query) = (key.as_str(), link.url.query().unwrap());
    let get_query = get.url.query().unwrap();
    let expires = NOW.as_secs() + 60;
    for (what, method, path, query) in [
        ("another method", "GET", path, query.to_owned()),
        ("lower case", "put", path, query.to_owned()),
        (
            "an upload by a download's link",
            "PUT",
            path,
            format!("{get_query}&length=5&sha256={}", "ee".repeat(32)),
        ),
        ("another key", "PUT", other_key.as_str(), query.to_owned()),
        ("a longer path", "PUT", &format!("{path}/x"), query.to_owned()),
        ("a climbing path", "PUT", &format!("../{path}"), query.to_owned()),
        (
            "another length",
            "PUT",
            path,
            query.replace("length=5", "length=50"),
        ),
        (
            "another hash",
            "PUT",
            path,
            query.replace("sha256=ee", "sha256=ef"),
        ),
        (
            "a later end",
            "PUT",
            path,
            query.replace(&format!("{expires}"), &format!("{}", expires + 1)),
        ),
        (
            "no signature",
            "PUT",
            path,
            query.split("&signature").next().unwrap().to_owned(),
        ),
        (
            "a cut signature",
            "PUT",
            path,
            query[..query.len() - 4].to_owned(),
        ),
        (
            "an empty signature",
            "GET",
            path,
            format!("expires={expires}&signature="),
        ),
        ("two ends", "PUT", path, format!("{query}&expires={expires}")),
        ("a strange parameter", "PUT", path, format!("{query}&x=1")),
        ("nothing at all", "GET", path, String::new()),
    ] {
        let error = blobs.verify_signed(method, path, &query, NOW).unwrap_err();
        assert!(error.is(ErrorCode::PermissionDenied), "{what}: {error:?}");
    }
}

#[tokio::test]
async fn a_link_ends_and_belongs_to_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = in_directory(folder.path());
    let link = sign(&blobs, &new_key(), Action::Get);
    let last = NOW + Duration::from_micros(59_999_999);
    assert!(verify(&blobs, &link, last).is_ok());
    let error = verify(&blobs, &link, last + Duration::from_micros(1)).unwrap_err();
    assert!(error.detail().contains("expired"), "{error}");

    let stranger = Blobs::open(directory_config(folder.path(), &[8; 32])).unwrap();
    assert!(
        verify(&stranger, &link, NOW)
            .unwrap_err()
            .is(ErrorCode::PermissionDenied)
    );
}

#[tokio::test]
async fn a_link_lives_at_most_a_week() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = in_directory(folder.path());
    let key = new_key();
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    for (expires_at, fine) in [
        (NOW + week, true),
        (NOW + week + Duration::from_secs(1), false),
        (NOW, false),
        (NOW - Duration::from_secs(1), false),
    ] {
        let action = Action::Get;
        let link = blobs.sign(
            SignedRequest {
                key: &key,
                action,
                expires_at,
            },
            NOW,
        );
        assert_eq!(link.is_ok(), fine, "{expires_at}");
    }
}

#[test]
fn a_short_secret_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Err(error) = Blobs::open(directory_config(folder.path(), b"too short")) else {
        panic!("links were signed with a guessable secret");
    };
    assert_eq!(error.fields()[0].field, "blobs.signing_secret");
}
