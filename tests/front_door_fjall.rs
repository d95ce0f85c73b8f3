//! The front-door suite, whole, on the engine `fjall`: the harness reads the engine from the
//! target's name. A module added to the suite is in both targets by that.

#[path = "front_door/main.rs"]
mod front_door;
