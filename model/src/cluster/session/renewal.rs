//! Sessions that come back, perhaps to another server.

use host::Event;
use zab::{SessionMessage, Sid, Zxid};

use super::super::machine::Machine;
use super::super::node::{Effects, Node};
use super::super::payload::{Origin, Over, SessionWord};
use super::{Asker, Connected, Due, Owner, Renewal, Said, Service};

impl<M: Machine> Node<M> {
    /// The leader's answer to the oldest question.
    pub(super) fn revalidated(&mut self, client: u8) {
        if let Service::Learner { questions, .. } = &mut self.layer().service
            && let Some(over) = questions.pop_front_if(|asked| asked.client == client)
        {
            self.once_applied(Due::Renewed(over));
        }
    }

    /// The leader grants a renewal.
    pub(super) fn renew(&mut self, me: Sid, client: u8, asker: Asker, effects: &mut Effects) {
        let last = self.core().last().unwrap_or(Zxid::ZERO);
        let Service::Leader { owners, renewals } = &mut self.layer().service else { return };
        let before = owners.insert(client, asker.owner());
        renewals.grant(last, Renewal { client, asker });
        if let Some(before) = before.filter(|&before| before != asker.owner()) {
            self.tell_moved(me, before, client, effects);
        }
    }

    pub(super) fn confirm_renewals(&mut self, me: Sid, effects: &mut Effects) {
        let committed = self.core().zab().delivered();
        while let Some(layer) = &mut self.layer
            && let Service::Leader { owners, renewals } = &mut layer.service
            && let Some(Renewal { client, asker }) = renewals.next_confirmed(committed.as_ref())
        {
            let has_moved = owners.get(&client) != Some(&asker.owner());
            match asker {
                Asker::Client(connection) => {
                    self.once_applied(Due::Renewed(Over { client, connection }));
                }
                Asker::Learner(link) if self.host.is_link(link) => {
                    self.tell(me, link.peer, client, SessionWord::Granted, effects);
                }
                Asker::Learner(_) => {}
            }
            if has_moved {
                self.tell_moved(me, asker.owner(), client, effects);
            }
        }
    }

    /// The server that had the session before closes its connection.
    pub(super) fn tell_moved(&mut self, me: Sid, before: Owner, client: u8, effects: &mut Effects) {
        match before {
            Owner::Learner(peer) => self.tell(me, peer, client, SessionWord::Moved, effects),
            Owner::Leader => self.drop_connection(client, effects),
        }
    }

    pub(super) fn tell(
        &mut self,
        me: Sid,
        peer: Sid,
        client: u8,
        word: SessionWord,
        effects: &mut Effects,
    ) {
        let message = SessionMessage::Revalidate(Origin::of_renewal(client, word));
        self.happens(me, Event::Session { peer, message }, effects);
    }

    /// The session goes on over this connection, unless its client is gone, or came again.
    pub(super) fn renewed(&mut self, over: Over, effects: &mut Effects) {
        let Over { client, connection } = over;
        if self.layer().renewing.get(&client) == Some(&connection) {
            self.layer().renewing.remove(&client);
            self.drop_connection(client, effects);
            self.begins(over, effects);
        }
    }

    pub(super) fn begins(&mut self, over: Over, effects: &mut Effects) {
        let connected = Connected { number: over.connection, ..Connected::default() };
        self.layer().local.insert(over.client, connected);
        effects.told.push((over, Said::Begins));
    }

    /// Ends the connection that this session has here, if it has one.
    pub(super) fn drop_connection(&mut self, client: u8, effects: &mut Effects) {
        if let Some(connected) = self.layer().local.remove(&client) {
            let over = Over { client, connection: connected.number };
            effects.told.push((over, Said::Ends));
        }
    }
}
