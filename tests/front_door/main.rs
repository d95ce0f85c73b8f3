//! Provost through its front door: real requests, a real store, real guests.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod access;
mod bad_input;
mod commands;
mod directory;
mod errors;
mod forwarding;
mod hostile;
mod leniency;
mod loading;
mod membership;
mod parallel;
mod patching;
mod protocol;
mod shipped;
mod transform;
mod versions;
mod veto;
