//! The imports, called as a guest would call them.

use std::sync::Arc;
use std::time::Duration;

use provost_scim::{Stamp, validate};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;
use crate::hook::Work;
use crate::limits;
use crate::plugin::House;
use crate::plugin::bindings::wit;
use crate::plugin::engine::Sandbox;
use crate::plugin::guest::{Guest, Identity, Occasion, Phase};
use crate::plugin::inspect::Exports;
use crate::store::{Store, StoreConfig, Write};
use wit::directory::Host as _;
use wit::http::Host as _;
use wit::log::Host as _;
use wit::outbox::Host as _;
use wit::state::Host as _;

const GRANTED: &str = r#"
    [grant]
    imports = ["log", "config", "state", "directory", "outbox", "http"]
    outbox = ["mirror"]
    directory = ["User"]
    http = [{ origin = "http://127.0.0.1:9", methods = ["PUT"], private = true }]
"#;

fn house() -> Arc<House> {
    Arc::new(House {
        sandbox: Arc::new(Sandbox::new(None).unwrap()),
        backing: Backing::memory(),
        outbound: Outbound::new(),
        clock: Clock::System,
        author: Default::default(),
    })
}

fn guest_in(house: &Arc<House>, phase: Phase, table: &str) -> Guest {
    let config: PluginConfig = toml::from_str(&format!("name = \"p\"\nplugin = \"p.wasm\"\n{table}")).unwrap();
    let bounds = config.bounds().unwrap();
    let identity = Identity {
        config,
        bounds,
        config_json: "{}".into(),
        exports: Exports::UNKNOWN,
        sight: Default::default(),
        usage: Default::default(),
    };
    let occasion = Occasion {
        phase,
        request_id: "r-1".into(),
        realm: Realm::DEFAULT,
        now: jiff::Timestamp::UNIX_EPOCH,
        trace: Default::default(),
        trail: Arc::default(),
        is_job: false,
    };
    Guest::new(Arc::new(identity), house.clone(), occasion, Instant::now() + Duration::from_secs(5))
}

fn reviewing(house: &Arc<House>) -> Guest {
    guest_in(house, Phase::BeforeWrite, GRANTED)
}

fn options() -> wit::outbox::Options {
    wit::outbox::Options { headers: Vec::new(), delay_s: 0, deduplicate: None }
}

fn put(url: &str) -> wit::outbox::Request {
    wit::outbox::Request {
        method: "PUT".into(),
        url: url.into(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
        credential: None,
    }
}

fn get(url: &str) -> wit::http::Request {
    let (headers, body) = (Vec::new(), Vec::new());
    wit::http::Request { method: "GET".into(), url: url.into(), headers, body, credential: None, timeout_ms: None }
}

async fn state(guest: &mut Guest, key: &str) -> Option<Vec<u8>> {
    guest.get_state(key).await
}

impl Guest {
    /// `get` is a function of three interfaces.
    async fn get_state(&mut self, key: &str) -> Option<Vec<u8>> {
        wit::state::Host::get(self, key.into()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn while_a_change_is_reviewed_state_is_staged_and_the_call_reads_its_own_writes() {
    let house = house();
    let mut guest = reviewing(&house);

    guest.put("a".into(), b"1".to_vec(), None).await.unwrap().unwrap();
    guest.put("b".into(), b"2".to_vec(), None).await.unwrap().unwrap();
    wit::state::Host::delete(&mut guest, "b".into()).await.unwrap().unwrap();
    assert_eq!(state(&mut guest, "a").await, Some(b"1".to_vec()));
    assert_eq!(state(&mut guest, "b").await, None);

    assert_eq!(guest.state.len(), 2);
    assert_eq!(state(&mut reviewing(&house), "a").await, None, "nothing is kept unless the change is committed");
}

#[tokio::test]
async fn after_the_commit_state_is_written_at_once() {
    let house = house();
    let mut guest = guest_in(&house, Phase::After, GRANTED);

    guest.put("a".into(), b"1".to_vec(), None).await.unwrap().unwrap();
    assert!(guest.compare_and_put("a".into(), None, None).await.unwrap().is_err());
    guest.compare_and_put("a".into(), Some(b"1".to_vec()), Some(b"2".to_vec())).await.unwrap().unwrap();

    assert!(guest.state.is_empty());
    assert_eq!(state(&mut reviewing(&house), "a").await, Some(b"2".to_vec()));
}

#[tokio::test]
async fn the_first_comparison_is_kept_for_the_commit_and_later_ones_are_with_the_calls_own_writes() {
    let mut guest = reviewing(&house());

    guest.compare_and_put("a".into(), None, Some(b"1".to_vec())).await.unwrap().unwrap();
    assert!(guest.compare_and_put("a".into(), None, Some(b"x".to_vec())).await.unwrap().is_err());
    guest.compare_and_put("a".into(), Some(b"1".to_vec()), Some(b"2".to_vec())).await.unwrap().unwrap();
    guest.put("a".into(), b"3".to_vec(), None).await.unwrap().unwrap();

    let staged = &guest.state["a"];
    assert_eq!((staged.value.as_deref(), &staged.expected), (Some(&b"3"[..]), &Some(None)));
}

#[tokio::test]
async fn a_scan_sees_what_is_stored_with_the_calls_own_writes_over_it() {
    let house = house();
    let mut before = guest_in(&house, Phase::After, GRANTED);
    for key in ["a1", "a2", "a4", "b1"] {
        before.put(key.into(), b"old".to_vec(), None).await.unwrap().unwrap();
    }
    let mut guest = reviewing(&house);
    guest.put("a3".into(), b"new".to_vec(), None).await.unwrap().unwrap();
    guest.put("a5".into(), b"new".to_vec(), None).await.unwrap().unwrap();
    wit::state::Host::delete(&mut guest, "a1".into()).await.unwrap().unwrap();

    let keys = async |guest: &mut Guest, after: Option<&str>, limit| {
        let found = guest.scan("a".into(), after.map(str::to_owned), limit).await.unwrap().unwrap();
        found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&mut guest, None, 10).await, ["a2", "a3", "a4", "a5"]);
    assert_eq!(keys(&mut guest, None, 2).await, ["a2", "a3"]);
    assert_eq!(keys(&mut guest, Some("a3"), 2).await, ["a4", "a5"]);
}

#[tokio::test]
async fn state_has_its_sizes_and_its_time() {
    let mut guest = reviewing(&house());
    let long = |n| "k".repeat(n);

    assert!(guest.put(long(limits::STATE_KEY_BYTES_MAX), Vec::new(), None).await.unwrap().is_ok());
    assert!(matches!(
        guest.put(long(limits::STATE_KEY_BYTES_MAX + 1), Vec::new(), None).await.unwrap(),
        Err(wit::state::Error::TooLarge)
    ));
    let vast = vec![0; limits::STATE_VALUE_BYTES_MAX + 1];
    assert!(matches!(guest.put("a".into(), vast, None).await.unwrap(), Err(wit::state::Error::TooLarge)));

    guest.put("gone".into(), b"1".to_vec(), Some(0)).await.unwrap().unwrap();
    guest.put("here".into(), b"1".to_vec(), Some(u64::MAX)).await.unwrap().unwrap();
    assert_eq!(state(&mut guest, "gone").await, None);
    assert!(state(&mut guest, "here").await.is_some());
}

#[tokio::test]
async fn a_message_is_staged_for_a_granted_target_only() {
    let mut guest = reviewing(&house());

    for _ in 0..2 {
        guest.enqueue("mirror".into(), "{}".into(), options()).await.unwrap().unwrap();
    }
    let denied = guest.enqueue("elsewhere".into(), "{}".into(), options()).await.unwrap();
    assert!(matches!(denied, Err(wit::outbox::Error::Denied(why)) if why.contains("`elsewhere`")));
    let nonsense = guest.enqueue("mirror".into(), "{".into(), options()).await.unwrap();
    assert!(matches!(nonsense, Err(wit::outbox::Error::Invalid(_))));

    assert_eq!(guest.messages.len(), 2);
    assert_eq!(guest.messages[0].work, Work::Deliver { payload: "{}".into() });
}

#[tokio::test]
async fn a_request_is_staged_for_a_granted_target_origin_and_method_only() {
    let mut guest = reviewing(&house());

    guest.enqueue_request("mirror".into(), put("http://127.0.0.1:9/Users"), options()).await.unwrap().unwrap();
    for (request, word) in [
        (put("http://127.0.0.1:10/Users"), "origin"),
        (put("https://127.0.0.1:9/Users"), "origin"),
        (wit::outbox::Request { method: "DELETE".into(), ..put("http://127.0.0.1:9/Users") }, "DELETE"),
        (
            wit::outbox::Request { credential: Some("hr".into()), ..put("http://127.0.0.1:9/Users") },
            "no secret named `hr`",
        ),
    ] {
        let denied = guest.enqueue_request("mirror".into(), request, options()).await.unwrap();
        assert!(matches!(&denied, Err(wit::outbox::Error::Denied(why)) if why.contains(word)), "{denied:?}");
    }
    let denied = guest.enqueue_request("other".into(), put("http://127.0.0.1:9/"), options()).await.unwrap();
    assert!(matches!(denied, Err(wit::outbox::Error::Denied(_))));
    assert_eq!(guest.messages.len(), 1);
}

#[tokio::test]
async fn messages_are_bounded_in_number_and_size() {
    let mut guest = guest_in(&house(), Phase::BeforeWrite, &format!("{GRANTED}\n[limit]\noutbox_messages = 1"));

    let vast = format!("\"{}\"", "x".repeat(limits::OUTBOX_MESSAGE_BYTES_MAX));
    assert!(matches!(
        guest.enqueue("mirror".into(), vast, options()).await.unwrap(),
        Err(wit::outbox::Error::TooLarge)
    ));
    guest.enqueue("mirror".into(), "1".into(), options()).await.unwrap().unwrap();
    assert!(matches!(
        guest.enqueue("mirror".into(), "2".into(), options()).await.unwrap(),
        Err(wit::outbox::Error::Quota)
    ));
}

#[tokio::test]
async fn nothing_is_enqueued_after_the_commit() {
    let mut guest = guest_in(&house(), Phase::After, GRANTED);

    let refused = guest.enqueue("mirror".into(), "{}".into(), options()).await.unwrap();
    assert!(matches!(refused, Err(wit::outbox::Error::Invalid(_))));
}

#[tokio::test]
async fn http_goes_to_granted_origins_with_granted_methods_so_many_times() {
    let mut guest = guest_in(&house(), Phase::BeforeWrite, &format!("{GRANTED}\n[limit]\nhttp_calls = 2"));

    let denied = guest.send(get("http://127.0.0.1:9/")).await.unwrap();
    assert!(matches!(denied, Err(wit::http::Error::Denied(why)) if why.contains("GET")));
    let put = wit::http::Request { method: "PUT".into(), ..get("http://127.0.0.1:9/") };
    assert!(matches!(guest.send(put.clone()).await.unwrap(), Err(wit::http::Error::Connect(_))));
    let third = guest.send(put).await.unwrap();
    assert!(matches!(third, Err(wit::http::Error::Denied(why)) if why.contains("no more than 2")));
}

#[tokio::test]
async fn a_delivery_may_ask_more_often_than_a_hook_and_the_operator_lowers_both() {
    for (phase, limit, most) in [
        (Phase::BeforeWrite, "", limits::HTTP_CALLS_MAX),
        (Phase::After, "", limits::DELIVERY_HTTP_CALLS_MAX),
        (Phase::BeforeWrite, "[limit]\nhttp_calls = 2", 2),
        (Phase::After, "[limit]\nhttp_calls = 2", 2),
    ] {
        let mut guest = guest_in(&house(), phase, &format!("{GRANTED}\n{limit}"));
        for sent in 0..=most {
            let put = wit::http::Request { method: "PUT".into(), ..get("http://127.0.0.1:9/") };
            let is_one_too_many = matches!(guest.send(put).await.unwrap(), Err(wit::http::Error::Denied(_)));
            assert_eq!(is_one_too_many, sent == most, "{phase:?}: request {sent}");
        }
    }
}

#[tokio::test]
async fn a_request_ends_with_its_own_time_and_with_the_calls() {
    let black_hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", black_hole.local_addr().unwrap());
    let table = format!(
        "[grant]\nimports = [\"http\"]\nhttp = [{{ origin = \"{origin}\", methods = [\"GET\"], private = true }}]"
    );

    let mut guest = guest_in(&house(), Phase::BeforeWrite, &table);
    let hurried = wit::http::Request { timeout_ms: Some(20), ..get(&origin) };
    let (answer, connection) = tokio::join!(guest.send(hurried), black_hole.accept());
    assert!(matches!(answer.unwrap(), Err(wit::http::Error::Timeout)));
    // The connection was given up, not left behind.
    let mut rest = Vec::new();
    connection.unwrap().0.read_to_end(&mut rest).await.unwrap();

    let mut late = guest_in(&house(), Phase::BeforeWrite, &table);
    late.deadline = Instant::now() + Duration::from_millis(20);
    let patient = wit::http::Request { timeout_ms: Some(60_000), ..get(&origin) };
    assert!(matches!(late.send(patient).await.unwrap(), Err(wit::http::Error::Timeout)));
}

#[tokio::test]
async fn the_directory_is_read_by_granted_type_only() {
    let mut guest = reviewing(&house());
    let id = Uuid::from_u128(1).to_string();

    assert!(wit::directory::Host::get(&mut guest, "User".into(), id.clone()).await.unwrap().unwrap().is_none());
    assert!(wit::directory::Host::get(&mut guest, "User".into(), "no id".into()).await.unwrap().unwrap().is_none());
    let denied = wit::directory::Host::get(&mut guest, "Group".into(), id.clone()).await.unwrap();
    assert!(matches!(denied, Err(wit::directory::Error::Invalid(why)) if why.contains("`Group` is not granted")));
    assert!(guest.members(id.clone(), None, 10).await.unwrap().is_err());
    assert!(guest.is_member(id.clone(), id).await.unwrap().is_err());
    let broken = guest.find("User".into(), "userName eq".into(), None, 10).await.unwrap();
    assert!(matches!(broken, Err(wit::directory::Error::Invalid(_))));
    let lost = guest.find("User".into(), "userName pr".into(), Some("zero".into()), 10).await.unwrap();
    assert!(matches!(lost, Err(wit::directory::Error::Invalid(why)) if why.contains("cursor")));
}

#[tokio::test]
async fn while_it_is_loaded_a_plugin_can_only_log_and_read_its_configuration() {
    let mut guest = guest_in(&house(), Phase::Lifecycle, GRANTED);

    assert_eq!(wit::config::Host::get(&mut guest).await.unwrap(), "{}");
    guest.write(wit::log::Level::Info, "hello".into(), Vec::new()).await.unwrap();
    assert!(guest.put("a".into(), Vec::new(), None).await.unwrap().is_err());
    assert!(guest.scan("a".into(), None, 1).await.unwrap().is_err());
    assert!(guest.find("User".into(), "userName pr".into(), None, 1).await.unwrap().is_err());
    assert!(guest.enqueue("mirror".into(), "{}".into(), options()).await.unwrap().is_err());
    assert!(guest.send(get("http://127.0.0.1:9/")).await.unwrap().is_err());
}

#[tokio::test]
async fn log_lines_beyond_the_limit_are_counted_and_not_kept() {
    let mut guest = guest_in(&house(), Phase::BeforeWrite, "[grant]\nimports = [\"log\"]\n[limit]\nlog_lines = 2");

    for _ in 0..5 {
        guest.write(wit::log::Level::Info, "line".into(), Vec::new()).await.unwrap();
    }
    assert_eq!(guest.log_lines, 5);
}

#[tokio::test]
async fn state_and_directory_are_the_stores() {
    let directory = tempfile::tempdir().unwrap();
    let schemas = Arc::new(Schemas::standard());
    let config = StoreConfig::new(directory.path(), &schemas);
    let store = Arc::new(Store::open(&config, schemas.clone()).await.unwrap());
    let at = jiff::Timestamp::UNIX_EPOCH;
    for (n, name) in (1..).zip(["ana", "bob", "eve"]) {
        let stamp = Stamp { id: Uuid::from_u128(n), version: 1, created: at, last_modified: at };
        let user = Draft { attributes: user_named(name), ..new_user().proposed.unwrap() };
        store.commit(Write::create(&cx(), validate(user, stamp).unwrap())).await.unwrap();
    }
    let backing = Backing::Store { store, schemas };
    let house = Arc::new(House {
        sandbox: Arc::new(Sandbox::new(None).unwrap()),
        backing,
        outbound: Outbound::new(),
        clock: Clock::System,
        author: Default::default(),
    });

    let mut guest = guest_in(&house, Phase::After, GRANTED);
    guest.put("a".into(), b"1".to_vec(), None).await.unwrap().unwrap();
    let late = guest.compare_and_put("a".into(), None, Some(b"2".to_vec())).await.unwrap();
    assert!(matches!(late, Err(wit::state::Error::Conflict)));
    guest.compare_and_put("a".into(), Some(b"1".to_vec()), Some(b"2".to_vec())).await.unwrap().unwrap();
    assert_eq!(state(&mut guest, "a").await, Some(b"2".to_vec()));
    assert_eq!(guest.scan("".into(), None, 10).await.unwrap().unwrap(), [("a".to_owned(), b"2".to_vec())]);

    let id = Uuid::from_u128(2).to_string();
    let bob = wit::directory::Host::get(&mut guest, "User".into(), id).await.unwrap().unwrap().unwrap();
    assert!(bob.contains("\"bob\"") && !bob.contains("s3cret"), "{bob}");

    let first = guest.find("User".into(), "userName pr".into(), None, 2).await.unwrap().unwrap();
    let second = guest.find("User".into(), "userName pr".into(), first.next_cursor, 2).await.unwrap().unwrap();
    assert_eq!((first.resources.len(), second.resources.len(), second.next_cursor), (2, 1, None));
    let secret = guest.find("User".into(), "password eq \"s3cret\"".into(), None, 2).await.unwrap();
    assert!(matches!(secret, Err(wit::directory::Error::Invalid(_))));
}

fn user_named(name: &str) -> Attributes {
    let mut attributes = new_user().proposed.unwrap().attributes;
    attributes.insert("userName".into(), json!(name));
    attributes
}
