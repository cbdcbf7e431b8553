//! A piece of an object, with room before it.

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of an object, checked. What was read from a local file has [`Piece::ROOM`] unused bytes before
/// it, so that a protocol may put a head there and send both without another copy.
#[derive(Debug)]
pub struct Piece {
    buffer: BytesMut,
    /// Where the bytes begin; what lies before is room.
    start: usize,
}

impl Piece {
    /// The longest head that costs no copy.
    pub const ROOM: usize = 32;

    /// Room, and `len` zeroes to be read into.
    pub(super) fn zeroed(len: usize) -> Self {
        Self {
            buffer: BytesMut::zeroed(Self::ROOM + len),
            start: Self::ROOM,
        }
    }

    /// The bytes, to be read into.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..]
    }

    /// The bytes `from..upto` of these.
    pub(super) fn within(mut self, from: usize, upto: usize) -> Self {
        self.buffer.truncate(self.start + upto);
        self.start += from;
        self
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the first `len` bytes off, the room with them.
    ///
    /// # Panics
    /// When there are fewer.
    #[must_use]
    pub fn split_to(&mut self, len: usize) -> Self {
        let start = std::mem::take(&mut self.start);
        Self {
            buffer: self.buffer.split_to(start + len),
            start,
        }
    }

    /// The bytes alone.
    pub fn into_bytes(mut self) -> Bytes {
        self.buffer.advance(self.start);
        self.buffer.freeze()
    }

    /// The bytes with `head` before them; copied only where there is no room for it.
    pub fn with_head(mut self, head: &[u8]) -> Bytes {
        if let Some(at) = self.start.checked_sub(head.len()) {
            self.buffer[at..self.start].copy_from_slice(head);
            self.start = at;
            return self.into_bytes();
        }
        [head, &self.buffer[self.start..]].concat().into()
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl From<Bytes> for Piece {
    /// A piece without room.
    fn from(bytes: Bytes) -> Self {
        Self {
            buffer: bytes.into(),
            start: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: &[u8]) -> Piece {
        let mut piece = Piece::zeroed(bytes.len());
        piece.bytes_mut().copy_from_slice(bytes);
        piece
    }

    #[test]
    fn a_head_goes_before_the_bytes_with_room_and_without() {
        let long = [b'-'; Piece::ROOM + 1];
        for head in [&b""[..], b"head:", &long[1..], &long] {
            let wanted = [head, b"tail"].concat();
            assert_eq!(piece(b"tail").with_head(head), wanted);
            assert_eq!(
                Piece::from(Bytes::from_static(b"tail")).with_head(head),
                wanted
            );
            assert_eq!(piece(b"a tail!").within(2, 6).with_head(head), wanted);
        }
    }

    #[test]
    fn a_head_within_the_room_moves_nothing() {
        let piece = piece(b"bytes");
        let at = piece.as_ref().as_ptr();
        let sent = piece.with_head(b"0123");
        assert_eq!(sent[4..].as_ptr(), at);
    }

    #[test]
    fn a_piece_is_cut_in_order_and_only_the_first_cut_has_the_room() {
        let mut rest = piece(b"abcdef");
        let first = rest.split_to(2);
        assert_eq!((first.len(), rest.len()), (2, 4));
        assert_eq!(first.with_head(b">"), b">ab"[..]);
        assert_eq!(rest.split_to(3).with_head(b">"), b">cde"[..]);
        assert_eq!(rest.split_to(1).into_bytes(), b"f"[..]);
        assert!(rest.is_empty());
    }
}
