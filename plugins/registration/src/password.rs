//! What a password is like.

use provost_sdk::Resource;
use provost_sdk::prelude::*;

/// The rules; the server's own, under `[scim.passwords]`, hold besides.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordRules {
    /// How many characters it has at least.
    length_min: usize,
    digit: bool,
    upper: bool,
    lower: bool,
    symbol: bool,
    /// Paths of which no value may occur in it: `userName`, `emails.value`.
    unlike: Vec<String>,
}

impl PasswordRules {
    /// The rule that is broken, in words for the client; absent if none is.
    pub fn broken(&self, password: Option<&str>, person: &Resource) -> Option<String> {
        let Some(password) = password else { return Some("`password` is missing".to_owned()) };
        let has = |wanted: bool, test: fn(char) -> bool| !wanted || password.chars().any(test);
        if password.chars().count() < self.length_min {
            return Some(format!("`password` needs {} characters", self.length_min));
        }
        let classes = [
            (has(self.digit, char::is_numeric), "a digit"),
            (has(self.upper, char::is_uppercase), "an upper-case letter"),
            (has(self.lower, char::is_lowercase), "a lower-case letter"),
            (has(self.symbol, |c| !c.is_alphanumeric() && !c.is_whitespace()), "a symbol"),
        ];
        if let Some((_, what)) = classes.iter().find(|(there, _)| !there) {
            return Some(format!("`password` needs {what}"));
        }
        let password = password.to_lowercase();
        let inside = |path: &&String| super::texts(person, path).iter().any(|value| occurs(value, &password));
        self.unlike.iter().find(inside).map(|path| format!("`password` holds `{path}`"))
    }
}

/// Whether a value is in the password; of an e-mail address, its name is enough. What is shorter
/// than three characters is in everything.
fn occurs(value: &str, password: &str) -> bool {
    let name = value.split('@').next().unwrap_or(value).to_lowercase();
    name.chars().count() >= 3 && password.contains(&name)
}
