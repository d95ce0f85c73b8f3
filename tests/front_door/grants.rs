//! What a plugin may do: the smaller of what it asks for in writing and what it is granted.

use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, person};
use provost_tests::{Receiver, binary, server::user};
use serde_json::{Value, json};
use tokio::process::Command;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What a guest saw of a patch that changes a title and an e-mail address.
async fn seen(read: &str) -> Value {
    let rule = plugin(
        guests::ECHO_SEEN,
        &format!(
            "config = {{ operations = [\"patch\"], paths = [\"name\"] }}\ngrant = {{ imports = [\"config\"]{read} }}"
        ),
    );
    let server = TestServer::start(&rule).await;
    let id = server.post("/Users", person("ana")).await.expect(201).id();
    let operations = json!([
        { "op": "replace", "path": "title", "value": "Chief" },
        { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@example.org" },
        { "op": "replace", "path": format!("{ENTERPRISE}:costCenter"), "value": "4712" },
    ]);
    let detail = server.patch(&format!("/Users/{id}"), operations).await.scim_error(403, None);
    serde_json::from_str(&detail).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_the_read_grant_is_absent_from_what_a_hook_sees() {
    let all = seen("").await;
    let some = seen(", read = [\"title\", \"name.givenName\"]").await;
    let none = seen(", read = []").await;

    assert!(
        all["newNames"].as_array().unwrap().contains(&json!("emails"))
            && all["operations"].as_array().unwrap().len() == 3
    );
    assert_eq!(some["newNames"].as_array().unwrap().len(), 5, "id, meta, schemas, title, name: {some}");
    assert_eq!(some["old"]["name"], json!({ "givenName": "Ana" }));
    assert_eq!(some["changedPaths"], json!(["title"]));
    assert_eq!(some["operations"].as_array().unwrap().len(), 1);
    assert_eq!(none["newNames"].as_array().unwrap().len(), 3, "{none}");
    assert_eq!((&none["changedPaths"], &none["operations"]), (&json!([]), &json!([])));
    for seen in [some, none] {
        let text = seen.to_string();
        assert!(!text.contains("new@example.org") && !text.contains("4712") && !text.contains("López"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_document_does_not_take_away_what_its_plugin_could_not_see() {
    let rule = plugin(
        guests::STAMP,
        "config = { set = { nickName = \"stamped\" }, replace = true }\n\
         grant = { imports = [\"config\"], read = [\"nickName\", \"name.givenName\"], write = [\"nickName\"] }",
    );
    let server = TestServer::start(&rule).await;

    let made = server.post("/Users", person("ana")).await.expect(201);

    assert_eq!(made.body["nickName"], "stamped");
    for (name, value) in person("ana").as_object().unwrap().iter().filter(|(name, _)| *name != "schemas") {
        assert_eq!(made.body[name], *value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn observers_see_no_more_than_they_are_granted() {
    let mut receiver = Receiver::start().await;
    let origin = receiver.origin();
    let observer = plugin(
        guests::COUNTS_OBSERVED,
        &format!(
            "config = {{ url = \"{origin}/seen\" }}\n[plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\nread = [\"title\"]\n\
             http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
        ),
    );
    let server = TestServer::start(&observer).await;
    server.post("/Users", person("ana")).await.expect(201);

    let heard = receiver.next().await.body;

    assert_eq!(heard["after"]["title"], person("ana")["title"]);
    assert_eq!(heard["after"].as_object().unwrap().len(), 4, "{heard}");
    assert_eq!(heard["changedPaths"], json!(["title"]));
}

/// What these documents may hold when `read = ["title", "name.givenName"]` is granted, and nothing more.
fn is_some_of_a_person(shown: &Value) {
    let mut names: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["id", "meta", "name", "schemas", "title"]);
    assert_eq!((&shown["name"], &shown["title"]), (&json!({ "givenName": "Ana" }), &person("ana")["title"]));
}

const SOME: &str = ", read = [\"title\", \"name.givenName\"]";

#[tokio::test(flavor = "multi_thread")]
async fn who_decides_about_access_sees_no_more_of_the_target_than_granted() {
    let told = async |read: &str| -> Value {
        let config = "config = { operations = [\"read\", \"patch\"], echo = true }";
        let rule = plugin(guests::DENIES, &format!("{config}\ngrant = {{ imports = [\"config\"]{read} }}"));
        let server = TestServer::start(&rule).await;
        let path = format!("/Users/{}", server.post("/Users", person("ana")).await.expect(201).id());
        let detail = server.get(&path).await.scim_error(403, None);
        let patch = json!([{ "op": "remove", "path": "title" }]);
        assert_eq!(server.patch(&path, patch).await.scim_error(403, None), detail);
        serde_json::from_str(&detail).unwrap()
    };

    assert_eq!(told("").await["emails"], person("ana")["emails"]);
    is_some_of_a_person(&told(SOME).await);
    assert_eq!(told(", read = []").await.as_object().unwrap().len(), 3, "id, meta, schemas");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shapes_an_answer_sees_no_more_than_granted_and_takes_nothing_else_away() {
    let told = async |read: &str| -> Value {
        let config = "config = { echo_at = \"nickName\" }";
        let grant = format!("grant = {{ imports = [\"config\"], write = [\"nickName\"]{read} }}");
        let server = TestServer::start(&plugin(guests::MASKS, &format!("{config}\n{grant}"))).await;
        let id = server.post("/Users", person("ana")).await.expect(201).id();
        let answers = [
            server.get(&format!("/Users/{id}")).await.expect(200).body,
            server.get("/Users").await.expect(200).body["Resources"][0].clone(),
        ];
        for answer in &answers {
            for (name, value) in person("ana").as_object().unwrap().iter().filter(|(name, _)| *name != "schemas") {
                assert_eq!(answer[name], *value, "{read}: {name}");
            }
        }
        assert_eq!(answers[0]["nickName"], answers[1]["nickName"]);
        serde_json::from_str(answers[0]["nickName"].as_str().unwrap()).unwrap()
    };

    assert_eq!(told("").await["emails"], person("ana")["emails"]);
    is_some_of_a_person(&told(SOME).await);
    assert_eq!(told(", read = []").await.as_object().unwrap().len(), 3, "id, meta, schemas");
}

/// How a job ended, once it has: its outcome and its report.
async fn run(server: &TestServer, name: &str) -> (String, String) {
    let mut turns = server.app.schedule.turns();
    server.admin("POST", &format!("/jobs/{name}/tick/run")).await.expect(202);
    let ended = async {
        loop {
            let job = server.admin("GET", "/jobs").await.expect(200).body["jobs"][0].clone();
            if let (Some(outcome), Some(report)) = (job["lastOutcome"].as_str(), job["lastReport"].as_str()) {
                return (outcome.to_owned(), report.to_owned());
            }
            turns.changed().await.unwrap();
        }
    };
    tokio::time::timeout(provost_tests::receiver::PATIENCE, ended).await.expect("the job should have ended")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_shown_no_more_of_the_directory_than_granted_and_asks_for_no_more() {
    let heard = async |read: &str, filter: &str| {
        let grant = format!("[plugin.grant]\nimports = [\"config\", \"directory\"]\ndirectory = [\"User\"]\n{read}");
        let rest = format!(
            "operations = [\"delete\"]\nconfig = {{ find = '{filter}' }}\n{grant}\n[[plugin.job]]\nname = \"tick\"\nevery = \"1h\""
        );
        let server = TestServer::start(&plugin(guests::READS_DIRECTORY, &rest)).await;
        server.post("/Users", person("ana")).await.expect(201);
        run(&server, "reads-directory").await
    };
    let some = "read = [\"title\", \"name.givenName\"]";

    let (outcome, report) = heard("", "displayName pr").await;
    assert!(outcome == "done" && report.contains("López"), "{report}");
    let (outcome, report) = heard(some, "title pr").await;
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{outcome}: {report}"));
    is_some_of_a_person(&report["find"]["resources"][0]);
    let (outcome, report) = heard(some, "displayName pr").await;
    assert!(outcome == "failed" && !report.contains("López"), "{outcome}: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_a_plugin_makes_shows_it_no_more_than_granted_and_keeps_the_rest() {
    for (read, shown) in [("", person("ana").as_object().unwrap().len() + 3), ("read = [\"nickName\"]", 4)] {
        let mut receiver = Receiver::start().await;
        let origin = receiver.origin();
        let wish = "{ action = \"patch\", type = \"User\", id = \"ID\", body = '[{\"op\":\"add\",\"path\":\"nickName\",\"value\":\"x\"}]' }";
        let rest = format!(
            "config = {{ when = \"observe\", url = \"{origin}/told\", writes = [{wish}] }}\n[plugin.grant]\n\
             imports = [\"config\", \"http\", \"directory-write\"]\nwrite = [\"nickName\"]\n{read}\n\
             directory_write = [{{ type = \"User\", operations = [\"patch\"] }}]\n\
             http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
        );
        let server = TestServer::start(&plugin(guests::WRITES_DIRECTORY, &rest)).await;
        let id = server.post("/Users", person("ana")).await.expect(201).id();

        let told = receiver.next().await.body;

        let names = told[0]["done"].as_object().unwrap_or_else(|| panic!("{told}"));
        assert_eq!((names.len(), &names["nickName"]), (shown, &json!("x")), "{told}");
        let kept = server.get(&format!("/Users/{id}")).await.expect(200).body;
        for (name, value) in person("ana").as_object().unwrap().iter().filter(|(name, _)| *name != "schemas") {
            assert_eq!(kept[name], *value, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_told_to_those_only_who_may_read_them() {
    let rule = |read: &str| {
        plugin(
            guests::ECHO_SEEN,
            &format!("config = {{ operations = [\"patch\"] }}\ngrant = {{ imports = [\"config\"]{read} }}"),
        )
    };
    for (read, told) in [("", true), (", read = [\"members\"]", true), (", read = [\"displayName\"]", false)] {
        let server = TestServer::start(&rule(read)).await;
        let (ana, group) = (server.user("ana").await, server.group("staff", &[]).await);
        let add = json!([{ "op": "add", "path": "members", "value": [{ "value": ana }] }]);
        let detail = server.patch(&format!("/Groups/{group}"), add).await.scim_error(403, None);
        assert_eq!(detail.contains(&ana), told, "{read}: {detail}");
    }
}

/// What a guest hears when it asks the directory for everybody that this filter matches.
async fn found(read: &str, filter: &str) -> provost_tests::Answer {
    let rule = plugin(
        guests::READS_DIRECTORY,
        &format!(
            "operations = [\"patch\"]\nconfig = {{ find = '{filter}' }}\n\
             grant = {{ imports = [\"config\", \"directory\"], directory = [\"User\"]{read} }}"
        ),
    );
    let server = TestServer::start(&rule).await;
    let id = server.post("/Users", person("ana")).await.expect(201).id();
    server.patch(&format!("/Users/{id}"), json!([{ "op": "add", "path": "title", "value": "x" }])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_shows_no_more_than_may_be_read_and_is_asked_for_no_more() {
    let all = found("", "displayName pr").await.scim_error(403, None);
    assert!(all.contains("López"));

    let some = found(", read = [\"userName\"]", "userName eq \"ana\"").await.scim_error(403, None);
    assert!(some.contains("\"userName\":\"ana\"") && !some.contains("López"), "{some}");

    let oracle = found(", read = [\"userName\"]", "displayName eq \"Ana López García\"").await;
    assert!(oracle.status >= 500, "{oracle:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_holds_no_more_entries_than_the_operator_says() {
    let counts = |entries: &str| {
        plugin(guests::COUNTS_OBSERVED, &format!("grant = {{ imports = [\"config\", \"state\", \"http\"]{entries} }}"))
    };
    for (entries, parked) in [("", false), (", state_entries = 2", false), (", state_entries = 1", true)] {
        let server = TestServer::start(&counts(entries)).await;
        let mut ended = server.app.delivery.ended();
        // One after the other: calls that run at once may go beyond it.
        for (name, told) in [("ana", 1), ("bea", 2)] {
            server.user(name).await;
            let waited = ended.wait_for(|count| *count >= told);
            tokio::time::timeout(provost_tests::receiver::PATIENCE, waited).await.unwrap().unwrap();
        }
        assert_eq!(!server.outbox().await.is_empty(), parked, "{entries}");
    }
}

/// The guest `asks` asks for `nickName`, `title`, and the target `crm`; the operator grants much more.
fn asking(config: &str) -> String {
    plugin(
        guests::ASKS,
        &format!(
            "config = {config}\ngrant = {{ imports = [\"config\", \"outbox\", \"log\", \"state\"], write = [\"*\"], outbox = [\"crm\", \"mail\"] }}"
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_does_not_ask_for_it_does_not_get() {
    let allowed = TestServer::start(&asking("{ set = { nickName = \"x\" }, enqueue = \"crm\" }")).await;
    assert_eq!(allowed.post("/Users", user("ana")).await.expect(201).body["nickName"], "x");

    let path = TestServer::start(&asking("{ set = { displayName = \"x\" } }")).await;
    path.post("/Users", user("ana")).await.scim_error(503, None);
    assert_eq!(path.plugins().await[0]["faults"], json!({ "output": 1 }));

    let target = TestServer::start(&asking("{ enqueue = \"mail\" }")).await;
    assert!(target.post("/Users", user("ana")).await.status >= 500);
    assert_eq!(target.count("/Users").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_asks_for_and_is_not_granted_it_does_not_get() {
    let granted = |write: &str| {
        plugin(
            guests::ASKS,
            &format!(
                "config = {{ set = {{ title = \"x\" }} }}\ngrant = {{ imports = [\"config\", \"outbox\"], write = [\"{write}\"] }}"
            ),
        )
    };
    let allowed = TestServer::start(&granted("title")).await;
    allowed.post("/Users", user("ana")).await.expect(201);

    let denied = TestServer::start(&granted("nickName")).await;
    denied.post("/Users", user("ana")).await.scim_error(503, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_granted_and_used_are_shown_side_by_side() {
    let server = TestServer::start(&asking("{ set = { nickName = \"x\" }, enqueue = \"crm\" }")).await;
    server.post("/Users", user("ana")).await.expect(201);

    let shown = server.admin("GET", "/plugins/asks/grants").await.expect(200).body;

    assert_eq!(
        shown["asked"],
        json!(["imports config", "imports outbox", "outbox crm", "read *", "write nickName", "write title"])
    );
    assert!(shown["granted"].as_array().unwrap().contains(&json!("imports state")));
    assert!(!shown["effective"].as_array().unwrap().contains(&json!("imports state")));
    assert_eq!((&shown["used"]["outbox crm"], &shown["used"]["write nickName"]), (&json!(1), &json!(1)));
    assert!(shown["used"]["write title"].is_null());
    server.admin("GET", "/plugins/nobody/grants").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_asks_for_more_waits_until_it_is_granted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rule.wasm");
    std::fs::copy(guests::STAMP, &file).unwrap();
    let manifest = directory.path().join("rule.plugin.toml");
    std::fs::write(&manifest, "[ask]\nimports = [\"config\"]\nwrite = [\"nickName\"]\n").unwrap();
    let table = |grant: &str| {
        format!(
            "[[plugin]]\nname = \"rule\"\nplugin = \"{}\"\nconfig = {{ set = {{ nickName = \"x\" }} }}\ngrant = {{ {grant} }}\n",
            file.display()
        )
    };
    let server = TestServer::start(&table("imports = [\"config\"], write = [\"nickName\"]")).await;
    let reload = async || server.admin("POST", "/plugins/reload").await;

    std::fs::copy(guests::ASKS, &file).unwrap();
    let refused = reload().await.expect(409);

    let detail = refused.body["detail"].as_str().unwrap();
    for more in ["imports outbox", "outbox crm", "write title"] {
        assert!(detail.contains(more), "{detail}");
    }
    assert!(!detail.contains("write nickName"), "{detail}");
    assert_eq!(server.plugins().await[0]["state"], "outdated");
    let grants = server.admin("GET", "/plugins/rule/grants").await.expect(200).body;
    assert!(grants["refused"].as_str().unwrap().contains("write title"), "{grants}");
    assert_eq!(server.post("/Users", user("ana")).await.expect(201).body["nickName"], "x");

    let more = "imports = [\"config\", \"outbox\"], write = [\"nickName\", \"title\"], outbox = [\"crm\"]";
    server.reconfigure(&table(more));
    reload().await.expect(200);
    assert_eq!(server.plugins().await[0]["state"], "ready");
}

/// Tables that name something that is not there, each with the key, the name, and words that help.
const MISSPELT: [(&str, [&str; 3]); 6] = [
    ("types = [\"User\", \"Users\"]", ["types", "`Users`", "`User`, `Group`"]),
    ("paths = [\"tittle\"]", ["paths", "`tittle`", "name.givenName"]),
    ("grant = { read = [\"name.middle\"] }", ["grant.read", "`name.middle`", "`User`, `Group`"]),
    (
        "grant = { write = [\"title\", \"urn:example:2.0:User:desk\"] }",
        ["grant.write", "`urn:example:2.0:User:desk`", "URN"],
    ),
    ("grant = { imports = [\"directory\"], directory = [\"user\"] }", ["grant.directory", "`user`", "`User`, `Group`"]),
    (
        "grant = { imports = [\"directory-write\"], directory_write = [{ type = \"Role\", operations = [\"patch\"] }] }",
        ["grant.directory_write", "`Role`", "`User`, `Group`"],
    ),
];

fn told(said: &str, words: [&str; 3]) {
    assert!(said.contains("`stamp`"), "the plugin is named: {said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_table_names_and_is_not_there_is_told_before_anything_starts() {
    let data = tempfile::tempdir().unwrap();
    for (table, words) in MISSPELT {
        let config = format!("[server]\nlisten = \"127.0.0.1:0\"\n{}", plugin(guests::STAMP, table));
        std::fs::write(data.path().join("provost.toml"), config).unwrap();
        for command in ["check", "serve"] {
            let mut provost = Command::new(binary::provost());
            let output = provost.current_dir(data.path()).arg(command).output().await.unwrap();
            assert!(!output.status.success(), "{command} {table}");
            told(&String::from_utf8_lossy(&output.stderr), words);
        }
    }
    assert!(!data.path().join("provost-data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_table_names_and_is_not_there_is_refused_while_the_server_runs() {
    let good = plugin(
        guests::STAMP,
        "config = { set = { nickName = \"x\" } }\ngrant = { imports = [\"config\"], write = [\"nickName\"] }",
    );
    let server = TestServer::start(&good).await;
    for (table, words) in MISSPELT {
        server.reconfigure(&plugin(guests::STAMP, table));
        let refused = server.admin("POST", "/plugins/reload").await.expect(400).body;
        told(refused["detail"].as_str().unwrap(), words);
    }
    let installed = json!({
        "name": "other", "plugin": guests::STAMP, "grant": { "imports": ["config"], "write": ["nickname.first"] },
    });
    let refused = server.admin_with("POST", "/plugins", installed).await.expect(409).body;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("`other`") && detail.contains("`nickname.first`"), "{detail}");

    assert_eq!(server.post("/Users", user("ana")).await.expect(201).body["nickName"], "x");
    assert_eq!(server.plugins().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_may_ask_for_what_an_installation_does_not_have() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rule.wasm");
    std::fs::copy(guests::STAMP, &file).unwrap();
    let ask = "[ask]\nimports = [\"config\", \"directory\"]\nwrite = [\"nickName\", \"badge\"]\n\
               directory = [\"Device\"]\ntypes = [\"User\", \"Device\"]\n";
    std::fs::write(directory.path().join("rule.plugin.toml"), ask).unwrap();
    let table = "config = { set = { nickName = \"x\" } }\ngrant = { imports = [\"config\"], write = [\"nickName\"] }";
    let server = TestServer::start(&plugin(file.to_str().unwrap(), table)).await;

    assert_eq!(server.plugins().await[0]["state"], "ready", "{:?}", server.plugins().await);
    assert_eq!(server.post("/Users", user("ana")).await.expect(201).body["nickName"], "x");
}
