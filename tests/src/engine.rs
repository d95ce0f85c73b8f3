//! Which engine keeps the data of the tests that run.
//!
//! One suite is built as a test target for each engine, and the target's name says which one it is
//! for: `front_door_fjall` runs on `fjall`, everything else on the default.

use std::sync::LazyLock;

/// The word for it in the configuration.
pub fn engine() -> &'static str {
    static ENGINE: LazyLock<&str> = LazyLock::new(|| {
        let program = std::env::current_exe().expect("a test knows its own path");
        let name = program.file_name().and_then(|name| name.to_str()).expect("cargo gives plain names");
        // Behind the target's name cargo puts a dash and a hash.
        if name.split('-').next().is_some_and(|target| target.ends_with("_fjall")) { "fjall" } else { "sled" }
    });
    &ENGINE
}

/// The configuration, with its engine in it unless it names one.
pub fn with_engine(config: &str) -> String {
    let Some((before, section)) = config.split_once("[store]\n") else {
        return format!("[store]\nengine = \"{}\"\n{config}", engine());
    };
    let own = section.lines().take_while(|line| !line.starts_with('[')).any(|line| line.starts_with("engine"));
    if own { config.to_owned() } else { format!("{before}[store]\nengine = \"{}\"\n{section}", engine()) }
}
