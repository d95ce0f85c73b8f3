//! The stories, told through the front door with the plugins that are shipped: real components, real receivers, and for
//! outbound provisioning two further servers. Time moves by the clock's seam.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use provost::clock::Clock;
use provost_tests::process::Process;
use provost_tests::receiver::{PATIENCE, Received, Receiver};
use provost_tests::server::{Answer, SCIM_JSON, TestServer, client, patch, user};
use serde_json::{Value, json};

const PLATFORM: &str = "urn:example:params:scim:schemas:extension:platform:1.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const MORNING: &str = "2026-03-02T08:00:00Z";
const HOUR_MS: i64 = 3_600_000;

/// The schemas of story H.
fn platform() -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
    format!("[scim]\nschemas = [\"{directory}/schemas\"]\nresource_types = [\"{directory}/types\"]\n")
}

fn clock() -> Clock {
    Clock::fixed(MORNING.parse().unwrap())
}

/// Returns when every message has been delivered, and every observer has been told.
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
    tokio::time::timeout(PATIENCE, all).await.expect("the outbox should have become empty");
}

/// Asks until the answer is the one that is waited for.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asked = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// A caller with a token of its own.
struct Client<'a> {
    server: &'a TestServer,
    token: String,
}

impl<'a> Client<'a> {
    async fn new(server: &'a TestServer, name: &str, scopes: &[&str]) -> Self {
        let url = format!("http://{}/admin/tokens", server.app.admin_listens);
        let request = client().post(url).bearer_auth(&server.token).json(&json!({ "name": name, "scopes": scopes }));
        let token = server.send(request).await.expect(201).body["token"].as_str().unwrap().to_owned();
        Self { server, token }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.server.app.base_url);
        let request = client().request(method.parse().unwrap(), url).bearer_auth(&self.token);
        let request = match body {
            Value::Null => request,
            body => request.header("content-type", SCIM_JSON).body(body.to_string()),
        };
        self.server.send(request).await
    }

    async fn names(&self, filter: &str) -> Vec<String> {
        let search = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter, "sortBy": "userName",
        });
        let found = self.ask("POST", "/Users/.search", search).await.expect(200).body;
        let names = found["Resources"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> = names.iter().map(|one| one["userName"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found["totalResults"], names.len(), "a total tells of somebody else");
        names
    }
}

fn of(organization: &str, name: &str) -> Value {
    let mut body = user(name);
    body[ENTERPRISE] = json!({ "organization": organization });
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn story_c_each_client_sees_and_changes_only_its_part() {
    let server = TestServer::start(&format!(
        r#"[[plugin]]
name = "segment"
plugin = "builtin:segment"
[plugin.config]
everything = ["first administrator"]
[[plugin.config.part]]
callers = ["acme"]
sees = {{ User = '{ENTERPRISE}:organization eq "Acme"', Group = 'displayName sw "acme-"' }}
sets.User = {{ "{ENTERPRISE}:organization" = "Acme" }}
[[plugin.config.part]]
callers = ["globex"]
sees = {{ User = '{ENTERPRISE}:organization eq "Globex"' }}
[plugin.grant]
imports = ["config"]
write = ["{ENTERPRISE}:organization"]
"#
    ))
    .await;
    let hank = server.post("/Users", of("Globex", "hank")).await.expect(201).id();
    server.post("/Users", of("Acme", "ana")).await.expect(201);
    let scopes = ["scim.read", "scim.write"];
    let acme = Client::new(&server, "acme", &scopes).await;
    let globex = Client::new(&server, "globex", &scopes).await;
    let stranger = Client::new(&server, "stranger", &scopes).await;

    let newcomer = acme.ask("POST", "/Users", user("ben")).await.expect(201);
    assert_eq!(newcomer.body[ENTERPRISE]["organization"], "Acme", "a newcomer belongs to its creator's part");
    assert_eq!(acme.names("userName pr").await, ["ana", "ben"]);
    assert_eq!(
        acme.names("userName eq \"hank\" or userName sw \"a\" or id pr").await,
        ["ana", "ben"],
        "`or` widens nothing"
    );
    assert_eq!(globex.names("not (userName eq \"x\")").await, ["hank"]);
    assert_eq!(server.count("/Users").await, 3);

    let path = format!("/Users/{hank}");
    let missing = acme.ask("GET", "/Users/01930000-0000-7000-8000-000000000001", Value::Null).await.expect(404).body;
    assert_eq!(acme.ask("GET", &path, Value::Null).await.expect(404).body, missing);
    let title = patch(json!([{ "op": "add", "path": "title", "value": "Spy" }]));
    acme.ask("PATCH", &path, title).await.expect(404);
    acme.ask("DELETE", &path, Value::Null).await.expect(404);
    acme.ask("POST", "/Users", of("Globex", "mole")).await.expect(403);
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "acme-staff", "members": [{ "value": hank }],
    });
    acme.ask("POST", "/Groups", group).await.scim_error(400, Some("invalidValue"));
    let leave = patch(json!([{ "op": "replace", "path": format!("{ENTERPRISE}:organization"), "value": "Globex" }]));
    acme.ask("PATCH", &format!("/Users/{}", newcomer.id()), leave).await.expect(403);
    stranger.ask("GET", "/Users", Value::Null).await.expect(403);
    assert_eq!(server.get(&path).await.expect(200).body.get("title"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_about_callers_is_not_asked_about_what_plugins_do_by_themselves() {
    let server = TestServer::start(
        r#"[[plugin]]
name = "segment"
plugin = "builtin:segment"
config = { part = [{ callers = ["first administrator"], sees = { User = "userName pr", Group = "displayName pr" } }] }
grant = { imports = ["config"] }
[[plugin]]
name = "birthright"
plugin = "builtin:birthright"
config = { rule = [{ when = { title = ["Pilot"] }, groups = ["pilots"] }] }
[plugin.grant]
imports = ["config", "state", "directory", "directory-write"]
directory = ["User", "Group"]
directory_write = [{ type = "Group", operations = ["patch"] }]
write = ["members"]
"#,
    )
    .await;
    server.group("pilots", &[]).await;
    let mut ana = user("ana");
    ana["title"] = json!("Pilot");
    let id = server.post("/Users", ana).await.expect(201).id();

    settled(&server).await;

    assert_eq!(groups(&server, &id).await, ["pilots"]);
}

/// The tables of a company: birthright, a lifecycle, and accounts at two other servers.
fn company(mail: &str, crm: &Process, wiki: &Process) -> String {
    let target = |name: &str, process: &Process| {
        let base = &process.base;
        format!(
            "[[plugin.config.target]]\nname = \"{name}\"\nurl = \"{base}\"\ncredential = \"{name}\"\nleave_out = [\"{PLATFORM}\"]\n"
        )
    };
    let origin = |process: &Process| {
        let origin = process.base.split("/scim").next().unwrap().to_owned();
        format!("{{ origin = \"{origin}\", methods = [\"GET\", \"POST\", \"PUT\", \"PATCH\"], private = true }}")
    };
    let secret = |name: &str, process: &Process| format!("[secret.{name}]\nvalue = \"{}\"\n", process.token);
    let (crm_target, wiki_target) = (target("crm", crm), target("wiki", wiki));
    let (crm_origin, wiki_origin) = (origin(crm), origin(wiki));
    let secrets = format!("{}{}", secret("crm", crm), secret("wiki", wiki));
    let platform = platform();
    format!(
        r#"{platform}{secrets}
[[plugin]]
name = "lifecycle"
plugin = "builtin:lifecycle"
types = ["User"]
[plugin.config]
state = "{PLATFORM}:lifecycleState"
states = {{ active = "active", leaving = "suspended", left = "archived" }}
start_date = "{PLATFORM}:joinedAt"
[[plugin.config.message]]
name = "welcome"
days = -3
url = "{mail}/send"
[[plugin.config.message]]
name = "notice"
days = -3
url = "{mail}/send"
to = "team"
[[plugin.config.message]]
name = "farewell"
url = "{mail}/send"
to = "manager"
[[plugin.job]]
name = "strip"
cron = "0 0 * * *"
timezone = "UTC"
[[plugin.job]]
name = "messages"
every = "1h"
[plugin.grant]
imports = ["config", "state", "directory", "directory-write", "http"]
directory = ["User", "Group"]
directory_write = [{{ type = "User", operations = ["patch"] }}, {{ type = "Group", operations = ["patch"] }}]
write = ["{PLATFORM}:lifecycleState", "members"]
http = [{{ origin = "{mail}", methods = ["POST"], private = true }}]

[[plugin]]
name = "birthright"
plugin = "builtin:birthright"
[[plugin.config.rule]]
when = {{ "{ENTERPRISE}:department" = ["Engineering"] }}
groups = ["engineers"]
[[plugin.config.rule]]
when = {{ "{ENTERPRISE}:department" = ["Finance"] }}
groups = ["payers"]
[[plugin.config.separate]]
groups = ["payers", "approvers"]
reason = "who pays does not approve"
[plugin.config.except]
"{PLATFORM}:lifecycleState" = ["archived"]
[plugin.grant]
imports = ["config", "state", "directory", "directory-write"]
directory = ["User", "Group"]
directory_write = [{{ type = "Group", operations = ["patch"] }}]
write = ["members"]

[[plugin]]
name = "scim-out"
plugin = "builtin:scim-out"
types = ["User"]
[plugin.config]
{crm_target}{wiki_target}
[[plugin.job]]
name = "report"
cron = "0 6 * * 1"
[plugin.grant]
imports = ["config", "state", "outbox", "http", "directory", "log"]
outbox = ["crm", "wiki"]
directory = ["User"]
secrets = ["crm", "wiki"]
http = [{crm_origin}, {wiki_origin}]
"#
    )
}

/// What another server holds of a person.
async fn account(process: &Process, name: &str) -> Value {
    let request = process.request("GET", "/Users").query(&[("filter", format!("userName eq \"{name}\""))]);
    let found = process.send(request).await.expect(200).body;
    found["Resources"][0].clone()
}

/// The names of the groups that a person is in.
async fn groups(server: &TestServer, id: &str) -> Vec<String> {
    let body = server.get(&format!("/Users/{id}")).await.expect(200).body;
    let groups = body["groups"].as_array().cloned().unwrap_or_default();
    groups.iter().map(|group| group["display"].as_str().unwrap().to_owned()).collect()
}

async fn state(server: &TestServer, id: &str) -> Value {
    server.get(&format!("/Users/{id}")).await.expect(200).body[PLATFORM]["lifecycleState"].clone()
}

fn said(message: &Received) -> (&str, Vec<&str>) {
    let to = message.body["to"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str());
    (message.body["message"].as_str().unwrap(), to.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn stories_d_e_f_and_j_somebody_joins_moves_and_leaves() {
    let mut mail = Receiver::start().await;
    let (crm, wiki) = tokio::join!(Process::start(), Process::start());
    let clock = clock();
    let server = TestServer::at(clock.clone(), &company(&mail.origin(), &crm, &wiki)).await;
    for name in ["engineers", "payers", "approvers"] {
        server.group(name, &[]).await;
    }
    let boss = server.user("boss").await;

    // D: a joiner.
    let mut ana = user("ana");
    ana[PLATFORM] = json!({ "joinedAt": "2026-03-05T08:30:00Z" });
    ana[ENTERPRISE] = json!({ "department": "Engineering", "manager": { "value": boss } });
    let id = server.post("/Users", ana).await.expect(201).id();
    settled(&server).await;
    assert_eq!(
        (groups(&server, &id).await, state(&server, &id).await),
        (vec!["engineers".to_owned()], json!("active"))
    );
    let (there, and_there) = (account(&crm, "ana").await, account(&wiki, "ana").await);
    assert_eq!((&there["externalId"], &and_there["externalId"]), (&json!(id), &json!(id)), "one identity everywhere");
    assert!(mail.all().is_empty(), "it is too early for a welcome");
    clock.advance_ms(HOUR_MS);
    let (welcome, notice) = (mail.next().await, mail.next().await);
    assert_eq!((said(&welcome), said(&notice)), (("welcome", vec![&*id]), ("notice", vec![&*boss])));

    // E: a mover; and a combination that may not be.
    let path = format!("/Users/{id}");
    let department =
        |name: &str| json!([{ "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": name }]);
    server.patch(&path, department("Finance")).await.expect(200);
    settled(&server).await;
    assert_eq!(groups(&server, &id).await, ["payers"]);
    assert_eq!(account(&wiki, "ana").await[ENTERPRISE]["department"], "Finance");
    let approvers = server.get("/Groups?filter=displayName eq \"approvers\"").await.body["Resources"][0]["id"].clone();
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
    let refused = server.patch(&format!("/Groups/{}", approvers.as_str().unwrap()), add).await;
    assert_eq!(refused.scim_error(403, None), "who pays does not approve");

    // J: a leaver who comes back before the night, and one who does not.
    let active = |active: bool| json!([{ "op": "replace", "path": "active", "value": active }]);
    server.patch(&path, active(false)).await.expect(200);
    assert_eq!(
        (state(&server, &id).await, groups(&server, &id).await),
        (json!("suspended"), vec!["payers".to_owned()])
    );
    server.patch(&path, active(true)).await.expect(200);
    assert_eq!((state(&server, &id).await, groups(&server, &id).await), (json!("active"), vec!["payers".to_owned()]));
    server.patch(&path, active(false)).await.expect(200);
    settled(&server).await;

    // F: every application hears of it.
    assert_eq!(
        (&account(&crm, "ana").await["active"], &account(&wiki, "ana").await["active"]),
        (&json!(false), &json!(false))
    );
    clock.advance_ms(16 * HOUR_MS);
    assert_eq!(said(&mail.next().await), ("farewell", vec![&*boss]));
    settled(&server).await;
    assert_eq!((state(&server, &id).await, groups(&server, &id).await), (json!("archived"), Vec::<String>::new()));
    assert_eq!(mail.all().len(), 3, "nothing is said twice");
    let found = server.get(&format!("/Users?filter={PLATFORM}:lifecycleState eq \"archived\"")).await.expect(200);
    assert_eq!(found.body["totalResults"], 1);
    let report = server.admin("POST", "/jobs/scim-out/report/run").await;
    assert!(report.status < 300, "{}", report.body);
    until("the report", || async {
        let jobs = server.admin("GET", "/jobs").await.expect(200).body.to_string();
        jobs.contains("4 accounts are known; 0 are switched on for people who have left").then_some(())
    })
    .await;
}

type People = Arc<Mutex<Vec<String>>>;

/// A system that knows some people, and notes whom it was asked about.
async fn personnel() -> (String, People) {
    let asked = People::default();
    let record = async |State(asked): State<People>, Path(name): Path<String>| {
        asked.lock().unwrap().push(name.clone());
        match &*name {
            "ana" => Ok(Json(json!({ "number": 4711, "job": { "title": "Pilot" } }))),
            "ben" => Err(StatusCode::NOT_FOUND),
            _ => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/people/{name}", get(record)).with_state(asked.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn story_i_every_five_minutes_a_job_fetches_what_is_missing() {
    let (origin, asked) = personnel().await;
    let (clock, platform) = (clock(), platform());
    let server = TestServer::at(
        clock.clone(),
        &format!(
            r#"{platform}
[[plugin]]
name = "profile-sync"
plugin = "builtin:profile-sync"
[plugin.config]
find = 'not ({PLATFORM}:identifiers[system eq "HR"])'
url = "{origin}/people/{{userName}}"
fill = {{ title = "/job/title" }}
identifier = {{ path = "{PLATFORM}:identifiers", system = "HR", from = "/number" }}
status = {{ path = "{PLATFORM}:syncStatuses", name = "PROFILE_SYNC" }}
rest_minutes = 30
[[plugin.job]]
name = "sync"
every = "5m"
[plugin.grant]
imports = ["config", "state", "directory", "directory-write", "http", "log", "metrics"]
directory = ["User"]
directory_write = [{{ type = "User", operations = ["patch"] }}]
write = ["title", "{PLATFORM}"]
http = [{{ origin = "{origin}", methods = ["GET"], private = true }}]
"#
        ),
    )
    .await;
    let (ana, ben, eva) = (server.user("ana").await, server.user("ben").await, server.user("eva").await);
    let server = &server;
    let status = async |id: String, wanted: &'static str| {
        let path = format!("/Users/{id}");
        let path = &path;
        until(wanted, || async move {
            let body = server.get(path).await.expect(200).body;
            (body[PLATFORM]["syncStatuses"][0]["status"] == wanted).then_some(body)
        })
        .await
    };

    clock.advance_ms(HOUR_MS / 12);
    let known = status(ana, "OK").await;
    assert_eq!((&known["title"], &known[PLATFORM]["identifiers"][0]["value"]), (&json!("Pilot"), &json!("4711")));
    status(ben, "PENDING").await;
    status(eva, "FAILED").await;
    for _ in 0..3 {
        clock.advance_ms(HOUR_MS / 12);
    }
    let failed = format!("/Users?filter={PLATFORM}:syncStatuses[name eq \"PROFILE_SYNC\" and status eq \"FAILED\"]");
    assert_eq!(server.get(&failed).await.expect(200).body["totalResults"], 1);
    let by = server.journal().await.last().unwrap().clone();
    assert_eq!(by["subject"], "plugin:profile-sync");
    let mut names = asked.lock().unwrap().clone();
    names.sort();
    assert_eq!(names, ["ana", "ben", "eva"], "nobody is asked about twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn story_k_people_sign_up_past_a_policy_and_see_themselves() {
    let server = TestServer::start(
        r#"[scim.me]
bind = "token"
registration = { policy = "registration" }
[[plugin]]
name = "registration"
plugin = "builtin:registration"
types = ["User"]
operations = ["create"]
[plugin.config]
email_domains = ["example.com"]
unique = ["emails.value"]
reserved_names = ["admin"]
password = { length_min = 10, digit = true, unlike = ["userName"] }
sets = { active = false, userType = "guest" }
[plugin.grant]
imports = ["config", "directory"]
directory = ["User"]
write = ["active", "userType", "roles", "entitlements", "externalId"]
read_sensitive = ["password"]
"#,
    )
    .await;
    let application = Client::new(&server, "sign-up", &["scim.register"]).await;
    let person = |name: &str, email: &str, password: &str| {
        let mut body = user(name);
        body["emails"] = json!([{ "value": email }]);
        body["password"] = json!(password);
        body
    };
    let good = "correct horse 1";

    let refused = async |name: &str, email: &str, password: &str| {
        application.ask("POST", "/Me", person(name, email, password)).await
    };
    let elsewhere = refused("ana", "ana@elsewhere.test", good).await;
    assert!(elsewhere.scim_error(400, Some("invalidValue")).contains("example.com"));
    assert!(
        refused("ana", "ana@example.com", "ana-ana-ana-1")
            .await
            .scim_error(400, Some("invalidValue"))
            .contains("userName")
    );
    refused("Admin", "root@example.com", good).await.scim_error(409, Some("uniqueness"));
    let made = refused("ana", "ana@example.com", good).await.expect(201);
    assert_eq!((&made.body["active"], &made.body["userType"]), (&json!(false), &json!("guest")));
    assert_eq!(made.body.get("password"), None);
    let mut proud = person("eva", "eva@example.com", good);
    proud["roles"] = json!([{ "value": "administrator" }]);
    application.ask("POST", "/Me", proud).await.expect(403);
    refused("anna", "ana@example.com", good).await.scim_error(409, Some("uniqueness"));
    assert_eq!(server.count("/Users").await, 1);
    application.ask("GET", "/Users", Value::Null).await.expect(403);

    let id = made.id();
    server
        .patch(&format!("/Users/{id}"), json!([{ "op": "replace", "path": "active", "value": true }]))
        .await
        .expect(200);
    let url = format!("http://{}/admin/tokens", server.app.admin_listens);
    let own = json!({ "name": "ana", "scopes": ["scim.me"], "for": id });
    let token = server.send(client().post(url).bearer_auth(&server.token).json(&own)).await.expect(201);
    let me = client().get(format!("{}/Me", server.app.base_url)).bearer_auth(token.body["token"].as_str().unwrap());
    assert_eq!(server.send(me).await.expect(200).body["userName"], "ana");
}
