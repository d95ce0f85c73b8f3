//! Builds the guests of `tests/guests`, and names each one's component for the tests.

#[path = "../host/build/guests.rs"]
mod guests;

use std::fmt::Write;
use std::fs;

use guests::{Workspace, out_directory, stop};

fn main() {
    let workspace = Workspace::above_this_package();
    workspace.watch(&["tests/guests/Cargo.toml", "tests/guests/src"]);

    // Linked quickly rather than small: there are many of them, and each runs for a moment.
    let quickly = ["--config", "profile.guest.lto=\"off\""];
    let built = workspace.build(&[&quickly[..], &["--package", "provost-guests", "--examples"]].concat());

    let mut table = String::new();
    for name in names(&workspace) {
        let component = built.join("examples").join(&name).with_extension("wasm");
        if !component.is_file() {
            stop(&format!("the guest `{name}` was not built; `tests/guests/Cargo.toml` has to name it"));
        }
        writeln!(table, "/// `{name}`: see its source.").expect("a string takes every line");
        writeln!(table, "pub const {}: &str = {:?};", name.to_uppercase(), component.display().to_string())
            .expect("a string takes every line");
    }
    fs::write(out_directory().join("guests.rs"), table)
        .unwrap_or_else(|error| stop(&format!("the table of guests was not written: {error}")));
}

/// Every source file beside `lib.rs` is a guest.
fn names(workspace: &Workspace) -> Vec<String> {
    let sources = workspace.path("tests/guests/src");
    let files = fs::read_dir(&sources).unwrap_or_else(|error| stop(&format!("{}: {error}", sources.display())));
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    let mut names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "lib")
        .collect();
    names.sort();
    names
}
