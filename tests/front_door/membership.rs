//! Members are edges: what that promises, seen through the front door and counted in the store.

use provost::store::Space;
use provost_tests::server::{TestServer, user};
use serde_json::{Value, json};

/// The ids that `GET /Groups/{id}` shows, sorted.
async fn members(server: &TestServer, group: &str) -> Vec<String> {
    let body = server.get(&format!("/Groups/{group}")).await.expect(200).body;
    let mut ids: Vec<String> = body["members"]
        .as_array()
        .map(|members| members.iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect())
        .unwrap_or_default();
    ids.sort();
    ids
}

fn sorted<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().cloned().collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_shown_with_type_and_reference_and_users_show_their_groups() {
    let server = TestServer::plain().await;
    let ana = server.user("ana").await;
    let inner = server.group("inner", &[&ana]).await;
    let outer = server.group("outer", &[&inner]).await;

    let shown = server.get(&format!("/Groups/{outer}")).await.expect(200).body;
    assert_eq!(
        shown["members"],
        json!([{
            "value": inner, "$ref": format!("{}/Groups/{inner}", server.app.base_url), "type": "Group", "display": "inner"
        }])
    );
    let groups = server.get(&format!("/Users/{ana}")).await.expect(200).body["groups"].clone();
    assert_eq!(groups[0]["value"], json!(inner));
    assert_eq!((&groups[0]["display"], &groups[0]["type"]), (&json!("inner"), &json!("direct")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_change_members_does_what_it_says() {
    let server = TestServer::plain().await;
    let ids: Vec<String> =
        futures::future::join_all((0..4).map(|n| async move { format!("user-{n}") })).await.into_iter().collect();
    let mut users = Vec::new();
    for name in &ids {
        users.push(server.user(name).await);
    }
    let group = server.group("staff", &[&users[0]]).await;
    let path = format!("/Groups/{group}");
    let value = |n: usize| json!({ "value": users[n] });

    let steps: [(Value, Vec<usize>); 9] = [
        (json!([{ "op": "add", "path": "members", "value": [value(1), value(2), value(1)] }]), vec![0, 1, 2]),
        (json!([{ "op": "add", "path": "members", "value": [value(1)] }]), vec![0, 1, 2]),
        (json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", users[1]) }]), vec![0, 2]),
        (json!([{ "op": "Remove", "path": "members", "value": [value(2), value(3)] }]), vec![0]),
        (json!([{ "op": "replace", "path": "members", "value": [value(2), value(3)] }]), vec![2, 3]),
        (json!([{ "op": "remove", "path": "members" }, { "op": "add", "value": { "members": [value(0)] } }]), vec![0]),
        (
            json!([{ "op": "add", "path": "members", "value": value(1) }, { "op": "remove", "path": format!("members[value eq \"{}\"]", users[0]) }]),
            vec![1],
        ),
        (json!([{ "op": "remove", "path": "members[type eq \"Group\"]" }]), vec![1]),
        (json!([{ "op": "remove", "path": "members[type eq \"User\"]" }]), vec![]),
    ];
    for (operations, expected) in steps {
        server.patch(&path, operations.clone()).await.expect(200);
        assert_eq!(members(&server, &group).await, sorted(expected.iter().map(|n| &users[*n])), "{operations}");
    }
    server
        .patch(&path, json!([{ "op": "replace", "path": "members[value eq \"1\"].value", "value": "9" }]))
        .await
        .scim_error(400, Some("mutability"));
    let stranger =
        json!([{ "op": "add", "path": "members", "value": [{ "value": "00000000-0000-7000-8000-000000000000" }] }]);
    let detail = server.patch(&path, stranger).await.scim_error(400, Some("invalidValue"));
    assert!(detail.contains("members"), "{detail}");
    let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "crew", "members": [value(3)] });
    server.put(&path, body).await.expect(200);
    assert_eq!(members(&server, &group).await, [users[3].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_found_by_their_members_and_users_by_their_groups() {
    let server = TestServer::plain().await;
    let (ana, ben) = (server.user("ana").await, server.user("ben").await);
    let staff = [server.group("staff", &[&ana, &ben]).await];
    server.group("board", &[&ben]).await;
    let found = async |path: &str| {
        let body = server.get(path).await.expect(200).body;
        body["Resources"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    assert_eq!(found(&format!("/Groups?filter=members.value+eq+%22{ana}%22")).await, staff);
    assert_eq!(
        found(&format!("/Groups?filter=members+eq+%22{ana}%22+and+displayName+eq+%22staff%22&attributes=id")).await,
        staff
    );
    assert_eq!(found(&format!("/Users?filter=groups.value+eq+%22{}%22", staff[0])).await.len(), 2);
    assert!(
        found(&format!("/Groups?filter=id+eq+%22{0}%22+and+members+eq+%22{0}%22&attributes=id", staff[0]))
            .await
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_one_member_to_a_group_of_100_000_writes_a_bounded_number_of_keys() {
    const SIZE: usize = 100_000;
    let server = TestServer::plain().await;
    // The pipeline makes the crowd: the front door would do the same, one body at a time.
    let crowd = provost_tests::server::crowd(&server, SIZE).await;
    let group = provost_tests::server::group_of(&server, "everybody", &crowd).await;
    let small = server.group("few", &[&crowd[0].to_string()]).await;
    let newcomer = server.user("newcomer").await;
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": newcomer }] }]);
    let store = &server.app.store;

    let (written, read) = (store.keys_written(), store.keys_read(Space::Edges));
    server.patch(&format!("/Groups/{small}?excludedAttributes=members"), add.clone()).await.expect(200);
    let (written_small, read_small) = (store.keys_written() - written, store.keys_read(Space::Edges) - read);

    let (written, read) = (store.keys_written(), store.keys_read(Space::Edges));
    server.patch(&format!("/Groups/{group}?excludedAttributes=members"), add).await.expect(200);
    let (written_large, read_large) = (store.keys_written() - written, store.keys_read(Space::Edges) - read);

    assert_eq!(written_large, written_small, "the size of the group shows in what is written");
    assert!(written_large <= 12, "{written_large} keys for one member");
    assert_eq!(read_large, read_small, "the size of the group shows in what is read");

    let read = store.keys_read(Space::Edges);
    server.get(&format!("/Groups/{group}?excludedAttributes=members")).await.expect(200);
    server.get("/Groups?excludedAttributes=members").await.expect(200);
    assert_eq!(store.keys_read(Space::Edges), read, "edges were read although members are excluded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_deleted_while_others_join_leaves_no_dangling_edge() {
    let server = TestServer::plain().await;
    let group = server.group("staff", &[]).await;
    let path = format!("/Groups/{group}");
    let mut users = Vec::new();
    for n in 0..24 {
        users.push(server.post("/Users", user(&format!("user-{n}"))).await.expect(201).id());
    }

    let joins = users
        .iter()
        .map(|id| server.patch(&path, json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }])));
    let leaves = users.iter().map(|id| format!("/Users/{id}")).collect::<Vec<_>>();
    let leaves = leaves.iter().map(|path| server.delete(path));
    let (joined, left) = futures::join!(futures::future::join_all(joins), futures::future::join_all(leaves));

    assert!(left.iter().all(|answer| answer.status == 204));
    assert!(joined.iter().all(|answer| matches!(answer.status, 200 | 400)), "{joined:?}");
    assert!(members(&server, &group).await.is_empty());
    let report = server.app.store.check().await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}
