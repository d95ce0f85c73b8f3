//! Panics, with a message for the fault's detail.

use provost_sdk::prelude::*;

/// Where it panics; in a review unless the configuration says otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Panics {
    /// `review`, `observe`, `deliver` or `check_config`.
    at: Option<String>,
}

impl Plugin for Panics {
    const INFO: Info = Info { name: "panics", ..provost_sdk::info!() };

    fn check(&self) -> Vec<Finding> {
        self.panic_at("check_config");
        Vec::new()
    }

    fn review(&self, _change: &Change) -> Result<Verdict> {
        self.panic_at("review");
        Ok(Verdict::proceed())
    }

    fn observe(&self, _change: &Change, _sequence: u64) -> Result {
        self.panic_at("observe");
        Ok(())
    }

    fn deliver(&self, _message: &Message) -> Result {
        self.panic_at("deliver");
        Ok(())
    }
}

impl Panics {
    fn panic_at(&self, here: &str) {
        assert!(self.at.as_deref().unwrap_or("review") != here, "this guest panics at {here}");
    }
}

provost_sdk::export!(Panics: before_write, observe, deliver);
