//! Digests of content: 128 bits that depend on a value alone, not on when, where or by which thread
//! it was met.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

/// The digest of what a value hands to its hasher.
///
/// Integers are taken in little-endian order and `usize` as 64 bits, so machines of either width
/// agree. (Slices of integers are handed over as the machine has them, so machines of the other
/// byte order do not.)
pub fn digest(value: &impl Hash) -> u128 {
    let mut bytes = Gathered::default();
    value.hash(&mut bytes);
    xxh3_128(&bytes.0)
}

/// Everything that was hashed, in order.
#[derive(Default)]
struct Gathered(Vec<u8>);

impl Hasher for Gathered {
    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_u128(&mut self, value: u128) {
        self.write(&value.to_le_bytes());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_i16(&mut self, value: i16) {
        self.write_u16(value.cast_unsigned());
    }

    fn write_i32(&mut self, value: i32) {
        self.write_u32(value.cast_unsigned());
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value.cast_unsigned());
    }

    fn write_i128(&mut self, value: i128) {
        self.write_u128(value.cast_unsigned());
    }

    fn write_isize(&mut self, value: isize) {
        self.write_i64(value as i64);
    }
}

/// Fingerprints of states whose words are looked at one after the other. A word that is the same as
/// in the state before, at the same place, is not looked up again.
#[derive(Debug)]
pub(crate) struct Fingerprints {
    seed: u64,
    words: Vec<u32>,
    /// What each word adds.
    parts: Vec<u128>,
}

impl Fingerprints {
    /// For states of so many words.
    pub(crate) fn new(words: usize, seed: u64) -> Self {
        Self { seed, words: vec![0; words], parts: Vec::new() }
    }

    /// The fingerprint of a state, given the digests of its words. Never 0: that is an empty slot.
    ///
    /// Each place has a hash function of its own, so the sum tells which digest is where; the last
    /// hash keeps sums of fingerprints from being sums of parts.
    #[inline]
    pub(crate) fn of(&mut self, state: &[u32], digest: impl Fn(usize, u32) -> u128) -> u128 {
        let seed = self.seed;
        let part = |place: usize, word: u32| {
            let bytes = digest(place, word).to_le_bytes();
            xxh3_128_with_seed(&bytes, seed ^ (place as u64 + 1).wrapping_mul(SPREAD))
        };
        if self.parts.is_empty() {
            self.words.copy_from_slice(state);
            self.parts.extend((0..).zip(state).map(|(place, &word)| part(place, word)));
        }
        let mut sum = 0u128;
        for (place, &word) in state.iter().enumerate() {
            if self.words[place] != word {
                self.words[place] = word;
                self.parts[place] = part(place, word);
            }
            sum = sum.wrapping_add(self.parts[place]);
        }
        xxh3_128_with_seed(&sum.to_le_bytes(), seed).max(1)
    }
}

/// 2^64 divided by the golden ratio: seeds of neighbouring places have little in common.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(state: &[u32], seed: u64) -> u128 {
        Fingerprints::new(state.len(), seed).of(state, |_, word| u128::from(word))
    }

    /// Pinned: another number means that no recorded digest can be compared any more.
    #[test]
    fn a_digest_is_the_same_in_every_process() {
        #[derive(Hash)]
        enum Of {
            #[expect(dead_code, reason = "so that the other variant is not the first")]
            Nothing,
            Some(u8, usize, Vec<u16>, &'static str),
        }
        let value = Of::Some(7, 9, vec![1, 2], "word");
        assert_eq!(digest(&value), 141_935_981_878_943_956_735_134_235_925_387_879_748);
    }

    #[test]
    fn fingerprints_depend_on_every_word_on_its_place_and_on_the_seed() {
        let state = [1, 2, 3, 4, 5];
        for place in 0..state.len() {
            let mut other = state;
            other[place] ^= 1 << 31;
            assert_ne!(fingerprint(&state, 0), fingerprint(&other, 0));
        }
        assert_ne!(fingerprint(&state, 0), fingerprint(&[2, 1, 3, 4, 5], 0));
        assert_ne!(fingerprint(&state, 0), fingerprint(&state, 1));
    }

    #[test]
    fn a_fingerprint_does_not_depend_on_the_state_before() {
        let mut prints = Fingerprints::new(3, 5);
        for state in [[1, 2, 3], [1, 2, 4], [9, 2, 4], [1, 2, 3], [3, 2, 1]] {
            assert_eq!(prints.of(&state, |_, word| u128::from(word)), fingerprint(&state, 5));
        }
    }

    #[test]
    fn a_sum_of_fingerprints_tells_which_words_occur_together() {
        let sum = |states: [[u32; 2]; 2]| {
            states.iter().fold(0u128, |sum, state| sum.wrapping_add(fingerprint(state, 0)))
        };
        assert_ne!(sum([[1, 2], [3, 4]]), sum([[1, 4], [3, 2]]));
        assert_eq!(sum([[1, 2], [3, 4]]), sum([[3, 4], [1, 2]]));
    }
}
