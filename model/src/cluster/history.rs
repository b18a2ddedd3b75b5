//! The history of writes and synced reads, as stateright's linearizability tester keeps it.
//!
//! A synced read is a sync and the first read of its session behind it: it is invoked when the sync
//! is, and returns with the read. Each operation is a thread of its own, because a client does not
//! wait for the answer before it asks again. (That a session's operations are in its order is not
//! what linearizability is about; other properties are.)

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::BTreeMap;

use super::payload::ClientWrite;
use super::session::{Answer, Asking};

/// A request: whose, and which of all the client's requests.
pub type Place = (u8, u8);

/// What was asked and answered so far.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct History {
    tester: LinearizabilityTester<Place, Register>,
    /// Of each client, the sync whose read is still to come.
    synced: BTreeMap<u8, Place>,
}

/// What the tree is in a model: what was written last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Register(u16);

/// An operation of a [`Register`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// Writes.
    Write(u16),
    /// Reads.
    Read,
}

impl SequentialSpec for Register {
    type Op = Operation;
    /// What was read; of a write, `None`.
    type Ret = Option<u16>;

    fn invoke(&mut self, operation: &Operation) -> Self::Ret {
        match *operation {
            Operation::Write(value) => {
                self.0 = value;
                None
            }
            Operation::Read => Some(self.0),
        }
    }
}

impl History {
    /// Nothing was asked yet.
    pub(super) fn new() -> Self {
        Self { tester: LinearizabilityTester::new(Register(0)), synced: BTreeMap::new() }
    }

    /// Something is asked; `write` is what it writes, if it does.
    pub(super) fn asked(&mut self, place: Place, asking: Asking, write: ClientWrite) {
        let operation = match asking {
            Asking::Write => Operation::Write(written(write)),
            Asking::Sync => Operation::Read,
            Asking::Read | Asking::Watch => return,
        };
        // That it is asked twice is seen when it is answered.
        let _ = self.tester.on_invoke(place, operation);
    }

    /// It is answered.
    pub(super) fn answered(&mut self, place: Place, answer: Answer) {
        let returned = match answer {
            Answer::Written(_) => Some((place, None)),
            Answer::Synced => {
                self.synced.insert(place.0, place);
                None
            }
            Answer::Read(value, _) => {
                let value = value.write().map_or(u16::from(value.0), written);
                self.synced.remove(&place.0).map(|sync| (sync, Some(value)))
            }
        };
        if let Some((place, value)) = returned {
            let _ = self.tester.on_return(place, value);
        }
    }

    /// Whether there is an order of the operations that explains what was said.
    pub(super) fn is_linearizable(&self) -> bool {
        self.tester.is_consistent()
    }
}

/// The value that a write leaves: another one for each.
fn written(write: ClientWrite) -> u16 {
    256 | u16::from(write.client) << 4 | u16::from(write.number)
}

#[cfg(test)]
mod tests {
    use super::super::payload::Origin;
    use super::*;

    const FIRST: ClientWrite = ClientWrite { client: 0, xid: 1, number: 0 };

    /// A write of client 0 is answered; then client 1 syncs and reads this.
    fn read_behind_a_write(value: Origin) -> History {
        let mut history = History::new();
        history.asked((0, 0), Asking::Write, FIRST);
        history.answered((0, 0), Answer::Written(FIRST));
        history.asked((1, 0), Asking::Sync, FIRST);
        history.answered((1, 0), Answer::Synced);
        history.asked((1, 1), Asking::Read, FIRST);
        history.answered((1, 1), Answer::Read(value, 0));
        history
    }

    #[test]
    fn a_synced_read_that_does_not_see_what_was_acknowledged_before_is_refused() {
        assert!(read_behind_a_write(Origin::of_write(FIRST)).is_linearizable());
        assert!(!read_behind_a_write(Origin::default()).is_linearizable());
    }

    #[test]
    fn a_read_without_a_sync_may_be_old_and_a_write_without_an_answer_may_be_read_or_not() {
        for value in [Origin::default(), Origin::of_write(FIRST)] {
            let mut history = History::new();
            history.asked((0, 0), Asking::Write, FIRST);
            history.asked((1, 0), Asking::Sync, FIRST);
            history.answered((1, 0), Answer::Synced);
            history.answered((1, 1), Answer::Read(value, 0));
            assert!(history.is_linearizable());
            history.answered((0, 0), Answer::Written(FIRST));
            history.answered((1, 2), Answer::Read(Origin::default(), 0));
            assert!(history.is_linearizable());
        }
    }
}
