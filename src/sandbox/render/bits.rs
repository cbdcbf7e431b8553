//! A bit writer with the codes of H.264: fixed length, Exp-Golomb, alignment, NAL units.

/// Bits, first to last, most significant first.
#[derive(Debug, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    /// Bits used in the last byte; 0 when aligned.
    used: u8,
}

impl Bits {
    /// Appends one bit.
    pub fn bit(&mut self, bit: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.used);
        }
        self.used = (self.used + 1) % 8;
    }

    /// Appends the low `count` bits of `value`: u(n).
    pub fn fixed(&mut self, count: u32, value: u32) {
        for shift in (0..count).rev() {
            self.bit(value >> shift & 1 == 1);
        }
    }

    /// Appends an unsigned Exp-Golomb code: ue(v).
    pub fn unsigned(&mut self, value: u32) {
        let code = value + 1;
        let length = 32 - code.leading_zeros();
        self.fixed(length - 1, 0);
        self.fixed(length, code);
    }

    /// Appends zero bits up to the next byte.
    pub fn align(&mut self) {
        self.used = 0;
    }

    /// Appends whole bytes; the writer must be aligned.
    pub fn raw(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.used, 0, "raw bytes follow an alignment");
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends the stop bit and gives the bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.bit(true);
        self.bytes
    }
}

/// Appends one NAL unit in Annex B form, with emulation prevention.
pub fn append_nal(out: &mut Vec<u8>, header: u8, payload: &[u8]) {
    out.extend_from_slice(&[0, 0, 0, 1, header]);
    let mut start = 0;
    let mut zeros = 0;
    for (index, byte) in payload.iter().enumerate() {
        if zeros == 2 && *byte <= 3 {
            out.extend_from_slice(&payload[start..index]);
            out.push(3);
            start = index;
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
    }
    out.extend_from_slice(&payload[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_are_those_of_the_standard() {
        let mut bits = Bits::default();
        for value in [0, 1, 2, 3, 7] {
            bits.unsigned(value);
        }
        // 1 010 011 00100 0001000, then the stop bit.
        assert_eq!(bits.finish(), [0b1010_0110, 0b0100_0001, 0b0001_0000]);
    }

    #[test]
    fn start_codes_cannot_appear_inside_a_unit() {
        let mut out = Vec::new();
        append_nal(&mut out, 0x65, &[9, 0, 0, 1, 0, 0, 0, 0, 5]);
        assert_eq!(out[5..], [9, 0, 0, 3, 1, 0, 0, 3, 0, 0, 5]);
    }
}
