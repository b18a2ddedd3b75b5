//! Server symmetry: with an oracle for the election nothing compares ids, so states that differ
//! only in the names of servers behave alike, and one of each orbit is enough. Sound only for
//! machines that can be renamed.

use std::cmp::Ordering;
use std::sync::atomic;

use zab::Sid;

use super::Cluster;
use super::machine::Machine;
use super::tables::Cache;
use search::Space;

/// A renaming of servers that keeps voters voters: the server with index `i` becomes the one with
/// index `self.0[i]`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Renaming(pub Vec<usize>);

impl Renaming {
    /// Nobody is renamed.
    pub fn identity(servers: usize) -> Self {
        Self((0..servers).collect())
    }

    /// The new name.
    pub fn name(&self, sid: Sid) -> Sid {
        Sid(self.0[usize::from(sid.0) - 1] as u8 + 1)
    }

    /// The renaming that undoes this one.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let mut inverse = vec![0; self.0.len()];
        for (from, &to) in self.0.iter().enumerate() {
            inverse[to] = from;
        }
        Self(inverse)
    }

    /// First this one, then the other.
    #[must_use]
    pub fn then(&self, other: &Self) -> Self {
        Self(self.0.iter().map(|&at| other.0[at]).collect())
    }
}

/// Every renaming of voters among voters and of the others among themselves, identity first.
pub fn renamings(voters: usize, servers: usize) -> Vec<Renaming> {
    let mut all = permutations(&(0..servers).collect::<Vec<_>>());
    all.retain(|renaming| renaming.iter().take(voters).all(|&to| to < voters));
    all.sort();
    all.into_iter().map(Renaming).collect()
}

fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, &first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(at);
        all.extend(permutations(&rest).into_iter().map(|mut tail| {
            tail.insert(0, first);
            tail
        }));
    }
    all
}

impl<M: Machine> Cluster<M> {
    /// Replaces the state in the cache's scratch by the representative of its orbit.
    pub(super) fn canonicalize(&self, cache: &mut Cache) {
        let words = std::mem::take(&mut cache.scratch);
        let mut best = std::mem::take(&mut cache.best);
        self.representative(cache, &words, &mut best);
        cache.best = words;
        cache.scratch = best;
    }

    /// The representative of a state's orbit, and the index of a renaming that leads to it.
    pub(super) fn representative(
        &self,
        cache: &mut Cache,
        words: &[u32],
        best: &mut Vec<u32>,
    ) -> usize {
        let mut chosen = None;
        let mut candidate = std::mem::take(&mut cache.candidate);
        for index in self.sorting(words) {
            self.rename(words, index, &mut candidate);
            if chosen.is_none() || self.is_before(&candidate, best) {
                std::mem::swap(best, &mut candidate);
                chosen = Some(index);
            }
        }
        cache.candidate = candidate;
        chosen.unwrap_or(0)
    }

    /// The indices of the renamings that put the classes of voters, and those of the others, into
    /// ascending order. One, if no two servers of a kind are of one class.
    fn sorting(&self, words: &[u32]) -> impl Iterator<Item = usize> {
        let mut classes = [0; SERVERS_MAX];
        let n = self.servers.len();
        for (class, &node) in classes.iter_mut().zip(&words[..n]) {
            *class = self.tables.class(&self.renamings, node);
        }
        let before = Precedence::of(&classes[..n], usize::from(self.limits.servers));
        let orders = self.orders.iter().enumerate();
        orders.filter(move |(_, order)| before.is_kept_by(**order)).map(|(index, _)| index)
    }

    /// Whether the first of two states comes before the other: by content, so that every process
    /// takes the same representative.
    fn is_before(&self, a: &[u32], b: &[u32]) -> bool {
        let mut differing = a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b);
        let first = differing.next();
        first.is_some_and(|(at, (&a, &b))| self.digest(at, a) < self.digest(at, b))
    }

    /// The size of a representative's orbit.
    fn orbit(&self, cache: &mut Cache, words: &[u32]) -> u64 {
        let mut candidate = std::mem::take(&mut cache.candidate);
        // Nobody's being renamed fixes every state.
        let others = self.sorting(words).filter(|&index| index != 0);
        let fixed = 1 + others
            .filter(|&index| {
                self.rename(words, index, &mut candidate);
                candidate == words
            })
            .count();
        cache.candidate = candidate;
        (self.renamings.len() / fixed) as u64
    }

    /// Adds the size of a state's orbit to the count of states that a run without symmetry would
    /// find.
    pub(super) fn count_orbit(&self, cache: &mut Cache, words: &[u32]) {
        if self.symmetric {
            let orbit = self.orbit(cache, words);
            self.unreduced.fetch_add(orbit, atomic::Ordering::Relaxed);
        }
    }

    fn rename(&self, words: &[u32], index: usize, out: &mut Vec<u32>) {
        out.clear();
        out.extend_from_slice(words);
        if index == 0 {
            return;
        }
        let n = self.servers.len();
        let Renaming(to) = &self.renamings[index];
        for i in 0..n {
            out[to[i]] = self.tables.renamed_node(&self.renamings, words[i], index);
            for j in (0..n).filter(|&j| j != i) {
                let conn = words[self.conn_at(i, j)];
                out[self.conn_at(to[i], to[j])] =
                    self.tables.renamed_conn(&self.renamings, conn, index);
            }
        }
        let at = self.ghost_at();
        out[at] = self.tables.renamed_ghost(&self.renamings, words[at], index);
        if let Some(at) = self.clients_at() {
            out[at] = self.tables.renamed_client(&self.renamings, words[at], index);
        }
    }
}

/// Most servers that a cluster has: pairs of them are bits.
const SERVERS_MAX: usize = 16;

/// The pairs of servers of one kind, voters or not, by their indices, each with a bit.
fn pairs(servers: usize, voters: usize) -> impl Iterator<Item = (u128, usize, usize)> {
    let all = (0..servers).flat_map(|b| (0..b).map(move |a| (a, b)));
    let of_a_kind = all.filter(move |&(a, b)| (a < voters) == (b < voters));
    of_a_kind.enumerate().map(|(at, (a, b))| (1 << at, a, b))
}

/// Of each renaming, the pairs whose order it turns round.
pub(super) fn orders(renamings: &[Renaming], servers: usize, voters: usize) -> Vec<u128> {
    assert!(servers <= SERVERS_MAX, "a cluster has at most {SERVERS_MAX} servers");
    let turned = |Renaming(to): &Renaming| {
        let turned = pairs(servers, voters).filter(|&(_, a, b)| to[b] < to[a]);
        turned.fold(0, |bits, (bit, ..)| bits | bit)
    };
    renamings.iter().map(turned).collect()
}

/// Which of the two servers of a pair has to come first, as their classes are.
struct Precedence {
    first: u128,
    second: u128,
}

impl Precedence {
    fn of(classes: &[u128], voters: usize) -> Self {
        let (mut first, mut second) = (0, 0);
        for (bit, a, b) in pairs(classes.len(), voters) {
            match classes[a].cmp(&classes[b]) {
                Ordering::Less => first |= bit,
                Ordering::Equal => {}
                Ordering::Greater => second |= bit,
            }
        }
        Self { first, second }
    }

    /// Whether the renaming that turns these pairs round puts classes into ascending order.
    fn is_kept_by(&self, turned: u128) -> bool {
        self.first & turned == 0 && self.second & !turned == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_renamings_that_sort_the_classes_of_each_kind_are_found() {
        // Three voters and two others; voters 0 and 2 are of one class.
        let classes = [7, 3, 7, 2, 1];
        let all = renamings(3, 5);
        let turned = orders(&all, 5, 3);
        let before = Precedence::of(&classes, 3);
        let sorting: Vec<_> = all
            .iter()
            .zip(&turned)
            .filter(|(_, turned)| before.is_kept_by(**turned))
            .map(|(renaming, _)| renaming.0.clone())
            .collect();
        assert_eq!(sorting, [[1, 0, 2, 4, 3], [2, 0, 1, 4, 3]]);
        for Renaming(to) in &all {
            let mut sorted = [0; 5];
            to.iter().zip(classes).for_each(|(&at, class)| sorted[at] = class);
            assert_eq!(sorted == [3, 7, 7, 1, 2], sorting.contains(to), "{to:?}");
        }
    }

    #[test]
    fn equal_classes_are_sorted_by_every_renaming() {
        let all = renamings(3, 3);
        let before = Precedence::of(&[5; 3], 3);
        assert!(orders(&all, 3, 3).into_iter().all(|turned| before.is_kept_by(turned)));
    }
}
