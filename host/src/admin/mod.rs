//! The operators' door: tokens, plugins, outbox, journal, jobs, guard, health.
//!
//! Everything an operator can ask is a [`Call`]. The [`Desk`] answers it, whether it came over
//! HTTP from a running server's admin API or straight from the command line, which opens the
//! store itself where no server runs. So both always do the same. What can be asked over HTTP, and what is answered, is
//! described by an OpenAPI document that is made of the same functions and types.

mod answer;
mod call;
mod desk;
mod http;
mod plugins;

pub use call::{Call, GuardLift, Listing, NewComponent, NewPlace, NewToken};
pub use desk::{Desk, DeskError, Running, local};
pub use http::{document, router};
