//! What this very run leaves open.

use checker::Tier;
use model::flaws::Case;

use crate::chain::{REFINES, abstract_actions, compared, is_abstract, short, vacuous};
use crate::schema::{
    Checks, Conformance, Flaws, Gap, GapKind, Identity, Ledger, Mutants, Outcome, Part, Report,
    Specification, Status,
};
use crate::text::{counted, grouped};

/// Everything that this run leaves open, failures first. [`Report::chain`] has to be there already.
pub fn gaps(report: &Report) -> Vec<Gap> {
    let mut found = Gaps::default();
    if report.interrupted {
        found.add(GapKind::NotRun, "this report", "it was interrupted before its end");
    }
    found.part("model checking", &report.checks);
    found.part("proofs", &report.proofs);
    found.part("specification", &report.specification);
    found.part("conformance", &report.conformance);
    found.part("seeded flaws", &report.flaws);
    found.part("mutants", &report.mutants);
    found.part("ledger", &report.ledger);
    let same_core = report.chain.iter().find(|link| link.command.starts_with("vivarium --version"));
    match same_core.map(|link| (link.status, &link.result)) {
        Some((Status::Failed, result)) => found.add(GapKind::Failed, "one core", result),
        Some((Status::NotRun, result)) => found.add(GapKind::NotRun, "one core", result),
        Some((Status::Proved | Status::Checked | Status::Tested, _)) | None => {}
    }
    identity(&mut found, &report.identity);
    found.of(&report.checks, checks);
    found.of(&report.specification, specification);
    found.of(&report.conformance, conformance);
    found.of(&report.flaws, flaws);
    found.of(&report.mutants, mutants);
    if let Some(facts) = &report.ledger.facts {
        ledger(&mut found, facts, &report.identity);
    }
    found.0.sort_by_key(|gap| gap.kind);
    found.0
}

#[derive(Default)]
struct Gaps(Vec<Gap>);

impl Gaps {
    fn add(&mut self, kind: GapKind, place: &str, text: impl Into<String>) {
        self.0.push(Gap { kind, place: place.to_owned(), text: text.into() });
    }

    fn part<T>(&mut self, place: &str, part: &Part<T>) {
        match part.outcome {
            Outcome::Holds | Outcome::Recorded => {}
            Outcome::Failed => self.add(GapKind::Failed, place, part.why()),
            Outcome::NotRun => self.add(GapKind::NotRun, place, part.why()),
        }
    }

    fn of<T>(&mut self, part: &Part<T>, say: fn(&mut Self, &T)) {
        if let Some(facts) = &part.facts {
            say(self, facts);
        }
    }
}

fn identity(gaps: &mut Gaps, identity: &Identity) {
    const PLACE: &str = "identity";
    let built_from = &identity.built_from;
    match &identity.commit {
        None => gaps.add(GapKind::Partly, PLACE, "the source tree is not a git checkout: its commit is not known"),
        Some(commit) if commit != built_from => gaps.add(
            GapKind::Partly,
            PLACE,
            format!("this program was built from {built_from}, the tree stands at {commit}: models and servers are those of the program"),
        ),
        Some(_) => {}
    }
    if !identity.changed.is_empty() {
        let files = counted(identity.changed.len(), "path differs", "paths differ");
        gaps.add(
            GapKind::Partly,
            PLACE,
            format!("the tree is not clean: {files} from the commit, so nobody else has it"),
        );
    }
}

fn checks(gaps: &mut Gaps, facts: &Checks) {
    const PLACE: &str = "model checking";
    if !facts.all {
        let names: Vec<&str> = facts.models.iter().map(|run| &*run.record.name).collect();
        gaps.add(
            GapKind::Partly,
            PLACE,
            format!("of all models only {} was run", names.join(", ")),
        );
    }
    let larger = match facts.tier {
        Tier::Quick => {
            Some("the bounds of the tiers standard and deep are larger, and were not run")
        }
        Tier::Standard => Some("the bounds of the tier deep are larger, and were not run"),
        Tier::Deep => None,
    };
    if let Some(larger) = larger {
        gaps.add(GapKind::Partly, PLACE, format!("tier {}: {larger}", facts.tier));
    }
    let uncompared: Vec<&str> = facts
        .models
        .iter()
        .filter(|run| run.record.properties.iter().any(|p| p.name == REFINES && p.out_of_reach))
        .map(|run| &*run.record.name)
        .collect();
    if !uncompared.is_empty() {
        let text =
            format!("not compared with abstract Zab in these bounds: {}", uncompared.join(", "));
        gaps.add(GapKind::Partly, "refinement", text);
    }
    if compared(facts).next().is_none() {
        gaps.add(
            GapKind::NotRun,
            "refinement",
            "no model of this run compares its steps with abstract Zab",
        );
    } else {
        let actions = abstract_actions(facts);
        let never: Vec<&str> =
            actions.iter().filter(|(_, count)| *count == 0).map(|(name, _)| &**name).collect();
        if !never.is_empty() {
            let text =
                format!("actions of abstract Zab that the code never took: {}", never.join(", "));
            gaps.add(if facts.all { GapKind::Failed } else { GapKind::Partly }, "refinement", text);
        }
    }
    if facts.models.iter().any(|run| !is_abstract(run)) {
        for name in vacuous(facts) {
            let text = format!(
                "{name}: no state of this run met its precondition, so it says nothing here"
            );
            gaps.add(GapKind::Partly, PLACE, text);
        }
    }
}

fn specification(gaps: &mut Gaps, facts: &Specification) {
    let unseen = facts.counts.iter().filter(|count| count.tla.is_none());
    let unseen: Vec<&str> = unseen.map(|count| &*count.name).collect();
    if !unseen.is_empty() {
        let text = format!(
            "not counted from TLA+ in this run, recorded only: {} (spec/check.sh --all does)",
            unseen.join(", ")
        );
        gaps.add(GapKind::Partly, "specification", text);
    }
}

fn conformance(gaps: &mut Gaps, facts: &Conformance) {
    const PLACE: &str = "conformance";
    match facts.trace_checker.outcome {
        Outcome::Holds | Outcome::Recorded => {}
        Outcome::Failed => gaps.add(GapKind::Failed, "trace checker", facts.trace_checker.why()),
        Outcome::NotRun => gaps.add(GapKind::NotRun, "trace checker", facts.trace_checker.why()),
    }
    for property in facts.properties.iter().filter(|property| property.holds.is_none()) {
        let why = property.reason.as_deref().unwrap_or("not decided");
        gaps.add(GapKind::Partly, PLACE, format!("{}: {why}", property.name));
    }
    let undecided: u64 = facts.properties.iter().map(|property| property.undecided).sum();
    if undecided > 0 {
        let text = format!(
            "{} facts could not be judged: what they need may be in steps that a recording has lost",
            grouped(undecided)
        );
        gaps.add(GapKind::Partly, PLACE, text);
    }
    let never = facts.actions.iter().filter(|action| action.count == 0);
    let never: Vec<&str> = never.map(|action| &*action.name).collect();
    if !never.is_empty() {
        let text = format!("actions that no recorded server took: {}", never.join(", "));
        gaps.add(GapKind::Partly, PLACE, text);
    }
}

fn flaws(gaps: &mut Gaps, facts: &Flaws) {
    let not_here = facts
        .flaws
        .iter()
        .filter(|flaw| flaw.here.is_none() && matches!(flaw.recorded.case, Case::Expressed { .. }));
    let (not_here, all) = (not_here.count(), facts.flaws.len());
    if not_here > 0 {
        let text = format!("{not_here} of {all} are as recorded, and were not run here");
        gaps.add(GapKind::Partly, "seeded flaws", text);
    }
}

fn mutants(gaps: &mut Gaps, facts: &Mutants) {
    gaps.add(GapKind::Partly, "mutants", "as recorded, not run here");
    let survived = facts.mutants.iter().filter(|mutant| mutant.outcome == "survived").count();
    if survived > 0 {
        let text = counted(survived, "mutant survives", "mutants survive");
        gaps.add(GapKind::Partly, "mutants", text);
    }
}

fn ledger(gaps: &mut Gaps, facts: &Ledger, identity: &Identity) {
    for entry in &facts.entries {
        let file = &entry.file;
        let said = match &entry.core {
            None => format!(
                "{file}: whether its core was today's cannot be known here; as recorded, not run here"
            ),
            Some(core) if *core == identity.core_of_tree => {
                format!(
                    "{file}: of the same core, perhaps with other models; as recorded, not run here"
                )
            }
            Some(core) => format!(
                "{file}: of another core ({}, today's is {}), so it does not speak of today's; as recorded, not run here",
                short(core),
                short(&identity.core_of_tree)
            ),
        };
        gaps.add(GapKind::Partly, "ledger", said);
    }
}
