//! What the operator chose for a plugin that fails: what happens to the request, and when the plugin is left alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hook::{HookGroup, OnFault};
use crate::limits::{
    BREAKER_FAULTS_DEFAULT, BREAKER_FAULTS_MAX, BREAKER_OPEN_SECONDS_DEFAULT, BREAKER_OPENINGS_DEFAULT,
    BREAKER_SECONDS_MAX, BREAKER_WINDOW_SECONDS_DEFAULT,
};

/// What happens to a request when the plugin errs or faults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum FaultPolicy {
    /// The same in every hook group.
    Everywhere(OnFault),
    /// For each hook group; those that are not named refuse.
    ByGroup(BTreeMap<HookGroup, OnFault>),
}

impl FaultPolicy {
    /// What happens in this hook group.
    pub fn at(&self, group: HookGroup) -> OnFault {
        match self {
            Self::Everywhere(policy) => *policy,
            Self::ByGroup(groups) => groups.get(&group).copied().unwrap_or(OnFault::Refuse),
        }
    }
}

impl Default for FaultPolicy {
    fn default() -> Self {
        Self::Everywhere(OnFault::Refuse)
    }
}

/// When a plugin is no longer asked, and for how long: `breaker = { faults = 5, window_seconds = 60, open_seconds = 30 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// So many faults open it; 0 switches it off.
    pub faults: u32,
    /// If they come within so many seconds.
    pub window_seconds: u64,
    /// For so many seconds; then one call tries.
    pub open_seconds: u64,
    /// After so many openings in a row the plugin is quarantined; 0 for never.
    pub openings: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            faults: BREAKER_FAULTS_DEFAULT,
            window_seconds: BREAKER_WINDOW_SECONDS_DEFAULT,
            open_seconds: BREAKER_OPEN_SECONDS_DEFAULT,
            openings: BREAKER_OPENINGS_DEFAULT,
        }
    }
}

impl BreakerConfig {
    /// The key that makes no sense, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let seconds = 1..=BREAKER_SECONDS_MAX;
        if self.faults > BREAKER_FAULTS_MAX {
            return Err(("breaker.faults", format!("is above the server's ceiling of {BREAKER_FAULTS_MAX}")));
        }
        if !seconds.contains(&self.window_seconds) {
            return Err(("breaker.window_seconds", format!("expected 1 to {BREAKER_SECONDS_MAX}")));
        }
        if !seconds.contains(&self.open_seconds) {
            return Err(("breaker.open_seconds", format!("expected 1 to {BREAKER_SECONDS_MAX}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Table {
        on_fault: FaultPolicy,
    }

    #[test]
    fn a_policy_is_for_all_groups_or_for_each() {
        let one: Table = toml::from_str("on_fault = \"skip\"").unwrap();
        assert_eq!(one.on_fault.at(HookGroup::Shape), OnFault::Skip);

        let each: Table = toml::from_str("on_fault = { shape = \"skip\", before_write = \"refuse\" }").unwrap();
        assert_eq!(each.on_fault.at(HookGroup::Shape), OnFault::Skip);
        assert_eq!(each.on_fault.at(HookGroup::BeforeWrite), OnFault::Refuse);
        assert_eq!(each.on_fault.at(HookGroup::Access), OnFault::Refuse, "what is not named refuses");

        for wrong in ["on_fault = \"ask\"", "on_fault = { shapes = \"skip\" }"] {
            assert!(toml::from_str::<Table>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_breaker_that_makes_no_sense_is_refused_by_its_key() {
        let good = BreakerConfig::default();
        assert!(good.check().is_ok() && BreakerConfig { faults: 0, ..good }.check().is_ok());

        assert_eq!(BreakerConfig { faults: 5_000, ..good }.check().unwrap_err().0, "breaker.faults");
        assert_eq!(BreakerConfig { window_seconds: 0, ..good }.check().unwrap_err().0, "breaker.window_seconds");
        assert_eq!(BreakerConfig { open_seconds: u64::MAX, ..good }.check().unwrap_err().0, "breaker.open_seconds");
    }
}
