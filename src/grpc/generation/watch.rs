//! `WatchTask`: a change is put into words once, however many watch the task.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use tonic::{Request, Status};

use super::framed::{FramedRoute, Messages, frame};
use super::{MediaGeneration, convert, refusal, tenant};
use crate::domain::money::UsdRate;
use crate::domain::task::{Progress, Task};
use crate::pb::v1;
use crate::pb::v1::watch_task_response::{Event, Heartbeat};
use crate::service::WatchEvent;

/// What was said last of any task, as a framed message: of a task with many watchers it is said often.
#[derive(Clone, Default)]
pub(super) struct LastSaid(Arc<Mutex<Option<Said>>>);

struct Said {
    task: Arc<Task>,
    progress: Progress,
    rate: UsdRate,
    message: Bytes,
}

impl LastSaid {
    fn message(&self, event: &WatchEvent, rate: UsdRate) -> Bytes {
        let WatchEvent::Task(task, progress) = event else {
            return frame(&watched(event, rate));
        };
        let mut last = self.0.lock();
        if let Some(last) = &*last
            && Arc::ptr_eq(&last.task, task)
            && last.progress == *progress
            && last.rate == rate
        {
            return last.message.clone();
        }
        let message = frame(&watched(event, rate));
        *last = Some(Said {
            task: Arc::clone(task),
            progress: *progress,
            rate,
            message: message.clone(),
        });
        message
    }
}

impl MediaGeneration {
    /// Opens a watch for its messages.
    pub(super) async fn watch(
        &self,
        request: Request<v1::WatchTaskRequest>,
    ) -> Result<impl Stream<Item = Result<WatchEvent, Status>> + Send + use<>, Status> {
        let tenant = tenant(&request);
        let (id, after) = convert::watch(request.get_ref())?;
        let opened = self.service.watch(&tenant, id, after).await;
        let events = opened.map_err(|error| refusal::watch(id, error))?;
        let mut last_revision = after;
        Ok(events.map(move |event| {
            let event = event.map_err(|end| refusal::watch_end(last_revision, end))?;
            if let WatchEvent::Task(task, _) = &event {
                last_revision = task.revision;
            }
            Ok(event)
        }))
    }

    /// `WatchTask` as a service of its own; it takes requests of at most `max_request_bytes`.
    pub fn watch_route(self, max_request_bytes: usize) -> FramedRoute<v1::WatchTaskRequest> {
        let open = |this: Self, request| this.framed_watch(request).boxed();
        FramedRoute::new(self, open, max_request_bytes)
    }

    async fn framed_watch(
        self,
        request: Request<v1::WatchTaskRequest>,
    ) -> Result<Messages, Status> {
        let (rate, said) = (self.service.usd_rate(), self.last_said.clone());
        let events = self.watch(request).await?;
        Ok(events
            .map_ok(move |event| said.message(&event, rate))
            .boxed())
    }
}

/// An event as a message.
pub(super) fn watched(event: &WatchEvent, rate: UsdRate) -> v1::WatchTaskResponse {
    let event = match event {
        WatchEvent::Task(task, progress) => Event::Task(convert::task(task, *progress, rate)),
        WatchEvent::Heartbeat(revision) => Event::Heartbeat(Heartbeat {
            revision: *revision,
        }),
    };
    v1::WatchTaskResponse { event: Some(event) }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// A framed message; its bytes may differ in the order of a map.
    fn read(framed: &Bytes) -> v1::WatchTaskResponse {
        v1::WatchTaskResponse::decode(&framed[5..]).unwrap()
    }

    #[test]
    fn what_was_said_is_said_again_of_the_same_state_only() {
        let rate = UsdRate::ONE_CENT;
        let said = LastSaid::default();
        let task = Arc::new(crate::domain::task::samples::task(1));
        let event = WatchEvent::Task(Arc::clone(&task), Progress::default());
        let first = said.message(&event, rate);
        assert_eq!(read(&first), watched(&event, rate));
        assert_eq!(said.message(&event, rate).as_ptr(), first.as_ptr());
        let further = WatchEvent::Task(Arc::clone(&task), Progress::from_share(0.5));
        let mut newer = Task::clone(&task);
        newer.revision += 1;
        let newer = WatchEvent::Task(Arc::new(newer), Progress::default());
        for other in [further, newer, WatchEvent::Heartbeat(1)] {
            let message = said.message(&other, rate);
            assert_eq!(read(&message), watched(&other, rate));
            assert_ne!(message.as_ptr(), first.as_ptr());
        }
    }
}
