//! SIGKILL while a job runs: the run is made again, never beside another one, and not for ever.

use provost_tests::guests::{self, plugin};
use provost_tests::{Gate, Process};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn on_sled_a_killed_job_is_made_again_and_never_runs_twice_at_once() {
    is_made_again("sled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_fjall_a_killed_job_is_made_again_and_never_runs_twice_at_once() {
    is_made_again("fjall").await;
}

async fn is_made_again(engine: &str) {
    let gate = Gate::start().await;
    let origin = gate.origin();
    let rest = format!(
        "config = {{ url = \"{origin}/run\" }}\n[plugin.grant]\nimports = [\"config\", \"state\", \"http\"]\n\
         http = [{{ origin = \"{origin}\", methods = [\"POST\"], private = true }}]\n\
         [[plugin.job]]\nname = \"tick\"\nevery = \"1s\""
    );
    let tables = format!("[store]\nengine = \"{engine}\"\n{}", plugin(guests::JOB_COUNTER, &rest));
    let mut server = Process::with(&tables).await;

    // The third cut is one too many: the run counts as failed, and the next due time begins anew.
    for (count, attempt) in [(1, 1), (2, 2), (3, 3), (4, 1)] {
        let run = gate.next().await;
        assert_eq!((&run.body["count"], &run.body["attempt"]), (&json!(count), &json!(attempt)), "{}", run.body);
        assert_eq!(run.body["lastSuccessMs"], json!(null));
        assert!(gate.is_alone(), "another run is under way");
        if count < 4 {
            server = server.restart().await;
            run.gone().await;
        } else {
            run.answer().await;
        }
    }

    let run = gate.next().await;
    assert_eq!((&run.body["count"], &run.body["attempt"]), (&json!(5), &json!(1)));
    assert!(run.body["lastSuccessMs"].is_u64(), "{}", run.body);
}
