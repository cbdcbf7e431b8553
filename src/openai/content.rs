//! `/v1/videos/{id}/content`: the bytes of what was made.

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    Vec::new()
}
