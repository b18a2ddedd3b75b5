//! Sessions that come back, perhaps to another server.

use std::collections::VecDeque;

/// The renewals that a leader has granted and not confirmed, oldest first. `Z` is a position in the
/// history, `R` says what is renewed, and for whom.
///
/// A renewal is confirmed once everything that was proposed before it is committed. A server finds
/// the request that a transaction answers by session and number, and the numbers of two connections
/// may be the same: so no transaction of an earlier connection may be on its way when the new one
/// begins.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Renewals<Z, R> {
    granted: VecDeque<(Z, R)>,
}

impl<Z, R> Default for Renewals<Z, R> {
    fn default() -> Self {
        Self { granted: VecDeque::new() }
    }
}

impl<Z: PartialOrd, R> Renewals<Z, R> {
    /// Grants a renewal. `last`: the end of what is proposed.
    pub fn grant(&mut self, last: Z, renewal: R) {
        self.granted.push_back((last, renewal));
    }

    /// The next renewal that may be confirmed, if everything up to here is committed.
    pub fn next_confirmed(&mut self, committed: Option<&Z>) -> Option<R> {
        let renewal = self.granted.pop_front_if(|(last, _)| committed >= Some(&*last));
        renewal.map(|(_, renewal)| renewal)
    }

    /// Those that are not confirmed, oldest first.
    pub fn granted(&self) -> impl Iterator<Item = (&Z, &R)> {
        self.granted.iter().map(|(last, renewal)| (last, renewal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_waits_until_what_was_proposed_before_it_is_committed() {
        let mut renewals = Renewals::default();
        renewals.grant(0, "a");
        renewals.grant(2, "b");
        renewals.grant(2, "c");
        assert_eq!(renewals.next_confirmed(None), None);
        assert_eq!(renewals.next_confirmed(Some(&1)), Some("a"));
        assert_eq!(renewals.next_confirmed(Some(&1)), None);
        assert_eq!(renewals.granted().collect::<Vec<_>>(), [(&2, &"b"), (&2, &"c")]);
        assert_eq!(renewals.next_confirmed(Some(&2)), Some("b"));
        assert_eq!(renewals.next_confirmed(Some(&2)), Some("c"));
        assert_eq!(renewals.next_confirmed(Some(&2)), None);
    }
}
