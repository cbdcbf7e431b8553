//! Which deployment takes a task, and whether its account is fit to.

mod health;

pub use health::Health;

/// One way to have a model generated: an account at a provider, and the model there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its name, as attempts and tasks show it.
    pub id: String,
    /// The account that pays.
    pub account: String,
}

impl Deployment {
    /// The deployment that the provider's own model names mean when none is configured.
    pub fn of_model(account: &str, model: &str) -> Self {
        Self {
            id: format!("{account}/{model}"),
            account: account.to_owned(),
        }
    }
}
