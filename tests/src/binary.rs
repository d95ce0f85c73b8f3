//! The `provost` command, for a process of its own.

use std::path::{Path, PathBuf};

/// The command under test: `src/twin.rs`, which is `provost` but for a clock that can be set. Cargo builds it with every
/// test and bench of this package, so it is never older than they are.
pub fn provost() -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows its own path");
    let profile = tests.parent().and_then(Path::parent).expect("tests stand in target/PROFILE/deps");
    profile.join("provost-twin")
}

/// The engine's name for a command that reads no configuration of a test server.
pub const ENGINE_VARIABLE: &str = "PROVOST__STORE__ENGINE";

/// The time at which the clock of [`provost()`] stands, as RFC 3339 has it. Without it the clock is the machine's.
pub const CLOCK_VARIABLE: &str = "TWIN_CLOCK";
