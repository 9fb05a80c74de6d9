//! Reads the fuzzer's bytes from the front: choices first, the text that is judged last, so that the
//! fuzzer's own mutations keep their meaning.

/// What is left of the bytes. Past their end everything is zero or empty.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// Two bytes, big-endian.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Four bytes, big-endian.
    pub fn long(&mut self) -> u32 {
        u32::from(self.short()) << 16 | u32::from(self.short())
    }

    /// As many bytes as there are of this many.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their length, which is one short.
    pub fn chunk(&mut self) -> &'a [u8] {
        let length = usize::from(self.short());
        self.take(length)
    }

    /// The bytes up to this one, which is left out.
    pub fn until(&mut self, end: u8) -> &'a [u8] {
        let length = self.0.iter().position(|byte| *byte == end);
        let taken = self.take(length.unwrap_or(self.0.len()));
        self.byte();
        taken
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes what [`Input::chunk`] reads.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a seed below 64 KiB");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A small linear congruential generator (Knuth, MMIX): the same numbers every time.
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below this one, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}
