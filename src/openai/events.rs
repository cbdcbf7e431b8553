//! `/v1/videos/{id}/events`: a task as it changes, as server-sent events.

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    Vec::new()
}
