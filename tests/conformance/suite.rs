//! The public suite `scim2-tester`, in a virtual environment that is made for it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use provost_tests::Process;

/// The least Python that the suite runs on.
const PYTHON: (u32, u32) = (3, 11);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_suite_finds_nothing_to_complain_about() {
    let Some(python) = python() else {
        // Past the test harness, which keeps the output of tests that pass to itself.
        let line = format!(
            "\nSKIPPED: scim2-tester did not run, since there is no python3 of {}.{} or later with venv here\n",
            PYTHON.0, PYTHON.1
        );
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    let python = environment(&python);
    let server = Process::start().await;

    let mut check = Command::new(python);
    check.arg(here("check.py")).arg(&server.base).env("PROVOST_TOKEN", &server.token);
    let output = tokio::task::spawn_blocking(move || check.output()).await.unwrap().unwrap();

    assert!(output.status.success(), "{}", said(&output));
}

/// A Python that the suite runs on, if there is one.
fn python() -> Option<PathBuf> {
    let question = format!("import sys, venv, ensurepip; sys.exit(sys.version_info < {PYTHON:?})");
    let fits = |name: &str| Command::new(name).args(["-c", &question]).output().is_ok_and(|o| o.status.success());
    ["python3", "python3.13", "python3.12", "python3.11"].into_iter().find(|name| fits(name)).map(PathBuf::from)
}

/// The interpreter of an environment with the suite in it, made unless an earlier run made it.
fn environment(python: &Path) -> PathBuf {
    let wanted = std::fs::read_to_string(here("requirements.txt")).unwrap();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scim2-tester");
    let interpreter = directory.join("bin/python");
    let installed = directory.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
        return interpreter;
    }
    let _ = std::fs::remove_dir_all(&directory);
    run(Command::new(python).args(["-m", "venv"]).arg(&directory));
    let mut install = Command::new(&interpreter);
    run(install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(here("requirements.txt")));
    std::fs::write(installed, wanted).unwrap();
    interpreter
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?} failed:\n{}", said(&output));
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance").join(name)
}
