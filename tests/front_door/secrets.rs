//! Secrets: put into requests when they leave, and seen by nobody but their receiver.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use jiff::Timestamp;
use provost::clock::Clock;
use provost_tests::binary;
use provost_tests::guests::{self, plugin};
use provost_tests::receiver::PATIENCE;
use provost_tests::server::{Answer, TestServer, user};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

const SECRET: &str = "t0p-s3cret-4711";

/// One request, as its receiver saw it.
struct Seen {
    path: String,
    authorization: String,
    api_key: String,
    body: String,
}

/// A receiver that tells everything it hears, and gives tokens to whoever has the client secret.
struct Vault {
    origin: String,
    seen: mpsc::UnboundedReceiver<Seen>,
    desk: Desk,
}

#[derive(Clone)]
struct Desk {
    tell: mpsc::UnboundedSender<Seen>,
    /// How many tokens were given, and the number of the oldest one that is still good.
    tokens: Arc<Mutex<(u32, u32)>>,
    status: Arc<Mutex<StatusCode>>,
}

impl Vault {
    async fn open() -> Self {
        let (tell, seen) = mpsc::unbounded_channel();
        let desk = Desk { tell, tokens: Arc::default(), status: Arc::new(Mutex::new(StatusCode::OK)) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, seen, desk }
    }

    async fn next(&mut self) -> Seen {
        let event = tokio::time::timeout(PATIENCE, self.seen.recv()).await;
        event.expect("a request should have arrived").unwrap()
    }

    #[track_caller]
    fn untouched(&mut self) {
        assert!(self.seen.try_recv().is_err(), "a request arrived that must not have been sent");
    }

    /// An OAuth secret whose tokens come from here.
    fn oauth(&self, kept: &str, client_id: &str) -> String {
        format!(
            "[secret.crm]\n{kept}\nkind = \"oauth\"\ntoken_url = \"{}/token\"\nprivate = true\nclient_id = \"{client_id}\"\n",
            self.origin
        )
    }

    fn answer(&self, status: StatusCode) {
        *self.desk.status.lock().unwrap() = status;
    }

    /// Every token that was given so far is worthless from now on.
    fn revoke(&self) {
        let mut tokens = self.desk.tokens.lock().unwrap();
        tokens.1 = tokens.0 + 1;
    }

    /// A guest that sends a request to this receiver and tells the client all it learns.
    fn sender(&self, credential: &str, granted: &[&str], rest: &str) -> String {
        let (url, origin) = (format!("{}/api", self.origin), &self.origin);
        plugin(
            guests::SENDS_REQUEST,
            &format!(
                "config = {{ url = \"{url}\", credential = \"{credential}\" {rest} }}\n[plugin.grant]\n\
                 imports = [\"config\", \"http\"]\nsecrets = {granted:?}\n\
                 http = [{{ origin = \"{origin}\", methods = [\"GET\"], private = true }}]"
            ),
        )
    }

    /// A guest that has the host send a request to this receiver after the commit.
    fn forwarder(&self, credential: &str, granted: &[&str]) -> String {
        let (url, origin) = (format!("{}/api", self.origin), &self.origin);
        plugin(
            guests::ENQUEUE_REQUEST,
            &format!(
                "config = {{ url = \"{url}\", credential = \"{credential}\" }}\n[plugin.grant]\n\
                 imports = [\"config\", \"outbox\"]\noutbox = [\"hook\"]\nsecrets = {granted:?}\n\
                 http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
            ),
        )
    }
}

/// Says back what it was told, as a careless receiver would.
async fn receive(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: String) -> impl IntoResponse {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let (authorization, api_key) = (header("authorization"), header("x-api-key"));
    let path = uri.path().to_owned();
    let seen = Seen { path: path.clone(), authorization: authorization.clone(), api_key: api_key.clone(), body };
    desk.tell.send(seen).unwrap();
    let echo = [("x-echo", format!("{authorization}{api_key}"))];
    if path == "/token" {
        let mut tokens = desk.tokens.lock().unwrap();
        tokens.0 += 1;
        let token = format!("token-number-{}", tokens.0);
        let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 600 });
        return (*desk.status.lock().unwrap(), echo, answer.to_string());
    }
    let number = authorization.strip_prefix("Bearer token-number-").and_then(|number| number.parse::<u32>().ok());
    let worthless = number.is_some_and(|number| number < desk.tokens.lock().unwrap().1);
    let status = if worthless { StatusCode::UNAUTHORIZED } else { *desk.status.lock().unwrap() };
    (status, echo, format!("you said {authorization}{api_key}"))
}

/// A file with a secret, outside any data directory.
fn secret_file(text: &str) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("secret.txt");
    std::fs::write(&file, text).unwrap();
    (directory, file)
}

/// What the guest learned.
async fn learned(server: &TestServer) -> String {
    let answer = server.post("/Users", user("ana")).await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    answer.body["detail"].as_str().unwrap().to_owned()
}

/// Every file below, read whole.
fn holds(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.is_symlink() => false, // The shared cache of compiled guests.
            true => holds(&path, text),
            false => std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_secret_reaches_its_receiver_and_never_its_guest() {
    let (_directory, file) = secret_file(&format!("{SECRET}\n"));
    // A variable that cargo sets for every test.
    let variable = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let pair = |name: &str| format!("Basic {}", base64(&format!("{name}:{variable}")));
    for (table, authorization, api_key, text) in [
        (format!("file = {file:?}"), format!("Bearer {SECRET}"), String::new(), SECRET.to_owned()),
        (
            "env = \"CARGO_MANIFEST_DIR\"\nkind = \"basic\"\nusername = \"provost\"".to_owned(),
            pair("provost"),
            String::new(),
            base64(&format!("provost:{variable}")),
        ),
        (
            format!("value = \"{SECRET}\"\nkind = \"header\"\nheader = \"X-Api-Key\""),
            String::new(),
            SECRET.to_owned(),
            SECRET.to_owned(),
        ),
    ] {
        let mut vault = Vault::open().await;
        let server = TestServer::start(&format!("{}[secret.crm]\n{table}\n", vault.sender("crm", &["crm"], ""))).await;

        let learned = learned(&server).await;

        let seen = vault.next().await;
        assert_eq!((seen.authorization, seen.api_key), (authorization, api_key));
        assert!(learned.starts_with("200") && learned.contains("you said"), "{learned}");
        assert!(learned.matches("[secret]").count() == 2 && !learned.contains(&text), "{learned}");
    }
}

/// Written out, so that the test does not believe the code it tests.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encode = |bytes: &[u8]| {
        let bits = bytes.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - bytes.len()));
        let digit =
            |n: usize| if n <= bytes.len() { DIGITS[(bits >> (18 - 6 * n) & 63) as usize] as char } else { '=' };
        (0..4).map(digit).collect::<String>()
    };
    text.as_bytes().chunks(3).map(encode).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_granted_or_not_for_this_origin_goes_nowhere() {
    let secrets = format!(
        "[secret.crm]\nvalue = \"{SECRET}\"\n[secret.hr]\nvalue = \"{SECRET}\"\n\
         [secret.far]\nvalue = \"{SECRET}\"\norigins = [\"https://crm.example.org\"]\n"
    );
    for (credential, granted, rest, expected) in [
        ("hr", &["crm"][..], "", "no secret named `hr` is granted"),
        ("nobody", &["crm"], "", "no secret named `nobody` is granted"),
        ("far", &["far"], "", "is not for the origin"),
        ("crm", &["crm"], ", header = [\"Authorization\", \"mine\"]", "is the secret's to set"),
    ] {
        let mut vault = Vault::open().await;
        let server = TestServer::start(&format!("{}{secrets}", vault.sender(credential, granted, rest))).await;

        let learned = learned(&server).await;

        assert!(learned.contains("Denied") && learned.contains(expected), "{learned}");
        assert!(!learned.contains(SECRET), "{learned}");
        vault.untouched();

        // At the enqueuing already: the guest errs, so the change is refused and nothing waits.
        if rest.is_empty() {
            let server = TestServer::start(&format!("{}{secrets}", vault.forwarder(credential, granted))).await;
            assert_eq!(server.post("/Users", user("ana")).await.status, 500);
            assert!(server.outbox().await.is_empty() && server.journal().await.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_keeps_the_name_of_its_secret_and_is_sent_with_what_the_file_holds_then() {
    let (_directory, file) = secret_file("the-first-s3cret\n");
    let mut vault = Vault::open().await;
    vault.answer(StatusCode::SERVICE_UNAVAILABLE);
    let tables = format!("{}[secret.crm]\nfile = {file:?}\n", vault.forwarder("crm", &["crm"]));
    let server = TestServer::start(&tables).await;
    server.post("/Users", user("ana")).await.expect(201);
    assert_eq!(vault.next().await.authorization, "Bearer the-first-s3cret");
    let mut ended = server.app.delivery.ended();
    ended.wait_for(|ended| *ended > 0).await.unwrap();

    // Without its file the message waits, and says no more than the name.
    std::fs::remove_file(&file).unwrap();
    let waits = async || server.outbox().await[0]["lastError"].as_str().unwrap_or_default().to_owned();
    while !waits().await.contains("secret `crm` is not at hand") {
        ended.changed().await.unwrap();
    }
    assert!(!waits().await.contains(file.to_str().unwrap()), "{}", waits().await);

    vault.answer(StatusCode::OK);
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let sent = loop {
        let seen = vault.next().await;
        if seen.authorization != "Bearer the-first-s3cret" {
            break seen;
        }
    };
    assert_eq!(sent.authorization, format!("Bearer {SECRET}"));
    while !server.outbox().await.is_empty() {
        ended.changed().await.unwrap();
    }

    let shown = format!("{:?}{:?}{:?}", server.journal().await, server.outbox().await, server.plugins().await);
    let data = server.stop().await;
    for secret in ["the-first-s3cret", SECRET] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!holds(data.path(), secret), "{secret} is in a file of the data directory");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_got_once_renewed_before_its_end_and_got_anew_after_a_refusal() {
    let clock = Clock::fixed("2030-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
    let mut vault = Vault::open().await;
    let token_url = format!("{}/token", vault.origin);
    let table = format!(
        "[secret.crm]\nvalue = \"{SECRET}\"\nkind = \"oauth\"\ntoken_url = \"{token_url}\"\nprivate = true\n\
         client_id = \"provost\"\nscope = \"people write\"\naudience = \"crm\"\n"
    );
    let server = TestServer::at(clock.clone(), &format!("{}{table}", vault.sender("crm", &["crm"], ""))).await;

    let first = learned(&server).await;
    let asked = vault.next().await;
    assert_eq!(
        (asked.path.as_str(), asked.authorization),
        ("/token", format!("Basic {}", base64(&format!("provost:{SECRET}"))))
    );
    assert_eq!(asked.body, "grant_type=client_credentials&scope=people+write&audience=crm");
    assert_eq!(vault.next().await.authorization, "Bearer token-number-1");
    assert!(first.starts_with("200") && !first.contains("token-number"), "{first}");

    learned(&server).await;
    assert_eq!(vault.next().await.authorization, "Bearer token-number-1", "a token is used again");

    clock.advance_ms(545_000);
    learned(&server).await;
    assert_eq!(vault.next().await.path, "/token", "a token is renewed before it ends");
    assert_eq!(vault.next().await.authorization, "Bearer token-number-2");

    vault.revoke();
    let renewed = learned(&server).await;
    assert!(renewed.starts_with("200"), "{renewed}");
    assert_eq!(vault.next().await.authorization, "Bearer token-number-2");
    assert_eq!(vault.next().await.path, "/token");
    assert_eq!(vault.next().await.authorization, "Bearer token-number-3");

    // A receiver that refuses every token is asked twice, not for ever.
    vault.desk.tokens.lock().unwrap().1 = u32::MAX;
    assert!(learned(&server).await.starts_with("401"));
    let paths = [vault.next().await.path, vault.next().await.path, vault.next().await.path];
    assert_eq!(paths, ["/api", "/token", "/api"]);
    vault.untouched();

    vault.answer(StatusCode::FORBIDDEN);
    let refused = learned(&server).await;
    assert!(refused.contains("no token for the secret `crm`") && refused.contains("403"), "{refused}");
    assert!(!refused.contains(SECRET) && !refused.contains("token-number"), "{refused}");
}

async fn reload(server: &TestServer) -> Answer {
    server.admin("POST", "/plugins/reload").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_brings_new_secrets_and_changes_and_takes_away_old_ones() {
    let mut vault = Vault::open().await;
    let crm = |value: &str| format!("[secret.crm]\nvalue = \"{value}\"\n");
    let sender = vault.sender("crm", &["crm"], "");
    let server = TestServer::start(&format!("{sender}{}", crm("the-first-s3cret"))).await;
    learned(&server).await;
    assert_eq!(vault.next().await.authorization, "Bearer the-first-s3cret");

    server.reconfigure(&format!("{sender}{}", crm("the-second-s3cret")));
    let changed = reload(&server).await.expect(200).body;
    let outbound = json!({ "loaded": [], "disabled": [], "removed": [], "reordered": false, "outbound": true });
    assert_eq!(changed, outbound);
    learned(&server).await;
    assert_eq!(vault.next().await.authorization, "Bearer the-second-s3cret");
    assert_eq!(server.plugins().await[0]["calls"], 2, "it is the same plugin as before");

    let (_directory, file) = secret_file(SECRET);
    let hr = format!("[secret.hr]\nfile = {file:?}\nkind = \"header\"\nheader = \"X-Api-Key\"\n");
    server.reconfigure(&format!("{}{hr}", vault.sender("hr", &["hr"], "")));
    reload(&server).await.expect(200);
    learned(&server).await;
    let seen = vault.next().await;
    assert_eq!((seen.api_key.as_str(), seen.authorization.as_str()), (SECRET, ""));

    server.reconfigure(&format!("{}{hr}", vault.sender("crm", &["hr"], "")));
    reload(&server).await.expect(200);
    assert!(learned(&server).await.contains("no secret named `crm` is granted"));
    vault.untouched();
    assert_eq!(reload(&server).await.expect(200).body["outbound"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_with_anything_wrong_in_it_leaves_secrets_and_plugins_as_they_were() {
    let (_directory, file) = secret_file("");
    let mut vault = Vault::open().await;
    let old = format!("{}[secret.crm]\nvalue = \"{SECRET}\"\n", vault.sender("crm", &["crm"], ""));
    let sender = vault.sender("hr", &["hr"], "");
    let hr = "[secret.hr]\nvalue = \"an0ther-s3cret\"\n";
    let server = TestServer::start(&old).await;
    let nowhere = plugin("/nowhere.wasm", "");
    for (config, status, words) in [
        // What is wrong with the secrets and with what they are sent with.
        (format!("{sender}[secret.hr]\nfile = \"gone.secret\"\n"), 400, ["`secret.hr.file`", "gone.secret"]),
        (format!("{sender}[secret.hr]\nfile = {file:?}\n"), 400, ["`secret.hr.file`", "shorter than"]),
        (format!("{sender}[secret.hr]\nenv = \"PROVOST_NONE\"\n"), 400, ["`secret.hr.env`", "`PROVOST_NONE`"]),
        (format!("{sender}[secret.hr]\nvalue = \"an0ther\"\nkind = \"basic\"\n"), 400, ["secret.hr.username", "needs"]),
        (format!("{sender}{hr}[outbound]\nca_file = {file:?}\n"), 400, ["`outbound.ca_file`", "no certificate"]),
        (format!("{sender}{hr}[outbound]\nproxy = \"nowhere\"\n"), 400, ["`outbound.proxy`", "expected a URL"]),
        // A secret that a plugin still names.
        (sender.clone(), 400, ["grant.secrets", "`[secret.hr]`"]),
        // What is wrong with a plugin beside them.
        (format!("{sender}{nowhere}{hr}"), 409, ["`nowhere`", "cannot be read"]),
        (format!("{sender}{hr}[[plugin]]\nname = \"x\"\n"), 400, ["missing field", "`plugin`"]),
    ] {
        server.reconfigure(&config);
        let refused = reload(&server).await.expect(status).body;

        let detail = refused["detail"].as_str().unwrap();
        assert!(words.iter().all(|word| detail.contains(word)), "{words:?}: {detail}");
        assert!(!detail.contains("an0ther"), "{detail}");
        let listed = server.admin("GET", "/plugins").await.expect(200).body;
        assert!(listed["refused"]["reason"].as_str().unwrap().contains(words[0]), "{listed}");
        assert_eq!(server.health().await.body["status"], "degraded");
        assert!(learned(&server).await.starts_with("200"));
        assert_eq!(vault.next().await.authorization, format!("Bearer {SECRET}"), "{words:?}");
    }

    server.reconfigure(&format!("{sender}{hr}"));
    reload(&server).await.expect(200);
    assert_eq!(server.health().await.body["status"], "ok");
    learned(&server).await;
    assert_eq!(vault.next().await.authorization, "Bearer an0ther-s3cret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_plugin_installed_by_command_is_granted_cannot_be_taken_away() {
    let mut vault = Vault::open().await;
    let crm = format!("[secret.crm]\nvalue = \"{SECRET}\"\n");
    let server = TestServer::start(&crm).await;
    let sender = |secret: &str| {
        json!({
            "name": "s", "plugin": guests::SENDS_REQUEST,
            "config": { "url": format!("{}/api", vault.origin), "credential": secret },
            "grant": {
                "imports": ["config", "http"], "secrets": [secret],
                "http": [{ "origin": vault.origin, "methods": ["GET"], "private": true }],
            },
        })
    };
    let unknown = server.admin_with("POST", "/plugins", sender("hr")).await.expect(409).body;
    assert!(unknown["detail"].as_str().unwrap().contains("there is no `[secret.hr]`"), "{unknown}");
    server.admin_with("POST", "/plugins", sender("crm")).await.expect(201);

    server.reconfigure("");
    let refused = reload(&server).await.expect(409).body;

    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("`s`") && detail.contains("grant.secrets") && detail.contains("secret.crm"), "{detail}");
    learned(&server).await;
    assert_eq!(vault.next().await.authorization, format!("Bearer {SECRET}"));

    server.admin("DELETE", "/plugins/s").await.expect(200);
    assert_eq!(reload(&server).await.expect(200).body["outbound"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_kept_over_a_reload_and_forgotten_with_what_it_was_got_with() {
    let (_directory, file) = secret_file(SECRET);
    let kept = format!("file = {file:?}");
    let mut vault = Vault::open().await;
    let sender = vault.sender("crm", &["crm"], "");
    let server = TestServer::start(&format!("{sender}{}", vault.oauth(&kept, "provost"))).await;
    learned(&server).await;
    assert_eq!((vault.next().await.path.as_str(), vault.next().await.path.as_str()), ("/token", "/api"));

    let other = "[secret.other]\nvalue = \"s0mething else\"\n";
    server.reconfigure(&format!("{sender}{}{other}", vault.oauth(&kept, "provost")));
    assert_eq!(reload(&server).await.expect(200).body["outbound"], true);
    learned(&server).await;
    assert_eq!(vault.next().await.authorization, "Bearer token-number-1", "nothing of this secret has changed");

    server.reconfigure(&format!("{sender}{}", vault.oauth(&kept, "another client")));
    reload(&server).await.expect(200);
    learned(&server).await;
    let client = format!("another+client:{SECRET}");
    assert_eq!(vault.next().await.authorization, format!("Basic {}", base64(&client)));
    assert_eq!(vault.next().await.authorization, "Bearer token-number-2");

    // The client secret is read at every use, and so needs no reload.
    std::fs::write(&file, "the-next-s3cret").unwrap();
    learned(&server).await;
    assert_eq!(vault.next().await.authorization, format!("Basic {}", base64("another+client:the-next-s3cret")));
    assert_eq!(vault.next().await.authorization, "Bearer token-number-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_ends_with_the_secrets_it_began_with() {
    let mut vault = Vault::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let slow = plugin(
        guests::SLOW_HOST_CALL,
        &format!(
            "on_fault = \"skip\"\nconfig = {{ url = \"{origin}\" }}\ngrant = {{ imports = [\"config\", \"http\"], \
             http = [{{ origin = \"{origin}\", methods = [\"GET\"], private = true }}] }}"
        ),
    );
    let sender = vault.sender("crm", &["crm"], "");
    let tables = |value: &str| format!("{slow}{sender}[secret.crm]\nvalue = \"{value}\"\n");
    let server = TestServer::start(&tables("the-first-s3cret")).await;

    let reloaded = async {
        let (connection, _) = listener.accept().await.unwrap();
        server.reconfigure(&tables("the-second-s3cret"));
        assert_eq!(reload(&server).await.expect(200).body["outbound"], true);
        drop(connection);
    };
    tokio::join!(learned(&server), reloaded);

    assert_eq!(vault.next().await.authorization, "Bearer the-first-s3cret");
    server.admin("POST", "/plugins/slow-host-call/disable").await.expect(200);
    learned(&server).await;
    assert_eq!(vault.next().await.authorization, "Bearer the-second-s3cret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_nowhere_is_told_before_anything_starts() {
    let data = TempDir::new().unwrap();
    for (table, words) in [
        ("file = \"crm.secret\"", ["`secret.crm.file`", "crm.secret"]),
        ("env = \"PROVOST_NO_SUCH_SECRET\"", ["`secret.crm.env`", "`PROVOST_NO_SUCH_SECRET`"]),
    ] {
        let text = format!("[server]\nlisten = \"127.0.0.1:0\"\n[secret.crm]\n{table}\n");
        std::fs::write(data.path().join("provost.toml"), text).unwrap();
        for command in ["check", "serve"] {
            let mut provost = Command::new(binary::provost());
            let output = provost.current_dir(data.path()).arg(command).output().await.unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && words.iter().all(|word| said.contains(word)), "{said}");
        }
    }
    assert!(!data.path().join("provost-data").exists());
}
