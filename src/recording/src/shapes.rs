//! The shapes of steps: what is alike in many of them, so that it is written once.

/// A shape that is being told.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    bytes: Vec<u8>,
    /// Of the bytes so far. Reading again what was written byte by byte would cost more than the rest of a search.
    hash: u64,
}

impl Shape {
    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.hash = self.hash.rotate_left(7) ^ u64::from(byte);
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.hash = 0;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The slot where a search begins.
    fn home(&self) -> usize {
        let spread = self.hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (spread >> (64 - SLOTS.ilog2())) as usize
    }
}

impl Extend<u8> for Shape {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        bytes.into_iter().for_each(|byte| self.push(byte));
    }
}

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
    pub(crate) fn number(&mut self, shape: &Shape) -> Option<u8> {
        let mut slot = shape.home();
        while let Some(number) = self.slots[slot].checked_sub(1) {
            if self.get(number) == Some(shape.bytes()) {
                return Some(number);
            }
            slot = (slot + 1) % SLOTS;
        }
        self.keep(shape, slot);
        None
    }

    fn keep(&mut self, shape: &Shape, free: usize) {
        if shape.bytes.len() > SHAPE_BYTES_MAX {
            return;
        }
        let mut slot = free;
        if self.ends.len() == SHAPES_MAX {
            self.bytes.clear();
            self.ends.clear();
            self.slots.fill(0);
            slot = shape.home();
        }
        self.bytes.extend_from_slice(&shape.bytes);
        self.ends.push(self.bytes.len());
        // At most `SHAPES_MAX`, which is a byte.
        self.slots[slot] = self.ends.len() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(bytes: &[u8]) -> Shape {
        let mut shape = Shape::default();
        shape.extend(bytes.iter().copied());
        shape
    }

    #[test]
    fn a_shape_has_its_number_from_the_second_time_on_until_there_are_too_many() {
        let mut shapes = Shapes::new();
        let shape = |index: usize| shape(&[index as u8, 7, (index >> 8) as u8]);
        for index in 0..SHAPES_MAX {
            assert_eq!(shapes.number(&shape(index)), None);
        }
        for index in 0..SHAPES_MAX {
            let number = u8::try_from(index).expect("a byte");
            assert_eq!(shapes.number(&shape(index)), Some(number));
            assert_eq!(shapes.get(number), Some(shape(index).bytes()));
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
        let (long, short) = (shape(&[1; SHAPE_BYTES_MAX + 1]), shape(&[1; SHAPE_BYTES_MAX]));
        assert_eq!((shapes.number(&long), shapes.number(&long)), (None, None));
        assert_eq!((shapes.number(&short), shapes.number(&short)), (None, Some(0)));
    }
}
