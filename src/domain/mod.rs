//! What mediagen knows and decides, without a clock, a socket, SQL, async or serde.
//!
//! Everything here is a value or a pure function: it cannot fail for an outside reason.

pub mod generation;
pub mod model;
pub mod value;
