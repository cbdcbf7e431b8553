//! When to ask again, when to send again: pure arithmetic over what is known.
//!
//! [`next_poll`] asks rarely while a task cannot be done yet and as often as the floor allows when
//! it may be; [`RunTimes`] is what was learned about each model; the rest are backoffs. What a
//! rejection means is [`crate::domain::task::verdict`]'s.

mod backoff;
mod poll;
mod run_times;
#[cfg(test)]
mod simulation;

pub(super) use backoff::{asked, spread};
pub use backoff::{quota_cooldown, retry_backoff};
pub use poll::{PollPace, PollState, next_poll};
pub use run_times::{Learned, RunTimes};
