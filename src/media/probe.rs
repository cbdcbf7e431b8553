//! Asks the reader of each format what it finds.

use super::source::{Source, Window};
use super::{Format, image, mp3, mp4, sound};
use crate::archive::{ArchiveError, BLOCK};
use crate::domain::generation::Measured;

/// What was found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the media says of itself, as far as that is cheaply known.
    pub measured: Measured,
    /// The media says that it is longer than its bytes.
    pub is_cut: bool,
}

/// Reads what is cheaply known of media in a format.
pub async fn probe(source: Source<'_>, format: Format) -> Result<Facts, ArchiveError> {
    let mut window = Window::new(source);
    if format.has_boxes() {
        return mp4::walk(&mut window).await;
    }
    let head = window.pieces(0, MAX_HEAD).await?;
    let (width, height) = image::size(&head).unzip();
    let duration_ms = match format {
        Format::Wav => sound::wav_ms(&head, window.size()),
        Format::Flac => sound::flac_ms(&head),
        Format::Mp3 => mp3::duration_ms(&mut window).await?,
        _ => None,
    };
    Ok(Facts {
        measured: Measured {
            duration_ms,
            width,
            height,
            frames: None,
        },
        is_cut: false,
    })
}

/// Most bytes of a header that are looked at.
const MAX_HEAD: u64 = 4 * BLOCK as u64;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;
    use crate::archive::{Archive, Key};
    use crate::domain::id::TaskId;

    fn atom(kind: [u8; 4], inside: &[&[u8]]) -> Vec<u8> {
        let inside = inside.concat();
        let length = u32::try_from(inside.len() + 8).unwrap().to_be_bytes();
        [&length[..], &kind, &inside].concat()
    }

    /// A track of so many samples, counted in `stsz` or else in the runs of `stts`.
    fn trak(handler: [u8; 4], size: [u16; 2], samples: u32, in_stsz: bool) -> Vec<u8> {
        let [width, height] = size.map(|side| u32::from(side) << 16).map(u32::to_be_bytes);
        let tkhd = atom(*b"tkhd", &[&[0; 76], &width, &height]);
        let hdlr = atom(*b"hdlr", &[&[0; 8], &handler, &[0; 12]]);
        let half = (samples / 2).to_be_bytes();
        let rest = (samples - samples / 2).to_be_bytes();
        let runs = [&half[..], &[0, 0, 0, 1], &rest, &[0, 0, 0, 2]].concat();
        let stts = atom(*b"stts", &[&[0; 4], &2_u32.to_be_bytes(), &runs]);
        let stsz = atom(*b"stsz", &[&[0; 8], &samples.to_be_bytes()]);
        let table = if in_stsz { stsz } else { stts };
        let stbl = atom(*b"stbl", &[&table]);
        let minf = atom(*b"minf", &[&stbl]);
        let mdia = atom(*b"mdia", &[&hdlr, &minf]);
        atom(*b"trak", &[&tkhd, &mdia])
    }

    fn film(tracks: &[Vec<u8>]) -> Bytes {
        let ftyp = atom(*b"ftyp", &[b"isom\0\0\x02\0isom"]);
        let (scale, length) = (1000_u32.to_be_bytes(), 5_000_u32.to_be_bytes());
        let mvhd = atom(*b"mvhd", &[&[0; 12], &scale, &length, &[0; 80]]);
        let mdat = atom(*b"mdat", &[&vec![7; 200_000]]);
        let moov = atom(*b"moov", &[&mvhd, &tracks.concat()]);
        [ftyp, mdat, moov].concat().into()
    }

    async fn of(bytes: &Bytes) -> Measured {
        let format = super::super::sniff(bytes).unwrap();
        let facts = probe(Source::Bytes(bytes), format).await.unwrap();
        assert!(!facts.is_cut);
        facts.measured
    }

    #[tokio::test]
    async fn a_films_frames_are_those_of_its_video_track() {
        let video = |in_stsz| trak(*b"vide", [1280, 720], 121, in_stsz);
        let sound = trak(*b"soun", [0, 0], 9_999, true);
        let expected = Measured {
            duration_ms: Some(5_000),
            width: Some(1280),
            height: Some(720),
            frames: Some(121),
        };
        for tracks in [
            vec![video(true)],
            vec![video(false)],
            vec![video(true), sound.clone()],
            vec![sound.clone(), video(true)],
            vec![sound.clone(), video(false), sound.clone()],
        ] {
            assert_eq!(of(&film(&tracks)).await, expected);
        }
        let silent = of(&film(&[sound])).await;
        assert_eq!((silent.frames, silent.duration_ms), (None, Some(5_000)));
        assert_eq!(
            of(&film(&[trak(*b"vide", [4, 4], 0, true)])).await.frames,
            None
        );
    }

    #[tokio::test]
    async fn bytes_in_memory_and_in_the_archive_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(folder.path(), None).unwrap();
        let task = TaskId::new(1, [1; 10]);
        let film = film(&[trak(*b"vide", [64, 48], 24, true)]);
        let stored = archive.put_input(task, 0, film.clone()).await.unwrap();
        let source = Source::Object {
            archive: &archive,
            key: Key::input(task, 0),
            size: stored.size_bytes,
        };
        let kept = probe(source, Format::Mp4).await.unwrap();
        assert_eq!(kept.measured, of(&film).await);
    }

    #[tokio::test]
    async fn hostile_boxes_end_the_walk() {
        let whole = film(&[trak(*b"vide", [64, 48], 24, false)]);
        for at in (0..whole.len()).filter(|at| !(100..200_000).contains(at)) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.to_vec();
                bytes[at] = value;
                let facts = probe(Source::Bytes(&bytes.into()), Format::Mp4).await;
                assert!(facts.unwrap().measured.frames.unwrap_or(0) <= 24 * 3600 * 240);
            }
        }
    }

    #[tokio::test]
    async fn the_tables_of_one_film_share_what_may_be_added_up() {
        let table = |runs: u32, count: u32| {
            let all = [count.to_be_bytes(), [0; 4]].concat().repeat(runs as usize);
            atom(*b"stts", &[&[0; 4], &runs.to_be_bytes(), &all])
        };
        let of_tables = |tables: &[Vec<u8>]| {
            let hdlr = atom(*b"hdlr", &[&[0; 8], b"vide", &[0; 12]]);
            let minf = atom(*b"minf", &[&atom(*b"stbl", &[&tables.concat()])]);
            let trak = atom(*b"trak", &[&atom(*b"mdia", &[&hdlr, &minf])]);
            Bytes::from(atom(*b"moov", &[&trak]))
        };
        for (first, frames) in [(1_000, Some(3_000)), (65_000, None)] {
            let film = of_tables(&[table(first, 0), table(1_000, 3)]);
            assert_eq!(of(&film).await.frames, frames, "{first}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_of_any_format_are_probed_without_harm(
            which in 0..STARTS.len(),
            tail in proptest::collection::vec(any::<u8>(), 0..600),
            end in prop_oneof![Just(&b""[..]), Just(&b"TAG"[..])],
            rest in 0_usize..300,
        ) {
            let start = [STARTS[which], &[0; 16]].concat();
            let bytes: Bytes = [&start, &tail, end, &vec![0; rest]].concat().into();
            if let Some(format) = super::super::sniff(&bytes) {
                let facts = probe(Source::Bytes(&bytes), format).now_or_never();
                prop_assert!(facts.is_some_and(|facts| facts.is_ok()));
            }
        }
    }

    /// How media of each format with a length begin.
    const STARTS: [&[u8]; 5] = [
        b"ID3\x04\0\0\0\0",
        b"\xff\xfb\x90",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"fLaC\0\0\0\x22",
        b"\0\0\0\x10ftypisom\0\0\0\0",
    ];
}
