//! Veto: only the e-mail domains and user-name shapes that the operator allows.
//!
//! Judged is what a change touches. Somebody who was here before the policy can still be
//! deactivated, or get another title.

mod shape;

use provost_sdk::prelude::*;
use shape::Shape;

/// What is allowed; each key is off until it is set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DomainPolicy {
    /// `example.com`, or `*.example.com` for every domain beneath it.
    email_domains: Vec<String>,
    /// Shapes like `{letters}.{letters}`; one of them has to fit.
    user_name: Vec<String>,
}

impl Plugin for DomainPolicy {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let domains = self.email_domains.iter().enumerate().filter(|(_, domain)| !is_domain(domain));
        let domains = domains.map(|(at, _)| {
            Finding::new(format!("email_domains[{at}]"), "is not a domain: `example.com` or `*.example.com`")
        });
        let shapes = self.user_name.iter().enumerate();
        let shapes = shapes.filter_map(|(at, shape)| {
            let problem = Shape::parse(shape).err()?;
            Some(Finding::new(format!("user_name[{at}]"), problem))
        });
        domains.chain(shapes).collect()
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        let Some(user) = change.proposed::<User>()? else { return Ok(Verdict::proceed()) };

        if change.changed("emails") && !self.email_domains.is_empty() {
            let mut addresses = user.emails.iter().filter_map(|email| email.value.as_deref());
            if !addresses.all(|address| self.allows_address(address)) {
                let detail = "`emails` holds an address in a domain that is not allowed here";
                return Ok(Verdict::bad_request(ScimType::InvalidValue, detail));
            }
        }
        if change.changed("userName") && !self.user_name.is_empty() {
            let shapes = self.user_name.iter().filter_map(|shape| Shape::parse(shape).ok());
            let user_name = user.user_name.unwrap_or_default();
            if !shapes.into_iter().any(|shape| shape.fits(&user_name)) {
                let detail = "`userName` does not have a shape that is allowed here";
                return Ok(Verdict::bad_request(ScimType::InvalidValue, detail));
            }
        }
        Ok(Verdict::proceed())
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(DomainPolicy: before_write);

impl DomainPolicy {
    fn allows_address(&self, address: &str) -> bool {
        let Some((name, domain)) = address.rsplit_once('@') else { return false };
        !name.is_empty() && self.email_domains.iter().any(|allowed| covers(allowed, domain))
    }
}

fn covers(allowed: &str, domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    match allowed.to_ascii_lowercase().strip_prefix("*.") {
        Some(parent) => domain.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => domain.eq_ignore_ascii_case(allowed),
    }
}

fn is_domain(text: &str) -> bool {
    let labels = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    labels.split('.').all(label)
}

#[cfg(test)]
mod tests;
