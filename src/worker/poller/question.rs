//! One question about one task: asked once, judged by the domain, recorded.

use std::time::Duration;

use super::super::Desk;
use crate::domain::follow::{Answer, Follow, Reaction};
use crate::domain::id::TaskId;
use crate::domain::task::{Event, Observation, Task, UpstreamStatus};
use crate::provider::{Account, CancelAnswer, ProviderError, ProviderErrorKind};
use crate::store::Update;

/// What became of one question.
#[derive(Clone, Copy)]
pub(super) enum Done {
    /// Ask again.
    Again,
    /// What was seen could not be recorded: see it again, after a pause.
    Lost,
    /// No longer the poller's.
    Ended,
}

/// One question about one task, and what follows the answer.
pub(super) struct Question<'a> {
    pub(super) desk: &'a Desk,
    pub(super) account: &'a Account,
    pub(super) id: TaskId,
}

impl Question<'_> {
    pub(super) async fn ask(&self, follow: &mut Follow) -> Done {
        let provider = self.account.provider();
        let result = tokio::select! {
            // A question is free: a drain need not wait for its answer.
            () = self.desk.shutdown.draining() => return Done::Ended,
            result = provider.observe(&follow.upstream_id) => result,
        };
        let answer = self.answer(result, follow);
        self.keep_outputs(&answer);
        let patience = self.desk.settings.poll.patience();
        match follow.react(&answer, self.desk.now(), patience) {
            Reaction::Keep => Done::Again,
            Reaction::Tick(progress) => {
                self.desk.store.changes().tick(self.id, progress);
                Done::Again
            }
            Reaction::Cancel => self.cancel(follow).await,
            Reaction::Record(event) => self.record(&event, &answer).await,
        }
    }

    /// The answer in the domain's words; what is wrong with it is told once, not at each question.
    fn answer(&self, result: Result<Observation, ProviderError>, follow: &Follow) -> Answer {
        let id = self.id;
        match result {
            Ok(seen) => {
                if let UpstreamStatus::Unrecognised(status) = &seen.status {
                    tracing::warn!(task = %id, status, "the provider uses a status we do not know");
                }
                Answer::Seen(seen)
            }
            Err(error) if error.kind == ProviderErrorKind::NotFound => Answer::NotFound,
            Err(error) => {
                if follow.poll.failures == 0 {
                    tracing::warn!(task = %id, kind = ?error.kind, %error, "poll failed");
                }
                if error.kind == ProviderErrorKind::RateLimited {
                    let rest = error.retry_after.unwrap_or(UNSAID_REST);
                    self.account.rest_polls(self.desk.now().after(rest));
                }
                Answer::Trouble {
                    retry_after: error.retry_after,
                }
            }
        }
    }

    /// The archiver finds fresh URLs here, so that it need not ask again.
    fn keep_outputs(&self, answer: &Answer) {
        if let Answer::Seen(Observation {
            status: UpstreamStatus::Succeeded,
            outputs,
            ..
        }) = answer
        {
            let mut known = self.desk.outputs.lock();
            known.get_or_insert(self.id, || outputs.clone());
        }
    }

    async fn cancel(&self, follow: &mut Follow) -> Done {
        match self.account.provider().cancel(&follow.upstream_id).await {
            Ok(CancelAnswer::Done) => {
                follow.cancel_sent();
                self.record(&Event::CancelConfirmed, &Answer::NotFound)
                    .await
            }
            // It may just have finished: the next question decides.
            Ok(CancelAnswer::NotFound) => {
                follow.cancel_sent();
                Done::Again
            }
            Err(error) => {
                follow.cancel_sent();
                tracing::warn!(task = %self.id, %error, "cancel not confirmed");
                follow.poll.failures = follow.poll.failures.saturating_add(1);
                follow.poll.retry_after = error.retry_after;
                Done::Again
            }
        }
    }

    async fn record(&self, event: &Event, answer: &Answer) -> Done {
        let Ok(updated) = self.desk.record(self.id, event).await else {
            return Done::Lost;
        };
        let task = updated.task();
        if let (Update::Saved(task), Answer::Seen(seen)) = (&updated, answer) {
            self.learn(task, seen);
            if let (false, Some(progress)) = (task.state.is_terminal(), seen.progress) {
                self.desk.store.changes().tick(self.id, progress);
            }
        }
        if Follow::of(task).is_some_and(|next| next.book_until.is_none()) {
            Done::Again
        } else {
            Done::Ended
        }
    }

    fn learn(&self, task: &Task, seen: &Observation) {
        if let (UpstreamStatus::Succeeded, Some(started)) = (&seen.status, task.times.started) {
            let ran = task.times.updated.since(started);
            self.desk
                .run_times
                .lock()
                .record(&task.order.generation.model, ran);
        }
    }
}

/// How long an account rests that was asked too often and did not say for how long.
const UNSAID_REST: Duration = Duration::from_secs(10);
