//! Panics whenever a `userName` ends with a zero, and lets everything else pass.

use provost_sdk::prelude::*;

/// Nothing to configure.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TrapsAtZero {}

impl TrapsAtZero {
    fn look(change: &Change) -> Result {
        let resource = change.proposed::<Resource>()?;
        let name = resource.and_then(|resource| Some(resource.get("userName")?.as_str()?.to_owned()));
        assert!(!name.is_some_and(|name| name.ends_with('0')), "this guest panics at zero");
        Ok(())
    }
}

impl Plugin for TrapsAtZero {
    const INFO: Info = Info { name: "traps_at_zero", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        Self::look(change)?;
        Ok(Verdict::proceed())
    }

    fn observe(&self, change: &Change, _sequence: u64) -> Result {
        Self::look(change)
    }
}

provost_sdk::export!(TrapsAtZero: before_write, observe);
