//! An output in base64, as answers carry files within JSON: a block at a time, however large it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};

use crate::domain::id::{TaskId, TenantId};
use crate::service::{DownloadEnd, DownloadError, Piece, Service};

/// An output in letters.
pub(in crate::openai) struct Letters<S> {
    /// How many there will be.
    pub length: u64,
    /// The letters: padded at the end, without line breaks. After an error there are none.
    pub pieces: S,
}

/// An output of a tenant's task in base64. It is one of the downloads that may be open.
pub(in crate::openai) async fn in_base64(
    service: &Service,
    tenant: &TenantId,
    id: TaskId,
    index: u32,
) -> Result<Letters<impl Stream<Item = Result<Bytes, DownloadEnd>> + Send + use<>>, DownloadError> {
    let output = service.output_to_tell(tenant, id, index).await?;
    let size = output.artifact.size_bytes;
    let bytes = service.read(&output, 0, size)?;
    Ok(Letters {
        length: size.div_ceil(3).saturating_mul(4),
        pieces: encoded(bytes.map_ok(Piece::into_bytes)),
    })
}

/// The letters of a stream of bytes. Bytes that make no whole group wait for the next piece.
fn encoded<E>(bytes: impl Stream<Item = Result<Bytes, E>>) -> impl Stream<Item = Result<Bytes, E>> {
    // The end of the stream is `None`, so that what waits can still be told.
    let ended = bytes.map(Some).chain(stream::iter([None]));
    let pieces = ended.scan((BytesMut::new(), false), |(waiting, is_broken), piece| {
        let told = match piece {
            _ if *is_broken => None,
            Some(Err(error)) => {
                *is_broken = true;
                Some(Err(error))
            }
            Some(Ok(piece)) => Some(Ok(whole_groups(waiting, piece))),
            None => Some(Ok(letters(waiting))),
        };
        std::future::ready(told)
    });
    pieces.filter(|piece| {
        let is_told = piece.as_ref().map_or(true, |letters| !letters.is_empty());
        std::future::ready(is_told)
    })
}

/// The letters of what waited and of the piece, but for at most two bytes that wait on.
fn whole_groups(waiting: &mut BytesMut, mut piece: Bytes) -> Bytes {
    let lacking = (GROUP - waiting.len() % GROUP) % GROUP;
    let filling = piece.split_to(lacking.min(piece.len()));
    waiting.extend_from_slice(&filling);
    if !waiting.len().is_multiple_of(GROUP) {
        return Bytes::new();
    }
    let over = piece.split_off(piece.len() - piece.len() % GROUP);
    let mut told = String::with_capacity((waiting.len() + piece.len()) / GROUP * 4);
    STANDARD.encode_string(&*waiting, &mut told);
    STANDARD.encode_string(&piece, &mut told);
    waiting.clear();
    waiting.extend_from_slice(&over);
    told.into()
}

fn letters(bytes: &[u8]) -> Bytes {
    STANDARD.encode(bytes).into()
}

/// Bytes that make four letters.
const GROUP: usize = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told of bytes that come in pieces of these lengths, over and over.
    async fn told(bytes: &[u8], lengths: &[usize]) -> Result<Vec<u8>, &'static str> {
        let (mut rest, mut pieces) = (bytes, Vec::new());
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(Ok::<_, &str>(Bytes::copy_from_slice(piece)));
            rest = after;
        }
        let pieces: Vec<_> = encoded(stream::iter(pieces)).collect().await;
        let mut all = Vec::new();
        for piece in pieces {
            let piece = piece?;
            assert!(!piece.is_empty());
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn every_length_in_pieces_of_every_size_is_the_base64_of_the_whole() {
        let source: Vec<u8> = (0..=255).collect();
        for length in 0..=32 {
            for size in 1..=12 {
                let bytes = &source[..length];
                let expected = STANDARD.encode(bytes).into_bytes();
                let found = told(bytes, &[size]).await;
                assert_eq!(found, Ok(expected), "{length} in {size}");
            }
        }
    }

    #[tokio::test]
    async fn after_an_error_nothing_is_told_and_nothing_is_padded() {
        let pieces = [
            Ok(Bytes::from_static(b"abcd")),
            Err("broken"),
            Ok(Bytes::from_static(b"e")),
        ];
        let told: Vec<_> = encoded(stream::iter(pieces)).collect().await;
        assert_eq!(told, [Ok(Bytes::from_static(b"YWJj")), Err("broken")]);
    }

    proptest! {
        #[test]
        fn any_pieces_are_the_base64_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            lengths in proptest::collection::vec(1..40_usize, 1..8),
        ) {
            let expected = STANDARD.encode(&bytes).into_bytes();
            let found = futures_util::FutureExt::now_or_never(told(&bytes, &lengths));
            prop_assert_eq!(found, Some(Ok(expected)));
        }
    }
}
