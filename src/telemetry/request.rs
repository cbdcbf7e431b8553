//! The id of the running call over HTTP, for the lines that tell what came of it.

use std::future::Future;

use http::HeaderValue;

/// A call's work, known by its id. What is no text is told as nothing.
pub fn around<F: Future>(id: HeaderValue, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, work)
}

/// The id of the running call; `None`: it is none over HTTP.
pub fn current() -> Option<String> {
    let id = CURRENT.try_with(|id| id.to_str().map(str::to_owned)).ok()?;
    id.ok()
}

/// Work that is the running call's, wherever it is spawned.
pub(super) fn kept<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let id = CURRENT.try_with(HeaderValue::clone).ok();
    async move {
        match id {
            Some(id) => CURRENT.scope(id, work).await,
            None => work.await,
        }
    }
}

tokio::task_local! {
    static CURRENT: HeaderValue;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_is_spawned_is_known_by_the_id_of_its_call() {
        assert_eq!(current(), None);
        let id = HeaderValue::from_static("req_1");
        let spawned = around(id, async { (current(), kept(async { current() })) });
        let (here, there) = spawned.await;
        assert_eq!(current(), None);
        let told = Some("req_1".to_owned());
        assert_eq!((here, there.await), (told.clone(), told));
    }
}
