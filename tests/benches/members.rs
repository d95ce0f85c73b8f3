//! How much memory the server needs while a client reads a large group: 100 000 members with their names.
//!
//! Not a criterion bench, since what is measured is a size. `cargo bench --bench members` prints it;
//! `MEMBERS` sets another number. The client is in the same process and keeps nothing of what it
//! reads, so what the process grows by is the server's.

use provost_tests::TestServer;
use provost_tests::footprint::memory_bytes;
use provost_tests::server::{crowd_of, group_of, person};

/// How much the process may grow by, in bytes.
const GROWTH_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[tokio::main]
async fn main() {
    let members: usize = std::env::var("MEMBERS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let server = TestServer::plain().await;
    let everybody = crowd_of(&server, members, person).await;
    let group = group_of(&server, "everybody", &everybody).await;
    drop(everybody);

    // The first reading fills the store's cache, which the operator grants on purpose.
    read(&server, &group).await;
    let before = memory_bytes("self", "VmRSS");
    let (bytes, most) = read(&server, &group).await;
    let grown = most.saturating_sub(before);
    println!("{members} members: a body of {bytes} bytes");
    println!("resident while it was read: {grown} bytes more, at most {GROWTH_BYTES_MAX}");
    println!("members held at once: {}", server.app.pipeline.members_held().most());
    assert!(grown <= GROWTH_BYTES_MAX, "the process grew by {grown} bytes");
}

/// Reads the group piece by piece: how long the body was, and how large the process became.
async fn read(server: &TestServer, group: &str) -> (u64, u64) {
    let mut answer = server.request("GET", &format!("/Groups/{group}")).send().await.expect("the server answers");
    assert_eq!(answer.status().as_u16(), 200);
    let (mut bytes, mut most) = (0, 0);
    while let Some(part) = answer.chunk().await.expect("the answer is whole") {
        bytes += part.len() as u64;
        most = most.max(memory_bytes("self", "VmRSS"));
    }
    (bytes, most)
}
