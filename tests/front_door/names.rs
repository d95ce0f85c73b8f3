//! Names in any script: which user names are one name, and what is found by which spelling.

use provost_tests::server::{TestServer, user};
use serde_json::json;

async fn found(server: &TestServer, filter: &str) -> u64 {
    let url = reqwest::Url::parse_with_params("http://x", [("filter", filter)]).unwrap();
    server.get(&format!("/Users?{}", url.query().unwrap())).await.expect(200).body["totalResults"].as_u64().unwrap()
}

/// S-22.1, S-22.2, S-22.3, S-10.26
#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_is_taken_in_every_spelling_and_shown_in_its_own() {
    for (first, second) in [
        ("Straße", "STRASSE"),
        ("Kurt", "\u{212a}urt"),             // the Kelvin sign
        ("ana", "\u{ff21}\u{ff2e}\u{ff21}"), // wide letters
        ("Andr\u{e9}", "ANDRE\u{301}"),      // an accent of its own
        ("İlker", "i\u{307}lker"),           // the Turkish capital I with its dot
        ("Ελλάς", "ΕΛΛΆΣ"),                  // a final sigma
        ("Ana María", "ANA MARI\u{301}A"),   // a space, which the profile refuses and folding takes
    ] {
        let server = TestServer::plain().await;
        let shown = server.post("/Users", user(first)).await.expect(201);
        assert_eq!(shown.body["userName"], json!(first));

        server.post("/Users", user(second)).await.scim_error(409, Some("uniqueness"));

        assert_eq!(found(&server, &format!("userName eq {}", json!(second))).await, 1, "{second}");
        assert_eq!(found(&server, &format!("userName eq {}", json!(first))).await, 1, "{first}");
        let id = shown.id();
        server.put(&format!("/Users/{id}"), user(second)).await.expect(200);
        assert_eq!(server.get(&format!("/Users/{id}")).await.body["userName"], json!(second));
    }
}

/// S-22.1, S-22.4
#[tokio::test(flavor = "multi_thread")]
async fn names_that_only_look_alike_are_different_names() {
    let server = TestServer::plain().await;
    for name in ["ilker", "ılker", "ana", "аna", "ana ", "ana  m", "ana m"] {
        server.post("/Users", user(name)).await.expect(201);
    }
    assert_eq!(server.count("/Users").await, 7);
    assert_eq!(found(&server, "userName eq \"ana \"").await, 1);
}

/// S-10.26, S-22.3
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_mind_letter_case_minds_it_in_no_script() {
    let server = TestServer::plain().await;
    let mut body = user("a");
    body["displayName"] = json!("Größe ΣΊΣΥΦΟΣ");
    server.post("/Users", body).await.expect(201);

    for filter in [
        "displayName eq \"GRÖSSE σίσυφος\"",
        "displayName sw \"grÖß\"",
        "displayName co \"ΣΊΣ\"",
        "displayName ew \"φος\"",
        "displayName eq \"gro\u{308}sse ΣΊΣΥΦΟΣ\"",
    ] {
        assert_eq!(found(&server, filter).await, 1, "{filter}");
    }
    assert_eq!(found(&server, "displayName sw \"grosse\"").await, 0);
}
