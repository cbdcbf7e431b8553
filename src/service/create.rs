//! Create: check, spool, commit. The provider is called later, by the dispatcher.
//!
//! The body runs detached: a caller who hangs up neither stops it half way nor learns less when it
//! asks again with the same `request_id`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Service;
use crate::archive::ArchiveError;
use crate::domain::caller::Caller;
use crate::domain::generation::{
    Draft, DraftSource, Generation, InvalidField, InvalidReason, NO_UPLOAD, fingerprint,
};
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::money::Millicredits;
use crate::domain::pricing;
use crate::domain::task::{NewTask, Order, Task};
use crate::domain::time::millis;
use crate::store::{Admission, Created, Denied, StoreError};
use crate::telemetry::traces;

/// What a caller sent.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The idempotency key; empty: the server makes one.
    pub request_id: String,
    /// The generation asked for.
    pub draft: Draft,
    /// Labels, for lists and reports.
    pub labels: BTreeMap<String, String>,
    /// Limit of the time in generation; `None`: the configured default.
    pub timeout: Option<Duration>,
    /// What goes first among the tenant's waiting tasks.
    pub priority: i32,
}

/// Why no task was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// These fields are wrong; nothing was stored.
    #[error("the request has {} bad field(s)", .0.len())]
    Invalid(Vec<InvalidField>),
    /// The key names another request's task.
    #[error("the request_id was used for another request")]
    RequestIdReused(TaskId),
    /// The archive or the disk is nearly full.
    #[error("the archive is nearly full")]
    StorageFull,
    /// No account is fit to take it.
    #[error("no account of the provider is usable now")]
    NoUpstreamAccount,
    /// A limit does not hold; nothing was stored.
    #[error(transparent)]
    Denied(Denied),
    /// The server is going away.
    #[error("the server is draining")]
    Draining,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive failed.
    #[error("the inputs could not be kept")]
    Archive(#[source] ArchiveError),
}

impl Service {
    /// What is wrong with a request, for a face that could read only a part of it.
    ///
    /// # Errors
    /// When the store cannot say which uploads there are.
    pub async fn check(
        &self,
        tenant: &TenantId,
        request: NewRequest,
    ) -> Result<Vec<InvalidField>, StoreError> {
        let mut wrong = check_frame(&request);
        let draft = self.known_inputs(tenant, request.draft).await?;
        wrong.extend(self.generation(&draft).err().unwrap_or_default());
        Ok(wrong)
    }

    /// Makes a task, or finds the one that this request made before.
    pub async fn create(
        &self,
        caller: Caller,
        request: NewRequest,
    ) -> Result<Arc<Task>, CreateError> {
        if self.is_draining() {
            return Err(CreateError::Draining);
        }
        let service = self.clone();
        let work = traces::kept(async move { service.create_detached(caller, request).await });
        let gone = |_| CreateError::Store(StoreError::Unavailable("the create died".to_owned()));
        self.parts().shutdown.spawn(work).await.map_err(gone)?
    }

    async fn create_detached(
        &self,
        caller: Caller,
        request: NewRequest,
    ) -> Result<Arc<Task>, CreateError> {
        let tenant = caller.tenant.clone();
        let timeout = request
            .timeout
            .unwrap_or(self.parts().settings.task_timeout);
        let print = fingerprint(&request.draft, &request.labels, request.timeout.map(millis));
        let mut wrong = check_frame(&request);
        if let Some(key) = RequestId::parse(&request.request_id)
            && let Some(task) = self.parts().store.find(&tenant, &key).await?
        {
            return same_or_reused(task, &print);
        }
        let draft = self.known_inputs(&tenant, request.draft).await?;
        let generation = match self.generation(&draft) {
            Ok(generation) if wrong.is_empty() => generation,
            Ok(_) => return Err(CreateError::Invalid(wrong)),
            Err(more) => {
                wrong.extend(more);
                return Err(CreateError::Invalid(wrong));
            }
        };
        self.admit()?;
        let id = TaskId::new(self.now().0, rand::random());
        self.spool(id, &draft).await?;
        let model = asked_model(&draft.model, &generation);
        let estimate = self.price(&generation);
        let new = NewTask {
            id,
            tenant,
            request_id: RequestId::parse(&request.request_id)
                .unwrap_or_else(|| RequestId::for_task(id)),
            fingerprint: print,
            key: caller.key.clone(),
            estimate,
            reserve: estimate,
            status_detail: generation.notes.join(" "),
            order: Order {
                model,
                generation,
                labels: request.labels,
                timeout,
                priority: request.priority,
                trace: traces::current(),
            },
        };
        self.commit(Task::create(new, self.now())).await
    }

    pub(super) fn generation(&self, draft: &Draft) -> Result<Generation, Vec<InvalidField>> {
        Generation::new(draft, &self.roster().catalog, &self.parts().settings.limits)
    }

    /// The most that one attempt may cost; `None`: not known.
    pub(super) fn price(&self, generation: &Generation) -> Option<Millicredits> {
        let catalog = &self.roster().catalog;
        let spec = catalog.spec(&generation.model, generation.operation)?;
        pricing::estimate(generation, spec)
    }

    /// What that price takes for granted.
    pub(super) fn assumptions(&self, generation: &Generation) -> Vec<String> {
        let catalog = &self.roster().catalog;
        let spec = catalog.spec(&generation.model, generation.operation);
        spec.map_or_else(Vec::new, |spec| pricing::assumptions(generation, spec))
    }

    /// Refuses early what could not be finished.
    fn admit(&self) -> Result<(), CreateError> {
        if self.parts().archive.is_nearly_full() {
            return Err(CreateError::StorageFull);
        }
        if self.roster().accounts.all_out(self.now()) {
            return Err(CreateError::NoUpstreamAccount);
        }
        Ok(())
    }

    /// Keeps what is inline or uploaded in the archive as the task's own, so that no row holds it and
    /// no other record's end takes it.
    async fn spool(&self, id: TaskId, draft: &Draft) -> Result<(), CreateError> {
        let archive = &self.parts().archive;
        for (index, input) in (0_u32..).zip(&draft.inputs) {
            let kept = match &input.source {
                DraftSource::Data(bytes) => {
                    let put = archive.put_input(id, index, bytes.clone()).await;
                    put.map(drop).map_err(CreateError::Archive)
                }
                DraftSource::Uploaded(upload) => {
                    let (spool, size) = (upload.id.spool(), upload.size_bytes);
                    let given = archive.give(spool, size, id, index).await;
                    given.map_err(|error| not_given(index, error))
                }
                DraftSource::Missing | DraftSource::Url(_) | DraftSource::Upload(_) => Ok(()),
            };
            if let Err(error) = kept {
                self.unspool(id).await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn unspool(&self, id: TaskId) {
        // What stays behind belongs to no task; the cleaner finds it.
        if let Err(error) = self.parts().archive.remove_task(id).await {
            tracing::warn!(task = %id, %error, "left inputs of a refused create behind");
        }
    }

    async fn commit(&self, task: Task) -> Result<Arc<Task>, CreateError> {
        let (id, print) = (task.id, task.fingerprint);
        let spooled = !task.order.generation.inputs.is_empty();
        match self.parts().store.admit(task, &Admission::default()).await {
            Ok(Created::New(task)) => {
                tracing::info!(task = %id, model = task.order.model, "created");
                Ok(task)
            }
            Ok(Created::Denied(denied)) => {
                if spooled {
                    self.unspool(id).await;
                }
                Err(CreateError::Denied(denied))
            }
            Ok(Created::Existing(task)) => {
                if spooled {
                    self.unspool(id).await;
                }
                same_or_reused(task, &print)
            }
            // Whether it was committed is not known: its inputs must stay.
            Err(error @ StoreError::Unavailable(_)) => Err(error.into()),
            Err(error) => {
                if spooled {
                    self.unspool(id).await;
                }
                Err(match error {
                    StoreError::Full => CreateError::StorageFull,
                    other => other.into(),
                })
            }
        }
    }
}

/// An upload that expired after it was looked up is like any other that is not there.
fn not_given(index: u32, error: ArchiveError) -> CreateError {
    if error != ArchiveError::Missing {
        return CreateError::Archive(error);
    }
    CreateError::Invalid(vec![InvalidField {
        field: format!("input_references[{index}].upload_id"),
        reason: InvalidReason::FieldInvalid,
        problem: NO_UPLOAD.to_owned(),
    }])
}

fn same_or_reused(task: Arc<Task>, print: &[u8; 32]) -> Result<Arc<Task>, CreateError> {
    if task.fingerprint == *print {
        Ok(task)
    } else {
        Err(CreateError::RequestIdReused(task.id))
    }
}

/// The model as asked; the default that stood in when nothing was.
pub(super) fn asked_model(asked: &str, generation: &Generation) -> String {
    if asked.is_empty() {
        generation.model.clone()
    } else {
        asked.to_owned()
    }
}

/// What is checked beside the generation itself.
pub(super) fn check_frame(request: &NewRequest) -> Vec<InvalidField> {
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
/// The shortest task timeout.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest task timeout.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);
