//! `/v1/models`: what may be asked for.

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    Vec::new()
}
