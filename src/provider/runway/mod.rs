//! RunwayML.

pub mod translate;
