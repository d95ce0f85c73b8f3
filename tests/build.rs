//! Builds the guests of `tests/guests`, and names each one's component for the tests.

#[path = "../host/build/guests.rs"]
mod guests;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use guests::{Workspace, out_directory, stop};

/// The guest that benches call: also built as a plugin that is shipped.
const MEASURED: &str = "stamp";

fn main() {
    let workspace = Workspace::above_this_package();
    workspace.watch(&["tests/guests/Cargo.toml", "tests/guests/src"]);

    let quick = workspace.build("guest-quick", &["--package", "provost-guests", "--examples"]);
    let shipped = workspace.build("guest", &["--package", "provost-guests", "--example", MEASURED]);

    let mut table = String::new();
    for name in names(&workspace) {
        add(&mut table, &name.to_uppercase(), &quick, &name);
    }
    add(&mut table, "AS_SHIPPED", &shipped, MEASURED);
    fs::write(out_directory().join("guests.rs"), table)
        .unwrap_or_else(|error| stop(&format!("the table of guests was not written: {error}")));
}

/// Adds a constant that names the component that was built in `directory`.
fn add(table: &mut String, constant: &str, directory: &Path, name: &str) {
    let component = directory.join("examples").join(name).with_extension("wasm");
    if !component.is_file() {
        stop(&format!("the guest `{name}` was not built; `tests/guests/Cargo.toml` has to name it"));
    }
    let component = component.display().to_string();
    writeln!(table, "/// `{name}`: see its source.\npub const {constant}: &str = {component:?};")
        .expect("a string takes every line");
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
