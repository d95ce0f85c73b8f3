//! Guests that misbehave, each in its own way, and the fault that each comes to.

use super::guests::{RESULT, answering, guest, patching, replacing, reviewer, slice};
use super::*;

#[tokio::test]
async fn a_spinning_guest_ends_at_its_deadline() {
    let host = host_of(&reviewer("(loop $again (br $again)) unreachable").build(), "[limit]\nhook_ms = 20").await;

    let fault = fault(&host).await;
    assert_eq!(fault.kind, FaultKind::Deadline);
    assert!(fault.detail.starts_with("ran longer than 20 ms"), "{fault}");
    assert_recorded(&host, FaultKind::Deadline);
}

#[tokio::test]
async fn a_trap_names_the_trap_and_the_functions() {
    let guest = reviewer("(call $inner) unreachable").function("(func $inner unreachable)");
    let host = host_of(&guest.build(), "").await;

    let fault = fault(&host).await;
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.detail.contains("unreachable") && fault.detail.contains("in inner < "), "{fault}");
    assert_recorded(&host, FaultKind::Trap);
}

#[tokio::test]
async fn endless_recursion_is_a_stack_fault() {
    let guest = reviewer("(call $down) unreachable").function("(func $down (call $down) (call $down))");
    let host = host_of(&guest.build(), "").await;

    assert_eq!(fault(&host).await.kind, FaultKind::Stack);
    assert_recorded(&host, FaultKind::Stack);
}

#[tokio::test]
async fn a_guest_that_is_refused_memory_and_gives_up_is_a_memory_fault() {
    let greedy = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let host = host_of(&reviewer(greedy).build(), "[limit]\nmemory_mib = 4").await;

    let fault = fault(&host).await;
    assert_eq!(fault.kind, FaultKind::Memory);
    assert!(fault.detail.contains("more than 4 MiB"), "{fault}");
    assert_recorded(&host, FaultKind::Memory);
}

#[tokio::test]
async fn a_guest_that_is_refused_memory_and_copes_is_no_fault() {
    let modest = format!("(drop (memory.grow (i32.const 1000))) (i32.const {RESULT})");
    let host = host_of(&reviewer(&modest).build(), "[limit]\nmemory_mib = 4").await;

    assert_eq!(review(&host).await.unwrap().0, Verdict::Proceed);
}

#[tokio::test]
async fn a_bomb_of_tables_is_a_memory_fault() {
    let guest =
        reviewer("(drop (table.grow (ref.null func) (i32.const 1000000))) unreachable").function("(table 1 funcref)");
    let host = host_of(&guest.build(), "").await;

    let fault = fault(&host).await;
    assert_eq!(fault.kind, FaultKind::Memory);
    assert!(fault.detail.contains("table elements"), "{fault}");
}

#[tokio::test]
async fn an_answer_above_the_plugins_limit_is_too_large() {
    let host = host_of(&patching(&format!("[\"{}\"]", "x".repeat(2_000))), "[limit]\noutput_kib = 1").await;

    let fault = fault(&host).await;
    assert_eq!((fault.kind, fault.detail.as_str()), (FaultKind::OutputSize, "answered 2004 bytes; 1024 are allowed"));
}

#[tokio::test]
async fn an_answer_above_the_servers_ceiling_is_not_even_copied() {
    // ok(patch(...)) with eight MiB of zeroes.
    let mut result = vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    result.extend(slice(4096, 8 << 20));
    let guest = reviewer(&format!("(i32.const {RESULT})")).data(RESULT, &result).pages(200);
    let host = host_of(&guest.build(), "").await;

    assert_eq!(fault(&host).await.kind, FaultKind::OutputSize);
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_an_output_fault_that_repeats_nothing() {
    for (component, why) in [
        (patching(r#"[{"secret"#), "not JSON"),
        (patching(r#"{"secret":1}"#), "not a JSON array"),
        (patching(""), "not JSON"),
        (replacing(r#"["secret"]"#), "not a JSON object"),
        (replacing(&format!("{}{}", "[".repeat(9_000), "]".repeat(9_000))), "not JSON"),
    ] {
        let fault = fault(&host_of(&component, "").await).await;
        assert_eq!(fault.kind, FaultKind::Output);
        assert!(fault.detail.contains(why) && !fault.detail.contains("secret"), "{fault}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_interface_is_an_output_fault() {
    let no_such_verdict = answering(&[0, 0, 0, 0, 0, 0, 0, 0, 99], "");
    let not_utf8 =
        answering(&[&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], slice(64 + 4, 40).as_slice()].concat(), "");
    let outside_memory =
        answering(&[&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], slice(u32::MAX - 4, 3).as_slice()].concat(), "");
    for component in [no_such_verdict, outside_memory, reviewer("(i32.const -8)").build()] {
        let fault = fault(&host_of(&component, "").await).await;
        assert_eq!(fault.kind, FaultKind::Output, "{fault}");
    }
    // Whether as text or as JSON, it is nonsense.
    assert_eq!(fault(&host_of(&not_utf8, "").await).await.kind, FaultKind::Output);
}

#[tokio::test]
async fn a_flood_of_host_calls_ends_the_call() {
    let guest = reviewer("(loop $again (call $write (i32.const 1) (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0)) (br $again)) unreachable")
        .importing("log")
        .declare(r#"(import "provost:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32 i32 i32)))"#);
    let host = host_of(&guest.build(), "[grant]\nimports = [\"log\"]\n[limit]\nhost_calls = 50").await;

    let fault = fault(&host).await;
    assert_eq!(fault.kind, FaultKind::HostCalls);
    assert!(fault.detail.starts_with("made more than 50 calls to the host"), "{fault}");
}

#[tokio::test]
async fn handing_the_host_too_many_bytes_ends_the_call() {
    let guest = reviewer(
        "(call $write (i32.const 1) (i32.const 0) (i32.const 8388608) (i32.const 0) (i32.const 0)) unreachable",
    )
    .pages(200)
    .importing("log")
    .declare(r#"(import "provost:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32 i32 i32)))"#);
    let host = host_of(&guest.build(), "[grant]\nimports = [\"log\"]").await;

    assert_eq!(fault(&host).await.kind, FaultKind::HostCalls);
}

#[tokio::test]
async fn after_a_fault_the_next_call_is_as_good_as_the_first() {
    // Traps when it is told of a create (operation 0), proceeds otherwise.
    let picky =
        format!("(if (i32.eqz (i32.load8_u offset=16 (local.get $told))) (then unreachable)) (i32.const {RESULT})");
    let host = host_of(&reviewer(&picky).build(), "").await;
    assert_eq!(fault(&host).await.kind, FaultKind::Trap);

    let delete = Change { operation: Operation::Delete, proposed: None, ..new_user() };
    let reviewers = host.set().reviewers(&delete);
    assert_eq!(host.set().review(&reviewers[0], &cx(), &delete).await.unwrap().0, Verdict::Proceed);
    assert_eq!((status(&host).calls, status(&host).faults.len()), (2, 1));
}

#[tokio::test]
async fn a_spinning_guest_delays_nobody_else() {
    // One worker, shared by a guest that spins for its whole time and one that answers at once.
    let spin = reviewer("(loop $again (br $again)) unreachable").build();
    let answer = reviewer(&format!("(i32.const {RESULT})")).build();
    let host = Bench::new().with("spin", &spin, "").with("answer", &answer, "").host().await;
    let (change, cx) = (new_user(), cx());
    let reviewers = host.set().reviewers(&change);

    let set = host.set();
    tokio::select! {
        biased;
        outcome = set.review(&reviewers[0], &cx, &change) => panic!("the spinner was through first: {outcome:?}"),
        outcome = async {
            for _ in 0..10 {
                host.set().review(&reviewers[1], &cx, &change).await.unwrap();
            }
        } => outcome,
    }
}

#[tokio::test]
async fn a_flood_of_calls_waits_for_seats_and_never_finds_the_pool_empty() {
    let host = host_of(&reviewer(&format!("(i32.const {RESULT})")).build(), "").await;
    let (change, cx) = (new_user(), cx());
    let reviewers = host.set().reviewers(&change);

    let set = host.set();
    let calls = (0..200).map(|_| set.review(&reviewers[0], &cx, &change));
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(outcome.unwrap().0, Verdict::Proceed);
    }
}

#[tokio::test]
async fn a_guest_without_the_hook_is_not_asked() {
    let host = host_of(&guest().build(), "").await;

    assert!(host.set().reviewers(&new_user()).is_empty());
    assert!(host.set().observers(&new_user()).is_empty());
}
