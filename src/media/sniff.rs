//! Tells media by its first bytes. The list is closed: what is not on it is not kept.
//!
//! Which of these an *input* may be is the domain's question.

use crate::domain::generation::Media;

/// A format of media that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ISO base media with a brand of MP4, or an unknown one.
    Mp4,
    /// `QuickTime`, also without `ftyp`.
    QuickTime,
    /// ISO base media with sound alone.
    M4a,
    /// Matroska of document type `webm`.
    WebM,
    /// Matroska.
    Matroska,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    WebP,
    /// GIF.
    Gif,
    /// AVIF.
    Avif,
    /// MPEG audio, layer III; also whatever begins with an `ID3` tag.
    Mp3,
    /// AAC in ADTS.
    Aac,
    /// WAVE.
    Wav,
    /// FLAC.
    Flac,
    /// Ogg.
    Ogg,
    /// Several files, such as a sequence of images.
    Zip,
}

impl Format {
    /// The public media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
            Self::M4a => "audio/mp4",
            Self::WebM => "video/webm",
            Self::Matroska => "video/x-matroska",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
            Self::Mp3 => "audio/mpeg",
            Self::Aac => "audio/aac",
            Self::Wav => "audio/wav",
            Self::Flac => "audio/flac",
            Self::Ogg => "audio/ogg",
            Self::Zip => "application/zip",
        }
    }

    /// Whether it can be an output where `expected` was asked for. A video may come as a zip of
    /// images with the sound beside it.
    pub const fn suits(self, expected: Media) -> bool {
        match self {
            Self::Png | Self::Jpeg | Self::WebP | Self::Gif | Self::Avif => {
                matches!(expected, Media::Image)
            }
            Self::QuickTime | Self::Matroska => matches!(expected, Media::Video),
            Self::M4a
            | Self::Mp3
            | Self::Aac
            | Self::Wav
            | Self::Flac
            | Self::Ogg
            | Self::Mp4
            | Self::WebM => {
                matches!(expected, Media::Video | Media::Audio)
            }
            Self::Zip => matches!(expected, Media::Video | Media::Image),
        }
    }

    /// Whether it is made of ISO base media boxes.
    pub const fn has_boxes(self) -> bool {
        matches!(self, Self::Mp4 | Self::QuickTime | Self::M4a)
    }
}

/// The format that begins with `head`: [`HEAD`] bytes, or all of a shorter output.
pub fn sniff(head: &[u8]) -> Option<Format> {
    let at = |from: usize, mark: &[u8]| head.get(from..).is_some_and(|rest| rest.starts_with(mark));
    let contains = |mark: &[u8]| head.windows(mark.len()).any(|window| window == mark);
    let simple = [
        (&b"\x89PNG\r\n\x1a\n"[..], Format::Png),
        (b"\xff\xd8\xff", Format::Jpeg),
        (b"GIF87a", Format::Gif),
        (b"GIF89a", Format::Gif),
        (b"fLaC", Format::Flac),
        (b"OggS", Format::Ogg),
        (b"ID3", Format::Mp3),
        (b"PK\x03\x04", Format::Zip),
    ];
    if let Some((_, format)) = simple.iter().find(|(mark, _)| at(0, mark)) {
        return Some(*format);
    }
    if at(0, b"RIFF") {
        let kinds = [(&b"WEBP"[..], Format::WebP), (b"WAVE", Format::Wav)];
        return kinds
            .iter()
            .find(|(mark, _)| at(8, mark))
            .map(|(_, format)| *format);
    }
    if at(0, b"\x1a\x45\xdf\xa3") {
        let kinds = [
            (&b"webm"[..], Format::WebM),
            (b"matroska", Format::Matroska),
        ];
        return kinds
            .iter()
            .find(|(mark, _)| contains(mark))
            .map(|(_, format)| *format);
    }
    if at(4, b"ftyp") {
        return Some(brand(head.get(8..12)?));
    }
    let old = [&b"moov"[..], b"mdat", b"wide", b"free", b"skip", b"pnot"];
    if old.iter().any(|kind| at(4, kind)) {
        return Some(Format::QuickTime);
    }
    mpeg_audio(head)
}

fn brand(brand: &[u8]) -> Format {
    match brand {
        b"qt  " => Format::QuickTime,
        b"M4A " | b"M4B " => Format::M4a,
        b"avif" | b"avis" => Format::Avif,
        _ => Format::Mp4,
    }
}

/// A frame of MPEG audio: eleven or twelve set bits, then fields with forbidden values.
fn mpeg_audio(head: &[u8]) -> Option<Format> {
    let [0xff, second, third, ..] = *head else {
        return None;
    };
    match (second & 0xf6 == 0xf0, second & 0xe0 == 0xe0) {
        (true, _) => Some(Format::Aac),
        (_, true) => {
            let version_and_layer = second & 0x18 != 0x08 && second & 0x06 == 0x02;
            let rates = third & 0xf0 != 0xf0 && third & 0x0c != 0x0c;
            (version_and_layer && rates).then_some(Format::Mp3)
        }
        _ => None,
    }
}

/// How many first bytes are looked at.
pub const HEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        for (head, expected) in [
            (
                &b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2"[..],
                Some("video/mp4"),
            ),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Some("video/quicktime")),
            (b"\0\0\0\x08wide\0\0\0\0mdat", Some("video/quicktime")),
            (b"\0\0\0\x20ftypM4A \0\0\0\0", Some("audio/mp4")),
            (b"\0\0\0\x20ftypavif\0\0\0\0", Some("image/avif")),
            (
                b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webmB",
                Some("video/webm"),
            ),
            (
                b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska",
                Some("video/x-matroska"),
            ),
            (b"\x1a\x45\xdf\xa3nothing", None),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some("image/png")),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVEfmt ", Some("audio/wav")),
            (b"RIFF\0\0\0\0AVI LIST", None),
            (b"GIF89a\x01\0\x01\0", Some("image/gif")),
            (b"ID3\x04\0\0", Some("audio/mpeg")),
            (b"\xff\xfb\x90\x64", Some("audio/mpeg")),
            (b"\xff\xff\xff\xff", None),
            (b"\xff\xf1\x50\x80", Some("audio/aac")),
            (b"fLaC\0\0\0\x22", Some("audio/flac")),
            (b"OggS\0\x02", Some("audio/ogg")),
            (b"PK\x03\x04\x14\0", Some("application/zip")),
            (b"<!DOCTYPE html><html>", None),
            (b"{\"error\":\"expired\"}", None),
            (b"<?xml version=\"1.0\"?><Error>", None),
            (b"", None),
            (b"\0\0\0\x20ftyp", None),
            (b"%PDF-1.7", None),
            (b"\x7fELF", None),
            (b"\xff\xfe<\0h\0", None),
        ] {
            assert_eq!(sniff(head).map(Format::content_type), expected, "{head:?}");
        }
    }

    #[test]
    fn an_output_is_of_the_kind_that_was_asked_for() {
        for (format, suits) in [
            (Format::Mp4, [false, true, true]),
            (Format::Png, [true, false, false]),
            (Format::Zip, [true, true, false]),
            (Format::Wav, [false, true, true]),
            (Format::QuickTime, [false, true, false]),
        ] {
            let kinds = [Media::Image, Media::Video, Media::Audio];
            assert_eq!(kinds.map(|kind| format.suits(kind)), suits, "{format:?}");
        }
    }
}
