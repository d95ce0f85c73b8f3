//! Groups in groups, the names of members, and what clients may leave out.

use std::collections::{BTreeMap, BTreeSet};

use provost::store::Space;
use provost_tests::server::{Answer, SCIM_JSON, TestServer, patch, user};
use serde_json::{Value, json};

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// The names of the groups that a user shows, with their types.
fn types(user: &Value) -> BTreeMap<String, String> {
    let groups = user["groups"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let shown: BTreeMap<_, _> = groups.iter().map(|g| (text(&g["display"]), text(&g["type"]))).collect();
    assert_eq!(shown.len(), groups.len(), "a group is listed twice: {groups:?}");
    shown
}

fn expected<const N: usize>(groups: [(&str, &str); N]) -> BTreeMap<String, String> {
    groups.into_iter().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The ids that a filter finds, encoded as a client would.
async fn found(server: &TestServer, endpoint: &str, filter: &str) -> BTreeSet<String> {
    let filter: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
    let body = server.get(&format!("{endpoint}?attributes=id&count=200&filter={filter}")).await.expect(200).body;
    body["Resources"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
}

async fn join(server: &TestServer, group: &str, member: &str) {
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": member }] }]);
    server.patch(&format!("/Groups/{group}"), add).await.expect(200);
}

/// Ana is in `team` and in `all`; `team` is in `unit`, `unit` in `all`, and `all` in `team` again.
struct Nested {
    server: TestServer,
    ana: String,
    ben: String,
    team: String,
    unit: String,
    all: String,
    other: String,
}

impl Nested {
    async fn new() -> Self {
        let server = TestServer::plain().await;
        let (ana, ben) = (server.user("ana").await, server.user("ben").await);
        let team = server.group("team", &[&ana]).await;
        let unit = server.group("unit", &[&team, &ben]).await;
        let all = server.group("all", &[&unit, &ana]).await;
        let other = server.group("other", &[&ben]).await;
        join(&server, &team, &all).await;
        Self { server, ana, ben, team, unit, all, other }
    }
}

/// S-6.9: cycles are legal, and telling indirect membership ends. A group that is both is direct.
#[tokio::test(flavor = "multi_thread")]
async fn s_6_9_groups_in_groups_are_indirect_and_circles_end() {
    let Nested { server, ana, ben, unit, .. } = &Nested::new().await;

    let shown = server.get(&format!("/Users/{ana}")).await.expect(200).body;
    assert_eq!(types(&shown), expected([("team", "direct"), ("all", "direct"), ("unit", "indirect")]));
    let of_unit = shown["groups"].as_array().unwrap().iter().find(|g| g["value"] == json!(unit)).unwrap();
    assert_eq!(of_unit["$ref"], json!(format!("{}/Groups/{unit}", server.app.base_url)));
    let shown = server.get(&format!("/Users/{ben}")).await.expect(200).body;
    let of_ben = [("unit", "direct"), ("other", "direct"), ("all", "indirect"), ("team", "indirect")];
    assert_eq!(types(&shown), expected(of_ben));

    // A list shows the same, and so does the answer to a write.
    let list = server.get("/Users?sortBy=userName").await.expect(200).body;
    assert_eq!(types(&list["Resources"][1]), expected(of_ben));
    let title = json!([{ "op": "replace", "path": "title", "value": "CEO" }]);
    assert_eq!(types(&server.patch(&format!("/Users/{ben}"), title).await.expect(200).body), expected(of_ben));
    assert_eq!(types(&server.put(&format!("/Users/{ben}"), user("ben")).await.expect(200).body), expected(of_ben));
}

/// S-10.36: what is computed is filterable, and a filter agrees with what is shown.
#[tokio::test(flavor = "multi_thread")]
async fn s_10_36_filters_on_groups_agree_with_what_users_show() {
    let Nested { server, ana, ben, team, unit, all, other } = &Nested::new().await;
    let nobody = &server.user("nobody").await;
    let base = &server.app.base_url;
    let cases: Vec<(String, Vec<&String>)> = vec![
        (format!("groups.value eq \"{unit}\""), vec![ana, ben]),
        (format!("groups eq \"{team}\""), vec![ana, ben]),
        (format!("groups[value eq \"{other}\"]"), vec![ben]),
        (format!("groups[value eq \"{unit}\" and type eq \"direct\"]"), vec![ben]),
        (format!("groups[value eq \"{unit}\" and type eq \"indirect\"]"), vec![ana]),
        (format!("groups.value eq \"{all}\" and userName eq \"ana\""), vec![ana]),
        (format!("not (groups.value eq \"{all}\")"), vec![nobody]),
        (format!("userName eq \"nobody\" and groups.value eq \"{all}\""), vec![]),
        ("groups.value eq \"no id\"".into(), vec![]),
        ("groups.display eq \"UNIT\"".into(), vec![ana, ben]),
        ("groups.display sw \"oth\"".into(), vec![ben]),
        ("groups.type eq \"indirect\"".into(), vec![ana, ben]),
        ("groups[display eq \"team\" and type eq \"direct\"]".into(), vec![ana]),
        (format!("groups.$ref eq \"{base}/Groups/{other}\""), vec![ben]),
        ("groups pr".into(), vec![ana, ben]),
        ("not (groups pr)".into(), vec![nobody]),
    ];
    for (filter, expected) in cases {
        let expected: BTreeSet<String> = expected.into_iter().cloned().collect();
        assert_eq!(found(server, "/Users", &filter).await, expected, "{filter}");
    }
}

/// A page of users reads each of their groups once, not once for each user.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_users_follows_each_group_once() {
    let server = TestServer::plain().await;
    let mut users = Vec::new();
    for n in 0..40 {
        users.push(server.user(&format!("user-{n:02}")).await);
    }
    let everybody: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut inner = server.group("level-0", &everybody).await;
    for level in 1..6 {
        inner = server.group(&format!("level-{level}"), &[&inner]).await;
    }
    let store = &server.app.store;

    let (edges, records) = (store.keys_read(Space::Edges), store.keys_read(Space::Resources));
    let list = server.get("/Users?count=40").await.expect(200).body;
    assert!(list["Resources"].as_array().unwrap().iter().all(|user| types(user).len() == 6));
    // An edge for each user, and one from each group to the next.
    assert_eq!(store.keys_read(Space::Edges) - edges, 40 + 5);
    assert_eq!(store.keys_read(Space::Resources) - records, 40 + 6);

    // Names are read only where they are shown, and nothing where groups are not.
    let records = store.keys_read(Space::Resources);
    server.get("/Users?count=40&attributes=groups.value").await.expect(200);
    assert_eq!(store.keys_read(Space::Resources) - records, 40);
    let edges = store.keys_read(Space::Edges);
    server.get("/Users?count=40&excludedAttributes=groups").await.expect(200);
    server.get(&format!("/Users/{}?attributes=userName", users[0])).await.expect(200);
    assert_eq!(store.keys_read(Space::Edges), edges);
}

/// S-6.8: nobody joins a group by way of the user.
#[tokio::test(flavor = "multi_thread")]
async fn s_6_8_groups_of_a_user_cannot_be_written() {
    let server = TestServer::plain().await;
    let staff = server.group("staff", &[]).await;
    let mut body = user("ana");
    body["groups"] = json!([{ "value": staff, "type": "direct" }]);

    let created = server.post("/Users", body.clone()).await.expect(201);
    let path = format!("/Users/{}", created.id());
    let replaced = server.put(&path, body).await.expect(200);
    let add = json!([{ "op": "add", "path": "groups", "value": [{ "value": staff }] }]);
    server.patch(&path, add).await.scim_error(400, Some("mutability"));

    assert_eq!((&created.body["groups"], &replaced.body["groups"]), (&Value::Null, &Value::Null));
    assert_eq!(server.get(&format!("/Groups/{staff}")).await.expect(200).body["members"], Value::Null);
    assert_eq!(server.app.store.keys_read(Space::Memberships), 0);
}

/// Section 4.2: `display` is the server's to tell; a client's is accepted and overwritten (S-6.9, S-15.8).
#[tokio::test(flavor = "multi_thread")]
async fn s_15_8_members_are_compared_by_value_and_the_rest_is_told_by_the_server() {
    let server = TestServer::plain().await;
    let mut named = user("named");
    named["displayName"] = json!("Ana Lima");
    named["name"] = json!({ "formatted": "Dr Ana Lima" });
    let named = server.post("/Users", named).await.expect(201).id();
    let mut formal = user("formal");
    formal["name"] = json!({ "formatted": "Dr Ben Okafor" });
    let formal = server.post("/Users", formal).await.expect(201).id();
    let plain = server.user("plain").await;
    let inner = server.group("inner", &[]).await;
    let lie =
        |id: &str| json!({ "value": id, "display": "a lie", "$ref": "https://elsewhere.example/x", "type": "Group" });
    let body = |members: Vec<Value>| json!({ "schemas": [GROUP], "displayName": "outer", "members": members });
    let base = &server.app.base_url;
    let element = |id: &str, endpoint: &str, kind: &str, display: &str| {
        (
            id.to_owned(),
            json!({ "value": id, "$ref": format!("{base}/{endpoint}/{id}"), "type": kind, "display": display }),
        )
    };
    let elements = |answer: &Answer| -> BTreeMap<String, Value> {
        let members = answer.body["members"].as_array().cloned().unwrap_or_default();
        members.into_iter().map(|m| (m["value"].as_str().unwrap().to_owned(), m)).collect()
    };
    let all = BTreeMap::from([
        element(&named, "Users", "User", "Ana Lima"),
        element(&formal, "Users", "User", "Dr Ben Okafor"),
        element(&plain, "Users", "User", "plain"),
        element(&inner, "Groups", "Group", "inner"),
    ]);

    let created = server.post("/Groups", body([&named, &formal, &inner].map(|id| lie(id)).to_vec())).await.expect(201);
    let outer = format!("/Groups/{}", created.id());
    let mut three = all.clone();
    three.remove(&plain);
    assert_eq!(elements(&created), three);

    // Dropping and adding by PUT; sending the same again in other words changes nothing.
    let replaced =
        server.put(&outer, body([&named, &formal, &plain, &inner].map(|id| lie(id)).to_vec())).await.expect(200);
    assert_eq!(elements(&replaced), all);
    let again =
        server.put(&outer, body([&inner, &plain, &named, &formal].map(|id| json!({ "value": id })).to_vec())).await;
    assert_eq!(again.expect(200).body["meta"], replaced.body["meta"]);

    // A name is joined when it is read: who is renamed is renamed in every group.
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Ana Souza" }]);
    server.patch(&format!("/Users/{named}"), rename).await.expect(200);
    let shown = server.get(&outer).await.expect(200);
    assert_eq!(elements(&shown)[&named]["display"], "Ana Souza");
    assert_eq!(shown.body["meta"], replaced.body["meta"]);
    let set = json!([{ "op": "replace", "path": format!("members[value eq \"{named}\"].display"), "value": "x" }]);
    server.patch(&outer, set).await.scim_error(400, Some("mutability"));

    // Members' records are read only for their names.
    let records = server.app.store.keys_read(Space::Resources);
    let ids = server.get(&format!("{outer}?attributes=members.value,members.type")).await.expect(200).body;
    assert_eq!(ids["members"].as_array().unwrap().len(), 4);
    assert!(ids["members"].as_array().unwrap().iter().all(|m| m.get("display").is_none() && m.get("$ref").is_none()));
    assert_eq!(server.app.store.keys_read(Space::Resources) - records, 2, "the group's record and its count");
}

/// S-10.36 for members: names, types and references are joined for a filter as for an answer.
#[tokio::test(flavor = "multi_thread")]
async fn s_10_36_filters_on_members_agree_with_what_groups_show() {
    let Nested { server, ana, ben, team, unit, all, other } = &Nested::new().await;
    let empty = &server.group("empty", &[]).await;
    let base = &server.app.base_url;
    let cases: Vec<(String, Vec<&String>)> = vec![
        (format!("members.value eq \"{ana}\""), vec![team, all]),
        (format!("members[value eq \"{unit}\"]"), vec![all]),
        ("members.display eq \"BEN\"".into(), vec![unit, other]),
        ("members.display co \"ea\"".into(), vec![unit]),
        ("members.type eq \"group\"".into(), vec![team, unit, all]),
        ("members[type eq \"Group\" and display eq \"all\"]".into(), vec![team]),
        ("members[type eq \"User\" and display eq \"all\"]".into(), vec![]),
        (format!("members.$ref eq \"{base}/Users/{ben}\""), vec![unit, other]),
        (format!("members.$ref sw \"{base}/Groups/\""), vec![team, unit, all]),
        ("not (members.type eq \"Group\")".into(), vec![other, empty]),
        ("members.type ne \"Group\"".into(), vec![other, empty]),
        (format!("members.value eq \"{ana}\" and members.value eq \"{unit}\""), vec![all]),
        (format!("members.value eq \"{ben}\" or members.display eq \"all\""), vec![team, unit, other]),
        ("not (members pr)".into(), vec![empty]),
    ];
    for (filter, expected) in cases {
        let expected: BTreeSet<String> = expected.into_iter().cloned().collect();
        assert_eq!(found(server, "/Groups", &filter).await, expected, "{filter}");
    }

    // One member is asked for by its edge, and nothing else is read of the edges.
    let edges = server.app.store.keys_read(Space::Edges);
    let probe = format!("id eq \"{all}\" and members[value eq \"{ana}\"]");
    assert_eq!(found(server, "/Groups", &probe).await.len(), 1);
    assert_eq!(server.app.store.keys_read(Space::Edges) - edges, 1);
    // A filter that is decided without edges reads none.
    let edges = server.app.store.keys_read(Space::Edges);
    assert!(found(server, "/Groups", "displayName eq \"nothing\" and members.display pr").await.is_empty());
    assert_eq!(found(server, "/Groups", "displayName eq \"team\" or members.display eq \"x\"").await.len(), 1);
    assert!(server.app.store.keys_read(Space::Edges) - edges > 0, "the other groups had to be looked into");
}

/// PATCH selects members by what they show, newcomers of the same request included (S-16.44).
#[tokio::test(flavor = "multi_thread")]
async fn members_are_removed_by_name_type_and_reference() {
    let server = TestServer::plain().await;
    let (ana, ben) = (server.user("ana").await, server.user("ben").await);
    let inner = server.group("inner", &[]).await;
    let outer = server.group("outer", &[&ana, &ben, &inner]).await;
    let path = format!("/Groups/{outer}");
    let remove = |filter: String| json!({ "op": "remove", "path": format!("members[{filter}]") });
    let left = async |operations: Value| -> BTreeSet<String> {
        let shown = server.patch(&path, operations).await.expect(200).body;
        let members = shown["members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|m| m["display"].as_str().unwrap().to_owned()).collect()
    };
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();

    assert_eq!(left(json!([remove("display eq \"ANA\"".into())])).await, set(&["ben", "inner"]));
    let reference = format!("$ref eq \"{}/Users/{ben}\"", server.app.base_url);
    assert_eq!(left(json!([remove(reference)])).await, set(&["inner"]));
    let both = json!([{ "op": "add", "path": "members", "value": [{ "value": ana }, { "value": ben }] }, remove("type eq \"User\" and display sw \"b\"".into())]);
    assert_eq!(left(both).await, set(&["ana", "inner"]));
    assert_eq!(left(json!([remove("type eq \"Group\"".into())])).await, set(&["ana"]));
}

/// L-P4: a `remove` with a value takes the listed ones, or is refused; never does it clear the list.
#[tokio::test(flavor = "multi_thread")]
async fn l_p4_remove_with_a_value_never_clears_the_list() {
    for (config, status) in [("", 200), ("[scim.leniency.patch]\nremove_with_value = false", 400)] {
        let server = TestServer::start(config).await;
        let (ana, ben) = (server.user("ana").await, server.user("ben").await);
        let group = server.group("staff", &[&ana, &ben]).await;

        let remove = json!([{ "op": "remove", "path": "members", "value": [{ "value": ben }, { "value": "nobody" }] }]);
        server.patch(&format!("/Groups/{group}"), remove).await.expect(status);

        let left = server.get(&format!("/Groups/{group}")).await.expect(200).body["members"].as_array().unwrap().len();
        assert_eq!(left, if status == 200 { 1 } else { 2 });
    }
}

/// `Group-Overhead-Bypass` as Janssen documents it: with any value, as a header or as a query
/// parameter, no answer has the names of members, whatever is asked for, and a `remove` or
/// `replace` that selects by name is passed over. What this store never gives up: members exist.
#[tokio::test(flavor = "multi_thread")]
async fn group_overhead_bypass_leaves_the_names_of_members_out() {
    let server = TestServer::plain().await;
    let (ana, ben) = (server.user("ana").await, server.user("ben").await);
    let outer = server.group("outer", &[&ana]).await;
    let path = format!("/Groups/{outer}");
    let names = |answer: &Answer| answer.body.to_string().contains("\"display\"");
    assert!(names(&server.get(&path).await.expect(200)));

    let queries = [
        "Group-Overhead-Bypass=true",
        "group-overhead-bypass=",
        "GROUP-OVERHEAD-BYPASS=0&attributes=members.display,members",
    ];
    for query in queries {
        let records = server.app.store.keys_read(Space::Resources);
        let shown = server.get(&format!("{path}?{query}")).await.expect(200);
        assert!(!names(&shown), "{query}");
        assert_eq!(shown.body["members"][0]["value"], json!(ana), "{query}");
        assert_eq!(shown.body["members"][0]["type"], "User", "{query}");
        assert_eq!(server.app.store.keys_read(Space::Resources) - records, 2, "the member's record was read");
    }
    let only = server.get(&format!("{path}?Group-Overhead-Bypass=1&attributes=members.display")).await.expect(200).body;
    assert_eq!(only.get("members"), None);

    let bypass = |method: &str, path: &str, body: Value| {
        server.with_body(method, path, body).header("group-overhead-bypass", "yes").header("accept", SCIM_JSON)
    };
    let add = patch(json!([{ "op": "add", "path": "members", "value": [{ "value": ben }] }]));
    let added = server.send(bypass("PATCH", &path, add)).await.expect(200);
    assert!(!names(&added) && added.body["members"].as_array().unwrap().len() == 2);
    let by_name = patch(json!([
        { "op": "remove", "path": format!("members[value eq \"{ana}\" or display eq \"ben\"]") },
        { "op": "replace", "path": "members[display eq \"ana\"]", "value": { "value": ben } },
    ]));
    let passed_over = server.send(bypass("PATCH", &path, by_name.clone())).await.expect(200);
    assert_eq!(passed_over.body["meta"], added.body["meta"], "a selection by name was not passed over");
    let body = json!({ "schemas": [GROUP], "displayName": "outer", "members": [{ "value": ana }] });
    assert!(!names(&server.send(bypass("PUT", &path, body.clone())).await.expect(200)));
    assert!(!names(&server.send(bypass("POST", "/Groups", body)).await.expect(201)));
    assert!(!names(
        &server.send(server.request("GET", "/Groups").header("Group-Overhead-Bypass", "")).await.expect(200)
    ));
    let stranger = json!({ "schemas": [GROUP], "displayName": "x", "members": [{ "value": "00000000-0000-7000-8000-000000000000" }] });
    server.send(bypass("POST", "/Groups", stranger)).await.scim_error(400, Some("invalidValue"));

    // Without it, the same operations mean what they say.
    server.send(server.with_body("PATCH", &path, by_name)).await.scim_error(400, Some("mutability"));
}

/// L-Q7: lists leave `members` out unless they are asked for, and `/Schemas` says so.
#[tokio::test(flavor = "multi_thread")]
async fn l_q7_lists_hide_members_where_the_operator_wants_it() {
    let returned = async |server: &TestServer| {
        let schema = server.get(&format!("/Schemas/{GROUP}")).await.expect(200).body;
        let all = server.get("/Schemas").await.expect(200).body;
        let listed = all["Resources"].as_array().unwrap().iter().find(|s| s["id"] == GROUP).cloned();
        assert_eq!(listed.as_ref(), Some(&schema));
        let members = schema["attributes"].as_array().unwrap().iter().find(|a| a["name"] == "members").cloned();
        members.unwrap()["returned"].clone()
    };
    let plain = TestServer::plain().await;
    assert_eq!(returned(&plain).await, "default");
    let ana = plain.user("ana").await;
    plain.group("staff", &[&ana]).await;
    assert!(plain.get("/Groups").await.expect(200).body["Resources"][0].get("members").is_some());

    let server = plain.restart(Some("[scim.leniency.list]\nhide_members = true")).await;
    assert_eq!(returned(&server).await, "request");
    let edges = server.app.store.keys_read(Space::Edges);
    for path in [
        "/Groups",
        "/Groups?excludedAttributes=meta",
        "/Groups?attributes=displayName",
        "/Groups?excludedAttributes=members",
    ] {
        let list = server.get(path).await.expect(200).body;
        assert_eq!(list["Resources"][0]["displayName"], "staff", "{path}");
        assert!(list["Resources"][0].get("members").is_none(), "{path}");
    }
    assert_eq!(server.app.store.keys_read(Space::Edges), edges, "hidden members were read");
    for path in ["/Groups?attributes=members", "/Groups?attributes=displayName,Members.value"] {
        let list = server.get(path).await.expect(200).body;
        assert_eq!(list["Resources"][0]["members"][0]["value"], json!(ana), "{path}");
    }
    let group = server.get("/Groups").await.body["Resources"][0]["id"].as_str().unwrap().to_owned();
    assert!(server.get(&format!("/Groups/{group}")).await.expect(200).body.get("members").is_some());
}

/// S-17.4, and golden test 22: who is deleted is in no group any more, and each group has a new version.
#[tokio::test(flavor = "multi_thread")]
async fn s_17_4_a_user_in_a_thousand_groups_is_deleted_in_one_commit() {
    const GROUPS: usize = 1_000;
    let server = TestServer::plain().await;
    let (ana, ben) = (server.user("ana").await, server.user("ben").await);
    let made = (0..GROUPS).map(|n| {
        let (server, members) = (&server, [ana.as_str(), ben.as_str()]);
        async move { server.group(&format!("group-{n}"), &members).await }
    });
    let groups: Vec<String> =
        futures::StreamExt::collect(futures::StreamExt::buffered(futures::stream::iter(made), 16)).await;
    let before = server.app.store.settled();

    server.delete(&format!("/Users/{ana}")).await.expect(204);

    let journal = server.app.store.journal(provost::context::Realm::DEFAULT, before, 2 * GROUPS).await.unwrap();
    assert_eq!(journal.len(), 1 + GROUPS);
    let (request, at) = (&journal[0].request_id, journal[0].at);
    assert!(journal.iter().all(|row| row.request_id == *request && row.at == at));
    assert!(journal[1..].iter().all(|row| (row.version, row.members_removed) == (2, 1)));
    for group in [&groups[0], &groups[GROUPS - 1]] {
        let shown = server.get(&format!("/Groups/{group}")).await.expect(200);
        assert_eq!(shown.header("etag"), "W/\"2\"");
        let members = shown.body["members"].as_array().unwrap();
        assert_eq!((members.len(), &members[0]["value"]), (1, &json!(ben)));
    }
    assert!(found(&server, "/Groups", &format!("members.value eq \"{ana}\"")).await.is_empty());
    assert!(server.app.store.check().await.unwrap().findings.is_empty());

    // Recreated, she is somebody else, and in no group.
    let again = server.post("/Users", user("ana")).await.expect(201);
    assert_ne!(again.id(), ana);
    assert_eq!(again.body.get("groups"), None);
}
