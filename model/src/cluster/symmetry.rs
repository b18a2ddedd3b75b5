//! Server symmetry: with an oracle for the election nothing compares ids, so states that differ
//! only in the names of servers behave alike, and one of each orbit is enough. Sound only for
//! machines that can be renamed.

use std::sync::atomic::Ordering;

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
        let n = self.servers.len();
        let mut classes = [0u128; 16];
        for (server, class) in classes.iter_mut().enumerate().take(n) {
            let least = self.tables.class(cache, &self.renamings, words[server]);
            *class = self.tables.nodes.digest(least);
        }
        let mut chosen = None;
        let mut candidate = std::mem::take(&mut cache.candidate);
        for (index, renaming) in self.renamings.iter().enumerate() {
            if !orders(renaming, &classes[..n], usize::from(self.limits.servers)) {
                continue;
            }
            self.rename(cache, words, index, &mut candidate);
            if chosen.is_none() || self.is_before(&candidate, best) {
                std::mem::swap(best, &mut candidate);
                chosen = Some(index);
            }
        }
        cache.candidate = candidate;
        chosen.unwrap_or(0)
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
        let n = self.servers.len();
        let mut classes = [0u128; 16];
        for (server, class) in classes.iter_mut().enumerate().take(n) {
            let least = self.tables.class(cache, &self.renamings, words[server]);
            *class = self.tables.nodes.digest(least);
        }
        let mut candidate = std::mem::take(&mut cache.candidate);
        let mut fixed = 0;
        for (index, renaming) in self.renamings.iter().enumerate() {
            if orders(renaming, &classes[..n], usize::from(self.limits.servers)) {
                self.rename(cache, words, index, &mut candidate);
                fixed += u64::from(candidate == words);
            }
        }
        cache.candidate = candidate;
        self.renamings.len() as u64 / fixed.max(1)
    }

    /// Adds the size of a state's orbit to the count of states that a run without symmetry would
    /// find.
    pub(super) fn count_orbit(&self, cache: &mut Cache, words: &[u32]) {
        if self.symmetric {
            let orbit = self.orbit(cache, words);
            self.unreduced.fetch_add(orbit, Ordering::Relaxed);
        }
    }

    fn rename(&self, cache: &mut Cache, words: &[u32], index: usize, out: &mut Vec<u32>) {
        out.clear();
        out.extend_from_slice(words);
        if index == 0 {
            return;
        }
        let n = self.servers.len();
        let Renaming(to) = &self.renamings[index];
        for i in 0..n {
            out[to[i]] = self.tables.renamed_node(cache, &self.renamings, words[i], index);
            for j in (0..n).filter(|&j| j != i) {
                let conn = words[self.conn_at(i, j)];
                out[self.conn_at(to[i], to[j])] =
                    self.tables.renamed_conn(cache, &self.renamings, conn, index);
            }
        }
        let at = self.ghost_at();
        out[at] = self.tables.renamed_ghost(cache, &self.renamings, words[at], index);
    }
}

/// True if the renaming puts the classes of voters, and those of the others, into ascending order.
fn orders(Renaming(to): &Renaming, classes: &[u128], voters: usize) -> bool {
    to.iter().enumerate().all(|(i, &at)| {
        to[..i].iter().enumerate().all(|(j, &other)| {
            (i < voters) != (j < voters)
                || (classes[i] < classes[j]) <= (at < other)
                    && (classes[j] < classes[i]) <= (other < at)
        })
    })
}
