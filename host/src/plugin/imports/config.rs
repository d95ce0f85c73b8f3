//! `config`: the operator's configuration for this plugin.

use super::super::bindings::wit;
use super::super::guest::Guest;

impl wit::config::Host for Guest {
    async fn get(&mut self) -> wasmtime::Result<String> {
        self.enter("config.get")?;
        Ok(self.identity.config_json.clone())
    }
}
