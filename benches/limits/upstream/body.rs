//! An MP4 of any length, made of one block that is sent again and again.

use std::sync::LazyLock;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

/// The length of the file that is asked for with so many bytes: no file is shorter than its boxes.
pub fn length(bytes: u64) -> u64 {
    (HEAD.len() as u64 + MDAT).max(bytes)
}

/// The file. `end` is called when its last byte was handed over.
pub fn mp4(bytes: u64, end: impl Fn() + Send + Sync + 'static) -> Body {
    let payload = length(bytes) - HEAD.len() as u64 - MDAT;
    let mut mdat = Vec::with_capacity(16);
    // A box of 64-bit length: 1, its kind, its length.
    mdat.extend(1_u32.to_be_bytes());
    mdat.extend(b"mdat");
    mdat.extend((MDAT + payload).to_be_bytes());
    let head = Bytes::from([HEAD.as_slice(), &mdat].concat());
    let parts = stream::unfold((Some(head), payload, end), |(head, left, end)| async move {
        if let Some(head) = head {
            if left == 0 {
                end();
            }
            return Some((Ok::<_, std::io::Error>(head), (None, left, end)));
        }
        if left == 0 {
            return None;
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK.len());
        let left = left - take as u64;
        if left == 0 {
            end();
        }
        Some((Ok(BLOCK.slice(..take)), (None, left, end)))
    });
    Body::from_stream(parts)
}

/// What stands before the media: 1280x720, 5 s.
static HEAD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut mvhd = vec![0; 100];
    mvhd[12..16].copy_from_slice(&600_u32.to_be_bytes());
    mvhd[16..20].copy_from_slice(&3000_u32.to_be_bytes());
    let mut tkhd = vec![0; 84];
    tkhd[76..84].copy_from_slice(&[5, 0, 0, 0, 2, 0xd0, 0, 0]);
    let track = atom(*b"trak", &atom(*b"tkhd", &tkhd));
    let moov = [atom(*b"mvhd", &mvhd), track].concat();
    [
        atom(*b"ftyp", b"isom\0\0\x02\0isomiso2"),
        atom(*b"moov", &moov),
    ]
    .concat()
});

/// Media that no compression makes shorter, and that nobody looks at.
static BLOCK: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.take(32 * 1024).flat_map(u64::to_be_bytes).collect()
});

fn atom(kind: [u8; 4], inside: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + inside.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &kind, inside].concat()
}

/// Bytes of the head of `mdat`.
const MDAT: u64 = 16;
