//! Transform: trims, settles letter case, and makes up what a template can tell.
//!
//! Only the attributes that the configuration lists are touched, in this order: trim, letter
//! case, templates. A change that is already normal passes as it is.

use std::collections::BTreeMap;

use provost_sdk::prelude::*;

/// Which attribute is normalised how; each key is off until it is set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Normalize {
    /// These lose white space at both ends, and runs of it inside become one space.
    trim: Vec<String>,
    /// These become lower case.
    lowercase: Vec<String>,
    /// These become upper case.
    uppercase: Vec<String>,
    /// These are made from a template when they are missing.
    fill: BTreeMap<String, String>,
    /// These are made from a template always.
    set: BTreeMap<String, String>,
}

impl Plugin for Normalize {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let both = self.lowercase.iter().filter(|path| self.uppercase.contains(path));
        let both = both.map(|path| Finding::new("uppercase", format!("`{path}` is also in `lowercase`")));
        let templates = [("fill", &self.fill), ("set", &self.set)];
        let broken = templates.into_iter().flat_map(|(key, templates)| {
            templates.iter().filter(|(_, template)| render(template, &Resource::default()).is_none()).map(
                move |(path, _)| {
                    Finding::new(format!("{key}.{path}"), "has a brace without its partner; write `{name.givenName}`")
                },
            )
        });
        both.chain(broken).collect()
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        let Some(before) = change.proposed::<Resource>()? else { return Ok(Verdict::proceed()) };
        let mut after = before.clone();

        for path in &self.trim {
            after.map_text(path, squeeze);
        }
        for path in &self.lowercase {
            after.map_text(path, |text| text.to_lowercase());
        }
        for path in &self.uppercase {
            after.map_text(path, |text| text.to_uppercase());
        }
        let missing = self.fill.iter().filter(|(path, _)| before.get(path).is_none());
        for (path, template) in missing.chain(&self.set) {
            match render(template, &after) {
                Some(text) if !text.is_empty() => after.set(path, text),
                _ => {}
            }
        }

        Verdict::changes_between(&before, &after)
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(Normalize: before_write);

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Puts the texts that a template names in their places; what is missing leaves no gap. `None` if
/// a brace has no partner.
fn render(template: &str, resource: &Resource) -> Option<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('{') {
        let (path, behind) = from.split_once('}')?;
        if before.contains('}') || path.contains('{') {
            return None;
        }
        text.push_str(before);
        text.push_str(resource.text(path.trim()).unwrap_or_default());
        rest = behind;
    }
    if rest.contains('}') {
        return None;
    }
    text.push_str(rest);
    Some(squeeze(&text))
}

#[cfg(test)]
mod tests;
