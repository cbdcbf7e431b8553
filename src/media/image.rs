//! The size of an image, from the headers at its beginning.

/// Width and height of a PNG, GIF, WebP or JPEG whose first bytes these are.
pub(super) fn size(head: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = match head {
        [0x89, b'P', b'N', b'G', ..] => (be32(head, 16)?, be32(head, 20)?),
        [b'G', b'I', b'F', ..] => (u32::from(le16(head, 6)?), u32::from(le16(head, 8)?)),
        [b'R', b'I', b'F', b'F', ..] => webp(head)?,
        [0xff, 0xd8, ..] => jpeg(head)?,
        _ => return None,
    };
    let sane = |pixels: u32| (1..=MAX_SIDE).contains(&pixels);
    (sane(width) && sane(height)).then_some((width, height))
}

fn webp(head: &[u8]) -> Option<(u32, u32)> {
    match head.get(12..16)? {
        b"VP8 " => Some((
            u32::from(le16(head, 26)? & 0x3fff),
            u32::from(le16(head, 28)? & 0x3fff),
        )),
        b"VP8L" => {
            let bits = u32::from(le16(head, 21)?) | u32::from(le16(head, 23)?) << 16;
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        b"VP8X" => Some((le24(head, 24)? + 1, le24(head, 27)? + 1)),
        _ => None,
    }
}

/// Walks the segments to the frame header.
fn jpeg(head: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    for _ in 0..MAX_SEGMENTS {
        let [0xff, marker] = *head.get(at..at + 2)? else {
            return None;
        };
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if is_frame {
            let (height, width) = (be16(head, at + 5)?, be16(head, at + 7)?);
            return Some((u32::from(width), u32::from(height)));
        }
        // A fill byte stands alone before a marker.
        at += if marker == 0xff {
            1
        } else {
            2 + usize::from(be16(head, at + 2)?)
        };
    }
    None
}

fn bytes<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..)?.first_chunk().copied()
}

fn be32(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u32::from_be_bytes)
}

fn be16(head: &[u8], at: usize) -> Option<u16> {
    bytes(head, at).map(u16::from_be_bytes)
}

fn le16(head: &[u8], at: usize) -> Option<u16> {
    bytes(head, at).map(u16::from_le_bytes)
}

fn le24(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
}

/// Longest side that is believed, in pixels.
const MAX_SIDE: u32 = 1 << 20;
const MAX_SEGMENTS: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x05\0\0\0\x02\xd0\x08\x06";
        let gif = b"GIF89a\x40\x01\xf0\0";
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc0\0\x11\x08\x02\xd0\x05\0\x03";
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\0\x05\xd0\x02";
        let extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x04\0\xcf\x02\0";
        for (head, expected) in [
            (&png[..], Some((1280, 720))),
            (gif, Some((320, 240))),
            (jpeg, Some((1280, 720))),
            (lossy, Some((1280, 720))),
            (extended, Some((1280, 720))),
            (&png[..20], None),
            (b"\xff\xd8\xff\xd9", None),
            (b"", None),
        ] {
            assert_eq!(size(head), expected, "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_read_without_harm(which in 0usize..4, tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let starts: [&[u8]; 4] = [b"\x89PNG", b"GIF8", b"RIFF\0\0\0\0WEBPVP8L", b"\xff\xd8\xff"];
            let _ = size(&[starts[which], &tail].concat());
        }
    }
}
