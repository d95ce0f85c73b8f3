//! Reading off a component what it wants and what it offers, before anything of it runs.
//!
//! Names decide: `provost:plugin/observe@0.1.0`. Within a track of versions (`0.1`) a component may
//! be older or newer than this server, as long as it asks for nothing that this server lacks.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::config::Import;
use super::imports;
use crate::hook::HookGroup;

/// The package whose interfaces plugins speak.
const PACKAGE: &str = "provost:plugin";

/// The one interface that every plugin exports.
const LIFECYCLE: &str = "lifecycle";

/// The track of versions this server speaks.
const TRACK: &str = "0.1";

/// What WASI 0.2 consists of, as far as it is linked.
const WASI_PACKAGES: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// The hook groups a plugin exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Exports([bool; HookGroup::ALL.len()]);

impl Exports {
    /// What must be assumed of a plugin that could not be read: that it wants to be asked.
    pub(super) const UNKNOWN: Exports = Exports([true; HookGroup::ALL.len()]);

    /// Whether it exports this group.
    pub(super) fn has(self, group: HookGroup) -> bool {
        HookGroup::ALL.into_iter().zip(self.0).any(|(other, exported)| exported && other == group)
    }

    fn add(&mut self, group: HookGroup) {
        for (other, exported) in HookGroup::ALL.into_iter().zip(&mut self.0) {
            *exported |= other == group;
        }
    }

    /// The groups' names, as the WIT has them.
    pub(super) fn names(self) -> Vec<&'static str> {
        HookGroup::ALL.into_iter().filter(|group| self.has(*group)).map(HookGroup::as_str).collect()
    }
}

/// What a component wants and offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inspected {
    pub(super) exports: Exports,
    pub(super) imports: Vec<Import>,
}

/// `package/interface@version`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// Absent for plain names, such as a function's.
    fn parse(text: &'a str) -> Option<Self> {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let (package, interface) = path.split_once('/')?;
        Some(Self { package, interface, version })
    }

    /// Whether the version is of the track this server speaks.
    fn on_track(self) -> bool {
        self.version.is_some_and(|version| {
            version.strip_prefix(TRACK).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// Reads the component's imports and exports.
///
/// The error is the sentence's second half: what is wrong, and what to do.
pub(super) fn inspect(component: &Component, engine: &Engine) -> Result<Inspected, String> {
    let exports = exports(component, engine)?;
    let imports = wanted(component, engine)?;
    Ok(Inspected { exports, imports })
}

fn exports(component: &Component, engine: &Engine) -> Result<Exports, String> {
    let (mut groups, mut lifecycle, mut ours) = (Exports::default(), false, false);
    for (text, _) in component.component_type().exports(engine) {
        let Some(name) = Name::parse(text).filter(|name| name.package == PACKAGE) else { continue };
        check_track(name)?;
        ours = true;
        match HookGroup::ALL.into_iter().find(|group| group.as_str() == name.interface) {
            Some(group) => groups.add(group),
            None if name.interface == LIFECYCLE => lifecycle = true,
            // A rule that is never asked is worse than one that is refused.
            None => {
                return Err(format!(
                    "exports the hook group `{}`, which this server does not know; use a newer server",
                    name.interface
                ));
            }
        }
    }
    match (ours, lifecycle) {
        (true, true) => Ok(groups),
        (true, false) => {
            Err("exports no `lifecycle`, which every plugin must; build it with the SDK's `export!`".to_owned())
        }
        (false, _) => Err(format!(
            "is a component, but no plugin: it exports nothing of {PACKAGE}; build it with the SDK's `export!`"
        )),
    }
}

fn wanted(component: &Component, engine: &Engine) -> Result<Vec<Import>, String> {
    let mut wanted = Vec::new();
    for (text, external) in component.component_type().imports(engine) {
        let Some(name) = Name::parse(text) else {
            return Err(format!(
                "imports `{text}`, which this server does not offer; build it for the world in `wit/`"
            ));
        };
        if WASI_PACKAGES.contains(&name.package) && name.version.is_some_and(|version| version.starts_with("0.2")) {
            continue;
        }
        if name.package != PACKAGE {
            return Err(format!(
                "imports `{text}`, which this server does not offer; it offers {PACKAGE}@{TRACK} and WASI 0.2 without HTTP"
            ));
        }
        check_track(name)?;
        if name.interface == "types" {
            continue;
        }
        let Some(import) = Import::ALL.into_iter().find(|import| import.as_str() == name.interface) else {
            return Err(format!("imports `{text}`, which this server does not know; use a newer server"));
        };
        if let ComponentItem::ComponentInstance(instance) = &external.ty {
            let functions = instance.exports(engine).filter(|(_, item)| is_function(&item.ty));
            for (function, _) in functions {
                if !imports::functions(import).contains(&function) {
                    return Err(format!(
                        "imports the function `{function}` of `{text}`, which this server does not know; use a newer server"
                    ));
                }
            }
        }
        wanted.push(import);
    }
    Ok(wanted)
}

fn is_function(item: &ComponentItem) -> bool {
    matches!(item, ComponentItem::ComponentFunc(_))
}

fn check_track(name: Name<'_>) -> Result<(), String> {
    if name.on_track() {
        return Ok(());
    }
    let found = name.version.unwrap_or("no version");
    Err(format!("was built for {PACKAGE}@{found}, and this server speaks {TRACK}; rebuild it with this server's SDK"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let name = Name::parse("provost:plugin/before-write@0.1.0").unwrap();

        assert_eq!((name.package, name.interface, name.version), ("provost:plugin", "before-write", Some("0.1.0")));
        assert_eq!(Name::parse("run"), None);
        assert_eq!(Name::parse("a:b/c").unwrap().version, None);
    }

    #[test]
    fn a_track_holds_its_own_versions_only() {
        for (version, on_track) in [
            ("0.1", true),
            ("0.1.0", true),
            ("0.1.27", true),
            ("0.10.0", false),
            ("0.2.0", false),
            ("1.0.0", false),
            ("0", false),
        ] {
            let text = format!("provost:plugin/log@{version}");
            assert_eq!(Name::parse(&text).unwrap().on_track(), on_track, "{version}");
        }
        assert!(!Name::parse("provost:plugin/log").unwrap().on_track());
    }
}
