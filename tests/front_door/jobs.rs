//! Jobs on a clock: once for each due time, never twice at the same time, across restarts.

use jiff::Timestamp;
use provost::clock::Clock;
use provost_tests::door::until as eventually;
use provost_tests::guests::{self, plugin};
use provost_tests::receiver::{PATIENCE, Receiver};
use provost_tests::server::{TestServer, user};
use provost_tests::{Gate, Process};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn millis(text: &str) -> Value {
    json!(at(text).as_millisecond())
}

/// The job `tick`, which tells this origin of its runs.
fn job(origin: &str, schedule: &str, config: &str) -> String {
    let rest = format!(
        "config = {{ url = \"{origin}/run\"{config} }}\n[plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]\n\
         [[plugin.job]]\nname = \"tick\"\n{schedule}"
    );
    plugin(guests::JOB_COUNTER, &rest)
}

async fn jobs(server: &TestServer) -> Vec<Value> {
    server.admin("GET", "/jobs").await.expect(200).body["jobs"].as_array().unwrap().clone()
}

/// Waits until the one job is as wanted.
async fn until(server: &TestServer, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut turns = server.app.schedule.turns();
    tokio::time::timeout(PATIENCE, async {
        loop {
            let job = jobs(server).await.remove(0);
            if wanted(&job) {
                return job;
            }
            turns.changed().await.unwrap();
        }
    })
    .await
    .expect("the job should have come to this")
}

fn rests(job: &Value) -> bool {
    job["runningSince"].is_null() && !job["lastOutcome"].is_null()
}

async fn run_now(server: &TestServer) -> provost_tests::Answer {
    server.admin("POST", "/jobs/job-counter/tick/run").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_job_runs_at_its_hour_where_it_is_meant() {
    let mut receiver = Receiver::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&receiver.origin(), "cron = \"0 2 * * *\"\ntimezone = \"Europe/Madrid\"", "");
    let server = TestServer::at(clock.clone(), &table).await;

    assert_eq!(jobs(&server).await[0]["next"], "2026-01-11T01:00:00Z");
    clock.advance_ms(13 * 60 * MINUTE - 1);
    assert_eq!(jobs(&server).await[0]["lastOutcome"], Value::Null);
    assert!(receiver.all().is_empty());
    clock.advance_ms(1);

    let told = receiver.next().await.body;
    assert_eq!((&told["job"], &told["dueMs"]), (&json!("tick"), &millis("2026-01-11T01:00:00Z")));
    assert_eq!((&told["attempt"], &told["byHand"], &told["lastSuccessMs"]), (&json!(1), &json!(false), &Value::Null));
    assert_eq!((&told["subject"], &told["scopes"]), (&json!("plugin:job-counter"), &json!([])));
    assert_eq!(told["operation"], "run");
    let job = until(&server, rests).await;
    assert_eq!((&job["lastOutcome"], &job["lastReport"]), (&json!("done"), &json!("run 1 is done")));
    assert_eq!((&job["lastSuccess"], &job["next"]), (&json!("2026-01-11T01:00:00Z"), &json!("2026-01-12T01:00:00Z")));
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_is_counted_from_when_the_job_was_first_seen_also_across_a_restart() {
    let mut receiver = Receiver::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&receiver.origin(), "every = \"10m\"", "");
    let server = TestServer::at(clock.clone(), &table).await;
    assert_eq!(jobs(&server).await[0]["next"], "2026-01-10T12:10:00Z");
    clock.advance_ms(6 * MINUTE);

    let server = server.restart(None).await;

    assert_eq!(jobs(&server).await[0]["next"], "2026-01-10T12:10:00Z");
    clock.advance_ms(4 * MINUTE);
    assert_eq!(receiver.next().await.body["dueMs"], millis("2026-01-10T12:10:00Z"));
    until(&server, rests).await;
    clock.advance_ms(10 * MINUTE);
    let second = receiver.next().await.body;
    assert_eq!(second["dueMs"], millis("2026-01-10T12:20:00Z"));
    assert_eq!(second["lastSuccessMs"], millis("2026-01-10T12:10:00Z"));
}

#[tokio::test(flavor = "multi_thread")]
async fn jitter_is_the_same_for_one_due_time_and_no_more_than_allowed() {
    let receiver = Receiver::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&receiver.origin(), "cron = \"0 13 * * *\"\njitter = \"30m\"", "");
    let server = TestServer::at(clock.clone(), &table).await;
    let next = jobs(&server).await[0]["next"].clone();

    let server = server.restart(None).await;

    assert_eq!(jobs(&server).await[0]["next"], next);
    let next = at(next.as_str().unwrap());
    assert!(at("2026-01-10T13:00:00Z") <= next && next <= at("2026-01-10T13:30:00Z"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_no_server_ran_is_made_up_by_one_run() {
    let mut receiver = Receiver::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&receiver.origin(), "cron = \"0 * * * *\"", "");
    let server = TestServer::at(clock.clone(), &table).await;
    jobs(&server).await;
    let data = server.stop().await;
    clock.advance_ms(195 * MINUTE);

    let server = TestServer::again_at(data, &table, clock.clone()).await;

    assert_eq!(receiver.next().await.body["dueMs"], millis("2026-01-10T15:00:00Z"));
    let job = until(&server, rests).await;
    assert_eq!(job["next"], "2026-01-10T16:00:00Z");
    let server = server.restart(None).await;
    assert_eq!(jobs(&server).await[0]["next"], "2026-01-10T16:00:00Z");
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_never_runs_twice_at_the_same_time() {
    let gate = Gate::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let server = TestServer::at(clock.clone(), &job(&gate.origin(), "every = \"10m\"", "")).await;
    jobs(&server).await;
    clock.advance_ms(10 * MINUTE);
    let first = gate.next().await;
    clock.advance_ms(25 * MINUTE);

    let refused = run_now(&server).await.expect(409);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("has been running since 2026-01-10T12:10:00Z"), "{detail}");
    assert_eq!(jobs(&server).await[0]["runningSince"], "2026-01-10T12:10:00Z");
    assert!(gate.is_alone());
    assert_eq!((&first.body["dueMs"], &first.body["count"]), (&millis("2026-01-10T12:10:00Z"), &json!(1)));
    first.answer().await;

    // What became due meanwhile is one run.
    let second = gate.next().await;
    assert_eq!((&second.body["dueMs"], &second.body["count"]), (&millis("2026-01-10T12:30:00Z"), &json!(2)));
    second.answer().await;
    assert_eq!(until(&server, rests).await["next"], "2026-01-10T12:40:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_is_made_again_at_the_next_start() {
    let gate = Gate::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&gate.origin(), "every = \"10m\"", "");
    let server = TestServer::at(clock.clone(), &table).await;
    jobs(&server).await;
    clock.advance_ms(10 * MINUTE);
    let first = gate.next().await;

    let data = server.cut_off().await;
    let server = TestServer::again_at(data, &table, clock.clone()).await;

    let again = gate.next().await;
    assert_eq!(again.body["dueMs"], first.body["dueMs"]);
    assert_eq!((&first.body["attempt"], &again.body["attempt"]), (&json!(1), &json!(2)));
    first.gone().await;
    again.answer().await;
    let job = until(&server, |job| job["lastOutcome"] == "done").await;
    assert_eq!(job["next"], "2026-01-10T12:20:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_run_and_notes_how_it_ended() {
    let gate = Gate::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&gate.origin(), "every = \"10m\"", "");
    let server = TestServer::at(clock.clone(), &table).await;
    jobs(&server).await;
    clock.advance_ms(10 * MINUTE);
    let waiting = gate.next().await;

    let stopping = tokio::spawn(server.stop());
    waiting.answer().await;
    let server = TestServer::again_at(stopping.await.unwrap(), &table, clock).await;

    let job = &jobs(&server).await[0];
    assert_eq!((&job["lastOutcome"], &job["next"]), (&json!("done"), &json!("2026-01-10T12:20:00Z")));
    assert!(job["runningSince"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_starts_a_job_now_even_one_that_the_clock_does_not_start() {
    let mut receiver = Receiver::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&receiver.origin(), "every = \"10m\"\nenabled = false", "");
    let server = TestServer::at(clock.clone(), &table).await;
    clock.advance_ms(60 * MINUTE);
    assert_eq!(jobs(&server).await[0]["next"], Value::Null);
    assert!(receiver.all().is_empty());

    run_now(&server).await.expect(202);

    let told = receiver.next().await.body;
    assert_eq!((&told["byHand"], &told["dueMs"]), (&json!(true), &millis("2026-01-10T13:00:00Z")));
    assert_eq!(until(&server, rests).await["lastOutcome"], "done");
    let unknown = server.admin("POST", "/jobs/job-counter/tock/run").await.expect(404);
    assert!(unknown.body["detail"].as_str().unwrap().contains("job-counter/tock"));
    let token = server.new_token(&["scim.read", "scim.write"]).await;
    let url = format!("http://{}/admin/jobs/job-counter/tick/run", server.app.admin_listens);
    let stranger = provost_tests::server::client().post(url).bearer_auth(token);
    server.send(stranger).await.expect(403);
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_may_do_better_is_tried_again_with_a_pause() {
    let mut receiver = Receiver::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&receiver.origin(), "every = \"60m\"", ", fails = 2, retryable = true");
    let server = TestServer::at(clock.clone(), &table).await;
    jobs(&server).await;
    clock.advance_ms(60 * MINUTE);

    receiver.next().await;
    let job = until(&server, rests).await;
    assert_eq!((&job["lastOutcome"], &job["next"]), (&json!("failed"), &json!("2026-01-10T13:00:30Z")));
    assert!(job["lastReport"].as_str().unwrap().contains("not this time"));
    clock.advance_ms(30_000);
    let second = receiver.next().await.body;
    assert_eq!((&second["attempt"], &second["dueMs"]), (&json!(2), &millis("2026-01-10T13:00:00Z")));
    until(&server, |job| job["next"] == "2026-01-10T13:01:30Z").await;
    clock.advance_ms(60_000);
    receiver.next().await;
    assert_eq!(until(&server, |job| job["lastOutcome"] == "done").await["next"], "2026-01-10T14:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_do_better_waits_for_its_next_due_time() {
    let mut receiver = Receiver::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&receiver.origin(), "every = \"60m\"", ", fails = 1");
    let server = TestServer::at(clock.clone(), &table).await;
    jobs(&server).await;
    clock.advance_ms(60 * MINUTE);

    receiver.next().await;

    let job = until(&server, rests).await;
    assert_eq!((&job["lastOutcome"], &job["next"]), (&json!("failed"), &json!("2026-01-10T14:00:00Z")));
    assert_eq!(job["lastSuccess"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_its_own_deadline() {
    let gate = Gate::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&gate.origin(), "every = \"60m\"\ndeadline_seconds = 1", "");
    let server = TestServer::at(clock, &table).await;
    run_now(&server).await.expect(202);
    let waiting = gate.next().await;

    let job = until(&server, rests).await;

    assert_eq!(job["lastOutcome"], "failed");
    waiting.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_changes_the_directory_in_its_plugins_name() {
    let document = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ben"}"#;
    let wish = format!("{{ action = \"create\", type = \"User\", body = '{document}' }}");
    let table = |grants: &str| {
        let rest = format!(
            "config = {{ when = \"run\", writes = [{wish}] }}\n[plugin.grant]\n\
             imports = [\"config\", \"http\", \"directory-write\"]\n{grants}\n[[plugin.job]]\nname = \"tick\"\nevery = \"1h\""
        );
        plugin(guests::WRITES_DIRECTORY, &rest)
    };
    for (grants, made) in
        [("", 0), ("directory_write = [{ type = \"User\", operations = [\"create\"] }]\nwrite = [\"userName\"]", 1)]
    {
        let server = TestServer::start(&table(grants)).await;

        server.admin("POST", "/jobs/writes-directory/tick/run").await.expect(202);
        until(&server, rests).await;

        let journal = server.journal().await;
        assert_eq!(journal.len(), made, "{grants}");
        assert!(journal.iter().all(|row| row["subject"] == "plugin:writes-directory"), "{journal:?}");
        assert_eq!(server.count("/Users").await, made as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_changes_what_it_walks_over_skips_nobody() {
    let rest = "config = { filter = 'title eq \"leaver\"', removes = \"title\", count = 2 }\n[plugin.grant]\n\
         imports = [\"config\", \"directory\", \"directory-write\"]\ndirectory = [\"User\"]\nwrite = [\"title\"]\n\
         directory_write = [{ type = \"User\", operations = [\"patch\"] }]\n[[plugin.job]]\nname = \"tick\"\nevery = \"1h\"";
    let server = TestServer::start(&plugin(guests::JOB_WRITES, rest)).await;
    for name in 0..7 {
        let mut body = user(&format!("user-{name}"));
        body["title"] = json!(if name == 3 { "stays" } else { "leaver" });
        server.post("/Users", body).await.expect(201);
    }

    server.admin("POST", "/jobs/job-writes/tick/run").await.expect(202);
    let job = until(&server, rests).await;

    assert_eq!(job["lastReport"], "6 changed on 3 pages", "{job}");
    let left = server.get("/Users?filter=title%20pr").await.expect(200).body;
    assert_eq!((&left["totalResults"], &left["Resources"][0]["title"]), (&json!(1), &json!("stays")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_has_jobs_and_does_none_is_not_loaded() {
    let rest =
        "grant = { imports = [\"config\", \"state\", \"outbox\"] }\n[[plugin.job]]\nname = \"tick\"\nevery = \"1h\"";
    let server = TestServer::start(&plugin(guests::REFUSE_ALL, rest)).await;

    let plugins = server.plugins().await;

    assert!(plugins[0]["reason"].as_str().is_some_and(|why| why.contains("exports no `schedule`")), "{plugins:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_has_any_more_is_forgotten() {
    let receiver = Receiver::start().await;
    let clock = Clock::fixed(at("2026-01-10T12:00:00Z"));
    let table = job(&receiver.origin(), "every = \"10m\"", "");
    let server = TestServer::at(clock.clone(), &table).await;
    assert_eq!(jobs(&server).await.len(), 1);

    let server = server.restart(Some("")).await;
    assert!(jobs(&server).await.is_empty());
    clock.advance_ms(60 * MINUTE);
    let server = server.restart(Some(&table)).await;

    assert_eq!(jobs(&server).await[0]["next"], "2026-01-10T13:10:00Z");
    assert!(receiver.all().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_measured_by_job_and_outcome_and_the_last_ones_across_a_restart() {
    let gate = Gate::start().await;
    let table = job(&gate.origin(), "every = \"10m\"", ", fails = 1");
    let server = Process::at(at("2026-01-10T12:00:00Z"), &table).await;
    let outcome = async |server: &Process, wanted: &str| {
        eventually(wanted, async || {
            let job = server.admin("GET", "/jobs").await.expect(200).body["jobs"][0].clone();
            (job["lastOutcome"] == wanted && job["runningSince"].is_null()).then_some(())
        })
        .await;
    };
    let metric = |metrics: &str, name: &str, more: &str| {
        let sample = format!("provost_job_{name}{{plugin=\"job-counter\",job=\"tick\"{more}}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&sample)).map(|value| value.parse::<f64>().unwrap())
    };
    let seconds = |text: &str| Some(at(text).as_second() as f64);
    server.admin("GET", "/jobs").await.expect(200);

    server.advance_ms(10 * MINUTE).await;
    gate.next().await.answer().await;
    outcome(&server, "failed").await;
    server.advance_ms(12 * MINUTE).await;
    gate.next().await.answer().await;
    outcome(&server, "done").await;

    let metrics = server.metrics().await;
    assert_eq!(metric(&metrics, "runs_total", ",outcome=\"error\""), Some(1.0), "{metrics}");
    assert_eq!(metric(&metrics, "runs_total", ",outcome=\"done\""), Some(1.0));
    assert_eq!(metric(&metrics, "run_seconds_count", ""), Some(2.0));
    assert_eq!(metric(&metrics, "late_seconds_sum", ""), Some(120.0), "the second was due at 12:20");
    assert_eq!(metric(&metrics, "last_success_timestamp_seconds", ""), seconds("2026-01-10T12:22:00Z"));

    server.advance_ms(8 * MINUTE).await;
    let cut_off = gate.next().await;
    let server = server.restart().await;
    cut_off.gone().await;
    let again = gate.next().await;

    let metrics = server.metrics().await;
    assert_eq!(metric(&metrics, "runs_total", ",outcome=\"cut_off\""), Some(1.0), "{metrics}");
    assert!(
        metrics.contains("provost_plugin_loaded{plugin=\"job-counter\""),
        "what a start does is measured: {metrics}"
    );
    assert_eq!(metric(&metrics, "runs_total", ",outcome=\"done\""), None, "counts are of this process");
    assert_eq!(metric(&metrics, "last_run_timestamp_seconds", ""), seconds("2026-01-10T12:30:00Z"));
    assert_eq!(metric(&metrics, "last_success_timestamp_seconds", ""), seconds("2026-01-10T12:22:00Z"));
    again.answer().await;
}
