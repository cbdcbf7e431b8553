//! The smallest H.264 encoder that shows text exactly: uncompressed blocks (`I_PCM`) and skips.
//!
//! A key frame sends every macroblock raw; the frames after it send only the macroblocks that
//! changed and skip the rest. No transform, no entropy coder, no licence. The price is the size
//! of a key frame: 1.5 bytes per pixel.

use super::bits::{Bits, append_nal};
use super::canvas::Canvas;

/// Luma and chroma (4:2:0) planes whose sides are whole macroblocks.
#[derive(Debug)]
pub struct Frame {
    /// Macroblocks per row.
    pub across: usize,
    /// Rows of macroblocks.
    pub down: usize,
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

/// A colour as Y, Cb, Cr. No component is 0, so raw blocks hold no start code.
pub type Colour = [u8; 3];

impl Frame {
    /// The picture on a canvas in the colours of `palette`, padded to whole macroblocks.
    pub fn of(canvas: &Canvas, palette: &[Colour; 4]) -> Self {
        let (across, down) = (canvas.width.div_ceil(SIDE), canvas.height.div_ceil(SIDE));
        let paper = palette[0];
        let mut frame = Self {
            across,
            down,
            luma: vec![paper[0]; across * down * SIDE * SIDE],
            blue: vec![paper[1]; across * down * CHROMA * CHROMA],
            red: vec![paper[2]; across * down * CHROMA * CHROMA],
        };
        let shades = palette.map(|colour| colour[0]);
        for (y, row) in canvas.pixels.chunks_exact(canvas.width).enumerate() {
            let luma = &mut frame.luma[y * across * SIDE..][..canvas.width];
            for (shade, ink) in luma.iter_mut().zip(row) {
                *shade = shades[usize::from(*ink & 3)];
            }
            if y % 2 == 0 {
                frame.chroma_row(y / 2, row, palette);
            }
        }
        frame
    }

    fn chroma_row(&mut self, y: usize, row: &[u8], palette: &[Colour; 4]) {
        let start = y * self.across * CHROMA;
        let end = start + row.len().div_ceil(2);
        let planes = self.blue[start..end]
            .iter_mut()
            .zip(&mut self.red[start..end]);
        for ((blue, red), ink) in planes.zip(row.iter().step_by(2)) {
            let colour = palette[usize::from(*ink & 3)];
            (*blue, *red) = (colour[1], colour[2]);
        }
    }

    /// Fills one macroblock.
    pub fn paint(&mut self, (column, row): (usize, usize), colour: Colour) {
        let sides = [
            (SIDE, &mut self.luma),
            (CHROMA, &mut self.blue),
            (CHROMA, &mut self.red),
        ];
        for ((side, plane), value) in sides.into_iter().zip(colour) {
            for line in 0..side {
                let start = (row * side + line) * self.across * side + column * side;
                plane[start..start + side].fill(value);
            }
        }
    }

    /// Copies one macroblock from another frame of the same size.
    pub fn copy(&mut self, (column, row): (usize, usize), from: &Self) {
        let sides = [
            (SIDE, &mut self.luma, &from.luma),
            (CHROMA, &mut self.blue, &from.blue),
            (CHROMA, &mut self.red, &from.red),
        ];
        for (side, plane, source) in sides {
            for line in 0..side {
                let start = (row * side + line) * self.across * side + column * side;
                plane[start..start + side].copy_from_slice(&source[start..start + side]);
            }
        }
    }

    /// Appends the 384 samples of macroblock `index`.
    fn block(&self, index: usize, bits: &mut Bits) {
        let (column, row) = (index % self.across, index / self.across);
        for (side, plane) in [
            (SIDE, &self.luma),
            (CHROMA, &self.blue),
            (CHROMA, &self.red),
        ] {
            for line in 0..side {
                let start = (row * side + line) * self.across * side + column * side;
                bits.raw(&plane[start..start + side]);
            }
        }
    }
}

/// Parameter sets for frames of that many pixels, in Annex B form.
pub fn parameter_sets(width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::new();
    append_nal(&mut out, 0x67, &sequence(width, height));
    append_nal(&mut out, 0x68, &picture());
    out
}

/// A key frame in Annex B form. `id` must differ between neighbouring key frames.
pub fn key_frame(out: &mut Vec<u8>, frame: &Frame, id: u32) {
    let mut bits = slice(SLICE_I, 0, Some(id));
    for index in 0..frame.across * frame.down {
        bits.unsigned(MB_PCM_IN_I);
        bits.align();
        frame.block(index, &mut bits);
    }
    append_nal(out, 0x65, &bits.finish());
}

/// A frame in Annex B form that repeats the one before except for the macroblocks in `changed`,
/// which are in rising order.
pub fn change_frame(out: &mut Vec<u8>, frame: &Frame, number: u32, changed: &[usize]) {
    let mut bits = slice(SLICE_P, number, None);
    let mut next = 0;
    for index in changed {
        bits.unsigned(run(index - next));
        bits.unsigned(MB_PCM_IN_P);
        bits.align();
        frame.block(*index, &mut bits);
        next = index + 1;
    }
    let rest = frame.across * frame.down - next;
    if rest > 0 {
        bits.unsigned(run(rest));
    }
    append_nal(out, 0x41, &bits.finish());
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
fn slice(kind: u32, number: u32, idr: Option<u32>) -> Bits {
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

/// Pixels along one side of a macroblock, and of its chroma.
const SIDE: usize = 16;
const CHROMA: usize = 8;
const FRAME_NUMBER_BITS: u32 = 16;
/// Slice types that promise all slices of the picture to be alike.
const SLICE_P: u32 = 5;
const SLICE_I: u32 = 7;
/// `I_PCM` is type 25 of I slices, which follow the 5 types of P slices.
const MB_PCM_IN_I: u32 = 25;
const MB_PCM_IN_P: u32 = 30;
