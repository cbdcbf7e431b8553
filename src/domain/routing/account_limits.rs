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

impl AccountLimits {
    /// Whether the model has had its generations of the day.
    pub fn is_used_up(&self, model: &str) -> bool {
        let limits = self.models.get(model).copied().unwrap_or_default();
        limits.daily.is_some_and(|daily| limits.used_today >= daily)
    }

    /// Counts a generation that began after the provider said this.
    pub fn count(&mut self, model: &str) {
        if let Some(limits) = self.models.get_mut(model) {
            limits.used_today = limits.used_today.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_used_up_with_its_last_generation_and_never_without_a_limit() {
        let model = |daily, used_today| ModelLimits {
            daily,
            used_today,
            concurrent: None,
        };
        let mut limits = AccountLimits {
            credits: None,
            models: [
                ("m".to_owned(), model(Some(2), 1)),
                ("n".to_owned(), model(None, 9)),
            ]
            .into(),
        };
        assert!(!limits.is_used_up("m"));
        for name in ["m", "n", "unknown"] {
            limits.count(name);
        }
        assert!(limits.is_used_up("m"));
        assert!(!limits.is_used_up("n") && !limits.is_used_up("unknown"));
    }
}
