//! The real binary, as its own process.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The `provost` binary that was built with these tests.
pub fn provost() -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows its own path");
    let profile = tests.parent().and_then(Path::parent).expect("tests stand in target/PROFILE/deps");
    let binary = profile.join("provost");
    if !binary.exists() {
        // `cargo test --workspace` builds it before any test runs; a run of this package alone does not.
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--package", "provost", "--bin", "provost"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert!(build.status().expect("cargo is there").success(), "the binary could not be built");
    }
    binary
}

/// The engine's name for a command that reads no configuration of a test server.
pub const ENGINE_VARIABLE: &str = "PROVOST__STORE__ENGINE";
