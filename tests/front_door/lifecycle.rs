//! Plugins change without a restart: by command, by editing the configuration, by replacing a file. All of a change is
//! applied at once, or nothing of it; and what was last good comes back on a start on which it cannot be loaded.

use std::path::{Path, PathBuf};

use provost_tests::Process;
use provost_tests::door::until;
use provost_tests::guests;
use provost_tests::receiver::PATIENCE;
use provost_tests::server::{Answer, SCIM_JSON, TestServer, user};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A component's file that can be replaced.
struct Place {
    directory: TempDir,
}

impl Place {
    fn with(component: &str) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        place.put(component);
        place
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("version.wasm")
    }

    /// Replaces the file as installers do.
    fn put(&self, component: &str) {
        self.put_bytes(&std::fs::read(component).unwrap());
    }

    fn put_bytes(&self, bytes: &[u8]) {
        let new = self.directory.path().join("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn table(&self, name: &str, rest: &str) -> String {
        table(name, &self.file(), rest)
    }
}

const GRANT: &str = "grant = { imports = [\"config\", \"log\"], write = [\"nickName\", \"title\"] }";

fn table(name: &str, file: &Path, rest: &str) -> String {
    format!("[[plugin]]\nname = \"{name}\"\nplugin = \"{}\"\n{GRANT}\n{rest}\n", file.display())
}

async fn reload(server: &TestServer) -> Answer {
    server.admin("POST", "/plugins/reload").await
}

/// Which version a new user was reviewed by.
async fn version(server: &TestServer, name: &str) -> String {
    let answer = server.post("/Users", user(name)).await.expect(201);
    answer.body["nickName"].as_str().unwrap_or("none").to_owned()
}

/// Waits until the plugins were changed, or were not because something is wrong.
async fn changed(changes: &mut tokio::sync::watch::Receiver<u64>) {
    tokio::time::timeout(PATIENCE, changes.changed()).await.expect("the change is noticed").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_component_is_noticed_and_takes_over() {
    let place = Place::with(guests::VERSION_ONE);
    let server = TestServer::start(&place.table("v", "")).await;
    assert_eq!(version(&server, "ana").await, "one");
    let mut changes = server.app.plugins.changes();

    place.put(guests::VERSION_TWO);
    changed(&mut changes).await;

    assert_eq!(version(&server, "bea").await, "two");
    assert_eq!(server.plugins().await[0]["version"], "2.0.0");
    assert_eq!(server.health().await.body["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_configuration_is_noticed_and_applied() {
    let place = Place::with(guests::VERSION_ONE);
    let server = TestServer::start("").await;
    let mut changes = server.app.plugins.changes();

    server.reconfigure(&place.table("v", ""));
    changed(&mut changes).await;
    assert_eq!(version(&server, "ana").await, "one");

    server.reconfigure(&place.table("v", "enabled = false"));
    changed(&mut changes).await;
    assert_eq!(version(&server, "bea").await, "none");
    assert_eq!(server.plugins().await[0]["state"], "disabled");

    server.reconfigure("");
    changed(&mut changes).await;
    assert!(server.plugins().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_has_a_change_read_that_no_watch_notices() {
    let place = Place::with(guests::VERSION_ONE);
    let (links, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (link, file) = (links.path().join("provost.toml"), elsewhere.path().join("provost.toml"));
    let listens = "[server]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&file, listens).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let server = Process::configured_by(&link).await;

    // The link's directory is watched, and nothing happens in it.
    std::fs::write(&file, format!("{listens}{}", place.table("v", ""))).unwrap();
    assert!(server.plugins().await.is_empty());
    server.hang_up().await;

    let there = until("the reload", async || server.plugins().await.into_iter().next()).await;
    assert_eq!(there["state"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_as_it_is_keeps_its_counters_and_order_is_what_is_written() {
    let (one, two) = (Place::with(guests::VERSION_ONE), Place::with(guests::VERSION_TWO));
    let (a, b) = (one.table("a", ""), two.table("b", ""));
    let server = TestServer::start(&format!("{a}{b}")).await;
    assert_eq!(version(&server, "ana").await, "one");

    server.reconfigure(&format!("{b}{a}"));
    let answer = reload(&server).await.expect(200);

    let changed = json!({ "loaded": [], "disabled": [], "removed": [], "reordered": true, "outbound": false });
    assert_eq!(answer.body, changed);
    assert_eq!(version(&server, "bea").await, "two");
    assert_eq!(server.plugins().await[0]["calls"], 2, "it is the same plugin as before");
    assert_eq!(reload(&server).await.expect(200).body["reordered"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_change_leaves_everything_as_it_was_and_says_why() {
    let (one, two) = (Place::with(guests::VERSION_ONE), Place::with(guests::VERSION_TWO));
    let good = format!("{}{}", one.table("a", ""), two.table("b", ""));
    let server = TestServer::start(&good).await;
    let bad = [
        // What the plugin itself finds wrong with its configuration.
        (format!("{}{}", one.table("a", ""), two.table("b", "config = { colour = 1 }")), "colour"),
        (format!("{}{}", one.table("a", ""), two.table("b", &format!("sha256 = \"{}\"", "0".repeat(64)))), "pinned"),
        (format!("{}{}", one.table("a", "enabled = false"), table("b", Path::new("/nowhere.wasm"), "")), "nowhere"),
        (format!("{}{}", one.table("a", "enabled = false"), two.table("a", "")), "another plugin has this name"),
        (format!("{}[[plugin", one.table("a", "")), "wrong"),
        (format!("{}{}", one.table("a", ""), two.table("b", "")).replace(", \"log\"", ""), "not granted"),
    ];
    for (config, why) in bad {
        server.reconfigure(&config);
        let refused = reload(&server).await;

        assert!(matches!(refused.status, 400 | 409), "{refused:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{detail}");
        let listed = server.admin("GET", "/plugins").await.expect(200).body;
        assert!(listed["refused"]["reason"].as_str().unwrap().contains(why), "{listed}");
        let health = server.health().await.expect(200).body;
        assert_eq!(health["status"], "degraded");
        assert!(!health.to_string().contains("wasm"), "a file's name is not for everybody: {health}");
        assert_eq!(version(&server, &format!("u-{why}").replace(' ', "-")).await, "one");
    }
    assert!(server.plugins().await.iter().any(|plugin| plugin["state"] == "outdated"));

    server.reconfigure(&good);
    reload(&server).await.expect(200);

    assert_eq!(server.health().await.body["status"], "ok");
    assert!(server.plugins().await.iter().all(|plugin| plugin["state"] == "ready"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_last_good_comes_back_on_a_start_on_which_it_cannot_be_loaded() {
    let place = Place::with(guests::VERSION_ONE);
    let server = TestServer::start(&place.table("v", "")).await;
    place.put_bytes(b"\0asm broken");

    let server = server.restart(None).await;

    assert_eq!(version(&server, "ana").await, "one");
    let status = &server.plugins().await[0];
    assert_eq!((&status["state"], &status["version"]), (&json!("outdated"), &json!("1.0.0")));
    assert!(status["reason"].as_str().unwrap().contains("version.wasm"));
    assert_eq!(server.health().await.body["status"], "degraded");

    place.put(guests::VERSION_TWO);
    reload(&server).await.expect(200);
    assert_eq!(version(&server, "bea").await, "two");
    assert_eq!(server.health().await.body["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_last_good_gets_no_more_than_is_granted_now() {
    let place = Place::with(guests::VERSION_ONE);
    let server = TestServer::start(&place.table("v", "")).await;
    place.put_bytes(b"\0asm broken");

    let less = place.table("v", "").replace(", \"log\"", "");
    let server = server.restart(Some(&less)).await;

    assert_eq!(server.plugins().await[0]["state"], "quarantined");
    server.post("/Users", user("ana")).await.scim_error(503, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_change_the_plugins_and_a_restart_remembers_them() {
    let place = Place::with(guests::VERSION_ONE);
    let server = TestServer::start(&place.table("v", "")).await;

    server.admin("POST", "/plugins/v/disable").await.expect(200);
    assert_eq!(version(&server, "u1").await, "none");
    let server = server.restart(None).await;
    assert_eq!(version(&server, "u2").await, "none");
    server.admin("POST", "/plugins/v/enable").await.expect(200);
    assert_eq!(version(&server, "u3").await, "one");

    server.admin_with("POST", "/plugins/v/upgrade", json!({ "file": guests::VERSION_TWO })).await.expect(200);
    assert_eq!(version(&server, "u4").await, "two");
    let new = json!({
        "name": "w", "plugin": guests::VERSION_ONE,
        "grant": { "imports": ["config", "log"], "write": ["nickName", "title"] },
    });
    server.admin_with("POST", "/plugins", new).await.expect(201);
    server.admin_with("POST", "/plugins/w/move", json!({ "before": "v" })).await.expect(200);
    let server = server.restart(None).await;
    let made = server.post("/Users", user("u5")).await.expect(201);
    assert_eq!((&made.body["nickName"], &made.body["title"]), (&json!("one"), &json!("two")));
    let origins: Vec<_> = server.plugins().await.iter().map(|plugin| plugin["origin"].clone()).collect();
    assert_eq!(origins, ["command", "configuration, changed by command"]);

    server.admin("DELETE", "/plugins/w").await.expect(200);
    assert_eq!(version(&server, "u6").await, "two");
    assert_eq!(server.plugins().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_done_changes_nothing_and_says_why() {
    let place = Place::with(guests::VERSION_ONE);
    let server = TestServer::start(&place.table("v", "")).await;
    let garbage = Place::with(guests::VERSION_ONE);
    garbage.put_bytes(b"no component");
    let upgrade = |file: &Path, sha256: Option<&str>| json!({ "file": file, "sha256": sha256 });

    let wrong = [
        server.admin("POST", "/plugins/x/disable").await,
        server.admin("DELETE", "/plugins/v").await,
        server.admin_with("POST", "/plugins/v/move", json!({ "before": "v" })).await,
        server.admin_with("POST", "/plugins/v/upgrade", upgrade(&garbage.file(), None)).await,
        server.admin_with("POST", "/plugins/v/upgrade", upgrade(Path::new("version.wasm"), None)).await,
        server.admin_with("POST", "/plugins/v/upgrade", upgrade(Path::new(guests::VERSION_TWO), Some("00"))).await,
        server.admin_with("POST", "/plugins", json!({ "name": "v", "plugin": guests::VERSION_TWO })).await,
        server.admin_with("POST", "/plugins", json!({ "name": "w", "plugin": guests::VERSION_TWO })).await,
        server.admin_with("POST", "/plugins", json!({ "nam": "w" })).await,
    ];

    for answer in &wrong {
        assert!(matches!(answer.status, 400 | 409), "{answer:?}");
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{answer:?}");
    }
    server.admin("GET", "/plugins/x").await.expect(404);
    assert_eq!(version(&server, "ana").await, "one");
    assert_eq!(server.plugins().await.len(), 1);
    assert_eq!(server.health().await.body["status"], "ok", "a refused order leaves nothing undone");
    assert!(!server.data().join("plugins.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_changed_by_administrators_only() {
    let place = Place::with(guests::VERSION_ONE);
    let server = TestServer::start(&place.table("v", "")).await;
    let token = server.new_token(&["scim.read", "scim.write"]).await;
    let url = |path: &str| format!("http://{}/admin/plugins{path}", server.app.admin_listens);

    for (method, path) in [
        ("POST", "/reload"),
        ("POST", "/v/disable"),
        ("POST", "/v/enable"),
        ("POST", "/v/close-breaker"),
        ("DELETE", "/v"),
        ("GET", "/v"),
        ("GET", "/v/grants"),
    ] {
        let request = provost_tests::server::client().request(method.parse().unwrap(), url(path));
        server.send(request.bearer_auth(&token)).await.expect(403);
    }
    assert_eq!(version(&server, "ana").await, "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_ends_on_the_set_it_began_with() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let place = Place::with(guests::VERSION_ONE);
    let slow = format!(
        "[[plugin]]\nname = \"slow\"\nplugin = \"{}\"\non_fault = \"skip\"\nconfig = {{ url = \"{origin}\" }}\n\
         grant = {{ imports = [\"config\", \"http\"], http = [{{ origin = \"{origin}\", methods = [\"GET\"], private = true }}] }}\n",
        guests::SLOW_HOST_CALL
    );
    let server = TestServer::start(&format!("{slow}{}", place.table("v", ""))).await;

    let in_flight = server.send(server.with_body("POST", "/Users", user("ana")));
    let upgraded = async {
        let (connection, _) = listener.accept().await.unwrap();
        server.admin_with("POST", "/plugins/v/upgrade", json!({ "file": guests::VERSION_TWO })).await.expect(200);
        server.admin("POST", "/plugins/slow/disable").await.expect(200);
        drop(connection);
    };
    let (answer, ()) = tokio::join!(in_flight, upgraded);

    assert_eq!(answer.expect(201).body["nickName"], "one");
    assert_eq!(version(&server, "bea").await, "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_or_sees_two_versions_while_plugins_are_upgraded() {
    const CLIENTS: usize = 8;
    const UPGRADES: usize = 24;
    let place = Place::with(guests::VERSION_ONE);
    let server = TestServer::start(&format!("{}{}", place.table("a", ""), place.table("b", ""))).await;
    let done = std::sync::atomic::AtomicBool::new(false);

    let client = async |client: usize| {
        let mut seen = std::collections::BTreeSet::new();
        for n in 0.. {
            if done.load(std::sync::atomic::Ordering::SeqCst) {
                break;
            }
            let made = server.post("/Users", user(&format!("u-{client}-{n}"))).await.expect(201);
            assert_eq!(made.body["nickName"], made.body["title"], "one request saw two versions");
            seen.insert(made.body["nickName"].as_str().unwrap().to_owned());
        }
        seen
    };
    let upgrades = async {
        for n in 0..UPGRADES {
            place.put([guests::VERSION_TWO, guests::VERSION_ONE][n % 2]);
            reload(&server).await.expect(200);
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let (seen, ()) = tokio::join!(futures::future::join_all((0..CLIENTS).map(client)), upgrades);

    assert_eq!(seen.into_iter().flatten().collect::<std::collections::BTreeSet<_>>().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_in_the_middle_of_an_upgrade_a_good_set_comes_back() {
    const KILLS: usize = 4;
    let place = Place::with(guests::VERSION_ONE);
    let mut server = Process::with(&place.table("v", "")).await;
    let reviewed = async |server: &Process, name: String| {
        let request = server.request("POST", "/Users").header("content-type", SCIM_JSON);
        let made = server.send(request.body(user(&name).to_string())).await.expect(201);
        assert!(["one", "two"].contains(&made.body["nickName"].as_str().unwrap()), "{}", made.body);
    };

    for kill in 0..KILLS {
        // Nobody waits until it is noticed, loaded or written down.
        place.put([guests::VERSION_TWO, guests::VERSION_ONE][kill % 2]);
        reviewed(&server, format!("before-{kill}")).await;
        if kill + 1 == KILLS {
            place.put_bytes(b"broken");
        }
        server = server.restart().await;
        reviewed(&server, format!("after-{kill}")).await;
    }
}
