//! Takes memory until there is none.

use provost_sdk::prelude::*;

#[derive(Deserialize)]
struct EatsMemory;

impl Plugin for EatsMemory {
    const INFO: Info = Info { name: "eats_memory", ..provost_sdk::info!() };

    fn review(&self, _change: &Change) -> Result<Verdict> {
        let mut eaten: Vec<Vec<u8>> = Vec::new();
        loop {
            eaten.push(std::hint::black_box(vec![1; 1024 * 1024]));
        }
    }
}

provost_sdk::export!(EatsMemory: before_write);
