//! The one place that knows where the host is: behind the component's imports in the sandbox, in
//! this thread's memory under `cargo test`.

#[cfg(target_family = "wasm")]
pub(crate) use crate::wasm::calls::*;

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::fakes::*;
