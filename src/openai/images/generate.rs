//! The call: take a place to wait in, make the tasks, wait, answer.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;

use super::{answer, ask, ended};
use crate::openai::files::Base;
use crate::openai::gate::{self, Waiter};
use crate::openai::{Face, Problem, library};

pub(super) async fn generate(
    State(face): State<Face>,
    Waiter { caller, mut pass }: Waiter,
    base: Base,
    request: Request,
) -> Result<Response, Problem> {
    let (came, headers) = (face.service.now(), request.headers().clone());
    let wait = patience(&headers, face.settings.image_wait);
    let unread = |problem| face.refused_unread(&caller, &headers, came, problem);
    let mut asked = match ask::read(&face, &caller, request).await {
        Ok(asked) => asked,
        Err(problem) => return Err(unread(problem).await),
    };
    // Before anything is made: nobody pays for what nobody may wait for.
    let place = match face.service.wait_place() {
        Ok(place) => place,
        Err(full) => return Err(unread(ended::crowded(&full)).await),
    };
    asked.create.request.sending = face.sending(caller.key.as_ref(), &headers, came);
    let (tenant, has_key) = (caller.tenant.clone(), asked.has_key());
    let made = asked.create.make_many(&face, caller, asked.count).await;
    drop(asked.held);
    let made = made.map_err(|(refused, made)| ended::not_all(refused, made))?;
    let ids = made.iter().map(|task| task.id).collect();
    let made = ended::Made { ids, has_key };
    let tasks = tokio::select! {
        biased;
        refused = pass.ended() => return Err(made.about(gate::problem(&refused))),
        tasks = face.service.wait(&place, &tenant, &made.ids, wait) => tasks,
    };
    let tasks = tasks.map_err(|end| made.unwaited(end, wait))?;
    answer::of(&face, &base, &tasks, asked.format, pass).await
}

/// How long this caller is made to wait: a little less than its library does, which would then give up
/// on its own and repeat the call, and never learn of the task.
fn patience(headers: &HeaderMap, most: Duration) -> Duration {
    let theirs = library::waits(headers).min();
    let ours = theirs.map(|wait| {
        let margin = (wait / 10).clamp(LEAST_MARGIN, MARGIN);
        wait.saturating_sub(margin).max(wait / 2)
    });
    ours.map_or(most, |wait| wait.min(most))
}

/// Time for the answer to arrive, of those who wait for long.
const MARGIN: Duration = Duration::from_secs(5);
/// The same of those who do not.
const LEAST_MARGIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_before_the_callers_does() {
        let most = Duration::from_mins(10);
        for (told, seconds) in [
            (&[][..], 600.0),
            (&[("x-stainless-read-timeout", "600")], 595.0),
            (&[("x-stainless-timeout", "30")], 27.0),
            (&[("x-stainless-timeout", "4")], 3.0),
            (&[("x-stainless-timeout", "1.5")], 0.75),
            (&[("x-stainless-timeout", "0.5")], 0.25),
            (&[("x-stainless-timeout", "86400")], 600.0),
            (&[("x-stainless-timeout", "0")], 600.0),
            (&[("x-stainless-timeout", "soon")], 600.0),
            (&[("x-stainless-timeout", "-1")], 600.0),
            (&[("x-stainless-timeout", "NaN")], 600.0),
            (&[("x-stainless-timeout", "1e300")], 600.0),
            (
                &[
                    ("x-stainless-timeout", "600"),
                    ("x-stainless-read-timeout", "60"),
                ],
                55.0,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in told {
                headers.insert(*name, value.parse().unwrap());
            }
            let wait = patience(&headers, most).as_secs_f64();
            assert!((wait - seconds).abs() < 1e-9, "{told:?}: {wait}");
        }
    }
}
