//! What others say of the protocol, held against the real binary: a public conformance suite, the
//! request patterns of identity providers, and the list of the protocol's statements.

#![allow(clippy::unwrap_used, reason = "tests")]

mod seeds;
mod sequences;
mod statements;
mod suite;
