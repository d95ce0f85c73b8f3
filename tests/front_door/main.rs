//! Provost through its front door: real requests, a real store, real guests. Two targets run this
//! suite, one on each engine.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod access;
mod bad_input;
mod breaker;
mod bulk;
mod commands;
mod copying;
mod crowds;
mod cursors;
mod directory;
mod errors;
mod forwarding;
mod golden;
mod grants;
mod groups;
mod hostile;
mod indexes;
mod leniency;
mod lifecycle;
mod loading;
mod me;
mod membership;
mod names;
mod parallel;
mod passwords;
mod patching;
mod projecting;
mod protocol;
mod schemas;
mod searching;
mod shipped;
mod subscriptions;
mod transform;
mod versions;
mod veto;
