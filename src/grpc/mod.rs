//! The gRPC face: how calls come in, and how refusals go out.
//!
//! [`listener`] accepts connections, `routes` says which service answers, [`gate`] who may call it,
//! [`limits`] bounds calls and repairs tonic's own answers, `generation` and `convert` put the contract's words into the
//! service's and back, [`web`] takes calls from browsers, and [`status`] is the only place where an error
//! status is made. What the
//! calls do is `service`'s.

mod convert;
pub mod gate;
mod generation;
mod health;
pub mod limits;
pub mod listener;
mod observed;
mod routes;
pub mod status;
pub mod web;

pub use gate::GateLayer;
pub use generation::{FramedRoute, MediaGeneration};
pub use health::Health;
pub use limits::LimitLayer;
pub use routes::{MessageLimits, routes};
