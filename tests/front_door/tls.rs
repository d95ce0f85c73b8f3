//! TLS at the doors: who is served, who is not, and how a certificate is renewed while requests run.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use futures::FutureExt as _;
use jiff::Timestamp;
use provost::clock::Clock;
use provost::listener::Reading;
use provost_tests::binary;
use provost_tests::engine::engine;
use provost_tests::guests::{self, plugin};
use provost_tests::receiver::PATIENCE;
use provost_tests::server::{TestServer, user};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::tls::Version;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, and a directory for what it gives out.
struct Office {
    authority: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Office {
    fn new() -> Self {
        // Whoever makes a client first chooses how the process does TLS.
        provost_tests::server::client();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let office = Self { authority, directory: TempDir::new().unwrap() };
        office.write("ca.pem", &office.authority.pem());
        office
    }

    fn write(&self, name: &str, text: &str) {
        // As operators' tools do it: whole, by renaming.
        let new = self.directory.path().join(format!("{name}.new"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, self.path(name)).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for 127.0.0.1, and its key.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    /// Puts a certificate where the server looks for it, and hands it over.
    fn renew(&self) -> CertificateDer<'static> {
        self.put(self.issue())
    }

    /// The same for a certificate of the years from the first to the last, which does not count.
    fn renew_for(&self, years: std::ops::Range<i32>) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        self.put((params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem()))
    }

    fn put(&self, (certificate, key): (String, String)) -> CertificateDer<'static> {
        self.write("key.pem", &key);
        self.write("cert.pem", &certificate);
        CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()
    }

    /// The table for `section`, with these further keys.
    fn table(&self, section: &str, rest: &str) -> String {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        format!("[{section}.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{rest}\n")
    }

    /// A client that trusts this authority.
    fn client(&self) -> reqwest::ClientBuilder {
        let authority = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([authority])
    }

    /// A connection that is safe, for saying things by hand.
    async fn connect(&self, server: &TestServer) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(server.app.listens).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// The certificate that new connections are shown.
    async fn shown(&self, server: &TestServer) -> CertificateDer<'static> {
        let stream = self.connect(server).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

async fn status(client: reqwest::ClientBuilder, server: &TestServer) -> Result<u16, reqwest::Error> {
    let url = format!("{}/Users", server.app.base_url);
    let answer = client.build().unwrap().get(url).bearer_auth(&server.token).send().await?;
    Ok(answer.status().as_u16())
}

/// Everything that comes until the other side closes; nothing where it resets the connection.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

async fn until(mut reading: watch::Receiver<Reading>, fits: impl FnMut(&Reading) -> bool) {
    let event = tokio::time::timeout(PATIENCE, reading.wait_for(fits)).await;
    event.expect("the certificate should have been read again").expect("the server runs");
}

fn reading(server: &TestServer) -> watch::Receiver<Reading> {
    server.app.certificates[0].clone().unwrap()
}

/// The beginning of a POST: all but the last bytes of its body, which are handed back.
async fn begin_create(stream: &mut (impl AsyncWrite + Unpin), server: &TestServer) -> Vec<u8> {
    let mut body = user("ana").to_string().into_bytes();
    let end = body.split_off(body.len() - 5);
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/scim+json\r\n\
         Expect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        server.token,
        body.len() + end.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.flush().await.unwrap();
    end
}

/// Waits until the server asks for the body: then the request is being processed.
async fn asked_for_more(stream: &mut (impl AsyncRead + Unpin)) {
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut said = vec![0; expected.len()];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_1_2_at_least_s_24_1() {
    let office = Office::new();
    office.renew();
    let server = TestServer::start(&office.table("server", "")).await;
    assert!(server.app.base_url.starts_with("https://"), "{}", server.app.base_url);

    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let client = office.client().tls_version_min(version).tls_version_max(version);
        assert_eq!(status(client, &server).await.unwrap(), 200, "{version:?}");
    }

    // A ClientHello whose newest version is 1.1, with suites that 1.1 has.
    let hello = [&[0x03, 0x02][..], &[7; 32], &[0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0, 0, 0]].concat();
    let handshake = [&[1, 0, 0, hello.len() as u8][..], &hello].concat();
    let record = [&[0x16, 0x03, 0x01, 0, handshake.len() as u8][..], &handshake].concat();
    let mut old = TcpStream::connect(server.app.listens).await.unwrap();
    old.write_all(&record).await.unwrap();
    let said = rest(&mut old).await;
    assert!(said.is_empty() || said[0] == 0x15, "an alert at most, and never a ServerHello: {said:x?}");

    let mut plain = TcpStream::connect(server.app.listens).await.unwrap();
    plain.write_all(b"GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let said = rest(&mut plain).await;
    assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));

    let server = server.restart(Some(&office.table("server", "min_version = \"1.3\""))).await;
    let newest = office.client().tls_version_min(Version::TLS_1_3);
    assert_eq!(status(newest, &server).await.unwrap(), 200);
    let older = office.client().tls_version_max(Version::TLS_1_2);
    assert!(status(older, &server).await.unwrap_err().is_connect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_and_a_request_in_flight_goes_on() {
    let office = Office::new();
    let first = office.renew();
    let server = TestServer::start(&office.table("server", "")).await;
    assert_eq!(office.shown(&server).await, first);
    let mut in_flight = office.connect(&server).await;
    let end = begin_create(&mut in_flight, &server).await;
    asked_for_more(&mut in_flight).await;

    let second = office.renew();
    until(reading(&server), |reading| reading.changes == 1 && reading.trouble.is_none()).await;

    assert_eq!(office.shown(&server).await, second);
    in_flight.write_all(&end).await.unwrap();
    let answer = String::from_utf8(rest(&mut in_flight).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(status(office.client(), &server).await.unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_changes_nothing_but_health() {
    let office = Office::new();
    let first = office.renew();
    let server = TestServer::start(&office.table("server", "")).await;
    let health = async || {
        let url = format!("https://{}/health", server.app.listens);
        let client = office.client().build().unwrap();
        client.get(url).send().await.unwrap().text().await.unwrap()
    };
    assert!(!health().await.contains("server.tls"));

    office.write("key.pem", &KeyPair::generate().unwrap().serialize_pem());
    until(reading(&server), |reading| reading.trouble.as_ref().is_some_and(|t| t.key == "key")).await;
    office.write("cert.pem", "nothing\n");
    until(reading(&server), |reading| reading.trouble.as_ref().is_some_and(|t| t.key == "certificate")).await;

    assert_eq!(office.shown(&server).await, first);
    let said = health().await;
    assert!(said.contains("degraded") && said.contains("server.tls"), "{said}");
    assert!(!said.contains(office.directory.path().to_str().unwrap()), "{said}");

    let second = office.renew();
    until(reading(&server), |reading| reading.changes == 1 && reading.trouble.is_none()).await;
    assert_eq!(office.shown(&server).await, second);
    assert!(!health().await.contains("server.tls"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_before_or_after_its_time_degrades_health() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let clock = Clock::fixed(at("1999-12-31T23:59:59Z"));
    let advance = |to: &str| clock.advance_ms(at(to).duration_since(clock.now()).as_millis() as i64);
    let office = Office::new();
    office.renew_for(2000..2100);
    let server = TestServer::at(clock.clone(), &office.table("server", "")).await;
    let health = async || {
        let url = format!("https://{}/health", server.app.listens);
        office.client().build().unwrap().get(url).send().await.unwrap().text().await.unwrap()
    };

    let early = health().await;
    assert!(early.contains("degraded") && early.contains("`server.tls` is not valid before 2000-01-01"), "{early}");
    for good in ["2000-01-01T00:00:00Z", "2099-12-31T00:00:00Z", "2100-01-01T00:00:00Z"] {
        advance(good);
        assert!(health().await.contains("\"ok\""), "{good}: {}", health().await);
    }
    advance("2100-01-01T00:00:01Z");
    let late = health().await;
    assert!(late.contains("degraded") && late.contains("`server.tls` expired at 2100-01-01"), "{late}");

    office.renew_for(2000..2200);
    until(reading(&server), |reading| reading.changes == 1).await;
    assert!(health().await.contains("\"ok\""), "{}", health().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_told_by_the_check_and_in_the_log() {
    let office = Office::new();
    office.renew_for(2000..2001);
    let config = format!("[server]\nlisten = \"127.0.0.1:0\"\n{}", office.table("server", ""));
    std::fs::write(office.path("provost.toml"), config).unwrap();
    let expired = "the certificate of `server.tls` expired at 2001-01-01T00:00:00Z";

    let mut check = Command::new(binary::provost());
    let checked = check.current_dir(office.directory.path()).arg("check").output().await.unwrap();
    assert!(checked.status.success() && text(&checked).contains(expired), "{}", text(&checked));

    let mut serve = Command::new(binary::provost());
    serve.current_dir(office.directory.path()).arg("serve").stderr(Stdio::piped()).stdout(Stdio::null());
    let mut serving = serve.kill_on_drop(true).spawn().unwrap();
    let mut log = BufReader::new(serving.stderr.take().unwrap()).lines();
    let told = async {
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains("ERROR") && line.contains(expired) {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(PATIENCE, told).await.expect("a line about it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_clients_need_a_certificate_strangers_are_not_served() {
    let office = Office::new();
    office.renew();
    let table = office.table("server", &format!("client_ca = {:?}", office.path("ca.pem")));
    let server = TestServer::start(&table).await;
    let with = |(certificate, key): (String, String)| {
        office.client().identity(reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap())
    };

    assert_eq!(status(with(office.issue()), &server).await.unwrap(), 200);

    assert!(status(office.client(), &server).await.is_err(), "without a certificate");
    assert!(status(with(Office::new().issue()), &server).await.is_err(), "with another authority's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_request_in_flight_and_takes_no_new_one() {
    let office = Office::new();
    office.renew();
    let server = TestServer::start(&office.table("server", "")).await;
    let listens = server.app.listens;
    let mut in_flight = office.connect(&server).await;
    let end = begin_create(&mut in_flight, &server).await;
    asked_for_more(&mut in_flight).await;

    let stopping = tokio::spawn(server.stop());
    // The port closes when the stop begins, while the request is still there.
    while TcpStream::connect(listens).await.is_ok() {
        tokio::task::yield_now().await;
    }
    in_flight.write_all(&end).await.unwrap();

    let answer = String::from_utf8(rest(&mut in_flight).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stranger_and_a_babbling_one_hold_up_nobody() {
    let office = Office::new();
    office.renew();
    let server = TestServer::start(&format!("{}{}", office.table("server", ""), office.table("admin", ""))).await;
    let silent = TcpStream::connect(server.app.listens).await.unwrap();
    let mut babbling = TcpStream::connect(server.app.listens).await.unwrap();
    babbling.write_all(b"hello\r\n\r\n").await.unwrap();
    rest(&mut babbling).await;

    assert_eq!(status(office.client(), &server).await.unwrap(), 200);

    let url = format!("https://{}/metrics", server.app.admin_listens);
    let client = office.client().build().unwrap();
    let metrics = client.get(url).bearer_auth(&server.token).send().await.unwrap().text().await.unwrap();
    let failed = "provost_tls_handshakes_failed_total{listener=\"server\",reason=\"refused\"}";
    assert!(metrics.contains(failed), "{metrics}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_one_too_many_waits_until_somebody_leaves() {
    let office = Office::new();
    office.renew();
    let server = TestServer::start(&format!("[admin]\nconnections_max = 1\n{}", office.table("server", ""))).await;
    let health = b"GET /admin/none HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut first = TcpStream::connect(server.app.admin_listens).await.unwrap();
    let mut answer = [0; 12];
    first.write_all(health).await.unwrap();
    first.read_exact(&mut answer).await.unwrap();

    let mut second = TcpStream::connect(server.app.admin_listens).await.unwrap();
    second.write_all(health).await.unwrap();
    for _ in 0..20 {
        first.write_all(health).await.unwrap();
        first.read_exact(&mut answer).await.unwrap();
    }
    let mut waiting = [0; 12];
    assert!(second.read_exact(&mut waiting).now_or_never().is_none(), "the second is served beside the first");
    drop(first);

    second.read_exact(&mut waiting).await.unwrap();
    assert_eq!(&waiting, b"HTTP/1.1 404");
}

async fn provost(directory: &Path, data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary::provost());
    command.current_dir(directory).env(binary::ENGINE_VARIABLE, engine()).arg("--data").arg(data).args(arguments);
    command.output().await.expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_speak_to_an_admin_api_with_a_certificate_and_to_no_impostor() {
    let office = Office::new();
    office.renew();
    let (certificate, key) = office.issue();
    office.write("client.pem", &certificate);
    office.write("client-key.pem", &key);
    let client = format!(
        "[admin.client]\ncertificate = {:?}\nkey = {:?}\n",
        office.path("client.pem"),
        office.path("client-key.pem")
    );
    let table = office.table("admin", &format!("client_ca = {:?}", office.path("ca.pem")));
    let server = TestServer::start(&format!("{table}{client}")).await;
    let data = server.data();

    let listed = provost(data, data, &["token", "list"]).await;
    assert!(listed.status.success() && text(&listed).contains("first administrator"), "{}", text(&listed));

    // After a renewal the file names both certificates, and the new one is trusted.
    office.renew();
    until(server.app.certificates[1].clone().unwrap(), |reading| reading.changes == 1).await;
    let listed = provost(data, data, &["token", "list"]).await;
    assert!(listed.status.success(), "{}", text(&listed));

    let config = std::fs::read_to_string(data.join("provost.toml")).unwrap();
    std::fs::write(data.join("provost.toml"), config.replace(&client, "")).unwrap();
    let nameless = provost(data, data, &["token", "list"]).await;
    assert!(!nameless.status.success() && text(&nameless).contains("`admin.client`"), "{}", text(&nameless));

    std::fs::write(data.join("provost.toml"), config).unwrap();
    std::fs::write(data.join("admin.certificates"), "00".repeat(32)).unwrap();
    let impostor = provost(data, data, &["token", "list"]).await;
    assert!(!impostor.status.success() && text(&impostor).contains("another certificate"), "{}", text(&impostor));

    let data = server.stop().await;
    assert!(!data.path().join("admin.certificates").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_files_is_told_before_anything_starts() {
    let office = Office::new();
    office.renew();
    let said = async |rest: &str, expected: &[&str]| {
        let table = format!("[server]\nlisten = \"127.0.0.1:0\"\n{}", office.table("server", rest));
        std::fs::write(office.path("provost.toml"), table).unwrap();
        for command in ["check", "serve"] {
            let data = office.path("data");
            let arguments: &[&str] = &[command];
            let output = match command {
                "check" => {
                    let mut check = Command::new(binary::provost());
                    check.current_dir(office.directory.path()).arg("check").output().await.unwrap()
                }
                _ => provost(office.directory.path(), &data, arguments).await,
            };
            let text = text(&output);
            assert!(!output.status.success(), "{text}");
            for words in expected {
                assert!(text.contains(words), "`{words}` is missing in: {text}");
            }
            assert!(!text.contains("BEGIN"), "{text}");
        }
    };

    office.write("key.pem", &KeyPair::generate().unwrap().serialize_pem());
    said("", &["`server.tls.key`", "key.pem", "is not the key of the certificate"]).await;
    office.write("key.pem", "-----BEGIN PRIVATE KEY-----\nnothing\n");
    said("", &["`server.tls.key`", "key.pem", "no private key"]).await;
    office.write("cert.pem", "");
    said("", &["`server.tls.certificate`", "cert.pem", "no certificate"]).await;
    std::fs::remove_file(office.path("cert.pem")).unwrap();
    said("", &["`server.tls.certificate`", "cert.pem", "cannot be read"]).await;
    office.renew();
    office.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let client_ca = format!("client_ca = {:?}", office.path("ca.pem"));
    said(&client_ca, &["`server.tls.client_ca`", "ca.pem", "authority"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_trust_the_authority_that_the_operator_names_beside_the_systems() {
    let office = Office::new();
    office.renew();
    let receiver = TestServer::start(&office.table("server", "")).await;
    let origin = format!("https://{}", receiver.app.listens);
    let guest = plugin(
        guests::SENDS_REQUEST,
        &format!(
            "config = {{ url = \"{origin}/health\" }}\n[plugin.grant]\nimports = [\"config\", \"http\"]\n\
             http = [{{ origin = \"{origin}\", methods = [\"GET\"], private = true }}]\n"
        ),
    );
    let learned = async |server: &TestServer| {
        server.post("/Users", user("ana")).await.expect(409).body["detail"].as_str().unwrap().to_owned()
    };

    let trusting = format!("{guest}[outbound]\nca_file = {:?}\n", office.path("ca.pem"));
    let server = TestServer::start(&trusting).await;
    let said = learned(&server).await;
    assert!(said.starts_with("200"), "{said}");

    // Another authority in the same file is noticed, and no connection from before is used again.
    let mut changes = server.app.plugins.changes();
    office.write("ca.pem", &Office::new().authority.pem());
    tokio::time::timeout(PATIENCE, changes.changed()).await.expect("the change is noticed").unwrap();
    let said = learned(&server).await;
    assert!(said.contains("no answer: Tls"), "{said}");

    let said = learned(&TestServer::start(&guest).await).await;
    assert!(said.contains("no answer: Tls"), "{said}");
}
