#![cfg_attr(not(target_family = "wasm"), doc = include_str!("../README.md"))]
#![cfg_attr(target_family = "wasm", doc = "Provost plugins in Rust, as they run in the sandbox.")]
#![cfg_attr(
    not(target_family = "wasm"),
    expect(clippy::test_attr_in_doctest, reason = "`tests/readme.rs` runs the tests that the README shows")
)]

mod access;
#[cfg(all(target_family = "wasm", feature = "allocator"))]
mod allocator;
mod change;
pub mod config;
pub mod directory;
mod document;
mod failure;
pub mod filter;
mod host;
pub mod http;
#[doc(hidden)]
pub mod invoke;
mod job;
pub mod log;
mod message;
pub mod metrics;
pub mod mirror;
pub mod outbox;
mod patch;
mod plugin;
mod resource;
pub mod server;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod time;
mod verdict;
#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub mod wasm;
mod when;

pub use access::{Decision, Inquiry};
pub use change::{Caller, Change, Context, Member, MembershipChange, Operation};
pub use failure::Failure;
pub use job::Job;
pub use message::Message;
pub use patch::Patch;
pub use plugin::{Finding, Findings, Info, Plugin};
pub use resource::{Address, ENTERPRISE, Enterprise, Group, Labelled, Manager, Meta, Name, Resource, User};
pub use serde;
pub use serde_json::{self, Value, json};
pub use server::Server;
pub use verdict::{Hold, Refusal, RefusalStatus, ScimType, Verdict};
pub use when::When;

/// A JSON object whose keys are attribute names.
pub type Attributes = serde_json::Map<String, Value>;

/// What a plugin answers: a value, or that it could not tell.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Everything most plugins use, for one `use` line.
///
/// ```
/// use provost_sdk::prelude::*;
/// ```
pub mod prelude {
    pub use crate::{
        Change, Context, Decision, Failure, Finding, Findings, Group, Info, Inquiry, Job, Message, Operation, Patch,
        Plugin, Resource, Result, ScimType, Server, User, Verdict, When, config, directory, filter, http, json, log,
        metrics, outbox, state, time,
    };
    pub use serde::{Deserialize, Serialize};
}

/// Makes a crate the plugin of this type.
///
/// Every plugin exports `lifecycle`. The hook groups it implements are named behind a colon:
/// `access`, `before_write`, `shape`, `observe`, `deliver`, `schedule`. A group that is not named is not exported, and the host
/// never calls it.
///
/// ```
/// use provost_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Quiet {}
///
/// impl Plugin for Quiet {
///     const INFO: Info = provost_sdk::info!();
/// }
///
/// provost_sdk::export!(Quiet: before_write, observe);
/// # fn main() {}
/// ```
///
/// Outside WebAssembly the macro only checks its arguments, so that a plugin is an ordinary
/// crate to `cargo test`.
#[macro_export]
macro_rules! export {
    ($plugin:ty $(: $($group:ident),* $(,)?)?) => {
        const _: () = {
            $crate::__export_lifecycle!($plugin);
            $($($crate::__export_group!($plugin, $group);)*)?
        };
    };
}

/// Puts a manifest into the component: what the plugin asks for in writing, as a TOML file with a table `[ask]` in the
/// shape of the operator's `[plugin.grant]`. The path is relative to the source file.
///
/// What is not asked for is never granted, whatever the operator writes down; so a manifest tells an operator all that a
/// plugin can do, and an upgrade that asks for more has to be agreed to.
///
/// ```ignore
/// provost_sdk::manifest!("../plugin.toml");
/// ```
#[macro_export]
macro_rules! manifest {
    ($path:literal) => {
        const _: () = {
            const TEXT: &[u8] = include_bytes!($path);
            #[allow(unsafe_code)]
            #[cfg_attr(target_family = "wasm", unsafe(link_section = "provost:manifest"))]
            #[used]
            static MANIFEST: [u8; TEXT.len()] = *include_bytes!($path);
        };
    };
}

/// [`Info`] from the crate's own `Cargo.toml`: name, version and description.
#[macro_export]
macro_rules! info {
    () => {
        $crate::Info {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            summary: env!("CARGO_PKG_DESCRIPTION"),
        }
    };
}

#[doc(hidden)]
#[macro_export]
#[cfg(target_family = "wasm")]
macro_rules! __export_lifecycle {
    ($plugin:ty) => {
        type Adapter = $crate::wasm::Adapter<$plugin>;
        $crate::wasm::lifecycle::export!(Adapter with_types_in $crate::wasm::lifecycle);
    };
}

#[doc(hidden)]
#[macro_export]
#[cfg(target_family = "wasm")]
macro_rules! __export_group {
    ($plugin:ty, before_write) => {
        $crate::wasm::before_write::export!(Adapter with_types_in $crate::wasm::before_write);
    };
    ($plugin:ty, observe) => {
        $crate::wasm::observe::export!(Adapter with_types_in $crate::wasm::observe);
    };
    ($plugin:ty, deliver) => {
        $crate::wasm::deliver::export!(Adapter with_types_in $crate::wasm::deliver);
    };
    ($plugin:ty, access) => {
        $crate::wasm::access::export!(Adapter with_types_in $crate::wasm::access);
    };
    ($plugin:ty, shape) => {
        $crate::wasm::shape::export!(Adapter with_types_in $crate::wasm::shape);
    };
    ($plugin:ty, schedule) => {
        $crate::wasm::schedule::export!(Adapter with_types_in $crate::wasm::schedule);
    };
    ($plugin:ty, $other:ident) => {
        compile_error!(
            "a hook group is one of `access`, `before_write`, `shape`, `observe`, `deliver`, `schedule`"
        );
    };
}

#[doc(hidden)]
#[macro_export]
#[cfg(not(target_family = "wasm"))]
macro_rules! __export_lifecycle {
    ($plugin:ty) => {
        const _: $crate::Info = <$plugin as $crate::Plugin>::INFO;
    };
}

#[doc(hidden)]
#[macro_export]
#[cfg(not(target_family = "wasm"))]
macro_rules! __export_group {
    ($plugin:ty, before_write) => {};
    ($plugin:ty, observe) => {};
    ($plugin:ty, deliver) => {};
    ($plugin:ty, access) => {};
    ($plugin:ty, shape) => {};
    ($plugin:ty, schedule) => {};
    ($plugin:ty, $other:ident) => {
        compile_error!("a hook group is one of `access`, `before_write`, `shape`, `observe`, `deliver`, `schedule`");
    };
}
