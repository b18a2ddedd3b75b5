//! Zab proper among the machines whose peers may say anything: the deployed host with the deployed
//! [`zab::Zab`] in it, and its disk.

use zab::{Action, Config, Sid};

use super::event::{Conn, Event, alphabet};
use super::limits::{BOUNDS, KINDS, KINDS_OF_EVENTS, Limits, ME, STRANGER, Subject};
use super::machine::{Companion, Kind, Machine, Seen};
use super::property::{DISK_BEHIND, Property, companions, mark};
use super::server::{Server, Taken};
use super::story;
use checker::{BoundInfo, Bounds, PropertyInfo, PropertyKind, Step};
use search::{Judgement, Outcome};

/// A server of Zab proper under some limits.
pub(super) struct Proper {
    limits: Limits,
    config: Config,
    alphabet: Vec<Event>,
}

impl Machine for Proper {
    type Subject = Subject;
    type Server = Server;
    type Event = Event;
    type Word = (Conn, zab::Message<u8>);

    const KINDS: &'static [Kind<Subject>] = &KINDS;
    const BOUNDS: &'static [BoundInfo] = &BOUNDS;
    const REDUCTIONS: &'static [&'static str] =
        &["writes are counted from the last durable one: nothing but their numbers changes"];

    fn properties() -> Vec<PropertyInfo> {
        let always = |property: Property| PropertyInfo {
            name: property.name(),
            kind: PropertyKind::Always,
            source: property.source(),
            sentence: property.sentence(),
        };
        Property::ALL.map(always).to_vec()
    }

    fn companions(subject: Subject) -> &'static [Companion] {
        companions(subject)
    }

    fn may_reach(companion: &Companion, bounds: &Bounds) -> bool {
        let needs = |bound, least| bounds.value(bound) >= least;
        match companion.seen {
            Seen::OnStep(mark::SYNCED) => needs("syncs", 1),
            Seen::InState(DISK_BEHIND) => needs("lag", 2),
            Seen::OnStep(_) | Seen::InState(_) => true,
        }
    }

    fn actions(subject: Subject) -> Vec<(&'static str, u32)> {
        let core = core_actions(subject).into_iter();
        let events = KINDS_OF_EVENTS.into_iter().zip(mark::EVENTS..);
        core.map(|(name, action)| (name, action as u32)).chain(events).collect()
    }

    fn occasions(property: usize, outcome: &Outcome) -> u64 {
        occasions(Property::ALL[property], outcome)
    }

    fn new(subject: Subject, bounds: &Bounds) -> Self {
        let limits = Limits::of(subject, bounds);
        Self { limits, config: limits.config(), alphabet: alphabet(&limits) }
    }

    fn alphabet(&self) -> &[Event] {
        &self.alphabet
    }

    /// One for each disk.
    fn beginnings(&self) -> Vec<Taken> {
        let images = self.limits.images().into_iter();
        images.map(|image| Server::start(&self.limits, self.config, image)).collect()
    }

    fn step(&self, server: &Server, event: &Event) -> Option<Taken> {
        server.on(&self.limits, &self.config, event)
    }

    fn judge(&self, server: &Server) -> Judgement {
        server.judge(self.config)
    }

    fn cast(&self) -> Vec<Sid> {
        let peers = self.limits.subject.peers().iter().copied();
        [ME].into_iter().chain(peers).chain([STRANGER]).collect()
    }

    fn say(event: &Event) -> String {
        event.tell()
    }

    fn standing(server: &Server) -> String {
        story::standing(&server.book)
    }

    fn tell(number: usize, event: &Event, before: &Server, taken: &Taken) -> Step {
        story::tell(number, event, before, taken)
    }
}

fn occasions(property: Property, outcome: &Outcome) -> u64 {
    let steps = |mark: u32| outcome.marks[mark as usize];
    let refusals: u64 = (0..12).map(|number| steps(mark::REFUSALS + number)).sum();
    match property {
        Property::Abort | Property::Acceptance | Property::Roles | Property::Timers => {
            outcome.generated
        }
        Property::Recovery | Property::Damage | Property::Replay => outcome.distinct,
        Property::Epochs | Property::History | Property::Records => steps(mark::WROTE),
        Property::Delivery | Property::Commits => steps(mark::DELIVERED),
        Property::Gates => steps(mark::GATED),
        Property::Harmless => refusals + steps(mark::PASSED),
        Property::Answers | Property::Order | Property::Connections => outcome.generated,
        Property::Sessions => {
            steps(Action::SessionForward as u32) + steps(Action::SessionDeliver as u32)
        }
    }
}

/// The core's actions within reach of a learner, or of a leader.
fn core_actions(subject: Subject) -> Vec<(&'static str, Action)> {
    macro_rules! named {
        ($($action:ident),* $(,)?) => { vec![$((stringify!($action), Action::$action)),*] };
    }
    let mut actions = named![Start, Durable, SessionForward, SessionDeliver];
    if subject.learns() {
        actions.extend(named![
            BecomeLearner,
            LearnerSendInfo,
            LearnerPromise,
            LearnerPromiseAgain,
            LearnerProcessDiff,
            LearnerProcessTrunc,
            LearnerProcessSnap,
            LearnerProcessNewLeader,
            LearnerProcessUpToDate,
            LearnerProcessProposal,
            LearnerProcessCommit,
            LearnerProcessInform,
            LearnerProcessPing,
            LearnerLeave,
        ]);
    }
    if subject.leads() {
        actions.extend(named![
            BecomeLeading,
            LeaderAcceptLink,
            LeaderProcessLearnerInfo,
            LeaderChooseEpoch,
            LeaderProcessAckEpoch,
            LeaderElected,
            LeaderSyncDiff,
            LeaderSyncTrunc,
            LeaderSyncTruncDiff,
            LeaderSyncSnap,
            LeaderProcessAckNewLeader,
            LeaderEstablished,
            LeaderUpToDate,
            LeaderPropose,
            LeaderRollOver,
            LeaderProcessAck,
            LeaderCommit,
            LeaderPing,
            LeaderProcessPing,
            LeaderSyncRequest,
            LeaderSyncConfirmed,
            LeaderLearnerGone,
            LeaderStepDown,
        ]);
    }
    actions
}
