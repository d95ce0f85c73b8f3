//! Provost through its front door: real requests, a real store, real guests. Two targets run this
//! suite, one on each engine.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod access;
mod bad_input;
mod commands;
mod copying;
mod directory;
mod forwarding;
mod hostile;
mod loading;
mod membership;
mod parallel;
mod protocol;
mod shipped;
mod transform;
mod veto;
