//! Walking a trace again, calm parts included.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use search::Successors;
use search::calm::{Calms, STRONG_FROM};

use super::Entry;

/// A step of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stride<A> {
    /// What was done; `None` where the trace begins or the faults stop.
    pub act: Option<A>,
    /// Whether the faults had stopped.
    pub calm: bool,
    /// Step properties that it violates.
    pub violated: u64,
    /// Coverage of the step.
    pub marks: u128,
    /// The state after it.
    pub words: Vec<u32>,
}

/// A whole walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk<A> {
    /// The beginning, and every step.
    pub strides: Vec<Stride<A>>,
    /// Whether it shows that a fair run need not reach the goal: since the faults stopped no goal
    /// is passed, and the end is a state without any step, or the state from where the steps are
    /// repeated for ever, which treats every class fairly.
    pub never_ends: bool,
}

/// Follows a trace. The error names the step (from 1; 0 is the beginning) that the model does not
/// allow.
pub fn walk<S: Calms, A: Copy + std::fmt::Debug + Serialize + DeserializeOwned>(
    space: &S,
    entries: &[Entry<A>],
    label: impl Fn(A) -> u32 + Copy,
) -> Result<Walk<A>, String> {
    let mut worker = space.worker();
    let mut out = Successors::new(space.words());
    space.initial(&mut worker, &mut out);
    let Some((Entry::Begin(initial), entries)) = entries.split_first() else {
        return Err("step 0: a trace begins with `Begin`".into());
    };
    let Some(edge) = out.get(*initial as usize) else {
        return Err(format!("step 0: there are only {} beginnings", out.len()));
    };
    let first = Stride {
        act: None,
        calm: false,
        violated: edge.violated,
        marks: edge.marks,
        words: edge.words.to_vec(),
    };
    let mut strides = vec![first];
    let (mut calm, mut home, mut goal) = (false, None::<usize>, false);
    for entry in entries {
        let number = strides.len();
        let last = &strides[number - 1];
        match *entry {
            Entry::Begin(_) => return Err(format!("step {number}: a trace begins once")),
            Entry::FaultsStop => {
                calm = true;
                let mut words = last.words.clone();
                space.calmed(&mut words);
                goal = space.is_goal(&mut worker, &words);
                if let Some(last) = strides.last_mut() {
                    // The same moment: nobody did anything.
                    last.words = words;
                }
            }
            Entry::ForEver => home = Some(number - 1),
            Entry::Act(act) => {
                out.clear();
                match calm {
                    true => space.calm_steps(&mut worker, &last.words, &mut out),
                    false => space.expand(&mut worker, &last.words, &mut out),
                }
                let Some(edge) = out.iter().find(|edge| edge.label == label(act)) else {
                    return Err(format!("step {number}: {act:?} is not possible here"));
                };
                let (violated, marks) = (edge.violated, edge.marks);
                let words = edge.words.to_vec();
                goal |= calm && space.is_goal(&mut worker, &words);
                strides.push(Stride { act: Some(act), calm, violated, marks, words });
            }
        }
    }
    let end = &strides[strides.len() - 1].words;
    let stays = match home {
        Some(home) if strides[home].words == *end => {
            is_fair(space, &mut worker, &strides[home..], label)
        }
        Some(_) => false,
        None => {
            out.clear();
            space.calm_steps(&mut worker, end, &mut out);
            out.is_empty()
        }
    };
    Ok(Walk { never_ends: calm && !goal && stays, strides })
}

/// Whether steps that lead from a state back to it, repeated for ever, are a fair run.
fn is_fair<S: Calms, A: Copy>(
    space: &S,
    worker: &mut S::Worker,
    cycle: &[Stride<A>],
    label: impl Fn(A) -> u32,
) -> bool {
    let taken: BTreeSet<u8> = cycle[1..]
        .iter()
        .filter_map(|stride| stride.act)
        .map(|act| space.class(label(act)))
        .collect();
    let enabled: Vec<BTreeSet<u8>> = cycle
        .iter()
        .map(|stride| {
            let mut out = Successors::new(space.words());
            space.calm_steps(worker, &stride.words, &mut out);
            out.iter().map(|edge| space.class(edge.label)).collect()
        })
        .collect();
    let starved = |class: &u8| {
        let again = *class >= STRONG_FROM || enabled.iter().all(|classes| classes.contains(class));
        again && !taken.contains(class)
    };
    !taken.is_empty() && !enabled.iter().flatten().any(starved)
}
