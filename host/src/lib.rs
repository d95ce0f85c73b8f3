//! Provost: a programmable SCIM host.
//!
//! `ARCHITECTURE.md` has the map: the floors, the way of one write, the invariants. In short,
//! from the top: `cli`, `app`, `listener`, `watch` and `schemas` wire; `http` and `admin` are the doors; `pipeline` is the order
//! of things; `plugin`, `delivery` and `schedule` are the workers; `store`, `outbound` and `access` the
//! tools; `hook`, `context`, `trace`, `clock`, `limits` and the crate `provost_scim` the words.

pub mod access;
pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod delivery;
pub mod eyes;
pub mod hook;
pub mod http;
pub mod limits;
pub mod listener;
pub mod outbound;
pub mod pipeline;
pub mod plugin;
pub mod schedule;
pub mod schemas;
pub mod store;
pub mod telemetry;
pub mod trace;
pub mod upkeep;
pub mod watch;
