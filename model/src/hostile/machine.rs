//! What the machines of family H have in common: a server, an alphabet that is tried in each of its
//! states, and a judgement of each step. The search, the reference and the replay of traces know no
//! more of them than this.

use std::fmt::Debug;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zab::Sid;

use checker::{BoundInfo, Bounds, PropertyInfo, PropertyKind, Step, Tier};
use search::{Judgement, Outcome};

/// A machine of the core whose peers may say anything, under some limits.
pub(super) trait Machine: Sized + Send + Sync + 'static {
    /// What the server is, and who its peers are.
    type Subject: Copy + Send + Sync;
    /// The machine, and what an outsider knows of it.
    type Server: Clone + Eq + Hash + Debug + Send + Sync;
    /// One input.
    type Event: Clone + Eq + Hash + Debug + Serialize + DeserializeOwned + Send + Sync;
    /// What leaves the server.
    type Word;

    /// The models, in the order of lists.
    const KINDS: &'static [Kind<Self::Subject>];
    /// What bounds them.
    const BOUNDS: &'static [BoundInfo];
    /// How states are fewer than they would be.
    const REDUCTIONS: &'static [&'static str];

    /// What has to hold always, in the order of the bits of verdicts.
    fn properties() -> Vec<PropertyInfo>;
    /// What a run has to reach within the bounds of the cheapest tier, or larger ones.
    fn companions(subject: Self::Subject) -> &'static [Companion];
    /// Whether a companion is within reach of these bounds, as far as they are not those of the
    /// cheapest tier.
    fn may_reach(companion: &Companion, bounds: &Bounds) -> bool;
    /// Actions that can be taken, and kinds of events, with their marks.
    fn actions(subject: Self::Subject) -> Vec<(&'static str, u32)>;
    /// How often the property with this bit had something to say: steps, or states.
    fn occasions(property: usize, outcome: &Outcome) -> u64;

    /// Within these bounds.
    fn new(subject: Self::Subject, bounds: &Bounds) -> Self;
    /// Every event that is tried in every state, in a fixed order.
    fn alphabet(&self) -> &[Self::Event];
    /// The beginnings, each as a step from nowhere.
    fn beginnings(&self) -> Vec<TakenBy<Self>>;
    /// What happens at the event; `None` if it is not possible now.
    fn step(&self, server: &Self::Server, event: &Self::Event) -> Option<TakenBy<Self>>;
    /// What holds in a state.
    fn judge(&self, server: &Self::Server) -> Judgement;

    /// The server and everybody who speaks, for stories.
    fn cast(&self) -> Vec<Sid>;
    /// An event, for people.
    fn say(event: &Self::Event) -> String;
    /// A state, for people.
    fn standing(server: &Self::Server) -> String;
    /// A step, for people.
    fn tell(
        number: usize,
        event: &Self::Event,
        before: &Self::Server,
        taken: &TakenBy<Self>,
    ) -> Step;
}

/// A step of a machine.
pub(super) struct Taken<Server, Word> {
    /// The server afterwards.
    pub(super) server: Server,
    /// Coverage.
    pub(super) marks: u128,
    /// Properties that the step violates.
    pub(super) violated: u64,
    /// Why, for people.
    pub(super) complaints: Vec<String>,
    /// Messages that left, or wait for the disk.
    pub(super) sends: Vec<Word>,
}

/// A step of this machine.
pub(super) type TakenBy<M> = Taken<<M as Machine>::Server, <M as Machine>::Word>;

/// One model.
pub(super) struct Kind<Subject: 'static> {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) subject: Subject,
    /// Values of the bounds, in their order.
    pub(super) tiers: &'static [(Tier, &'static [u64])],
}

/// What a run has to reach, so that it is not vacuous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Companion {
    /// Its name.
    pub(super) name: &'static str,
    /// What it says.
    pub(super) sentence: &'static str,
    /// How it is seen.
    pub(super) seen: Seen,
}

impl Companion {
    /// As the front end lists it.
    pub(super) fn info(&self) -> PropertyInfo {
        PropertyInfo {
            name: self.name,
            kind: PropertyKind::Sometimes,
            source: "against a vacuous run",
            sentence: self.sentence,
        }
    }
}

/// How a companion is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// In a state: number of a bit of `Judgement::reached`.
    InState(u32),
    /// On a step: number of a mark.
    OnStep(u32),
}

/// Shorthand for tables of bounds.
pub(super) const fn bound(
    name: &'static str,
    about: &'static str,
    min: u64,
    max: u64,
) -> BoundInfo {
    BoundInfo { name, about, min, max }
}
