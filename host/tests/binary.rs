//! The `provost` binary itself: its other tests run the same `main` from a binary of their own.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::process::{Command, Output};

fn provost(arguments: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.current_dir(&nowhere).args(arguments).output().unwrap()
}

#[test]
fn it_says_its_version_and_finds_its_defaults_good() {
    let version = provost(&["--version"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout), concat!("provost ", env!("CARGO_PKG_VERSION"), "\n"));

    let check = provost(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));

    assert_eq!(provost(&["conquer"]).status.code(), Some(2));
}
