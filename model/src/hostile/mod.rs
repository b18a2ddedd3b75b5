//! Family H: one real server whose peers may say anything.
//!
//! In the cluster models every peer runs the correct core, so what guards against messages that no
//! correct server sends is never needed there. Here there is one server, the deployed
//! [`host::Host`] with the deployed [`zab::Zab`] in it and its disk, and around it nothing but an
//! alphabet ([`event`]): in every state each of its words is tried, from each peer, over each of
//! its connections and over one that is gone. A word is what the host's decoder makes of a
//! [`packet`]. So are decisions of the election, connections that come early, or while another one
//! is a peer's link, or end, timers that run and timers that were stopped, the session layer, a
//! disk that lags and one that lies about its progress, and crashes.
//!
//! What is due is said independently of host and core: [`learner`] and [`leader`] restate
//! spec/protocol.md for one server, over a [`book`] of what an outsider can know, and
//! [`connections`] what the host promises of connections and of what waits for the disk. What the
//! host asks for ([`done`]) is compared with that at every step ([`audit`]): a guard that is weaker
//! takes what is not due, and one that is stronger refuses what is.
//!
//! [`election`] does the same with the deployed [`zab::Election`] in the same host, which has
//! neither links nor a disk then. What both have in common with everything that explores them is a
//! [`machine::Machine`].
//!
//! A state is one word, the server; the outputs of a step are judged on its edge and not kept.

mod audit;
mod book;
mod checkable;
mod connections;
mod disk;
mod done;
mod election;
mod event;
mod leader;
mod learner;
mod limits;
mod machine;
mod packet;
mod proper;
mod property;
mod server;
mod story;
mod syncs;
#[cfg(test)]
mod tests;

pub(crate) use checkable::models;
use machine::Machine;
use search::intern::Interner;
use search::{Judgement, Space, Successors};

/// A machine and its alphabet, under some limits: a [`Space`].
struct Hostile<M: Machine> {
    machine: M,
    servers: Interner<M::Server>,
}

impl<M: Machine> Hostile<M> {
    fn new(machine: M) -> Self {
        Self { machine, servers: Interner::new() }
    }
}

impl<M: Machine> Space for Hostile<M> {
    type Worker = ();

    fn worker(&self) {}

    fn words(&self) -> usize {
        1
    }

    fn initial(&self, (): &mut (), out: &mut Successors) {
        for taken in self.machine.beginnings() {
            out.push(0, taken.marks, taken.violated, &[self.servers.intern(taken.server)]);
        }
    }

    fn expand(&self, (): &mut (), state: &[u32], out: &mut Successors) {
        let server = self.servers.get(state[0]);
        for (label, event) in (0..).zip(self.machine.alphabet()) {
            if let Some(taken) = self.machine.step(server, event) {
                // Most of what strangers say changes nothing.
                let after = match taken.server == *server {
                    true => state[0],
                    false => self.servers.intern(taken.server),
                };
                out.push(label, taken.marks, taken.violated, &[after]);
            }
        }
    }

    fn judge(&self, (): &mut (), state: &[u32]) -> Judgement {
        self.machine.judge(self.servers.get(state[0]))
    }

    fn digest(&self, _: usize, word: u32) -> u128 {
        self.servers.digest(word)
    }

    fn bytes(&self) -> u64 {
        // What a server owns on the heap is estimated.
        self.servers.bytes() + 300 * self.servers.len() as u64
    }
}
