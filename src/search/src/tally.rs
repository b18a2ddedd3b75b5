//! What is counted: edges, states, marks, and where properties are violated or reached first.

use super::trail::Origin;

/// Counts of one level, by one worker or by all.
pub(super) struct Tally {
    pub(super) distinct: u64,
    pub(super) generated: u64,
    /// Sum of the fingerprints of the distinct states.
    pub(super) digest: u128,
    pub(super) marks: Box<[u64; 128]>,
    pub(super) violated: Firsts,
    pub(super) reached: Firsts,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            distinct: 0,
            generated: 0,
            digest: 0,
            marks: Box::new([0; 128]),
            violated: Firsts::default(),
            reached: Firsts::default(),
        }
    }
}

impl Tally {
    #[inline]
    pub(super) fn count_marks(&mut self, mut marks: u128) {
        while marks != 0 {
            self.marks[marks.trailing_zeros() as usize] += 1;
            marks &= marks - 1;
        }
    }

    /// Adds the counts of `other`. `earlier` decides between two first occurrences.
    pub(super) fn absorb(
        &mut self,
        other: &Self,
        earlier: impl Fn(Origin, Origin) -> Origin + Copy,
    ) {
        self.distinct += other.distinct;
        self.generated += other.generated;
        self.digest = self.digest.wrapping_add(other.digest);
        for (sum, count) in self.marks.iter_mut().zip(other.marks.iter()) {
            *sum += count;
        }
        self.violated.absorb(&other.violated, earlier);
        self.reached.absorb(&other.reached, earlier);
    }
}

/// For each property: how often, and where first.
pub(super) struct Firsts {
    pub(super) counts: [u64; 64],
    pub(super) first: [Option<Origin>; 64],
}

impl Default for Firsts {
    fn default() -> Self {
        Self { counts: [0; 64], first: [None; 64] }
    }
}

impl Firsts {
    #[inline]
    pub(super) fn note(&mut self, mut properties: u64, origin: Origin) {
        while properties != 0 {
            let property = properties.trailing_zeros() as usize;
            properties &= properties - 1;
            self.counts[property] += 1;
            let first = &mut self.first[property];
            *first = Some(first.map_or(origin, |known| known.min(origin)));
        }
    }

    fn absorb(&mut self, other: &Self, earlier: impl Fn(Origin, Origin) -> Origin) {
        for property in 0..64 {
            self.counts[property] += other.counts[property];
            self.first[property] = match (self.first[property], other.first[property]) {
                (Some(ours), Some(theirs)) => Some(earlier(ours, theirs)),
                (ours, theirs) => ours.or(theirs),
            };
        }
    }
}
