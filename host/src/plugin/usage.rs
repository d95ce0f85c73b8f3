//! What of its grants a plugin has really used since it was loaded: for `provost plugin grants`, so that an operator
//! sees what could be taken away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::config::Import;
use crate::limits::USES_REMEMBERED_MAX;

/// How often each grant was used: `imports http`, `write title`, `http https://a.example PUT`, `outbox crm`.
#[derive(Debug, Default)]
pub(super) struct Usage {
    imports: [AtomicU64; Import::ALL.len()],
    others: Mutex<BTreeMap<String, u64>>,
}

impl Usage {
    /// A call of an import's function: `state.get`.
    pub(super) fn import(&self, function: &str) {
        let interface = function.split('.').next().unwrap_or(function);
        if let Some(place) = Import::ALL.iter().position(|import| import.as_str() == interface) {
            self.imports[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A verdict changed this path.
    pub(super) fn wrote(&self, path: &str) {
        self.count(format!("write {path}"));
    }

    /// Any other use, in the words of the grant's key.
    pub(super) fn count(&self, line: String) {
        let mut uses = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < USES_REMEMBERED_MAX || uses.contains_key(&line) {
            *uses.entry(line).or_default() += 1;
        }
    }

    /// Everything so far.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.others.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (import, count) in Import::ALL.iter().zip(&self.imports) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                counts.insert(format!("imports {import}"), count);
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_counted_and_do_not_grow_without_a_bound() {
        let usage = Usage::default();
        usage.import("state.get");
        usage.import("state.put");
        (0..USES_REMEMBERED_MAX * 2).for_each(|n| usage.count(format!("outbox {n}")));

        assert_eq!(usage.counts()["imports state"], 2);
        assert_eq!(usage.counts().len(), USES_REMEMBERED_MAX + 1, "and the import");
    }
}
