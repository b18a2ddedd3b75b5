//! The shapes of steps: what is alike in many of them, so that it is written once.

/// Shapes by number, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Shapes {
    bytes: Vec<u8>,
    /// Where each ends in `bytes`.
    ends: Vec<usize>,
    /// Open addressing with linear probing: one more than a number, 0 is free. Never more than half full.
    slots: Box<[u8; SLOTS]>,
}

const SLOTS: usize = 512;

/// How many shapes there are at most. One more makes the table forget all of them.
pub(crate) const SHAPES_MAX: usize = 254;

/// A longer shape is not kept.
pub(crate) const SHAPE_BYTES_MAX: usize = 96;

impl Shapes {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), slots: Box::new([0; SLOTS]) }
    }

    /// The shape with this number.
    pub(crate) fn get(&self, number: u8) -> Option<&[u8]> {
        let number = usize::from(number);
        let end = *self.ends.get(number)?;
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(begin..end)
    }

    /// The number of this shape. If it has none it is kept, and has one from now on.
    pub(crate) fn number(&mut self, shape: &[u8]) -> Option<u8> {
        let mut slot = home(shape);
        while let Some(number) = self.slots[slot].checked_sub(1) {
            if self.get(number) == Some(shape) {
                return Some(number);
            }
            slot = (slot + 1) % SLOTS;
        }
        self.keep(shape, slot);
        None
    }

    fn keep(&mut self, shape: &[u8], free: usize) {
        if shape.len() > SHAPE_BYTES_MAX {
            return;
        }
        let mut slot = free;
        if self.ends.len() == SHAPES_MAX {
            self.bytes.clear();
            self.ends.clear();
            self.slots.fill(0);
            slot = home(shape);
        }
        self.bytes.extend_from_slice(shape);
        self.ends.push(self.bytes.len());
        // At most `SHAPES_MAX`, which is a byte.
        self.slots[slot] = self.ends.len() as u8;
    }
}

/// Where to look first. Shapes differ in a few bytes, so each word is spread over the upper bits.
fn home(shape: &[u8]) -> usize {
    let (words, rest) = shape.as_chunks();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mix = |hash: u64, word: &[u8; 8]| {
        (hash.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    let hash = mix(words.iter().fold(0, mix), &last);
    (hash >> (64 - SLOTS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_its_number_from_the_second_time_on_until_there_are_too_many() {
        let mut shapes = Shapes::new();
        let shape = |index: usize| [index as u8, 7, (index >> 8) as u8];
        for index in 0..SHAPES_MAX {
            assert_eq!(shapes.number(&shape(index)), None);
        }
        for index in 0..SHAPES_MAX {
            let number = u8::try_from(index).expect("a byte");
            assert_eq!(shapes.number(&shape(index)), Some(number));
            assert_eq!(shapes.get(number), Some(&shape(index)[..]));
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
        let long = [1; SHAPE_BYTES_MAX + 1];
        assert_eq!((shapes.number(&long), shapes.number(&long)), (None, None));
        assert_eq!((shapes.number(&long[1..]), shapes.number(&long[1..])), (None, Some(0)));
    }
}
