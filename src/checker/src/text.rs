//! A story as text.

use super::{Arrow, Fate, Flight, Story};
use std::fmt::Write as _;

/// The whole story: one line a step, under it what was received and sent and what changed in memory
/// and on disk; at the end the property, its source, and the two facts that contradict it.
pub fn story_text(story: &Story) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "Counterexample to {} in {} ({}), {} steps\n",
        story.property,
        story.model,
        story.bounds,
        story.steps.len()
    );
    let flights = story.flights();
    let width = |lengths: &mut dyn Iterator<Item = usize>, least: usize| {
        lengths.max().unwrap_or(0).max(least)
    };
    let number = width(&mut story.steps.iter().map(|s| s.number.to_string().len()), 4);
    let actor = width(&mut story.steps.iter().map(|s| s.actor.chars().count()), 3);
    let action = width(&mut story.steps.iter().map(|s| s.action.chars().count()), 6);
    let _ = writeln!(text, "{:>number$}  {:<actor$}  {:<action$}  what", "step", "who", "action");
    let marks = |text: &mut String, at: usize| {
        for mark in story.marks_before(at) {
            let _ = writeln!(text, "{:>number$}  ==== {} ====", "", story.mark_text(mark));
        }
    };
    for (at, step) in story.steps.iter().enumerate() {
        marks(&mut text, at);
        let _ = writeln!(
            text,
            "{:>number$}  {:<actor$}  {:<action$}  {}",
            step.number, step.actor, step.action, step.text
        );
        let mut detail = |name: &str, value: &str| {
            let _ = writeln!(text, "{:number$}  {:actor$}    {name:<8}  {value}", "", "");
        };
        if let Some(received) = &step.received {
            detail("received", &format!("{} from {}", received.label, received.from));
        }
        for flight in flights.iter().filter(|flight| flight.sent_at == Some(at)) {
            detail("sent", &sent_text(story, flight));
        }
        for change in &step.memory {
            detail("memory", change);
        }
        for change in &step.disk {
            detail("disk", change);
        }
    }
    marks(&mut text, story.steps.len());
    let _ = write!(
        text,
        "\nProperty {}: {}\nSource: {}\nTwo facts contradict it:\n  1. {}\n  2. {}\n",
        story.property,
        story.property_sentence,
        story.property_source,
        story.facts[0],
        story.facts[1]
    );
    text
}

/// `COMMIT 1.1 to s2 (delivered at step 9)`.
pub(super) fn sent_text(story: &Story, flight: &Flight<'_>) -> String {
    let Arrow { to, label, .. } = flight.arrow;
    format!("{label} to {to} ({})", fate_text(story, flight))
}

/// `delivered at step 9`.
pub(super) fn fate_text(story: &Story, flight: &Flight<'_>) -> String {
    let until = flight.until.map(|at| format!(" at step {}", story.steps[at].number));
    match flight.fate {
        Fate::InFlight => "still in flight".to_owned(),
        Fate::Delivered => format!("delivered{}", until.unwrap_or_default()),
        Fate::Lost => format!("lost{}", until.unwrap_or_default()),
    }
}
