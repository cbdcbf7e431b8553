//! What is posted when a task has ended, in the shape of OpenAI's events.

use bytes::Bytes;
use serde::Serialize;

use crate::domain::money::UsdRate;
use crate::domain::task::{Progress, Status, Task};
use crate::domain::time::Timestamp;
use crate::domain::webhook::Delivery;
use crate::openai::object::{Video, status};

/// An event. Everything in it but `data` is the same for every try.
#[derive(Serialize)]
struct Event<'a> {
    id: &'a str,
    object: &'static str,
    /// `video.completed`, `image.failed` and so on.
    #[serde(rename = "type")]
    kind: String,
    /// When the task ended, in seconds since the Unix epoch.
    created_at: i64,
    /// The same in RFC 3339, as Standard Webhooks has it.
    timestamp: String,
    /// The task as a read would show it now; of a deleted one what is left.
    data: Video,
}

/// The body of the event that tells of a task's end; `rate` is what a credit costs.
pub fn event(task: &Task, delivery: &Delivery, rate: UsdRate) -> Bytes {
    let data = Video::of(task, Progress::DONE, rate);
    let event = Event {
        id: delivery.event.as_str(),
        object: "event",
        kind: kind(data.object, delivery.ending),
        created_at: delivery.created.0.div_euclid(1000),
        timestamp: rfc3339(delivery.created),
        data,
    };
    // A map of texts and numbers can always be written.
    serde_json::to_vec(&event).unwrap_or_default().into()
}

/// What an event is called: what was made, and how it ended, in the words of the object's `status`.
pub(super) fn kind(object: &str, ending: Status) -> String {
    format!("{object}.{}", status(ending))
}

/// To the second, as `created_at` says it.
fn rfc3339(moment: Timestamp) -> String {
    let second = jiff::Timestamp::from_second(moment.0.div_euclid(1000));
    second.map_or_else(|_| String::new(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::domain::task::samples::{
        accepted, archived, claimed, failure, situations, succeeded, task, walk,
    };
    use crate::domain::task::{Event as Happened, State};

    fn telling(n: u32) -> Task {
        let mut task = task(n);
        Arc::make_mut(&mut task.order).webhook = "https://hooks.example.com/a".to_owned();
        task
    }

    fn said(task: &Task, delivery: &Delivery) -> Value {
        let body = event(task, delivery, UsdRate::ONE_CENT);
        serde_json::from_slice(&body).expect("JSON")
    }

    #[test]
    fn an_event_names_what_was_made_and_how_it_ended() {
        let done = [claimed(), accepted(1), succeeded(), archived()];
        let done = walk(telling(1), &done);
        let due = Delivery::of(&done).expect("somebody is to be told");
        let event = said(&done, &due);
        assert_eq!(event["id"], due.event.as_str());
        assert_eq!(event["object"], "event");
        assert_eq!(event["type"], "video.completed");
        assert_eq!(event["created_at"], event["data"]["completed_at"]);
        assert_eq!(event["data"]["status"], "completed");
        assert_eq!(event["data"]["object"], "video");
        let mut failed = done;
        failed.state = State::Failed(failure());
        let due = Delivery::of(&failed).expect("somebody is to be told");
        assert_eq!(said(&failed, &due)["type"], "video.failed");
        let cancelled = walk(telling(2), &[Happened::CancelRequested]);
        let due = Delivery::of(&cancelled).expect("somebody is to be told");
        let event = said(&cancelled, &due);
        assert_eq!(event["type"], "video.failed");
        assert_eq!(event["data"]["error"]["code"], "cancelled");
    }

    #[test]
    fn whatever_is_left_of_a_task_can_be_said() {
        let mut over = 0;
        for (name, events) in situations() {
            let there = walk(telling(1), &events);
            let Some(due) = Delivery::of(&there) else {
                continue;
            };
            over += 1;
            let before = said(&there, &due);
            let gone = if there.deleted {
                there
            } else {
                walk(there, &[Happened::Deleted])
            };
            let after = said(&gone, &due);
            for name in ["id", "type", "created_at", "timestamp"] {
                assert_eq!(after[name], before[name], "{name}");
            }
            assert_eq!(after["data"]["prompt"], Value::Null, "{name}");
        }
        assert!(over > 2, "{over}");
    }
}
