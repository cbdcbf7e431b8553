//! How long a video or a sound plays that came inside the body: MP4 and WAV, from their headers.
//!
//! What came by address or as an upload is never looked at, nor is any other format.

use base64::Engine as _;
use serde_json::{Map, Value};

/// What is known of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source {
    /// Its length.
    pub seconds: f64,
    /// Its pictures, of a video.
    pub frames: Option<f64>,
}

impl Source {
    /// Of the video or sound that the work is done on; `None`: there is none, or it is not known.
    pub fn of_body(body: &Map<String, Value>) -> Option<Self> {
        let inside = ["reference", "media"].map(|member| body.get(member)?.get("uri"));
        let plain = ["videoUri", "promptVideo", "audioUri"].map(|member| body.get(member));
        let mut given = plain.into_iter().chain(inside).flatten();
        Self::of_uri(given.next()?.as_str()?)
    }

    /// Of one data URI; `None`: it is another URI, or says no length.
    pub fn of_uri(uri: &str) -> Option<Self> {
        let (_, text) = uri.strip_prefix("data:")?.split_once(";base64,")?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text);
        let bytes = bytes.ok()?;
        let found = wav(&bytes).or_else(|| mp4(&bytes))?;
        (SHORTEST..=LONGEST)
            .contains(&found.seconds)
            .then_some(found)
    }
}

fn wav(bytes: &[u8]) -> Option<Source> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(4..)?;
    rest = rest.strip_prefix(b"WAVE")?;
    let mut per_second = None;
    loop {
        let (name, length) = (rest.get(..4)?, rest.get(4..8)?.try_into().ok()?);
        let length = u32::from_le_bytes(length);
        rest = &rest[8..];
        match name {
            b"fmt " => per_second = rest.get(8..12)?.try_into().ok().map(u32::from_le_bytes),
            b"data" => {
                let seconds = f64::from(length) / f64::from(per_second?);
                let frames = None;
                return Some(Source { seconds, frames });
            }
            _ => {}
        }
        rest = rest.get(usize::try_from(length).ok()?..)?;
    }
}

fn mp4(bytes: &[u8]) -> Option<Source> {
    let film = boxes(bytes, *b"moov").next()?;
    let head = boxes(film, *b"mvhd").next()?;
    // The second form of the header has longer times.
    let (scale, length) = if head.first()? == &1 {
        (number(head, 20)?, number(head, 28)?)
    } else {
        (number(head, 12)?, number(head, 16)?)
    };
    let pictures = boxes(film, *b"trak").find_map(|track| {
        let media = boxes(track, *b"mdia").next()?;
        let kind = boxes(media, *b"hdlr").next()?;
        let info = boxes(media, *b"minf").next()?;
        let table = boxes(info, *b"stbl").next()?;
        let sizes = boxes(table, *b"stsz").next()?;
        number(sizes, 8).filter(|_| kind.get(8..12) == Some(b"vide"))
    });
    Some(Source {
        seconds: f64::from(length) / f64::from(scale),
        frames: pictures.map(f64::from),
    })
}

/// The contents of the boxes of one name, not of those within them.
fn boxes(mut bytes: &[u8], name: [u8; 4]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            let length = usize::try_from(number(bytes, 0)?).ok()?;
            let (found, content) = (bytes.get(4..8)?, bytes.get(8..length)?);
            bytes = &bytes[length..];
            if found == name {
                return Some(content);
            }
        }
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_be_bytes(four))
}

/// What is shorter or longer than this is not believed.
const SHORTEST: f64 = 0.001;
const LONGEST: f64 = 600.0;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn uri(kind: &str, bytes: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        format!("data:{kind};base64,{text}")
    }

    fn boxed(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&length[..], &name, content].concat()
    }

    fn film(seconds: u32, frames: u32) -> Vec<u8> {
        let times = [1_000, seconds * 1_000].map(u32::to_be_bytes).concat();
        let head = boxed(*b"mvhd", &[&[0; 12][..], &times, &[0; 80]].concat());
        let kind = boxed(*b"hdlr", &[&[0; 8][..], b"vide", &[0; 12]].concat());
        let sizes = boxed(*b"stsz", &[&[0; 8][..], &frames.to_be_bytes()].concat());
        let info = boxed(*b"minf", &boxed(*b"stbl", &sizes));
        let track = boxed(*b"trak", &boxed(*b"mdia", &[kind, info].concat()));
        let start = boxed(*b"ftyp", b"isom");
        [start, boxed(*b"moov", &[head, track].concat())].concat()
    }

    #[test]
    fn what_came_inside_says_how_long_it_plays() {
        let video = uri("video/mp4", &film(3, 72));
        let expected = Some(Source {
            seconds: 3.0,
            frames: Some(72.0),
        });
        for body in [
            json!({ "videoUri": video }),
            json!({ "promptVideo": video }),
            json!({"reference": {"type": "video", "uri": video}}),
            json!({"media": {"type": "video", "uri": video}}),
        ] {
            assert_eq!(Source::of_body(body.as_object().unwrap()), expected);
        }
        let rate = 8_000_u32.to_le_bytes();
        let format = [b"fmt ", &16_u32.to_le_bytes()[..], &[0; 8], &rate, &[0; 4]].concat();
        let data = [b"data", &20_000_u32.to_le_bytes()[..]].concat();
        let sound = [b"RIFF", &[0; 4][..], b"WAVE", &format, &data].concat();
        let found = Source::of_uri(&uri("audio/wav", &sound)).unwrap();
        assert_eq!((found.seconds, found.frames), (2.5, None));
    }

    #[test]
    fn what_makes_no_sense_has_no_length() {
        assert_eq!(Source::of_uri("https://example.com/a.mp4"), None);
        assert_eq!(Source::of_uri("data:video/mp4;base64,AAAA"), None);
        assert_eq!(Source::of_uri(&uri("video/mp4", &film(0, 1))), None);
        assert_eq!(Source::of_uri(&uri("video/mp4", &film(9_999, 1))), None);
        let whole = film(3, 72);
        for cut in 0..whole.len() {
            let _ = Source::of_uri(&uri("video/mp4", &whole[..cut]));
            let mut bad = whole.clone();
            bad[cut] = 0xff;
            let _ = Source::of_uri(&uri("video/mp4", &bad));
            bad[cut] = 0;
            let _ = Source::of_uri(&uri("video/mp4", &bad));
        }
    }
}
