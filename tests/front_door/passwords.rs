//! Passwords: set, kept, changed, taken away, and never seen by anybody again.

use std::path::Path;

use provost::context::Realm;
use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};
use provost_tests::{Answer, Receiver};
use serde_json::{Value, json};

/// The least that a hash may cost: these tests are not about costs.
const CHEAP: &str = "[scim.passwords]\nmemory_kib = 7168\niterations = 1\n";

fn with_password(user_name: &str, password: &str) -> Value {
    let mut body = user(user_name);
    body["password"] = json!(password);
    body
}

fn set(password: &str) -> Value {
    json!([{ "op": "replace", "path": "password", "value": password }])
}

/// The hash in the store, if there is one.
async fn hash(server: &TestServer, id: &str) -> Option<String> {
    let users = server.app.pipeline.schemas().resource_type("User").unwrap();
    let user = server.app.store.get(Realm::DEFAULT, users, id.parse().unwrap()).await.unwrap().unwrap();
    user.password_hash().map(|hash| hash.as_str().to_owned())
}

/// S-21.2, S-21.6, S-15.4 (golden test 18)
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_set_kept_changed_and_taken_away() {
    let server = TestServer::start(CHEAP).await;
    let created = server.post("/Users", with_password("ana", "correct horse")).await.expect(201);
    let (id, path) = (created.id(), format!("/Users/{}", created.id()));
    let first = hash(&server, &id).await.unwrap();
    assert!(first.starts_with("$argon2id$v=19$m=7168,t=1,p=1$"), "{first}");

    // A PUT without it keeps it.
    let mut body = user("ana");
    body["title"] = json!("Head");
    server.put(&path, body.clone()).await.expect(200);
    assert_eq!(hash(&server, &id).await.unwrap(), first);

    // Only the password changes: version and lastModified do as well.
    let before = server.get(&path).await;
    let changed = server.patch(&path, set("battery staple")).await.expect(200);
    assert_ne!(changed.header("etag"), before.header("etag"));
    assert!(changed.body["meta"]["lastModified"].as_str() >= before.body["meta"]["lastModified"].as_str());
    assert_eq!(changed.body["meta"]["version"], json!(changed.header("etag")));
    let second = hash(&server, &id).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(server.journal().await.last().unwrap()["changedPaths"], json!(["password"]));

    // PATCH remove unassigns it.
    server.patch(&path, json!([{ "op": "remove", "path": "password" }])).await.expect(200);
    assert_eq!(hash(&server, &id).await, None);
    assert_eq!(server.journal().await.last().unwrap()["changedPaths"], json!(["password"]));
    body["password"] = json!("from a whole document");
    server.put(&path, body).await.expect(200);
    assert!(hash(&server, &id).await.is_some());
}

/// S-21.6, S-15.13: the same change twice changes nothing the second time.
#[tokio::test(flavor = "multi_thread")]
async fn the_password_in_force_set_once_more_is_no_change() {
    let server = TestServer::start(CHEAP).await;
    let id = server.post("/Users", with_password("ana", "caf\u{e9} au lait")).await.expect(201).id();
    let path = format!("/Users/{id}");
    let (before, stored, journal) = (server.get(&path).await, hash(&server, &id).await, server.journal().await.len());

    server.patch(&path, set("caf\u{e9} au lait")).await.expect(200);
    // Prepared by PRECIS, another spelling of it is the same password (S-22.1).
    server.patch(&path, set("cafe\u{301}\u{a0}au lait")).await.expect(200);
    server.put(&path, with_password("ana", "caf\u{e9} au lait")).await.expect(200);
    let twice = json!([
        { "op": "remove", "path": "password" }, { "op": "add", "path": "password", "value": "caf\u{e9} au lait" },
    ]);
    server.patch(&path, twice).await.expect(200);

    let after = server.get(&path).await;
    assert_eq!((&after.body, after.header("etag")), (&before.body, before.header("etag")));
    assert_eq!((hash(&server, &id).await, server.journal().await.len()), (stored, journal));
    server.patch(&path, set("Caf\u{e9} au lait")).await.expect(200);
    assert_eq!(server.journal().await.len(), journal + 1, "letter case is part of a password");
}

/// S-21.3
#[tokio::test(flavor = "multi_thread")]
async fn a_password_against_the_rules_is_an_invalid_value_that_is_not_repeated() {
    let server = TestServer::start(&format!("{CHEAP}length_min = 10\nlength_max = 20\n")).await;
    let id = server.user("ana").await;
    for (password, why) in [
        ("short-4711", None),
        ("shrt-4711", Some("at least 10 characters")),
        ("much-too-long-for-us-4711", Some("at most 20 characters")),
        ("", Some("empty")),
        ("control\u{1}-4711", Some("a character that no password may hold")),
    ] {
        for answer in [
            server.post("/Users", with_password("ben", password)).await,
            server.put(&format!("/Users/{id}"), with_password("ana", password)).await,
            server.patch(&format!("/Users/{id}"), set(password)).await,
        ] {
            let Some(why) = why else {
                assert!(answer.status < 300, "{}", answer.body);
                continue;
            };
            let detail = answer.scim_error(400, Some("invalidValue"));
            assert!(detail.contains(why) && !answer.body.to_string().contains("4711"), "{}", answer.body);
        }
    }
    server
        .patch(&format!("/Users/{id}"), json!([{ "op": "add", "path": "password", "value": 12345678 }]))
        .await
        .scim_error(400, Some("invalidValue"));
    assert_eq!(server.count("/Users").await, 2);
}

/// S-21.7, L-B8
#[tokio::test(flavor = "multi_thread")]
async fn where_passwords_cannot_be_set_one_is_ignored_or_refused() {
    let config = async |server: &TestServer| server.get("/ServiceProviderConfig").await.expect(200).body;
    let server = TestServer::start(CHEAP).await;
    assert_eq!(config(&server).await["changePassword"], json!({ "supported": true }));
    let id = server.post("/Users", with_password("ana", "correct horse")).await.expect(201).id();
    let (path, stored) = (format!("/Users/{id}"), hash(&server, &id).await);

    let server = server.restart(Some("[scim.passwords]\nenabled = false\n")).await;
    assert_eq!(config(&server).await["changePassword"], json!({ "supported": false }));
    let journal = server.journal().await.len();
    let dummy = server.post("/Users", with_password("ben", "x")).await.expect(201).id();
    server.patch(&path, set("battery staple")).await.expect(200);
    server.patch(&path, json!([{ "op": "remove", "path": "password" }])).await.expect(200);
    server.put(&path, with_password("ana", "battery staple")).await.expect(200);
    assert_eq!((hash(&server, &dummy).await, hash(&server, &id).await), (None, stored.clone()));
    assert_eq!(server.journal().await.len(), journal + 1, "only the new user");

    let strict = "[scim.passwords]\nenabled = false\n[scim.leniency.body]\ndummy_password = false\n";
    let server = server.restart(Some(strict)).await;
    for answer in [
        server.post("/Users", with_password("cleo", "x")).await,
        server.put(&path, with_password("ana", "battery staple")).await,
        server.patch(&path, set("battery staple")).await,
        server.patch(&path, json!([{ "op": "remove", "path": "password" }])).await,
    ] {
        assert_eq!(answer.scim_error(400, Some("invalidValue")), "`password` cannot be set here");
    }
    server.put(&path, user("ana")).await.expect(200);
    assert_eq!(hash(&server, &id).await, stored);
}

/// S-10.37, S-21.4 (golden test 17)
#[tokio::test(flavor = "multi_thread")]
async fn a_password_cannot_be_searched_sorted_by_or_asked_for() {
    let server = TestServer::start(CHEAP).await;
    let id = server.post("/Users", with_password("ana", "correct horse")).await.expect(201).id();

    for filter in [
        "password eq \"correct horse\"",
        "password co \"horse\"",
        "password sw \"c\"",
        "password pr",
        "not (password pr)",
        "urn:ietf:params:scim:schemas:core:2.0:User:PASSWORD eq \"x\"",
        "userName eq \"ana\" and password gt \"a\"",
    ] {
        let url = reqwest::Url::parse_with_params("http://x", [("filter", filter)]).unwrap();
        server.get(&format!("/Users?{}", url.query().unwrap())).await.scim_error(400, Some("invalidFilter"));
    }
    let refused = server.get("/Users?sortBy=password").await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    for path in [
        format!("/Users/{id}?attributes=password,userName"),
        format!("/Users/{id}?attributes=urn:ietf:params:scim:schemas:core:2.0:User:password,userName"),
        format!("/Users/{id}?excludedAttributes=title"),
    ] {
        let shown = server.get(&path).await.expect(200).body;
        assert_eq!((shown.get("password"), &shown["userName"]), (None, &json!("ana")), "{path}");
    }
}

/// S-21.1, S-21.2 (golden test 17): looks for the password, and for its hash, wherever anything is told or kept.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_a_password_and_only_its_hash_is_kept() {
    const SECRETS: [&str; 3] = ["first-secret-4711", "second-secret-4711", "third-secret-4711"];
    let mut receiver = Receiver::start().await;
    let observer = format!(
        "config = {{ url = \"{0}/seen\" }}\n[plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\nhttp = [{{ origin = \"{0}\", methods = [\"POST\"], private = true }}]",
        receiver.origin()
    );
    let config =
        format!("{CHEAP}{}{}", guests::forward(&receiver.origin()), plugin(guests::COUNTS_OBSERVED, &observer));
    let server = TestServer::start(&config).await;
    let created = server.post("/Users", with_password("needle-ana", SECRETS[0])).await.expect(201);
    let path = format!("/Users/{}", created.id());

    let mut told: Vec<Answer> = vec![
        created.clone(),
        server.put(&path, with_password("needle-ana", SECRETS[1])).await.expect(200),
        server.patch(&path, set(SECRETS[2])).await.expect(200),
        server
            .patch(&path, json!([{ "op": "add", "value": { "password": SECRETS[2], "title": "x" } }]))
            .await
            .expect(200),
        server.patch(&path, json!([{ "op": "replace", "path": "password[x eq 1]", "value": SECRETS[2] }])).await,
        server.post("/Users", with_password("needle-ana", SECRETS[2])).await,
        server.post("/Users", with_password("ben", &format!("{}\u{1}", SECRETS[2]))).await,
        server.get(&path).await,
        server.get(&format!("{path}?attributes=password")).await,
        server.get("/Users").await,
        server.admin("GET", "/journal?after=0").await,
        server.admin("GET", "/outbox?limit=1000").await,
        server.admin("GET", "/plugins").await,
    ];
    let stored = hash(&server, &created.id()).await.unwrap();
    // Until the last change has come by both ways.
    let (mut forwarded, mut observed) = (false, false);
    while !forwarded || !observed {
        let received = receiver.next().await;
        forwarded |= received.path.starts_with("/people") && received.body["title"] == "x";
        observed |= received.path == "/seen" && received.body["after"]["title"] == "x";
        told.push(Answer { status: received.status, headers: reqwest::header::HeaderMap::new(), body: received.body });
    }
    let heard = told.iter().map(|answer| format!("{:?} {}", answer.headers, answer.body)).collect::<String>();
    assert!(heard.contains("needle-ana"), "the test looks where nothing is told");
    for secret in SECRETS.into_iter().chain([stored.as_str(), "argon2id"]) {
        assert!(!heard.contains(secret), "{secret} is told");
    }

    let data = server.stop().await;
    assert!(is_kept(data.path(), "needle-ana") && is_kept(data.path(), &stored), "the test looks where nothing is");
    for secret in SECRETS {
        assert!(!is_kept(data.path(), secret), "{secret} is kept");
    }
}

/// Whether any file of the data directory holds this text.
fn is_kept(data: &Path, text: &str) -> bool {
    let mut waiting = vec![data.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() && !path.is_symlink() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                return true;
            }
        }
    }
    false
}

/// What `echo_seen` saw, from its refusal.
fn seen(answer: &Answer) -> Value {
    serde_json::from_str(&answer.scim_error(403, None)).unwrap()
}

fn echo(operation: &str, sensitive: &str) -> String {
    let rest = format!(
        "config = {{ operations = [\"{operation}\"], paths = [\"password\"] }}\ngrant = {{ imports = [\"config\"]{sensitive} }}"
    );
    format!("{CHEAP}{}", plugin(guests::ECHO_SEEN, &rest))
}

/// S-21.1
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_a_new_password_only_with_the_grant_and_the_stored_one_never() {
    for (sensitive, shown) in [("", Value::Null), (", read_sensitive = [\"password\"]", json!("correct horse"))] {
        let server = TestServer::start(&echo("create", sensitive)).await;
        let on_create = seen(&server.post("/Users", with_password("ana", "correct horse")).await);
        assert_eq!(on_create["new"]["password"], shown);
        assert!(on_create["changedPaths"].as_array().unwrap().contains(&json!("password")), "{on_create}");

        let server = server.restart(Some(CHEAP)).await;
        let id = server.post("/Users", with_password("ana", "battery staple")).await.expect(201).id();
        let path = format!("/Users/{id}");
        let server = server.restart(Some(&echo("patch", sensitive))).await;
        let answer = server.patch(&path, set("correct horse")).await;
        let on_patch = seen(&answer);
        assert_eq!((&on_patch["new"]["password"], &on_patch["old"]["password"]), (&shown, &Value::Null));
        assert!(!on_patch["operations"].to_string().contains("horse"), "{on_patch}");
        assert_eq!(on_patch["changedPaths"], json!(["password"]));
        // A change of something else shows nothing of it, and neither does the password in force.
        for operations in [
            json!([{ "op": "replace", "path": "title", "value": "Head" }]),
            json!([{ "op": "replace", "path": "title", "value": "x" }, set("battery staple")[0]]),
        ] {
            let other = seen(&server.patch(&path, operations).await);
            assert_eq!(other["changedPaths"], json!(["title"]));
            assert!(!other.to_string().contains("staple") && !other.to_string().contains("argon2"), "{other}");
        }

        let server = server.restart(Some(&echo("replace", sensitive))).await;
        let on_replace = seen(&server.put(&path, with_password("ana", "correct horse")).await);
        assert_eq!(on_replace["new"]["password"], shown);
    }
}

/// A plugin's write grant is for passwords too, and so are the operator's rules.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sets_a_password_only_with_the_grant_and_within_the_rules() {
    let stamp = |password: &str, write: &str| {
        let rest = format!(
            "config = {{ set = {{ password = \"{password}\" }} }}\ngrant = {{ imports = [\"config\"], write = {write} }}"
        );
        format!("{CHEAP}{}", plugin(guests::STAMP, &rest))
    };
    let server = TestServer::start(&stamp("correct horse", "[\"password\"]")).await;
    let id = server.user("ana").await;
    assert!(hash(&server, &id).await.is_some());

    for (password, write) in [("correct horse", "[\"title\"]"), ("short", "[\"password\"]")] {
        let server = TestServer::start(&stamp(password, write)).await;
        let answer = server.post("/Users", user("ana")).await;
        answer.scim_error(503, None);
        assert_eq!(server.count("/Users").await, 0);
        let faults = server.plugins().await[0]["recent"][0].to_string();
        assert!(faults.contains("password") && !faults.contains(password), "{faults}");
    }
}
