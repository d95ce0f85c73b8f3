//! A plugin's tests, natively and without a server.
//!
//! [`Harness`] asks a plugin about changes and keeps what it did: messages, state, log lines. The
//! changes go through the same code as the host's: a create is read like a POST, a patch applied
//! like a PATCH, and what the plugin makes of it is held to the schema and to its grant.
//!
//! ```
//! use provost_sdk::prelude::*;
//! use provost_sdk::testing::Harness;
//!
//! #[derive(Deserialize)]
//! struct Greeter;
//!
//! impl Plugin for Greeter {
//!     const INFO: Info = provost_sdk::info!();
//!
//!     fn review(&self, change: &Change) -> Result<Verdict> {
//!         let Some(user) = change.proposed::<User>()? else { return Ok(Verdict::proceed()) };
//!         let greeting = format!("Hello, {}", user.user_name.unwrap_or_default());
//!         Ok(Patch::new().replace("nickName", greeting).into_verdict())
//!     }
//! }
//!
//! let outcome = Harness::new::<Greeter>().create("User", json!({ "userName": "ana" })).review();
//! assert_eq!(outcome.document()["nickName"], "Hello, ana");
//! ```
//!
//! There are two things the harness does not do: it sets no limits on time, memory or calls, and
//! it grants every import. `provost plugin run` does both, on the finished component.

pub(crate) mod fakes;
mod harness;
mod outcome;
mod resources;

pub use fakes::Host;
pub use harness::{Asked, Harness};
pub use outcome::{Enqueued, Line, Outcome};
