//! What clients do in a cluster: they attach to servers, ask, and hear.

use zab::Sid;

use super::Cluster;
use super::action::Act;
use super::client::Clients;
use super::machine::Machine;
use super::node::Event;
use super::payload::Over;
use super::session::Asking;
use super::steps::{Taken, both};
use super::tables::Cache;

impl<M: Machine> Cluster<M> {
    /// The clients of a state, if the cluster has some.
    pub fn clients(&self, state: &[u32]) -> Option<&Clients> {
        let at = self.clients_at()?;
        Some(self.tables.clients.get(state[at]))
    }

    /// Calls `f` with everything that clients may be able to do.
    pub(super) fn each_visit(
        &self,
        cache: &mut Cache,
        state: &[u32],
        f: &mut impl FnMut(&mut Cache, Act),
    ) {
        let Some(clients) = self.clients(state) else { return };
        for (i, server) in self.servers.iter().enumerate() {
            if self.node(state, i).layer.as_ref().is_some_and(|layer| layer.is_behind()) {
                f(cache, Act::Apply(server.me));
            }
        }
        for (client, number) in clients.each.iter().zip(0..) {
            if client.left == 0 {
                continue;
            }
            if clients.moves > 0 || client.connection == 0 {
                for server in &self.servers {
                    f(cache, Act::Attach(server.me, number));
                }
            }
            if let (Some(server), true) = (client.at, client.begun) {
                let watch = self.limits.clients.watches.then_some(Asking::Watch);
                for asking in [Asking::Write, Asking::Sync, Asking::Read].into_iter().chain(watch) {
                    f(cache, Act::Ask(server, number, asking));
                }
            }
        }
    }

    /// A client attaches to a server; its earlier connection ends.
    pub(super) fn attach(
        &self,
        cache: &mut Cache,
        words: &mut [u32],
        server: Sid,
        client: u8,
    ) -> Option<Taken> {
        let at = self.clients_at()?;
        let clients = self.tables.clients.get(words[at]);
        let last = self.node(words, self.index(server)).last_applied();
        let (after, marks) = clients.attach(client, server, last)?;
        let is_new = clients.over(client).connection == 0;
        let (over, before) = (after.over(client), clients.each[usize::from(client)].at);
        let left = before.map(|before| self.detach(cache, words, before, clients.over(client)));
        words[at] = self.tables.clients.intern(after);
        let event = self.tables.events.intern(Event::Attach { over, is_new });
        let taken = self.event(cache, words, self.index(server), event)?;
        Some(both(both(taken, (marks, 0)), left.unwrap_or_default()))
    }

    fn detach(&self, cache: &mut Cache, words: &mut [u32], server: Sid, over: Over) -> Taken {
        let event = self.tables.events.intern(Event::Detach(over));
        self.event(cache, words, self.index(server), event).unwrap_or_default()
    }

    /// A client asks its server.
    pub(super) fn ask(
        &self,
        cache: &mut Cache,
        words: &mut [u32],
        server: Sid,
        client: u8,
        asking: Asking,
    ) -> Option<Taken> {
        let at = self.clients_at()?;
        let clients = self.tables.clients.get(words[at]);
        if clients.each.get(usize::from(client))?.at != Some(server) {
            return None;
        }
        let (after, xid, number) = clients.ask(client, asking, &self.limits.clients)?;
        let over = after.over(client);
        words[at] = self.tables.clients.intern(after);
        let event = Event::Ask { over, xid, number, asking };
        self.event(cache, words, self.index(server), self.tables.events.intern(event))
    }

    /// Clients that have nothing left to ask, and were told everything, go away: what a server
    /// knows of their connections means nothing to anybody then.
    pub(super) fn let_clients_leave(&self, cache: &mut Cache, words: &mut [u32]) -> Taken {
        let mut taken = (0, 0);
        let Some(at) = self.clients_at() else { return taken };
        loop {
            let clients = self.tables.clients.get(words[at]);
            let Some(client) = clients.leaver() else { return taken };
            let server = clients.each[usize::from(client)].at;
            words[at] = self.tables.clients.intern(clients.leave(client));
            if let Some(server) = server {
                taken = both(taken, self.detach(cache, words, server, clients.over(client)));
            }
        }
    }
}
