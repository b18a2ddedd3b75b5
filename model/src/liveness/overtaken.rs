//! All limits of one kind last equally long, which a bound on rounds must not forget.

use zab::{Sid, SidSet};

/// Who gave up while whose time was up too: 5 bits for each who waits on, in a word of the state.
/// For up to 5 servers.
///
/// One that gives up, looks, decides again and gives up again has waited for the whole limit once
/// more, so the time of others whose limit ran all the while has been up before: nobody overtakes
/// another twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Overtaken(pub u32);

impl Overtaken {
    /// Whether `sid` may give up now, when the time of all `due` is up.
    pub fn allows(self, sid: Sid, mut due: SidSet) -> bool {
        due.remove(sid) && !due.iter().any(|other| self.0 & bit(sid, other) != 0)
    }

    /// After one of those that are due gave up.
    #[must_use]
    pub fn after(self, sid: Sid, mut due: SidSet) -> Self {
        due.remove(sid);
        Self(due.iter().fold(0, |after, other| after | self.0 & row(other) | bit(sid, other)))
    }
}

const SERVERS_MAX: u32 = 5;

fn shift(other: Sid) -> u32 {
    SERVERS_MAX * (u32::from(other.0) - 1)
}

fn row(other: Sid) -> u32 {
    ((1 << SERVERS_MAX) - 1) << shift(other)
}

fn bit(sid: Sid, other: Sid) -> u32 {
    1 << (shift(other) + u32::from(sid.0) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_overtakes_another_twice() {
        let [a, b, c] = [1, 2, 5].map(Sid);
        let due: SidSet = [a, b, c].into_iter().collect();
        let none = Overtaken::default();
        assert!(none.allows(a, due) && !none.allows(Sid(3), due));
        let once = none.after(a, due);
        assert!(!once.allows(a, due) && once.allows(b, due));
        // While c waits on, b may go too; then only c is left.
        let twice = once.after(b, due);
        assert!(!twice.allows(a, due) && !twice.allows(b, due) && twice.allows(c, due));
        let thrice = twice.after(c, due);
        // All have had their turn: a and b waited while c went.
        assert!(thrice.allows(a, due) && !thrice.allows(c, due));
        // Whose time is not up is not overtaken.
        assert!(once.allows(a, [a].into_iter().collect()));
    }
}
