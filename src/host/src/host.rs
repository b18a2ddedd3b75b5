//! The host.

use std::collections::BTreeMap;

use bytes::Bytes;
use zab::{
    Epoch, Input, LinkCmd, Message, Note, Notification, Outputs, Role, Send, ServerState, Sid,
    TimerCmd, Txn, WriteNo, Zxid,
};

use crate::claims::{Claims, Heard};
use crate::connection::Connection;
use crate::election::{Said, encode_notification};
use crate::io::{Effect, Event, Link, Remark, Shell, Timer};
use crate::machine::{Core, Elected, Electing};
use crate::packets::Payload;
use claiming::turn_away;

/// A server's core, and everything that is between its messages and bytes, its records and a disk,
/// its timers and a clock.
///
/// ```
/// use host::{Effect, Event, Host, Silent, Timer};
/// use zab::{Config, DiskImage, Peer, Quorum, Sid, WriteNo};
///
/// let config = Config::new(Sid(1), Quorum::majority([Sid(1)].into_iter().collect()));
/// let mut host = Host::new(Peer::<bytes::Bytes>::new(config), "".into());
/// let mut effects: Vec<Effect<_, ()>> = Vec::new();
/// host.handle(Event::Start(DiskImage::empty()), &mut Silent, &mut effects);
/// let alone = Event::Timer(Timer::Core(zab::Timer::Finalize));
/// host.handle(alone, &mut Silent, &mut effects);
/// for write in 1..=2 {
///     // The promise, then the epoch.
///     host.handle(Event::Durable(WriteNo(write)), &mut Silent, &mut effects);
/// }
/// host.handle(Event::Propose("hello".into()), &mut Silent, &mut effects);
/// let is_delivery = |effect: &Effect<_, _>| matches!(effect, Effect::Deliver(_));
/// assert!(!effects.iter().any(is_delivery)); // not before it is on disk
/// host.handle(Event::Durable(WriteNo(3)), &mut Silent, &mut effects);
/// assert!(effects.iter().any(is_delivery));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Host<C: Core> {
    core: C,
    /// The configuration, sent with NEWLEADER and with every election message.
    config_text: Bytes,
    /// The connections that are the core's links.
    links: BTreeMap<Sid, Connection<C::Payload>>,
    /// Connections that wait to become the link of a learner.
    claims: Claims<C::Payload>,
    said: Said,
    /// The last record that was issued.
    issued: WriteNo,
    /// The last record that is known to be durable.
    durable: WriteNo,
    /// Empty between two steps: memory that is used again.
    out: Outputs<C::Payload>,
}

/// Where the effects of an event go.
struct To<'a, P, S, H> {
    shell: &'a mut H,
    effects: &'a mut Vec<Effect<P, S>>,
}

impl<P, S, H> To<'_, P, S, H> {
    fn ask(&mut self, effect: Effect<P, S>) {
        self.effects.push(effect);
    }

    fn remark(&mut self, remark: Remark) {
        self.ask(Effect::Remark(remark));
    }
}

impl<C: Elected> Host<C> {
    /// Somebody decides instead of an election.
    pub fn elected<S>(
        &mut self,
        decision: zab::Decision,
        shell: &mut impl Shell<C::Payload>,
        effects: &mut Vec<Effect<C::Payload, S>>,
    ) {
        let mut to = To { shell, effects };
        let mut out = std::mem::take(&mut self.out);
        self.core.elected(decision, &mut out);
        self.carry_out(&mut out, None, &mut to);
        self.out = out;
        self.look_at_claims(&mut to);
    }
}

impl<C: Electing> Host<C> {
    /// The server looks for a leader.
    pub fn look<S>(
        &mut self,
        (current, last): (Epoch, Zxid),
        shell: &mut impl Shell<C::Payload>,
        effects: &mut Vec<Effect<C::Payload, S>>,
    ) {
        let mut to = To { shell, effects };
        let mut out = std::mem::take(&mut self.out);
        self.core.look(current, last, &mut out);
        self.carry_out(&mut out, None, &mut to);
        self.out = out;
    }

    /// The leader of this epoch is established.
    pub fn established(&mut self, epoch: Epoch) {
        self.core.established(epoch);
    }
}

impl<C: Core> Host<C> {
    /// A host of a core that waits for [`Event::Start`]. `config_text`: the configuration, as peers
    /// are told it.
    pub fn new(core: C, config_text: Bytes) -> Self {
        Self {
            core,
            config_text,
            links: BTreeMap::new(),
            claims: Claims::default(),
            said: Said::default(),
            issued: WriteNo(0),
            durable: WriteNo(0),
            out: Outputs::new(),
        }
    }

    /// Takes an event, and appends what has to be done. What it says to peers leaves with the next
    /// [`Self::flush`].
    ///
    /// Never panics on anything that a peer may send.
    pub fn handle<S>(
        &mut self,
        event: Event<C::Payload, S>,
        shell: &mut impl Shell<C::Payload>,
        effects: &mut Vec<Effect<C::Payload, S>>,
    ) {
        let to = &mut To { shell, effects };
        match event {
            Event::Start(image) => self.step(Input::Start(image), None, to),
            Event::Opened { link, dialled } => self.opened(link, dialled, to),
            Event::Closed(link) => self.closed(link, to),
            Event::Unreachable(leader) => {
                self.step(Input::Link { peer: leader, up: false }, None, to);
            }
            Event::Received { link, messages } => self.received(link, messages, to),
            Event::State { link, zxid, state } if self.is_link(link) => {
                let message = Message::Snap { zxid };
                self.step(Input::Recv { peer: link.peer, message }, Some(state), to);
            }
            Event::State { .. } => {}
            Event::Notified { from, notification } => {
                self.step(Input::Notify { from, notification }, None, to);
            }
            Event::ElectionOpened(peer) => {
                if let Some(notification) = self.said.latest_to(peer) {
                    let bytes = self.election_bytes(&notification);
                    to.ask(Effect::Greet { bytes });
                }
            }
            Event::Durable(upto) => self.durable(upto, to),
            Event::Timer(Timer::Core(timer)) => self.step(Input::Timer(timer), None, to),
            Event::Timer(Timer::Answer(peer)) => self.unanswered(peer, to),
            Event::Timer(Timer::Claim(link)) => {
                if self.claims.leave(link) {
                    to.ask(Effect::Close(link));
                }
            }
            Event::Propose(payload) => self.step(Input::Propose(payload), None, to),
            Event::Sync { body } => {
                let origin = self.core.me();
                self.step(Input::Sync { origin, body }, None, to);
            }
            Event::SyncFor(link) if self.is_link(link) => {
                let Some(body) = C::Payload::from_bytes(Bytes::new()) else { return };
                self.step(Input::Sync { origin: link.peer, body }, None, to);
            }
            Event::SyncFor(_) => {}
            Event::Session { peer, message } => {
                self.step(Input::Session { peer, message }, None, to);
            }
            Event::Resign => self.step(Input::Resign, None, to),
        }
        self.look_at_claims(to);
    }

    /// Lets leave what was said since the last time: everything over one connection at once, and to
    /// each peer the latest election message.
    pub fn flush<S>(&mut self, effects: &mut Vec<Effect<C::Payload, S>>) {
        while let Some((to, notification)) = self.said.take() {
            let bytes = self.election_bytes(&notification);
            let looks = notification.state == ServerState::Looking;
            effects.push(Effect::Notify { to, bytes, looks });
        }
        for (&peer, connection) in &mut self.links {
            if let Some(bytes) = connection.take() {
                let link = Link { peer, generation: connection.generation };
                effects.push(Effect::Frames { link, bytes });
            }
        }
    }

    fn election_bytes(&self, notification: &Notification) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_notification(notification, &self.config_text, &mut bytes);
        bytes
    }

    fn is_leading(&self) -> bool {
        match self.core.role() {
            Role::Leading => true,
            Role::Down | Role::Looking | Role::Following(_) | Role::Observing(_) => false,
        }
    }

    // ---- steps of the core

    fn step<S, H: Shell<C::Payload>>(
        &mut self,
        input: Input<C::Payload>,
        state: Option<S>,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        let mut out = std::mem::take(&mut self.out);
        to.shell.begins(&input);
        self.core.step(input, &mut out);
        to.shell.ended(&out);
        self.carry_out(&mut out, state, to);
        self.out = out;
    }

    /// Turns the outputs of a step into effects, in the one order in which they may be carried out.
    fn carry_out<S, H: Shell<C::Payload>>(
        &mut self,
        out: &mut Outputs<C::Payload>,
        state: Option<S>,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        for fact in out.facts.drain(..) {
            to.shell.fact(fact);
        }
        if let Some(halt) = out.halt.take() {
            to.ask(Effect::Halt(halt));
        }
        // A SNAP without a state never gets as far as to the core.
        if let (Some(zxid), Some(state)) = (out.install.take(), state) {
            to.ask(Effect::Install { zxid, state });
        }
        for (no, record) in out.writes.drain(..) {
            self.issued = no;
            to.ask(Effect::Write(no, record));
        }
        let mut deliver = out.deliver.drain(..).peekable();
        for send in out.sends.drain(..) {
            if let Message::Snap { zxid } = send.message {
                while let Some(txn) = deliver.next_if(|txn: &Txn<_>| txn.zxid <= zxid) {
                    to.ask(Effect::Deliver(txn));
                }
            }
            self.send(send, to);
        }
        to.effects.extend(deliver.map(Effect::Deliver));
        for command in out.links.drain(..) {
            match command {
                LinkCmd::Connect(leader) => to.ask(Effect::Dial(leader)),
                LinkCmd::Close(peer) => {
                    to.ask(Effect::StopDialling(peer));
                    self.retire(peer, to);
                }
            }
        }
        for command in out.timers.drain(..) {
            to.ask(match command {
                TimerCmd::Arm(timer) => Effect::Arm(Timer::Core(timer)),
                TimerCmd::Disarm(timer) => Effect::Disarm(Timer::Core(timer)),
            });
        }
        for (peer, notification) in out.notifications.drain(..) {
            self.said.say(peer, notification);
        }
        for note in out.notes.drain(..) {
            if let Note::Role(role, _) = note {
                self.turn_away_for(role, to);
            }
            to.ask(Effect::Note(note));
        }
        for (peer, message) in out.session.drain(..) {
            // What came over a link that this step has closed concerns nobody.
            if let Some(link) = self.link_to(peer) {
                to.ask(Effect::Session(link, message));
            }
        }
        for body in out.synced.drain(..) {
            to.ask(Effect::Synced(body));
        }
        out.clear();
    }

    fn send<S, H: Shell<C::Payload>>(
        &mut self,
        send: Send<C::Payload>,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        let Send { to: peer, mut message, after } = send;
        if let Message::Ping { body: body @ None } = &mut message
            && !self.is_leading()
        {
            *body = to.shell.report();
        }
        if let Message::Diff { committed } = message {
            to.remark(Remark::SendsDiff(peer, committed));
        } else if let Message::Trunc { to: last, .. } = message {
            to.remark(Remark::SendsTrunc(peer, last));
        } else if let Message::Snap { zxid } = message {
            to.remark(Remark::SendsSnap(peer, zxid));
        }
        let durable = self.durable;
        if let Some(connection) = self.links.get_mut(&peer) {
            if connection.was_told(&message) {
                if connection.has_said(&message) {
                    to.ask(Effect::Arm(Timer::Answer(peer)));
                }
            } else if let Some(message) = connection.pass(message, after, durable) {
                say(peer, connection, &message, to);
            }
        }
    }

    fn durable<S, H: Shell<C::Payload>>(
        &mut self,
        upto: WriteNo,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        // A record that was never issued is on no disk, nor is one that will have its number: the
        // core says so by name, and nothing leaves.
        if upto <= self.issued {
            self.durable = self.durable.max(upto);
            for (&peer, connection) in &mut self.links {
                while let Some(message) = connection.released(upto) {
                    say(peer, connection, &message, to);
                }
            }
        }
        self.step(Input::Durable { upto }, None, to);
    }

    // ---- connections

    /// Who dialled this server waits: for this server to lead (a learner may know that it was
    /// elected before it does), and for the link that the same learner has, if it has one, to end.
    fn opened<S, H: Shell<C::Payload>>(
        &mut self,
        link: Link,
        dialled: bool,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        if !dialled {
            self.wait(link, to);
        } else if self.is_leading() {
            // An attempt to reach a leader may succeed when this server leads itself; the peer's
            // own link stays then.
            to.ask(Effect::Close(link));
        } else {
            self.retire(link.peer, to);
            self.admit(link, None, to);
        }
    }

    /// A connection becomes the core's link. `told`: the epoch that its learner knows already.
    fn admit<S, H: Shell<C::Payload>>(
        &mut self,
        link: Link,
        told: Option<Epoch>,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        let Link { peer, generation } = link;
        let connection = Connection::new(generation, self.core.me(), self.config_text.clone());
        self.links.insert(peer, connection.told(told));
        self.step(Input::Link { peer, up: true }, None, to);
        let is_of_use = match self.core.role() {
            Role::Leading => true,
            Role::Following(leader) | Role::Observing(leader) => leader == peer,
            Role::Down | Role::Looking => false,
        };
        if !is_of_use {
            self.retire(peer, to);
        }
    }

    fn closed<S, H: Shell<C::Payload>>(&mut self, link: Link, to: &mut To<'_, C::Payload, S, H>) {
        if self.claims.leave(link) {
            to.ask(Effect::Disarm(Timer::Claim(link)));
        } else if self.is_link(link) {
            self.broke(link.peer, to);
        }
    }

    fn broke<S, H: Shell<C::Payload>>(&mut self, peer: Sid, to: &mut To<'_, C::Payload, S, H>) {
        self.retire(peer, to);
        self.step(Input::Link { peer, up: false }, None, to);
    }

    /// The link is of no use any more: what was said over it leaves, and then it is closed. What
    /// waits for the disk never leaves.
    fn retire<S, H>(&mut self, peer: Sid, to: &mut To<'_, C::Payload, S, H>) {
        if let Some(mut connection) = self.links.remove(&peer) {
            let link = Link { peer, generation: connection.generation };
            if let Some(bytes) = connection.take() {
                to.ask(Effect::Frames { link, bytes });
            }
            if connection.answered() {
                to.ask(Effect::Disarm(Timer::Answer(peer)));
            }
            to.ask(Effect::Close(link));
        }
    }

    /// A link has left a question unanswered for a tick. If somebody else waits under its id it
    /// ends. Nobody else's link is judged so early: `syncLimit` is the limit for silence.
    fn unanswered<S, H: Shell<C::Payload>>(
        &mut self,
        peer: Sid,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        if let Some(connection) = self.links.get_mut(&peer).filter(|it| it.is_asked()) {
            connection.overdue = true;
            if self.claims.waits(peer) {
                self.replace(peer, to);
            }
        }
    }

    fn replace<S, H: Shell<C::Payload>>(&mut self, peer: Sid, to: &mut To<'_, C::Payload, S, H>) {
        if self.is_leading() {
            to.remark(Remark::Replaced(peer));
            self.broke(peer, to);
        }
    }

    // ---- messages

    fn received<S, H: Shell<C::Payload>>(
        &mut self,
        link: Link,
        mut messages: Vec<Message<C::Payload>>,
        to: &mut To<'_, C::Payload, S, H>,
    ) {
        match self.claims.heard(link, &mut messages) {
            Ok(Heard::Elsewhere) => {}
            Ok(Heard::Waits) => return,
            Ok(Heard::Answered(claim)) => return self.proved(claim, to),
            Err(turned) => {
                to.ask(Effect::Disarm(Timer::Claim(link)));
                return turn_away(link, turned, to);
            }
        }
        let peer = link.peer;
        let Some(connection) =
            self.links.get_mut(&peer).filter(|it| it.generation == link.generation)
        else {
            return;
        };
        let has_answered = connection.answered();
        if has_answered {
            to.ask(Effect::Disarm(Timer::Answer(peer)));
        }
        let mut messages = messages.into_iter().peekable();
        while let Some(message) = messages.next() {
            if !self.is_link(link) {
                return;
            }
            if messages.peek().is_some_and(|next| next.includes(&message)) {
                continue;
            }
            if let Message::Ping { body: Some(sessions) } = &message {
                to.ask(Effect::Reported(peer, sessions.clone()));
            } else if let Message::Snap { .. } = message
                && !self.is_leading()
            {
                to.remark(Remark::NoState(peer));
                return self.broke(peer, to);
            }
            self.step(Input::Recv { peer, message }, None, to);
        }
        // An answer that the core has taken. One that it refuses says nothing about who is who.
        if has_answered && self.is_leading() && self.is_link(link) {
            let refuted = self.claims.refute(peer);
            if !refuted.is_empty() {
                to.remark(Remark::Refuted(peer, refuted.len()));
            }
            for link in refuted {
                to.ask(Effect::Disarm(Timer::Claim(link)));
                to.ask(Effect::Close(link));
            }
        }
    }
}

/// Says a message over a connection; the state that belongs to a SNAP behind it.
fn say<P: Payload, S, H>(
    peer: Sid,
    connection: &mut Connection<P>,
    message: &Message<P>,
    to: &mut To<'_, P, S, H>,
) {
    if connection.say(message) {
        to.ask(Effect::Arm(Timer::Answer(peer)));
    }
    if let Message::Snap { zxid } = *message {
        let link = Link { peer, generation: connection.generation };
        if let Some(bytes) = connection.take() {
            to.ask(Effect::Frames { link, bytes });
        }
        to.ask(Effect::SendState { link, zxid });
    }
}

mod claiming;
mod look;
#[cfg(test)]
mod tests;
