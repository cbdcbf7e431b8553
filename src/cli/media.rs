//! Media types: told from a file's first bytes, and turned into a file's ending.

use crate::domain::generation::media_type_of;

/// The type of some media by its first bytes, as a server tells it; `None` when it is none that is
/// known here.
pub fn sniff(bytes: &[u8]) -> Option<&'static str> {
    media_type_of(bytes)
}

/// What the name of a file of this type ends with, without the dot.
pub fn extension(content_type: &str) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ENDINGS
        .iter()
        .find(|(media, _)| *media == essence)
        .map_or("bin", |(_, ending)| ending)
}

const ENDINGS: [(&str, &str); 15] = [
    ("video/mp4", "mp4"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/webp", "webp"),
    ("image/gif", "gif"),
    ("image/avif", "avif"),
    ("audio/mpeg", "mp3"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/mp4", "m4a"),
    ("audio/aac", "aac"),
    ("audio/ogg", "ogg"),
    ("audio/flac", "flac"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_told_from_their_first_bytes() {
        let table: [(&[u8], Option<&str>); 10] = [
            (b"\x89PNG\r\n\x1a\n", Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF....WEBPVP8 ", Some("image/webp")),
            (b"RIFF....AVI LIST", None),
            (b"....ftypisom", Some("video/mp4")),
            (b"....ftypqt  ", Some("video/quicktime")),
            (b"....ftyp", None),
            (
                b"\x1a\x45\xdf\xa3....B\x82\x88matroska",
                Some("video/x-matroska"),
            ),
            (b"<html>", None),
            (b"", None),
        ];
        for (bytes, media) in table {
            assert_eq!(sniff(bytes), media, "{bytes:?}");
        }
    }

    #[test]
    fn a_type_gives_a_files_ending() {
        assert_eq!(extension("video/mp4; codecs=avc1"), "mp4");
        assert_eq!(extension("text/html"), "bin");
    }
}
