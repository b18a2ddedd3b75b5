//! What a host asks for at an event, carried out in its order.

use host::{Effect, Host, Shell, Timer};
use zab::{
    Decision, Halt, Input, LinkCmd, Message, Note, Outputs, Record, SessionMessage, Sid, Txn,
    WriteNo, Zab, Zxid,
};

use super::event::{Conn, Event};
use super::packet::decode;
use crate::cluster::quiet::caught;

/// Everything that a host asks for at an event, sorted.
#[derive(Default, Debug)]
pub(super) struct Done {
    /// What the core's steps were, one after the other.
    pub(super) steps: Vec<CoreStep>,
    /// Records.
    pub(super) writes: Vec<(WriteNo, Record<u8>)>,
    /// A state that replaces that of the state machine, and its label.
    pub(super) install: Option<Zxid>,
    /// Transactions for the state machine.
    pub(super) deliver: Vec<Txn<u8>>,
    /// Packets, as their receivers read them.
    pub(super) leaves: Vec<(Conn, Message<u8>)>,
    /// States that leave.
    pub(super) states: Vec<(Conn, Zxid)>,
    /// Connections that are closed.
    pub(super) closes: Vec<Conn>,
    /// Whom to dial, and whom no longer.
    pub(super) links: Vec<LinkCmd>,
    /// Timers that begin (true) or end.
    pub(super) timers: Vec<(Timer, bool)>,
    /// Messages for the session layer.
    pub(super) session: Vec<(Conn, SessionMessage<u8>)>,
    /// Sessions that learners report.
    pub(super) reported: Vec<(Sid, u8)>,
    /// Syncs that are confirmed.
    pub(super) synced: Vec<u8>,
    /// The server stops.
    pub(super) halt: Option<Halt>,
    /// What the core did.
    pub(super) notes: Vec<Note>,
    /// Everything in its order, where that means something.
    pub(super) order: Vec<Ordered>,
    /// What is no packet, or is none of Zab proper's business.
    pub(super) strange: Vec<String>,
}

/// What means something only at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ordered {
    /// The state machine holds this much.
    Holds(Zxid),
    /// A record of a snapshot with this label.
    Snapshot(Zxid),
    /// A state leaves that is said to hold this much.
    State(Conn, Zxid),
    /// Packets leave.
    Frames(Conn),
    /// A connection is closed.
    Close(Conn),
}

/// One step of the core.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CoreStep {
    /// Who is refused.
    pub(super) refused: Vec<Sid>,
    /// Everything is ignored.
    pub(super) passed: bool,
    /// It writes, delivers and says nothing, and closes the links of those that are refused.
    pub(super) harmless: bool,
}

impl CoreStep {
    fn of(out: &Outputs<u8>) -> Self {
        let refused: Vec<Sid> = out.notes.iter().filter_map(refused).collect();
        let silent = out.writes.is_empty()
            && out.sends.is_empty()
            && out.deliver.is_empty()
            && out.install.is_none()
            && out.session.is_empty()
            && out.synced.is_empty();
        let closed = refused.iter().all(|peer| out.links.contains(&LinkCmd::Close(*peer)));
        let passed = is_passed(&out.notes);
        Self { passed, harmless: silent && closed && (!passed || out.links.is_empty()), refused }
    }
}

fn refused(note: &Note) -> Option<Sid> {
    match note {
        Note::Refused(peer, _) => Some(*peer),
        Note::Action(_) | Note::Role(..) | Note::Established(_) | Note::Ignored(_) => None,
    }
}

fn is_passed(notes: &[Note]) -> bool {
    !notes.is_empty() && notes.iter().all(|note| matches!(note, Note::Ignored(_)))
}

/// Notes the steps of the core.
#[derive(Default)]
struct Steps(Vec<CoreStep>);

impl Shell<u8> for Steps {
    fn begins(&mut self, _: &Input<u8>) {}

    fn ended(&mut self, out: &Outputs<u8>) {
        self.0.push(CoreStep::of(out));
    }

    fn report(&mut self) -> Option<u8> {
        Some(Event::REPORT)
    }
}

impl Done {
    /// What the host asks for when this happens.
    ///
    /// # Errors
    /// What it said when it panicked; what the step left behind means nothing.
    pub(super) fn of(
        host: &mut Host<Zab<u8>>,
        event: host::Event<u8, Zxid>,
    ) -> Result<Self, String> {
        let (mut asked, mut steps) = (Vec::new(), Steps::default());
        caught(|| {
            host.handle(event, &mut steps, &mut asked);
            host.flush(&mut asked);
        })?;
        Ok(Self { steps: steps.0, ..Self::sorted(asked) })
    }

    /// What the host asks for when somebody decides.
    ///
    /// # Errors
    /// As of [`Self::of`].
    pub(super) fn elected(host: &mut Host<Zab<u8>>, decision: Decision) -> Result<Self, String> {
        let (mut asked, mut steps) = (Vec::new(), Steps::default());
        caught(|| {
            host.elected(decision, &mut steps, &mut asked);
            host.flush(&mut asked);
        })?;
        let mut done = Self::sorted(asked);
        let passed = is_passed(&done.notes);
        let decided = CoreStep { refused: Vec::new(), passed, harmless: true };
        done.steps = [decided].into_iter().chain(steps.0).collect();
        Ok(done)
    }

    /// Whether the server stops, for this reason, and does nothing else.
    pub(super) fn only_stops(self, why: Halt) -> bool {
        let Self {
            steps,
            writes,
            install,
            deliver,
            leaves,
            states,
            closes,
            links,
            timers,
            session,
            reported,
            synced,
            halt,
            notes,
            order,
            strange,
        } = self;
        let silent = writes.is_empty() && install.is_none() && deliver.is_empty();
        let alone = leaves.is_empty() && states.is_empty() && closes.is_empty() && links.is_empty();
        let unheard = session.is_empty() && reported.is_empty() && synced.is_empty();
        let still = timers.is_empty() && notes.is_empty() && order.is_empty() && strange.is_empty();
        halt == Some(why) && steps.len() == 1 && silent && alone && unheard && still
    }

    fn sorted(asked: Vec<Effect<u8, Zxid>>) -> Self {
        let mut done = Self::default();
        for effect in asked {
            done.take(effect);
        }
        done
    }

    fn take(&mut self, effect: Effect<u8, Zxid>) {
        let conn = |link: host::Link| Conn { peer: link.peer, number: link.generation.0 };
        match effect {
            Effect::Install { zxid, state } => {
                self.install = Some(zxid);
                self.order.push(Ordered::Holds(state));
            }
            Effect::Write(no, record) => {
                if let Record::Snapshot { zxid } = record {
                    self.order.push(Ordered::Snapshot(zxid));
                }
                self.writes.push((no, record));
            }
            Effect::Deliver(txn) => {
                self.order.push(Ordered::Holds(txn.zxid));
                self.deliver.push(txn);
            }
            Effect::Frames { link, bytes } => {
                self.order.push(Ordered::Frames(conn(link)));
                match decode(&bytes) {
                    Ok(said) => {
                        self.leaves.extend(said.into_iter().map(|said| (conn(link), said)));
                    }
                    Err(why) => self.strange.push(format!("sends {bytes:?}: {why}")),
                }
            }
            Effect::SendState { link, zxid } => {
                self.order.push(Ordered::State(conn(link), zxid));
                self.states.push((conn(link), zxid));
            }
            Effect::Close(link) => {
                self.order.push(Ordered::Close(conn(link)));
                self.closes.push(conn(link));
            }
            Effect::Dial(leader) => self.links.push(LinkCmd::Connect(leader)),
            Effect::StopDialling(leader) => self.links.push(LinkCmd::Close(leader)),
            Effect::Notify { to, .. } => self.strange.push(format!("tells {to} a vote")),
            Effect::Greet { .. } => self.strange.push("greets with a vote".to_owned()),
            Effect::Arm(timer) => self.timers.push((timer, true)),
            Effect::Disarm(timer) => self.timers.push((timer, false)),
            Effect::Session(link, message) => self.session.push((conn(link), message)),
            Effect::Reported(from, sessions) => self.reported.push((from, sessions)),
            Effect::Synced(body) => self.synced.push(body),
            Effect::Halt(halt) => self.halt = Some(halt),
            Effect::Note(note) => self.notes.push(note),
            Effect::Remark(_) => {}
        }
    }
}
