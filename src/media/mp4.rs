//! Walks the boxes of an MP4 or `QuickTime` file for its size, its duration, its frames and whether
//! it is whole.
//!
//! Reads a few bytes per box, wherever `moov` stands. Hostile sizes only end the walk: the number
//! of boxes is bounded and every step goes forward.

use super::probe::Facts;
use super::source::Window;
use crate::archive::ArchiveError;
use crate::domain::generation::Measured;

/// What the boxes tell.
pub(super) async fn walk(window: &mut Window<'_>) -> Result<Facts, ArchiveError> {
    let mut facts = Facts::default();
    // Ranges still to be walked: the file, then the insides of boxes. The insides of a track are
    // walked before the next track, so one track at a time is known.
    let mut ranges = vec![(*b"file", 0, window.size())];
    let mut is_video = false;
    let mut boxes = 0;
    let mut runs_left = MAX_RUNS;
    while let Some((kind, mut at, end)) = ranges.pop() {
        is_video &= kind != *b"trak";
        while let Some(found) = header(window, at, end).await? {
            boxes += 1;
            if boxes > MAX_BOXES {
                return Ok(facts);
            }
            facts.is_cut |= found.end > end && end == window.size();
            let known = &mut facts.measured;
            match &found.kind {
                b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => {
                    ranges.push((found.kind, found.start, found.end.min(end)));
                }
                b"mvhd" => known.duration_ms = duration(window, found.start).await?,
                b"tkhd" => track(window, found.start, known).await?,
                b"hdlr" if kind == *b"mdia" => {
                    is_video = window.bytes(found.start + 8).await? == Some(*b"vide");
                }
                b"stsz" | b"stz2" if is_video && known.frames.is_none() => {
                    known.frames = samples(window, found.start).await?;
                }
                b"stts" if is_video && known.frames.is_none() => {
                    known.frames = timed_samples(window, found.start, &mut runs_left).await?;
                }
                _ => {}
            }
            at = found.end;
        }
    }
    Ok(facts)
}

struct Found {
    kind: [u8; 4],
    start: u64,
    end: u64,
}

/// The box at `at`, if its header fits before `end` and its size makes sense.
async fn header(window: &mut Window<'_>, at: u64, end: u64) -> Result<Option<Found>, ArchiveError> {
    if at.saturating_add(8) > end {
        return Ok(None);
    }
    let Some([a, b, c, d, kind @ ..]) = window.bytes::<8>(at).await? else {
        return Ok(None);
    };
    let (start, length) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (at + 8, end - at),
        1 => match window.bytes::<8>(at + 8).await? {
            Some(large) => (at + 16, u64::from_be_bytes(large)),
            None => return Ok(None),
        },
        length => (at + 8, u64::from(length)),
    };
    let box_end = at.saturating_add(length);
    Ok((box_end >= start).then_some(Found {
        kind,
        start,
        end: box_end,
    }))
}

/// Duration from `mvhd`: version 1 has 64-bit times.
async fn duration(window: &mut Window<'_>, at: u64) -> Result<Option<u64>, ArchiveError> {
    let Some(full) = window.bytes::<32>(at).await? else {
        return Ok(None);
    };
    let be32 = |from: usize| {
        full[from..]
            .first_chunk()
            .map(|b| u64::from(u32::from_be_bytes(*b)))
    };
    let (scale, length) = match full[0] {
        0 => (
            be32(12),
            be32(16).filter(|length| *length != u64::from(u32::MAX)),
        ),
        1 => (
            be32(20),
            full[24..].first_chunk().map(|b| u64::from_be_bytes(*b)),
        ),
        _ => (None, None),
    };
    let (Some(scale), Some(length)) = (scale, length) else {
        return Ok(None);
    };
    let ms = length
        .checked_mul(1000)
        .and_then(|ms| ms.checked_div(scale));
    Ok(ms.filter(|ms| (1..=MAX_MS).contains(ms)))
}

/// Width and height of the first track that has any: the last eight bytes of `tkhd`, in 16.16.
async fn track(window: &mut Window<'_>, at: u64, known: &mut Measured) -> Result<(), ArchiveError> {
    let Some([version]) = window.bytes::<1>(at).await? else {
        return Ok(());
    };
    let offset = if version == 1 { 88 } else { 76 };
    let Some([w1, w2, _, _, h1, h2, _, _]) = window.bytes::<8>(at + offset).await? else {
        return Ok(());
    };
    let size = [u16::from_be_bytes([w1, w2]), u16::from_be_bytes([h1, h2])].map(u32::from);
    if known.width.is_none() && size.iter().all(|side| *side > 0) {
        [known.width, known.height] = size.map(Some);
    }
    Ok(())
}

/// The number of samples from `stsz` or `stz2`; a fragmented file says 0 here, which says nothing.
async fn samples(window: &mut Window<'_>, at: u64) -> Result<Option<u64>, ArchiveError> {
    let count = window.bytes(at + 8).await?.map(u32::from_be_bytes);
    Ok(believed(count.map(u64::from)))
}

/// The number of samples from the runs of `stts`, as long as so many runs may still be added up.
async fn timed_samples(
    window: &mut Window<'_>,
    at: u64,
    runs_left: &mut u32,
) -> Result<Option<u64>, ArchiveError> {
    let runs = window.bytes(at + 4).await?.map(u32::from_be_bytes);
    let Some((runs, left)) = runs.and_then(|runs| Some((runs, runs_left.checked_sub(runs)?)))
    else {
        return Ok(None);
    };
    *runs_left = left;
    let mut sum = 0_u64;
    for run in 0..u64::from(runs) {
        let Some(count) = window.bytes(at + 8 + run * 8).await? else {
            return Ok(None);
        };
        sum += u64::from(u32::from_be_bytes(count));
    }
    Ok(believed(Some(sum)))
}

fn believed(frames: Option<u64>) -> Option<u64> {
    frames.filter(|frames| (1..=MAX_FRAMES).contains(frames))
}

/// Most boxes that are looked at.
const MAX_BOXES: usize = 4096;
/// Most runs of samples that are added up in one file, however many tables it has.
const MAX_RUNS: u32 = 65_536;
/// Most frames that are believed: a day of 240 a second.
const MAX_FRAMES: u64 = 24 * 3600 * 240;
/// Longest duration that is believed: a day.
const MAX_MS: u64 = 24 * 3600 * 1000;
