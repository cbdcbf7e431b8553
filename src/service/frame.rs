//! What is checked of a request beside the generation itself: its key, labels, timeout, priority, and
//! who is told of its end.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::create::NewRequest;
use super::deliveries::check_webhook;
use crate::domain::caller::Callers;
use crate::domain::generation::{InvalidField, InvalidReason};
use crate::domain::id::RequestId;

/// What is wrong beside the generation itself.
pub(super) fn check_frame(request: &NewRequest, callers: &Callers) -> Vec<InvalidField> {
    let mut wrong = Vec::new();
    let mut say = |field: String, problem: String| {
        wrong.push(InvalidField {
            field,
            reason: InvalidReason::FieldInvalid,
            problem,
        });
    };
    if !request.request_id.is_empty() && RequestId::parse(&request.request_id).is_none() {
        let problem = format!("takes 1 to {} visible ASCII characters", RequestId::MAX_LEN);
        say("request_id".to_owned(), problem);
    }
    if request.labels.len() > MAX_LABELS {
        let problem = format!(
            "takes at most {MAX_LABELS} labels, not {}",
            request.labels.len()
        );
        say("labels".to_owned(), problem);
    }
    for (name, value) in request.labels.iter().take(MAX_LABELS) {
        if !is_text(name, 1, MAX_LABEL_NAME) || !is_text(value, 0, MAX_LABEL_VALUE) {
            let shown: String = name
                .chars()
                .take(64)
                .flat_map(char::escape_default)
                .collect();
            let problem = format!(
                "takes names of 1 to {MAX_LABEL_NAME} and values of at most {MAX_LABEL_VALUE} \
                 characters, without control characters"
            );
            say(format!("labels[{shown}]"), problem);
        }
    }
    let fits = |timeout: Duration| (MIN_TIMEOUT..=MAX_TIMEOUT).contains(&timeout);
    if !request.timeout.is_none_or(fits) {
        let (least, most) = (MIN_TIMEOUT.as_secs(), MAX_TIMEOUT.as_secs());
        say("timeout".to_owned(), format!("takes {least} s to {most} s"));
    }
    if !PRIORITIES.contains(&request.priority) {
        let (least, most) = (PRIORITIES.start(), PRIORITIES.end());
        say("priority".to_owned(), format!("takes {least} to {most}"));
    }
    wrong.extend(check_webhook(&request.webhook_url, callers));
    wrong
}

fn is_text(text: &str, least: usize, most: usize) -> bool {
    let length = text.chars().take(most + 1).count();
    (least..=most).contains(&length) && !text.chars().any(char::is_control)
}

/// Labels on one task.
const MAX_LABELS: usize = 64;
/// Characters of a label's name.
const MAX_LABEL_NAME: usize = 64;
/// Characters of a label's value.
const MAX_LABEL_VALUE: usize = 256;
/// What may go before other waiting tasks of the tenant, or after them.
const PRIORITIES: RangeInclusive<i32> = -100..=100;
/// The shortest task timeout.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest task timeout.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);
