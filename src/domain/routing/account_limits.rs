//! What a provider says an account may do.

use std::collections::BTreeMap;

/// What a provider says an account may do, and has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Whole credits left; `None`: not said.
    pub credits: Option<u64>,
    /// By the provider's id of the model; one that is missing has no known limit.
    pub models: BTreeMap<String, ModelLimits>,
}

/// What a provider says an account may do with one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelLimits {
    /// Generations that run at once; `None`: no limit.
    pub concurrent: Option<u32>,
    /// Generations within 24 hours; `None`: no limit.
    pub daily: Option<u32>,
    /// Generations within the last 24 hours.
    pub used_today: u32,
}
