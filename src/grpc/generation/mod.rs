//! The service `MediaGeneration`: each call converts, calls the service, and converts back.
//!
//! No rule of its own lives here: what is refused and why is the service's and the domain's, and
//! [`super::convert`] and `refusal` only say it in the contract's words. A stream is the service's
//! stream, mapped: no task and no channel stands behind it.

mod download;
mod framed;
mod refusal;
#[cfg(test)]
mod tests;
mod watch;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::convert::{self, Violations};
use crate::domain::caller::Caller;
use crate::domain::id::TenantId;
use crate::domain::task::Task;
use crate::pb::v1;
use crate::pb::v1::download_content_response::{Chunk, Part};
use crate::pb::v1::media_generation_server::MediaGeneration as Contract;
use crate::service::{EstimateError, Service};

pub use framed::FramedRoute;

use watch::LastSaid;

/// The gRPC face of the service. Cheap to clone.
#[derive(Clone)]
pub struct MediaGeneration {
    service: Service,
    last_said: LastSaid,
}

type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl Contract for MediaGeneration {
    async fn create(&self, request: Request<v1::CreateRequest>) -> Answer<v1::CreateResponse> {
        let caller = caller(&request);
        let mut found = Violations::default();
        let asked = convert::new_request(request.into_inner(), &mut found);
        if !found.is_empty() {
            let checked = self.service.check(&caller.tenant, asked).await;
            found.join(checked.map_err(|error| refusal::store("Create", &error))?);
            return Err(found.into_status());
        }
        let made = self.service.create(caller, asked).await;
        let task = made.map_err(refusal::create)?;
        let task = Some(self.show(&task));
        Ok(Response::new(v1::CreateResponse { task }))
    }

    async fn status(&self, request: Request<v1::StatusRequest>) -> Answer<v1::StatusResponse> {
        let tenant = tenant(&request);
        let id = convert::task_id(&request.get_ref().task_id)?;
        let task = self.service.status(&tenant, id).await;
        let task = task.map_err(|error| refusal::lookup(id, error))?;
        let task = Some(self.show(&task));
        Ok(Response::new(v1::StatusResponse { task }))
    }

    /// What the route of its own sends, for whoever mounts the generated service alone.
    type WatchTaskStream = BoxStream<'static, Result<v1::WatchTaskResponse, Status>>;

    async fn watch_task(
        &self,
        request: Request<v1::WatchTaskRequest>,
    ) -> Answer<Self::WatchTaskStream> {
        let rate = self.service.usd_rate();
        let events = self.watch(request).await?;
        let told = events.map_ok(move |event| watch::watched(&event, rate));
        Ok(Response::new(told.boxed()))
    }

    /// What the route of its own sends, for whoever mounts the generated service alone.
    type DownloadContentStream = BoxStream<'static, Result<v1::DownloadContentResponse, Status>>;

    async fn download_content(
        &self,
        request: Request<v1::DownloadContentRequest>,
    ) -> Answer<Self::DownloadContentStream> {
        let opened = self.open(request).await?;
        let first = part(Part::Metadata(opened.metadata));
        let chunks = opened.pieces.map(|read| {
            let (offset, piece) = read?;
            let data = piece.into_bytes();
            Ok(part(Part::Chunk(Chunk { offset, data })))
        });
        Ok(Response::new(
            stream::iter([Ok(first)]).chain(chunks).boxed(),
        ))
    }

    async fn cancel(&self, request: Request<v1::CancelRequest>) -> Answer<v1::CancelResponse> {
        let tenant = tenant(&request);
        let id = convert::task_id(&request.get_ref().task_id)?;
        let cancelled = self.service.cancel(tenant, id).await;
        let cancelled = cancelled.map_err(|error| refusal::cancel(id, error))?;
        Ok(Response::new(v1::CancelResponse {
            task: Some(self.show(&cancelled.task)),
            outcome: convert::cancel_outcome(cancelled.outcome) as i32,
        }))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListResponse> {
        let tenant = tenant(&request);
        let asked = convert::list(request.into_inner())?;
        let page = self.service.list(tenant, asked).await;
        let page = page.map_err(refusal::list)?;
        Ok(Response::new(v1::ListResponse {
            tasks: page.tasks.iter().map(|task| self.show(task)).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Answer<v1::DeleteResponse> {
        let tenant = tenant(&request);
        let id = convert::task_id(&request.get_ref().task_id)?;
        let deleted = self.service.delete(&tenant, id).await;
        deleted.map_err(|error| refusal::delete(id, error))?;
        Ok(Response::new(v1::DeleteResponse {}))
    }

    async fn resolve_unknown(
        &self,
        request: Request<v1::ResolveUnknownRequest>,
    ) -> Answer<v1::ResolveUnknownResponse> {
        let tenant = tenant(&request);
        let (id, resolution) = convert::resolve(request.into_inner())?;
        let settled = self.service.resolve(&tenant, id, resolution).await;
        let task = settled.map_err(|error| refusal::resolve(id, error))?;
        let task = Some(self.show(&task));
        Ok(Response::new(v1::ResolveUnknownResponse { task }))
    }

    async fn upload_input(
        &self,
        request: Request<Streaming<v1::UploadInputRequest>>,
    ) -> Answer<v1::UploadInputResponse> {
        let tenant = tenant(&request);
        let parts = request.into_inner().map(convert::upload_part);
        let kept = self.service.upload(tenant, parts).await;
        let kept = kept.map_err(refusal::upload)?;
        Ok(Response::new(convert::uploaded(&kept)))
    }

    async fn cost_report(
        &self,
        request: Request<v1::CostReportRequest>,
    ) -> Answer<v1::CostReportResponse> {
        let tenant = tenant(&request);
        let asked = convert::cost_request(request.into_inner())?;
        let group_by = asked.group_by.clone();
        let report = self.service.cost_report(tenant, asked).await;
        let report = report.map_err(refusal::cost_report)?;
        let rate = self.service.usd_rate();
        Ok(Response::new(convert::costs(report, &group_by, rate)))
    }

    async fn estimate_cost(
        &self,
        request: Request<v1::EstimateCostRequest>,
    ) -> Answer<v1::EstimateCostResponse> {
        let caller = caller(&request);
        let mut found = Violations::default();
        let Some(asked) = request.into_inner().request else {
            found.field("request", "must be given");
            return Err(found.into_status());
        };
        let asked = convert::new_request(asked, &mut found);
        match self.service.estimate(&caller, asked).await {
            Ok(price) if found.is_empty() => {
                let rate = self.service.usd_rate();
                return Ok(Response::new(convert::estimate(price, rate)));
            }
            Ok(_) => {}
            Err(EstimateError::Invalid(wrong)) => found.join(wrong),
            Err(EstimateError::ModelForbidden(model)) => {
                return Err(refusal::model_forbidden(&model).into_status());
            }
            Err(EstimateError::Store(error)) => return Err(refusal::store("EstimateCost", &error)),
        }
        Err(found.within("request").into_status())
    }

    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Answer<v1::ListModelsResponse> {
        let said = convert::Said {
            rate: self.service.usd_rate(),
            max_input_bytes: self.service.max_input_bytes(),
        };
        let answer = self.service.with_models(&caller(&request), |models| {
            convert::models(request.get_ref(), models, said)
        });
        answer.map(Response::new)
    }
}

impl MediaGeneration {
    /// The face of a service.
    pub fn new(service: Service) -> Self {
        Self {
            service,
            last_said: LastSaid::default(),
        }
    }

    fn show(&self, task: &Task) -> v1::Task {
        let progress = self.service.progress(task.id);
        convert::task(task, progress, self.service.usd_rate())
    }
}

/// Who calls: whoever the key belongs to; on a server without keys everybody is one caller.
fn caller<T>(request: &Request<T>) -> Caller {
    let known = request.extensions().get::<Caller>().cloned();
    known.unwrap_or_else(Caller::local)
}

/// Whose tasks the call is about.
fn tenant<T>(request: &Request<T>) -> TenantId {
    caller(request).tenant
}

const fn part(part: Part) -> v1::DownloadContentResponse {
    v1::DownloadContentResponse { part: Some(part) }
}
