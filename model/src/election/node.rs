//! One server: the deployed host with the deployed election in it, and the little around it.

use host::{Alone, Effect, Host, Silent};
use zab::{Action, Config, Decision, Election, Epoch, Note, Notification, Role, Sid, Timer};

use super::heard::Heard;
use super::limits::Own;
use super::property::{Companion, Property};
use crate::cluster::limits::votes;
use crate::cluster::quiet::caught;

/// A server. Everything outside `host` stands for its disk, its shell, and Zab proper.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// The deployed host, and the election in it.
    pub host: Host<Alone<u8>>,
    /// What is on disk.
    pub own: Own,
    /// What it is.
    pub standing: Standing,
    /// [`Timer::Resend`] runs.
    pub resend: bool,
    /// [`Timer::Finalize`] runs.
    pub finalize: bool,
    /// Ghost: what it heard while it looks. Empty otherwise.
    pub heard: Heard,
    /// Ghost: it has decided, by the wait that ends a round and not by joining others, and is not
    /// established.
    pub waited: bool,
}

/// What a server is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// Not started yet.
    Down,
    /// Electing.
    Looking,
    /// Has decided to lead; the epoch once it is established.
    Leading(Option<Epoch>),
    /// Has decided to follow, or to observe; the leader's epoch once it is up to date.
    Following(Sid, Option<Epoch>),
}

impl Standing {
    /// Whom this server has settled on.
    pub fn leader(self, me: Sid) -> Option<Sid> {
        match self {
            Self::Down | Self::Looking => None,
            Self::Leading(_) => Some(me),
            Self::Following(leader, _) => Some(leader),
        }
    }
}

/// What can happen to a server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// It starts, or crashes and starts again: whatever the election knew is gone.
    Start,
    /// It gives up its leader or its leadership.
    Look,
    /// An election message arrives.
    Notify(Sid, Notification),
    /// A timer of the election runs out.
    Timer(Timer),
    /// It accepts a leader's epoch and history, being one of the quorum that establishes the
    /// leader.
    Accept(Own),
    /// It leads, and is established in its epoch.
    Established(Own),
    /// It is up to date with its leader.
    UpToDate(Own),
    /// A connection to a peer is up.
    Opens(Sid),
    /// No connection will be new any more: what was said last is forgotten.
    Forget,
}

/// What an event did to the rest of the ensemble.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Effects {
    /// Election messages.
    pub notifications: Vec<(Sid, Notification)>,
    /// Coverage: actions of the core, and companions.
    pub marks: u128,
    /// Properties that this step violates.
    pub violated: u64,
}

impl Node {
    /// A server that has not started.
    pub fn down(config: &Config, own: Own) -> Self {
        Self {
            host: Host::new(Alone::new(config), "".into()),
            own,
            standing: Standing::Down,
            resend: false,
            finalize: false,
            heard: Heard::default(),
            waited: false,
        }
    }

    /// What happens at the event; `None` if the event cannot happen now.
    pub fn on(&self, config: &Config, event: Event) -> Option<(Self, Effects)> {
        let mut node = self.clone();
        let mut effects = Effects::default();
        let is_voter = votes(config);
        match event {
            Event::Start => {
                node = Self::down(config, self.own);
                node.standing = Standing::Looking;
                node.step(self, config, &event, &mut effects);
            }
            Event::Look => match self.standing {
                Standing::Leading(_) | Standing::Following(..) => {
                    node.standing = Standing::Looking;
                    node.waited = false;
                    node.step(self, config, &event, &mut effects);
                }
                Standing::Down | Standing::Looking => return None,
            },
            Event::Timer(Timer::Resend) if self.resend => {
                node.resend = false;
                node.step(self, config, &event, &mut effects);
            }
            Event::Timer(Timer::Finalize) if self.finalize => {
                node.finalize = false;
                node.step(self, config, &event, &mut effects);
            }
            Event::Timer(_) => return None,
            Event::Notify(..) | Event::Opens(_) => node.step(self, config, &event, &mut effects),
            Event::Forget => node.host.tells_last([]),
            Event::Accept(own) => node.own = own,
            Event::Established(own) => {
                node.own = own;
                node.waited = false;
                node.standing = Standing::Leading(Some(own.current));
                node.host.established(own.current);
            }
            Event::UpToDate(own) => {
                let Standing::Following(leader, _) = self.standing else {
                    return None;
                };
                if is_voter {
                    node.own = own;
                }
                node.waited = false;
                node.standing = Standing::Following(leader, Some(own.current));
                node.host.established(own.current);
            }
        }
        Some((node, effects))
    }

    /// The election.
    pub fn election(&self) -> &Election {
        self.host.core().election()
    }

    /// Lets the host handle the event, and carries out what it asks for.
    fn step(&mut self, before: &Self, config: &Config, event: &Event, effects: &mut Effects) {
        let mut asked: Vec<Effect<u8, ()>> = Vec::new();
        let (host, own) = (&mut self.host, self.own);
        let handled = caught(|| {
            let happens = match event {
                Event::Start | Event::Look => {
                    host.look((own.current, own.last), &mut Silent, &mut asked);
                    None
                }
                Event::Notify(from, n) => {
                    Some(host::Event::Notified { from: *from, notification: *n })
                }
                Event::Timer(timer) => Some(host::Event::Timer(host::Timer::Core(*timer))),
                Event::Opens(peer) => Some(host::Event::ElectionOpened(*peer)),
                Event::Accept(_) | Event::Established(_) | Event::UpToDate(_) | Event::Forget => {
                    None
                }
            };
            if let Some(happens) = happens {
                host.handle(happens, &mut Silent, &mut asked);
            }
            host.flush(&mut asked);
        });
        if handled.is_err() {
            // The step died half-way: what it left behind means nothing.
            effects.violated |= Property::Z13.bit();
            *self = before.clone();
            return;
        }
        let mut decision = None;
        for effect in asked {
            match effect {
                Effect::Arm(host::Timer::Core(timer)) => self.arm(timer, true),
                Effect::Disarm(host::Timer::Core(timer)) => self.arm(timer, false),
                Effect::Note(Note::Action(action)) => effects.marks |= 1 << (action as u32),
                Effect::Note(Note::Role(Role::Leading, _)) => decision = Some(Decision::Lead),
                Effect::Note(Note::Role(Role::Following(leader) | Role::Observing(leader), _)) => {
                    decision = Some(Decision::Follow(leader));
                }
                Effect::Notify { to, bytes, looks: _ } => {
                    effects.notifications.push((to, read(bytes)));
                }
                Effect::Greet { bytes } => {
                    if let Event::Opens(peer) = event {
                        effects.notifications.push((*peer, read(bytes)));
                    }
                }
                Effect::Note(
                    Note::Role(Role::Down | Role::Looking, _)
                    | Note::Established(_)
                    | Note::Refused(..)
                    | Note::Ignored(_),
                )
                | Effect::Arm(host::Timer::Answer(_) | host::Timer::Claim(_))
                | Effect::Disarm(host::Timer::Answer(_) | host::Timer::Claim(_))
                | Effect::Install { .. }
                | Effect::Write(..)
                | Effect::Deliver(_)
                | Effect::Frames { .. }
                | Effect::SendState { .. }
                | Effect::Close(_)
                | Effect::Dial(_)
                | Effect::StopDialling(_)
                | Effect::Session(..)
                | Effect::Reported(..)
                | Effect::Synced(_)
                | Effect::Halt(_)
                | Effect::Remark(_) => {}
            }
        }
        if let Event::Notify(from, n) = event
            && before.standing == Standing::Looking
        {
            self.heard.hear(&config.quorum, before.election().round(), *from, n);
            effects.marks |= companions(before, n, effects.marks);
        }
        match decision {
            Some(decision) => self.decide(before, config, decision, event, effects),
            None if self.standing == Standing::Looking => {}
            None => self.heard = Heard::default(),
        }
    }

    fn arm(&mut self, timer: Timer, runs: bool) {
        match timer {
            Timer::Resend => self.resend = runs,
            Timer::Finalize => self.finalize = runs,
            Timer::InitLimit
            | Timer::SyncLimit
            | Timer::LearnerInitLimit(_)
            | Timer::LearnerSyncLimit(_)
            | Timer::QuorumLoss
            | Timer::Ping => {}
        }
    }

    fn decide(
        &mut self,
        before: &Self,
        config: &Config,
        decision: Decision,
        event: &Event,
        effects: &mut Effects,
    ) {
        let leader = match decision {
            Decision::Lead => config.me,
            Decision::Follow(leader) => leader,
        };
        let heard = std::mem::take(&mut self.heard);
        let mut check = |holds: bool, property: Property| {
            if !holds {
                effects.violated |= property.bit();
            }
        };
        check(before.standing == Standing::Looking, Property::QuorumForLeader);
        check(config.quorum.is_voter(leader), Property::VotersOnly);
        let proposed = before.election().vote().is_some_and(|vote| vote.leader == leader);
        check(heard.is_reason(config, leader, proposed), Property::QuorumForLeader);
        if let Event::Timer(_) = event {
            let vote = self.election().vote();
            check(heard.best() <= vote, Property::BestVoteOfRound);
            self.waited = true;
        }
        self.standing = match decision {
            Decision::Lead => Standing::Leading(None),
            Decision::Follow(leader) => Standing::Following(leader, None),
        };
    }
}

/// What the receiver of an election packet reads.
fn read(mut packet: Vec<u8>) -> Notification {
    let payload = packet.split_off(size_of::<i32>());
    host::decode_notification(&payload.into()).expect("an election message of a host")
}

/// The interesting situations that a looking server was in when it heard this.
fn companions(before: &Node, n: &Notification, marks: u128) -> u128 {
    let took = |action: Action| marks & 1 << (action as u32) != 0;
    let mut seen = 0;
    if before.finalize && took(Action::ElectionJoinRound) {
        seen |= Companion::HigherRoundWhileFinalizing.bit();
    }
    if before.finalize && took(Action::ElectionAdoptVote) {
        seen |= Companion::BetterVoteWhileFinalizing.bit();
    }
    if took(Action::ElectionJoinEstablished) && n.round != before.election().round() {
        seen |= Companion::JoinByAnotherRound.bit();
    }
    seen
}
