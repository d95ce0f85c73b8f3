//! Provost through its front door: real requests, a real store, real guests.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod access;
mod bad_input;
mod commands;
mod directory;
mod forwarding;
mod hostile;
mod loading;
mod me;
mod membership;
mod names;
mod parallel;
mod passwords;
mod protocol;
mod shipped;
mod transform;
mod veto;
