//! A film filled up to a length: a last box that players pass over, made as it is sent.

use std::ops::Range;

use bytes::Bytes;

/// A file, and what follows it.
#[derive(Clone, Debug)]
pub struct Padded {
    /// The film and the head of the box that follows it.
    head: Bytes,
    length: u64,
}

impl Padded {
    /// The film filled up to `wanted` bytes, as it is when it has as many.
    pub fn new(film: Bytes, wanted: Option<u64>) -> Self {
        let made = film.len() as u64;
        let room = wanted.and_then(|wanted| wanted.checked_sub(made));
        let Some(room) = room.filter(|room| *room >= BOX_HEAD) else {
            return Self {
                head: film,
                length: made,
            };
        };
        // A length of 1 says that the real one follows, in 64 bits.
        let parts = [&film[..], &[0, 0, 0, 1], b"free", &room.to_be_bytes()];
        Self {
            head: parts.concat().into(),
            length: made + room,
        }
    }

    /// Bytes in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// A part of it, which lies within it.
    pub fn pieces(self, part: Range<u64>) -> impl Iterator<Item = Bytes> + Send + 'static {
        let mut at = part.start;
        std::iter::from_fn(move || {
            let head = self.head.len() as u64;
            let end = if at < head {
                part.end.min(head)
            } else {
                part.end.min(at / PIECE * PIECE + PIECE)
            };
            let piece = (at < end).then(|| {
                if at < head {
                    let place = |at| usize::try_from(at).unwrap_or(usize::MAX);
                    self.head.slice(place(at)..place(end))
                } else {
                    filling(at..end)
                }
            });
            at = end;
            piece
        })
    }
}

/// Bytes that are told by their place, so that no part of a file is like another.
fn filling(part: Range<u64>) -> Bytes {
    let words = part.start / 8..part.end.div_ceil(8);
    let bytes = words.flat_map(|word| (word + 1).wrapping_mul(ODD).to_le_bytes());
    let skipped = usize::try_from(part.start % 8).unwrap_or(0);
    let length = usize::try_from(part.end - part.start).unwrap_or(0);
    bytes.skip(skipped).take(length).collect()
}

/// The type and both lengths of a box.
const BOX_HEAD: u64 = 16;
/// Bytes that are made at once.
const PIECE: u64 = 64 * 1024;
/// Spreads what neighbours have in common; odd, so that no two words are alike.
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(file: &Padded, part: Range<u64>) -> Vec<u8> {
        file.clone().pieces(part).flatten().collect()
    }

    #[test]
    fn any_part_is_that_of_the_whole() {
        let file = Padded::new(Bytes::from_static(b"a film"), Some(200_001));
        let whole = all(&file, 0..file.length());
        assert_eq!((whole.len(), &whole[..6]), (200_001, &b"a film"[..]));
        assert_eq!(whole[6..14], *b"\0\0\0\x01free");
        for part in [
            0..0,
            0..1,
            5..23,
            3..200_001,
            65_535..65_537,
            131_073..131_074,
        ] {
            let place = |at| usize::try_from(at).unwrap();
            let expected = &whole[place(part.start)..place(part.end)];
            assert_eq!(all(&file, part.clone()), expected, "{part:?}");
        }
    }

    #[test]
    fn a_film_that_is_long_enough_stays_as_it_is() {
        for wanted in [None, Some(0), Some(6), Some(21)] {
            let file = Padded::new(Bytes::from_static(b"a film"), wanted);
            assert_eq!(all(&file, 0..file.length()), b"a film", "{wanted:?}");
        }
    }
}
