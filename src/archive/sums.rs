//! What is computed of an object while it is written: SHA-256 of all, CRC-32C of every block.
//!
//! The sidecar is a mark, the length, the SHA-256 and then the sums, all little-endian. Damage to
//! the sidecar shows as damage to the object, which is the safe side.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::ArchiveError;

/// The unit of checking, and the largest piece that is read at once.
pub const BLOCK: usize = 64 * 1024;

/// The running digest of an object.
#[derive(Default)]
pub(super) struct Tally {
    sha: Sha256,
    size: u64,
    sums: Vec<u32>,
    open: u32,
    in_block: usize,
}

/// The sums of an object at rest.
pub(super) struct Sums {
    pub(super) size: u64,
    sums: Bytes,
}

impl Tally {
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        self.sha.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let (block, rest) = bytes.split_at(bytes.len().min(BLOCK - self.in_block));
            self.open = crc32c::crc32c_append(self.open, block);
            self.in_block += block.len();
            if self.in_block == BLOCK {
                self.close_block();
            }
            bytes = rest;
        }
    }

    fn close_block(&mut self) {
        self.sums.push(self.open);
        self.open = 0;
        self.in_block = 0;
    }

    /// The length, the SHA-256 and the sidecar.
    pub(super) fn finish(mut self) -> (u64, [u8; 32], Vec<u8>) {
        if self.in_block > 0 {
            self.close_block();
        }
        let sha: [u8; 32] = self.sha.finalize().into();
        let mut sidecar = Vec::with_capacity(HEADER + self.sums.len() * 4);
        sidecar.extend_from_slice(MARK);
        sidecar.extend_from_slice(&self.size.to_le_bytes());
        sidecar.extend_from_slice(&sha);
        self.sums
            .iter()
            .for_each(|sum| sidecar.extend_from_slice(&sum.to_le_bytes()));
        (self.size, sha, sidecar)
    }
}

impl Sums {
    pub(super) fn parse(mut sidecar: Bytes) -> Result<Self, ArchiveError> {
        const DAMAGED: ArchiveError = ArchiveError::Damaged("its sums cannot be read");
        if sidecar.len() < HEADER || &sidecar[..MARK.len()] != MARK {
            return Err(DAMAGED);
        }
        let header = sidecar.split_to(HEADER);
        let size = header[MARK.len()..]
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes));
        let size = size.ok_or(DAMAGED)?;
        if size.div_ceil(BLOCK as u64).checked_mul(4) != Some(sidecar.len() as u64) {
            return Err(DAMAGED);
        }
        Ok(Self {
            size,
            sums: sidecar,
        })
    }

    /// Whether `bytes` are block `index` as it was written.
    pub(super) fn hold(&self, index: u64, bytes: &[u8]) -> bool {
        let at = usize::try_from(index)
            .unwrap_or(usize::MAX)
            .saturating_mul(4);
        let sum = self.sums.get(at..).and_then(|rest| rest.first_chunk());
        sum.is_some_and(|sum| u32::from_le_bytes(*sum) == crc32c::crc32c(bytes))
    }
}

const MARK: &[u8; 8] = b"mgsums1\n";
const HEADER: usize = MARK.len() + 8 + 32;
