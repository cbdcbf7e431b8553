//! The loops that move tasks.

pub mod copy;
