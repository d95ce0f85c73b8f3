//! The component boundary: bindings made from `wit/`, and the adapter between them and [`Plugin`].
//!
//! Each hook group has bindings of its own, made from the world of the same name, so that a
//! plugin exports the groups it implements and no others. They share the types. A world's
//! description enters a component only where [`crate::export!`] names it; an import enters only
//! where code that is really called uses it.

use std::marker::PhantomData;

use crate::Plugin;

pub(crate) mod calls;
mod convert;

/// The types and everything a plugin may import.
#[allow(missing_docs)]
pub mod imports {
    wit_bindgen::generate!({ path: "../wit", world: "imports", generate_unused_types: true });
}

/// The export `lifecycle`.
#[allow(missing_docs)]
pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../wit",
        world: "lifecycle-hooks",
        with: { "provost:plugin/types@0.1.0": crate::wasm::imports::provost::plugin::types },
        pub_export_macro: true,
    });
}

/// The export `before-write`.
#[allow(missing_docs)]
pub mod before_write {
    wit_bindgen::generate!({
        path: "../wit",
        world: "before-write-hooks",
        with: { "provost:plugin/types@0.1.0": crate::wasm::imports::provost::plugin::types },
        pub_export_macro: true,
    });
}

/// The export `observe`.
#[allow(missing_docs)]
pub mod observe {
    wit_bindgen::generate!({
        path: "../wit",
        world: "observe-hooks",
        with: { "provost:plugin/types@0.1.0": crate::wasm::imports::provost::plugin::types },
        pub_export_macro: true,
    });
}

/// The export `deliver`.
#[allow(missing_docs)]
pub mod deliver {
    wit_bindgen::generate!({
        path: "../wit",
        world: "deliver-hooks",
        with: { "provost:plugin/types@0.1.0": crate::wasm::imports::provost::plugin::types },
        pub_export_macro: true,
    });
}

/// The export `access`.
#[allow(missing_docs)]
pub mod access {
    wit_bindgen::generate!({
        path: "../wit",
        world: "access-hooks",
        with: { "provost:plugin/types@0.1.0": crate::wasm::imports::provost::plugin::types },
        pub_export_macro: true,
    });
}

/// The export `shape`.
#[allow(missing_docs)]
pub mod shape {
    wit_bindgen::generate!({
        path: "../wit",
        world: "shape-hooks",
        with: { "provost:plugin/types@0.1.0": crate::wasm::imports::provost::plugin::types },
        pub_export_macro: true,
    });
}

/// The export `schedule`.
#[allow(missing_docs)]
pub mod schedule {
    wit_bindgen::generate!({
        path: "../wit",
        world: "schedule-hooks",
        with: { "provost:plugin/types@0.1.0": crate::wasm::imports::provost::plugin::types },
        pub_export_macro: true,
    });
}

/// A plugin in the shape that the bindings export.
pub struct Adapter<P>(PhantomData<P>);

impl<P: Plugin> lifecycle::exports::provost::plugin::lifecycle::Guest for Adapter<P> {
    fn describe() -> lifecycle::exports::provost::plugin::lifecycle::Info {
        let crate::Info { name, version, summary } = P::INFO;
        lifecycle::exports::provost::plugin::lifecycle::Info {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
        }
    }

    fn check_config(config: String) -> Vec<lifecycle::exports::provost::plugin::lifecycle::Finding> {
        let findings = crate::invoke::check_config::<P>(&config);
        findings.into_iter().map(Into::into).collect()
    }
}

impl<P: Plugin> before_write::exports::provost::plugin::before_write::Guest for Adapter<P> {
    fn review(ctx: types::Context, change: types::Change) -> Result<types::Verdict, types::Failure> {
        let change = convert::change(ctx, change)?;
        Ok(crate::invoke::review::<P>(&change)?.into())
    }
}

impl<P: Plugin> observe::exports::provost::plugin::observe::Guest for Adapter<P> {
    fn observe(ctx: types::Context, sequence: u64, change: types::Change) -> Result<(), types::Failure> {
        let change = convert::change(ctx, change)?;
        Ok(crate::invoke::observe::<P>(&change, sequence)?)
    }
}

impl<P: Plugin> deliver::exports::provost::plugin::deliver::Guest for Adapter<P> {
    fn deliver(
        ctx: types::Context,
        message: deliver::exports::provost::plugin::deliver::Message,
    ) -> Result<(), types::Failure> {
        let message = convert::message(ctx, message)?;
        Ok(crate::invoke::deliver::<P>(&message)?)
    }
}

impl<P: Plugin> access::exports::provost::plugin::access::Guest for Adapter<P> {
    fn decide(
        ctx: types::Context,
        target: Option<String>,
    ) -> Result<access::exports::provost::plugin::access::Decision, types::Failure> {
        let inquiry = crate::Inquiry::from_parts(convert::context(ctx)?, target);
        Ok(crate::invoke::decide::<P>(&inquiry)?.into())
    }
}

impl<P: Plugin> shape::exports::provost::plugin::shape::Guest for Adapter<P> {
    fn shape(ctx: types::Context, resources: Vec<String>) -> Result<Vec<String>, types::Failure> {
        Ok(crate::invoke::shape::<P>(&convert::context(ctx)?, &resources)?)
    }
}

impl<P: Plugin> schedule::exports::provost::plugin::schedule::Guest for Adapter<P> {
    fn run(
        ctx: types::Context,
        occasion: schedule::exports::provost::plugin::schedule::Occasion,
    ) -> Result<String, types::Failure> {
        Ok(crate::invoke::run::<P>(&convert::job(ctx, occasion)?)?)
    }
}

use imports::provost::plugin::types;
