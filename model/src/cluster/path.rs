//! Runs of a cluster, action by action, with every server under its own name throughout.

use host::Link;
use search::intern::Handle;
use zab::Sid;

use super::Cluster;
use super::action::Act;
use super::limits::Budget;
use super::link::generation;
use super::machine::Machine;
use super::node::Event;
use super::payload::Origin;
use super::tables::Cache;
use search::{Space, Successors, replay};

/// One step of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// What was done.
    pub act: Act,
    /// The state afterwards.
    pub words: Vec<u32>,
    /// Coverage.
    pub marks: u128,
    /// Properties violated by the step or by the state afterwards.
    pub violated: u64,
}

impl<M: Machine> Cluster<M> {
    /// The initial states, not renamed.
    pub fn starts(&self) -> Vec<(Vec<u32>, u64)> {
        let mut cache = self.worker();
        let mut out = Successors::new(self.words());
        self.initial_as_named(&mut cache, &mut out);
        out.iter().map(|edge| (edge.words.to_vec(), edge.violated)).collect()
    }

    /// Takes an action from a state, without renaming; `None` if it is not possible there.
    pub fn after(&self, cache: &mut Cache, state: &[u32], act: Act) -> Option<Taken> {
        let (marks, violated) = self.take(cache, state, act)?;
        let words = cache.scratch.clone();
        let violated = violated | self.verdict(cache, &words).violated;
        Some(Taken { act, words, marks, violated })
    }

    /// Every action that is possible in a state.
    pub fn possible(&self, cache: &mut Cache, state: &[u32]) -> Vec<Act> {
        let mut acts = Vec::new();
        self.each_act(cache, state, &mut |cache, act| {
            if self.take(cache, state, act).is_some() {
                acts.push(act);
            }
        });
        acts
    }

    /// A path that the search found, with every server under its own name: which initial state, and
    /// the steps.
    ///
    /// A search up to symmetry renames servers as it goes; here each of its steps is found again
    /// among the possible actions of the state that has not been renamed.
    ///
    /// # Panics
    /// If the path is not one of this cluster.
    pub fn path(&self, ordinals: &[u32], violated: u64) -> (usize, Vec<Taken>) {
        let found = replay(self, ordinals).expect("the search found this path");
        let start = ordinals[0] as usize;
        let mut cache = self.worker();
        let mut words = self.starts()[start].0.clone();
        let mut run: Vec<Taken> = Vec::new();
        for (at, step) in found.iter().enumerate().skip(1) {
            let wanted = if at + 1 == found.len() { violated } else { 0 };
            let mut best: Option<Taken> = None;
            for act in self.possible(&mut cache, &words) {
                let Some(taken) = self.after(&mut cache, &words, act) else { continue };
                let mut representative = Vec::new();
                self.representative(&mut cache, &taken.words, &mut representative);
                let same = match self.symmetric {
                    true => representative == step.words,
                    false => taken.words == step.words && act.label() == step.label,
                };
                if same && taken.violated & wanted == wanted {
                    best = Some(taken);
                    break;
                }
            }
            let taken = best.expect("a renamed step has a counterpart");
            words.clone_from(&taken.words);
            run.push(taken);
        }
        (start, run)
    }

    /// Why a step from this state is none of abstract Zab, if one was met.
    pub(super) fn refusal(&self, state: &[u32]) -> Option<String> {
        self.tables.refusal(state[self.ghost_at()])
    }

    /// What a server complains of when this action is taken, if it does.
    pub fn complaint(&self, state: &[u32], act: Act) -> Option<String> {
        let i = self.index(act.actor());
        let recv = |peer: Sid, number: u8, learner: bool, id: Option<&Handle>| {
            let link = Link { peer, generation: generation(number, learner) };
            Some(Event::Recv(link, self.tables.frames.get(*id?).clone()))
        };
        let event = match act {
            Act::LearnerReads(_, b, number) => {
                let wire = self.conn(state, i, self.index(b)).wire(number)?;
                recv(b, number, true, wire.to_learner.first())?
            }
            Act::LeaderReads(_, b, number) => {
                let wire = self.conn(state, self.index(b), i).wire(number)?;
                recv(b, number, false, wire.to_leader.first())?
            }
            Act::ReadNotification(_, b) => {
                Event::Notify(b, self.slot(state, self.index(b), i)?.wire?)
            }
            Act::Disk(_) => Event::Disk,
            Act::Disks(_) => Event::Disks,
            Act::Apply(_) => Event::Apply,
            Act::Propose(_) => Event::Propose(Origin(Budget::Txns.left(self.budgets(state)) as u8)),
            Act::Sync(_) => Event::Sync,
            Act::Crash(_) => Event::Crash,
            Act::Damage(_) => Event::Damage,
            Act::Lead(_)
            | Act::Follow(..)
            | Act::Connect(..)
            | Act::Accept(..)
            | Act::Unanswered(..)
            | Act::LearnerReadsRun(..)
            | Act::LeaderReadsRun(..)
            | Act::ClaimExpires(..)
            | Act::LearnerSeesBreak(..)
            | Act::LeaderSeesBreak(..)
            | Act::LearnerTimeout(_)
            | Act::LeaderTimeout(..)
            | Act::LeaderInitLimit(_)
            | Act::QuorumLoss(_)
            | Act::Compact(_)
            | Act::Resend(_)
            | Act::Finalize(_)
            | Act::Attach(..)
            | Act::Ask(..) => return None,
        };
        self.node(state, i).on(self.servers[i], &event)?.1.complaint
    }
}
