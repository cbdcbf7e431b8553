//! One question about one task: asked once, judged by the domain, recorded.

use std::time::Duration;

use super::super::Desk;
use super::super::route::Scene;
use crate::domain::follow::{Answer, Follow, Reaction};
use crate::domain::id::TaskId;
use crate::domain::money::Millicredits;
use crate::domain::task::{Event, Failure, Lane, Observation, Task, UpstreamStatus, remake};
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

/// Gives up a bill that nobody can be asked for.
pub(super) async fn give_up(desk: &Desk, id: TaskId, follow: &mut Follow) -> Done {
    let nobody = Answer::Trouble { retry_after: None };
    let patience = desk.settings.poll.patience();
    let Reaction::Record(event) = follow.react(&nobody, desk.now(), patience) else {
        return Done::Again;
    };
    match desk.record(id, &event).await {
        Ok(_) => Done::Ended,
        Err(_) => Done::Lost,
    }
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
        // Where only the bill is open nobody fetches them.
        if follow.book_until.is_none() {
            self.keep_outputs(&answer);
        }
        let patience = self.desk.settings.poll.patience();
        match follow.react(&answer, self.desk.now(), patience) {
            Reaction::Keep => Done::Again,
            Reaction::Tick(progress) => {
                self.desk.store.changes().tick(self.id, progress);
                Done::Again
            }
            Reaction::Cancel => self.cancel(follow).await,
            Reaction::Record(event) => {
                let event = self.made_again(event).await;
                self.record(&event, &answer).await
            }
        }
    }

    /// The answer in the domain's words; what is wrong with it is told once, not at each question.
    fn answer(&self, result: Result<Observation, ProviderError>, follow: &Follow) -> Answer {
        let id = self.id;
        if result.is_ok() {
            self.account.polled(&follow.model);
        }
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
                let attempt = follow.attempt;
                self.record(&Event::CancelConfirmed { attempt }, &Answer::NotFound)
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

    /// What is to be recorded: of a failure by the provider's fault that the task is made again, if
    /// its group's policy says so.
    async fn made_again(&self, event: Event) -> Event {
        let Some((attempt, failure, cost)) = failed(&event) else {
            return event;
        };
        let Ok(Some(task)) = self.desk.store.get(self.id).await else {
            return event;
        };
        let retries = Scene::new(self.desk, &task).retries();
        if !remake(&task, &failure, retries, self.desk.now()) {
            return event;
        }
        tracing::warn!(task = %self.id, attempt, code = failure.provider_code,
            "failed at the provider; to be made again");
        Event::Remade {
            attempt,
            failure,
            cost,
        }
    }

    async fn record(&self, event: &Event, answer: &Answer) -> Done {
        let updated = match event {
            Event::Remade { .. } => self.desk.record_within(self.id, event).await,
            _ => self.desk.record(self.id, event).await.map(Some),
        };
        let updated = match (updated, event) {
            (Ok(Some(updated)), _) => updated,
            // The budget does not hold with another attempt: it ends as it would have.
            (
                Ok(None),
                Event::Remade {
                    attempt,
                    failure,
                    cost,
                },
            ) => {
                let ended = ended(*attempt, failure, *cost);
                match self.desk.record(self.id, &ended).await {
                    Ok(updated) => updated,
                    Err(_) => return Done::Lost,
                }
            }
            (Ok(None) | Err(_), _) => return Done::Lost,
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
            // There may be room for another now.
            self.desk.store.changes().nudge(Lane::Dispatch);
            Done::Ended
        }
    }

    fn learn(&self, task: &Task, seen: &Observation) {
        let Some(attempt) = task.current_attempt() else {
            return;
        };
        if let (UpstreamStatus::Succeeded, Some(started)) = (&seen.status, attempt.running) {
            let now = task.times.updated;
            let model = attempt.model_or(&task.order.generation.model);
            self.desk.run_times.lock().record(model, now.since(started));
            let took = now.since(attempt.started);
            self.desk.load.completed(&attempt.deployment, took);
        }
    }
}

/// The attempt that failed at the provider, why, and for what price.
fn failed(event: &Event) -> Option<(u32, Failure, Option<Millicredits>)> {
    match event {
        Event::Observed { attempt, seen } => match &seen.status {
            UpstreamStatus::Failed(failure) => Some((*attempt, failure.clone(), seen.cost)),
            _ => None,
        },
        Event::Gone { attempt } => Some((*attempt, Failure::gone(), None)),
        _ => None,
    }
}

/// The other way round: the end of the task.
fn ended(attempt: u32, failure: &Failure, cost: Option<Millicredits>) -> Event {
    let seen = Observation {
        status: UpstreamStatus::Failed(failure.clone()),
        progress: None,
        cost,
        outputs: Vec::new(),
    };
    Event::Observed { attempt, seen }
}

/// How long an account rests that was asked too often and did not say for how long.
const UNSAID_REST: Duration = Duration::from_secs(10);
