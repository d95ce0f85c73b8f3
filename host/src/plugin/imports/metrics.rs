//! `metrics`: the plugin's own counters and distributions.

use super::super::bindings::wit;
use super::super::guest::Guest;
use wit::types::Pair;

impl wit::metrics::Host for Guest {
    async fn count(&mut self, name: String, by: u64, labels: Vec<Pair>) -> wasmtime::Result<()> {
        self.enter("metrics.count")?;
        let _ = (name, by, labels);
        Ok(())
    }

    async fn observe(&mut self, name: String, value: f64, labels: Vec<Pair>) -> wasmtime::Result<()> {
        self.enter("metrics.observe")?;
        let _ = (name, value, labels);
        Ok(())
    }
}
