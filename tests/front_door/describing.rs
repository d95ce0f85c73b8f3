//! The admin API is what it says of itself: every answer that its description promises is asked for, and held against
//! the schema that it stands under.

use std::collections::BTreeSet;

use provost_tests::guests::{self, forward, plugin};
use provost_tests::receiver::{PATIENCE, Receiver};
use provost_tests::server::{TestServer, client, user};
use provost_tests::{Gate, binary};
use serde_json::{Value, json};
use tokio::sync::watch;

const GRANT: &str = "grant = { imports = [\"config\", \"log\"], write = [\"nickName\", \"title\"] }";

/// What one call asks for.
#[derive(Clone)]
struct Question {
    operation: String,
    method: String,
    path: String,
    body: Value,
}

/// The description of a server's admin API, and what was seen of it.
struct Described {
    document: Value,
    base: String,
    token: String,
    client: reqwest::Client,
    /// Which answers were given: operation and status.
    seen: BTreeSet<(String, String)>,
    /// What was done, for those who may not.
    done: Vec<Question>,
}

impl Described {
    /// Asks the server for its description, as somebody without a token.
    async fn by(server: &TestServer) -> Self {
        let (base, client) = (format!("http://{}", server.app.admin_listens), client());
        let document = client.get(format!("{base}/admin/openapi.json")).send().await.unwrap();
        assert_eq!(document.headers()["content-type"], "application/json");
        let mut document = document.json().await.unwrap();
        close_inside_all(&mut document);
        Self { document, base, token: server.token.clone(), client, seen: BTreeSet::new(), done: Vec::new() }
    }

    /// Each operation with its path, its method and itself.
    fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.document["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(|(method, of)| (path.as_str(), method.as_str(), of))
        })
    }

    fn operation(&self, id: &str) -> (&str, &str, &Value) {
        let found = self.operations().find(|(_, _, operation)| operation["operationId"] == id);
        found.unwrap_or_else(|| panic!("the description has no operation `{id}`"))
    }

    /// The question for an operation: with a query behind its name, the names in its path, and its body.
    fn question(&self, operation: &str, named: &[&str], body: Value) -> Question {
        let (id, query) = operation.split_once('?').map_or((operation, None), |(id, query)| (id, Some(query)));
        let (path, method, _) = self.operation(id);
        let mut path = path.to_owned();
        for name in named {
            let (begin, end) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(begin..=end, name);
        }
        assert!(!path.contains('{'), "{path}");
        path.extend(query.map(|query| format!("?{query}")));
        Question { operation: id.to_owned(), method: method.to_uppercase(), path, body }
    }

    /// Calls an operation as the administrator, and hands over the body of the answer, which must be this one.
    async fn call(&mut self, operation: &str, named: &[&str], body: Value, status: u16) -> Value {
        let question = self.question(operation, named, body);
        if status < 300 {
            let asked = &self.operation(&question.operation).2["requestBody"]["content"]["application/json"]["schema"];
            match (asked, &question.body) {
                (Value::Null, Value::Null) => {}
                (schema, body) => self.hold(schema, body, &question.path),
            }
            self.done.push(question.clone());
        }
        let token = self.token.clone();
        self.ask(&question, Some(&token), status).await
    }

    /// `GET`, and there is nothing else to say.
    async fn see(&mut self, operation: &str) -> Value {
        self.call(operation, &[], Value::Null, 200).await
    }

    /// Sends a question, and holds the answer against the description.
    async fn ask(&mut self, question: &Question, token: Option<&str>, status: u16) -> Value {
        let Question { operation, method, path, body } = question;
        let mut request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let (given, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        assert_eq!(given, status, "{method} {path}: {text}");

        let promised = &self.operation(operation).2["responses"][given.to_string()];
        assert!(promised.is_object(), "{method} {path} answers {given}, which is not described: {text}");
        for header in promised["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
            assert!(headers.contains_key(header), "{method} {path} {given}: {header}");
        }
        let media_type = headers["content-type"].to_str().unwrap();
        let schema = &promised["content"][media_type]["schema"];
        assert!(schema.is_object(), "{method} {path} {given}: {media_type} is not described");
        let body = match media_type {
            "application/json" => serde_json::from_str(&text).unwrap(),
            _ => Value::String(text),
        };
        self.hold(schema, &body, &format!("{method} {path} {given}"));
        self.seen.insert((operation.clone(), given.to_string()));
        body
    }

    /// Holds a value against a schema of the description.
    fn hold(&self, schema: &Value, value: &Value, place: &str) {
        let mut schema = schema.clone();
        close(&mut schema, &self.document["components"]["schemas"]);
        schema["components"] = self.document["components"].clone();
        let schema = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        let wrong: Vec<String> =
            schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{place} is not as it is described: {wrong:?} in {value}");
    }

    /// Every answer that is promised, but for what a test cannot bring about: the server's own failure.
    fn promised(&self) -> BTreeSet<(String, String)> {
        let each = self.operations().flat_map(|(_, _, operation)| {
            let id = operation["operationId"].as_str().unwrap();
            operation["responses"].as_object().unwrap().keys().map(move |status| (id.to_owned(), status.clone()))
        });
        each.filter(|(_, status)| status != "500").collect()
    }
}

/// Makes of each place where a value is described one that names every key of it.
///
/// A schema that is a part of another, by `allOf` and the like, knows a part of the keys only, so it is not the schemas
/// that are closed but the places where they are used.
fn close(place: &mut Value, schemas: &Value) {
    close_inside(place, schemas);
    let named = match place["$ref"].as_str() {
        Some(name) => &schemas[name.rsplit('/').next().unwrap()],
        None => &*place,
    };
    assert!(named.is_object(), "{place}");
    let describes = ["properties", "additionalProperties", "allOf", "oneOf", "anyOf"];
    if describes.iter().any(|keyword| named.get(keyword).is_some()) {
        place["unevaluatedProperties"] = json!(false);
    }
}

/// Closes the places inside a schema.
fn close_inside(schema: &mut Value, schemas: &Value) {
    for part in ["allOf", "oneOf", "anyOf"] {
        let parts = schema.get_mut(part).and_then(Value::as_array_mut);
        parts.into_iter().flatten().for_each(|part| close_inside(part, schemas));
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(|all| all.values_mut()).for_each(|place| close(place, schemas));
    for many in ["items", "additionalProperties"] {
        schema.get_mut(many).filter(|place| place.is_object()).into_iter().for_each(|place| close(place, schemas));
    }
}

fn close_inside_all(document: &mut Value) {
    let open = document["components"]["schemas"].clone();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    schemas.values_mut().for_each(|schema| close_inside(schema, &open));
}

/// Looks again after each event, until it is as wanted.
async fn until<T>(mut events: watch::Receiver<T>, mut look: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !look().await {
            events.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it should have come to this");
}

/// A server on which there is something to tell of everything: a plugin that changes, one that traps, one that forwards
/// to somebody who will not have it, one with a job, one that cannot be loaded, and one that could not be if it were
/// switched on.
async fn busy(receiver: &Receiver, gate: &Gate) -> TestServer {
    let v = plugin(guests::VERSION_ONE, GRANT).replace("\"version-one\"", "\"v\"");
    let traps = "on_fault = { before_write = \"skip\" }\nbreaker = { faults = 2, window_seconds = 600, open_seconds = 600 }\n\
                 grant = { imports = [\"config\"] }";
    let job = format!(
        "config = {{ url = \"{origin}/run\" }}\n[plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]\n\
         [[plugin.job]]\nname = \"tick\"\nevery = \"10h\"",
        origin = gate.origin()
    );
    let (traps, job) = (plugin(guests::TRAPS_AT_ZERO, traps), plugin(guests::JOB_COUNTER, &job));
    let missing = "[[plugin]]\nname = \"missing\"\nplugin = \"/nowhere.wasm\"\non_fault = \"skip\"\n";
    let off = "[[plugin]]\nname = \"off\"\nplugin = \"/nowhere.wasm\"\nenabled = false\n";
    let guard = "[guard]\ndeletions = { most = 100 }\ndeactivations = { share_percent = 50, window_seconds = 60 }\n";
    TestServer::start(&format!("{guard}{v}{traps}{}{job}{missing}{off}", forward(&receiver.origin()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_admin_api_is_given_and_is_as_it_is_described() {
    let (mut receiver, gate) = (Receiver::start().await, Gate::start().await);
    let server = busy(&receiver, &gate).await;
    let mut api = Described::by(&server).await;
    receiver.answer(422);

    let ana = server.post("/Users", user("ana")).await.expect(201);
    let ana = (ana.id(), ana.header("x-request-id").to_owned());
    receiver.next().await;
    for name in ["x10", "x20"] {
        let trapped = server.post("/Users", user(name)).await.expect(201);
        server.delete(&format!("/Users/{}", trapped.id())).await.expect(204);
    }
    let trapped = server.post("/Users", user("x30")).await.expect(201);

    tokens(&mut api, &ana.0).await;
    plugins(&mut api, &server).await;
    outbox(&mut api, &server).await;
    jobs(&mut api, &server, &gate).await;
    requests(&mut api, &ana.1, trapped.header("x-request-id")).await;
    the_server_itself(&mut api).await;
    strangers(&mut api, &server).await;

    let missing: Vec<_> = api.promised().difference(&api.seen).cloned().collect();
    assert!(missing.is_empty(), "described, and not seen: {missing:?}");
}

async fn tokens(api: &mut Described, owner: &str) {
    let plain = json!({ "name": "entra", "scopes": ["scim.read"] });
    let made = api.call("token_create", &[], plain, 201).await;
    let own = json!({ "name": "own", "scopes": ["scim.me"], "days": 7, "for": owner, "claims": { "sub": "ana" } });
    api.call("token_create", &[], own, 201).await;
    api.call("token_create", &[], json!({ "name": "x", "scopes": ["everything"] }), 400).await;
    api.call("token_create", &[], json!({ "name": "x", "scopes": [] }), 400).await;
    assert_eq!(api.see("token_list").await["tokens"].as_array().unwrap().len(), 3);
    api.call("token_revoke", &[made["id"].as_str().unwrap()], Value::Null, 200).await;
    api.call("token_revoke", &["nobodys"], Value::Null, 404).await;
    api.call("token_revoke", &["%FF"], Value::Null, 400).await;
}

async fn plugins(api: &mut Described, server: &TestServer) {
    let listed = api.see("plugin_list").await;
    let states: BTreeSet<&str> =
        listed["plugins"].as_array().unwrap().iter().filter_map(|plugin| plugin["state"].as_str()).collect();
    assert_eq!(states, BTreeSet::from(["disabled", "quarantined", "ready"]));
    for operation in ["plugin_show", "plugin_grants"] {
        for name in ["v", "crm", "missing", "off"] {
            api.call(operation, &[name], Value::Null, 200).await;
        }
    }
    let traps = api.call("plugin_show", &["traps-at-zero"], Value::Null, 200).await;
    assert_eq!((&traps["breakers"][0]["state"], &traps["faults"]["trap"]), (&json!("open"), &json!(2)));
    assert!(!traps["recent"].as_array().unwrap().is_empty());
    api.call("plugin_close_breaker", &["traps-at-zero"], Value::Null, 200).await;
    for operation in ["plugin_show", "plugin_grants", "plugin_close_breaker"] {
        api.call(operation, &["nobody"], Value::Null, 404).await;
        api.call(operation, &["%FF"], Value::Null, 400).await;
    }

    let grant = json!({ "imports": ["config", "log"], "write": ["nickName", "title"] });
    let new = json!({ "name": "w", "plugin": guests::VERSION_TWO, "grant": grant, "on_fault": { "access": "skip" } });
    api.call("plugin_install", &[], new.clone(), 201).await;
    api.call("plugin_install", &[], new, 400).await;
    api.call("plugin_install", &[], json!({ "name": "x", "plugin": guests::VERSION_TWO }), 409).await;
    api.call("plugin_move", &["w"], json!({ "before": "v" }), 200).await;
    api.call("plugin_move", &["w"], json!({ "before": "w" }), 400).await;
    api.call("plugin_remove", &["w"], Value::Null, 200).await;
    api.call("plugin_remove", &["v"], Value::Null, 400).await;
    api.call("plugin_upgrade", &["v"], json!({ "file": guests::VERSION_TWO }), 200).await;
    api.call("plugin_upgrade", &["v"], json!({ "file": guests::STATE_COUNTER }), 409).await;
    api.call("plugin_upgrade", &["v"], json!({ "file": "version.wasm" }), 400).await;
    api.call("plugin_disable", &["v"], Value::Null, 200).await;
    api.call("plugin_disable", &["nobody"], Value::Null, 400).await;
    api.call("plugin_enable", &["v"], Value::Null, 200).await;
    api.call("plugin_enable", &["nobody"], Value::Null, 400).await;
    api.call("plugin_enable", &["off"], Value::Null, 409).await;

    api.call("plugin_reload", &[], Value::Null, 200).await;
    let written = std::fs::read_to_string(server.data().join("provost.toml")).unwrap();
    let less = written.replace("\"config\", \"log\"", "\"config\"");
    for (config, status) in [(less, 409), (format!("{written}[[plugin"), 400)] {
        std::fs::write(server.data().join("provost.toml"), config).unwrap();
        api.call("plugin_reload", &[], Value::Null, status).await;
        assert!(api.see("plugin_list").await["refused"]["reason"].is_string());
        assert_eq!(api.see("health_show").await["status"], "degraded");
    }
    std::fs::write(server.data().join("provost.toml"), written).unwrap();
    api.call("plugin_reload", &[], Value::Null, 200).await;
}

async fn outbox(api: &mut Described, server: &TestServer) {
    let mut left = Value::Null;
    until(server.app.delivery.ended(), async || {
        left = api.see("outbox_list?parked=true&limit=1").await;
        left["messages"][0].is_object()
    })
    .await;
    let key = left["messages"][0]["key"].as_str().unwrap();
    assert_eq!(left["messages"][0]["state"], "parked");
    api.see("outbox_list?after=1-0").await;
    api.call("outbox_redrive", &[key], Value::Null, 200).await;
    api.call("outbox_drop", &[key], Value::Null, 200).await;
    for operation in ["outbox_redrive", "outbox_drop"] {
        api.call(operation, &[key], Value::Null, 404).await;
        api.call(operation, &["nonsense"], Value::Null, 400).await;
    }
    api.call("outbox_list?parked=perhaps", &[], Value::Null, 400).await;

    let all = api.see("journal_list?after=0&limit=1000").await;
    assert!(all["entries"][0]["plugins"][0].is_string(), "{all}");
    api.see("journal_list").await;
    api.call("journal_list?after=yesterday", &[], Value::Null, 400).await;
}

async fn jobs(api: &mut Described, server: &TestServer, gate: &Gate) {
    let tick = ["job-counter", "tick"];
    api.see("job_list").await;
    api.call("job_run", &tick, Value::Null, 202).await;
    let run = gate.next().await;
    api.call("job_run", &tick, Value::Null, 409).await;
    api.call("job_run", &["job-counter", "tock"], Value::Null, 404).await;
    api.call("job_run", &["job-counter", "%FF"], Value::Null, 400).await;
    assert!(api.see("job_list").await["jobs"][0]["runningSince"].is_string());
    run.answer().await;
    until(server.app.schedule.turns(), async || api.see("job_list").await["jobs"][0]["lastOutcome"] == "done").await;
}

async fn requests(api: &mut Described, changed: &str, trapped: &str) {
    api.see("request_list").await;
    api.see("request_list?limit=1").await;
    api.call("request_list?limit=few", &[], Value::Null, 400).await;
    let told = api.call("request_show", &[changed], Value::Null, 200).await;
    let steps = told["plugins"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["plugin"] == "v" && step["changes"][0]["after"] == "one"), "{told}");
    let told = api.call("request_show", &[trapped], Value::Null, 200).await;
    let steps = told["plugins"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["plugin"] == "traps-at-zero" && step["fault"] == "unavailable"), "{told}");
    api.call("request_show", &["never"], Value::Null, 404).await;
    api.call("request_show", &["%FF"], Value::Null, 400).await;
}

async fn the_server_itself(api: &mut Described) {
    assert_eq!(api.see("guard_show").await["guards"][0]["counts"][0]["count"], 2);
    assert!(api.call("guard_lift", &[], json!({ "minutes": 5 }), 200).await["liftedUntil"].is_string());
    api.call("guard_lift", &[], json!({ "minutes": 1_441 }), 400).await;
    api.call("guard_lift", &[], json!({ "minutes": 5, "hours": 5 }), 400).await;
    api.see("index_list").await;
    api.see("health_show").await;
    assert!(api.see("metrics_show").await.as_str().unwrap().contains("provost_"));
    api.see("document_show").await;
}

/// Whatever was done is asked for again, without a token and with one that is for something else.
async fn strangers(api: &mut Described, server: &TestServer) {
    let token = server.new_token(&["scim.read", "scim.write", "scim.try", "admin.values"]).await;
    let journal = server.journal().await.len();
    for question in api.done.clone() {
        if api.operation(&question.operation).2["security"] == json!([{}]) {
            continue;
        }
        let refused = api.ask(&question, None, 401).await;
        assert_eq!(refused["status"], 401);
        api.ask(&question, Some(&token), 403).await;
    }
    assert_eq!(server.journal().await.len(), journal);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_the_reasons_that_are_not_for_everybody() {
    let server = TestServer::start("").await;
    let told = async || server.admin("GET", "/health").await.expect(200).body;
    assert_eq!(told().await, json!({ "status": "ok", "reasons": [] }));

    let missing = "[[plugin]]\nname = \"missing\"\nplugin = \"/nowhere.wasm\"\n";
    let server = server.restart(Some(missing)).await;

    let (told, public) = (server.admin("GET", "/health").await.expect(200).body, server.health().await.body);
    assert_eq!((&told["status"], &public["status"]), (&json!("degraded"), &json!("degraded")));
    assert!(told["reasons"][0].as_str().unwrap().contains("/nowhere.wasm"), "{told}");
    assert!(public["reasons"][0].as_str().unwrap().contains("`missing` is quarantined"), "{public}");
    assert!(!public.to_string().contains("nowhere"), "{public}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_what_the_server_tells_and_needs_no_server() {
    let server = TestServer::plain().await;
    let url = format!("http://{}/admin/openapi.json", server.app.admin_listens);
    let told = client().get(url).send().await.unwrap().text().await.unwrap();
    let nowhere = tempfile::tempdir().unwrap();

    let printed = tokio::process::Command::new(binary::provost()).current_dir(&nowhere).arg("admin-api").output().await;

    let printed = printed.unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert!(String::from_utf8(printed.stdout).unwrap() == told);
    assert_eq!(std::fs::read_dir(nowhere.path()).unwrap().count(), 0);
}
