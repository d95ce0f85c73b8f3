//! Components that cannot be used: each is refused with a sentence of its own, and the host runs on.

use std::collections::HashSet;

use super::guests::{Guest, RESULT, guest, reviewer};
use super::*;
use crate::limits;

/// The smallest component there is: a preamble, and nothing behind it.
const EMPTY_COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

fn logger() -> Guest {
    reviewer(&format!(
        "(call $write (i32.const 1) (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0)) (i32.const {RESULT})"
    ))
    .importing("log")
    .declare(r#"(import "provost:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32 i32 i32)))"#)
}

/// A guest that imports `log.flush`, which a later version of the interface might have.
fn from_the_future() -> Vec<u8> {
    reviewer(&format!("(call $flush) (i32.const {RESULT})"))
        .importing("log")
        .declare(r#"(import "provost:plugin/log@0.1.9" "flush" (func $flush))"#)
        .against(|wit| wit.replace("@0.1.0;", "@0.1.9;").replace("interface log {", "interface log { flush: func();"), "0.1.9")
        .function(&format!(r#"(func (export "provost:plugin/before-write@0.1.9#review") (param i32) (result i32) (i32.const {RESULT}))"#))
        .build()
}

/// The same guest, built against this version of the interface.
fn of_version(version: &'static str) -> Vec<u8> {
    guest().against(|wit| wit.replace("@0.1.0;", &format!("@{version};")), version).build()
}

async fn reason(component: &[u8], rest: &str) -> String {
    quarantined(&status(&host_of(component, rest).await))
}

#[tokio::test]
async fn each_broken_component_is_refused_with_a_sentence_of_its_own() {
    let good = logger().build();
    let core_module = wat::parse_str("(module)").unwrap();
    let no_describe = guest().function("").without_lifecycle().exporting("observe").function(
        r#"(func (export "provost:plugin/observe@0.1.0#observe") (param i32) (result i32) (i32.const 1024))"#,
    );
    let pinned = format!("sha256 = \"{}\"", "0".repeat(64));
    let granted = "[grant]\nimports = [\"log\"]";
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("garbage", b"hello, I am a text file".to_vec(), "", "is not WebAssembly"),
        ("an empty file", Vec::new(), "", "is not WebAssembly"),
        ("a core module", core_module, "", "is a core module, not a component; build it with `--target wasm32-wasip2`"),
        ("truncated", good[..good.len() / 2].to_vec(), granted, "is damaged"),
        ("an empty component", EMPTY_COMPONENT.to_vec(), "", "is a component, but no plugin"),
        ("without lifecycle", no_describe.build(), "", "exports no `lifecycle`"),
        (
            "of another version",
            of_version("0.2.0"),
            "",
            "was built for provost:plugin@0.2.0, and this server speaks 0.1",
        ),
        (
            "not granted",
            good.clone(),
            "",
            "wants the import `log`, which is not granted; add \"log\" to its `grant.imports`",
        ),
        ("another file", good, &pinned, "is not the file that was pinned"),
        (
            "greedy from the start",
            guest().pages(200).build(),
            "[limit]\nmemory_mib = 8",
            "begins with 12800 KiB of memory, and 8192 KiB are allowed",
        ),
    ];
    let mut seen = HashSet::new();
    for (what, component, rest, sentence) in &cases {
        let reason = reason(component, rest).await;
        assert!(reason.contains("plugin `p`: `") && reason.contains("p.wasm` "), "{what}: {reason}");
        assert!(reason.contains(sentence), "{what}: {reason}");
        seen.insert(*sentence);
    }
    assert_eq!(seen.len(), cases.len() - 1, "only garbage and an empty file share a sentence");
}

#[tokio::test]
async fn a_component_that_needs_a_newer_server_says_which_function() {
    let reason = reason(&from_the_future(), "[grant]\nimports = [\"log\"]").await;

    assert!(reason.contains("imports the function `flush` of `provost:plugin/log@0.1.9`"), "{reason}");
    assert!(reason.contains("use a newer server"), "{reason}");
}

#[tokio::test]
async fn an_older_or_newer_component_of_the_same_track_loads() {
    for version in ["0.1.0", "0.1.7"] {
        let host = host_of(&of_version(version), "").await;
        assert_eq!(status(&host).state, PluginState::Ready, "{version}");
    }
}

#[tokio::test]
async fn a_granted_import_is_linked_and_called() {
    let host = host_of(&logger().build(), "[grant]\nimports = [\"log\"]").await;

    assert_eq!(review(&host).await.unwrap().0, Verdict::Proceed);
}

#[tokio::test]
async fn a_pinned_file_loads_with_its_digest() {
    let component = guest().build();
    let digest = status(&host_of(&component, "").await).digest;
    assert_eq!(digest.len(), 64);

    let host = host_of(&component, &format!("sha256 = \"{}\"", digest.to_uppercase())).await;
    assert_eq!(status(&host).state, PluginState::Ready);
}

#[tokio::test]
async fn a_file_that_is_missing_or_too_large_is_named() {
    let mut bench = Bench::new().with("gone", b"", "").with("vast", b"", "").with("folder", b"", "");
    std::fs::remove_file(bench.path("gone")).unwrap();
    let vast = std::fs::File::create(bench.path("vast")).unwrap();
    vast.set_len(limits::COMPONENT_BYTES_MAX as u64 + 1).unwrap();
    bench.configs[2].plugin = bench.directory.path().to_str().unwrap().to_owned();

    let statuses = bench.host().await.statuses();
    assert!(quarantined(&statuses[0]).contains("gone.wasm` cannot be read"), "{:?}", statuses[0].state);
    assert!(quarantined(&statuses[1]).contains("vast.wasm` is too large: 33554433 bytes"), "{:?}", statuses[1].state);
    assert!(quarantined(&statuses[2]).contains("is a directory"), "{:?}", statuses[2].state);
}

#[tokio::test]
async fn a_builtin_is_found_by_its_name() {
    let component: &'static [u8] = guest().build().leak();
    let builtins: crate::plugin::Builtins = vec![("forward", component)].leak();
    let config = |name: &str| -> PluginConfig {
        toml::from_str(&format!("name = {name:?}\nplugin = \"builtin:{name}\"")).unwrap()
    };

    let host = PluginHost::offline(vec![config("forward"), config("backward")], builtins).await.unwrap();

    let statuses = host.statuses();
    assert_eq!(statuses[0].state, PluginState::Ready);
    let reason = quarantined(&statuses[1]);
    assert!(reason.contains("`builtin:backward` is not in this binary; it carries: forward"), "{reason}");
}

#[tokio::test]
async fn findings_about_the_configuration_quarantine_the_plugin() {
    // `check-config` answers one finding: { path: "a.b", message: "is missing" }.
    let finding = guest()
        .data(96, &super::guests::slice(112, 1))
        .data(112, &[super::guests::slice(128, 3), super::guests::slice(131, 10)].concat())
        .data(128, b"a.bis missing")
        .build();

    let reason = reason(&finding, "").await;
    assert!(reason.contains("does not accept its configuration; mend `config.a.b`: is missing"), "{reason}");
}

#[tokio::test]
async fn a_plugin_that_faults_while_it_is_loaded_is_quarantined() {
    let guest = guest().function("(func $boom unreachable) (start $boom)");

    let reason = reason(&guest.build(), "").await;
    assert!(reason.contains("failed to describe itself: trap: "), "{reason}");
}

#[tokio::test]
async fn a_plugin_configured_badly_is_quarantined_rather_than_trusted() {
    let reason = reason(&guest().build(), "[limit]\nhook_ms = 99999").await;

    assert!(reason.contains("is not configured well: limit.hook_ms: 99999 is above"), "{reason}");
}

#[tokio::test]
async fn compiled_components_are_kept_for_the_next_start_by_their_owner_only() {
    let bench = Bench::new().with("p", &reviewer(&format!("(i32.const {RESULT})")).build(), "");
    let counters = |host: &PluginHost| {
        let set = host.set();
        let cache = set.house.sandbox.cache.as_ref().unwrap();
        (cache.cache_hits(), cache.cache_misses())
    };

    let (first_hits, first_misses) = counters(&bench.host().await);
    assert_eq!((first_hits, first_misses > 0), (0, true));
    let second = bench.host().await;
    assert_eq!(counters(&second), (first_misses, 0));
    assert_eq!(review(&second).await.unwrap().0, Verdict::Proceed);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let kept = bench.directory.path().join("cache/wasmtime");
        assert_eq!(std::fs::metadata(kept).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
