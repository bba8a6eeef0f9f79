//! The guard from outside: notations of addresses, names that change their mind, and real exchanges on this machine.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring, pki_types::PrivateKeyDer};

use super::target::Target;
use super::*;

/// Gives one prepared answer per question, whatever the name.
struct Answers(Mutex<VecDeque<Vec<IpAddr>>>);

impl Answers {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Answers(Mutex::new(answers.iter().map(parse).collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[async_trait]
impl Resolve for Answers {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0
            .lock()
            .unwrap()
            .pop_front()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn policy(allow: &[&str]) -> EgressPolicy {
    EgressPolicy {
        allow: allow.iter().map(|text| text.parse().unwrap()).collect(),
        ..EgressPolicy::default()
    }
}

fn get(url: impl Into<String>) -> Request {
    Request {
        method: Method::GET,
        url: url.into(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        max_response_bytes: 1024,
    }
}

/// Answers one connection with these bytes and returns what was asked.
async fn answer_once<S>(mut stream: S, answer: &[u8]) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut asked = Vec::new();
    let mut buffer = [0; 1024];
    while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the client left");
        asked.extend_from_slice(&buffer[..count]);
    }
    stream.write_all(answer).await.unwrap();
    let _ = stream.shutdown().await;
    String::from_utf8(asked).unwrap()
}

async fn listen(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_notation() {
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "⑫7.0.0.1",
        "0",
        "0.0.0.0",
        "3232235777",
        "0xa9fea9fe",
        "169.254.169.254",
        "10.0.0.1",
        "0xA.0.0.1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[2001:0:0:0:0:0:80ff:fffe]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[fc00::1]",
        "[ff02::1]",
        "[::]",
        "255.255.255.255",
        "224.0.0.1",
    ];
    // A resolver without answers: had one of these been taken for a name, the error would be another.
    let egress = Egress::with_resolver(EgressPolicy::default(), Answers::new(&[])).unwrap();
    for host in hosts {
        let url = format!("https://{host}/");
        let checked = egress.check_url(&url);
        assert!(
            matches!(checked, Err(EgressError::AddressRefused)),
            "{host}: {checked:?}"
        );
        let sent = egress.request(get(url)).await;
        assert!(
            matches!(sent, Err(EgressError::AddressRefused)),
            "{host}: {sent:?}"
        );
    }
}

#[test]
fn what_looks_like_one_host_and_is_another_is_judged_by_the_other() {
    let host = |url: &str| Target::parse(url).map(|target| target.host.to_string());
    assert_eq!(host("https://127.0.0.1\\@public.example/").unwrap(), "127.0.0.1");
    assert_eq!(host("https://127.0.0.1#@public.example/").unwrap(), "127.0.0.1");
    assert_eq!(host("https://127.0.0.1?@public.example/").unwrap(), "127.0.0.1");
    assert_eq!(host("https:127.0.0.1/").unwrap(), "127.0.0.1");
    assert_eq!(host("https:///127.0.0.1/").unwrap(), "127.0.0.1");
    assert_eq!(host("ht\ntps://127.0.\t0.1/").unwrap(), "127.0.0.1");
    assert_eq!(host("https://LOCALHOST./").unwrap(), "localhost");
    assert_eq!(host("https://ﬁle.example/").unwrap(), "file.example");
}

#[test]
fn urls_that_cannot_be_meant_are_refused() {
    let egress = Egress::new(EgressPolicy::default()).unwrap();
    type Expected = fn(&EgressError) -> bool;
    let refused: &[(&str, Expected)] = &[
        ("", |e| matches!(e, EgressError::BadUrl(_))),
        ("/path", |e| matches!(e, EgressError::BadUrl(_))),
        ("https://", |e| matches!(e, EgressError::BadUrl(_))),
        ("https://user@public.example/", |e| {
            matches!(e, EgressError::BadUrl(_))
        }),
        ("https://:secret@public.example/", |e| {
            matches!(e, EgressError::BadUrl(_))
        }),
        ("https://public.example@127.0.0.1/", |e| {
            matches!(e, EgressError::BadUrl(_))
        }),
        ("https://public.example:99999/", |e| {
            matches!(e, EgressError::BadUrl(_))
        }),
        ("https://a..b../", |e| matches!(e, EgressError::BadUrl(_))),
        ("https://[::1%25eth0]/", |e| matches!(e, EgressError::BadUrl(_))),
        ("https://1.2.3.256/", |e| matches!(e, EgressError::BadUrl(_))),
        ("http://public.example/", |e| {
            matches!(e, EgressError::SchemeRefused)
        }),
        ("ftp://public.example/", |e| {
            matches!(e, EgressError::SchemeRefused)
        }),
        ("file:///etc/passwd", |e| matches!(e, EgressError::SchemeRefused)),
        ("gopher://127.0.0.1:70/", |e| {
            matches!(e, EgressError::SchemeRefused)
        }),
        ("https://public.example:0/", |e| {
            matches!(e, EgressError::PortRefused(0))
        }),
        ("https://public.example:22/", |e| {
            matches!(e, EgressError::PortRefused(22))
        }),
        ("https://8.8.8.8:6379/", |e| {
            matches!(e, EgressError::PortRefused(6379))
        }),
    ];
    for (url, expected) in refused {
        let error = egress.check_url(url).unwrap_err();
        assert!(expected(&error), "{url}: {error:?}");
        assert!(error.is_refusal());
    }
    for url in [
        "https://public.example",
        "https://8.8.8.8:8443/x",
        "https://[2606:4700::1111]/",
        "https://bücher.example:443/",
    ] {
        egress.check_url(url).unwrap();
    }
}

#[test]
fn the_operator_widens_schemes_ports_and_hosts() {
    let wider = EgressPolicy {
        allow_http: true,
        ports: vec![9000],
        ..policy(&["hooks.internal", "10.1.0.0/16", "fd00::/8"])
    };
    let egress = Egress::new(wider).unwrap();
    for url in [
        "http://8.8.8.8/",
        "https://8.8.8.8:9000/",
        "http://hooks.internal:5000/",
        "http://HOOKS.internal.:5000/",
        "http://10.1.2.3:1/",
        "http://[fd00::1]:1/",
    ] {
        egress.check_url(url).unwrap();
    }
    for url in [
        "https://10.2.0.1/",
        "https://[::ffff:10.1.2.3]/",
        "https://10.1.2.3:0/",
        "ftp://hooks.internal/",
    ] {
        egress.check_url(url).unwrap_err();
    }
}

#[tokio::test]
async fn a_name_is_refused_when_any_of_its_addresses_is_private() {
    let target = Target::parse("https://name.example/").unwrap();
    for answer in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "10.0.0.1"],
        &["2606:4700::1111", "::ffff:127.0.0.1"],
        &["fd00:ec2::254"],
    ] {
        let egress = Egress::with_resolver(EgressPolicy::default(), Answers::new(&[answer])).unwrap();
        let checked = egress.checked_addresses(&target).await;
        assert!(
            matches!(checked, Err(EgressError::AddressRefused)),
            "{answer:?}: {checked:?}"
        );
    }
    let public = Egress::with_resolver(
        EgressPolicy::default(),
        Answers::new(&[&["8.8.8.8", "2606:4700::1111"]]),
    )
    .unwrap();
    let addresses = public.checked_addresses(&target).await.unwrap();
    assert_eq!(
        addresses,
        [
            "8.8.8.8:443".parse().unwrap(),
            "[2606:4700::1111]:443".parse().unwrap()
        ]
    );
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_connected_where_it_was_checked() {
    // 127.0.0.2 plays the public address: it alone is allowed. 127.0.0.1 plays the internal service on the same port.
    let (outside, address) = listen("127.0.0.2").await;
    let inside = TcpListener::bind(("127.0.0.1", address.port())).await.unwrap();
    let answers = Answers::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let policy = EgressPolicy {
        allow_http: true,
        ports: vec![address.port()],
        ..policy(&["127.0.0.2"])
    };
    let egress = Egress::with_resolver(policy, answers.clone()).unwrap();
    let url = format!("http://rebinding.example:{}/", address.port());

    let serve = async { answer_once(accept(&outside).await, b"HTTP/1.1 200 OK\r\n\r\noutside").await };
    let (response, _) = tokio::join!(egress.request(get(&url)), serve);
    assert_eq!(response.unwrap().body, "outside");
    assert_eq!(answers.left(), 1, "one request asks once");

    let refused = egress.request(get(&url)).await;
    assert!(matches!(refused, Err(EgressError::AddressRefused)), "{refused:?}");
    assert_eq!(answers.left(), 0);
    let visited = tokio::time::timeout(std::time::Duration::ZERO, inside.accept()).await;
    assert!(visited.is_err(), "the internal service was connected to");
}

#[tokio::test]
async fn an_exchange_carries_method_headers_and_body_and_fixes_the_rest() {
    let (listener, address) = listen("127.0.0.1").await;
    let egress = Egress::new(policy(&["127.0.0.1"])).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    let request = Request {
        method: Method::POST,
        headers,
        body: Bytes::from_static(b"{}"),
        ..get(format!("http://{address}/a%20b?c=d#e"))
    };
    let serve = async {
        let answer =
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 2\r\n\r\nok";
        answer_once(accept(&listener).await, answer).await
    };
    let (response, asked) = tokio::join!(egress.request(request), serve);
    let response = response.unwrap();
    assert_eq!(response.status, 302, "a redirect is returned, not followed");
    assert_eq!(response.headers[header::LOCATION], "http://169.254.169.254/");
    assert_eq!((&response.body[..], response.truncated), (&b"ok"[..], false));
    let asked = asked.to_lowercase();
    assert!(asked.starts_with("post /a%20b?c=d http/1.1\r\n"), "{asked}");
    for line in [
        format!("host: {address}"),
        "webhook-id: msg_1".into(),
        "content-length: 2".into(),
        "connection: close".into(),
    ] {
        assert!(
            asked.contains(&format!("\r\n{line}\r\n")),
            "{line} missing in {asked}"
        );
    }
}

#[tokio::test]
async fn headers_of_the_connection_cannot_be_given() {
    let egress = Egress::new(policy(&["127.0.0.1"])).unwrap();
    for name in [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "keep-alive",
    ] {
        let mut request = get("http://127.0.0.1:9/");
        request.headers.insert(
            header::HeaderName::from_static(name),
            HeaderValue::from_static("x"),
        );
        let error = egress.request(request).await.unwrap_err();
        assert!(matches!(error, EgressError::HeaderRefused(refused) if refused == name));
    }
}

#[tokio::test]
async fn a_long_body_is_cut() {
    let (listener, address) = listen("127.0.0.1").await;
    let egress = Egress::new(policy(&["127.0.0.1"])).unwrap();
    let request = Request {
        max_response_bytes: 4,
        ..get(format!("http://{address}/"))
    };
    let serve = async {
        // Chunked, and longer than what the client reads: it may well have left before everything is written.
        let mut stream = accept(&listener).await;
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n")
            .await;
        stream
    };
    let (response, _stream) = tokio::join!(egress.request(request), serve);
    let response = response.unwrap();
    assert_eq!((&response.body[..], response.truncated), (&b"abcd"[..], true));
}

#[tokio::test]
async fn a_silent_host_times_out_and_an_absent_one_is_not_connected() {
    let (listener, address) = listen("127.0.0.1").await;
    let impatient = EgressPolicy {
        total_timeout: std::time::Duration::from_millis(20),
        ..policy(&["127.0.0.1"])
    };
    let egress = Egress::new(impatient).unwrap();
    let silent = egress.request(get(format!("http://{address}/"))).await;
    assert!(matches!(silent, Err(EgressError::TimedOut)), "{silent:?}");
    drop(listener);
    let patient = Egress::new(policy(&["127.0.0.1"])).unwrap();
    let absent = patient.request(get(format!("http://{address}/"))).await;
    assert!(matches!(absent, Err(EgressError::NotConnected(_))), "{absent:?}");
}

#[tokio::test]
async fn tls_is_checked_against_the_name_in_the_url() {
    let certified = rcgen::generate_simple_self_signed(vec!["hooks.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();

    let (listener, address) = listen("127.0.0.1").await;
    let answers = Answers::new(&[&["127.0.0.1"], &["127.0.0.1"]]);
    let egress = Egress::with_roots(policy(&["127.0.0.1"]), answers, roots).unwrap();

    let serve = async {
        let stream = acceptor.accept(accept(&listener).await).await.unwrap();
        answer_once(stream, b"HTTP/1.1 204 No Content\r\n\r\n").await
    };
    let (response, asked) = tokio::join!(
        egress.request(get(format!("https://hooks.example:{}/", address.port()))),
        serve
    );
    assert_eq!(response.unwrap().status, 204);
    assert!(asked.contains(&format!("host: hooks.example:{}", address.port())));

    let serve = async { acceptor.accept(accept(&listener).await).await.is_ok() };
    let (response, _) = tokio::join!(
        egress.request(get(format!("https://other.example:{}/", address.port()))),
        serve
    );
    assert!(matches!(response, Err(EgressError::Tls(_))), "{response:?}");
}
