//! Addresses for the inputs of one create: the caller's own, data URIs, and uploads to the account.
//!
//! Content is placed at an account once and named by every create while that lasts: placements are
//! in the store, by content and not by who sent it, and of tasks that need the same one at the same
//! time, one places it and the others wait. Everything here is free and comes before the intent.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard};

use super::Desk;
use crate::archive::ArchiveError;
use crate::domain::generation::InputSource;
use crate::domain::task::{Rejection, Task};
use crate::domain::upload::{PlaceKey, Placement};
use crate::provider::{Account, Media};

/// Addresses for a task's inputs at one account.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// One for each input, in order.
    pub(super) uris: Vec<String>,
    /// Those that were made for an earlier create, which the provider may have forgotten.
    pub(super) reused: Vec<Placement>,
}

/// Why there are no addresses. No task was created.
#[derive(Debug)]
pub(super) enum Unplaced {
    /// A spooled input cannot be read.
    Archive(ArchiveError),
    /// The provider does not take one.
    Rejected(Rejection),
}

/// Finds or makes an address for every input.
pub(super) async fn addresses(
    desk: &Desk,
    account: &Account,
    task: &Task,
) -> Result<Addresses, Unplaced> {
    let mut found = Addresses::default();
    // What a create names twice is looked at once.
    let mut known: HashMap<PlaceKey, String> = HashMap::new();
    for (index, input) in (0_u32..).zip(&task.order.generation.inputs) {
        let sha256 = match &input.source {
            InputSource::Url(uri) => {
                found.uris.push(uri.clone());
                continue;
            }
            InputSource::Inline { sha256, .. } => *sha256,
        };
        let key = PlaceKey {
            account: account.name().to_owned(),
            sha256,
            content_type: input.content_type.clone(),
        };
        let uri = if let Some(uri) = known.get(&key) {
            uri.clone()
        } else {
            let media = media(desk, task, index, &key.content_type).await;
            let media = media.map_err(Unplaced::Archive)?;
            let (uri, reused) = address(desk, account, &key, &media)
                .await
                .map_err(Unplaced::Rejected)?;
            found.reused.extend(reused);
            known.insert(key, uri.clone());
            uri
        };
        found.uris.push(uri);
    }
    Ok(found)
}

/// Forgets addresses that a refusal may be about.
pub(super) async fn forget(desk: &Desk, placements: &[Placement]) {
    for placement in placements {
        if let Err(error) = desk.store.displace(placement.clone()).await {
            tracing::warn!(%error, "an address of an input could not be forgotten");
        }
    }
}

/// The address of one medium; with the placement where it was made before.
async fn address(
    desk: &Desk,
    account: &Account,
    key: &PlaceKey,
    media: &Media,
) -> Result<(String, Option<Placement>), Rejection> {
    let provider = account.provider();
    if provider.embeds(media) {
        return Ok((provider.place(media).await?.uri, None));
    }
    let _turn = desk.turns.take(key).await;
    if let Some(placement) = placed_before(desk, key).await {
        return Ok((placement.uri.clone(), Some(placement)));
    }
    let placed = provider.place(media).await?;
    tracing::info!(
        account = key.account,
        bytes = media.size_bytes,
        "placed an input"
    );
    if let Some(lasts) = placed.lasts {
        let placement = Placement {
            key: key.clone(),
            uri: placed.uri.clone(),
            expires: desk.now().after(lasts),
        };
        if let Err(error) = desk.store.place(placement).await {
            // It is good for this create; the next one places it again.
            tracing::warn!(%error, "an address of an input could not be recorded");
        }
    }
    Ok((placed.uri, None))
}

async fn placed_before(desk: &Desk, key: &PlaceKey) -> Option<Placement> {
    let found = desk.store.placement(key).await;
    let found = found.unwrap_or_else(|error| {
        tracing::warn!(%error, "the address of an input could not be read");
        None
    });
    found.filter(|placement| placement.is_good(desk.now()))
}

/// The opener of a spooled input.
async fn media(
    desk: &Desk,
    task: &Task,
    index: u32,
    content_type: &str,
) -> Result<Media, ArchiveError> {
    let spooled = desk.archive.input(task.id, index).await?;
    let size_bytes = spooled.size_bytes();
    let open = move || spooled.open().map_err(std::io::Error::other).boxed();
    Ok(Media::new(content_type, size_bytes, open))
}

/// One at a time for each content at each account.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<PlaceKey, Arc<Turnstile<()>>>>);

/// A turn, or a wait for one; gone without a trace when dropped.
struct Turn<'a> {
    turns: &'a Turns,
    key: &'a PlaceKey,
    stile: Option<Arc<Turnstile<()>>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    async fn take<'a>(&'a self, key: &'a PlaceKey) -> Turn<'a> {
        let stile = Arc::clone(self.0.lock().entry(key.clone()).or_default());
        let mut turn = Turn {
            turns: self,
            key,
            stile: Some(Arc::clone(&stile)),
            held: None,
        };
        turn.held = Some(stile.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        self.stile = None;
        let mut turns = self.turns.0.lock();
        if turns
            .get(self.key)
            .is_some_and(|stile| Arc::strong_count(stile) == 1)
        {
            turns.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_are_taken_one_by_one_and_leave_nothing_behind() {
        let turns = Turns::default();
        let key = |content| PlaceKey {
            account: "a".to_owned(),
            sha256: [content; 32],
            content_type: String::new(),
        };
        let (one, other) = (key(1), key(2));
        let first = turns.take(&one).await;
        let _elsewhere = turns.take(&other).await;
        let mut second = Box::pin(turns.take(&one));
        assert!(futures_util::poll!(&mut second).is_pending());
        {
            let mut given_up = Box::pin(turns.take(&one));
            assert!(futures_util::poll!(&mut given_up).is_pending());
        }
        drop(first);
        drop(second.await);
        let mut left: Vec<_> = turns.0.lock().keys().cloned().collect();
        assert_eq!(left.pop(), Some(other.clone()));
        assert!(left.is_empty());
    }
}
