//! Makes up a missing `userName`: from the primary e-mail address, or from the name.

use provost_sdk::prelude::*;

#[derive(Deserialize)]
struct FillUserName;

impl Plugin for FillUserName {
    const INFO: Info = Info { name: "fill_user_name", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        let Some(user) = change.proposed::<User>()? else { return Ok(Verdict::proceed()) };
        if user.user_name.is_some() {
            return Ok(Verdict::proceed());
        }
        let from_name = user.name.as_ref().and_then(|name| {
            Some(format!("{}.{}", name.given_name.as_deref()?, name.family_name.as_deref()?).to_lowercase())
        });
        let made_up = user.primary_email().map(str::to_owned).or(from_name);
        let patch = made_up.map(|made_up| Patch::new().replace("userName", made_up));
        Ok(patch.unwrap_or_default().into_verdict())
    }
}

provost_sdk::export!(FillUserName: before_write);
