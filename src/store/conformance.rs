//! The promises of [`TaskStore`](super::TaskStore), one function each, for every implementation.
