//! A server's protocol, whole: the election and Zab proper, composed.

use crate::config::Config;
use crate::election::Election;
use crate::io::{Ignored, Input, Outputs, Role, Timer};
use crate::message::Payload;
use crate::types::{Epoch, Sid, WriteNo, Zxid};
use crate::zab::Zab;

/// The protocol state of one server: what a deployed server calls, and what the models explore.
///
/// [`Peer::step`] is the one entry point. Two machines are behind it, with a narrow seam: the election says "lead" or
/// "follow L", and is told when that role ended and which epoch was established.
///
/// ```
/// use zab::{Config, DiskImage, Input, Outputs, Peer, Quorum, Role, Sid, Timer, WriteNo};
///
/// let config = Config::new(Sid(1), Quorum::majority([Sid(1)].into_iter().collect()));
/// let (mut peer, mut out) = (Peer::<&str>::new(config), Outputs::new());
/// peer.step(Input::Start(DiskImage::empty()), &mut out);
/// peer.step(Input::Timer(Timer::Finalize), &mut out); // alone, so it elects itself
/// assert_eq!(peer.role(), Role::Leading);
/// for write in 1..=2 {
///     peer.step(Input::Durable { upto: WriteNo(write) }, &mut out); // the promise, then the epoch
/// }
/// out.clear();
/// peer.step(Input::Propose("hello"), &mut out);
/// let (no, _record) = &out.writes[0];
/// assert_eq!(*no, WriteNo(3));
/// assert!(out.deliver.is_empty()); // not before it is on disk
/// peer.step(Input::Durable { upto: WriteNo(3) }, &mut out);
/// assert_eq!(out.deliver[0].payload, "hello");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Peer<P> {
    election: Election,
    zab: Zab<P>,
}

impl<P: Payload> Peer<P> {
    /// A server that has not been started: it waits for [`Input::Start`].
    pub fn new(config: Config) -> Self {
        Self { election: Election::new(&config), zab: Zab::new(config) }
    }

    /// Takes one step. Outputs are added to `out`: the caller clears it.
    ///
    /// Never panics on anything a peer may send. Panics if an invariant of this crate is broken, which is an error here.
    pub fn step(&mut self, input: Input<P>, out: &mut Outputs<P>) {
        let decision = match input {
            Input::Notify { from, notification } => match self.zab.role() {
                Role::Down => {
                    out.ignored(Ignored::NotNow);
                    None
                }
                Role::Looking | Role::Following(_) | Role::Observing(_) | Role::Leading => {
                    self.election.notify(from, &notification, out)
                }
            },
            Input::Timer(timer @ (Timer::Resend | Timer::Finalize)) => {
                self.election.timer(timer, out)
            }
            Input::Start(_)
            | Input::Link { .. }
            | Input::Recv { .. }
            | Input::Timer(_)
            | Input::Durable { .. }
            | Input::Propose(_)
            | Input::Sync { .. }
            | Input::Session { .. }
            | Input::Resign => {
                self.zab.step(input, out);
                None
            }
        };
        if let Some(decision) = decision {
            self.zab.elected(decision, out);
        }
        if let Some(epoch) = self.zab.established() {
            self.election.established(epoch);
        }
        self.election.set_voting(self.zab.may_vote());
        if let (Role::Looking, false) = (self.zab.role(), self.election.is_looking()) {
            let (current, last) = (self.zab.current_epoch(), self.zab.last());
            self.election.look(current.unwrap_or_default(), last.unwrap_or_default(), out);
        }
    }

    /// This server.
    pub fn me(&self) -> Sid {
        self.zab.me()
    }

    /// What this server is.
    pub fn role(&self) -> Role {
        self.zab.role()
    }

    /// The epoch in which this server serves clients; see [`Zab::established`].
    pub fn established(&self) -> Option<Epoch> {
        self.zab.established()
    }

    /// The end of the history; `None` when down.
    pub fn last(&self) -> Option<Zxid> {
        self.zab.last()
    }

    /// Zab proper, to look at.
    pub fn zab(&self) -> &Zab<P> {
        &self.zab
    }

    /// The election, to look at.
    pub fn election(&self) -> &Election {
        &self.election
    }

    /// See [`Zab::renumber`].
    pub fn renumber(&mut self) -> WriteNo {
        self.zab.renumber()
    }
}
