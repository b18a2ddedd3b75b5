//! The entries of a trace.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use search::calm::Lasso;

/// One entry of a trace: the first says where it begins; a run that never gets there also says when
/// its faults stop, and from where on it repeats itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry<A> {
    /// Begins in the initial state with this number, from 0.
    Begin(u32),
    /// The faults stop here.
    FaultsStop,
    /// What follows is repeated for ever.
    ForEver,
    /// An action.
    #[serde(untagged)]
    Act(A),
}

impl<A: Serialize + DeserializeOwned> Entry<A> {
    /// A run without liveness in it: where it begins, and its actions.
    pub fn path(initial: u32, acts: impl IntoIterator<Item = A>) -> Vec<Self> {
        std::iter::once(Self::Begin(initial)).chain(acts.into_iter().map(Self::Act)).collect()
    }

    /// A run that never reaches the goal.
    pub fn lasso(lasso: &Lasso, act: impl Fn(u32) -> Option<A>) -> Vec<Self> {
        let acts = |labels: &[u32]| {
            labels.iter().filter_map(|&l| act(l)).map(Self::Act).collect::<Vec<_>>()
        };
        let mut entries = vec![Self::Begin(lasso.initial)];
        entries.extend(acts(&lasso.before));
        entries.push(Self::FaultsStop);
        entries.extend(acts(&lasso.calm));
        if !lasso.cycle.is_empty() {
            entries.push(Self::ForEver);
            entries.extend(acts(&lasso.cycle));
        }
        entries
    }

    /// How many actions come before the faults stop, and before those that are repeated for ever.
    pub fn marks(entries: &[Self]) -> (Option<usize>, Option<usize>) {
        let before = |is: fn(&Self) -> bool| {
            let at = entries.iter().position(is)?;
            Some(entries[..at].iter().filter(|entry| matches!(entry, Self::Act(_))).count())
        };
        let stop = before(|entry| matches!(entry, Self::FaultsStop));
        (stop, before(|entry| matches!(entry, Self::ForEver)))
    }

    /// As a trace file holds them.
    pub fn values(entries: &[Self]) -> Vec<Value> {
        let value = |entry| serde_json::to_value(entry).expect("an entry is plain data");
        entries.iter().map(value).collect()
    }

    /// From a trace file. The error names the step.
    pub fn parse(values: &[Value]) -> Result<Vec<Self>, String> {
        let entry = |(at, value): (usize, &Value)| {
            serde_json::from_value(value.clone())
                .map_err(|_| format!("step {at}: no action {value}"))
        };
        values.iter().enumerate().map(entry).collect()
    }
}
