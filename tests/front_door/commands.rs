//! The commands, as their users type them: against a running server, and on a store that nobody has open.

use std::path::Path;
use std::process::Output;

use provost_tests::binary;
use provost_tests::engine::engine;
use provost_tests::guests::{self, plugin};
use provost_tests::receiver::Receiver;
use provost_tests::server::{TestServer, user};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};
use tokio::process::Command;

async fn provost(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary::provost());
    // Run where no stray provost.toml lies.
    command.current_dir(data).env(binary::ENGINE_VARIABLE, engine()).arg("--data").arg(data).args(arguments);
    command.output().await.expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn good(output: Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn bad(output: Output) -> String {
    assert!(!output.status.success(), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_listed_and_revoked_with_and_without_a_server() {
    let server = TestServer::plain().await;

    let token = good(provost(server.data(), &["token", "create", "entra", "--scope", "scim.read"]).await);
    let url = format!("{}/Users", server.app.base_url);
    let client = provost_tests::server::client();
    server.send(client.get(&url).bearer_auth(token.trim())).await.expect(200);
    let listed = good(provost(server.data(), &["token", "list"]).await);
    assert!(listed.contains("entra") && !listed.contains(token.trim()), "{listed}");

    let data = server.stop().await;
    let listed = good(provost(data.path(), &["token", "list"]).await);
    let id = listed.lines().find(|line| line.contains("entra")).unwrap().split('\t').next().unwrap().to_owned();
    good(provost(data.path(), &["token", "revoke", &id]).await);
    assert!(!good(provost(data.path(), &["token", "list"]).await).contains("entra"));
    assert!(bad(provost(data.path(), &["token", "revoke", &id]).await).contains(&id));
    assert!(bad(provost(data.path(), &["token", "create", "x", "--scope", "everything"]).await).contains("scim.read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_of_a_running_server_are_listed_and_changed() {
    let server = TestServer::start(&plugin(
        guests::VERSION_ONE,
        "grant = { imports = [\"config\", \"log\"], write = [\"nickName\", \"title\"] }",
    ))
    .await;
    let run = async |arguments: &[&str]| provost(server.data(), &[&["plugin"], arguments].concat()).await;
    let table = server.data().join("table.toml");
    std::fs::write(&table, "on_fault = \"skip\"\n[grant]\nimports = [\"log\", \"config\"]\nwrite = [\"title\"]\n")
        .unwrap();

    let listed = good(run(&["list"]).await);
    assert!(
        listed.contains("version-one\t1.0.0") && listed.contains("ready") && listed.contains("configuration"),
        "{listed}"
    );
    assert!(good(run(&["upgrade", "version-one", guests::VERSION_TWO]).await).contains("`version-one` is loaded"));
    let install = ["install", guests::VERSION_ONE, "--name", "second", "--table", table.to_str().unwrap()];
    assert!(good(run(&install).await).contains("`second` is loaded"));
    good(run(&["move", "second", "--before", "version-one"]).await);
    assert!(good(run(&["list"]).await).starts_with("second\t1.0.0"));
    assert!(good(run(&["disable", "second"]).await).contains("switched off"));
    assert!(good(run(&["enable", "second"]).await).contains("is loaded"));
    assert!(good(run(&["close-breaker", "second"]).await).contains("closed"));
    assert!(good(run(&["remove", "second"]).await).contains("is removed"));
    assert!(good(run(&["grants", "version-one"]).await).contains("write nickName\t-\tgranted"));
    assert!(good(run(&["reload"]).await).contains("nothing is different"));

    assert!(bad(run(&["remove", "version-one"]).await).contains("stands in the configuration"));
    assert!(bad(run(&["enable", "nobody"]).await).contains("no plugin `nobody`"));
    assert!(bad(run(&["upgrade", "version-one", "/nowhere.wasm"]).await).contains("/nowhere.wasm"));
    let unknown = server.data().join("unknown.toml");
    std::fs::write(&unknown, "onfault = \"skip\"").unwrap();
    let install = ["install", guests::VERSION_ONE, "--name", "third", "--table", unknown.to_str().unwrap()];
    assert!(bad(run(&install).await).contains("onfault"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_shown_with_and_without_a_server() {
    let server = TestServer::plain().await;
    let id = server.user("ana").await;

    assert!(good(provost(server.data(), &["journal", "tail"]).await).contains(&id));
    let data = server.stop().await;
    assert!(good(provost(data.path(), &["journal", "tail"]).await).contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_listed_redriven_and_dropped_without_a_server() {
    let rest = "config = { retryable = false }\ngrant = { imports = [\"config\", \"outbox\"], outbox = [\"void\"] }";
    let server = TestServer::start(&plugin(guests::DELIVER_FAILS, rest)).await;
    server.user("ana").await;
    server.user("ben").await;
    let data = server.stop().await;

    let listed = good(provost(data.path(), &["outbox", "list"]).await);
    let keys: Vec<&str> = listed.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(keys.len(), 2, "{listed}");
    good(provost(data.path(), &["outbox", "redrive", keys[0]]).await);
    good(provost(data.path(), &["outbox", "drop", keys[1]]).await);

    assert_eq!(good(provost(data.path(), &["outbox", "list"]).await).lines().count(), 1);
    assert!(good(provost(data.path(), &["check"]).await).contains("0 findings"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_data_directory_says_so_and_exits() {
    let server = TestServer::plain().await;

    let said = bad(provost(server.data(), &["serve", "--listen", "127.0.0.1:0"]).await);

    assert!(said.contains(&server.data().display().to_string()) && said.contains("another process"), "{said}");
    let said = bad(provost(server.data(), &["check"]).await);
    assert!(said.contains("another process"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_told_with_its_line() {
    let data = tempfile::TempDir::new().unwrap();
    let write = |text: &str| std::fs::write(data.path().join("provost.toml"), text).unwrap();

    write("[server]\nlisten = \"here\"\n");
    let said = bad(provost(data.path(), &["serve"]).await);
    assert!(said.contains("provost.toml") && said.contains("line 2") && said.contains("listen"), "{said}");
    write("[server]\nbase_path = \"scim\"\n");
    assert!(bad(provost(data.path(), &["check"]).await).contains("server.base_path"));
    write("[[plugin]]\nname = \"x\"\nplugin = \"builtin:forward\"\nlimit = { hook_ms = 999999 }\n");
    let said = bad(provost(data.path(), &["check"]).await);
    assert!(said.contains("hook_ms") && said.contains("500"), "{said}");

    write("");
    let mut command = Command::new(binary::provost());
    command.current_dir(data.path()).env("PROVOST__SERVER__LISTEN", "there").arg("check");
    let said = bad(command.output().await.unwrap());
    assert!(said.contains("PROVOST__SERVER__LISTEN"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_checked_and_run_without_a_server() {
    let data = tempfile::TempDir::new().unwrap();

    let said = good(provost(data.path(), &["plugin", "check", guests::STAMP]).await);
    assert!(said.contains("before-write") && said.contains("config"), "{said}");
    std::fs::write(data.path().join("no.wasm"), "nothing").unwrap();
    let file = data.path().join("no.wasm");
    let said = bad(provost(data.path(), &["plugin", "check", file.to_str().unwrap()]).await);
    assert!(said.contains("no.wasm"), "{said}");

    let change = json!({
        "operation": "create", "resourceType": "User", "proposed": user("ana"),
        "config": { "set": { "nickName": "stamped" } },
    });
    let input = data.path().join("change.json");
    std::fs::write(&input, change.to_string()).unwrap();
    let said = good(provost(data.path(), &["plugin", "run", guests::STAMP, "--input", input.to_str().unwrap()]).await);
    let outcome: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(outcome["verdict"], "patch");
    assert_eq!(outcome["resource"]["nickName"], "stamped");
    assert_eq!(outcome["changedPaths"], json!(["nickName"]));

    std::fs::write(&input, json!({ "proposed": user("ana") }).to_string()).unwrap();
    let said = bad(provost(data.path(), &["plugin", "run", guests::PANICS, "--input", input.to_str().unwrap()]).await);
    assert!(said.contains("trap"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_lists_its_plugins() {
    let server = TestServer::start(&plugin(guests::STAMP, "grant = { imports = [\"config\"] }")).await;

    let said = good(provost(server.data(), &["plugin", "list"]).await);

    assert!(said.contains("stamp") && said.contains("ready"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_its_whole_story_and_ends() {
    let data = tempfile::TempDir::new().unwrap();

    let said = good(provost(data.path(), &["demo", "--exit"]).await);

    for scene in [
        "- userName: \"  Ana.Lopez@Example.ORG \"",
        "+ userName: \"ana.lopez@example.org\"",
        "⇒ PUT /people/hr-1001",
        "\"scimType\": \"invalidValue\"",
        "\"state\": \"",
        "\"Head of Research\"",
        "\"changedPaths\"",
    ] {
        assert!(said.contains(scene), "the demo does not show {scene}:\n{said}");
    }
}

/// S-24.7
#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_requests_and_carries_no_token_no_value_and_no_filter() {
    const SECRETS: [&str; 6] = [
        "ana-4711",
        "hush-4711@example.org",
        "Deputy-4711",
        "t0p-s3cret-4711",
        "provost_forged-4711",
        "cr3dential-4711",
    ];
    let mut receiver = Receiver::start().await;
    receiver.answer(500);
    let origin = receiver.origin();
    let data = tempfile::TempDir::new().unwrap();
    provost_tests::server::share_compiled_guests(data.path());
    let tables = plugin(
        guests::STAMP,
        "config = { set = { nickName = \"Deputy-4711\" } }\ngrant = { imports = [\"config\"], write = [\"*\"] }",
    ) + &plugin(
        guests::RETURNS_GARBAGE,
        "on_fault = \"skip\"\nconfig = { kind = \"wrong_type\" }\ngrant = { imports = [\"config\"], write = [\"*\"] }",
    ) + &plugin(
        guests::ENQUEUE_REQUEST,
        &format!(
            "config = {{ url = \"{origin}/\", credential = \"crm\" }}\n[plugin.grant]\nimports = [\"config\", \"outbox\"]\n\
             outbox = [\"hook\"]\nsecrets = [\"crm\"]\n\
             http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
        ),
    ) + "[secret.crm]\nvalue = \"cr3dential-4711\"\n";
    std::fs::write(data.path().join("provost.toml"), format!("[server]\nlisten = \"127.0.0.1:0\"\n{tables}")).unwrap();
    let mut command = Command::new(binary::provost());
    command
        .current_dir(data.path())
        .env(binary::ENGINE_VARIABLE, engine())
        .env(
            "PROVOST__LOG__LEVEL",
            "provost=trace,hyper=trace,hyper_util=trace,reqwest=trace,sled=debug,fjall=debug,lsm_tree=debug",
        )
        .env("PROVOST__LOG__FORMAT", "json");
    command.args(["--data", data.path().to_str().unwrap(), "serve"]).kill_on_drop(true);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let base = loop {
        let line = lines.next_line().await.unwrap().expect("the server says where it serves");
        if let Some(base) = line.strip_prefix("serving ") {
            break base.to_owned();
        }
    };
    let log = tokio::spawn({
        let mut stderr = child.stderr.take().unwrap();
        async move {
            let mut log = String::new();
            stderr.read_to_string(&mut log).await.map(|_| log)
        }
    });
    let token = std::fs::read_to_string(data.path().join("admin.token")).unwrap().trim().to_owned();
    let client = provost_tests::server::client();
    let send = async |request: reqwest::RequestBuilder| request.send().await.unwrap();
    let mut body = user("ana-4711");
    body["emails"] = json!([{ "value": "hush-4711@example.org" }]);
    body["password"] = json!("t0p-s3cret-4711");

    let created = send(client.post(format!("{base}/Users")).bearer_auth(&token).json(&body)).await;
    let request_id = created.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(created.status(), 201);
    send(client.post(format!("{base}/Users")).bearer_auth(&token).json(&body)).await;
    send(client.get(format!("{base}/Users?filter=userName+eq+%22ana-4711%22")).bearer_auth(&token)).await;
    send(client.get(format!("{base}/Users?filter=emails+eq+%22hush-4711@example.org%22")).bearer_auth(&token)).await;
    send(client.get(format!("{base}/Users?filter=userName+like+%22ana-4711%22")).bearer_auth(&token)).await;
    send(client.get(format!("{base}/Users")).bearer_auth("provost_forged-4711")).await;
    receiver.next().await;
    receiver.answer(200);
    receiver.next().await;
    drop(client);

    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(child.wait().await.unwrap().success(), "a server that is asked to stop ends well");
    let log = log.await.unwrap().unwrap();
    assert!(log.contains(&request_id), "the request is not in the log");
    // A tolerated deviation is named by its switch.
    assert!(log.contains("needed the leniency `filter.implied_value` (L-F5)"), "the deviation is not in the log");
    for secret in SECRETS.into_iter().chain([token.as_str()]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} stands in the log: {line:?}");
    }
    assert!(!data.path().join("admin.address").exists());
}
