//! RunwayML.

pub mod translate;

#[cfg(test)]
mod walk;
