//! The JSON record of a run: what `--json` writes, and what the ledger keeps.

use super::{
    ActionCount, Bounds, BuildInfo, Completion, Engine, Machine, ModelInfo, PropertyKind, Tier,
    Verdict,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One model, run once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The model.
    pub name: String,
    /// The tier whose bounds these are; `null` if some were given by hand.
    pub tier: Option<Tier>,
    /// The bounds.
    pub bounds: Bounds,
    /// Commit of the build, see [`BuildInfo::commit`].
    pub commit: String,
    /// Whether every reachable state within the bounds was visited.
    pub complete: bool,
    /// Why not, if not.
    pub incomplete: Option<String>,
    /// Distinct states.
    pub distinct: u64,
    /// Digest of the set of distinct states, 32 hexadecimal digits: equal for equal sets, whatever
    /// found them. Absent if the search has none, and in records of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What a run without server symmetry would have visited, if this one used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct_without_symmetry: Option<u64>,
    /// What was done to visit fewer states, and why nothing is lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reductions: Vec<String>,
    /// Generated states.
    pub generated: u64,
    /// Depth of the deepest level.
    pub depth: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Every property of the model.
    pub properties: Vec<PropertyRecord>,
    /// Every action of the model, those never taken included.
    pub actions: Vec<ActionCount>,
    /// Path of the first counterexample, as a trace that `vivarium replay` reads; the story as text
    /// and as HTML lies beside it.
    pub counterexample: Option<String>,
    /// Distinct states first seen at each depth.
    pub levels: Vec<u64>,
    /// The search used.
    pub engine: Engine,
    /// Threads that took part.
    pub threads: usize,
    /// Memory for each visited state.
    pub bytes_per_state: Option<f64>,
    /// Largest resident memory of the process during the run.
    pub peak_memory_bytes: Option<u64>,
    /// How states are told apart and how likely a mistake is.
    pub collision_bound: String,
    /// States left out although within the bounds.
    pub pruned: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What ran.
    pub versions: Versions,
}

/// One property in a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyRecord {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: PropertyKind,
    /// Whether it holds within the bounds; `null` if it is vacuous, or the run did not decide it.
    pub holds: Option<bool>,
    /// True if its precondition never occurred: then nothing was seen to hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vacuous: bool,
    /// See `PropertyVerdict::occurrences`.
    pub occurrences: Option<u64>,
    /// True if the bounds put it out of reach: then it is not asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_reach: bool,
    /// Path of its counterexample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<String>,
}

/// What a run says of a property, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A claim that no state contradicts, and some state could have.
    Holds,
    /// A claim that a state or a run contradicts.
    Violated,
    /// A condition that some state fulfils.
    Reached,
    /// A condition that no state fulfils.
    Unreached,
    /// A claim whose precondition never occurred.
    Vacuous,
    /// The run did not decide it.
    Undecided,
    /// The bounds put it out of reach.
    OutOfReach,
}

impl Answer {
    /// True if it is no reason for a run not to pass. What is vacuous or out of reach is none, and
    /// says nothing either.
    pub const fn passes(self) -> bool {
        match self {
            Self::Holds | Self::Reached | Self::Vacuous | Self::OutOfReach => true,
            Self::Violated | Self::Unreached | Self::Undecided => false,
        }
    }
}

impl PropertyRecord {
    /// The word for it.
    pub fn answer(&self) -> Answer {
        let claims = match self.kind {
            PropertyKind::Always | PropertyKind::Live => true,
            PropertyKind::Sometimes => false,
        };
        match (claims, self.holds) {
            _ if self.out_of_reach => Answer::OutOfReach,
            (true, Some(false)) => Answer::Violated,
            // Records of earlier builds call it true.
            (true, _) if self.vacuous || self.holds.is_some() && self.occurrences == Some(0) => {
                Answer::Vacuous
            }
            (true, Some(true)) => Answer::Holds,
            (false, Some(true)) => Answer::Reached,
            (false, Some(false)) => Answer::Unreached,
            (true | false, None) => Answer::Undecided,
        }
    }
}

/// Versions behind a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// `rustc --version`.
    pub rustc: String,
    /// Version of the package `vivarium`.
    #[serde(rename = "crate")]
    pub package: String,
}

impl Record {
    /// The record of a run. `tier` is `None` if the bounds are not exactly a tier's.
    ///
    /// A property or action that the verdict leaves out is undecided, or was never taken. One that
    /// the model does not declare makes the record incomplete, for then the two disagree about
    /// what was checked.
    pub fn new(
        info: &ModelInfo,
        tier: Option<Tier>,
        bounds: &Bounds,
        engine: Engine,
        verdict: &Verdict,
        build: &BuildInfo,
    ) -> Self {
        let incomplete = match &verdict.completion {
            Completion::Complete => undeclared(info, verdict),
            Completion::Incomplete(why) => Some(why.clone()),
        };
        Self {
            name: info.name.to_owned(),
            tier,
            bounds: bounds.clone(),
            commit: build.commit.clone(),
            complete: incomplete.is_none(),
            incomplete,
            distinct: verdict.distinct,
            digest: verdict.digest.map(|digest| format!("{digest:032x}")),
            generated: verdict.generated,
            depth: verdict.depth,
            seconds: (verdict.elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            properties: properties(info, verdict),
            reductions: verdict.reductions.clone(),
            distinct_without_symmetry: verdict.distinct_without_symmetry,
            actions: actions(info, &verdict.actions),
            counterexample: None,
            levels: verdict.levels.clone(),
            engine,
            threads: verdict.threads,
            bytes_per_state: verdict.bytes_per_state,
            peak_memory_bytes: verdict.peak_memory_bytes,
            collision_bound: verdict.collision_bound.clone(),
            pruned: verdict.pruned,
            machine: Machine::here(),
            versions: Versions { rustc: build.rustc.clone(), package: build.version.clone() },
        }
    }

    /// Whether the run shows everything that was asked: complete, nothing pruned, every property
    /// that the bounds leave something to say decided as required.
    pub fn passes(&self) -> bool {
        self.complete
            && self.pruned == 0
            && self.properties.iter().all(|property| property.answer().passes())
    }

    /// Whether it shows that something is not as required, complete or not.
    pub fn fails(&self) -> bool {
        !self.with(Answer::Violated).is_empty() || !self.with(Answer::Unreached).is_empty()
    }

    /// The names of the properties with this answer.
    pub fn with(&self, answer: Answer) -> Vec<&str> {
        let chosen = self.properties.iter().filter(|property| property.answer() == answer);
        chosen.map(|property| property.name.as_str()).collect()
    }
}

fn undeclared(info: &ModelInfo, verdict: &Verdict) -> Option<String> {
    let mut unknown = verdict.properties.iter().map(|property| property.name.as_str());
    unknown.find(|name| info.property(name).is_none()).map(|name| {
        format!("the search reports a property `{name}` that the model does not declare")
    })
}

fn properties(info: &ModelInfo, verdict: &Verdict) -> Vec<PropertyRecord> {
    let (verdicts, out_of_reach) = (&verdict.properties, &verdict.out_of_reach);
    let declared = info.properties.iter();
    let records = declared.map(|property| {
        let verdict = verdicts.iter().find(|verdict| verdict.name == property.name);
        PropertyRecord {
            name: property.name.to_owned(),
            kind: property.kind,
            holds: verdict.and_then(|verdict| verdict.holds),
            vacuous: verdict.is_some_and(|verdict| verdict.vacuous),
            occurrences: verdict.and_then(|verdict| verdict.occurrences),
            out_of_reach: verdict.is_none() && out_of_reach.contains(&property.name),
            counterexample: None,
        }
    });
    records.collect()
}

fn actions(info: &ModelInfo, counted: &[ActionCount]) -> Vec<ActionCount> {
    let declared = info.actions.iter().map(|name| {
        let found = counted.iter().find(|action| action.name == *name);
        ActionCount { name: (*name).to_owned(), count: found.map_or(0, |action| action.count) }
    });
    let further = counted.iter().filter(|action| !info.actions.contains(&action.name.as_str()));
    declared.chain(further.cloned()).collect()
}

/// Writes records as one JSON array. The file is replaced as a whole, so a reader and a crash
/// see either the old array or the new one.
pub fn write_records(path: &Path, records: &[Record]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    std::fs::write(&temporary, serde_json::to_string_pretty(records)? + "\n")?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::super::{PropertyInfo, PropertyVerdict};
    use super::*;

    /// A violation or the condition was seen, occurrences, whether the run was complete: as a
    /// claim, and as a condition.
    #[test]
    fn a_property_without_an_occasion_is_neither_held_nor_undecided() {
        use Answer::{Holds, Reached, Undecided, Unreached, Vacuous, Violated};
        for (hit, occurrences, complete, claim, condition) in [
            (false, Some(5), true, Holds, Unreached),
            (false, None, true, Holds, Unreached),
            (false, Some(0), true, Vacuous, Unreached),
            (false, Some(0), false, Undecided, Undecided),
            (false, Some(5), false, Undecided, Undecided),
            (true, Some(1), false, Violated, Reached),
            (true, Some(1), true, Violated, Reached),
            // A violation is one, whatever was counted.
            (true, Some(0), true, Violated, Reached),
        ] {
            let completion = match complete {
                true => Completion::Complete,
                false => Completion::Incomplete("interrupted".into()),
            };
            for (kind, expected) in [
                (PropertyKind::Always, claim),
                (PropertyKind::Live, claim),
                (PropertyKind::Sometimes, condition),
            ] {
                let info = PropertyInfo { name: "p", kind, source: "", sentence: "" };
                let PropertyVerdict { holds, vacuous, .. } =
                    PropertyVerdict::judge(&info, &completion, hit, occurrences);
                let record = PropertyRecord {
                    name: "p".into(),
                    kind,
                    holds,
                    vacuous,
                    occurrences,
                    out_of_reach: false,
                    counterexample: None,
                };
                assert_eq!(record.answer(), expected, "{kind} {hit} {occurrences:?} {complete}");
                assert_eq!(holds.is_some(), !matches!(expected, Vacuous | Undecided));
            }
        }
    }

    #[test]
    fn a_record_that_calls_what_is_vacuous_true_is_read_as_it_is_meant() {
        let text = r#"{"name": "p", "kind": "always", "holds": true, "occurrences": 0}"#;
        let record: PropertyRecord = serde_json::from_str(text).expect("as written once");
        assert_eq!(record.answer(), Answer::Vacuous);
    }
}
