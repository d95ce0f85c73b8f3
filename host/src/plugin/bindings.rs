//! The interface in `wit/`, as Rust.
//!
//! One binding per hook group, because a plugin exports only the groups it implements. They share
//! the types of the imports' binding, so that a context is a context everywhere.

#![allow(missing_docs, unsafe_code, reason = "generated; the WIT carries the words, wasmtime checks the types at load")]

pub(super) use imports::provost::plugin as wit;

/// What a plugin may import.
pub(super) mod imports {
    wasmtime::component::bindgen!({
        world: "imports",
        path: "../wit",
        imports: { default: async | trappable },
    });
}

/// `lifecycle`, which every plugin exports.
pub(super) mod lifecycle {
    wasmtime::component::bindgen!({
        world: "lifecycle-hooks",
        path: "../wit",
        exports: { default: async },
        with: { "provost:plugin/types": super::imports::provost::plugin::types },
    });
}

/// `before-write`.
pub(super) mod before_write {
    wasmtime::component::bindgen!({
        world: "before-write-hooks",
        path: "../wit",
        exports: { default: async },
        with: { "provost:plugin/types": super::imports::provost::plugin::types },
    });
}

/// `observe`.
pub(super) mod observe {
    wasmtime::component::bindgen!({
        world: "observe-hooks",
        path: "../wit",
        exports: { default: async },
        with: { "provost:plugin/types": super::imports::provost::plugin::types },
    });
}

/// `deliver`.
pub(super) mod deliver {
    wasmtime::component::bindgen!({
        world: "deliver-hooks",
        path: "../wit",
        exports: { default: async },
        with: { "provost:plugin/types": super::imports::provost::plugin::types },
    });
}

/// `access`.
pub(super) mod access {
    wasmtime::component::bindgen!({
        world: "access-hooks",
        path: "../wit",
        exports: { default: async },
        with: { "provost:plugin/types": super::imports::provost::plugin::types },
    });
}

/// `shape`.
pub(super) mod shape {
    wasmtime::component::bindgen!({
        world: "shape-hooks",
        path: "../wit",
        exports: { default: async },
        with: { "provost:plugin/types": super::imports::provost::plugin::types },
    });
}

/// `schedule`.
pub(super) mod schedule {
    wasmtime::component::bindgen!({
        world: "schedule-hooks",
        path: "../wit",
        exports: { default: async },
        with: { "provost:plugin/types": super::imports::provost::plugin::types },
    });
}
