//! Holds the map of `ARCHITECTURE.md`: imports go down only, neighbours do not know each other,
//! and some names may be named in one room only. Reads the sources, as a reviewer would.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `host/src`, from the words at the bottom to the wiring at the top.
const FLOORS: [&[&str]; 6] = [
    &["hook", "context", "trace", "clock", "limits"],
    &["store", "outbound", "access"],
    &["plugin", "delivery", "schedule", "upkeep"],
    &["pipeline"],
    &["http", "admin"],
    &["main", "lib", "app", "cli", "config", "eyes", "listener", "schemas", "telemetry", "watch"],
];

/// What may be named by these modules only.
const ROOMS: [(&str, &[&str]); 14] = [
    ("clap", &["cli"]),
    ("axum", &["http", "admin", "app", "cli", "listener"]),
    ("StatusCode", &["http", "admin"]),
    ("utoipa_axum", &["admin"]),
    ("wasmtime", &["plugin"]),
    ("croner", &["hook"]),
    ("sled", &["store"]),
    ("fjall", &["store"]),
    ("reqwest", &["outbound"]),
    ("rustls", &["listener", "outbound"]),
    ("tokio_rustls", &["listener"]),
    ("SystemTime", &["clock"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("notify", &["eyes"]),
];

/// The admin door authenticates and logs the way the SCIM door does; a change is described with the
/// words of its request, and a request and its notes with those of its plugins. Nothing else crosses.
const CROSSINGS: [(&str, &str); 6] = [
    ("admin", "http"),
    ("hook", "context"),
    ("context", "hook"),
    ("context", "trace"),
    ("trace", "hook"),
    ("trace", "limits"),
];

/// What may be used by these files only: a database by what makes an engine of it.
const FILES: [(&str, &str); 2] = [("sled", "store/sled.rs"), ("fjall", "store/fjall.rs")];

struct Source {
    module: String,
    file: PathBuf,
    /// The code, without comments and tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let inside = path.strip_prefix(&root).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().lines();
        let code = code.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        found.push(Source { module, file: inside.to_owned(), code });
    }
    found
}

fn floor(module: &str) -> usize {
    let floor = FLOORS.iter().position(|floor| floor.contains(&module));
    floor.unwrap_or_else(|| panic!("module `{module}` stands on no floor; give it one here and in ARCHITECTURE.md"))
}

/// Every name that stands behind `crate::`.
fn imports(code: &str) -> Vec<String> {
    let names = code.split("crate::").skip(1).flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap().split(',').map(word).collect::<Vec<_>>(),
        None => vec![word(rest)],
    });
    names.filter(|name| !name.is_empty()).collect()
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_go_down_only_and_neighbours_do_not_know_each_other() {
    let known: Vec<&str> = FLOORS.iter().flat_map(|floor| floor.iter().copied()).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        for import in imports(&source.code).iter().filter(|name| known.contains(&name.as_str())) {
            let own = *import == source.module;
            let wiring = floor(&source.module) == FLOORS.len() - 1;
            let crossing = CROSSINGS.contains(&(&source.module, import));
            if !own && !wiring && !crossing && floor(import) >= floor(&source.module) {
                wrong.push(format!("{} names `{import}`", source.file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these look up or sideways:\n{}", wrong.join("\n"));
}

/// S-24.10: nothing that speaks SCIM can follow a URI, since only `outbound` has an HTTP client.
#[test]
fn each_foreign_name_is_named_in_its_own_room_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, rooms) in ROOMS {
            let named = source.code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == name);
            if named && !rooms.contains(&source.module.as_str()) {
                wrong.push(format!("{} names `{name}`", source.file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these are out of their room:\n{}", wrong.join("\n"));
}

/// A request's deviations are counted only where its readers are given the leniency that notes them.
/// What plugins send is read with the settings' own.
#[test]
fn only_plugins_answers_are_read_with_a_leniency_that_notes_nothing() {
    let mut wrong = Vec::new();
    for source in sources() {
        let plain =
            source.code.matches("settings.leniency").count() + source.code.matches("settings().leniency").count();
        let noting = source.code.matches("leniency.noting(").count() + source.code.matches("leniency.is_on(").count();
        if plain > noting && source.file != Path::new("pipeline/review.rs") && source.file != Path::new("http/mod.rs") {
            wrong.push(source.file.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "use `self.leniency(cx)` in: {}", wrong.join(", "));
}

#[test]
fn each_database_is_used_by_its_own_file_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (database, file) in FILES {
            let path = format!("{database}::");
            // `directory.rs` names the neighbour files of its own module, which are called the same.
            let of_a_file = |line: &str| line.contains(&format!("{path}open(directory"));
            let named = source.code.lines().filter(|line| line.contains(&path) && !of_a_file(line));
            if source.file != Path::new(file) && named.count() > 0 {
                wrong.push(format!("{} uses `{database}`", source.file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these know which database it is:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_stands_on_a_floor() {
    for source in sources() {
        floor(&source.module);
    }
}
