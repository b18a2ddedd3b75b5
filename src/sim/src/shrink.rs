//! A smaller run with which something is wrong, too.

use std::time::Duration;

use crate::judge::run;
use crate::plan::{Fault, Options};
use crate::world::Outcome;

/// Leaves out of a run what it does not need to fail: kinds of faults, clients, time. What is wrong
/// may be something else then; it is wrong all the same.
pub fn shrink(options: &Options, failed: Outcome) -> (Options, Outcome) {
    let (mut best, mut outcome) = (options.clone(), failed);
    loop {
        let smaller = candidates(&best).into_iter().find_map(|candidate| {
            let outcome = run(&candidate, false);
            outcome.failure.is_some().then_some((candidate, outcome))
        });
        match smaller {
            Some((candidate, failed)) => (best, outcome) = (candidate, failed),
            None => return (best, outcome),
        }
    }
}

/// Runs that are a step smaller.
fn candidates(options: &Options) -> Vec<Options> {
    let mut smaller = Vec::new();
    for fault in Fault::ALL {
        if !options.without.contains(&fault) {
            let mut without = options.without.clone();
            without.push(fault);
            smaller.push(Options { without, ..options.clone() });
        }
    }
    if options.observers != Some(0) {
        smaller.push(Options { observers: Some(0), ..options.clone() });
    }
    let most = options.clients.unwrap_or(6);
    for clients in (1..most).rev() {
        smaller.push(Options { clients: Some(clients), ..options.clone() });
    }
    let wild = options.wild.unwrap_or(Duration::from_secs(40));
    for part in [2, 4] {
        // Whole seconds, as the command line takes them.
        let shorter = Duration::from_secs(wild.as_secs() / part);
        if !shorter.is_zero() {
            smaller.push(Options { wild: Some(shorter), ..options.clone() });
        }
    }
    smaller
}
