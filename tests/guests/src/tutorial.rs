//! Externals are marked as such, and somebody has to answer for them.

use provost_sdk::prelude::*;

/// The operator's configuration. The plugin is its configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Externals {
    /// What is put behind the display name of an external.
    mark: String,
}

impl Plugin for Externals {
    const INFO: Info = provost_sdk::info!();

    fn review(&self, change: &Change) -> Result<Verdict> {
        let Some(before) = change.proposed::<User>()? else { return Ok(Verdict::proceed()) };
        if before.user_type.as_deref() != Some("External") {
            return Ok(Verdict::proceed());
        }
        if before.enterprise.as_ref().is_none_or(|enterprise| enterprise.manager.is_none()) {
            return Ok(Verdict::forbid("an external needs a `manager`, who answers for them"));
        }

        let mut after = before.clone();
        if let Some(name) = after.display_name.as_mut().filter(|name| !name.ends_with(&self.mark)) {
            name.push_str(&self.mark);
        }
        Verdict::changes_between(&before, &after)
    }
}

provost_sdk::export!(Externals: before_write);

#[cfg(test)]
mod tests {
    use super::*;
    use provost_sdk::testing::Harness;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn externals() -> Harness {
        Harness::new::<Externals>().config(json!({ "mark": " (external)" }))
    }

    #[test]
    fn an_external_is_marked() {
        let manager = json!({ "manager": { "value": "01930000-0000-7000-8000-000000000001" } });
        let user = json!({ "userName": "ana", "displayName": "Ana", "userType": "External", (ENTERPRISE): manager });

        let outcome = externals().create("User", user).review();

        assert_eq!(outcome.document()["displayName"], "Ana (external)");
    }

    #[test]
    fn an_external_without_a_manager_is_refused() {
        let outcome = externals().create("User", json!({ "userName": "ana", "userType": "External" })).review();

        assert!(outcome.refusal().detail.contains("`manager`"));
    }

    #[test]
    fn everybody_else_passes() {
        assert!(externals().create("User", json!({ "userName": "ana" })).review().proceeds());
    }
}
