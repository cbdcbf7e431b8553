//! Media types: which are taken, and what the first bytes of a file say it is.
//!
//! Only enough of each format is read to tell it from the others.

use super::Media;

/// The media types that are taken, by kind.
pub(super) const fn taken(media: Media) -> &'static [&'static str] {
    match media {
        Media::Image => &["image/jpeg", "image/png", "image/webp"],
        Media::Video => &[
            "video/mp4",
            "video/quicktime",
            "video/x-matroska",
            "video/webm",
            "video/3gpp",
            "video/ogg",
        ],
        Media::Audio => &[
            "audio/mpeg",
            "audio/wav",
            "audio/flac",
            "audio/mp4",
            "audio/aac",
        ],
    }
}

/// The kind of a media type, as in `image` of `image/png`.
pub(super) fn kind(content_type: &str) -> Option<Media> {
    Media::parse(content_type.split('/').next()?)
}

/// The kind that a path's ending suggests.
pub(super) fn kind_of_path(address: &str) -> Option<Media> {
    let path = address.split(['?', '#']).next()?;
    let name = path.rsplit('/').next()?;
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "png" | "webp" => Some(Media::Image),
        "mp4" | "m4v" | "mov" | "mkv" | "webm" | "3gp" | "ogv" => Some(Media::Video),
        "mp3" | "wav" | "flac" | "m4a" | "aac" => Some(Media::Audio),
        _ => None,
    }
}

/// One spelling for a declared type: lower case, no parameters, no aliases; empty where it says
/// nothing.
pub(super) fn canonical(declared: &str) -> String {
    let bare = declared
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match bare.as_str() {
        "application/octet-stream" | "binary/octet-stream" => "",
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "video/x-m4v" => "video/mp4",
        "video/mkv" | "video/matroska" => "video/x-matroska",
        "video/mov" => "video/quicktime",
        "audio/mp3" | "audio/x-mp3" => "audio/mpeg",
        "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio/wav",
        "audio/x-flac" => "audio/flac",
        "audio/m4a" | "audio/x-m4a" => "audio/mp4",
        "audio/x-aac" | "audio/aacp" => "audio/aac",
        other => other,
    }
    .to_owned()
}

/// What the first bytes say; also names some types that are not taken, for a better answer.
pub fn sniff(data: &[u8]) -> Option<&'static str> {
    match data {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some("image/png"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ] => Some("audio/wav"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some("image/tiff"),
        [b'f', b'L', b'a', b'C', ..] => Some("audio/flac"),
        [b'I', b'D', b'3', ..] => Some("audio/mpeg"),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Some(sniff_matroska(data)),
        [b'O', b'g', b'g', b'S', ..] => Some(sniff_ogg(data)),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] if brand.len() >= 4 => {
            Some(sniff_brand(brand))
        }
        [
            _,
            _,
            _,
            _,
            b'm' | b'w',
            b'o' | b'd' | b'i',
            b'o' | b'a' | b'd',
            b'v' | b't' | b'e',
            ..,
        ] => Some("video/quicktime"),
        [0xFF, second, ..] if second & 0xF6 == 0xF0 => Some("audio/aac"),
        [0xFF, second, ..] if second & 0xE6 == 0xE2 => Some("audio/mpeg"),
        _ => None,
    }
}

/// Whether a declared type may stand for what the bytes say; the containers of one family differ
/// only in what is inside.
pub(super) fn agree(declared: &str, sniffed: &str) -> bool {
    declared == sniffed
        || (sniffed == "video/mp4" && matches!(declared, "audio/mp4" | "video/quicktime"))
}

fn sniff_brand(brand: &[u8]) -> &'static str {
    match &brand[..4] {
        b"qt  " => "video/quicktime",
        [b'3', b'g', ..] => "video/3gpp",
        b"M4A " | b"M4B " => "audio/mp4",
        b"avif" | b"avis" => "image/avif",
        b"heic" | b"heix" | b"mif1" | b"msf1" => "image/heic",
        _ => "video/mp4",
    }
}

/// The document type is one of the header's first elements.
fn sniff_matroska(data: &[u8]) -> &'static str {
    let head = &data[..data.len().min(64)];
    if head.windows(4).any(|part| part == b"webm") {
        "video/webm"
    } else {
        "video/x-matroska"
    }
}

/// The first page of the first stream names its codec.
fn sniff_ogg(data: &[u8]) -> &'static str {
    let head = &data[..data.len().min(64)];
    if head.windows(6).any(|part| part == b"theora") {
        "video/ogg"
    } else {
        "audio/ogg"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_formats_apart() {
        for (data, expected) in [
            (&b"\xFF\xD8\xFF\xE0JFIF"[..], Some("image/jpeg")),
            (b"\x89PNG\r\n\x1a\n....", Some("image/png")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\x10\0\0\0WAVEfmt ", Some("audio/wav")),
            (b"GIF89a..", Some("image/gif")),
            (b"\0\0\0\x18ftypisom....", Some("video/mp4")),
            (b"\0\0\0\x18ftypmp42....", Some("video/mp4")),
            (b"\0\0\0\x18ftypqt  ....", Some("video/quicktime")),
            (b"\0\0\0\x08moov....", Some("video/quicktime")),
            (b"\0\0\0\x08mdat....", Some("video/quicktime")),
            (b"\0\0\0\x08wide....", Some("video/quicktime")),
            (b"\0\0\0\x18ftyp3gp4....", Some("video/3gpp")),
            (b"\0\0\0\x18ftypM4A ....", Some("audio/mp4")),
            (b"\0\0\0\x18ftypavif....", Some("image/avif")),
            (
                b"\x1A\x45\xDF\xA3\x01\0\0\0\0\0\0\x1F\x42\x86\x81\x01\x42\x82\x84webm",
                Some("video/webm"),
            ),
            (
                b"\x1A\x45\xDF\xA3\x01\x42\x82\x88matroska",
                Some("video/x-matroska"),
            ),
            (
                b"OggS\0\x02............................\x80theora",
                Some("video/ogg"),
            ),
            (
                b"OggS\0\x02............................OpusHead",
                Some("audio/ogg"),
            ),
            (b"ID3\x04....", Some("audio/mpeg")),
            (b"\xFF\xFB\x90\x64", Some("audio/mpeg")),
            (b"\xFF\xF3\x90\x64", Some("audio/mpeg")),
            (b"\xFF\xF1\x50\x80", Some("audio/aac")),
            (b"fLaC\0\0\0\x22", Some("audio/flac")),
            (b"%PDF-1.7", None),
            (b"<svg xmlns=", None),
            (b"\xFF", None),
            (b"", None),
        ] {
            assert_eq!(sniff(data), expected, "{}", String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn one_declared_type_has_one_spelling() {
        for (declared, expected) in [
            ("Image/JPG", "image/jpeg"),
            ("video/mp4; codecs=\"avc1\"", "video/mp4"),
            ("audio/mp3", "audio/mpeg"),
            ("application/octet-stream", ""),
            ("text/html", "text/html"),
        ] {
            assert_eq!(canonical(declared), expected);
        }
    }
}
