//! Registration: who may sign up, and what a new account begins with.
//!
//! Judges what is created by callers with the registration scope, and leaves everybody else alone.
//! A refusal names the attribute and the rule, never a value.

mod password;

use std::collections::BTreeSet;

use password::PasswordRules;
use provost_sdk::Value;
use provost_sdk::prelude::*;

/// What is demanded; each key is off until it is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Registration {
    /// Whose creates are judged: callers with one of these scopes, and those with none at all.
    scopes: Vec<String>,
    /// The domains that e-mail addresses come from.
    email_domains: Vec<String>,
    /// Paths that must be there: `name.givenName`.
    required: Vec<String>,
    /// Paths of which no two users may have the same value: `emails.value`.
    unique: Vec<String>,
    /// User names that nobody gets, in any letter case.
    reserved_names: BTreeSet<String>,
    /// What a password is like; needs `grant.read_sensitive = ["password"]`.
    password: Option<PasswordRules>,
    /// Paths and values that a new account begins with, whatever its creator says.
    sets: provost_sdk::Attributes,
    /// Paths that nobody chooses for himself; what is under `sets` as well is set.
    removes: Vec<String>,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            scopes: vec!["scim.register".to_owned()],
            email_domains: Vec::new(),
            required: Vec::new(),
            unique: Vec::new(),
            reserved_names: BTreeSet::new(),
            password: None,
            sets: provost_sdk::Attributes::new(),
            removes: ["roles", "entitlements", "userType", "externalId"].map(str::to_owned).to_vec(),
        }
    }
}

impl Plugin for Registration {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let domains = self.email_domains.iter().enumerate().filter(|(_, domain)| !is_domain(domain));
        let domains = domains.map(|(at, _)| Finding::new(format!("email_domains[{at}]"), "is not a domain"));
        let shouted = self.reserved_names.iter().filter(|name| **name != name.to_lowercase());
        let shouted = shouted.map(|_| Finding::new("reserved_names", "holds a name that is not in lower case"));
        domains.chain(shouted).collect()
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        let Some(person) = change.proposed::<Resource>()?.filter(|_| self.is_registration(change)) else {
            return Ok(Verdict::proceed());
        };
        if let Some(path) = self.required.iter().find(|path| is_missing(&person, path)) {
            return invalid(format!("`{path}` is missing"));
        }
        if !self.email_domains.is_empty() {
            let emails = texts(&person, "emails.value");
            if emails.is_empty() || !emails.iter().all(|email| self.allows(email)) {
                let domains = self.email_domains.join(", ");
                return invalid(format!("`emails` must hold addresses of these domains only: {domains}"));
            }
        }
        let user_name = person.text("userName").unwrap_or_default().to_lowercase();
        if self.reserved_names.contains(&user_name) {
            return Ok(Verdict::conflict("`userName` is reserved"));
        }
        if let Some(rules) = &self.password
            && let Some(broken) = rules.broken(person.text("password"), &person)
        {
            return invalid(broken);
        }
        for path in &self.unique {
            for value in texts(&person, path) {
                let found = directory::find::<Resource>("User", &filter::eq(path, value), None, 1)?;
                if !found.resources.is_empty() {
                    return Ok(Verdict::conflict(format!("`{path}` has a value that somebody has already")));
                }
            }
        }
        Ok(self.begin(&person))
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(Registration: before_write);

impl Registration {
    fn is_registration(&self, change: &Change) -> bool {
        let scopes = &change.caller.scopes;
        let registers = scopes.is_empty() || scopes.iter().any(|scope| self.scopes.contains(scope));
        registers && change.operation == Operation::Create && change.resource_type == "User"
    }

    fn allows(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').filter(|(name, _)| !name.is_empty()).map(|(_, domain)| domain);
        domain.is_some_and(|domain| self.email_domains.iter().any(|allowed| domain.eq_ignore_ascii_case(allowed)))
    }

    /// What a new account begins with, and what it may not begin with.
    fn begin(&self, person: &Resource) -> Verdict {
        let goes = |path: &&String| !self.sets.contains_key(*path) && !is_missing(person, path);
        let taken = self.removes.iter().filter(goes);
        let patch = taken.fold(Patch::new(), |patch, path| patch.remove(path));
        let set = self.sets.iter().filter(|(path, value)| person.get(path) != Some(*value));
        set.fold(patch, |patch, (path, value)| patch.replace(path, value.clone())).into_verdict()
    }
}

fn invalid(detail: impl Into<String>) -> Result<Verdict> {
    Ok(Verdict::bad_request(ScimType::InvalidValue, detail))
}

fn is_missing(person: &Resource, path: &str) -> bool {
    let values = person.values(path);
    values.is_empty() || values.iter().all(|value| value.is_null() || value.as_str() == Some(""))
}

fn texts<'a>(person: &'a Resource, path: &str) -> Vec<&'a str> {
    person.values(path).into_iter().filter_map(Value::as_str).collect()
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests;
