//! `/v1/files/{signed}`: files by addresses that need no key and end.

use super::Route;

pub(super) fn rows() -> Vec<Route> {
    Vec::new()
}
