//! What plugins measure of themselves, at `/metrics`.

use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, user};

fn measures(name: &str, config: &str, imports: &str) -> String {
    plugin(guests::MEASURES, &format!("config = {{ {config} }}\n[plugin.grant]\nimports = {imports}")).replacen(
        "name = \"measures\"",
        &format!("name = \"{name}\""),
        1,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_counts_and_observes_is_shown_under_its_name() {
    let config = "name = \"people_seen\", labels = [[\"kind\", \"new \\\"one\\\"\"]]";
    let server = TestServer::start(&measures("teller", config, "[\"config\", \"metrics\"]")).await;

    server.user("ana").await;
    server.user("ben").await;

    let metrics = server.metrics().await;
    let labels = "plugin=\"teller\",kind=\"new \\\"one\\\"\"";
    assert!(metrics.contains(&format!("provost_guest_people_seen{{{labels}}} 4\n")), "{metrics}");
    assert!(metrics.contains(&format!("provost_guest_people_seen_seconds_sum{{{labels}}} 1\n")), "{metrics}");
    assert!(metrics.contains(&format!("provost_guest_people_seen_seconds_count{{{labels}}} 2\n")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_or_makes_no_sense_is_dropped_and_counted_and_fails_nothing() {
    let flood = measures("flood", "name = \"flooded\", series = 250", "[\"config\", \"metrics\"]");
    let babble = measures("babble", "name = \"Not a name\"", "[\"config\", \"metrics\"]");
    let server = TestServer::start(&format!("{flood}{babble}")).await;

    server.user("ana").await;

    let metrics = server.metrics().await;
    let shown = metrics.lines().filter(|line| line.starts_with("provost_guest_flooded{")).count();
    // One more series of the plugin is its distribution.
    assert_eq!(shown, 199, "{metrics}");
    for (plugin, reason, count) in [("flood", "series", 51 + 1), ("babble", "name", 2)] {
        let sample = format!("provost_guest_metrics_dropped_total{{plugin=\"{plugin}\",reason=\"{reason}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&sample)).unwrap_or_else(|| panic!("{metrics}"));
        assert_eq!(line, count.to_string());
    }
    assert!(!metrics.contains("Not a name"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_may_not_measure_is_not_loaded() {
    let server = TestServer::start(&measures("mute", "name = \"unheard\"", "[\"config\"]")).await;

    assert_eq!(server.post("/Users", user("ana")).await.status, 503);

    let reason = server.plugins().await[0].to_string();
    assert!(reason.contains("metrics"), "{reason}");
    assert!(!server.metrics().await.contains("unheard"));
}
