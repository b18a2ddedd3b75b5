//! Random variations of inputs, the same ones for the same seed.

/// Yields variations of some inputs, one to eight changes away from one of them.
pub(crate) struct Variations {
    seeds: Vec<Vec<u8>>,
    input: Vec<u8>,
    state: u64,
}

/// Lengths and counts at the edges of what decoders allow.
const EDGES: [i32; 10] = [0, 1, -1, -2, 2, 16, 0xff, 0x0f_ffff, i32::MAX, i32::MIN];

impl Variations {
    /// Variations of `seeds`, of which there is at least one.
    pub(crate) fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Self {
        assert!(!seeds.is_empty(), "there is something to vary");
        Self { seeds, input: Vec::new(), state: seed }
    }

    /// The next one.
    pub(crate) fn next_input(&mut self) -> &[u8] {
        let seed = self.below(self.seeds.len());
        self.input.clone_from(&self.seeds[seed]);
        for _ in 0..=self.below(8) {
            self.change();
        }
        &self.input
    }

    fn change(&mut self) {
        let at = self.below(self.input.len() + 1);
        match self.below(8) {
            0 => self.input.truncate(at),
            1 => {
                let byte = self.random() as u8;
                self.input.insert(at, byte);
            }
            2 | 3 => {
                let edge = EDGES[self.below(EDGES.len())].to_be_bytes();
                self.overwrite(at, &edge);
            }
            4 => {
                let random = self.random().to_be_bytes();
                let length = 1 + self.below(8);
                self.overwrite(at, &random[..length]);
            }
            5 => {
                // A piece twice.
                let end = at + self.below(self.input.len() + 1 - at);
                let piece = self.input[at..end].to_vec();
                self.input.splice(at..at, piece);
            }
            6 => {
                // The rest of another input.
                let other = self.below(self.seeds.len());
                let from = self.below(self.seeds[other].len() + 1);
                self.input.truncate(at);
                self.input.extend_from_slice(&self.seeds[other][from..]);
            }
            _ => {
                if let Some(byte) = self.input.get_mut(at) {
                    *byte ^= 1 << (at % 8);
                }
            }
        }
        // Pieces that double must not run away.
        self.input.truncate(1 << 14);
    }

    fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        let end = self.input.len().min(at + bytes.len());
        self.input[at..end].copy_from_slice(&bytes[..end - at]);
    }

    fn below(&mut self, end: usize) -> usize {
        (self.random() % end as u64) as usize
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
