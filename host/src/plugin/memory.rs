//! How much memory one call may use: all its memories together, and all its tables together.

use wasmtime::ResourceLimiter;

use super::engine::{MEMORIES_PER_COMPONENT_MAX, TABLES_PER_COMPONENT_MAX};
use crate::limits;

/// Counts a call's memory, and notes when it wanted too much.
#[derive(Debug)]
pub(super) struct Memory {
    bytes: usize,
    bytes_max: usize,
    elements: usize,
    refused: Option<String>,
}

impl Memory {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: 0, bytes_max, elements: 0, refused: None }
    }

    /// How much memory there is: as much as there ever was, since memories only grow.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the guest wanted and did not get.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > self.bytes_max {
            self.refused = Some(format!("wanted more than {} MiB of memory", self.bytes_max >> 20));
            return Ok(false);
        }
        self.bytes = bytes;
        // Whoever asked for too much and then for less has got what it needs.
        self.refused = None;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        if elements > limits::GUEST_TABLE_ELEMENTS_MAX {
            self.refused = Some(format!("wanted more than {} table elements", limits::GUEST_TABLE_ELEMENTS_MAX));
            return Ok(false);
        }
        self.elements = elements;
        Ok(true)
    }

    fn instances(&self) -> usize {
        // The pool counts core instances per component, with an error that says so.
        usize::MAX
    }

    fn tables(&self) -> usize {
        TABLES_PER_COMPONENT_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_COMPONENT_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_memories_share_one_limit() {
        let mut memory = Memory::new(3 << 20);

        assert!(memory.memory_growing(0, 2 << 20, None).unwrap());
        assert!(memory.memory_growing(0, 1 << 20, None).unwrap());
        assert!(!memory.memory_growing(2 << 20, (2 << 20) + 1, None).unwrap());
        assert_eq!(memory.refused(), Some("wanted more than 3 MiB of memory"));
    }

    #[test]
    fn whoever_then_makes_do_with_less_was_refused_nothing() {
        let mut memory = Memory::new(1 << 20);

        assert!(!memory.memory_growing(0, 2 << 20, None).unwrap());
        assert!(memory.refused().is_some());
        assert!(memory.memory_growing(0, 1 << 20, None).unwrap());
        assert_eq!(memory.refused(), None);
    }

    #[test]
    fn tables_have_a_limit_of_their_own() {
        let mut memory = Memory::new(1);

        assert!(memory.table_growing(0, limits::GUEST_TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(!memory.table_growing(0, 1, None).unwrap());
        assert!(memory.refused().is_some());
    }
}
