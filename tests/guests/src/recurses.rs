//! Calls itself until the stack ends.

use provost_sdk::prelude::*;

#[derive(Deserialize)]
struct Recurses;

impl Plugin for Recurses {
    const INFO: Info = Info { name: "recurses", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        let depth = deeper(change.now_ms);
        Ok(Verdict::forbid(depth.to_string()))
    }
}

/// Never answers. What is added after the call keeps it from becoming a loop, and it keeps next to
/// nothing in linear memory, so that it is the stack that ends.
#[expect(unconditional_recursion, reason = "it is what this guest is for")]
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    deeper(std::hint::black_box(depth.wrapping_add(1))).wrapping_add(depth)
}

provost_sdk::export!(Recurses: before_write);
