//! What came of the checks.

use std::num::NonZero;

use crate::property::Property;

/// A step of a recording: 20 bits of file, 44 bits of step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place(NonZero<u64>);

const STEP_BITS: u32 = 44;

impl Place {
    pub(crate) fn new(file: usize, step: u64) -> Self {
        let file = (file as u64 + 1).min((1 << (64 - STEP_BITS)) - 1);
        let packed = file << STEP_BITS | step.min((1 << STEP_BITS) - 1);
        Self(NonZero::new(packed).unwrap_or(NonZero::<u64>::MIN))
    }

    pub(crate) fn file(self) -> usize {
        (self.0.get() >> STEP_BITS) as usize - 1
    }

    pub(crate) fn step(self) -> u64 {
        self.0.get() & ((1 << STEP_BITS) - 1)
    }
}

/// A step, and what it shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Witness(pub(crate) Place, pub(crate) String);

/// One property.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How often it was looked at and found to hold.
    pub(crate) held: u64,
    pub(crate) violated: u64,
    /// The facts that contradict each other, of the first violation.
    pub(crate) first: Vec<Witness>,
    /// How often something was missing to decide.
    pub(crate) undecided: u64,
    /// What, the first time.
    pub(crate) missing: Option<String>,
}

/// All properties.
#[derive(Debug, Default)]
pub(crate) struct Tallies([Tally; Property::ALL.len()]);

impl Tallies {
    pub(crate) fn of(&self, property: Property) -> &Tally {
        &self.0[property as usize]
    }

    pub(crate) fn held(&mut self, property: Property) {
        self.0[property as usize].held += 1;
    }

    pub(crate) fn held_times(&mut self, property: Property, times: u64) {
        self.0[property as usize].held += times;
    }

    /// Takes note of a look at a property; `facts` are asked for only if it is the first violation.
    pub(crate) fn check(
        &mut self,
        property: Property,
        holds: bool,
        facts: impl FnOnce() -> Vec<Witness>,
    ) {
        let tally = &mut self.0[property as usize];
        if holds {
            tally.held += 1;
        } else {
            if tally.violated == 0 {
                tally.first = facts();
            }
            tally.violated += 1;
        }
    }

    pub(crate) fn undecided(&mut self, property: Property, missing: impl FnOnce() -> String) {
        let tally = &mut self.0[property as usize];
        tally.undecided += 1;
        tally.missing.get_or_insert_with(missing);
    }
}
