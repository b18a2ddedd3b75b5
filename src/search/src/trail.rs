//! Where each state came from: its parent's number and the ordinal of the edge, in about two bytes
//! a state.
//!
//! States are numbered level by level. Workers hand in *segments*: runs of states whose parents
//! ascend, written as differences. Nothing is ever moved or changed; looking up a state decodes its
//! segment from the start, which is rare (only for the paths that are reported).

/// How a state was first reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    /// Number of the state before; `None`, which sorts first, for initial states.
    pub(super) parent: Option<u64>,
    /// Position of the edge among the successors of the parent.
    pub(super) ordinal: u32,
}

/// Origins of a run of states, not yet numbered.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// Parent of the first state; meaningless in the segments of level 0.
    first_parent: u64,
    last_parent: u64,
    states: u32,
    codes: Vec<u8>,
}

impl Segment {
    /// Adds a state. Parents must not descend within a segment.
    #[inline]
    pub(super) fn push(&mut self, origin: Origin) {
        let parent = origin.parent.unwrap_or(0);
        if self.states == 0 {
            self.first_parent = parent;
            self.last_parent = parent;
        }
        debug_assert!(parent >= self.last_parent, "parents ascend within a segment");
        encode(&mut self.codes, parent - self.last_parent);
        encode(&mut self.codes, u64::from(origin.ordinal));
        self.last_parent = parent;
        self.states += 1;
    }

    /// Number of states.
    pub(super) fn states(&self) -> u32 {
        self.states
    }

    /// Number of the first state's parent.
    pub(super) fn first_parent(&self) -> u64 {
        self.first_parent
    }
}

/// Origins of all states.
#[derive(Debug, Default)]
pub(super) struct Trail {
    sealed: Vec<Sealed>,
    states: u64,
    /// States of level 0: these have no parent.
    roots: u64,
    code_bytes: u64,
}

#[derive(Debug)]
struct Sealed {
    /// Number of the first state.
    first: u64,
    first_parent: u64,
    codes: Box<[u8]>,
}

impl Trail {
    /// Numbers the states of a segment; returns the number of the first.
    pub(super) fn append(&mut self, segment: Segment) -> u64 {
        let first = self.states;
        self.states += u64::from(segment.states);
        self.code_bytes += segment.codes.len() as u64;
        self.sealed.push(Sealed {
            first,
            first_parent: segment.first_parent,
            codes: segment.codes.into_boxed_slice(),
        });
        first
    }

    /// Ends level 0: all states so far are initial states.
    pub(super) fn end_roots(&mut self) {
        self.roots = self.states;
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.code_bytes + (self.sealed.capacity() * size_of::<Sealed>()) as u64
    }

    /// The ordinals that lead from nowhere along `last`'s parent to the state that `last`
    /// describes.
    pub(super) fn path(&self, last: Origin) -> Vec<u32> {
        let mut ordinals = vec![last.ordinal];
        let mut next = last.parent;
        while let Some(number) = next {
            let origin = self.origin(number);
            ordinals.push(origin.ordinal);
            next = origin.parent;
        }
        ordinals.reverse();
        ordinals
    }

    fn origin(&self, number: u64) -> Origin {
        let index = self.sealed.partition_point(|sealed| sealed.first <= number) - 1;
        let sealed = &self.sealed[index];
        let mut codes = sealed.codes.iter();
        let mut parent = sealed.first_parent;
        let mut ordinal = 0;
        for _ in sealed.first..=number {
            parent += decode(&mut codes);
            ordinal = decode(&mut codes) as u32;
        }
        Origin { parent: (number >= self.roots).then_some(parent), ordinal }
    }
}

/// Appends a number, seven bits a byte, lowest first; the top bit says that more follow.
#[inline]
fn encode(codes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        codes.push(value as u8 | 0x80);
        value >>= 7;
    }
    codes.push(value as u8);
}

fn decode<'a>(codes: &mut impl Iterator<Item = &'a u8>) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let code = *codes.next().expect("a segment holds as many codes as states");
        value |= u64::from(code & 0x7f) << shift;
        if code < 0x80 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_come_back() {
        let origins = [
            (3, 0),
            (3, 1),
            (3, 200),
            (4, 70_000),
            (1_000_000, 5),
            (u64::from(u32::MAX) * 8, u32::MAX),
        ];
        let mut roots = Segment::default();
        for ordinal in 0..5 {
            roots.push(Origin { parent: None, ordinal });
        }
        let mut trail = Trail::default();
        assert_eq!(trail.append(roots), 0);
        trail.end_roots();
        for repeat in 0..3 {
            let mut segment = Segment::default();
            for (parent, ordinal) in origins {
                segment.push(Origin { parent: Some(parent), ordinal });
            }
            assert_eq!(trail.append(segment), 5 + repeat * origins.len() as u64);
        }
        assert_eq!(trail.origin(4), Origin { parent: None, ordinal: 4 });
        for (index, (parent, ordinal)) in origins.into_iter().cycle().take(18).enumerate() {
            assert_eq!(trail.origin(5 + index as u64), Origin { parent: Some(parent), ordinal });
        }
        assert_eq!(trail.path(Origin { parent: Some(6), ordinal: 9 }), [3, 1, 9]);
        assert_eq!(trail.path(Origin { parent: None, ordinal: 9 }), [9]);
    }
}
