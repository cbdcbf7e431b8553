//! The smallest H.264 encoder that shows flat colours and text exactly.
//!
//! A macroblock that merely continues the edge of a neighbour is predicted from it (`I_16x16`
//! without a residual); any other is sent uncompressed (`I_PCM`); what did not change since the
//! frame before is skipped. No transform, hardly an entropy coder.

use super::bits::{Bits, append_nal};
use super::frame::{Frame, SIDE};

/// Parameter sets for frames of that many pixels, in Annex B form.
pub fn parameter_sets(width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::new();
    append_nal(&mut out, 0x67, &sequence(width, height));
    append_nal(&mut out, 0x68, &picture());
    out
}

/// A key frame in Annex B form. `id` must differ between neighbouring key frames.
pub fn key_frame(out: &mut Vec<u8>, frame: &Frame, id: u32) {
    let mut slice = Slice::new(frame, 0, slice_header(SLICE_I, 0, Some(id)));
    for index in 0..frame.across * frame.down {
        slice.block(index);
    }
    append_nal(out, 0x65, &slice.bits.finish());
}

/// A frame in Annex B form that repeats the one before except for the macroblocks in `changed`,
/// which are in rising order.
pub fn change_frame(out: &mut Vec<u8>, frame: &Frame, number: u32, changed: &[usize]) {
    let mut slice = Slice::new(
        frame,
        TYPES_BEFORE_INTRA,
        slice_header(SLICE_P, number, None),
    );
    let mut next = 0;
    for index in changed {
        slice.bits.unsigned(run(index - next));
        slice.block(*index);
        next = index + 1;
    }
    let rest = frame.across * frame.down - next;
    if rest > 0 {
        slice.bits.unsigned(run(rest));
    }
    append_nal(out, 0x41, &slice.bits.finish());
}

/// A slice being written.
struct Slice<'a> {
    frame: &'a Frame,
    bits: Bits,
    /// What this kind of slice adds to the types of intra macroblocks.
    type_offset: u32,
    /// Which macroblocks were sent raw: neighbours' codes depend on it.
    raw: Vec<bool>,
}

impl<'a> Slice<'a> {
    fn new(frame: &'a Frame, type_offset: u32, bits: Bits) -> Self {
        Self {
            frame,
            bits,
            type_offset,
            raw: vec![false; frame.across * frame.down],
        }
    }

    /// Writes a macroblock: predicted where a neighbour's edge continues through it, else raw.
    fn block(&mut self, index: usize) {
        if self.frame.continues_above(index) {
            self.predicted(index, MB_VERTICAL, CHROMA_VERTICAL);
        } else if self.frame.continues_left(index) {
            self.predicted(index, MB_HORIZONTAL, CHROMA_HORIZONTAL);
        } else {
            self.bits.unsigned(self.type_offset + MB_PCM);
            self.bits.align();
            self.frame.samples(index, &mut self.bits);
            self.raw[index] = true;
        }
    }

    /// `I_16x16` without a residual; only its empty list of DC levels is coded.
    fn predicted(&mut self, index: usize, kind: u32, chroma: u32) {
        self.bits.unsigned(self.type_offset + kind);
        self.bits.unsigned(chroma);
        self.bits.unsigned(0); // mb_qp_delta, se(0)
        // The code for "no coefficient" follows the neighbours' counts: 16 for a raw one, else 0.
        let across = self.frame.across;
        let left = !index.is_multiple_of(across) && self.raw[index - 1];
        let above = index >= across && self.raw[index - across];
        if left || above {
            self.bits.fixed(6, 0b00_0011);
        } else {
            self.bits.bit(true);
        }
    }
}

/// Sequence parameter set: Constrained Baseline, order of output is order of decoding.
fn sequence(width: usize, height: usize) -> Vec<u8> {
    let (across, down) = (width.div_ceil(SIDE), height.div_ceil(SIDE));
    let mut bits = Bits::default();
    bits.raw(&[66, 0xC0, level(across * down)]);
    bits.unsigned(0); // seq_parameter_set_id
    bits.unsigned(FRAME_NUMBER_BITS - 4);
    bits.unsigned(2); // pic_order_cnt_type
    bits.unsigned(1); // max_num_ref_frames
    bits.bit(false); // gaps_in_frame_num_value_allowed_flag
    bits.unsigned(run(across - 1));
    bits.unsigned(run(down - 1));
    bits.bit(true); // frame_mbs_only_flag
    bits.bit(true); // direct_8x8_inference_flag
    let (right, bottom) = ((across * SIDE - width) / 2, (down * SIDE - height) / 2);
    let crops = right + bottom > 0;
    bits.bit(crops);
    if crops {
        for side in [0, right, 0, bottom] {
            bits.unsigned(run(side));
        }
    }
    bits.bit(false); // vui_parameters_present_flag
    bits.finish()
}

/// Picture parameter set: CAVLC, one slice group, the deblocking filter under control.
fn picture() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.unsigned(0); // pic_parameter_set_id
    bits.unsigned(0); // seq_parameter_set_id
    bits.bit(false); // entropy_coding_mode_flag
    bits.bit(false); // bottom_field_pic_order_in_frame_present_flag
    bits.unsigned(0); // num_slice_groups_minus1
    bits.unsigned(0); // num_ref_idx_l0_default_active_minus1
    bits.unsigned(0); // num_ref_idx_l1_default_active_minus1
    bits.bit(false); // weighted_pred_flag
    bits.fixed(2, 0); // weighted_bipred_idc
    bits.unsigned(0); // pic_init_qp_minus26, se(0)
    bits.unsigned(0); // pic_init_qs_minus26, se(0)
    bits.unsigned(0); // chroma_qp_index_offset, se(0)
    bits.bit(true); // deblocking_filter_control_present_flag
    bits.bit(false); // constrained_intra_pred_flag
    bits.bit(false); // redundant_pic_cnt_present_flag
    bits.finish()
}

/// A slice header; a key frame has an `idr` id.
fn slice_header(kind: u32, number: u32, idr: Option<u32>) -> Bits {
    let mut bits = Bits::default();
    bits.unsigned(0); // first_mb_in_slice
    bits.unsigned(kind);
    bits.unsigned(0); // pic_parameter_set_id
    bits.fixed(FRAME_NUMBER_BITS, number % (1 << FRAME_NUMBER_BITS));
    if let Some(id) = idr {
        bits.unsigned(id);
        bits.fixed(2, 0); // no_output_of_prior_pics_flag, long_term_reference_flag
    } else {
        bits.bit(false); // num_ref_idx_active_override_flag
        bits.bit(false); // ref_pic_list_modification_flag_l0
        bits.bit(false); // adaptive_ref_pic_marking_mode_flag
    }
    bits.unsigned(0); // slice_qp_delta, se(0)
    bits.unsigned(1); // disable_deblocking_filter_idc: text stays sharp
    bits
}

/// The lowest level whose frame size fits.
fn level(blocks: usize) -> u8 {
    match blocks {
        0..=3_600 => 31,
        3_601..=8_192 => 40,
        8_193..=36_864 => 51,
        _ => 60,
    }
}

/// Counts of macroblocks; a frame has fewer than 2^20.
fn run(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX - 1)
}

const FRAME_NUMBER_BITS: u32 = 16;
/// Slice types that promise all slices of the picture to be alike.
const SLICE_P: u32 = 5;
const SLICE_I: u32 = 7;
/// Intra macroblock types, as I slices number them: `I_16x16` by direction, and `I_PCM`.
const MB_VERTICAL: u32 = 1;
const MB_HORIZONTAL: u32 = 2;
const MB_PCM: u32 = 25;
/// P slices number their own types first.
const TYPES_BEFORE_INTRA: u32 = 5;
/// Chroma prediction modes.
const CHROMA_HORIZONTAL: u32 = 1;
const CHROMA_VERTICAL: u32 = 2;

#[cfg(test)]
mod tests {
    use super::super::canvas::{Canvas, Ink};
    use super::*;

    const PALETTE: [[u8; 3]; 4] = [
        [52, 110, 140],
        [32, 128, 128],
        [235, 128, 128],
        [180, 60, 170],
    ];

    #[test]
    fn a_flat_picture_sends_one_raw_macroblock() {
        let frame = Frame::of(&Canvas::new(640, 480), &PALETTE);
        let mut out = Vec::new();
        key_frame(&mut out, &frame, 0);
        assert!(
            (384..384 + 40 * 30 * 2).contains(&out.len()),
            "{} bytes",
            out.len()
        );
    }

    #[test]
    fn a_picture_without_a_change_is_one_skip() {
        let frame = Frame::of(&Canvas::new(640, 480), &PALETTE);
        let mut out = Vec::new();
        change_frame(&mut out, &frame, 1, &[]);
        assert!(out.len() < 16, "{} bytes", out.len());
    }

    #[test]
    fn what_no_neighbour_continues_is_sent_raw() {
        let mut canvas = Canvas::new(64, 64);
        canvas.fill((20, 20), (3, 3), Ink::Text);
        let frame = Frame::of(&canvas, &PALETTE);
        let mut slice = Slice::new(&frame, 0, slice_header(SLICE_I, 0, Some(0)));
        for index in 0..16 {
            slice.block(index);
        }
        let raw: Vec<_> = (0..16).filter(|index| slice.raw[*index]).collect();
        assert_eq!(raw, [0, 5]);
    }

    #[test]
    fn crops_bring_odd_sizes_down_from_whole_macroblocks() {
        assert_ne!(sequence(1280, 720), sequence(1278, 720));
        assert_eq!(sequence(1280, 720)[..3], [66, 0xC0, 31]);
    }
}
