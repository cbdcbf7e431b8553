//! Least-recently-used files, bounded by their bytes.

use std::collections::VecDeque;

use bytes::Bytes;
use uuid::Uuid;

type Key = (Uuid, u32);

/// Few and large entries: a queue in order of use is all the index it needs.
#[derive(Debug)]
pub struct Cache {
    most_bytes: usize,
    bytes: usize,
    files: VecDeque<(Key, Bytes)>,
}

impl Cache {
    /// An empty cache of at most `most_bytes`.
    pub fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            bytes: 0,
            files: VecDeque::new(),
        }
    }

    /// The file, which becomes the most recent one.
    pub fn get(&mut self, key: Key) -> Option<Bytes> {
        let index = self.files.iter().position(|(known, _)| *known == key)?;
        let found = self.files.remove(index)?;
        let bytes = found.1.clone();
        self.files.push_back(found);
        Some(bytes)
    }

    /// Keeps a file, dropping the least recent ones; a file above the bound is not kept.
    pub fn put(&mut self, key: Key, file: Bytes) {
        if file.len() > self.most_bytes || self.files.iter().any(|(known, _)| *known == key) {
            return;
        }
        self.bytes += file.len();
        self.files.push_back((key, file));
        while self.bytes > self.most_bytes || self.files.len() > MOST_FILES {
            let Some((_, dropped)) = self.files.pop_front() else {
                break;
            };
            self.bytes -= dropped.len();
        }
    }
}

/// Keeps the walk over the queue short.
const MOST_FILES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_file_goes_first() {
        let key = |n: u32| (Uuid::nil(), n);
        let file = |n: usize| Bytes::from(vec![0; n]);
        let mut cache = Cache::new(10);
        cache.put(key(1), file(4));
        cache.put(key(2), file(4));
        assert!(cache.get(key(1)).is_some());
        cache.put(key(3), file(4));
        assert!(cache.get(key(2)).is_none());
        assert!(cache.get(key(1)).is_some() && cache.get(key(3)).is_some());
        cache.put(key(4), file(11));
        assert!(cache.get(key(4)).is_none());
        assert_eq!(cache.bytes, 8);
    }
}
