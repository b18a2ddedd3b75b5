//! Family F as the front end sees it: F1 to F4, and the liveness of elections, L1 and L2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use zab::Action;

use super::Ensemble;
use super::action::Act;
use super::kinds::{BOUNDS, KINDS, Kind, limits};
use super::property::{Companion, Property, Seen};
use super::reference::Reference;
use super::story::story;
use crate::engine;
use crate::liveness::{Entry, Found, Z15, find, walk};
use checker::{
    ActionCount, Bounds, CheckOptions, CheckableModel, Completion, Engine, ModelInfo, Progress,
    PropertyInfo, PropertyKind, PropertyVerdict, ReplayOutcome, Tier, TierBounds, TraceFile,
    Verdict, Violated, Violation,
};
use search::{self, Outcome, Trace};

/// The models of family F.
pub fn models() -> Vec<Box<dyn CheckableModel>> {
    KINDS.iter().map(|kind| Box::new(Elections(kind)) as Box<dyn CheckableModel>).collect()
}

struct Elections(&'static Kind);

impl Elections {
    fn properties(&self) -> Vec<PropertyInfo> {
        let always = Property::ALL.into_iter().map(|property| PropertyInfo {
            name: property.name(),
            kind: PropertyKind::Always,
            source: property.source(),
            sentence: property.sentence(),
        });
        let sometimes = self.0.companions.iter().map(|companion| PropertyInfo {
            name: companion.name(),
            kind: PropertyKind::Sometimes,
            source: companion.source(),
            sentence: companion.sentence(),
        });
        let live = self.0.live.then_some(Z15_ELECTION);
        live.into_iter().chain(always).chain(sometimes).collect()
    }

    /// A violation, from the entries of its trace.
    fn violation(
        &self,
        ensemble: &Ensemble,
        bounds: &Bounds,
        property: &str,
        entries: &[Entry<Act>],
    ) -> Violation {
        let walk = walk(ensemble, entries, Act::label).expect("what was found can be walked");
        let properties = self.properties();
        let info = properties.iter().find(|info| info.name == property).expect("declared");
        Violation {
            property: property.to_owned(),
            actions: Entry::values(entries),
            story: story(ensemble, self.0.name, bounds, info, entries, &walk),
        }
    }

    fn check_own(
        &self,
        bounds: &Bounds,
        opts: &CheckOptions,
        progress: &dyn Fn(&Progress),
    ) -> Verdict {
        let started = Instant::now();
        let ensemble = Ensemble::new(limits(bounds));
        let found = match self.0.live {
            true => find(&ensemble, &engine::options(opts), &mut |half, seen| {
                progress(&engine::shown(half.phase(), seen));
            }),
            false => {
                Found { outcome: engine::own(&ensemble, opts, progress).0, fair: None, lasso: None }
            }
        };
        let completion = found.completion(self.0.live);
        let outcome = &found.outcome;
        let entries = |trace: &Trace| {
            let acts = trace.labels[1..].iter().filter_map(|&label| Act::from_label(label));
            Entry::path(trace.ordinals[0], acts)
        };
        let mut violations: Vec<_> = outcome
            .violations
            .iter()
            .map(|violated| {
                let property = Property::ALL[violated.property as usize].name();
                self.violation(&ensemble, bounds, property, &entries(&violated.trace))
            })
            .collect();
        if let Some(lasso) = &found.lasso {
            let entries = Entry::lasso(lasso, Act::from_label);
            violations.push(self.violation(&ensemble, bounds, Z15, &entries));
        }
        let seen = |companion: &Companion| match companion.seen() {
            Seen::InState(bit) => {
                let mut reached = outcome.reached.iter();
                reached.find(|one| 1 << one.property == bit).map_or(0, |one| one.states)
            }
            Seen::OnStep(bit) => outcome.marks[bit.trailing_zeros() as usize],
        };
        let (absent, due): (Vec<&Companion>, Vec<_>) = self
            .0
            .companions
            .iter()
            .partition(|one| !one.is_due(ensemble.limits()) && seen(one) == 0);
        let out_of_reach: Vec<_> = absent.iter().map(|companion| companion.name()).collect();
        let infos = self.properties();
        let infos = infos.iter().filter(|info| !out_of_reach.contains(&info.name));
        let properties = infos.map(|info| {
            let violated = violations.iter().any(|violation| violation.property == info.name);
            let seen = due.iter().find(|one| one.name() == info.name).map(|one| seen(one));
            let hit = seen.map_or(violated, |seen| seen > 0);
            let occurrences = match info.kind {
                PropertyKind::Live => found.fair.as_ref().map(|fair| fair.states),
                PropertyKind::Always => Some(precondition(outcome, info.name)),
                PropertyKind::Sometimes => seen,
            };
            PropertyVerdict::judge(info, &completion, hit, occurrences)
        });
        let properties: Vec<_> = properties.collect();
        Verdict {
            properties,
            elapsed: started.elapsed(),
            actions: Act::NAMES
                .iter()
                .enumerate()
                .map(|(kind, name)| ActionCount {
                    name: (*name).to_owned(),
                    count: outcome.marks[96 + kind],
                })
                .collect(),
            violations,
            out_of_reach,
            ..engine::verdict(outcome, completion, opts)
        }
    }

    fn check_by_stateright(
        &self,
        bounds: &Bounds,
        opts: &CheckOptions,
        progress: &dyn Fn(&Progress),
    ) -> Verdict {
        let model = Reference(Arc::new(Ensemble::new(limits(bounds))));
        let violates = |name: &str| Property::ALL.iter().any(|one| one.name() == name);
        let engine::Reference { mut verdict, found } =
            engine::stateright(model, violates, opts, progress);
        if self.0.live && verdict.completion == Completion::Complete {
            verdict.completion =
                Completion::Incomplete("stateright does not decide liveness".to_owned());
        }
        let properties = self.properties().into_iter().filter_map(|info| {
            let decided =
                match info.kind {
                    PropertyKind::Live => false,
                    PropertyKind::Always => true,
                    PropertyKind::Sometimes => self.0.companions.iter().any(|one| {
                        one.name() == info.name && matches!(one.seen(), Seen::InState(_))
                    }),
                };
            let hit = found.contains(info.name);
            decided.then(|| PropertyVerdict::judge(&info, &verdict.completion, hit, None))
        });
        Verdict { properties: properties.collect(), ..verdict }
    }
}

impl CheckableModel for Elections {
    fn info(&self) -> ModelInfo {
        let tier = |(tier, values): &(Tier, [u64; 10])| TierBounds {
            tier: *tier,
            bounds: Bounds::new(BOUNDS.iter().map(|info| info.name).zip(*values)),
        };
        ModelInfo {
            name: self.0.name,
            family: "F",
            about: self.0.about,
            properties: self.properties(),
            actions: Act::NAMES.to_vec(),
            bounds: BOUNDS.to_vec(),
            tiers: self.0.tiers.iter().map(tier).collect(),
        }
    }

    fn admits(&self, bounds: &Bounds) -> Result<(), String> {
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

    fn check(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        match opts.engine {
            Engine::Own => self.check_own(bounds, opts, progress),
            Engine::Stateright => self.check_by_stateright(bounds, opts, progress),
        }
    }

    fn explore(&self, bounds: &Bounds, listen: SocketAddr) -> Result<(), String> {
        engine::explorer(Reference(Arc::new(Ensemble::new(limits(bounds)))), listen)
    }

    fn replay(&self, trace: &TraceFile) -> Result<ReplayOutcome, String> {
        let ensemble = Ensemble::new(limits(&trace.bounds));
        let entries = Entry::<Act>::parse(&trace.actions)?;
        let walk = walk(&ensemble, &entries, Act::label)?;
        let mut violated: Vec<Violated> = Vec::new();
        let mut worker = search::Space::worker(&ensemble);
        for (step, stride) in walk.strides.iter().enumerate() {
            let judged = search::Space::judge(&ensemble, &mut worker, &stride.words).violated;
            let found = judged | stride.violated;
            let properties = Property::ALL.iter().filter(|property| found & property.bit() != 0);
            engine::note(&mut violated, step, properties.map(|property| property.name()));
        }
        let steps = walk.strides.len() - 1;
        if walk.never_ends && self.0.live {
            violated.push(Violated { property: Z15.to_owned(), step: steps });
        }
        let properties = self.properties();
        let named = violated.first().map(|one| one.property.as_str()).or(trace.property.as_deref());
        let info = named.and_then(|name| properties.iter().find(|info| info.name == name));
        let story =
            info.map(|info| story(&ensemble, self.0.name, &trace.bounds, info, &entries, &walk));
        Ok(ReplayOutcome { steps, violated, story })
    }
}

/// How often a property had something to say: decisions, or states.
fn precondition(outcome: &Outcome, name: &str) -> u64 {
    let steps = |actions: &[Action]| -> u64 {
        actions.iter().map(|&action| outcome.marks[action as usize]).sum()
    };
    let waited = [Action::ElectionElectSelf, Action::ElectionElectOther];
    let joined = [Action::ElectionJoinEstablished];
    match Property::ALL.into_iter().find(|property| property.name() == name) {
        Some(Property::QuorumForLeader | Property::VotersOnly) => steps(&waited) + steps(&joined),
        Some(Property::BestVoteOfRound) => steps(&waited),
        Some(Property::Z13) => outcome.generated,
        Some(Property::NoVoteCircle | Property::Z14) | None => outcome.distinct,
    }
}

const Z15_ELECTION: PropertyInfo = PropertyInfo {
    name: Z15,
    kind: PropertyKind::Live,
    source: "Zab liveness; ZOOKEEPER-1419, 1514, 1732",
    sentence: "from every state, once faults stop, every fair run establishes a leader to which every server is attached",
};
