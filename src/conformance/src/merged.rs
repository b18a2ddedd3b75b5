//! The facts of all recordings, put together.

use std::collections::{BTreeMap, HashMap};

use recording::{Digest, Packet};
use zab::{Epoch, Sid, Zxid};

use crate::property::Property;
use crate::table::Table;
use crate::verdict::{Place, Tallies, Witness};
use crate::wire::Wire;

/// A zxid, and where that was recorded.
pub(crate) type At = (Zxid, Place);

/// Everything that properties over several recordings need. Nothing in it depends on the order of
/// recordings.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) tallies: Tallies,
    pub(crate) table: Table,
    /// Delivered with another content than was seen before.
    odd: BTreeMap<Zxid, (Digest, Place)>,
    /// What stands directly before the first transaction of an epoch, in histories.
    pub(crate) history: BTreeMap<Zxid, At>,
    /// The same in delivered sequences.
    pub(crate) delivered: BTreeMap<Zxid, At>,
    /// Where state machines began, or were replaced.
    pub(crate) bases: Vec<At>,
    leaders: BTreeMap<Epoch, (Sid, Witness)>,
    pub(crate) elected: BTreeMap<Epoch, Elected>,
    established: BTreeMap<Epoch, Place>,
    /// What the leader of an epoch had delivered when it first proposed.
    pub(crate) broadcasts: Vec<(Epoch, Zxid, Place)>,
    /// The end of the history on a server's disk, while epoch and promise there were this one: the
    /// largest seen.
    pub(crate) durable: BTreeMap<(Sid, Epoch), At>,
    /// The largest zxid that was received as acknowledged by this server, in its epoch.
    pub(crate) acknowledged: BTreeMap<(Sid, Epoch), At>,
    /// Packets of discovery and synchronisation, from and to.
    pub(crate) messages: HashMap<(Sid, Sid, Packet), Passed>,
    pub(crate) wire: Wire,
    /// The last transaction that each start of a server delivered.
    pub(crate) ends: Vec<At>,
    pub(crate) restarts: Vec<Restart>,
}

/// How often a packet was sent and received, and where it was received last.
pub(crate) type Passed = (u64, u64, Option<Place>);

/// An elected leader.
#[derive(Debug)]
pub(crate) struct Elected {
    pub(crate) leader: Sid,
    pub(crate) at: Place,
    /// The end of its history, which is the initial history of the epoch.
    pub(crate) last: Zxid,
    /// The recording goes on beyond its leadership.
    pub(crate) ended: bool,
}

/// What a start found, and what it had to find.
#[derive(Debug)]
pub(crate) struct Restart {
    pub(crate) at: At,
    /// Durable and delivered before: no truncation may have removed it.
    pub(crate) kept: At,
    /// What was on this disk before, by epoch.
    pub(crate) had: Vec<(Epoch, At)>,
}

impl Merged {
    /// A zxid with its content, anywhere.
    pub(crate) fn see(&mut self, zxid: Zxid, digest: Digest, at: Place) {
        let entry = self.table.entry(zxid, digest, at);
        let (seen, first) = (entry.seen, entry.digest);
        self.tallies.check(Property::Z2, first == digest, || {
            vec![
                Witness(seen, format!("{zxid:?} is {first:?}")),
                Witness(at, format!("{zxid:?} is {digest:?}")),
            ]
        });
    }

    /// A leader's proposal.
    pub(crate) fn propose(&mut self, leader: Sid, zxid: Zxid, digest: Digest, at: Place) {
        let entry = self.table.entry(zxid, digest, at);
        let before = entry.proposed.replace(at);
        self.tallies.check(Property::Z2, before.is_none(), || {
            let twice = |at| Witness(at, format!("{zxid:?} is proposed"));
            before.into_iter().chain([at]).map(twice).collect()
        });
        self.leads(zxid.epoch(), leader, at, "proposes in");
    }

    /// A history gets `zxid` directly behind `before`.
    pub(crate) fn append(&mut self, before: Zxid, zxid: Zxid, at: Place) {
        let follows = before.is_followed_by(zxid);
        self.tallies.check(Property::Z7, follows, || {
            vec![Witness(at, format!("a history has {zxid:?} directly behind {before:?}"))]
        });
        if follows && zxid.counter() == 1 {
            let &mut (other, first) = self.history.entry(zxid).or_insert((before, at));
            self.tallies.check(Property::Z7, other == before, || {
                let says = |at, before| {
                    Witness(at, format!("a history has {zxid:?} directly behind {before:?}"))
                };
                vec![says(first, other), says(at, before)]
            });
        }
    }

    /// A state machine that holds everything up to `before` is given a transaction.
    pub(crate) fn deliver(&mut self, before: Zxid, zxid: Zxid, digest: Digest, at: Place) {
        self.see(zxid, digest, at);
        let follows = before.is_followed_by(zxid);
        self.tallies.check(Property::Z9, follows, || {
            vec![Witness(at, format!("{zxid:?} is delivered directly behind {before:?}"))]
        });
        let entry = self.table.entry(zxid, digest, at);
        let first = *entry.delivered.get_or_insert(at);
        if entry.digest != digest && first == at {
            self.odd.insert(zxid, (digest, at));
        }
        let content = self.odd.get(&zxid).map_or(entry.digest, |(digest, _)| *digest);
        self.tallies.check(Property::Z3, content == digest, || {
            vec![
                Witness(first, format!("{zxid:?} is delivered as {content:?}")),
                Witness(at, format!("{zxid:?} is delivered as {digest:?}")),
            ]
        });
        if follows && zxid.counter() == 1 {
            let &mut (other, first) = self.delivered.entry(zxid).or_insert((before, at));
            self.tallies.check(Property::Z3, other == before, || {
                let says =
                    |at, before| Witness(at, format!("{zxid:?} is delivered behind {before:?}"));
                vec![says(first, other), says(at, before)]
            });
        }
    }

    /// Somebody is, or is taken for, the leader of an epoch.
    pub(crate) fn leads(&mut self, epoch: Epoch, leader: Sid, at: Place, how: &str) {
        let witness = |at| Witness(at, format!("{leader} {how} epoch {epoch}"));
        let (other, first) = self.leaders.entry(epoch).or_insert_with(|| (leader, witness(at)));
        let other = *other;
        self.tallies.check(Property::Z1, other == leader, || vec![first.clone(), witness(at)]);
    }

    /// A leader has its quorum of promises.
    pub(crate) fn elect(&mut self, epoch: Epoch, leader: Sid, last: Zxid, at: Place) {
        self.leads(epoch, leader, at, "is elected in");
        let before = self.elected.get(&epoch).map(|elected| elected.at);
        self.tallies.check(Property::Z1, before.is_none(), || {
            let says = |at| Witness(at, format!("a leader is elected in epoch {epoch}"));
            before.into_iter().chain([at]).map(says).collect()
        });
        self.elected.entry(epoch).or_insert(Elected { leader, at, last, ended: false });
    }

    /// A leader has its quorum of accepted NEWLEADERs.
    pub(crate) fn establish(&mut self, epoch: Epoch, leader: Sid, at: Place) {
        self.leads(epoch, leader, at, "is established in");
        let before = self.established.insert(epoch, at);
        let elected = self.elected.get(&epoch).filter(|elected| elected.leader == leader);
        self.tallies.check(Property::Z1, before.is_none() && elected.is_some(), || {
            let says = |at| Witness(at, format!("a leader is established in epoch {epoch}"));
            before.into_iter().chain([at]).map(says).collect()
        });
    }

    /// The history on a disk whose epoch and promise are both `epoch` ends here.
    pub(crate) fn on_disk(&mut self, sid: Sid, epoch: Epoch, last: Zxid, at: Place) {
        let known = self.durable.entry((sid, epoch)).or_insert((last, at));
        if known.0 < last {
            *known = (last, at);
        }
    }

    /// Whether the history that ends at `end` has the position `zxid`; `None` if that is older than
    /// what was recorded.
    pub(crate) fn contains(&self, end: Zxid, zxid: Zxid) -> Option<bool> {
        let mut end = end;
        loop {
            if zxid == Zxid::ZERO || zxid == end {
                return Some(true);
            }
            if end < zxid || end.epoch() == zxid.epoch() {
                return Some(zxid < end && zxid.counter() > 0);
            }
            // Each link leads to an older epoch, so this ends.
            end = self.history.get(&Zxid::new(end.epoch(), 1))?.0;
        }
    }
}
