//! Guests that misbehave, each in its own way: every one ends as its typed fault, within its
//! limits, and harms nobody else.

use provost_tests::guests::{self, plugin};
use provost_tests::receiver::Receiver;
use provost_tests::server::{TestServer, user};
use serde_json::json;
use tokio::net::TcpListener;

/// What a hostile guest is expected to end as.
struct Case {
    component: &'static str,
    /// TOML for the plugin's `config`.
    config: String,
    /// More grants than `config`, after a comma.
    grants: String,
    kind: &'static str,
}

impl Case {
    fn new(component: &'static str, kind: &'static str) -> Self {
        Self { component, config: "{}".to_owned(), grants: String::new(), kind }
    }

    fn table(&self, on_fault: &str) -> String {
        let Self { config, grants, .. } = self;
        let (imports, more) = match grants.as_str() {
            "" => (r#""config", "log""#, ""),
            more => (r#""config", "log", "http""#, more),
        };
        plugin(
            self.component,
            &format!(
                "on_fault = \"{on_fault}\"\nconfig = {config}\nlimit = {{ hook_ms = 300 }}\n\
                 grant = {{ imports = [{imports}], write = [\"*\"]{more} }}"
            ),
        )
    }

    /// The guest faults: once where the operator wants no change without it, once where it may be skipped.
    async fn holds(&self) {
        self.is_refused().await;
        self.is_skipped().await;
    }

    async fn is_refused(&self) {
        let server = TestServer::start(&self.table("refuse")).await;

        let answer = server.post("/Users", user("ana")).await;

        answer.scim_error(503, None);
        assert!(!answer.header("retry-after").is_empty());
        assert_eq!(server.count("/Users").await, 0);
        self.is_recorded(&server).await;
        server.get("/Users").await.expect(200);
    }

    async fn is_skipped(&self) {
        let server = TestServer::start(&self.table("skip")).await;

        server.post("/Users", user("ana")).await.expect(201);

        assert_eq!(server.count("/Users").await, 1);
        self.is_recorded(&server).await;
    }

    async fn is_recorded(&self, server: &TestServer) {
        let recent = &server.plugins().await[0]["recent"][0];
        assert_eq!(recent["kind"], self.kind, "{recent}");
        assert!(!recent["detail"].as_str().unwrap().contains("ana"), "an attribute's value leaked: {recent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_forever_ends_at_its_deadline() {
    Case::new(guests::LOOPS_FOREVER, "deadline").holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eats_memory_ends_at_its_memory_bound() {
    Case::new(guests::EATS_MEMORY, "memory").holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recurses_ends_at_the_end_of_its_stack() {
    Case::new(guests::RECURSES, "stack").holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panics_ends_as_a_trap() {
    Case::new(guests::PANICS, "trap").holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_garbage_ends_as_bad_output() {
    Case { config: "{ kind = \"not_json\" }".to_owned(), ..Case::new(guests::RETURNS_GARBAGE, "output") }.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_log_ends_at_its_host_call_bound() {
    Case::new(guests::FLOODS_LOG, "host_calls").holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_output_ends_at_its_output_bound() {
    for kind in ["patch", "replace", "reject", "failure"] {
        let config = format!("{{ kind = \"{kind}\", bytes = 8388608 }}");
        Case { config, ..Case::new(guests::HUGE_OUTPUT, "output_size") }.holds().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_host_call_ends_at_its_deadline() {
    // Accepts connections and never says a word.
    let black_hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", black_hole.local_addr().unwrap());
    let config = format!("{{ url = \"{origin}/\" }}");
    let grants = format!(", http = [{{ origin = \"{origin}\", methods = [\"GET\"], private = true }}]");

    Case { config, grants, ..Case::new(guests::SLOW_HOST_CALL, "deadline") }.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_ungranted_is_refused_at_load_and_guards_by_its_policy() {
    let table = |on_fault: &str| {
        plugin(guests::ASKS_UNGRANTED, &format!("on_fault = \"{on_fault}\"\ngrant = {{ imports = [\"config\"] }}"))
    };
    let server = TestServer::start(&table("refuse")).await;
    server.post("/Users", user("ana")).await.scim_error(503, None);
    server.get("/Users").await.expect(200);
    let reason = server.plugins().await[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("asks-ungranted") && reason.contains("grant"), "{reason}");
    assert_eq!(server.health().await.body["status"], "degraded");

    let server = server.restart(Some(&table("skip"))).await;
    server.post("/Users", user("ana")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_guest_does_not_delay_a_request_in_flight_beside_it() {
    // The spinner guards groups only; a user is created while it spins on more threads than there are cores.
    let rest = "types = [\"Group\"]\nlimit = { hook_ms = 500 }\ngrant = { imports = [\"config\"] }";
    let server = TestServer::start(&plugin(guests::LOOPS_FOREVER, rest)).await;
    let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g" });

    let spinning = futures::future::join_all((0..8).map(|_| server.post("/Groups", group.clone())));
    tokio::pin!(spinning);
    let mut created = 0;
    let spun = loop {
        tokio::select! {
            biased;
            spun = &mut spinning => break spun,
            answer = server.post("/Users", user(&format!("user-{created}"))) => {
                answer.expect(201);
                created += 1;
            }
        }
    };

    assert!(spun.iter().all(|answer| answer.status == 503));
    assert!(created >= 3, "only {created} users were created while the guest was spinning");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_computes_for_long_goes_on_aside_and_ends_well() {
    let mut receiver = Receiver::start().await;
    let origin = receiver.origin();
    let rest = format!(
        "config = {{ rounds = 20000000, url = \"{origin}/seen\" }}\n[plugin.grant]\n\
         imports = [\"config\", \"directory\", \"http\"]\ndirectory = [\"User\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]"
    );
    let server = TestServer::start(&plugin(guests::COMPUTES, &rest)).await;

    server.post("/Users", user("ana")).await.expect(201);

    assert_eq!(receiver.next().await.body["userName"], "ana");
    let metrics = server.metrics().await;
    let sample = "provost_plugin_slow_calls_total{plugin=\"computes\",hook=\"observe\"} 1";
    assert!(metrics.contains(sample), "no `{sample}` in\n{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulting_call_leaves_the_next_one_unharmed() {
    let server = TestServer::start(&format!(
        "{}{}",
        plugin(guests::PANICS, "types = [\"Group\"]\ngrant = { imports = [\"config\"] }"),
        plugin(
            guests::STAMP,
            "config = { set = { nickName = \"x\" } }\ngrant = { imports = [\"config\"], write = [\"*\"] }"
        )
    ))
    .await;
    let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g" });

    for n in 0..5 {
        server.post("/Groups", group.clone()).await.scim_error(503, None);
        let created = server.post("/Users", user(&format!("user-{n}"))).await.expect(201);
        assert_eq!(created.body["nickName"], "x");
    }
}
