//! Create: check, then keep and commit (`commit`). The provider is called later, by the dispatcher.
//!
//! The body runs detached: a caller who hangs up neither stops it half way nor learns less when it
//! asks again with the same `request_id`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Service;
use super::commit::same_or_reused;
use super::deliveries::receiver_of;
use super::frame::check_frame;
use super::lent::Lent;
use super::limits::Limited;
use super::repeat::Sending;
use crate::archive::ArchiveError;
use crate::domain::caller::Caller;
use crate::domain::generation::{Draft, Generation, InvalidField, Part, fingerprint};
use crate::domain::id::{RequestId, TaskId, TenantId};
use crate::domain::money::Millicredits;
use crate::domain::pricing;
use crate::domain::routing::Deployment;
use crate::domain::task::{NewTask, Order, Task};
use crate::domain::time::millis;
use crate::provider::Roster;
use crate::store::{Admission, StoreError};
use crate::telemetry::{self, traces};

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
    /// Where the end of the task is told; empty: where the key's configuration says, if anywhere.
    pub webhook_url: String,
    /// How a client's library counts this; `None`: it does not say. What was sent before and not
    /// refused is without a `request_id` given the task that it made a while ago, if it did.
    pub sending: Option<Sending>,
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
    /// The key may not ask for this model.
    #[error("the key may not ask for the model {0}")]
    ModelForbidden(String),
    /// The key has a budget, and nothing says what the task may cost.
    #[error("the price is not known at {} deployment(s)", .deployments.len())]
    PriceUnknown {
        /// Where it is not known; none: nowhere is it known.
        deployments: Vec<String>,
    },
    /// Too much of the tenant's work was moderated lately.
    #[error("too much of the tenant's work was moderated lately")]
    Moderated {
        /// When the tenant may create again.
        retry_after: Duration,
    },
    /// A limit does not hold; nothing was stored.
    #[error("{}", .0.denied)]
    Denied(Limited),
    /// The server is going away.
    #[error("the server is draining")]
    Draining {
        /// Whether a repeat by a client's library may be given the task of an equal call.
        is_mistakable: bool,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive failed.
    #[error("the inputs could not be kept")]
    Archive(#[source] ArchiveError),
}

/// Why a request is not one that this caller may make.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// These fields are wrong.
    #[error("the request has {} bad field(s)", .0.len())]
    Invalid(Vec<InvalidField>),
    /// The key may not ask for this model.
    #[error("the key may not ask for the model {0}")]
    ModelForbidden(String),
    /// The store could not say which uploads there are.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Unfit> for CreateError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Invalid(fields) => Self::Invalid(fields),
            Unfit::ModelForbidden(model) => Self::ModelForbidden(model),
            Unfit::Store(error) => Self::Store(error),
        }
    }
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
        let mut wrong = check_frame(&request, &self.roster().callers);
        let draft = self.completed(tenant, request.draft).await?;
        wrong.extend(self.generation(&draft).err().unwrap_or_default());
        Ok(wrong)
    }

    /// Makes a task, or finds the one that this request made before.
    pub async fn create(
        &self,
        caller: Caller,
        request: NewRequest,
    ) -> Result<Arc<Task>, CreateError> {
        self.create_with(caller, request, Vec::new()).await
    }

    /// The same with uploads that came with the request and go when it is settled.
    pub async fn create_with(
        &self,
        caller: Caller,
        request: NewRequest,
        lent: Vec<Lent>,
    ) -> Result<Arc<Task>, CreateError> {
        if self.is_draining() {
            let print = print_of(&request, Part::WHOLE);
            return Err(self.drained(&caller, &request, print).await);
        }
        let service = self.clone();
        let work = telemetry::kept(async move {
            let mut request = request;
            let made = service
                .create_part(&caller, &mut request, Part::WHOLE)
                .await;
            drop(lent);
            made
        });
        let gone = |_| CreateError::Store(StoreError::Unavailable("the create died".to_owned()));
        self.parts().shutdown.spawn(work).await.map_err(gone)?
    }

    /// One of the tasks of a call. Not detached: do that around it. Where the call is found to have made
    /// nothing before, the request is a first one from there on: the other parts find nothing either.
    pub(super) async fn create_part(
        &self,
        caller: &Caller,
        request: &mut NewRequest,
        part: Part,
    ) -> Result<Arc<Task>, CreateError> {
        let print = print_of(request, part);
        let key = RequestId::parse(&request.request_id).map(|key| part.request_id(&key));
        let after = part.after();
        if let Some(key) = key {
            return match self.parts().store.find(&caller.tenant, &key).await? {
                Some(task) => same_or_reused(task, &print),
                None => self.make(caller, request, (print, Some(key)), after).await,
            };
        }
        // Held to the end: a repeat of this waits until it is known what this made.
        let _turn = self.turn(caller, request, print).await;
        if let Some(task) = self.repeated(caller, request, print).await? {
            return Ok(task);
        }
        if let Some(sending) = &mut request.sending {
            sending.is_first = true;
        }
        let made = self.make(caller, request, (print, None), after).await;
        match made {
            Ok(task) => {
                self.note_made(request, task.id);
                Ok(task)
            }
            Err(error) => Err(self.refused(caller, request, print, error).await),
        }
    }

    /// Makes a task of a request that has made none, before `more` others of the same call.
    async fn make(
        &self,
        caller: &Caller,
        request: &NewRequest,
        (fingerprint, key): ([u8; 32], Option<RequestId>),
        more: u32,
    ) -> Result<Arc<Task>, CreateError> {
        let timeout = request
            .timeout
            .unwrap_or(self.parts().settings.task_timeout);
        let (draft, generation) = self.checked(caller, request).await?;
        let roster = self.roster();
        let model = draft.model.clone();
        self.admit(&roster, &model, &generation)?;
        self.check_moderation(caller)?;
        let id = TaskId::new(self.now().0, rand::random());
        let admission = Admission {
            more,
            ..Self::admission(caller, &roster, &model)
        };
        let new = NewTask {
            id,
            tenant: caller.tenant.clone(),
            request_id: key.unwrap_or_else(|| RequestId::for_task(id)),
            fingerprint,
            key: caller.key.clone(),
            estimate: self.price(&generation),
            reserve: self.reserve(caller, &roster, &model, &generation)?,
            status_detail: generation.notes.join(" "),
            order: Order {
                model,
                generation,
                labels: request.labels.clone(),
                timeout,
                priority: request.priority,
                webhook: receiver_of(&request.webhook_url, caller.key.as_ref(), &roster.callers),
                trace: traces::current(),
            },
        };
        let task = Task::create(new, self.now());
        self.keep(task, &draft, admission, caller).await
    }

    /// The request as it would be made, for this caller.
    pub(super) async fn checked(
        &self,
        caller: &Caller,
        request: &NewRequest,
    ) -> Result<(Draft, Generation), Unfit> {
        let mut wrong = check_frame(request, &self.roster().callers);
        let draft = self
            .completed(&caller.tenant, request.draft.clone())
            .await?;
        if let Some(forbidden) = Self::check_model(caller, &self.roster(), &draft.model) {
            return Err(Unfit::ModelForbidden(forbidden));
        }
        match self.generation(&draft) {
            Ok(generation) if wrong.is_empty() => Ok((draft, generation)),
            Ok(_) => Err(Unfit::Invalid(wrong)),
            Err(more) => {
                wrong.extend(more);
                Err(Unfit::Invalid(wrong))
            }
        }
    }

    /// The request with what it leaves to the server: its uploads looked up, and a model where it
    /// names none. From here on a default goes the way of a name that a caller wrote.
    pub(super) async fn completed(
        &self,
        tenant: &TenantId,
        draft: Draft,
    ) -> Result<Draft, StoreError> {
        let mut draft = self.known_inputs(tenant, draft).await?;
        draft.model = draft.model_name(&self.roster().catalog).to_owned();
        Ok(draft)
    }

    /// The request as the first deployment of its group takes it that takes it at all; of a name
    /// that is the catalogue's own, as the model takes it.
    pub(super) fn generation(&self, draft: &Draft) -> Result<Generation, Vec<InvalidField>> {
        let Roster {
            catalog, routes, ..
        } = &*self.roster();
        let limits = &self.parts().settings.limits;
        let mut refused = None;
        for model in routes.meanings(&draft.model, catalog) {
            let draft = Draft {
                model,
                ..draft.clone()
            };
            match Generation::new(&draft, catalog, limits) {
                Ok(generation) => return Ok(generation),
                Err(wrong) => drop(refused.get_or_insert(wrong)),
            }
        }
        Err(refused.unwrap_or_default())
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

    /// Refuses early what could not be finished: where nothing can be kept, or when every account
    /// is out that the request might go to.
    fn admit(
        &self,
        roster: &Roster,
        asked: &str,
        generation: &Generation,
    ) -> Result<(), CreateError> {
        if self.parts().archive.is_nearly_full() {
            return Err(CreateError::StorageFull);
        }
        let Roster {
            catalog, routes, ..
        } = roster;
        let chain = routes.chain_of(asked, &generation.model, catalog);
        let now = self.now();
        let may_take = |deployment: &Deployment| {
            let account = roster.accounts.live(&deployment.account);
            account.is_some_and(|account| !account.is_out(now))
                && generation.for_model(&deployment.model, catalog).is_ok()
        };
        let mut deployments = chain.iter().flat_map(|group| &group.deployments);
        if deployments.any(may_take) {
            Ok(())
        } else {
            Err(CreateError::NoUpstreamAccount)
        }
    }
}

/// What tells one part of a request from every other.
pub(super) fn print_of(request: &NewRequest, part: Part) -> [u8; 32] {
    part.fingerprint(fingerprint(
        &request.draft,
        &request.labels,
        request.timeout.map(millis),
        request.priority,
        &request.webhook_url,
    ))
}
