//! The shapes of steps: what is alike in many of them, so that it is written once.

use std::ops::Range;

/// Words of eight bytes, the first byte the lowest. An item of a step is one word, so that telling
/// it is one store.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Shape(Vec<u64>);

/// Up to eight bytes, and zeros behind them.
pub(crate) fn word<const N: usize>(bytes: [u8; N]) -> u64 {
    const { assert!(N <= 8) };
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

impl Shape {
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
    /// Open addressing with linear probing: one more than a number, 0 is free. Never more than half
    /// full.
    slots: Box<[u8; SLOTS]>,
    /// The number that was asked for last.
    last: u8,
    /// Which number came behind each, the last time: steps come in rows that are alike, so this is
    /// where to look first.
    next: Box<[u8; 256]>,
}

/// A shape that is being told, and whether it is the expected one until now: most are, and need not
/// be looked for.
#[derive(Debug)]
pub(crate) struct Telling {
    shape: Shape,
    shapes: Shapes,
    /// Where the expected shape begins and ends in the words of the shapes.
    expected: Range<usize>,
    as_expected: bool,
}

impl Telling {
    pub(crate) fn new() -> Self {
        let (shape, shapes) = (Shape::default(), Shapes::new());
        Self { shape, shapes, expected: 0..0, as_expected: false }
    }

    /// Before a step.
    pub(crate) fn begin(&mut self) {
        self.shape.clear();
        self.expected = self.shapes.range(self.shapes.expected()).unwrap_or_default();
        self.as_expected = true;
    }

    /// The next word.
    #[inline]
    pub(crate) fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        let place = self.reserve();
        self.set(place, word(bytes));
    }

    /// The place of the next word, for [`Self::set`].
    #[inline]
    pub(crate) fn reserve(&mut self) -> usize {
        self.shape.0.push(0);
        self.shape.0.len() - 1
    }

    #[inline]
    pub(crate) fn set(&mut self, place: usize, word: u64) {
        self.shape.0[place] = word;
        // A word behind the expected shape is noticed by its length.
        self.as_expected &= self.shapes.words.get(self.expected.start + place) == Some(&word);
    }

    /// The number of the shape that was told, as [`Shapes::number`].
    pub(crate) fn end(&mut self) -> Option<u8> {
        if self.as_expected && self.shape.0.len() == self.expected.len() {
            return Some(self.shapes.go_on());
        }
        self.shapes.number(&self.shape)
    }

    /// A step was of this shape, and needed not be told.
    #[inline]
    pub(crate) fn skip(&mut self, number: u8) {
        self.shapes.last = number;
    }

    pub(crate) fn words(&self) -> &[u64] {
        self.shape.words()
    }
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
        self.words.get(self.range(number)?)
    }

    fn range(&self, number: u8) -> Option<Range<usize>> {
        let number = usize::from(number);
        let end = *self.ends.get(number)?;
        Some(number.checked_sub(1).map_or(0, |before| self.ends[before])..end)
    }

    /// The number that is likely to come next.
    fn expected(&self) -> u8 {
        self.next[usize::from(self.last)]
    }

    /// It came.
    fn go_on(&mut self) -> u8 {
        self.last = self.expected();
        self.last
    }

    /// The number of this shape, wherever it is. If it has none it is kept, and has one from now
    /// on.
    #[inline(never)]
    pub(crate) fn number(&mut self, shape: &Shape) -> Option<u8> {
        let number = self.find(shape)?;
        self.next[usize::from(self.last)] = number;
        self.last = number;
        Some(number)
    }

    fn find(&mut self, shape: &Shape) -> Option<u8> {
        let mut slot = shape.home();
        while let Some(number) = self.slots[slot].checked_sub(1) {
            if self.get(number) == Some(shape.words()) {
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

    #[test]
    fn what_is_told_as_it_was_expected_has_the_number_that_a_search_finds() {
        let (mut telling, mut shapes) = (Telling::new(), Shapes::new());
        let rows = [&[1, 2][..], &[1, 2, 3], &[1], &[1, 2], &[4, 2], &[1, 2, 3]];
        for words in rows.into_iter().cycle().take(60) {
            telling.begin();
            let places: Vec<_> = words.iter().map(|_| telling.reserve()).collect();
            places.into_iter().zip(words).for_each(|(place, word)| telling.set(place, *word));
            assert_eq!(telling.words(), words);
            assert_eq!(telling.end(), shapes.number(&Shape(words.to_vec())));
        }
    }
}
