//! What never scans, what the operator adds to it, and what a scan may cost.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use provost::store::{Index, Space, Store, StoreConfig};
use provost_scim::Schemas;
use provost_tests::binary;
use provost_tests::engine::engine;
use provost_tests::server::{Answer, TestServer, crowd_of, user};
use serde_json::{Value, json};
use tokio::process::Command;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A body whose nick name and employee number nobody else has.
fn numbered(name: &str) -> Value {
    let mut body = user(name);
    body["nickName"] = json!(format!("nick {name}"));
    body[ENTERPRISE]["employeeNumber"] = json!(format!("E-{name}"));
    body
}

fn index(attribute: &str) -> String {
    format!("[[store.index]]\ntype = \"User\"\nattribute = \"{attribute}\"\n")
}

/// What the admin API says of the indexes.
async fn indexes(server: &TestServer) -> Vec<Value> {
    server.admin("GET", "/indexes").await.expect(200).body["indexes"].as_array().expect("a list").clone()
}

/// Returns once every index answers queries.
async fn all_ready(server: &TestServer) {
    while indexes(server).await.iter().any(|index| index["state"] != "ready") {}
}

/// `GET /Users` with this one parameter.
async fn list(server: &TestServer, name: &str, value: &str) -> Answer {
    let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
    server.get(&format!("/Users?{name}={value}")).await
}

/// How many resources a filter reads, and how many it finds.
async fn cost(server: &TestServer, filter: &str) -> (u64, u64) {
    let before = server.app.store.keys_read(Space::Resources);
    let found = list(server, "filter", filter).await.expect(200).body["totalResults"].as_u64().expect("a number");
    (server.app.store.keys_read(Space::Resources) - before, found)
}

async fn provost(directory: &Path, data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary::provost());
    command.current_dir(directory).env(binary::ENGINE_VARIABLE, engine()).arg("--data").arg(data).args(arguments);
    command.output().await.expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_that_the_operator_adds_is_indexed_while_the_server_serves() {
    const USERS: u64 = 700;
    let server = TestServer::plain().await;
    crowd_of(&server, USERS as usize, numbered).await;
    let number = format!("{ENTERPRISE}:employeeNumber");
    let filters = [
        "nickName eq \"NICK member-7\"".to_owned(),
        format!("{number} eq \"e-member-7\""),
        format!("{number} sw \"E-member-42\" and nickName co \"420\""),
        format!("nickName eq \"nick member-8\" or {number} eq \"e-member-8\""),
    ];
    for filter in &filters {
        assert_eq!(cost(&server, filter).await, (USERS, 1), "{filter}");
    }

    let server = server.restart(Some(&(index("nickName") + &index(&number)))).await;
    // It serves at once, whether the indexes are ready or not, and finds what is new and what is old.
    server.post("/Users", numbered("late")).await.expect(201);
    assert_eq!(cost(&server, "nickName eq \"nick late\"").await.1, 1);
    assert_eq!(cost(&server, &filters[0]).await.1, 1);
    all_ready(&server).await;

    for (filter, candidates) in filters.iter().zip([1, 1, 11, 1]) {
        let (read, found) = cost(&server, filter).await;
        assert_eq!(found, 1, "{filter}");
        assert!(read <= candidates, "`{filter}` read {read} resources");
    }
    assert_eq!(cost(&server, "nickName eq \"nick late\"").await, (1, 1));
    let listed = indexes(&server).await;
    let nick = json!({ "resourceType": "User", "attribute": "nickName", "state": "ready" });
    assert!(listed.contains(&nick), "{listed:?}");

    let server = server.restart(Some("")).await;
    all_ready(&server).await;
    assert!(!indexes(&server).await.iter().any(|index| index["attribute"] == "nickName"));
    assert_eq!(cost(&server, &filters[0]).await, (USERS + 1, 1));
    let data = server.stop().await;
    let checked = provost(data.path(), data.path(), &["check"]).await;
    assert!(checked.status.success() && text(&checked.stdout).contains(" 0 findings"), "{}", text(&checked.stdout));
}

/// S-9.4, S-10.11: what is expensive but valid is `tooMany`.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_beyond_its_budget_is_too_many_and_says_what_to_do() {
    let server = TestServer::start("[store]\nscan_resources_max = 5\n").await;
    for n in 0..6 {
        server.post("/Users", numbered(&format!("user{n}"))).await.expect(201);
    }

    let refused = list(&server, "filter", "nickName eq \"nick user3\"").await;
    let detail = refused.scim_error(400, Some("tooMany"));
    assert!(detail.contains("more than 5 resources") && detail.contains("indexed attribute"), "{detail}");
    assert!(!detail.contains("user3"), "{detail}");
    list(&server, "sortBy", "nickName").await.scim_error(400, Some("tooMany"));
    list(&server, "filter", "userName sw \"user\"").await.scim_error(400, Some("tooMany"));

    // What is indexed, and what needs no filter at all, is not what the budget is about.
    for (name, value) in
        [("filter", "userName eq \"user3\""), ("filter", "userName sw \"user3\""), ("sortBy", "userName")]
    {
        list(&server, name, value).await.expect(200);
    }
    assert_eq!(server.count("/Users").await, 6);

    let config = format!("[store]\nscan_resources_max = 5\n{}", index("nickName"));
    let server = server.restart(Some(&config)).await;
    all_ready(&server).await;
    let found = list(&server, "filter", "nickName eq \"nick user3\"").await.expect(200);
    assert_eq!(found.body["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_makes_no_sense_is_told_before_anything_is_started() {
    let data = tempfile::TempDir::new().unwrap();
    let refused = async |text: &str, command: &str| {
        std::fs::write(data.path().join("provost.toml"), text).unwrap();
        let output = provost(data.path(), data.path(), &[command]).await;
        assert!(!output.status.success(), "{}", self::text(&output.stdout));
        self::text(&output.stderr)
    };
    for command in ["check", "serve"] {
        let said = refused(&index("password"), command).await;
        assert!(said.contains("store.index") && said.contains("`password` of `User`"), "{said}");
        assert!(said.contains("never returned"), "{said}");
        let said = refused(&index("tittle").replace("User", "Person"), command).await;
        assert!(said.contains("`tittle` of `Person`") && said.contains("no such resource type"), "{said}");
        let said = refused("[store]\nscan_resources_max = 0\n", command).await;
        assert!(said.contains("store.scan_resources_max"), "{said}");
    }
    assert!(!data.path().join("sled").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_in_the_making_is_no_damage_and_commands_leave_it_as_it_is() {
    let server = TestServer::plain().await;
    server.user("ana").await;
    let data = server.stop().await;
    let schemas = Arc::new(Schemas::standard());
    let mut config = StoreConfig::new(data.path(), &schemas);
    config.engine = engine().parse().unwrap();
    config.indexes.as_mut().unwrap().push(Index::named(&schemas, "User", "title").unwrap());
    Store::open(&config, schemas).await.unwrap().close().await;

    // A configuration that knows nothing of it is no reason to throw it away.
    let elsewhere = tempfile::TempDir::new().unwrap();
    for _ in 0..2 {
        let checked = text(&provost(elsewhere.path(), data.path(), &["check"]).await.stdout);
        assert!(checked.contains("the index of User.title is building: 0 resources are done"), "{checked}");
        assert!(checked.contains(" 0 findings"), "{checked}");
        let listed = text(&provost(elsewhere.path(), data.path(), &["index", "list"]).await.stdout);
        assert!(listed.lines().any(|line| line == "User\ttitle\tbuilding\t0 resources"), "{listed}");
        assert!(listed.lines().any(|line| line == "User\tuserName\tready"), "{listed}");
    }
}
