//! Model checking.

use checker::Answer;
use maud::{Markup, html};

use super::how;
use crate::chain::{ABSTRACT, REFINES, abstract_actions, compared};
use crate::plot;
use crate::schema::{Checks, ModelRun, Part};
use crate::text::{counted, grouped, seconds};

pub(super) fn section(part: &Part<Checks>) -> Markup {
    html! {
        section id="checks" {
            h2 { "4. Model checking" }
            (how(part))
            @if let Some(checks) = &part.facts {
                p { "Every server of a model is the code of " code { "src/zab" } " itself. Bounds are guards of actions: a complete run "
                    "has visited every state within them, and pruned none. Tier: " (checks.tier) "." }
                (models(checks))
                h3 { "States at each depth" }
                div.grid { @for run in &checks.models { (plot::levels(&run.record.name, &run.record.levels)) } }
                (properties(checks))
                (actions(checks))
                (trust(checks))
            }
        }
    }
}

fn models(checks: &Checks) -> Markup {
    html! {
        table.wide {
            thead { tr { th { "Model" } th { "Bounds" } th.n { "Distinct" } th.n { "Generated" } th.n { "Depth" } th.n { "Time" }
                th { "Result" } } }
            tbody { @for run in &checks.models {
                @let record = &run.record;
                tr {
                    td { b { (record.name) } " " (run.about) }
                    td.bounds { (record.bounds) }
                    td.n { (grouped(record.distinct))
                        @if let Some(all) = record.distinct_without_symmetry { br; span.soft { "of " (grouped(all)) } } }
                    td.n { (grouped(record.generated)) }
                    td.n { (record.depth) }
                    td.n { (seconds(record.seconds)) }
                    td { (result(run)) }
                }
            } }
            tfoot { tr { td { "All" } td {} td.n { (grouped(checks.models.iter().map(|run| run.record.distinct).sum())) }
                td.n { (grouped(checks.models.iter().map(|run| run.record.generated).sum())) } td {}
                td.n { (seconds(checks.models.iter().map(|run| run.record.seconds).sum())) } td {} } }
        }
        p.soft { "A second number, “of”, is how many states there would be without taking one for each renaming of servers." }
    }
}

fn result(run: &ModelRun) -> Markup {
    let record = &run.record;
    let violated = [record.with(Answer::Violated), record.with(Answer::Unreached)].concat();
    let vacuous = record.with(Answer::Vacuous).len();
    html! {
        @if record.passes() {
            "complete, all as required"
            @if vacuous > 0 { ", " (vacuous) " vacuous" }
        } @else {
            @if record.fails() { span.status.failed { "failed" } } @else { span.status { "undecided" } }
            @if let Some(why) = &record.incomplete { " incomplete: " (why) ";" }
            @if record.pruned > 0 { " " (counted(usize::try_from(record.pruned).unwrap_or(usize::MAX), "state", "states")) " pruned;" }
            @if !violated.is_empty() { " does not hold: " (violated.join(", ")) }
            @if let Some(path) = &record.counterexample { " (" code { (path) } ")" }
        }
    }
}

/// Each property: its words, and per model how often its precondition was met, or it was reached.
fn properties(checks: &Checks) -> Markup {
    html! {
        h3 { "Properties" }
        p { "The number is how many states met the precondition of a property, or reached what has to be reached. A property whose "
            "precondition never occurred in a model is vacuous there and says nothing; “-” is one that the bounds leave out or the model \
             does not have." }
        table.wide {
            thead { tr { th { "Property" } th { "Says" } th.n { "Met, by model" } } }
            tbody { @for text in &checks.properties {
                tr {
                    td { b { (text.name) } br; span.soft { (text.kind) } }
                    td { (text.sentence) " " span.soft { (text.source) } }
                    td.met { (met(checks, &text.name)) }
                }
            } }
        }
    }
}

fn met(checks: &Checks, name: &str) -> Markup {
    let found = checks.models.iter().filter_map(|run| {
        let mut properties = run.record.properties.iter();
        properties
            .find(|property| property.name == name)
            .map(|property| (&run.record.name, property))
    });
    html! {
        @for (model, property) in found {
            span.cell.failed[property.holds == Some(false)] {
                (model) " "
                @match property.answer() {
                    Answer::OutOfReach => "-",
                    Answer::Unreached => "NOT REACHED",
                    Answer::Violated => "VIOLATED",
                    Answer::Undecided => "undecided",
                    Answer::Vacuous => "vacuous",
                    Answer::Holds | Answer::Reached => (property.occurrences.map_or("holds".to_owned(), grouped)),
                }
            } " "
        }
    }
}

fn actions(checks: &Checks) -> Markup {
    let abstracts = abstract_actions(checks);
    let steps: u64 = compared(checks).map(|(_, steps)| steps).sum();
    let mut core: Vec<(String, u64)> = Vec::new();
    for action in checks.models.iter().flat_map(|run| &run.record.actions) {
        if action.name.starts_with(ABSTRACT) {
            continue;
        }
        match core.iter_mut().find(|(name, _)| *name == action.name) {
            Some((_, count)) => *count += action.count,
            None => core.push((action.name.clone(), action.count)),
        }
    }
    html! {
        @if !abstracts.is_empty() {
            h3 { "Refinement: the code's steps as actions of abstract Zab" }
            p { (grouped(steps)) " explored steps were compared (" (REFINES) "). A step of the code may be several actions, or none." }
            (plot::bars("How often each action of abstract Zab was taken", true, &abstracts))
        }
        @if !core.is_empty() {
            h3 { "Actions of the code" }
            (plot::bars("How often each action was taken, in all models together", true, &core))
        }
    }
}

fn trust(checks: &Checks) -> Markup {
    let mut reductions: Vec<(&str, Vec<&str>)> = Vec::new();
    for run in &checks.models {
        for reduction in &run.record.reductions {
            match reductions.iter_mut().find(|(text, _)| text == reduction) {
                Some((_, models)) => models.push(&run.record.name),
                None => reductions.push((reduction, vec![&run.record.name])),
            }
        }
    }
    html! {
        h3 { "Reductions" }
        @if reductions.is_empty() { p { "None." } }
        ul { @for (text, models) in &reductions { li { (text) " " span.soft { "(" (models.join(", ")) ")" } } } }
        h3 { "Bound on the probability that two states were taken for one" }
        ul.columns { @for run in &checks.models { li { (run.record.name) ": " (run.record.collision_bound) } } }
    }
}
