//! Imports `state`, `directory`, `outbox` and `http`, so that it loads only where all are granted.

use provost_sdk::prelude::*;

#[derive(Deserialize)]
struct AsksUngranted;

impl Plugin for AsksUngranted {
    const INFO: Info = Info { name: "asks_ungranted", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        state::put("asked", &change.request_id)?;
        directory::get::<Resource>("User", &change.request_id)?;
        outbox::enqueue("asked", &change.request_id, outbox::Options::new())?;
        http::Request::get("http://127.0.0.1:1/").send()?;
        Ok(Verdict::proceed())
    }
}

provost_sdk::export!(AsksUngranted: before_write);
