//! How much one query may look at: resources, and the edges that are joined to them.

use super::Store;
use super::query::FindError;

/// What one query may still look at.
pub struct Budget {
    left: usize,
    resources_max: usize,
}

impl Store {
    /// What a new query may look at.
    pub(super) fn budget(&self) -> Budget {
        Budget { left: self.scan_resources_max, resources_max: self.scan_resources_max }
    }
}

impl Budget {
    /// How much is left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Takes off what was looked at.
    ///
    /// # Errors
    /// [`FindError::TooMany`] when that is more than there was.
    pub fn spend(&mut self, looked_at: usize) -> Result<(), FindError> {
        let resources_max = self.resources_max;
        self.left = self.left.checked_sub(looked_at).ok_or(FindError::TooMany { resources_max })?;
        Ok(())
    }
}
