//! Narrows to what is no filter.

use provost_sdk::prelude::*;
use provost_sdk::{Decision, Inquiry};

/// What it answers as a filter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NarrowGarbage {
    filter: String,
}

impl Plugin for NarrowGarbage {
    const INFO: Info = Info { name: "narrow_garbage", ..provost_sdk::info!() };

    fn decide(&self, _inquiry: &Inquiry) -> Result<Decision> {
        Ok(Decision::narrow(&self.filter))
    }
}

provost_sdk::export!(NarrowGarbage: access);
