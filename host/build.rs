//! Builds the shipped plugins and puts them into the binary, as `builtin:NAME`.

#[path = "build/guests.rs"]
mod guests;

use std::fmt::Write;
use std::fs;

use guests::{Workspace, out_directory, stop};

/// The shipped plugins, each a package under `plugins/`.
const BUILTINS: [&str; 9] = [
    "birthright",
    "domain-policy",
    "forward",
    "lifecycle",
    "normalize",
    "profile-sync",
    "registration",
    "scim-out",
    "segment",
];

fn main() {
    let workspace = Workspace::above_this_package();
    let sources = BUILTINS.map(|name| format!("plugins/{name}/src"));
    let packages = BUILTINS.map(|name| format!("plugins/{name}/Cargo.toml"));
    let manifests = BUILTINS.map(|name| format!("plugins/{name}/plugin.toml"));
    workspace.watch(&sources.iter().chain(&packages).chain(&manifests).map(String::as_str).collect::<Vec<_>>());

    let packages: Vec<&str> = BUILTINS.iter().flat_map(|name| ["--package", name]).collect();
    let built = workspace.build("guest", &packages);

    let mut table = String::from("/// The shipped plugins by name, each a component.\n");
    table.push_str("pub static BUILTINS: &[(&str, &[u8])] = &[\n");
    for name in BUILTINS {
        let component = format!("{name}.wasm");
        let from = built.join(name.replace('-', "_")).with_extension("wasm");
        if let Err(error) = fs::copy(&from, out_directory().join(&component)) {
            stop(&format!("the plugin `{name}` was not built: {}: {error}", from.display()));
        }
        writeln!(table, "    ({name:?}, include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{component}\"))),")
            .expect("a string takes every line");
    }
    table.push_str("];\n");
    fs::write(out_directory().join("builtins.rs"), table)
        .unwrap_or_else(|error| stop(&format!("the table of shipped plugins was not written: {error}")));
}
