//! Whether a mistake would be noticed: seeded flaws and mutants.

use maud::{Markup, html};
use model::flaws::Case;

use super::how;
use crate::plot;
use crate::schema::{FlawRun, Flaws, Mutant, Mutants, Part};
use crate::text::{counted, grouped, seconds};

pub(super) fn flaws(part: &Part<Flaws>) -> Markup {
    html! {
        section id="flaws" {
            h2 { "8. Would a mistake be noticed? Seeded flaws" }
            (how(part))
            p { "Historical bugs of ZooKeeper and hazards of the protocol are put back into a copy of the core, one at a time; the checker "
                "has to find each by the property that the list expects, without the comparison with abstract Zab." }
            @if let Some(facts) = &part.facts {
                @let here = facts.flaws.iter().filter(|flaw| flaw.here.is_some()).count();
                p { (counted(facts.flaws.len(), "flaw", "flaws")) ". " b { (here) " run here" } "; the others are "
                    b { "recorded, not run here" } " (table last changed at "
                    (facts.recorded_at.as_deref().unwrap_or("a commit that is not known")) ")." }
                (by_property(facts))
                (matrix(facts))
            }
        }
    }
}

/// The property that failed first, here if it was run here, else on record.
fn caught_by(flaw: &FlawRun) -> Option<&str> {
    match &flaw.recorded.case {
        Case::Expressed { measured, .. } => measured.as_ref().map(|measured| &*measured.property),
        Case::Impossible { .. } => None,
    }
}

/// Properties that caught something, in the order of their numbers, with how many.
fn tally(facts: &Flaws) -> Vec<(String, u64)> {
    let mut tally: Vec<(String, u64)> = Vec::new();
    for property in facts.flaws.iter().filter_map(caught_by) {
        match tally.iter_mut().find(|(name, _)| name == property) {
            Some((_, count)) => *count += 1,
            None => tally.push((property.to_owned(), 1)),
        }
    }
    tally.sort_by_key(|(name, _)| {
        let (letter, number) = name.split_at(1);
        let digits = number.split(' ').next().unwrap_or_default();
        (letter.to_lowercase() != "z", digits.parse().unwrap_or(u32::MAX), name.clone())
    });
    tally
}

fn by_property(facts: &Flaws) -> Markup {
    plot::bars("Flaws by the property that fails first, as recorded", false, &tally(facts))
}

/// Rows are flaws, columns are properties.
fn matrix(facts: &Flaws) -> Markup {
    let properties: Vec<String> = tally(facts).into_iter().map(|(name, _)| name).collect();
    let head = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
    html! {
        h3 { "Kill matrix" }
        p.soft { "A filled square: found here. An open one: on record. Depth is the length of the shortest counterexample, states are the distinct "
            "ones when its level was finished, both as recorded." }
        table.matrix {
            thead { tr { th { "Flaw" } @for name in &properties { th title=(name) { span { (head(name)) } } }
                th.n { "Depth" } th.n { "States" } th { "Model and bounds" } th { "Here" } } }
            tbody { @for flaw in &facts.flaws { (row(flaw, &properties)) } }
        }
    }
}

fn row(flaw: &FlawRun, properties: &[String]) -> Markup {
    let caught = caught_by(flaw);
    let mark = match &flaw.here {
        Some(here) if here.caught => "■",
        Some(_) | None => "□",
    };
    html! {
        tr {
            td { b { (flaw.recorded.name) } " " span.soft { (flaw.recorded.wrong) } }
            @for property in properties {
                td.mark { @if caught == Some(property) { (mark) } }
            }
            @match &flaw.recorded.case {
                Case::Expressed { measured, model, bounds, .. } => {
                    td.n { (measured.as_ref().map_or("-".to_owned(), |found| grouped(found.depth))) }
                    td.n { (measured.as_ref().map_or("-".to_owned(), |found| grouped(found.states))) }
                    td.bounds { (model) " " (bounds) }
                }
                Case::Impossible { impossible } => {
                    td.n { "-" } td.n { "-" } td { "cannot be expressed: " (impossible) }
                }
            }
            td { @match &flaw.here {
                None => span.soft { "recorded" },
                Some(here) if here.caught => { (here.found) ", " (seconds(here.seconds)) },
                Some(here) => { span.status.failed { "failed" } " " (here.found) },
            } }
        }
    }
}

pub(super) fn mutants(part: &Part<Mutants>) -> Markup {
    html! {
        section id="mutants" {
            h2 { "9. Would a mistake be noticed? Mutants" }
            (how(part))
            @if let Some(facts) = &part.facts { (mutant_tables(facts)) }
        }
    }
}

fn mutant_tables(facts: &Mutants) -> Markup {
    let count = |key: fn(&Mutant) -> &str, wanted: fn(&Mutant) -> bool| {
        let mut counts: Vec<(String, u64)> = Vec::new();
        for mutant in facts.mutants.iter().filter(|mutant| wanted(mutant)) {
            match counts.iter_mut().find(|(name, _)| name == key(mutant)) {
                Some((_, count)) => *count += 1,
                None => counts.push((key(mutant).to_owned(), 1)),
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    };
    let outcomes = count(|mutant| &mutant.outcome, |_| true);
    let found = |mutant: &Mutant| matches!(&*mutant.outcome, "killed" | "unviable" | "timeout");
    let layers = count(|mutant| &mutant.layer, found);
    let others =
        facts.mutants.iter().filter(|mutant| matches!(&*mutant.outcome, "survived" | "equivalent"));
    html! {
        p { (counted(facts.mutants.len(), "mutant", "mutants")) " of " code { "src/zab" } ", " b { "recorded, not run here" }
            " (table last changed at " (facts.recorded_at.as_deref().unwrap_or("a commit that is not known")) ")." }
        (plot::bars("Outcomes", false, &outcomes))
        (plot::bars("Found, by the first layer that notices (types: it does not compile)", false, &layers))
        h3 { "Those that were not killed" }
        table {
            thead { tr { th { "Mutant" } th { "Outcome" } th { "Note" } } }
            tbody { @for mutant in others {
                tr { td { code { (mutant.mutant) } } td { (mutant.outcome) } td { (mutant.note) } }
            } }
        }
    }
}
