//! Family `election` as the front end sees it, and the liveness of elections, liveness-1 and 2.

use std::sync::Arc;

use checker::{
    Bounds, CheckableModel, Claim, Condition, Entry, Family, Marked, PropertyInfo, PropertyKind,
    Replayed, Row, Story, Walk, walk,
};
use search::calm::{Found, Half, Lasso, find};
use search::{Options, Outcome, Progress, Space, Trace, explore};
use serde_json::Value;
use zab::Action;

use super::Ensemble;
use super::action::Act;
use super::kinds::{BOUNDS, KINDS, Kind, limits};
use super::property::{Companion, Property, Seen};
use super::reference::Reference;
use super::story::story;
use crate::liveness::Z15;
use crate::names;

/// The models of family F.
pub fn models() -> Vec<Box<dyn CheckableModel>> {
    KINDS.iter().map(|kind| Box::new(Elections(kind)) as Box<dyn CheckableModel>).collect()
}

struct Elections(&'static Kind);

/// Entries of a trace, and the walk along them.
pub(super) struct Run {
    entries: Vec<Entry<Act>>,
    walk: Walk<Act>,
}

impl Replayed for Run {
    fn steps(&self) -> usize {
        self.walk.strides.len() - 1
    }

    fn never_ends(&self) -> bool {
        self.walk.never_ends
    }
}

impl Family for Elections {
    type System = Ensemble;
    type Reference = Reference;
    type Run = Run;

    fn row(&self) -> Row {
        Row {
            name: self.0.name,
            alias: names::alias(self.0.name),
            family: names::family(self.0.name),
            about: self.0.about,
            bounds: BOUNDS.to_vec(),
            tiers: self.0.tiers.iter().map(|(tier, values)| (*tier, values.to_vec())).collect(),
        }
    }

    fn claims(&self) -> Vec<Claim> {
        let always = Property::ALL.into_iter().map(|property| Claim {
            info: PropertyInfo {
                name: property.name(),
                kind: PropertyKind::Always,
                source: property.source(),
                sentence: property.sentence(),
            },
            number: Some(property as u32),
        });
        let live = self.0.live.then_some(Claim { info: Z15_ELECTION, number: None });
        live.into_iter().chain(always).collect()
    }

    fn conditions(&self) -> Vec<Condition> {
        let condition = |companion: &Companion| Condition {
            info: PropertyInfo {
                name: companion.name(),
                kind: PropertyKind::Sometimes,
                source: companion.source(),
                sentence: companion.sentence(),
            },
            seen: match companion.seen() {
                Seen::InState(bit) => checker::Seen::InState(bit.trailing_zeros()),
                Seen::OnStep(bit) => checker::Seen::OnStep(bit.trailing_zeros()),
            },
        };
        self.0.companions.iter().map(condition).collect()
    }

    fn is_due(&self, bounds: &Bounds, condition: &Condition) -> bool {
        let limits = limits(bounds);
        let mut companions = self.0.companions.iter();
        companions.any(|one| one.name() == condition.info.name && one.is_due(&limits))
    }

    fn actions(&self) -> Vec<Marked> {
        Act::NAMES.into_iter().zip(Act::MARKS_FROM..).collect()
    }

    fn admissible(&self, bounds: &Bounds) -> Result<(), String> {
        let [servers, observers, joiners, epochs, zxids] =
            ["servers", "observers", "joiners", "epochs", "zxids"].map(|name| bounds.value(name));
        if servers + observers > 5 {
            return Err("`servers` and `observers` together must not be more than 5".into());
        }
        if joiners > observers + (servers - 1) / 2 {
            return Err("`joiners` must leave a quorum of `servers`".into());
        }
        if epochs * zxids > 5 {
            return Err("`epochs` times `zxids` must not be more than 5".into());
        }
        Ok(())
    }

    fn within(&self, bounds: &Bounds) -> Ensemble {
        Ensemble::new(limits(bounds))
    }

    fn reference(&self, bounds: &Bounds) -> Reference {
        Reference(Arc::new(self.within(bounds)))
    }

    fn find(
        &self,
        ensemble: &Ensemble,
        options: &Options<'_>,
        observe: &mut dyn FnMut(Half, &Progress),
    ) -> Found {
        match self.0.live {
            true => find(ensemble, options, observe),
            false => Found::safety(explore(ensemble, options, &mut |seen| {
                observe(Half::Safety, seen);
            })),
        }
    }

    fn met(&self, _: &Ensemble, outcome: &Outcome, number: u32) -> u64 {
        precondition(outcome, Property::ALL[number as usize])
    }

    fn reductions(&self, _: &Bounds) -> Vec<String> {
        Vec::new()
    }

    fn path(&self, _: &Ensemble, path: &Trace, _: u32) -> Vec<Value> {
        let acts = path.labels[1..].iter().filter_map(|&label| Act::from_label(label));
        Entry::values(&Entry::path(path.ordinals[0], acts))
    }

    fn lasso(&self, lasso: &Lasso) -> Vec<Value> {
        Entry::values(&Entry::lasso(lasso, Act::from_label))
    }

    fn follow(
        &self,
        ensemble: &Ensemble,
        actions: &[Value],
        note: &mut dyn FnMut(usize, u64),
    ) -> Result<Run, String> {
        let entries = Entry::<Act>::parse(actions)?;
        let walk = walk(ensemble, &entries, Act::label)?;
        let mut worker = ensemble.worker();
        for (step, stride) in walk.strides.iter().enumerate() {
            note(step, stride.violated | ensemble.judge(&mut worker, &stride.words).violated);
        }
        Ok(Run { entries, walk })
    }

    fn tell(
        &self,
        ensemble: &Ensemble,
        bounds: &Bounds,
        property: &PropertyInfo,
        run: &Run,
    ) -> Story {
        story(ensemble, self.0.name, bounds, property, &run.entries, &run.walk)
    }
}

/// How often a property had something to say: decisions, or states.
fn precondition(outcome: &Outcome, property: Property) -> u64 {
    let steps = |actions: &[Action]| -> u64 {
        actions.iter().map(|&action| outcome.marks[action as usize]).sum()
    };
    let waited = [Action::ElectionElectSelf, Action::ElectionElectOther];
    let joined = [Action::ElectionJoinEstablished];
    match property {
        Property::QuorumForLeader | Property::VotersOnly => steps(&waited) + steps(&joined),
        Property::BestVoteOfRound | Property::NoVoteCircle => steps(&waited),
        Property::Z13 => outcome.generated,
        Property::Z14 => outcome.distinct,
    }
}

const Z15_ELECTION: PropertyInfo = PropertyInfo {
    name: Z15,
    kind: PropertyKind::Live,
    source: "liveness; ZOOKEEPER-1419, 1514, 1732",
    sentence: "from every state, once faults stop, every fair run establishes a leader to which every server is attached",
};
