//! Everything that is decided, and nothing that is done.
//!
//! Pure: `now` and random numbers are arguments; no clock, socket, SQL, async or serde. It cannot
//! fail for an outside reason. `tests/architecture.rs` enforces it.

pub mod artifact;
pub mod caller;
pub mod copying;
pub mod follow;
pub mod generation;
pub mod id;
pub mod model;
pub mod moderation;
pub mod money;
pub mod pace;
pub mod pricing;
pub mod routing;
pub mod schedule;
pub mod spending;
pub mod task;
pub mod time;
pub mod trace;
pub mod upload;
pub mod value;
pub mod webhook;
