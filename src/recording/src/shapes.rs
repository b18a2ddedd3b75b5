//! The shapes of steps: what is alike in many of them, so that it is written once.

/// A shape that is being told: words of eight bytes, the first byte the lowest. An item of a step is one word, so that telling it is one
/// store.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Shape(Vec<u64>);

/// Up to eight bytes, and zeros behind them.
pub(crate) fn word<const N: usize>(bytes: [u8; N]) -> u64 {
    const { assert!(N <= 8) };
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

impl Shape {
    pub(crate) fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.push(word(bytes));
    }

    /// Another word in the place of an earlier one.
    pub(crate) fn set(&mut self, place: usize, bytes: [u8; 8]) {
        self.0[place] = word(bytes);
    }

    pub(crate) fn extend(&mut self, words: impl Iterator<Item = u64>) {
        self.0.extend(words);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.0
    }

    /// The slot where a search begins.
    fn home(&self) -> usize {
        let spread = |hash: u64, word: &u64| {
            (hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        (self.0.iter().fold(0, spread) >> (64 - SLOTS.ilog2())) as usize
    }
}

/// Shapes by number, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Shapes {
    words: Vec<u64>,
    /// Where each ends in `words`.
    ends: Vec<usize>,
    /// Open addressing with linear probing: one more than a number, 0 is free. Never more than half full.
    slots: Box<[u8; SLOTS]>,
    /// The number that was asked for last.
    last: u8,
    /// Which number came behind each, the last time: steps come in rows that are alike, so this is where to look first.
    next: Box<[u8; 256]>,
}

const SLOTS: usize = 512;

/// How many shapes there are at most. One more makes the table forget all of them.
pub(crate) const SHAPES_MAX: usize = 254;

/// A longer shape is not kept.
pub(crate) const SHAPE_WORDS_MAX: usize = 32;

impl Shapes {
    pub(crate) fn new() -> Self {
        Self {
            words: Vec::new(),
            ends: Vec::new(),
            slots: Box::new([0; SLOTS]),
            last: 0,
            next: Box::new([0; 256]),
        }
    }

    /// The shape with this number.
    pub(crate) fn get(&self, number: u8) -> Option<&[u64]> {
        let number = usize::from(number);
        let end = *self.ends.get(number)?;
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.words.get(begin..end)
    }

    /// The number of this shape. If it has none it is kept, and has one from now on.
    pub(crate) fn number(&mut self, shape: &Shape) -> Option<u8> {
        let guess = self.next[usize::from(self.last)];
        let found = if self.is(guess, shape) { Some(guess) } else { self.find(shape) };
        if let Some(number) = found {
            self.next[usize::from(self.last)] = number;
            self.last = number;
        }
        found
    }

    /// Word by word: most have five, for which calling a comparison of memory costs more than comparing.
    fn is(&self, number: u8, shape: &Shape) -> bool {
        let same = |words: &[u64]| {
            words.len() == shape.0.len() && words.iter().zip(&shape.0).all(|(a, b)| a == b)
        };
        self.get(number).is_some_and(same)
    }

    fn find(&mut self, shape: &Shape) -> Option<u8> {
        let mut slot = shape.home();
        while let Some(number) = self.slots[slot].checked_sub(1) {
            if self.is(number, shape) {
                return Some(number);
            }
            slot = (slot + 1) % SLOTS;
        }
        self.keep(shape, slot);
        None
    }

    fn keep(&mut self, shape: &Shape, free: usize) {
        if shape.words().len() > SHAPE_WORDS_MAX {
            return;
        }
        let mut slot = free;
        if self.ends.len() == SHAPES_MAX {
            self.words.clear();
            self.ends.clear();
            self.slots.fill(0);
            slot = shape.home();
        }
        self.words.extend_from_slice(shape.words());
        self.ends.push(self.words.len());
        // At most `SHAPES_MAX`, which is a byte.
        self.slots[slot] = self.ends.len() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_begins_with_its_first_byte() {
        assert_eq!(word([1, 2, 3]).to_le_bytes(), [1, 2, 3, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_shape_has_its_number_from_the_second_time_on_until_there_are_too_many() {
        let mut shapes = Shapes::new();
        let shape = |index: usize| Shape(vec![7, index as u64]);
        for index in 0..SHAPES_MAX {
            assert_eq!(shapes.number(&shape(index)), None);
        }
        for index in 0..SHAPES_MAX {
            let number = u8::try_from(index).expect("a byte");
            assert_eq!(shapes.number(&shape(index)), Some(number));
            assert_eq!(shapes.get(number), Some(shape(index).words()));
        }
        assert_eq!(shapes.get(SHAPES_MAX as u8), None);
        assert_eq!(shapes.number(&shape(SHAPES_MAX)), None);
        assert_eq!(shapes.number(&shape(0)), None, "all were forgotten");
        assert_eq!(shapes.number(&shape(SHAPES_MAX)), Some(0));
        assert_eq!(shapes.number(&shape(0)), Some(1));
    }

    #[test]
    fn a_long_shape_is_never_kept() {
        let mut shapes = Shapes::new();
        let [long, short] = [SHAPE_WORDS_MAX + 1, SHAPE_WORDS_MAX].map(|len| Shape(vec![1; len]));
        assert_eq!((shapes.number(&long), shapes.number(&long)), (None, None));
        assert_eq!((shapes.number(&short), shapes.number(&short)), (None, Some(0)));
    }
}
