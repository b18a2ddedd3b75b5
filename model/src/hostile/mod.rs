//! Family H: one real server whose peers may say anything.
//!
//! In the cluster models every peer runs the correct core, so what guards against messages that no correct server sends is
//! never needed there. Here there is one server, the deployed [`zab::Zab`] with its disk, and around it nothing but an alphabet
//! ([`event`]): in every state each of its words is tried, from each peer, with a link or without. So are decisions of
//! the election, links, timers that run and timers that were stopped, the session layer, a disk that lags and
//! one that lies about its progress, and crashes.
//!
//! What is due is said independently of the core: [`learner`] and [`leader`] restate spec/protocol.md for one server, over a
//! [`book`] of what an outsider can know. Every step is compared with that: a guard of the core that is weaker takes
//! what is not due, and one that is stronger refuses what is.
//!
//! A state is one word, the server; the outputs of a step are judged on its edge and not kept.

mod book;
mod checkable;
mod event;
mod leader;
mod learner;
mod limits;
mod property;
mod server;
mod story;
mod syncs;
#[cfg(test)]
mod tests;

use zab::Config;

use crate::search::intern::Interner;
use crate::search::{Judgement, Space, Successors};
pub(crate) use checkable::models;
use event::{Event, alphabet};
use limits::Limits;
use server::{Server, Taken};

/// A server and its alphabet, under some limits: a [`Space`].
pub(crate) struct Hostile {
    limits: Limits,
    config: Config,
    alphabet: Vec<Event>,
    servers: Interner<Server>,
}

impl Hostile {
    fn new(limits: Limits) -> Self {
        let (config, alphabet) = (limits.config(), alphabet(&limits));
        Self { limits, config, alphabet, servers: Interner::new() }
    }

    /// The beginnings: one for each disk.
    fn beginnings(&self) -> Vec<Taken> {
        let images = self.limits.images().into_iter();
        images.map(|image| Server::start(&self.limits, self.config, image)).collect()
    }

    fn step(&self, server: &Server, event: &Event) -> Option<Taken> {
        server.on(&self.limits, &self.config, event)
    }
}

impl Space for Hostile {
    type Worker = ();

    fn worker(&self) {}

    fn words(&self) -> usize {
        1
    }

    fn initial(&self, (): &mut (), out: &mut Successors) {
        for taken in self.beginnings() {
            out.push(0, taken.marks, taken.violated, &[self.servers.intern(taken.server)]);
        }
    }

    fn expand(&self, (): &mut (), state: &[u32], out: &mut Successors) {
        let server = self.servers.get(state[0]);
        for (label, event) in (0..).zip(&self.alphabet) {
            if let Some(taken) = self.step(server, event) {
                let words = [self.servers.intern(taken.server)];
                out.push(label, taken.marks, taken.violated, &words);
            }
        }
    }

    fn judge(&self, (): &mut (), state: &[u32]) -> Judgement {
        self.servers.get(state[0]).judge(self.config)
    }

    fn bytes(&self) -> u64 {
        // What a server owns on the heap is estimated.
        self.servers.bytes() + 300 * self.servers.len() as u64
    }
}
