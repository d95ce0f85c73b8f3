//! Groups too large to be held: their members are read while they are sent.

use std::collections::BTreeSet;

use provost::limits::MEMBERS_HELD_MAX;
use provost::store::Space;
use provost_tests::server::{TestServer, crowd_of, group_of, user};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Large enough that no socket buffer holds the answer.
const SIZE: usize = 20_000;

/// A server with that many users of long names, and a group of all.
async fn crowded(size: usize) -> (TestServer, BTreeSet<String>, String) {
    let server = TestServer::plain().await;
    let name = "n".repeat(700);
    let users = crowd_of(&server, size, |user_name| {
        let mut body = user(user_name);
        body["displayName"] = json!(format!("{user_name} {name}"));
        body
    })
    .await;
    let group = group_of(&server, "everybody", &users).await;
    (server, users.iter().map(ToString::to_string).collect(), group)
}

#[track_caller]
fn ids(group: &Value) -> BTreeSet<String> {
    let members = group["members"].as_array().expect("a list of members");
    let ids: BTreeSet<String> = members.iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), members.len(), "a member is listed twice");
    ids
}

/// Sends a `GET` over a connection that takes in little, and reads until the body has begun.
async fn ask(server: &TestServer, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(server.app.listens).await.unwrap();
    let head = format!("GET /scim/v2{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", server.token);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.windows(12).any(|part| part == b"\"members\":[{") {
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
    }
    let text = String::from_utf8_lossy(&read).to_lowercase();
    assert!(text.contains("transfer-encoding: chunked") && !text.contains("content-length"), "{text}");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_group_is_sent_whole_and_never_held_whole() {
    let (server, everybody, group) = crowded(SIZE).await;
    let held = server.app.pipeline.members_held();
    let path = format!("/Groups/{group}");

    // A client that takes its time: the server waits with no more than a few pages.
    let mut slow = ask(&server, &path).await;
    let edges = server.app.store.keys_read(Space::Edges);
    assert!((edges as usize) < 2 * SIZE + SIZE / 2, "all members were read before the client took any: {edges}");
    let mut last = Vec::new();
    while !last.ends_with(b"0\r\n\r\n") {
        let mut part = vec![0; 8 * 1024];
        let read = slow.read(&mut part).await.unwrap();
        assert!(read > 0, "the answer broke off");
        last.extend_from_slice(&part[..read]);
        last.drain(..last.len().saturating_sub(5));
    }
    drop(slow);
    assert!(held.most() <= 4 * MEMBERS_HELD_MAX, "{} members were held at once", held.most());

    // What came is what there is: set of members, parts, tag; and so with every projection.
    let shown = server.get(&path).await.expect(200);
    assert_eq!(ids(&shown.body), everybody);
    assert_eq!((shown.header("etag"), &shown.body["meta"]["version"]), ("W/\"1\"", &json!("W/\"1\"")));
    assert_eq!(shown.header("location"), shown.body["meta"]["location"]);
    let first = &shown.body["members"][0];
    assert_eq!(first["$ref"], json!(format!("{}/Users/{}", server.app.base_url, first["value"].as_str().unwrap())));
    assert!(first["type"] == "User" && first["display"].as_str().unwrap().starts_with("member-"));

    let records = server.app.store.keys_read(Space::Resources);
    let only = server.get(&format!("{path}?attributes=members.value")).await.expect(200).body;
    assert_eq!(server.app.store.keys_read(Space::Resources) - records, 2, "members' records were read for nothing");
    assert_eq!(ids(&only), everybody);
    assert_eq!(only["members"][7].as_object().unwrap().len(), 1);
    assert_eq!(only.as_object().unwrap().keys().collect::<Vec<_>>(), ["schemas", "id", "members"]);
    let bypass = server.get(&format!("{path}?Group-Overhead-Bypass=1")).await.expect(200).body;
    assert!(bypass["members"].as_array().unwrap().iter().all(|m| m.get("display").is_none()));

    // Nothing of the edges is read where members are not shown, or the client has them already.
    let edges = server.app.store.keys_read(Space::Edges);
    let without = server.get(&format!("{path}?excludedAttributes=members")).await.expect(200);
    assert!(without.body.get("members").is_none() && !without.header("content-length").is_empty());
    let known = server.send(server.request("GET", &path).header("if-none-match", "W/\"1\"")).await.expect(304);
    assert_eq!(known.body, Value::Null);
    assert_eq!(server.app.store.keys_read(Space::Edges), edges);

    // Lists and the answers to writes are sent the same way.
    let small = server.group("few", &[everybody.first().unwrap()]).await;
    let list = server.get("/Groups?sortBy=displayName").await.expect(200).body;
    let of = |id: &str| list["Resources"].as_array().unwrap().iter().find(|g| g["id"] == id).cloned().unwrap();
    assert_eq!((&list["totalResults"], &list["itemsPerPage"]), (&json!(2), &json!(2)));
    assert_eq!((ids(&of(&group)), ids(&of(&small)).len()), (everybody.clone(), 1));
    let newcomer = server.user("newcomer").await;
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": newcomer }, { "value": small }] }]);
    let patched = server.patch(&path, add).await.expect(200);
    assert_eq!((ids(&patched.body).len(), patched.header("etag")), (SIZE + 2, "W/\"2\""));

    // One filter looks at members page by page, and by key where it can.
    let probe =
        format!("/Groups?attributes=id&filter=members.type+eq+%22Group%22+and+members.value+eq+%22{newcomer}%22");
    assert_eq!(server.get(&probe).await.expect(200).body["totalResults"], 1);

    // Replacing and clearing the list go on page by page as well.
    let keep: Vec<Value> = everybody.iter().take(3).map(|id| json!({ "value": id })).collect();
    let replaced =
        server.patch(&path, json!([{ "op": "replace", "path": "members", "value": keep }])).await.expect(200);
    assert_eq!(ids(&replaced.body).len(), 3);
    assert!(!replaced.header("content-length").is_empty(), "a small answer says how long it is");
    let cleared = server.patch(&path, json!([{ "op": "remove", "path": "members" }])).await.expect(200);
    assert!(cleared.body.get("members").is_none());
    // Of members that are shown by their id alone the connection takes more ahead: as many bytes.
    assert!(held.most() <= SIZE / 2, "{} members were held at once", held.most());
    // Every page is let go of in the end.
    while held.now() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_does_not_look_whole() {
    let (server, _, group) = crowded(SIZE / 2).await;
    let mut slow = ask(&server, &format!("/Groups/{group}")).await;

    server.app.store.close().await;

    let (mut last, mut total) = (Vec::new(), 0);
    let mut part = vec![0; 64 * 1024];
    // The connection ends without the end of the body: closed early or reset, but not completed.
    while let Ok(read @ 1..) = slow.read(&mut part).await {
        total += read;
        last.extend_from_slice(&part[..read]);
        last.drain(..last.len().saturating_sub(5));
    }
    assert!(!last.ends_with(b"0\r\n\r\n"), "after {total} bytes the answer ended as if it were whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_exactly_what_is_held_is_answered_whole_and_one_more_is_streamed() {
    let server = TestServer::plain().await;
    let users = crowd_of(&server, MEMBERS_HELD_MAX + 1, user).await;
    let exact = group_of(&server, "exact", &users[1..]).await;
    let more = group_of(&server, "more", &users).await;

    let whole = server.get(&format!("/Groups/{exact}")).await.expect(200);
    let streamed = server.get(&format!("/Groups/{more}")).await.expect(200);

    assert!(!whole.header("content-length").is_empty() && streamed.header("content-length").is_empty());
    assert_eq!((ids(&whole.body).len(), ids(&streamed.body).len()), (MEMBERS_HELD_MAX, MEMBERS_HELD_MAX + 1));
    // In a list both together are too many, and each is still told whole.
    let list = server.get("/Groups").await.expect(200).body;
    let sizes: Vec<usize> = list["Resources"].as_array().unwrap().iter().map(|g| ids(g).len()).collect();
    assert_eq!(sizes, [MEMBERS_HELD_MAX, MEMBERS_HELD_MAX + 1]);
}
