//! Addresses for the inputs of one create: the caller's own, data URIs, and uploads to the account.
//!
//! Content is placed at an account once and named by every create while that lasts: placements are
//! in the store, by content and not by who sent it. A task that has content to place takes a turn
//! for it first; of tasks that need the same one at the same time, one has the turn and the others
//! stay queued, where they hold nothing. Everything here is free and comes before the intent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;

use super::Desk;
use crate::archive::ArchiveError;
use crate::domain::generation::{Input, InputSource};
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
    /// An address has gone since the task was looked at, and it has no turn to make another.
    NotItsTurn,
}

/// What a task would have to place now: content that is not embedded and has no good address.
pub(super) async fn missing(desk: &Desk, account: &Account, task: &Task) -> Vec<PlaceKey> {
    let mut missing = Vec::new();
    for input in &task.order.generation.inputs {
        let Ok((key, false)) = content(account, input) else {
            continue;
        };
        if !missing.contains(&key) && placed_before(desk, &key).await.is_none() {
            missing.push(key);
        }
    }
    missing
}

/// Finds or makes an address for every input; makes them only for what `turn` is for.
pub(super) async fn addresses(
    desk: &Desk,
    account: &Account,
    task: &Task,
    turn: Option<&Turn>,
) -> Result<Addresses, Unplaced> {
    let mut found = Addresses::default();
    // What a create names twice is looked at once.
    let mut known: HashMap<PlaceKey, String> = HashMap::new();
    for (index, input) in (0_u32..).zip(&task.order.generation.inputs) {
        let (key, is_embedded) = match content(account, input) {
            Ok(content) => content,
            Err(uri) => {
                found.uris.push(uri.to_owned());
                continue;
            }
        };
        if let Some(uri) = known.get(&key) {
            found.uris.push(uri.clone());
            continue;
        }
        let before = if is_embedded {
            None
        } else {
            placed_before(desk, &key).await
        };
        let uri = match before {
            Some(placement) => {
                let uri = placement.uri.clone();
                found.reused.push(placement);
                uri
            }
            None if is_embedded || turn.is_some_and(|turn| turn.is_for(&key)) => {
                let media = media(desk, task, index, &key.content_type).await;
                let media = media.map_err(Unplaced::Archive)?;
                let placed = place(desk, account, &key, &media).await;
                placed.map_err(Unplaced::Rejected)?
            }
            None => return Err(Unplaced::NotItsTurn),
        };
        found.uris.push(uri.clone());
        known.insert(key, uri);
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

/// What an input is at an account, and whether its address will hold it; else its own address.
fn content<'a>(account: &Account, input: &'a Input) -> Result<(PlaceKey, bool), &'a str> {
    let (sha256, size_bytes) = match &input.source {
        InputSource::Inline { sha256, size_bytes } => (*sha256, *size_bytes),
        InputSource::Url(uri) => return Err(uri),
    };
    let key = PlaceKey {
        account: account.name().to_owned(),
        sha256,
        content_type: input.content_type.clone(),
    };
    let is_embedded = account.provider().embeds(&key.content_type, size_bytes);
    Ok((key, is_embedded))
}

/// Makes the address of one medium, and records it where it lasts.
async fn place(
    desk: &Desk,
    account: &Account,
    key: &PlaceKey,
    media: &Media,
) -> Result<String, Rejection> {
    let placed = account.provider().place(media).await?;
    let Some(lasts) = placed.lasts else {
        return Ok(placed.uri);
    };
    let (account, bytes) = (&key.account, media.size_bytes);
    tracing::info!(account, bytes, "placed an input");
    let placement = Placement {
        key: key.clone(),
        uri: placed.uri.clone(),
        expires: desk.now().after(lasts),
    };
    if let Err(error) = desk.store.place(placement).await {
        // It is good for this create; the next one places it again.
        tracing::warn!(%error, "an address of an input could not be recorded");
    }
    Ok(placed.uri)
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

/// What is being placed now.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashSet<PlaceKey>>>);

/// The right to place some content, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    taken: Arc<Mutex<HashSet<PlaceKey>>>,
    keys: Vec<PlaceKey>,
}

impl Turns {
    /// A turn for all of it; `None` while anybody has one for any of it.
    pub(super) fn take(&self, keys: Vec<PlaceKey>) -> Option<Turn> {
        let mut taken = self.0.lock();
        if keys.iter().any(|key| taken.contains(key)) {
            return None;
        }
        taken.extend(keys.iter().cloned());
        drop(taken);
        Some(Turn {
            taken: Arc::clone(&self.0),
            keys,
        })
    }
}

impl Turn {
    fn is_for(&self, key: &PlaceKey) -> bool {
        self.keys.contains(key)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        for key in &self.keys {
            taken.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_for_all_or_none_and_leave_nothing_behind() {
        let turns = Turns::default();
        let key = |content| PlaceKey {
            account: "a".to_owned(),
            sha256: [content; 32],
            content_type: String::new(),
        };
        let first = turns.take(vec![key(1), key(2)]).expect("it is free");
        assert!(first.is_for(&key(2)) && !first.is_for(&key(3)));
        assert!(turns.take(vec![key(3), key(2)]).is_none());
        let other = turns.take(vec![key(3)]).expect("nothing was taken of it");
        drop(first);
        let again = turns.take(vec![key(2)]);
        assert!(again.is_some() && turns.take(vec![key(3)]).is_none());
        drop((again, other));
        assert!(turns.0.lock().is_empty());
    }
}
