//! The two searches as families use them: that of this repository, and stateright's, which is the
//! reference.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use stateright::{Checker as _, Model};

use search::{Options, Outcome};

use super::{CheckOptions, Completion, Phase, Progress, Verdict, Violated};

/// What the front end asks, as the search takes it.
pub(crate) fn options(opts: &CheckOptions) -> Options<'_> {
    Options {
        threads: opts.threads,
        states_max: opts.max_states,
        stop: Some(&opts.stop),
        ..Options::default()
    }
}

/// What the search says of itself, as the front end shows it.
pub(crate) fn shown(phase: Phase, seen: &search::Progress) -> Progress {
    Progress {
        phase,
        distinct: seen.distinct,
        generated: seen.generated,
        depth: u64::from(seen.depth),
        frontier: seen.frontier,
        memory_bytes: Some(seen.bytes),
    }
}

/// What an outcome says by itself. Properties, actions and violations are the family's to add.
pub(crate) fn verdict(outcome: &Outcome, completion: Completion, opts: &CheckOptions) -> Verdict {
    Verdict {
        completion,
        distinct: outcome.distinct,
        digest: Some(outcome.digest),
        generated: outcome.generated,
        depth: u64::from(outcome.depth),
        elapsed: Duration::from_secs_f64(outcome.seconds),
        levels: outcome.levels.clone(),
        bytes_per_state: Some(outcome.bytes_per_state()),
        ..nothing(opts, outcome.collision_bound())
    }
}

/// A verdict on no state.
fn nothing(opts: &CheckOptions, collision_bound: String) -> Verdict {
    Verdict {
        completion: Completion::Complete,
        distinct: 0,
        digest: None,
        generated: 0,
        depth: 0,
        elapsed: Duration::ZERO,
        levels: Vec::new(),
        properties: Vec::new(),
        out_of_reach: Vec::new(),
        reductions: Vec::new(),
        distinct_without_symmetry: None,
        actions: Vec::new(),
        violations: Vec::new(),
        threads: opts.threads,
        bytes_per_state: None,
        peak_memory_bytes: None,
        collision_bound,
        pruned: 0,
    }
}

/// What stateright found.
pub(crate) struct Reference {
    /// Completion and numbers; properties are the family's to add.
    pub(crate) verdict: Verdict,
    /// Claims of the model that are violated, and conditions that were reached, by name.
    pub(crate) found: BTreeSet<&'static str>,
}

/// Explores all states of `model` with stateright. `violates` says of a name whether it is a claim
/// that was violated, and not a condition that was reached.
pub(crate) fn stateright<M>(
    model: M,
    violates: impl Fn(&str) -> bool,
    opts: &CheckOptions,
    progress: &dyn Fn(&Progress),
) -> Reference
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + 'static,
    M::Action: Clone + PartialEq,
{
    let begun = Instant::now();
    let mut builder = model.checker().threads(opts.threads);
    if let Some(states) = opts.max_states {
        builder = builder.target_state_count(usize::try_from(states).unwrap_or(usize::MAX));
    }
    let checker = builder.spawn_bfs();
    while !checker.is_done() && !opts.stopped() {
        progress(&Progress {
            phase: Phase::Exploring,
            distinct: checker.unique_state_count() as u64,
            generated: checker.state_count() as u64,
            depth: checker.max_depth() as u64,
            frontier: 0,
            memory_bytes: None,
        });
        std::thread::sleep(Duration::from_millis(50));
    }
    let found: BTreeSet<_> = checker.discoveries().into_keys().collect();
    let generated = checker.state_count() as u64;
    let incomplete = if opts.stopped() {
        Some("interrupted")
    } else if found.iter().any(|name| violates(name)) {
        Some("stopped at a violation")
    } else if opts.max_states.is_some_and(|max| generated >= max) {
        Some("stopped at the limit of states")
    } else {
        None
    };
    let verdict = Verdict {
        completion: match incomplete {
            None => Completion::Complete,
            Some(why) => Completion::Incomplete(why.to_owned()),
        },
        distinct: checker.unique_state_count() as u64,
        generated,
        // Stateright counts states along a path, not steps.
        depth: (checker.max_depth() as u64).saturating_sub(1),
        elapsed: begun.elapsed(),
        ..nothing(opts, "64-bit fingerprints (stateright)".to_owned())
    };
    Reference { verdict, found }
}

/// Adds what is violated after this step of a replay, each property once.
pub(crate) fn note<'a>(
    violated: &mut Vec<Violated>,
    step: usize,
    properties: impl Iterator<Item = &'a str>,
) {
    for property in properties {
        if !violated.iter().any(|known| known.property == property) {
            violated.push(Violated { property: property.to_owned(), step });
        }
    }
}

/// Serves stateright's Explorer until the process ends. It panics if it cannot listen, so that is
/// tried first.
pub(crate) fn explorer<M>(model: M, listen: SocketAddr) -> Result<(), String>
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
{
    drop(TcpListener::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?);
    let _checker = model.checker().serve(listen);
    Ok(())
}
