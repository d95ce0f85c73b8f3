//! Who may register: people of a domain, with an e-mail address that nobody has, and a password that
//! is not easy. Judges creates; needs the directory, and for the last rule the grant to see passwords.

use provost_sdk::Value;
use provost_sdk::prelude::*;

/// What is demanded; each key is off until it is set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RegistrationPolicy {
    /// The one domain that people come from.
    domain: Option<String>,
    /// Whether an e-mail address may occur once only.
    unique_emails: bool,
    /// Whether a password needs a digit.
    digit: bool,
}

impl Plugin for RegistrationPolicy {
    const INFO: Info = Info { name: "registration_policy", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        let Some(person) = change.proposed::<Resource>()?.filter(|_| change.operation == Operation::Create) else {
            return Ok(Verdict::proceed());
        };
        let emails: Vec<&str> = person.values("emails.value").into_iter().filter_map(Value::as_str).collect();
        if let Some(domain) = &self.domain {
            let inside = |email: &&str| email.rsplit_once('@').is_some_and(|(_, of)| of.eq_ignore_ascii_case(domain));
            if emails.is_empty() || !emails.iter().all(inside) {
                let detail = format!("only people with an address at {domain} register here");
                return Ok(Verdict::bad_request(ScimType::InvalidValue, detail));
            }
        }
        for email in emails.iter().filter(|_| self.unique_emails) {
            let found = directory::find::<Resource>("User", &directory::eq("emails.value", email), None, 1)?;
            if !found.resources.is_empty() {
                return Ok(Verdict::conflict("somebody has this e-mail address already"));
            }
        }
        if self.digit {
            let Some(password) = person.text("password") else {
                return Ok(Verdict::bad_request(ScimType::InvalidValue, "`password` is missing"));
            };
            if !password.chars().any(char::is_numeric) {
                return Ok(Verdict::bad_request(ScimType::InvalidValue, "`password` needs a digit"));
            }
        }
        Ok(Verdict::proceed())
    }
}

provost_sdk::export!(RegistrationPolicy: before_write);
