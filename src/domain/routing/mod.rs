//! Which deployment takes a task, and whether its account is fit to.

mod account_limits;
mod deployment;
mod health;
mod price;
mod routes;

pub use account_limits::{AccountLimits, ModelLimits};
pub use deployment::{Cap, Deployment, Group, Policy, Strategy};
pub use health::Health;
pub use price::{Reserve, reserve};
pub use routes::{BreakerSettings, Routes};
