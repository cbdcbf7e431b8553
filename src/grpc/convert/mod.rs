//! Between the messages of the contract and the words of the service.
//!
//! Requests come in total: whatever is in them is either taken or named as a bad field, and all
//! bad fields of a request are found before it is refused. What a field's value means for a model is
//! not judged here but in the domain. Answers go out total as well: every field of a task is set or
//! left absent on purpose.

mod cost;
mod create;
mod models;
mod names;
mod options;
mod price;
mod request;
mod task;
mod time;
mod upload;
mod violations;

pub(super) use cost::{cost_request, costs, estimate};
pub(super) use create::new_request;
pub(super) use models::{Said, models};
pub(super) use request::{download, list, resolve, task_id, watch};
pub(super) use task::{cancel_outcome, task};
pub(super) use upload::{upload_part, uploaded};
pub(super) use violations::Violations;
