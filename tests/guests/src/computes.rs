//! Observes: computes for a while, then looks the person up and tells a URL.

use provost_sdk::prelude::*;

/// How many rounds it computes, and who is told.
#[derive(Debug, Deserialize)]
struct Computes {
    rounds: u64,
    url: String,
}

impl Plugin for Computes {
    const INFO: Info = Info { name: "computes", ..provost_sdk::info!() };

    fn observe(&self, change: &Change, _sequence: u64) -> Result {
        let sum = (0..self.rounds).fold(1_u64, |sum, round| std::hint::black_box(sum).rotate_left(5) ^ round);
        let id = change.resource_id.as_deref().unwrap_or_default();
        let person = directory::get::<User>("User", id)?;
        let seen = json!({ "userName": person.map(|person| person.user_name), "sum": sum.to_string() });
        http::Request::post(&self.url).json(&seen)?.header("idempotency-key", &change.request_id).send()?;
        Ok(())
    }
}

provost_sdk::export!(Computes: observe);
