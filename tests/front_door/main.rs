//! Provost through its front door: real requests, a real store, real guests. Two targets run this
//! suite, one on each engine.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod access;
mod bad_input;
mod bulk;
mod commands;
mod copying;
mod crowds;
mod cursors;
mod directory;
mod errors;
mod forwarding;
mod golden;
mod groups;
mod hostile;
mod indexes;
mod leniency;
mod loading;
mod me;
mod measuring;
mod membership;
mod names;
mod parallel;
mod passwords;
mod patching;
mod projecting;
mod protocol;
mod schemas;
mod searching;
mod secrets;
mod shipped;
mod tls;
mod transform;
mod versions;
mod veto;
