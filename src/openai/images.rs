//! `/v1/images/generations`: images, waited for.

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    Vec::new()
}
