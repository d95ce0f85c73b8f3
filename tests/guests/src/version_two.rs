//! Writes its version, `two`, into `nickName`, or into `title` where that is taken: what `version_one` is upgraded to.

use provost_sdk::prelude::*;

/// Nothing to configure, so that any key is a finding.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Version {}

impl Plugin for Version {
    const INFO: Info = Info { name: "version", version: "2.0.0", summary: "writes its version" };

    fn review(&self, change: &Change) -> Result<Verdict> {
        let Some(resource) = change.proposed::<Resource>()? else { return Ok(Verdict::proceed()) };
        // Where it is asked twice, the second time has a place of its own.
        let place = if resource.get("nickName").is_some() { "title" } else { "nickName" };
        log::debug("this is version two", &[]);
        Ok(Patch::new().replace(place, "two").into_verdict())
    }
}

provost_sdk::export!(Version: before_write);
