//! Which deployment takes a task, and whether its account is fit to.

mod account_limits;
mod breaker;
mod choice;
mod deployment;
mod health;
mod price;
mod routes;

pub use account_limits::{AccountLimits, ModelLimits};
pub use breaker::Breaker;
pub use choice::{Ask, Choice, Fitness, Going, choose, goes_on};
pub use deployment::{Cap, Deployment, Group, Policy, Strategy};
pub use health::{Health, Judging, Unfit};
pub use price::{Reserve, reserve};
pub use routes::{BreakerSettings, Routes};
