//! Builds guests: packages of this workspace, compiled to components for the sandbox.
//!
//! A build script cannot ask cargo for another target's artifacts, so it runs a cargo of its own,
//! with a target directory of its own beside the outer one's profiles. Cargo's lock on that
//! directory makes build scripts wait for each other, and what one of them compiled the next finds.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const TARGET: &str = "wasm32-wasip2";

/// Variables that the outer cargo sets for its own compiler calls, or a user for native code.
/// With them, clippy or a coverage tool would lint or instrument the guests.
const FOREIGN: [&str; 10] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTDOCFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC",
    "RUSTDOC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
];

/// The same, by how their names begin.
const FOREIGN_FAMILIES: [&str; 6] =
    ["CARGO_TARGET_", "CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_UNSTABLE_", "LLVM_PROFILE_", "__CARGO_"];

/// The workspace that guests are packages of.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace one directory above the package whose build script this is.
    pub fn above_this_package() -> Self {
        let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the package's directory"));
        Self { root: package.parent().expect("the package lies in the workspace").to_owned() }
    }

    /// A path inside the workspace.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Has the build script run again when one of these files, or a file in one of these
    /// directories, changes; and when what every guest is made of does.
    pub fn watch(&self, paths: &[&str]) {
        let always = [
            "Cargo.toml",
            "Cargo.lock",
            "rust-toolchain.toml",
            "wit",
            "guest-sdk/Cargo.toml",
            "guest-sdk/src",
            "host/build",
        ];
        for path in always.iter().chain(paths) {
            println!("cargo:rerun-if-changed={}", self.path(path).display());
        }
        println!("cargo:rerun-if-changed=build.rs");
    }

    /// Compiles with this profile of the workspace's `Cargo.toml` and these arguments of `cargo build`, and answers the
    /// directory that the components are in: libraries directly, examples under `examples/`.
    pub fn build(&self, profile: &str, arguments: &[&str]) -> PathBuf {
        self.ensure_target();

        let directory = target_directory().join("guests");
        let mut cargo = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--locked", "--target", TARGET, "--profile", profile]).args(arguments);
        cargo.arg("--target-dir").arg(&directory);
        match cargo.status() {
            Ok(status) if status.success() => directory.join(TARGET).join(profile),
            Ok(status) => stop(&format!("the guests were not built: cargo ended with {status}")),
            Err(error) => stop(&format!("the guests were not built: cargo did not start: {error}")),
        }
    }

    /// Makes sure that the compiler knows the target, or says which command teaches it.
    fn ensure_target(&self) {
        let installed = || {
            let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            let output = self.command(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
            output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
        };
        if installed() {
            return;
        }
        let added = self.command("rustup").args(["target", "add", TARGET]).status();
        if !(added.is_ok_and(|status| status.success()) && installed()) {
            stop(&format!(
                "Provost's plugins are compiled for {TARGET}, which this Rust does not have yet. \
                 Run this once, then build again:\n\n    rustup target add {TARGET}\n"
            ));
        }
    }

    /// A program that runs in the workspace without what the outer cargo set for itself.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let foreign = FOREIGN.contains(&text.as_ref()) || FOREIGN_FAMILIES.iter().any(|f| text.starts_with(f));
            if foreign {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Where the build script may leave files.
pub fn out_directory() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a directory for output"))
}

/// The outer cargo's target directory: it holds the profile that holds `build/…/out`.
fn target_directory() -> PathBuf {
    let out = out_directory();
    let build = out.ancestors().find(|path| path.file_name().is_some_and(|name| name == "build"));
    let target = build.and_then(Path::parent).and_then(Path::parent);
    target.expect("cargo's output directory lies in its target directory").to_owned()
}

/// Ends the build with one clear sentence instead of a panic's backtrace.
pub fn stop(why: &str) -> ! {
    eprintln!("\n{why}\n");
    exit(1)
}
