//! From files and the environment to values that cannot be wrong.

pub mod catalog;
