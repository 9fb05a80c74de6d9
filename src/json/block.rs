//! Where strings end: 64 bytes at a time, for a reader that goes through a whole text. Where there is
//! one string and nothing to remember, [`plain_prefix`](super::plain_prefix) says the same.

use wide::u8x16;

/// How many bytes a block has.
const SIZE: usize = 64;

/// The bytes that were looked at last, and which of them need attention inside a string: quotes,
/// backslashes and control characters. Bytes of UTF-8 sequences need none.
#[derive(Debug)]
pub(super) struct Block {
    start: usize,
    /// A bit for each byte, the first the lowest.
    marks: u64,
}

impl Block {
    /// Before anything was looked at.
    pub const NONE: Block = Block {
        // No offset is within 64 bytes of it.
        start: usize::MAX - SIZE,
        marks: 0,
    };

    /// The first offset from `at` on whose byte needs attention; behind the last one when none does.
    #[inline(always)]
    pub fn attention(&mut self, bytes: &[u8], at: usize) -> usize {
        let offset = at.wrapping_sub(self.start);
        let mut from = at;
        if offset < SIZE {
            let marks = self.marks >> offset;
            if marks != 0 {
                return at.wrapping_add(marks.trailing_zeros() as usize);
            }
            from = self.start.wrapping_add(SIZE);
        }
        while let Some(block) = bytes.get(from..).and_then(<[u8]>::first_chunk) {
            self.start = from;
            self.marks = marks(block);
            if self.marks != 0 {
                return from.wrapping_add(self.marks.trailing_zeros() as usize);
            }
            from = from.wrapping_add(SIZE);
        }
        self.start = from;
        self.marks = marks_of_rest(bytes, from);
        match self.marks {
            0 => bytes.len(),
            marks => from + marks.trailing_zeros() as usize,
        }
    }
}

/// As [`marks`], of less than a block.
#[inline(never)]
fn marks_of_rest(bytes: &[u8], from: usize) -> u64 {
    let rest = bytes.get(from..).unwrap_or_default();
    let mut block = [b' '; SIZE];
    for (to, byte) in block.iter_mut().zip(rest) {
        *to = *byte;
    }
    marks(&block)
}

#[inline(always)]
fn marks(block: &[u8; SIZE]) -> u64 {
    let (parts, _) = block.as_chunks();
    parts
        .iter()
        .rev()
        .fold(0, |marks, part| marks << 16 | attention(*part))
}

#[inline(always)]
fn attention(bytes: [u8; 16]) -> u64 {
    let bytes = u8x16::new(bytes);
    // Turning one bit over puts the quote (0x22) right behind the control characters.
    let turned = bytes ^ u8x16::splat(0x02);
    let control_or_quote = turned.min(u8x16::splat(0x20)).simd_eq(turned);
    let backslash = bytes.simd_eq(u8x16::splat(b'\\'));
    u64::from((control_or_quote | backslash).to_bitmask())
}
