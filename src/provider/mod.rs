//! Generation providers, one folder each.

pub mod runway;
