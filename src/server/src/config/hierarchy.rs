//! Groups and weights of servers (`group.N`, `weight.N`; ZooKeeper's `QuorumHierarchical`).
//!
//! The quorums of the core are majorities. So groups and weights are taken if they make exactly the
//! majorities quorums, as the example of ZooKeeper's guide does: one group, all weights alike. What
//! would make other sets of servers quorums is refused.

use std::collections::BTreeMap;
use std::fmt;

use zab::Sid;

use super::keys::{Entry, Keys, integer, wrong};
use super::{ConfigError, member};

/// Which server is in which group, and what its vote weighs. Displays as the lines of the
/// configuration that servers tell each other, each with its line end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hierarchy {
    /// No group is empty, and no server is in two.
    groups: BTreeMap<i64, Vec<Sid>>,
    /// Of all servers in the groups, and nobody else.
    weights: BTreeMap<Sid, u64>,
}

/// Of so many servers at most all sets are compared with the majorities.
const COMPARED_MAX: usize = 12;

impl Hierarchy {
    /// Takes the keys; `None` if there are none. `voters` are the participants.
    pub(super) fn take(keys: &mut Keys, voters: &[Sid]) -> Result<Option<Self>, ConfigError> {
        let groups = keys.take_prefixed("group");
        let weights = keys.take_prefixed("weight");
        let Some(first) = groups.first().or(weights.first()).cloned() else { return Ok(None) };
        let mut found = Self::default();
        for (key, entry) in &groups {
            found.add_group(key, entry, voters)?;
        }
        found.weights = voters.iter().map(|sid| (*sid, 1)).collect();
        for (key, entry) in &weights {
            let sid = member::sid_in(key, "weight.", entry)?;
            let weight = integer(&entry.value).and_then(|weight| u64::try_from(weight).ok());
            let weight = weight.filter(|weight| *weight <= WEIGHT_MAX);
            let allowed = || format!("a whole number from 0 to {WEIGHT_MAX}");
            let weight = weight.ok_or_else(|| wrong(key, entry, allowed()))?;
            let own = found.weights.get_mut(&sid);
            *own.ok_or_else(|| wrong(key, entry, "the weight of a participant"))? = weight;
        }
        let grouped = |sid: &&Sid| found.groups.values().flatten().any(|other| other == *sid);
        if let Some(sid) = voters.iter().find(|sid| !grouped(sid)) {
            return Err(ConfigError::Conflict(format!(
                "there are groups or weights, and server {} is in no group",
                sid.0
            )));
        }
        if found.makes_majorities(voters) {
            return Ok(Some(found));
        }
        let (key, Entry { value, line }) = first;
        Err(ConfigError::Refused {
            key,
            line,
            found: value,
            why: "majorities are the only quorums here, and by these groups and weights other \
                  sets of servers would be quorums"
                .to_owned(),
            more: String::new(),
        })
    }

    fn add_group(&mut self, key: &str, entry: &Entry, voters: &[Sid]) -> Result<(), ConfigError> {
        let number = key.strip_prefix("group.").and_then(integer);
        let number = number.ok_or_else(|| wrong(key, entry, "group.N with a number N"))?;
        let mut group = Vec::new();
        for sid in entry.value.split(':') {
            let sid = integer(sid.trim()).and_then(|sid| u8::try_from(sid).ok()).map(Sid);
            let sid = sid.filter(|sid| voters.contains(sid));
            let allowed = "ids of participants with colons between them, as in 1:2:3";
            let sid = sid.ok_or_else(|| wrong(key, entry, allowed))?;
            if self.groups.values().flatten().chain(&group).any(|other| *other == sid) {
                let allowed = format!("server {} in one group only", sid.0);
                return Err(wrong(key, entry, allowed));
            }
            group.push(sid);
        }
        // `group.1` and `group.01` are two keys of one group.
        if self.groups.insert(number, group).is_some() {
            return Err(wrong(key, entry, format!("one line for group {number}")));
        }
        Ok(())
    }

    /// Whether the quorums are the majorities, and no others.
    fn makes_majorities(&self, voters: &[Sid]) -> bool {
        let mut weights = self.weights.values();
        let first = weights.next().copied().unwrap_or(0);
        if self.groups.len() == 1 && first > 0 && weights.all(|weight| *weight == first) {
            return true;
        }
        voters.len() <= COMPARED_MAX
            && (0_u32..1 << voters.len()).all(|bits| {
                let has = |sid: &Sid| {
                    let at = voters.iter().position(|voter| voter == sid);
                    at.is_some_and(|at| bits & (1 << at) != 0)
                };
                self.is_quorum(has) == (bits.count_ones() as usize * 2 > voters.len())
            })
    }

    /// Whether a set of servers is a quorum: in more than half of the groups that weigh something
    /// it has more than half of the weight. (`QuorumHierarchical.containsQuorum`.)
    fn is_quorum(&self, has: impl Fn(&Sid) -> bool) -> bool {
        let weight = |sid: &Sid| self.weights.get(sid).copied().unwrap_or(0);
        let (mut groups, mut won) = (0, 0);
        for group in self.groups.values() {
            let all: u64 = group.iter().map(weight).sum();
            let those: u64 = group.iter().filter(|sid| has(sid)).map(weight).sum();
            groups += usize::from(all > 0);
            won += usize::from(those > all / 2);
        }
        won > groups / 2
    }
}

/// So that sums of them fit.
const WEIGHT_MAX: u64 = 1 << 32;

impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, group) in &self.groups {
            let group: Vec<_> = group.iter().map(|sid| sid.0.to_string()).collect();
            writeln!(f, "group.{number}={}", group.join(":"))?;
        }
        self.weights.iter().try_for_each(|(sid, weight)| writeln!(f, "weight.{}={weight}", sid.0))
    }
}
