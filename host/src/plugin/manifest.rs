//! What a plugin asks for in writing: its manifest.
//!
//! A manifest is TOML with a table `[ask]`. It stands in the component itself, in a section named `provost:manifest`,
//! which the SDK's `manifest!` puts there; or in a file beside it: `NAME.plugin.toml` for `NAME.wasm`, else
//! `plugin.toml`. The section is part of what a digest pins, so it counts where both are.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use super::config::{DirectoryWrite, Import};
use crate::hook::Act;
use crate::limits::MANIFEST_BYTES_MAX;
use crate::outbound::Method;

/// The section's name.
const SECTION: &str = "provost:manifest";

/// The file beside a component that has none of its own name.
pub(super) const BESIDE: &str = "plugin.toml";

/// What a plugin asks for: the shape of `[plugin.grant]`, and what it wants to be asked about. An absent list asks for
/// nothing; an absent `read`, `types` or `operations` for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// The interfaces it imports.
    pub imports: Vec<Import>,
    /// The attribute paths it looks at.
    pub read: Option<Vec<String>>,
    /// The attribute paths its verdicts change.
    pub write: Vec<String>,
    /// The resource types it is about.
    pub types: Option<Vec<String>>,
    /// What it judges.
    pub operations: Option<Vec<Act>>,
    /// Where its HTTP requests go.
    pub http: Vec<AskedHttp>,
    /// The targets it enqueues messages for; `*` where its configuration names them.
    pub outbox: Vec<String>,
    /// The resource types it reads from the directory.
    pub directory: Vec<String>,
    /// What it changes by itself.
    pub directory_write: Vec<DirectoryWrite>,
    /// The secrets that its requests carry; `*` where its configuration names them.
    pub secrets: Vec<String>,
    /// What it wants to see in clear.
    pub read_sensitive: Vec<String>,
    /// How many entries its state needs.
    pub state_entries: Option<u64>,
}

/// An origin that a plugin asks for. Whether it may be a private address is for the operator alone to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedHttp {
    /// `https://hr.example.org`, or `*` where the plugin's configuration names it.
    pub origin: String,
    /// With which methods.
    pub methods: Vec<Method>,
}

/// A manifest. What else stands in it is for people.
#[derive(Debug, Deserialize)]
struct Manifest {
    ask: Option<Ask>,
}

/// The file that can stand beside this component, under its own name.
pub(super) fn beside(component: &Path) -> PathBuf {
    component.with_extension(BESIDE)
}

/// Reads the manifest beside a component, if there is one.
pub(super) fn read_beside(component: &Path) -> Result<Option<String>, String> {
    let shared = component.parent().map(|directory| directory.join(BESIDE));
    for file in std::iter::once(beside(component)).chain(shared) {
        let wrong = |why: String| format!("has a manifest beside it, `{}`, that {why}", file.display());
        match std::fs::metadata(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(wrong(format!("cannot be read: {error}; check its permissions"))),
            Ok(found) if found.len() > MANIFEST_BYTES_MAX as u64 => return Err(wrong(too_large())),
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&file);
        return text.map(Some).map_err(|error| wrong(format!("cannot be read: {error}; check its permissions")));
    }
    Ok(None)
}

/// What the component asks for; absent if it has no manifest.
///
/// The error is the sentence's second half: what is wrong, and what to do.
pub(super) fn ask(component: &[u8], beside: Option<&str>) -> Result<Option<Ask>, String> {
    let text = match section(component)? {
        Some(text) => text,
        None => match beside {
            Some(text) => text.to_owned(),
            None => return Ok(None),
        },
    };
    match toml::from_str::<Manifest>(&text) {
        Ok(Manifest { ask }) => Ok(Some(ask.unwrap_or_default())),
        Err(error) => Err(format!(
            "has a manifest that cannot be understood: {}; mend it, or use a newer server",
            error.message().replace(char::is_control, " ")
        )),
    }
}

/// The text in the component's own section. Linkers put it into one of its core modules.
fn section(component: &[u8]) -> Result<Option<String>, String> {
    let mut found: Option<&[u8]> = None;
    for payload in Parser::new(0).parse_all(component) {
        // Whatever is damaged is the compiler's to complain about.
        let Ok(payload) = payload else { break };
        let Payload::CustomSection(section) = payload else { continue };
        if section.name() != SECTION {
            continue;
        }
        if found.is_some_and(|found| found != section.data()) {
            return Err("has two manifests that differ; call `manifest!` once".to_owned());
        }
        found = Some(section.data());
    }
    match found {
        None => Ok(None),
        Some(bytes) if bytes.len() > MANIFEST_BYTES_MAX => Err(format!("has a manifest that {}", too_large())),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err("has a manifest that is not text; build it again".to_owned()),
        },
    }
}

fn too_large() -> String {
    format!("is larger than {MANIFEST_BYTES_MAX} bytes; shorten it")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core module with custom sections.
    fn module(sections: &[(&str, &str)]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for (name, text) in sections {
            let length = 1 + name.len() + text.len();
            assert!(length < 128, "one byte of LEB128");
            module.extend([0, length as u8, name.len() as u8]);
            module.extend(name.bytes().chain(text.bytes()));
        }
        module
    }

    #[test]
    fn a_section_comes_before_the_file_beside() {
        let component = module(&[("name", "x"), (SECTION, "[ask]\nwrite = [\"title\"]")]);

        let asked = ask(&component, Some("[ask]\nwrite = [\"*\"]")).unwrap().unwrap();

        assert_eq!(asked.write, ["title"]);
        assert_eq!(ask(&module(&[]), Some("[ask]\noutbox = [\"crm\"]")).unwrap().unwrap().outbox, ["crm"]);
        assert_eq!(ask(&module(&[]), None).unwrap(), None);
    }

    #[test]
    fn what_is_for_people_is_passed_over_and_what_is_asked_for_is_not() {
        let asked = ask(&[], Some("name = \"crm\"\n[author]\nmail = \"x\"\n")).unwrap();
        assert_eq!(asked, Some(Ask::default()));

        for text in ["[ask]\nimport = []", "[ask]\nimports = [\"files\"]", "[ask", "ask = 1"] {
            assert!(ask(&[], Some(text)).unwrap_err().contains("manifest"), "{text}");
        }
    }

    #[test]
    fn two_manifests_must_agree() {
        let twice = module(&[(SECTION, "[ask]"), (SECTION, "[ask]")]);
        assert!(ask(&twice, None).is_ok());
        let two = module(&[(SECTION, "[ask]"), (SECTION, "")]);
        assert!(ask(&two, None).unwrap_err().contains("two manifests"));
    }

    #[test]
    fn a_damaged_component_is_left_to_the_compiler() {
        assert_eq!(ask(b"\0asm\x0d\0\x01\0\xff\xff", None).unwrap(), None);
    }
}
