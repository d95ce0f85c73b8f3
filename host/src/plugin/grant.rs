//! What a plugin may really do: the smaller of what it asks for and what it is granted.
//!
//! A plugin without a manifest asks for nothing in writing; then the operator's grant alone counts.

use std::collections::BTreeSet;

use provost_scim::covers;

use super::PluginConfig;
use super::config::{DirectoryWrite, Grant};
use super::manifest::{Ask, AskedHttp};
use crate::hook::Operation;
use crate::outbound;

/// What stands for everything, in a manifest and in `grant.write`.
const ALL: &str = "*";

/// The table, with its grant and its subscription cut down to what the plugin asks for.
pub(super) fn effective(config: &PluginConfig, ask: Option<&Ask>) -> PluginConfig {
    let Some(ask) = ask else { return config.clone() };
    let grant = &config.grant;
    let among = |granted: &[String], asked: &[String]| -> Vec<String> {
        let asks_for = |name: &&String| asked.iter().any(|asked| asked == *name || asked == ALL);
        granted.iter().filter(asks_for).cloned().collect()
    };
    let grant = Grant {
        imports: grant.imports.iter().copied().filter(|import| ask.imports.contains(import)).collect(),
        read: match (&grant.read, &ask.read) {
            (granted, None) => granted.clone(),
            (None, asked) => asked.clone(),
            (Some(granted), Some(asked)) => Some(common_paths(granted, asked)),
        },
        write: common_paths(&grant.write, &ask.write),
        http: grant.http.iter().filter_map(|granted| common_origin(granted, &ask.http)).collect(),
        outbox: among(&grant.outbox, &ask.outbox),
        directory: among(&grant.directory, &ask.directory),
        directory_write: grant
            .directory_write
            .iter()
            .filter_map(|of| common_writes(of, &ask.directory_write))
            .collect(),
        secrets: among(&grant.secrets, &ask.secrets),
        read_sensitive: among(&grant.read_sensitive, &ask.read_sensitive),
        state_entries: [grant.state_entries, ask.state_entries].into_iter().flatten().min(),
    };
    let types = match (&config.types, &ask.types) {
        (wanted, None) => wanted.clone(),
        (None, asked) => asked.clone(),
        (Some(wanted), Some(asked)) => Some(among(wanted, asked)),
    };
    let operations = match (&config.operations, &ask.operations) {
        (wanted, None) => wanted.clone(),
        (None, asked) => asked.clone(),
        (Some(wanted), Some(asked)) => Some(wanted.iter().copied().filter(|act| asked.contains(act)).collect()),
    };
    PluginConfig { grant, types, operations, ..config.clone() }
}

/// One line for each thing that a plugin asks for: `write title`, `http https://a.example PUT`. In the words of the
/// keys, so that an operator finds them.
pub(super) fn asked(ask: &Ask) -> BTreeSet<String> {
    let paths = |key: &str, paths: &[String]| paths.iter().map(|path| format!("{key} {path}")).collect::<Vec<_>>();
    let mut lines: BTreeSet<String> = ask.imports.iter().map(|import| format!("imports {import}")).collect();
    lines.extend(match &ask.read {
        None => vec![format!("read {ALL}")],
        Some(read) => paths("read", read),
    });
    lines.extend(paths("write", &ask.write));
    for AskedHttp { origin, methods } in &ask.http {
        lines.extend(methods.iter().map(|method| format!("http {origin} {}", method.as_str())));
    }
    lines.extend(paths("outbox", &ask.outbox));
    lines.extend(paths("directory", &ask.directory));
    for DirectoryWrite { resource_type, operations } in &ask.directory_write {
        let line = |operation: &Operation| format!("directory_write {resource_type} {}", operation.as_str());
        lines.extend(operations.iter().map(line));
    }
    lines.extend(paths("secrets", &ask.secrets));
    lines.extend(paths("read_sensitive", &ask.read_sensitive));
    lines.extend(ask.state_entries.map(|entries| format!("state_entries {entries}")));
    lines
}

/// The same for a grant.
pub(super) fn granted(grant: &Grant) -> BTreeSet<String> {
    asked(&as_ask(grant))
}

/// The table, with no more than this grant has.
pub(super) fn no_more_than(config: &PluginConfig, grant: &Grant) -> PluginConfig {
    let mut narrowed = effective(config, Some(&as_ask(grant)));
    for of in &mut narrowed.grant.http {
        of.private &= grant.http.iter().any(|other| other.origin == of.origin && other.private);
    }
    narrowed
}

fn as_ask(grant: &Grant) -> Ask {
    let http = grant.http.iter().map(|of| AskedHttp { origin: of.origin.to_string(), methods: of.methods.clone() });
    Ask {
        imports: grant.imports.clone(),
        read: grant.read.clone(),
        write: grant.write.clone(),
        http: http.collect(),
        outbox: grant.outbox.clone(),
        directory: grant.directory.clone(),
        directory_write: grant.directory_write.clone(),
        secrets: grant.secrets.clone(),
        read_sensitive: grant.read_sensitive.clone(),
        state_entries: grant.state_entries,
        ..Ask::default()
    }
}

/// What an upgrade asks for that its predecessor did not, and that is not granted: line by line.
pub(super) fn exceeding(ask: &Ask, accepted: Option<&Ask>, grant: &Grant) -> Vec<String> {
    let accepted = accepted.map(asked).unwrap_or_default();
    let granted = granted(grant);
    let fits = |line: &String, among: &BTreeSet<String>| among.iter().any(|other| reaches(other, line));
    asked(ask).into_iter().filter(|line| !fits(line, &accepted) && !fits(line, &granted)).collect()
}

/// Whether one line covers another of the same key.
fn reaches(wide: &str, narrow: &str) -> bool {
    let split = |line: &'_ str| line.split_once(' ').map(|(key, rest)| (key.to_owned(), rest.to_owned()));
    let (Some((key, wide)), Some((same, narrow))) = (split(wide), split(narrow)) else { return false };
    match key == same {
        false => false,
        true => match key.as_str() {
            "read" | "write" => covers(plain(&wide), plain(&narrow)),
            "state_entries" => wide.parse::<u64>().ok() >= narrow.parse::<u64>().ok(),
            // What a manifest leaves to the configuration, the operator's own names settle.
            _ => wide == narrow || narrow.split(' ').next() == Some(ALL),
        },
    }
}

/// The paths that both lists reach.
fn common_paths(one: &[String], other: &[String]) -> Vec<String> {
    let mut common = Vec::new();
    for a in one {
        for b in other {
            let narrower = match (covers(plain(a), plain(b)), covers(plain(b), plain(a))) {
                (true, _) => b,
                (false, true) => a,
                (false, false) => continue,
            };
            if !common.contains(narrower) {
                common.push(narrower.clone());
            }
        }
    }
    common
}

/// A path without the URN of the standard's own core schemas, which may stand before it or not.
pub(super) fn plain(path: &str) -> &str {
    let urns = ["urn:ietf:params:scim:schemas:core:2.0:User:", "urn:ietf:params:scim:schemas:core:2.0:Group:"];
    let stripped = urns.iter().find_map(|urn| {
        let head = path.get(..urn.len())?;
        head.eq_ignore_ascii_case(urn).then(|| &path[urn.len()..])
    });
    stripped.unwrap_or(path)
}

fn common_writes(granted: &DirectoryWrite, asked: &[DirectoryWrite]) -> Option<DirectoryWrite> {
    let of_it = |asked: &&DirectoryWrite| asked.resource_type == granted.resource_type || asked.resource_type == ALL;
    let wanted: Vec<_> = asked.iter().filter(of_it).flat_map(|asked| asked.operations.iter().copied()).collect();
    let operations: Vec<_> = granted.operations.iter().copied().filter(|op| wanted.contains(op)).collect();
    (!operations.is_empty()).then(|| DirectoryWrite { operations, ..granted.clone() })
}

fn common_origin(granted: &outbound::Grant, asked: &[AskedHttp]) -> Option<outbound::Grant> {
    let origin = granted.origin.to_string();
    let of_it =
        |asked: &&AskedHttp| asked.origin == ALL || asked.origin.trim_end_matches('/').eq_ignore_ascii_case(&origin);
    let wanted: Vec<_> = asked.iter().filter(of_it).flat_map(|asked| asked.methods.iter().copied()).collect();
    let methods: Vec<_> = granted.methods.iter().copied().filter(|method| wanted.contains(method)).collect();
    (!methods.is_empty()).then(|| outbound::Grant { methods, ..granted.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Act;
    use crate::plugin::Import;

    fn config(rest: &str) -> PluginConfig {
        toml::from_str(&format!("name = \"p\"\nplugin = \"p.wasm\"\n{rest}")).unwrap()
    }

    fn ask(text: &str) -> Ask {
        toml::from_str(text).unwrap()
    }

    const WIDE: &str = r#"
        [grant]
        imports = ["log", "state", "http", "outbox", "directory"]
        write = ["name", "title"]
        read = ["name", "emails"]
        http = [{ origin = "https://a.example", methods = ["GET", "PUT"], private = true }]
        outbox = ["crm", "mail"]
        directory = ["User", "Group"]
        read_sensitive = ["password"]
        state_entries = 100
    "#;

    #[test]
    fn without_a_manifest_the_grant_alone_counts() {
        let config = config(WIDE);

        assert_eq!(granted(&effective(&config, None).grant), granted(&config.grant));
    }

    #[test]
    fn the_smaller_wins_for_every_kind() {
        let asks = ask(r#"
            imports = ["log", "http", "metrics"]
            write = ["name.givenName", "nickName"]
            read = ["urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", "title"]
            http = [{ origin = "https://A.example/", methods = ["GET", "DELETE"] }]
            outbox = ["crm"]
            directory = ["User"]
            state_entries = 10
            types = ["User"]
            operations = ["create"]
        "#);

        let effective = effective(&config(WIDE), Some(&asks));

        let grant = &effective.grant;
        assert_eq!(grant.imports, [Import::Log, Import::Http]);
        assert_eq!(grant.write, ["name.givenName"]);
        assert_eq!(grant.read.as_deref().map(<[String]>::len), Some(1), "{:?}", grant.read);
        assert_eq!((grant.http[0].methods.len(), grant.http[0].private), (1, true));
        assert_eq!(
            (grant.outbox.as_slice(), grant.directory.as_slice()),
            (&["crm".to_owned()][..], &["User".to_owned()][..])
        );
        assert!(grant.read_sensitive.is_empty());
        assert_eq!(grant.state_entries, Some(10));
        assert_eq!(effective.types.as_deref(), Some(&["User".to_owned()][..]));
        assert_eq!(effective.operations, Some(vec![Act::Change(Operation::Create)]));
    }

    #[test]
    fn asking_for_more_than_is_granted_gives_no_more() {
        let everything = ask(r#"
            imports = ["log", "config", "state", "directory", "outbox", "http", "metrics"]
            write = ["*"]
            outbox = ["*"]
            directory = ["User", "Group"]
            http = [{ origin = "*", methods = ["GET", "PUT", "POST", "DELETE"] }]
            read_sensitive = ["password"]
        "#);
        let (none, some) = (config(""), config(WIDE));

        assert_eq!(granted(&effective(&none, Some(&everything)).grant), granted(&none.grant));
        assert_eq!(granted(&effective(&some, Some(&everything)).grant), granted(&some.grant));
    }

    #[test]
    fn an_upgrade_exceeds_by_what_nobody_granted_and_its_predecessor_did_not_ask_for() {
        let old = ask("imports = [\"log\", \"state\"]\nwrite = [\"title\"]\nread = [\"name\"]");
        let new = ask(
            "imports = [\"log\", \"state\", \"http\"]\nwrite = [\"title\", \"active\", \"name.givenName\"]\nread = [\"name.givenName\"]\nhttp = [{ origin = \"https://b.example\", methods = [\"GET\"] }]",
        );
        let grant = config("[grant]\nimports = [\"log\"]\nwrite = [\"name\"]").grant;

        assert_eq!(exceeding(&new, Some(&old), &grant), ["http https://b.example GET", "imports http", "write active"]);
        assert!(exceeding(&old, Some(&old), &grant).is_empty());
        assert!(
            exceeding(&ask(""), Some(&old), &config("[grant]\nread = [\"title\"]").grant).len() == 1,
            "reading all is more"
        );
    }
}
