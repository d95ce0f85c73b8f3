//! The components of `tests/guests`, built before the tests, by name.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// A `[[plugin]]` table for a guest under its own file's name, with everything else as given.
///
/// `rest` is TOML: keys of the table first, then `[plugin.grant]` and the like.
pub fn plugin(component: &str, rest: &str) -> String {
    let name = std::path::Path::new(component).file_stem().expect("a component has a file name");
    let name = name.to_str().expect("guests have plain names").replace('_', "-");
    format!("[[plugin]]\nname = \"{name}\"\nplugin = \"{component}\"\n{rest}\n")
}

/// The shipped `forward` plugin under the name `crm`, mirroring people to this origin.
pub fn forward(origin: &str) -> String {
    format!(
        r#"[[plugin]]
name = "crm"
plugin = "builtin:forward"
config = {{ url = "{origin}/people", target = "crm" }}
[plugin.grant]
imports = ["config", "outbox", "http"]
outbox = ["crm"]
http = [{{ origin = "{origin}", methods = ["PUT", "DELETE"], private = true }}]
"#
    )
}
