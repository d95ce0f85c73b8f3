//! Panics whenever a `userName` ends with a zero, and lets everything else pass.

use provost_sdk::prelude::*;

/// Nothing to configure.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TrapsAtZero {}

impl Plugin for TrapsAtZero {
    const INFO: Info = Info { name: "traps_at_zero", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        let resource = change.proposed::<Resource>()?;
        let name = resource.and_then(|resource| Some(resource.get("userName")?.as_str()?.to_owned()));
        assert!(!name.is_some_and(|name| name.ends_with('0')), "this guest panics at zero");
        Ok(Verdict::proceed())
    }
}

provost_sdk::export!(TrapsAtZero: before_write);
