//! What a plugin has done so far, for the operator: counters, and the last faults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::breaker::BreakerStatus;
use super::orders::Origin;
use super::policy::FaultPolicy;
use crate::hook::{Fault, FaultKind, PluginName};
use crate::limits::FAULTS_REMEMBERED_MAX;

/// One plugin, as an operator sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PluginStatus {
    /// The operator's name for it.
    pub name: PluginName,
    /// The version it describes itself with; empty while it has never loaded.
    pub version: String,
    /// What it says it does.
    pub summary: String,
    /// `builtin:NAME`, or a path.
    pub source: String,
    /// Where its table stands.
    pub origin: Origin,
    /// The component's SHA-256 in hexadecimal; empty if it could not be read.
    pub digest: String,
    /// Since when it runs as it does.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The hook groups it exports.
    pub hooks: Vec<&'static str>,
    /// The interfaces of ours it imports.
    pub imports: Vec<&'static str>,
    /// What happens to a change when it faults.
    pub on_fault: FaultPolicy,
    /// Its breakers that are not closed.
    pub breakers: Vec<BreakerStatus>,
    /// Whether it is used.
    #[serde(flatten)]
    pub state: PluginState,
    /// How often it was called.
    pub calls: u64,
    /// How often it refused a change, or held it.
    pub refusals: u64,
    /// How often it reported an error.
    pub errors: u64,
    /// How often it faulted, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Its last faults, the newest first.
    pub recent: Vec<RecentFault>,
}

/// Whether a plugin is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum PluginState {
    /// It is loaded.
    Ready,
    /// What was last good runs, since what is configured cannot be used.
    Outdated {
        /// One sentence: what is wrong, and what to do.
        reason: String,
    },
    /// It could not be loaded, or kept faulting, and the server runs on without it.
    Quarantined {
        /// One sentence: what is wrong, and what to do.
        reason: String,
    },
    /// The operator switched it off.
    Disabled,
}

/// What a plugin asks for, what it is granted, and what of it it uses. Each line is in the words of the grant's keys:
/// `imports http`, `write title`, `http https://hr.example.org GET`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GrantStatus {
    /// The operator's name for it.
    pub name: PluginName,
    /// Whether it asks in writing.
    pub manifest: bool,
    /// What it asks for; null if it has no manifest.
    #[schema(required)]
    pub asked: Option<BTreeSet<String>>,
    /// What the operator grants.
    pub granted: BTreeSet<String>,
    /// What it has: the smaller of both.
    pub effective: BTreeSet<String>,
    /// How often it has used what, since it was loaded.
    pub used: BTreeMap<String, u64>,
    /// Why the last change of it was not applied, if it was not.
    #[schema(required)]
    pub refused: Option<String>,
}

/// One fault, remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecentFault {
    /// Which limit or rule was broken.
    pub kind: FaultKind,
    /// What was seen.
    pub detail: String,
    /// During which request; null where the host found the fault later.
    #[schema(required)]
    pub request_id: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A plugin's counters.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) calls: AtomicU64,
    pub(super) refusals: AtomicU64,
    pub(super) errors: AtomicU64,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    by_kind: BTreeMap<&'static str, u64>,
    recent: VecDeque<RecentFault>,
}

impl Record {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that was not made.
    pub(super) fn unavailable(&self) {
        *self.faults().by_kind.entry(FaultKind::Unavailable.as_str()).or_default() += 1;
    }

    pub(super) fn fault(&self, fault: &Fault, request_id: Option<&str>, at: Timestamp) {
        let mut faults = self.faults();
        *faults.by_kind.entry(fault.kind.as_str()).or_default() += 1;
        faults.recent.truncate(FAULTS_REMEMBERED_MAX - 1);
        faults.recent.push_front(RecentFault {
            kind: fault.kind,
            detail: fault.detail.clone(),
            request_id: request_id.map(str::to_owned),
            at,
        });
    }

    pub(super) fn faults_by_kind(&self) -> BTreeMap<&'static str, u64> {
        self.faults().by_kind.clone()
    }

    pub(super) fn recent_faults(&self) -> Vec<RecentFault> {
        self.faults().recent.iter().cloned().collect()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_counted_and_the_last_ones_are_remembered() {
        let record = Record::default();
        for n in 0..FAULTS_REMEMBERED_MAX + 5 {
            record.fault(&Fault::new(FaultKind::Trap, n.to_string()), Some("r"), Timestamp::UNIX_EPOCH);
        }
        record.fault(&Fault::new(FaultKind::Busy, "last"), None, Timestamp::UNIX_EPOCH);

        assert_eq!(record.faults_by_kind()["trap"], FAULTS_REMEMBERED_MAX as u64 + 5);
        assert_eq!(record.faults_by_kind()["busy"], 1);
        let recent = record.recent_faults();
        assert_eq!(recent.len(), FAULTS_REMEMBERED_MAX);
        assert_eq!((recent[0].kind, recent[1].detail.as_str()), (FaultKind::Busy, "54"));
    }
}
