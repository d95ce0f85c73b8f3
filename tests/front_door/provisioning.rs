//! Groups and their members at another server: a real one, in a process of its own, behind a relay that can be down and
//! can lose answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use provost_tests::process::Process;
use provost_tests::receiver::PATIENCE;
use provost_tests::server::{TestServer, client, user};
use serde_json::{Value, json};

/// What the relay does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Passes,
    /// 503, and nobody hears of it.
    Down,
    /// Each change is made when it is asked for the first time, and the answer to that is lost.
    LosesAnswers,
}

/// Stands before the other server, at the same address wherever that is.
#[derive(Clone)]
struct Relay {
    origin: String,
    state: Arc<Mutex<RelayState>>,
}

struct RelayState {
    mood: Mood,
    upstream: String,
    /// Method, path and body of each change that arrived.
    changes: Vec<(String, String, Value)>,
}

impl Relay {
    async fn before(process: &Process) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let state = RelayState { mood: Mood::Passes, upstream: upstream(process), changes: Vec::new() };
        let relay = Self { origin, state: Arc::new(Mutex::new(state)) };
        let router = Router::new().fallback(pass).with_state(relay.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        relay
    }

    fn becomes(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    fn leads_to(&self, process: &Process) {
        self.state.lock().unwrap().upstream = upstream(process);
    }

    /// The changes that arrived since the last look.
    fn changes(&self) -> Vec<(String, String, Value)> {
        std::mem::take(&mut self.state.lock().unwrap().changes)
    }
}

fn upstream(process: &Process) -> String {
    process.base.split("/scim").next().unwrap().to_owned()
}

async fn pass(
    State(relay): State<Relay>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    let change = (method.to_string(), uri.path().to_owned(), serde_json::from_slice(&body).unwrap_or_default());
    let (mood, upstream, is_first) = {
        let mut state = relay.state.lock().unwrap();
        let is_first = method != Method::GET && !state.changes.contains(&change);
        if method != Method::GET {
            state.changes.push(change);
        }
        (state.mood, state.upstream.clone(), is_first)
    };
    if mood == Mood::Down {
        return (StatusCode::SERVICE_UNAVAILABLE, Vec::new());
    }
    let mut request = client().request(method, format!("{upstream}{uri}")).body(body);
    for name in ["authorization", "content-type"] {
        request = headers.get(name).into_iter().fold(request, |request, value| request.header(name, value));
    }
    let answer = request.send().await.unwrap();
    let status = if mood == Mood::LosesAnswers && is_first { StatusCode::BAD_GATEWAY } else { answer.status() };
    (status, answer.bytes().await.unwrap().to_vec())
}

/// The tables of a server that keeps pilots, and all groups, at another one.
fn config(relay: &Relay, process: &Process) -> String {
    let (origin, token) = (&relay.origin, &process.token);
    format!(
        r#"attempts_max = 1000000
[secret.crm]
value = "{token}"
[[plugin]]
name = "scim-out"
plugin = "builtin:scim-out"
[[plugin.config.target]]
name = "crm"
url = "{origin}/scim/v2"
credential = "crm"
when = {{ title = ["Pilot"] }}
groups = {{}}
[[plugin.job]]
name = "resync"
cron = "0 3 1 1 *"
[plugin.grant]
imports = ["config", "state", "outbox", "http", "directory", "log"]
outbox = ["crm"]
directory = ["User", "Group"]
secrets = ["crm"]
http = [{{ origin = "{origin}", methods = ["GET", "POST", "PUT", "PATCH", "DELETE"], private = true }}]
"#
    )
}

/// Returns when every message has been delivered.
async fn settled(server: &TestServer) {
    let mut ended = server.app.delivery.ended();
    let all = async {
        loop {
            ended.borrow_and_update();
            if server.outbox().await.is_empty() {
                return;
            }
            ended.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(PATIENCE, all).await;
    assert!(waited.is_ok(), "the outbox should have become empty: {:?}", server.outbox().await);
}

async fn titled(server: &TestServer, name: &str, title: &str) -> String {
    let mut body = user(name);
    body["title"] = json!(title);
    server.post("/Users", body).await.expect(201).id()
}

async fn joins(server: &TestServer, group: &str, id: &str) {
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
    server.patch(&format!("/Groups/{group}"), add).await.expect(200);
}

async fn leaves(server: &TestServer, group: &str, id: &str) {
    let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]);
    server.patch(&format!("/Groups/{group}"), remove).await.expect(200);
}

async fn gets(server: &TestServer, path: &str, attribute: &str, value: &str) {
    let replace = json!([{ "op": "replace", "path": attribute, "value": value }]);
    server.patch(path, replace).await.expect(200);
}

async fn list(process: &Process, endpoint: &str) -> Vec<Value> {
    let found = process.send(process.request("GET", endpoint)).await.expect(200).body;
    found["Resources"].as_array().cloned().unwrap_or_default()
}

/// The groups over there, with the names of their members.
async fn groups(process: &Process) -> BTreeMap<String, BTreeSet<String>> {
    let users = list(process, "/Users").await;
    let groups = list(process, "/Groups").await;
    let name_of = |id: &Value| {
        let named = users.iter().chain(&groups).find(|one| one["id"] == *id).unwrap();
        named.get("userName").or(named.get("displayName")).unwrap().as_str().unwrap().to_owned()
    };
    let count = groups.len();
    let shown: BTreeMap<String, BTreeSet<String>> = groups
        .iter()
        .map(|group| {
            let members = group["members"].as_array().cloned().unwrap_or_default();
            let names = members.iter().map(|member| name_of(&member["value"])).collect();
            (group["displayName"].as_str().unwrap().to_owned(), names)
        })
        .collect();
    assert_eq!(shown.len(), count, "a group is there twice: {groups:?}");
    shown
}

fn are(groups: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    groups.iter().map(|(name, members)| ((*name).to_owned(), names(members))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_groups_life_is_followed_by_differences() {
    let crm = Process::start().await;
    let relay = Relay::before(&crm).await;
    let server = TestServer::start(&config(&relay, &crm)).await;
    let (ana, ben) = (titled(&server, "ana", "Pilot").await, titled(&server, "ben", "Pilot").await);
    let clerk = titled(&server, "clerk", "Clerk").await;
    settled(&server).await;

    let team = server.group("team", &[&ana, &clerk]).await;
    settled(&server).await;
    assert_eq!(groups(&crm).await, are(&[("team", &["ana"])]));
    let there = list(&crm, "/Groups").await[0].clone();
    assert_eq!(there["externalId"], json!(team));

    relay.changes();
    joins(&server, &team, &ben).await;
    settled(&server).await;
    leaves(&server, &team, &ana).await;
    settled(&server).await;
    assert_eq!(groups(&crm).await, are(&[("team", &["ben"])]));
    let ids: BTreeMap<String, String> = list(&crm, "/Users")
        .await
        .iter()
        .map(|one| (one["userName"].as_str().unwrap().to_owned(), one["id"].as_str().unwrap().to_owned()))
        .collect();
    let asked: Vec<Value> = relay.changes().into_iter().map(|(_, _, body)| body["Operations"].clone()).collect();
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": ids["ben"] }] }]);
    let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", ids["ana"]) }]);
    assert_eq!(asked, [add, remove], "nobody else is named");

    gets(&server, &format!("/Groups/{team}"), "displayName", "crew").await;
    let fleet = server.group("fleet", &[&team]).await;
    settled(&server).await;
    assert_eq!(groups(&crm).await, are(&[("crew", &["ben"]), ("fleet", &["crew"])]));

    for group in [team, fleet] {
        server.delete(&format!("/Groups/{group}")).await.expect(204);
    }
    settled(&server).await;
    assert_eq!((groups(&crm).await, list(&crm, "/Users").await.len()), (are(&[]), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_follow_who_comes_later_and_go_with_who_leaves() {
    let crm = Process::start().await;
    let relay = Relay::before(&crm).await;
    let server = TestServer::start(&config(&relay, &crm)).await;
    let ana = titled(&server, "ana", "Clerk").await;
    let path = format!("/Users/{ana}");
    for n in 0..6 {
        server.group(&format!("group-{n}"), &[&ana]).await;
    }
    settled(&server).await;
    let all = |members: &[&str]| -> BTreeMap<String, BTreeSet<String>> {
        (0..6).flat_map(|n| are(&[(&*format!("group-{n}"), members)])).collect()
    };
    assert_eq!((groups(&crm).await, list(&crm, "/Users").await.len()), (all(&[]), 0));

    gets(&server, &path, "title", "Pilot").await;
    settled(&server).await;
    assert_eq!(groups(&crm).await, all(&["ana"]), "the account came, and its memberships with it");

    gets(&server, &path, "title", "Clerk").await;
    settled(&server).await;
    assert_eq!((groups(&crm).await, &list(&crm, "/Users").await[0]["active"]), (all(&[]), &json!(false)));

    gets(&server, &path, "title", "Pilot").await;
    settled(&server).await;
    assert_eq!((groups(&crm).await, &list(&crm, "/Users").await[0]["active"]), (all(&["ana"]), &json!(true)));

    server.delete(&path).await.expect(204);
    settled(&server).await;
    assert_eq!((groups(&crm).await, &list(&crm, "/Users").await[0]["active"]), (all(&[]), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_down_holds_the_same_in_the_end_also_after_a_crash_here() {
    let crm = Process::start().await;
    let relay = Relay::before(&crm).await;
    let tables = config(&relay, &crm);
    let server = TestServer::start(&tables).await;
    let (ana, ben) = (titled(&server, "ana", "Pilot").await, titled(&server, "ben", "Pilot").await);
    let (team, old) = (server.group("team", &[&ana]).await, server.group("old", &[&ana]).await);
    settled(&server).await;

    relay.becomes(Mood::Down);
    let eva = titled(&server, "eva", "Pilot").await;
    let crew = server.group("crew", &[&eva, &ben]).await;
    joins(&server, &team, &eva).await;
    joins(&server, &team, &ben).await;
    leaves(&server, &team, &ana).await;
    leaves(&server, &crew, &ben).await;
    gets(&server, &format!("/Groups/{team}"), "displayName", "gang").await;
    server.delete(&format!("/Groups/{old}")).await.expect(204);
    server.delete(&format!("/Users/{ben}")).await.expect(204);
    let crm = crm.restart().await;
    relay.leads_to(&crm);
    let before = groups(&crm).await;
    let server = TestServer::again(server.cut_off().await, &tables).await;
    assert_eq!(before, are(&[("old", &["ana"]), ("team", &["ana"])]));

    relay.becomes(Mood::Passes);
    settled(&server).await;

    assert_eq!(groups(&crm).await, are(&[("crew", &["eva"]), ("gang", &["eva"])]));
    let accounts = list(&crm, "/Users").await;
    let active: BTreeMap<&str, bool> =
        accounts.iter().map(|one| (one["userName"].as_str().unwrap(), one["active"] != json!(false))).collect();
    assert_eq!(active, BTreeMap::from([("ana", true), ("ben", false), ("eva", true)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_made_again_changes_nothing_more() {
    let crm = Process::start().await;
    let relay = Relay::before(&crm).await;
    let server = TestServer::start(&config(&relay, &crm)).await;
    let ana = titled(&server, "ana", "Pilot").await;
    settled(&server).await;
    let version = async |name: &str| {
        let group = list(&crm, "/Groups").await.into_iter().find(|group| group["displayName"] == name).unwrap();
        group["meta"]["version"].as_str().unwrap().to_owned()
    };
    let live = async |name: &str| {
        let group = server.group(&format!("young-{name}"), &[&ana]).await;
        settled(&server).await;
        leaves(&server, &group, &ana).await;
        settled(&server).await;
        joins(&server, &group, &ana).await;
        gets(&server, &format!("/Groups/{group}"), "displayName", name).await;
        settled(&server).await;
    };

    live("calm").await;
    let calm = relay.changes().len();
    relay.becomes(Mood::LosesAnswers);
    live("lossy").await;

    assert!(relay.changes().len() > calm, "some were sent twice");
    assert_eq!(groups(&crm).await, are(&[("calm", &["ana"]), ("lossy", &["ana"])]));
    assert_eq!(version("lossy").await, version("calm").await, "each change was made once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resync_mends_what_somebody_broke_over_there() {
    let crm = Process::start().await;
    let relay = Relay::before(&crm).await;
    let server = TestServer::start(&config(&relay, &crm)).await;
    let ana = titled(&server, "ana", "Pilot").await;
    server.group("team", &[&ana]).await;
    server.group("crew", &[&ana]).await;
    settled(&server).await;
    for group in list(&crm, "/Groups").await {
        let path = format!("/Groups/{}", group["id"].as_str().unwrap());
        let request = match group["displayName"] == "team" {
            true => crm.request("DELETE", &path),
            false => {
                let empty = json!([{ "op": "remove", "path": "members" }]);
                let body = provost_tests::server::patch(empty).to_string();
                crm.request("PATCH", &path).header("content-type", "application/scim+json").body(body)
            }
        };
        crm.send(request).await;
    }
    assert_eq!(groups(&crm).await, are(&[("crew", &[])]));

    server.admin("POST", "/jobs/scim-out/resync/run").await.expect(202);
    let mut turns = server.app.schedule.turns();
    let ended = async {
        loop {
            let job = server.admin("GET", "/jobs").await.expect(200).body["jobs"][0].clone();
            if job["runningSince"].is_null() && !job["lastOutcome"].is_null() {
                return job;
            }
            turns.changed().await.unwrap();
        }
    };
    let job = tokio::time::timeout(PATIENCE, ended).await.unwrap();

    assert_eq!(job["lastReport"], "3 people and groups were compared with what 1 targets hold", "{job}");
    assert_eq!(groups(&crm).await, are(&[("crew", &["ana"]), ("team", &["ana"])]));
}
