//! A small model with every kind of outcome, for tests of the front end: a token travels round a
//! ring of servers. The flaw in it: a server that times out makes a new token without asking
//! anybody.

use checker::{
    ActionCount, Arrow, BoundInfo, Bounds, CheckOptions, CheckableModel, Completion, Fate,
    ModelInfo, Phase, Progress, PropertyInfo, PropertyKind, PropertyVerdict, ReplayOutcome, Step,
    StepKind, Story, Tier, TierBounds, TraceFile, Verdict, Violated, Violation,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The registry with this one model.
pub(crate) fn registry() -> Vec<Box<dyn CheckableModel>> {
    vec![Box::new(Ring)]
}

struct Ring;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    holds: Vec<bool>,
    up: Vec<bool>,
    /// Tokens on their way to each server.
    coming: Vec<u64>,
    laps: u64,
    timeouts: u64,
    crashes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Pass(usize),
    Receive(usize),
    Timeout(usize),
    Crash(usize),
    Restart(usize),
}

const ACTIONS: [&str; 5] = ["Pass", "Receive", "Timeout", "Crash", "Restart"];

impl Action {
    fn parts(self) -> (&'static str, usize) {
        match self {
            Self::Pass(at) => ("Pass", at),
            Self::Receive(at) => ("Receive", at),
            Self::Timeout(at) => ("Timeout", at),
            Self::Crash(at) => ("Crash", at),
            Self::Restart(at) => ("Restart", at),
        }
    }

    fn parse(value: &serde_json::Value) -> Option<Self> {
        let name = value.get(0)?.as_str()?;
        let at = usize::try_from(value.get(1)?.as_u64()?).ok()?;
        match name {
            "Pass" => Some(Self::Pass(at)),
            "Receive" => Some(Self::Receive(at)),
            "Timeout" => Some(Self::Timeout(at)),
            "Crash" => Some(Self::Crash(at)),
            "Restart" => Some(Self::Restart(at)),
            _ => None,
        }
    }
}

impl State {
    fn initial(bounds: &Bounds) -> Self {
        let servers = bounds.value("servers") as usize;
        let mut holds = vec![false; servers];
        holds[0] = true;
        let (up, coming) = (vec![true; servers], vec![0; servers]);
        let budget = |name| bounds.value(name);
        let (laps, timeouts, crashes) = (budget("laps"), budget("timeouts"), budget("crashes"));
        Self { holds, up, coming, laps, timeouts, crashes }
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for at in 0..self.holds.len() {
            if !self.up[at] {
                actions.push(Action::Restart(at));
                continue;
            }
            if self.holds[at] && (at + 1 < self.holds.len() || self.laps > 0) {
                actions.push(Action::Pass(at));
            }
            if self.coming[at] > 0 {
                actions.push(Action::Receive(at));
            }
            if !self.holds[at] && self.timeouts > 0 {
                actions.push(Action::Timeout(at));
            }
            if self.crashes > 0 {
                actions.push(Action::Crash(at));
            }
        }
        actions
    }

    fn step(&self, action: Action) -> Self {
        let mut next = self.clone();
        let servers = self.holds.len();
        match action {
            Action::Pass(at) => {
                next.holds[at] = false;
                next.coming[(at + 1) % servers] += 1;
                next.laps -= u64::from(at + 1 == servers);
            }
            Action::Receive(at) => {
                next.coming[at] -= 1;
                next.holds[at] = true;
            }
            Action::Timeout(at) => {
                next.timeouts -= 1;
                next.holds[at] = true;
            }
            Action::Crash(at) => {
                next.crashes -= 1;
                next.up[at] = false;
                next.holds[at] = false;
            }
            Action::Restart(at) => next.up[at] = true,
        }
        next
    }

    fn tokens(&self) -> u64 {
        let held = self.holds.iter().filter(|holds| **holds).count() as u64;
        held + self.coming.iter().sum::<u64>()
    }

    /// Whether the condition of a property is met here.
    fn is(&self, property: &str) -> bool {
        match property {
            "one-token" => self.tokens() <= 1,
            "never-lost" => self.tokens() >= 1,
            "last-holds" => self.holds.last() == Some(&true),
            "second-lap" => self.laps == 0 && self.coming[0] > 0,
            other => panic!("no property {other}"),
        }
    }
}

fn property(name: &'static str, kind: PropertyKind, sentence: &'static str) -> PropertyInfo {
    PropertyInfo { name, kind, source: "Le Lann, 1977, section 3", sentence }
}

impl CheckableModel for Ring {
    fn info(&self) -> ModelInfo {
        let bound = |name, about, min, max| BoundInfo { name, about, min, max };
        let tier = |tier, servers| TierBounds {
            tier,
            bounds: Bounds::new([
                ("servers", servers),
                ("laps", 1),
                ("timeouts", 0),
                ("crashes", 0),
                ("delay-ms", 0),
            ]),
        };
        ModelInfo {
            name: "Ring",
            alias: Some("O"),
            family: "T",
            about: "a token on a ring of servers",
            properties: vec![
                property("one-token", PropertyKind::Always, "There is never more than one token."),
                property("never-lost", PropertyKind::Live, "The token comes back after faults."),
                property("last-holds", PropertyKind::Sometimes, "The last server has the token."),
                property("second-lap", PropertyKind::Sometimes, "The token begins its last lap."),
            ],
            actions: ACTIONS.to_vec(),
            bounds: vec![
                bound("servers", "servers on the ring", 2, 5),
                bound("laps", "times the token may go round", 0, 3),
                bound("timeouts", "servers that lose patience", 0, 2),
                bound("crashes", "crashes", 0, 2),
                bound("delay-ms", "pause before each state", 0, 1000),
            ],
            tiers: vec![tier(Tier::Quick, 3), tier(Tier::Deep, 5)],
        }
    }

    fn admits(&self, bounds: &Bounds) -> Result<(), String> {
        if bounds.value("timeouts") >= bounds.value("servers") {
            return Err("`timeouts` must be below `servers`".into());
        }
        Ok(())
    }

    fn check(&self, bounds: &Bounds, opts: &CheckOptions, progress: &dyn Fn(&Progress)) -> Verdict {
        let started = Instant::now();
        let info = self.info();
        let mut seen: BTreeMap<State, Vec<Action>> = BTreeMap::new();
        let mut level = vec![State::initial(bounds)];
        seen.insert(level[0].clone(), Vec::new());
        let mut levels = Vec::new();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let mut bad: BTreeMap<&str, Vec<Action>> = BTreeMap::new();
        let mut good: BTreeMap<&str, u64> = BTreeMap::new();
        let mut generated = 1;
        let mut completion = Completion::Complete;
        'search: while !level.is_empty() {
            levels.push(level.len() as u64);
            let mut next_level = Vec::new();
            for state in &level {
                std::thread::sleep(Duration::from_millis(bounds.value("delay-ms")));
                progress(&Progress {
                    phase: Phase::Exploring,
                    distinct: seen.len() as u64,
                    generated,
                    depth: levels.len() as u64 - 1,
                    frontier: level.len() as u64,
                    memory_bytes: None,
                });
                if opts.stopped() || opts.max_states.is_some_and(|max| seen.len() as u64 >= max) {
                    let why = if opts.stopped() { "interrupted" } else { "state limit reached" };
                    completion = Completion::Incomplete(why.into());
                    break 'search;
                }
                let path = seen[state].clone();
                for property in &info.properties {
                    match (property.kind, state.is(property.name)) {
                        (PropertyKind::Sometimes, reached) => {
                            *good.entry(property.name).or_default() += u64::from(reached);
                        }
                        (PropertyKind::Always, true) => {
                            *good.entry(property.name).or_default() += 1;
                        }
                        (PropertyKind::Live, true) => {}
                        (PropertyKind::Always, false) => {
                            bad.entry(property.name).or_insert_with(|| path.clone());
                        }
                        (PropertyKind::Live, false) => {
                            if state.timeouts == 0 {
                                bad.entry(property.name).or_insert_with(|| path.clone());
                            }
                        }
                    }
                }
                for action in state.actions() {
                    let next = state.step(action);
                    generated += 1;
                    *counts.entry(action.parts().0).or_default() += 1;
                    if !seen.contains_key(&next) {
                        let mut longer = path.clone();
                        longer.push(action);
                        seen.insert(next.clone(), longer);
                        next_level.push(next);
                    }
                }
            }
            level = next_level;
        }
        let judged = info.properties.iter().map(|property| {
            let count = good.get(property.name).copied();
            let hit = match property.kind {
                PropertyKind::Sometimes => count.unwrap_or(0) > 0,
                PropertyKind::Always | PropertyKind::Live => bad.contains_key(property.name),
            };
            PropertyVerdict::judge(property, &completion, hit, count)
        });
        Verdict {
            properties: judged.collect(),
            completion: completion.clone(),
            distinct: seen.len() as u64,
            digest: None,
            generated,
            depth: levels.len() as u64 - 1,
            elapsed: started.elapsed(),
            levels,
            actions: counts
                .iter()
                .map(|(name, count)| ActionCount { name: (*name).into(), count: *count })
                .collect(),
            violations: bad.iter().map(|(name, path)| violation(bounds, name, path)).collect(),
            threads: opts.threads,
            bytes_per_state: Some(96.0),
            peak_memory_bytes: None,
            collision_bound: "none: states are compared whole".into(),
            out_of_reach: Vec::new(),
            reductions: Vec::new(),
            distinct_without_symmetry: None,
            pruned: 0,
        }
    }

    fn explore(&self, _bounds: &Bounds, listen: SocketAddr) -> Result<(), String> {
        Err(format!("cannot listen on {listen}: address in use"))
    }

    fn replay(&self, trace: &TraceFile) -> Result<ReplayOutcome, String> {
        let mut state = State::initial(&trace.bounds);
        let mut violated: Vec<Violated> = Vec::new();
        let mut path = Vec::new();
        for (at, value) in trace.actions.iter().enumerate() {
            let action =
                Action::parse(value).ok_or(format!("step {}: no action {value}", at + 1))?;
            if !state.actions().contains(&action) {
                return Err(format!("step {}: {action:?} is not possible here", at + 1));
            }
            path.push(action);
            state = state.step(action);
            let already = violated.iter().any(|one| one.property == "one-token");
            if !state.is("one-token") && !already {
                violated.push(Violated { property: "one-token".into(), step: at + 1 });
            }
        }
        let story = Some(violation(&trace.bounds, "one-token", &path).story);
        Ok(ReplayOutcome { steps: path.len(), violated, story })
    }
}

fn violation(bounds: &Bounds, property: &str, path: &[Action]) -> Violation {
    let values = path.iter().map(|action| {
        let (name, at) = action.parts();
        serde_json::json!([name, at])
    });
    Violation {
        property: property.to_owned(),
        actions: values.collect(),
        story: story(bounds, property, path),
    }
}

fn story(bounds: &Bounds, property: &str, path: &[Action]) -> Story {
    let info = Ring.info();
    let property = info.property(property).expect("known");
    let servers = bounds.value("servers") as usize;
    let name = |at: usize| format!("s{}", at + 1);
    let mut state = State::initial(bounds);
    let mut steps = Vec::new();
    for (index, action) in path.iter().enumerate() {
        let next = state.step(*action);
        let (verb, at) = action.parts();
        let arrow = |from: usize, to: usize, fate| Arrow {
            from: name(from),
            to: name(to),
            label: "TOKEN".into(),
            fate,
            until: None,
        };
        let later = &path[index + 1..];
        let to = (at + 1) % servers;
        let fate =
            if later.contains(&Action::Receive(to)) { Fate::Delivered } else { Fate::InFlight };
        let (kind, text, received, sent) = match action {
            Action::Pass(_) => {
                let text = format!("{} passes the token to {}", name(at), name(to));
                (StepKind::Protocol, text, None, vec![arrow(at, to, fate)])
            }
            Action::Receive(_) => {
                let from = (at + servers - 1) % servers;
                let text = format!("{} receives the token", name(at));
                (StepKind::Protocol, text, Some(arrow(from, at, Fate::Delivered)), vec![])
            }
            Action::Timeout(_) => {
                (StepKind::Timeout, format!("{} makes a new token", name(at)), None, vec![])
            }
            Action::Crash(_) => (StepKind::Crash, format!("{} crashes", name(at)), None, vec![]),
            Action::Restart(_) => (StepKind::Restart, format!("{} starts", name(at)), None, vec![]),
        };
        let (before, after) = (state.holds[at], next.holds[at]);
        let memory =
            if before == after { vec![] } else { vec![format!("holds: {before} -> {after}")] };
        steps.push(Step {
            number: index + 1,
            actor: name(at),
            kind,
            action: verb.to_owned(),
            text,
            received,
            sent,
            memory,
            disk: vec![],
        });
        state = next;
    }
    let holders: Vec<String> = (0..servers).filter(|at| state.holds[*at]).map(name).collect();
    Story {
        model: info.name.to_owned(),
        bounds: bounds.clone(),
        property: property.name.to_owned(),
        property_sentence: property.sentence.to_owned(),
        property_source: property.source.to_owned(),
        facts: [
            format!("tokens held: {}", holders.join(", ")),
            format!("tokens on their way: {}", state.coming.iter().sum::<u64>()),
        ],
        servers: (0..servers).map(name).collect(),
        steps,
        faults_stop_after: None,
        loop_after: None,
    }
}
