//! The client against real sockets on this machine.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PLENTY: Duration = Duration::from_secs(20);

/// A server that answers every request on every connection with the same bytes.
struct Peer {
    port: u16,
    seen: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Peer {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, seen) = tokio::sync::mpsc::unbounded_channel();
        let answer = Arc::new(answer.into());
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, connection, answer.clone(), tell.clone()));
            }
        });
        Self { port, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next request's head and body, after the number of its connection.
    async fn request(&mut self) -> String {
        self.seen.recv().await.unwrap()
    }

    fn untouched(&mut self) -> bool {
        self.seen.try_recv().is_err()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    answer: Arc<Vec<u8>>,
    tell: tokio::sync::mpsc::UnboundedSender<String>,
) {
    let (mut text, mut chunk) = (String::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        let _ = tell.send(format!("{connection}: {text}"));
        text.clear();
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-peer: one\r\n\r\n{body}", body.len()).into_bytes()
}

fn grant(origin: &str, methods: &[Method], private: bool) -> Grant {
    Grant { origin: Origin::try_from(origin.to_owned()).unwrap(), methods: methods.to_vec(), private }
}

fn request(method: &str, url: &str) -> Request {
    Request { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), credential: None }
}

fn policy(grants: &[Grant]) -> Policy<'_> {
    Policy { grants, secrets: &[], timeout: PLENTY, answer_bytes_max: 1_000 }
}

/// A client for which every name in the table lies where the table says.
fn resolving<const N: usize>(table: [(&'static str, Vec<IpAddr>); N]) -> Outbound {
    Outbound::resolving(Names::Table(Arc::new(HashMap::from(table))))
}

#[tokio::test]
async fn a_granted_request_arrives_whole_and_its_answer_comes_back_whole() {
    let mut peer = Peer::answering(ok("hello")).await;
    let grants = [grant(&peer.url(""), &[Method::Put], true)];
    let asked = Request {
        headers: vec![("X-Key".into(), "k".into())],
        body: b"{\"a\":1}".to_vec(),
        ..request("PUT", &peer.url("/Users/1?x=y"))
    };

    let answer = Outbound::new().send(asked, &policy(&grants)).await.unwrap();

    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
    assert!(answer.headers.contains(&("x-peer".into(), "one".into())));
    let seen = peer.request().await;
    assert!(seen.starts_with("0: PUT /Users/1?x=y HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-key: k\r\n") && seen.ends_with("{\"a\":1}"), "{seen}");
    assert!(seen.contains("user-agent: provost/"), "{seen}");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let mut peer = Peer::answering(ok("")).await;
    let grants = [grant(&peer.url(""), &[Method::Get], true)];
    let outbound = Outbound::new();

    for path in ["/1", "/2"] {
        outbound.clone().send(request("GET", &peer.url(path)), &policy(&grants)).await.unwrap();
    }
    assert!(peer.request().await.starts_with("0: GET /1"));
    assert!(peer.request().await.starts_with("0: GET /2"));
}

#[tokio::test]
async fn an_origin_that_is_not_granted_is_never_connected_to() {
    let mut peer = Peer::answering(ok("")).await;
    let grants = [grant("https://hr.example.org", &[Method::Get], true)];

    for (asked, word) in [
        (request("GET", &peer.url("/")), "no grant names the origin"),
        (request("GET", &format!("http://hr.example.org@127.0.0.1:{}/", peer.port)), "user name"),
        (request("POST", "https://hr.example.org/"), "no grant allows POST"),
        (request("GET", "file:///etc/passwd"), "`file`"),
    ] {
        let error = Outbound::new().send(asked, &policy(&grants)).await.unwrap_err();
        assert!(matches!(&error, OutboundError::Denied(why) if why.contains(word)), "{error}");
    }
    assert!(peer.untouched());
}

#[tokio::test]
async fn a_private_address_needs_a_private_grant_however_it_is_written() {
    let mut peer = Peer::answering(ok("")).await;
    let port = peer.port;
    let home = Ipv4Addr::LOCALHOST.into();
    let outbound =
        resolving([("intranet.test", vec![home]), ("mapped.test", vec!["::ffff:127.0.0.1".parse().unwrap()])]);

    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
        "intranet.test",
        "INTRANET.test.",
        "mapped.test",
    ] {
        let origin = format!("http://{host}:{port}");
        let asked = request("GET", &format!("{origin}/"));

        let public = [grant(&origin, &[Method::Get], false)];
        let error = outbound.send(asked.clone(), &policy(&public)).await.unwrap_err();
        assert!(
            matches!(&error, OutboundError::Denied(why) if why.contains("not a public address")),
            "{host}: {error}"
        );
        assert!(peer.untouched(), "{host}");

        let private = [grant(&origin, &[Method::Get], true)];
        let answer = outbound.send(asked, &policy(&private)).await;
        assert_eq!(answer.unwrap().status, 200, "{host}");
        peer.request().await;
    }
}

#[tokio::test]
async fn the_system_resolver_is_held_to_the_same_rule() {
    let peer = Peer::answering(ok("")).await;
    let origin = format!("http://localhost:{}", peer.port);
    let grants = [grant(&origin, &[Method::Get], false)];

    let error = Outbound::new().send(request("GET", &origin), &policy(&grants)).await.unwrap_err();
    assert!(matches!(&error, OutboundError::Denied(why) if why.contains("not a public address")), "{error}");
}

#[tokio::test]
async fn a_connection_made_under_a_private_grant_serves_no_request_without_one() {
    let mut peer = Peer::answering(ok("")).await;
    let origin = format!("http://intranet.test:{}", peer.port);
    let outbound = resolving([("intranet.test", vec![Ipv4Addr::LOCALHOST.into()])]);
    let (private, public) = ([grant(&origin, &[Method::Get], true)], [grant(&origin, &[Method::Get], false)]);

    outbound.send(request("GET", &origin), &policy(&private)).await.unwrap();
    peer.request().await;
    assert!(outbound.send(request("GET", &origin), &policy(&public)).await.is_err());
    assert!(peer.untouched());
}

#[tokio::test]
async fn nobodys_addresses_are_refused_even_with_a_private_grant() {
    for host in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "[::]", "[ff02::1]", "192.0.2.1"] {
        let origin = format!("http://{host}:9");
        let grants = [grant(&origin, &[Method::Get], true)];
        let error = Outbound::new().send(request("GET", &origin), &policy(&grants)).await.unwrap_err();
        assert!(matches!(error, OutboundError::Denied(_)), "{host}: {error}");
    }
}

#[tokio::test]
async fn among_several_addresses_only_those_in_reach_are_connected_to() {
    let mut peer = Peer::answering(ok("")).await;
    let origin = format!("http://mixed.test:{}", peer.port);
    let grants = [grant(&origin, &[Method::Get], true)];
    let outbound = resolving([("mixed.test", vec![Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()])]);

    outbound.send(request("GET", &origin), &policy(&grants)).await.unwrap();
    assert!(peer.request().await.starts_with("0: GET /"));
}

#[tokio::test]
async fn a_name_without_an_address_is_a_dns_error() {
    let grants = [grant("http://nowhere.test", &[Method::Get], false)];
    let error = resolving([]).send(request("GET", "http://nowhere.test/"), &policy(&grants)).await.unwrap_err();

    assert_eq!(error, OutboundError::Dns("the name has no address".into()));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let mut peer =
        Peer::answering("HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n").await;
    let grants = [grant(&peer.url(""), &[Method::Get], true)];

    let answer = Outbound::new().send(request("GET", &peer.url("/")), &policy(&grants)).await.unwrap();

    assert_eq!(answer.status, 302);
    assert!(peer.request().await.starts_with("0: GET / "));
    assert!(peer.untouched());
}

#[tokio::test]
async fn an_answer_is_cut_off_where_its_size_ends_whether_announced_or_not() {
    let announced = ok(&"x".repeat(1_001));
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1_001));
    let headers = format!(
        "HTTP/1.1 200 OK\r\nx-vast: {}\r\ncontent-length: 0\r\n\r\n",
        "x".repeat(limits::HTTP_HEADER_BYTES_MAX)
    );
    for answer in [announced, chunked.into_bytes(), headers.into_bytes()] {
        let peer = Peer::answering(answer).await;
        let grants = [grant(&peer.url(""), &[Method::Get], true)];
        let error = Outbound::new().send(request("GET", &peer.url("/")), &policy(&grants)).await.unwrap_err();
        assert_eq!(error, OutboundError::TooLarge);
    }
}

#[tokio::test]
async fn a_request_is_bounded_too() {
    let mut peer = Peer::answering(ok("")).await;
    let grants = [grant(&peer.url(""), &[Method::Put], true)];
    let vast_body = Request { body: vec![0; limits::HTTP_REQUEST_BYTES_MAX + 1], ..request("PUT", &peer.url("/")) };
    let vast_head = Request {
        headers: vec![("x".into(), "x".repeat(limits::HTTP_HEADER_BYTES_MAX))],
        ..request("PUT", &peer.url("/"))
    };

    for asked in [vast_body, vast_head] {
        assert_eq!(Outbound::new().send(asked, &policy(&grants)).await, Err(OutboundError::TooLarge));
    }
    assert!(peer.untouched());
}

#[tokio::test]
async fn headers_of_the_connection_are_the_clients_own() {
    let mut peer = Peer::answering(ok("")).await;
    let grants = [grant(&peer.url(""), &[Method::Get], true)];
    for (name, value) in [
        ("Host", "evil.test"),
        ("content-length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("CONNECTION", "close"),
        ("a b", "c"),
        ("x", "a\r\nhost: b"),
    ] {
        let asked = Request { headers: vec![(name.into(), value.into())], ..request("GET", &peer.url("/")) };
        let error = Outbound::new().send(asked, &policy(&grants)).await.unwrap_err();
        assert!(matches!(error, OutboundError::Denied(_) | OutboundError::Protocol(_)), "{name}: {error}");
    }
    assert!(peer.untouched());
}

#[tokio::test]
async fn a_peer_that_never_answers_costs_no_more_than_the_time_allowed() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap());
    let grants = [grant(&origin, &[Method::Get], true)];
    let hurried = Policy { timeout: Duration::from_millis(20), ..policy(&grants) };

    assert_eq!(Outbound::new().send(request("GET", &origin), &hurried).await, Err(OutboundError::Timeout));
}

#[tokio::test]
async fn errors_are_told_apart_and_name_no_path() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"this is no TLS").await.unwrap();
    });
    let nonsense = Peer::answering("SSH-2.0-OpenSSH\r\n").await;
    let hasty = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hasty_port = hasty.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = hasty.accept().await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
    });
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();

    for (origin, check) in [
        (
            format!("http://127.0.0.1:{closed}"),
            (|e| matches!(e, OutboundError::Connect(_))) as fn(&OutboundError) -> bool,
        ),
        (format!("http://127.0.0.1:{}", nonsense.port), |e| matches!(e, OutboundError::Protocol(_))),
        (format!("http://127.0.0.1:{hasty_port}"), |e| matches!(e, OutboundError::Closed(_))),
        (format!("https://127.0.0.1:{plain_port}"), |e| matches!(e, OutboundError::Tls(_))),
    ] {
        let grants = [grant(&origin, &[Method::Get], true)];
        let asked = request("GET", &format!("{origin}/secret-path?secret=1"));
        let error = Outbound::new().send(asked, &policy(&grants)).await.unwrap_err();
        assert!(check(&error), "{origin}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.is_retryable());
    }
}

fn secrets(text: &str) -> SecretConfigs {
    toml::from_str(text).unwrap()
}

fn outbound(config: &str, secrets: &SecretConfigs) -> Outbound {
    Outbound::configured(&toml::from_str(config).unwrap(), secrets, &Clock::System).unwrap()
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_checked_at_every_connection() {
    let mut peer = Peer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let origin = format!("http://rebinding.test:{}", peer.port);
    let turns = Names::Turns(Arc::new(std::sync::Mutex::new(vec![
        Ipv4Addr::LOCALHOST.into(),
        Ipv4Addr::new(10, 0, 0, 1).into(),
        "::ffff:169.254.169.254".parse().unwrap(),
    ])));
    let outbound = Outbound::resolving(turns);
    let grants = [grant(&origin, &[Method::Get], false)];

    for _ in 0..3 {
        let error = outbound.send(request("GET", &origin), &policy(&grants)).await.unwrap_err();
        assert!(matches!(&error, OutboundError::Denied(why) if why.contains("not a public address")), "{error}");
    }
    assert!(peer.untouched());
}

#[tokio::test]
async fn a_secret_crosses_no_network_in_clear() {
    let mut peer = Peer::answering(ok("")).await;
    let secrets = secrets("[crm]\nvalue = \"hush-4711\"\n");
    let outbound = outbound("", &secrets);
    let names = ["crm".to_owned()];
    let asked = |url: &str| Request { credential: Some("crm".into()), ..request("GET", url) };

    let far = [grant("http://crm.example.org", &[Method::Get], false)];
    let denied = outbound.send(asked("http://crm.example.org/"), &Policy { secrets: &names, ..policy(&far) }).await;
    assert!(matches!(&denied, Err(OutboundError::Denied(why)) if why.contains("https only")), "{denied:?}");

    let near = [grant(&peer.url(""), &[Method::Get], true)];
    let near = Policy { secrets: &names, ..policy(&near) };
    outbound.send(asked(&peer.url("/")), &near).await.unwrap();
    assert!(peer.request().await.contains("authorization: Bearer hush-4711\r\n"));
    assert_eq!(outbound.permits(&asked(&peer.url("/")), &near), Ok(()));
    assert!(outbound.permits(&asked(&peer.url("/")), &Policy { secrets: &[], ..near }).is_err());
}

#[tokio::test]
async fn requests_go_through_the_proxy_except_where_the_operator_says_otherwise() {
    let (mut proxy, mut direct) = (Peer::answering(ok("by proxy")).await, Peer::answering(ok("direct")).await);
    let table = format!("proxy = {:?}\nno_proxy = [\"127.0.0.1\"]", proxy.url(""));
    let outbound = outbound(&table, &SecretConfigs::new());

    // The proxy resolves: this name means nothing here, and its address is not asked for.
    let grants = [grant("http://crm.test", &[Method::Get], false)];
    let answer = outbound.send(request("GET", "http://crm.test/people"), &policy(&grants)).await.unwrap();
    assert_eq!(answer.body, b"by proxy");
    assert!(proxy.request().await.starts_with("0: GET http://crm.test/people HTTP/1.1"));

    // An address is held to be public all the same.
    for host in ["10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]"] {
        let origin = format!("http://{host}");
        let grants = [grant(&origin, &[Method::Get], false)];
        let denied = outbound.send(request("GET", &origin), &policy(&grants)).await;
        assert!(matches!(denied, Err(OutboundError::Denied(_))), "{host}: {denied:?}");
    }
    assert!(proxy.untouched());

    let grants = [grant(&direct.url(""), &[Method::Get], true)];
    let answer = outbound.send(request("GET", &direct.url("/")), &policy(&grants)).await.unwrap();
    assert_eq!(answer.body, b"direct");
    assert!(direct.request().await.starts_with("0: GET / HTTP/1.1"));
}

#[tokio::test]
async fn a_proxy_with_a_name_may_lie_in_the_private_network_and_others_may_not() {
    let mut proxy = Peer::answering(ok("")).await;
    let table = format!("proxy = \"http://localhost:{}\"\nno_proxy = [\"intranet.test\"]", proxy.port);
    let outbound = outbound(&table, &SecretConfigs::new());
    let grants = [grant("http://crm.test", &[Method::Get], false)];

    outbound.send(request("GET", "http://crm.test/"), &policy(&grants)).await.unwrap();
    assert!(proxy.request().await.contains("http://crm.test/"));
}

#[tokio::test]
async fn a_connection_is_used_again_only_under_the_settings_it_was_made_with() {
    let mut peer = Peer::answering(ok("")).await;
    let grants = [grant(&peer.url(""), &[Method::Get], true)];
    let next = |client: &Outbound, config: &str, secrets: &SecretConfigs| {
        client.next(&toml::from_str(config).unwrap(), secrets, &Clock::System).unwrap()
    };
    let first = outbound("", &SecretConfigs::new());
    first.send(request("GET", &peer.url("/1")), &policy(&grants)).await.unwrap();
    assert!(peer.request().await.starts_with("0: GET /1"));

    let secrets = secrets("[crm]\nvalue = \"hush-4711\"\n");
    let second = next(&first, "", &secrets);
    assert!(!second.is(&first) && second.is(&second.clone()) && next(&second, "", &secrets).is(&second));
    second.send(request("GET", &peer.url("/2")), &policy(&grants)).await.unwrap();
    assert!(peer.request().await.starts_with("0: GET /2"), "another secret is nothing to a connection");

    let third = next(&second, "connect_ms = 4000", &secrets);
    assert!(!third.is(&second));
    third.send(request("GET", &peer.url("/3")), &policy(&grants)).await.unwrap();
    assert!(peer.request().await.starts_with("1: GET /3"));
}

#[tokio::test]
async fn no_request_takes_longer_than_the_operator_says() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap());
    let grants = [grant(&origin, &[Method::Get], true)];
    let outbound = outbound("timeout_ms = 20", &SecretConfigs::new());

    assert_eq!(outbound.send(request("GET", &origin), &policy(&grants)).await, Err(OutboundError::Timeout));
}

#[test]
fn a_mistake_is_named_with_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, "nothing").unwrap();
    for (table, key, words) in [
        (format!("ca_file = {file:?}"), "outbound.ca_file", "no certificate"),
        ("ca_file = \"/nowhere/ca.pem\"".to_owned(), "outbound.ca_file", "cannot be read"),
        ("proxy = \"proxy:3128\"".to_owned(), "outbound.proxy", "http://proxy"),
        ("no_proxy = [\"a\"]".to_owned(), "outbound.no_proxy", "no effect"),
        ("timeout_ms = 0".to_owned(), "outbound.timeout_ms", "at least 1"),
        ("connect_ms = 99999".to_owned(), "outbound.connect_ms", "at most 5000"),
    ] {
        let config = toml::from_str(&table).unwrap();
        let (wrong, text) = Outbound::configured(&config, &SecretConfigs::new(), &Clock::System).unwrap_err();
        assert!(wrong == key && text.contains(words), "{table}: {wrong}: {text}");
    }
}
