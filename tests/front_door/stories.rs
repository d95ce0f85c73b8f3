//! The stories, told with processes of their own and the plugins that are shipped: real components, real receivers, and
//! for outbound provisioning two further servers. Time moves by the clock's seam.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use provost_tests::door::{Door, until, user};
use provost_tests::guests::forward;
use provost_tests::{Process, Received, Receiver};
use serde_json::{Value, json};

const PLATFORM: &str = "urn:example:params:scim:schemas:extension:platform:1.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const MORNING: &str = "2026-03-02T08:00:00Z";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The schemas of story H.
fn platform() -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
    format!("[scim]\nschemas = [\"{directory}/schemas\"]\nresource_types = [\"{directory}/types\"]\n")
}

/// The head of the table of `lifecycle`, on the fields of story H.
fn lifecycle() -> String {
    format!(
        r#"
[[plugin]]
name = "lifecycle"
plugin = "builtin:lifecycle"
types = ["User"]
[plugin.config]
state = "{PLATFORM}:lifecycleState"
states = {{ active = "active", leaving = "suspended", left = "archived" }}
"#
    )
}

/// A server on whose clock it is morning, and which knows its jobs.
async fn in_the_morning(tables: &str) -> Process {
    let server = Process::at(MORNING.parse().unwrap(), tables).await;
    server.admin("GET", "/jobs").await.expect(200);
    server
}

/// Returns when every message has been delivered, and every observer has been told.
async fn settled(server: &Process) {
    until("an empty outbox", async || server.outbox().await.is_empty().then_some(())).await;
}

/// How many users a filter finds.
async fn how_many(server: &Process, filter: &str) -> Value {
    let request = server.request("GET", "/Users").query(&[("filter", filter), ("count", "0")]);
    server.send(request).await.expect(200).body["totalResults"].clone()
}

/// The titles that arrived, in order, and under how many keys: what was sent again under its key is one.
fn titles(received: &[Received]) -> (Vec<&str>, usize) {
    let mut messages: Vec<&Received> = received.iter().collect();
    messages.dedup_by_key(|message| &message.key);
    let mut keys: Vec<&str> = messages.iter().map(|message| &*message.key).collect();
    keys.sort_unstable();
    keys.dedup();
    (messages.iter().map(|message| message.body["title"].as_str().unwrap_or("none")).collect(), keys.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn story_a_a_second_silo_keeps_up_past_crashes_and_refusals() {
    let mut silo = Receiver::start().await;
    let tables = format!("[delivery]\nattempts_max = 3\n{}", forward(&silo.origin()));
    let server = in_the_morning(&tables).await;
    let person = |name: &str| {
        let mut body = user(name);
        body["externalId"] = json!(format!("hr-{name}"));
        body
    };
    let path = format!("/Users/{}", server.post("/Users", person("ana")).await.expect(201).id());
    let first = silo.next().await;
    assert_eq!((&*first.method, &*first.path), ("PUT", "/people/hr-ana"));
    let titled = |title: &str| json!([{ "op": "replace", "path": "title", "value": title }]);

    // Both sides crash. What was acknowledged arrives when both are back, in order, under keys of its own.
    silo.go_down().await;
    for title in ["one", "two", "three"] {
        server.patch(&path, titled(title)).await.expect(200);
    }
    let server = server.restart().await;
    silo.come_up().await;
    until("the third title", async || {
        server.advance_ms(MINUTE_MS).await;
        server.outbox().await.is_empty().then_some(())
    })
    .await;
    assert_eq!(titles(&silo.all()), (vec!["none", "one", "two", "three"], 4));

    // The silo cannot take it: it is tried again, then parked, and only this person's changes wait behind it.
    silo.answer(503);
    server.patch(&path, titled("four")).await.expect(200);
    let parked = until("the parking", async || {
        server.advance_ms(HOUR_MS).await;
        let parked = server.admin("GET", "/outbox?parked=true").await.expect(200).body["messages"][0].clone();
        (!parked.is_null()).then_some(parked)
    })
    .await;
    assert_eq!(parked["attempts"], 3);
    assert!(parked["lastError"].as_str().unwrap().contains("503"), "{parked}");
    silo.answer(200);
    server.patch(&path, titled("five")).await.expect(200);
    server.post("/Users", person("ben")).await.expect(201);
    until("the other person's record", async || silo.all().iter().any(|m| m.path == "/people/hr-ben").then_some(()))
        .await;
    assert_eq!(silo.all().last().unwrap().path, "/people/hr-ben", "nothing overtakes what is parked");

    server.admin("POST", &format!("/outbox/{}/redrive", parked["key"].as_str().unwrap())).await.expect(200);
    settled(&server).await;

    let of_ana: Vec<Received> = silo.all().into_iter().filter(|message| message.path == "/people/hr-ana").collect();
    assert_eq!(titles(&of_ana), (vec!["none", "one", "two", "three", "four", "five"], 6));
    let tried = of_ana.iter().filter(|message| json!(message.key) == parked["idempotencyKey"]);
    assert_eq!(tried.map(|message| message.status).collect::<Vec<_>>(), [503, 503, 503, 200]);
}

/// The names that a caller finds, which are all that the total tells of.
async fn names(caller: &Door, filter: &str) -> Vec<String> {
    let search = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter, "sortBy": "userName",
    });
    let found = caller.post("/Users/.search", search).await.expect(200).body;
    let names = found["Resources"].as_array().cloned().unwrap_or_default();
    let names: Vec<String> = names.iter().map(|one| one["userName"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found["totalResults"], names.len(), "a total tells of somebody else");
    names
}

fn of(organization: &str, name: &str) -> Value {
    let mut body = user(name);
    body[ENTERPRISE] = json!({ "organization": organization });
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn story_c_each_client_sees_and_changes_only_its_part() {
    let server = in_the_morning(&format!(
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
    let acme = server.caller("acme", &scopes).await;
    let globex = server.caller("globex", &scopes).await;
    let stranger = server.caller("stranger", &scopes).await;

    let newcomer = acme.post("/Users", user("ben")).await.expect(201);
    assert_eq!(newcomer.body[ENTERPRISE]["organization"], "Acme", "a newcomer belongs to its creator's part");
    assert_eq!(names(&acme, "userName pr").await, ["ana", "ben"]);
    assert_eq!(
        names(&acme, "userName eq \"hank\" or userName sw \"a\" or id pr").await,
        ["ana", "ben"],
        "`or` widens nothing"
    );
    assert_eq!(names(&globex, "not (userName eq \"x\")").await, ["hank"]);
    assert_eq!(server.count("/Users").await, 3);

    let path = format!("/Users/{hank}");
    let missing = acme.get("/Users/01930000-0000-7000-8000-000000000001").await.expect(404).body;
    assert_eq!(acme.get(&path).await.expect(404).body, missing);
    let title = json!([{ "op": "add", "path": "title", "value": "Spy" }]);
    acme.patch(&path, title).await.expect(404);
    acme.delete(&path).await.expect(404);
    acme.post("/Users", of("Globex", "mole")).await.expect(403);
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "acme-staff", "members": [{ "value": hank }],
    });
    acme.post("/Groups", group).await.scim_error(400, Some("invalidValue"));
    let leave = json!([{ "op": "replace", "path": format!("{ENTERPRISE}:organization"), "value": "Globex" }]);
    acme.patch(&format!("/Users/{}", newcomer.id()), leave).await.expect(403);
    stranger.get("/Users").await.expect(403);
    assert_eq!(server.get(&path).await.expect(200).body.get("title"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn story_c_a_rule_about_callers_is_not_asked_about_what_plugins_do_by_themselves() {
    let server = in_the_morning(
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
    let (platform, lifecycle) = (platform(), lifecycle());
    format!(
        r#"{platform}{secrets}{lifecycle}start_date = "{PLATFORM}:joinedAt"
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
async fn groups(server: &Process, id: &str) -> Vec<String> {
    let body = server.get(&format!("/Users/{id}")).await.expect(200).body;
    let groups = body["groups"].as_array().cloned().unwrap_or_default();
    groups.iter().map(|group| group["display"].as_str().unwrap().to_owned()).collect()
}

async fn state(server: &Process, id: &str) -> Value {
    server.get(&format!("/Users/{id}")).await.expect(200).body[PLATFORM]["lifecycleState"].clone()
}

fn said(message: &Received) -> (&str, Vec<&str>) {
    let to = message.body["to"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str());
    (message.body["message"].as_str().unwrap(), to.collect())
}

/// The company on a morning: its server, its post, and two applications.
struct Company {
    mail: Receiver,
    crm: Process,
    wiki: Process,
    server: Process,
    /// Everybody's manager.
    boss: String,
}

impl Company {
    async fn opens() -> Self {
        let mail = Receiver::start().await;
        let (crm, wiki) = tokio::join!(Process::start(), Process::start());
        let server = in_the_morning(&company(&mail.origin(), &crm, &wiki)).await;
        for name in ["engineers", "payers", "approvers"] {
            server.group(name, &[]).await;
        }
        let boss = server.user("boss").await;
        Self { mail, crm, wiki, server, boss }
    }

    /// Hires an engineer, who is known everywhere when this returns.
    async fn hires(&self, name: &str, first_day: Option<&str>) -> String {
        let mut person = user(name);
        person[PLATFORM] = json!({ "joinedAt": first_day });
        person[ENTERPRISE] = json!({ "department": "Engineering", "manager": { "value": self.boss } });
        let id = self.server.post("/Users", person).await.expect(201).id();
        settled(&self.server).await;
        id
    }

    /// What both applications hold of a person.
    async fn accounts(&self, name: &str) -> [Value; 2] {
        [account(&self.crm, name).await, account(&self.wiki, name).await]
    }
}

fn active(active: bool) -> Value {
    json!([{ "op": "replace", "path": "active", "value": active }])
}

#[tokio::test(flavor = "multi_thread")]
async fn story_d_a_joiner_is_in_every_application_and_welcomed_before_the_first_day() {
    let mut company = Company::opens().await;

    let id = company.hires("ana", Some("2026-03-05T08:30:00Z")).await;

    let server = &company.server;
    assert_eq!((groups(server, &id).await, state(server, &id).await), (vec!["engineers".to_owned()], json!("active")));
    for account in company.accounts("ana").await {
        assert_eq!(account["externalId"], json!(id), "one identity everywhere");
        assert_eq!(account[ENTERPRISE]["department"], "Engineering");
    }
    assert!(company.mail.all().is_empty(), "it is too early for a welcome");
    server.advance_ms(HOUR_MS).await;
    let (welcome, notice) = (company.mail.next().await, company.mail.next().await);
    assert_eq!((said(&welcome), said(&notice)), (("welcome", vec![&*id]), ("notice", vec![&*company.boss])));
}

#[tokio::test(flavor = "multi_thread")]
async fn story_e_a_mover_changes_groups_and_applications_and_combines_nothing_forbidden() {
    let company = Company::opens().await;
    let id = company.hires("ana", None).await;
    let (server, path) = (&company.server, format!("/Users/{id}"));

    let department = json!([{ "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Finance" }]);
    server.patch(&path, department).await.expect(200);
    settled(server).await;

    assert_eq!(groups(server, &id).await, ["payers"], "what belonged to the old department is gone");
    for account in company.accounts("ana").await {
        assert_eq!((&account[ENTERPRISE]["department"], &account["externalId"]), (&json!("Finance"), &json!(id)));
    }
    let approvers = server.get("/Groups?filter=displayName eq \"approvers\"").await.body["Resources"][0]["id"].clone();
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
    let refused = server.patch(&format!("/Groups/{}", approvers.as_str().unwrap()), add).await;
    assert_eq!(refused.scim_error(403, None), "who pays does not approve");
    assert_eq!(groups(server, &id).await, ["payers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn story_f_a_leaver_is_switched_off_everywhere_in_whatever_words() {
    let company = Company::opens().await;
    let server = &company.server;
    let mut paths = Vec::new();
    for name in ["ana", "ben", "eva"] {
        paths.push(format!("/Users/{}", company.hires(name, None).await));
    }
    for account in company.accounts("eva").await {
        assert_ne!(account["active"], false);
    }

    // As one provider says it, as another does, and as RFC 7644 has it.
    let words = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    server.patch(&paths[0], words).await.expect(200);
    server.patch(&paths[1], json!([{ "op": "replace", "value": { "active": false } }])).await.expect(200);
    let mut eva = server.get(&paths[2]).await.expect(200).body;
    eva["active"] = json!(false);
    server.put(&paths[2], eva).await.expect(200);
    settled(server).await;

    for name in ["ana", "ben", "eva"] {
        for account in company.accounts(name).await {
            assert_eq!(account["active"], false, "{name}: {account}");
        }
    }
    server.admin("POST", "/jobs/scim-out/report/run").await.expect(202);
    until("the report", async || {
        let jobs = server.admin("GET", "/jobs").await.expect(200).body.to_string();
        jobs.contains("8 accounts are known; 0 are switched on for people who have left").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn story_h_a_life_is_kept_in_fields_and_found_by_any_of_them() {
    let (origin, _) = personnel().await;
    let (platform, lifecycle, sync) = (platform(), lifecycle(), sync(&origin));
    let tables = format!(
        r#"{platform}{lifecycle}[plugin.grant]
imports = ["config", "state", "directory", "directory-write", "http"]
write = ["{PLATFORM}:lifecycleState"]
{sync}"#
    );
    let server = in_the_morning(&tables).await;
    let made = async |name: &str, life: Value| {
        let mut body = user(name);
        body[PLATFORM] = life;
        server.post("/Users", body).await.expect(201)
    };

    let ana = made("ana", json!({ "kind": "person", "tags": ["night shift"] })).await;
    assert_eq!(ana.body[PLATFORM]["lifecycleState"], "active");
    let ana = format!("/Users/{}", ana.id());
    made("ben", json!({ "kind": "service", "tags": ["night shift", "billing"] })).await;
    server.patch(&ana, active(false)).await.expect(200);
    server.advance_ms(5 * MINUTE_MS).await;
    until("the sync", async || (how_many(&server, &format!("{PLATFORM}:syncStatuses pr")).await == 2).then_some(()))
        .await;

    for (filter, count) in [
        ("lifecycleState eq \"suspended\"", 1),
        ("lifecycleState eq \"active\"", 1),
        ("kind eq \"service\"", 1),
        ("tags eq \"night shift\"", 2),
        ("tags eq \"billing\"", 1),
        ("identifiers[system eq \"HR\" and value eq \"4711\"]", 1),
        ("syncStatuses[name eq \"PROFILE_SYNC\" and status eq \"OK\"]", 1),
        ("syncStatuses[name eq \"PROFILE_SYNC\" and status eq \"PENDING\"]", 1),
        ("syncStatuses[name eq \"AVATAR_SYNC\"]", 0),
    ] {
        assert_eq!(how_many(&server, &format!("{PLATFORM}:{filter}")).await, count, "{filter}");
    }
    let change =
        |name: &str, value: &str| json!([{ "op": "replace", "path": format!("{PLATFORM}:{name}"), "value": value }]);
    server.patch(&ana, change("lifecycleState", "lost")).await.scim_error(400, Some("invalidValue"));
    server.patch(&ana, change("kind", "service")).await.scim_error(400, Some("mutability"));
}

#[tokio::test(flavor = "multi_thread")]
async fn story_j_who_comes_back_by_the_evening_never_left_and_who_does_not_loses_all_access() {
    let mut company = Company::opens().await;
    let id = company.hires("ana", None).await;
    let (server, path) = (&company.server, format!("/Users/{id}"));
    let stands = async || (state(server, &id).await, groups(server, &id).await);
    let engineers = vec!["engineers".to_owned()];

    server.patch(&path, active(false)).await.expect(200);
    assert_eq!(stands().await, (json!("suspended"), engineers.clone()));
    server.patch(&path, active(true)).await.expect(200);
    assert_eq!(stands().await, (json!("active"), engineers.clone()));
    server.advance_ms(16 * HOUR_MS).await;
    until("the night", async || {
        let jobs = server.admin("GET", "/jobs").await.expect(200).body["jobs"].clone();
        let strip = jobs.as_array().unwrap().iter().find(|job| job["job"] == "strip").unwrap().clone();
        (strip["lastOutcome"] == "done").then_some(())
    })
    .await;
    assert_eq!(stands().await, (json!("active"), engineers.clone()), "who came back keeps everything");
    assert!(company.mail.all().is_empty());

    server.patch(&path, active(false)).await.expect(200);
    assert_eq!(stands().await, (json!("suspended"), engineers));
    server.advance_ms(24 * HOUR_MS).await;
    until("the end", async || (stands().await == (json!("archived"), Vec::new())).then_some(())).await;

    assert_eq!(said(&company.mail.next().await), ("farewell", vec![&*company.boss]));
    settled(server).await;
    assert_eq!(how_many(server, &format!("{PLATFORM}:lifecycleState eq \"archived\"")).await, 1);
    for account in company.accounts("ana").await {
        assert_eq!(account["active"], false);
    }
    assert_eq!(company.mail.all().len(), 1, "nothing is said twice");
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

/// The table of a plugin that asks this origin about everybody of whom it knows no number.
fn sync(origin: &str) -> String {
    format!(
        r#"
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
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn story_i_every_five_minutes_a_job_fetches_what_is_missing() {
    let (origin, asked) = personnel().await;
    let server = in_the_morning(&format!("{}{}", platform(), sync(&origin))).await;
    let (ana, ben, eva) = (server.user("ana").await, server.user("ben").await, server.user("eva").await);
    let status = async |id: &str, wanted: &str| {
        until(wanted, async || {
            let body = server.get(&format!("/Users/{id}")).await.expect(200).body;
            (body[PLATFORM]["syncStatuses"][0]["status"] == wanted).then_some(body)
        })
        .await
    };

    server.advance_ms(5 * MINUTE_MS).await;
    let known = status(&ana, "OK").await;
    assert_eq!((&known["title"], &known[PLATFORM]["identifiers"][0]["value"]), (&json!("Pilot"), &json!("4711")));
    status(&ben, "PENDING").await;
    status(&eva, "FAILED").await;
    for due in ["2026-03-02T08:10:00Z", "2026-03-02T08:15:00Z", "2026-03-02T08:20:00Z"] {
        server.advance_ms(5 * MINUTE_MS).await;
        until("the next run", async || {
            let job = server.admin("GET", "/jobs").await.expect(200).body["jobs"][0].clone();
            (job["lastBegan"] == due && job["runningSince"].is_null()).then_some(())
        })
        .await;
    }
    let failed = format!("{PLATFORM}:syncStatuses[name eq \"PROFILE_SYNC\" and status eq \"FAILED\"]");
    assert_eq!(how_many(&server, &failed).await, 1);
    assert_eq!(server.journal().await.last().unwrap()["subject"], "plugin:profile-sync");
    let mut names = asked.lock().unwrap().clone();
    names.sort();
    assert_eq!(names, ["ana", "ben", "eva"], "nobody is asked about twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn story_k_people_sign_up_past_a_policy_and_see_themselves() {
    let server = in_the_morning(
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
    let application = server.caller("sign-up", &["scim.register"]).await;
    let person = |name: &str, email: &str, password: &str| {
        let mut body = user(name);
        body["emails"] = json!([{ "value": email }]);
        body["password"] = json!(password);
        body
    };
    let good = "correct horse 1";

    let refused =
        async |name: &str, email: &str, password: &str| application.post("/Me", person(name, email, password)).await;
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
    application.post("/Me", proud).await.expect(403);
    refused("anna", "ana@example.com", good).await.scim_error(409, Some("uniqueness"));
    assert_eq!(server.count("/Users").await, 1);
    application.get("/Users").await.expect(403);

    let id = made.id();
    server
        .patch(&format!("/Users/{id}"), json!([{ "op": "replace", "path": "active", "value": true }]))
        .await
        .expect(200);
    let ana = server.person(&id).await;
    assert_eq!(ana.get("/Me").await.expect(200).body["userName"], "ana");
}
