//! Never answers.

use provost_sdk::prelude::*;

#[derive(Deserialize)]
struct LoopsForever;

impl Plugin for LoopsForever {
    const INFO: Info = Info { name: "loops_forever", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        let mut turns = change.now_ms;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    }
}

provost_sdk::export!(LoopsForever: before_write);
