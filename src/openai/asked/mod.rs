//! What a body asks for, as a request of the service.
//!
//! Members that OpenAI's API or LiteLLM has for every model are read here, by any of their names;
//! everything else passes to the provider's options, where the catalogue judges it. What is wrong is
//! collected under the domain's names and told in the caller's ([`Words`]).

mod input;
mod nested;
mod rest;
mod slips;
mod taker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};

pub(super) use nested::nest;
use taker::Taker;

use super::body::Members;
use super::refusal::{self, Words};
use super::{Face, Problem};
use crate::domain::caller::Caller;
use crate::domain::generation::{Draft, InvalidField, InvalidReason, Media, Operation};
use crate::domain::id::{RequestId, TaskId};
use crate::domain::task::Task;
use crate::service::{Lent, NewRequest, NotAll};

/// A body's members, and what brought them.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// By their names.
    pub members: Members,
    /// Whether it was a form, where numbers are texts.
    pub is_form: bool,
}

/// A request as far as a body could be read, and what could not.
#[derive(Debug)]
pub(super) struct Asked {
    /// The request; what could not be read stands at its default.
    pub request: NewRequest,
    words: Words,
    wrong: Vec<InvalidField>,
}

impl Asked {
    /// Reads a body and the headers beside it, for a call that makes one kind of media.
    pub fn read(given: Given, output: Media, headers: &HeaderMap) -> Self {
        let mut taker = Taker::new(given);
        let mut request = NewRequest {
            request_id: request_id(headers, &mut taker),
            draft: draft(&mut taker, output),
            labels: rest::labels(&mut taker),
            timeout: timeout(&mut taker),
            priority: taker.small("priority", &["priority"]).unwrap_or_default(),
            webhook_url: taker
                .text("webhook_url", &["webhook_url"])
                .unwrap_or_default(),
            // Whoever asks knows what became of the calls before.
            sending: None,
        };
        request.draft.options = rest::options(&mut taker);
        let (words, wrong) = taker.end();
        Self {
            request,
            words,
            wrong,
        }
    }

    /// Notes what is wrong with a field, by the domain's name of it.
    pub fn refuse(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.wrong.push(invalid(field, problem));
    }

    /// Settles members of OpenAI's own (a name, and the values that ask for nothing): those values are
    /// left out where the model has no such option or no such value, and any other is refused where it
    /// has no such option, though Runway might pass it over. A size of `auto` leaves the choice.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn settle(
        &mut self,
        face: &Face,
        caller: &Caller,
        foreign: &[(&str, &[&str])],
    ) -> Result<(), Problem> {
        let draft = &self.request.draft;
        let is_any_size = draft.size.eq_ignore_ascii_case("auto");
        if !is_any_size
            && !foreign
                .iter()
                .any(|(name, _)| draft.options.contains_key(*name))
        {
            return Ok(());
        }
        let (service, tenant) = (&face.service, &caller.tenant);
        let failed = |error| refusal::store("Create", &error);
        let listed = service.options_of(tenant, draft).await.map_err(failed)?;
        let found = service.check(tenant, self.request.clone()).await;
        let found = found.map_err(failed)?;
        let is_wrong = |field: &str| found.iter().any(|found| found.field == field);
        if is_any_size && is_wrong("size") {
            self.request.draft.size.clear();
        }
        for (name, empty) in foreign {
            let options = &mut self.request.draft.options;
            let Some(value) = options.get(*name) else {
                continue;
            };
            let field = format!("provider_options.{name}");
            let is_listed = listed.as_ref().is_none_or(|listed| listed.contains(*name));
            if value.as_str().is_some_and(|value| empty.contains(&value)) {
                if !is_listed || is_wrong(&field) {
                    options.remove(*name);
                }
            } else if !is_listed {
                self.refuse(field, "is nothing that the model takes");
            }
        }
        Ok(())
    }

    /// Makes the task, or finds the one that this request made before. `lent` are the files that came
    /// with it.
    ///
    /// # Errors
    /// Everything that is wrong at once, whoever found it.
    pub async fn make(
        self,
        face: &Face,
        caller: Caller,
        lent: Vec<Lent>,
    ) -> Result<Arc<Task>, Problem> {
        let (request, words) = self.sound(face, &caller).await?;
        let made = face.service.create_with(caller, request, lent).await;
        made.map_err(|error| refusal::create(error, &words))
    }

    /// Makes so many outputs, by one task or several, or finds those tasks.
    ///
    /// # Errors
    /// The same, with the tasks that were made before one was refused.
    pub async fn make_many(
        self,
        face: &Face,
        caller: Caller,
        count: u32,
    ) -> Result<Vec<Arc<Task>>, (Problem, Vec<TaskId>)> {
        let sound = self.sound(face, &caller).await;
        let (request, words) = sound.map_err(|problem| (problem, Vec::new()))?;
        let made = face.service.create_many(caller, request, count).await;
        made.map_err(|NotAll { error, made }| (refusal::create(error, &words), made))
    }

    /// The request, if all of it could be read.
    async fn sound(self, face: &Face, caller: &Caller) -> Result<(NewRequest, Words), Problem> {
        let Self {
            request,
            words,
            mut wrong,
        } = self;
        if wrong.is_empty() {
            return Ok((request, words));
        }
        let found = face.service.check(&caller.tenant, request).await;
        let mut found = found.map_err(|error| refusal::store("Create", &error))?;
        // What follows from a field that could not be read is no news.
        found.retain(|found| !wrong.iter().any(|known| found.is_akin(&known.field)));
        wrong.extend(found);
        Err(refusal::invalid(&wrong, &words))
    }
}

fn draft(taker: &mut Taker, output: Media) -> Draft {
    Draft {
        model: taker.text("model", &["model"]).unwrap_or_default(),
        prompt: taker.text("prompt", &["prompt"]).unwrap_or_default(),
        inputs: input::inputs(taker, output),
        seconds: taker.seconds(),
        // The configuration's, which is asked for where the task is made.
        default_seconds: None,
        size: taker.size(),
        count: taker.small("count", &["n", "count"]),
        seed: taker.small("seed", &["seed"]),
        audio: taker.flag("audio", &["audio"]),
        negative_prompt: taker
            .text("negative_prompt", &["negative_prompt"])
            .unwrap_or_default(),
        operation: operation(taker),
        output: Some(output),
        options_are_texts: taker.is_form,
        // Filled with what nobody took, at the end.
        options: BTreeMap::new(),
    }
}

fn operation(taker: &mut Taker) -> Option<Operation> {
    let name = taker.text("operation", &["operation"])?;
    let known = Operation::parse(&name.to_ascii_lowercase());
    if known.is_none() {
        let all = Operation::ALL.map(Operation::as_str).join(", ");
        taker.wrong("operation", format!("must be one of {all}"));
    }
    known
}

/// How long a task may take at the provider, in seconds.
fn timeout(taker: &mut Taker) -> Option<Duration> {
    let seconds = taker.number("timeout", &["timeout"])?;
    let read = Duration::try_from_secs_f64(seconds).ok();
    if read.is_none() {
        taker.wrong(
            "timeout",
            format!("must be a number of seconds; got {seconds}"),
        );
    }
    read
}

/// The caller's key of a request that is to be made once.
fn request_id(headers: &HeaderMap, taker: &mut Taker) -> String {
    let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(first) = sent.next() else {
        return String::new();
    };
    let key = first.to_str().ok().and_then(RequestId::parse);
    if let Some(key) = key.filter(|_| sent.all(|other| other == first)) {
        return key.as_str().to_owned();
    }
    // Not passed over: the repeat of a call without a key is given the task of another.
    let most = RequestId::MAX_LEN;
    let problem = format!("takes 1 to {most} visible ASCII characters, once");
    taker.wrong("request_id", problem);
    String::new()
}

/// A value that its field does not take.
fn invalid(field: impl Into<String>, problem: impl Into<String>) -> InvalidField {
    InvalidField {
        field: field.into(),
        reason: InvalidReason::FieldInvalid,
        problem: problem.into(),
    }
}

/// The header that is the request's id.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[cfg(test)]
mod tests;
