//! Many clients, one group.

use std::collections::HashSet;

use provost_tests::server::TestServer;
use serde_json::json;

const CLIENTS: usize = 16;
const MEMBERS_EACH: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn parallel_patches_of_one_group_lose_no_member_and_tell_nobody_conflict() {
    let server = TestServer::plain().await;
    let users = provost_tests::server::crowd(&server, CLIENTS * MEMBERS_EACH).await;
    let group = server.group("everybody", &[]).await;
    let path = format!("/Groups/{group}?excludedAttributes=members");

    let clients = users.chunks(MEMBERS_EACH).map(async |own| {
        let mut statuses = Vec::new();
        for id in own {
            let add = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
            statuses.push(server.patch(&path, add).await.status);
        }
        statuses
    });
    let statuses: HashSet<u16> = futures::future::join_all(clients).await.into_iter().flatten().collect();

    assert_eq!(statuses, HashSet::from([200]));
    let body = server.get(&format!("/Groups/{group}")).await.expect(200).body;
    let members: HashSet<String> =
        body["members"].as_array().unwrap().iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect();
    assert_eq!(members, users.iter().map(ToString::to_string).collect());
    // One version each, and every one in the journal.
    assert_eq!(body["meta"]["version"], json!(format!("W/\"{}\"", 1 + CLIENTS * MEMBERS_EACH)));
}
