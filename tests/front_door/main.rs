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
mod describing;
mod directory;
mod directory_writes;
mod errors;
mod forwarding;
mod golden;
mod grants;
mod groups;
mod guard;
mod hostile;
mod indexes;
mod jobs;
mod leniency;
mod lifecycle;
mod loading;
mod me;
mod measuring;
mod membership;
mod names;
mod narrowing;
mod parallel;
mod passwords;
mod patching;
mod projecting;
mod protocol;
mod provisioning;
mod released;
mod schemas;
mod searching;
mod secrets;
mod shaping;
mod shipped;
mod stories;
mod subscriptions;
mod tls;
mod transform;
mod trials;
mod versions;
mod veto;
