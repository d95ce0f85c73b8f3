//! What a plugin may import, one file per interface, each linked only if it is granted.
//!
//! Every function is async, so that the call's deadline can end it while it waits; and every one
//! begins with `enter`, which counts it.

mod config;
mod directory;
mod directory_write;
mod http;
mod log;
mod metrics;
mod outbox;
pub(super) mod state;

use wasmtime::component::{HasSelf, Linker};

use super::bindings::wit;
use super::config::Import;
use super::guest::Guest;

/// Offers one interface to the component that is being linked.
pub(super) fn link(linker: &mut Linker<Guest>, import: Import) -> wasmtime::Result<()> {
    match import {
        Import::Log => wit::log::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
        Import::Config => wit::config::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
        Import::State => wit::state::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
        Import::Directory => wit::directory::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
        Import::DirectoryWrite => wit::directory_write::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
        Import::Outbox => wit::outbox::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
        Import::Http => wit::http::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
        Import::Metrics => wit::metrics::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
    }
}

/// The functions of one interface, in this version of it.
pub(super) fn functions(import: Import) -> &'static [&'static str] {
    match import {
        Import::Log => &["write"],
        Import::Config => &["get"],
        Import::State => &["get", "put", "delete", "compare-and-put", "scan"],
        Import::Directory => &["get", "find", "members", "is-member"],
        Import::DirectoryWrite => &["apply"],
        Import::Outbox => &["enqueue", "enqueue-request"],
        Import::Http => &["send"],
        Import::Metrics => &["count", "observe"],
    }
}

/// The pairs of the interface as pairs of ours.
fn pairs(pairs: Vec<wit::types::Pair>) -> Vec<(String, String)> {
    pairs.into_iter().map(|pair| (pair.name, pair.value)).collect()
}
