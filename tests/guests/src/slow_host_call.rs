//! Waits for an HTTP answer that does not come.

use provost_sdk::prelude::*;

/// Where the black hole is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowHostCall {
    url: String,
}

impl Plugin for SlowHostCall {
    const INFO: Info = Info { name: "slow_host_call", ..provost_sdk::info!() };

    fn review(&self, _change: &Change) -> Result<Verdict> {
        http::Request::get(&self.url).send()?;
        Ok(Verdict::proceed())
    }
}

provost_sdk::export!(SlowHostCall: before_write);
