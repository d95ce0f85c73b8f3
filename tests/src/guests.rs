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
