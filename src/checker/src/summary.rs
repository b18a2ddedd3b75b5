//! What is printed after each model.

use super::number::{counted, grouped, memory, rate};
use super::{Answer, ModelInfo, PropertyKind, PropertyRecord, Record};
use std::fmt::Write as _;
use std::time::Duration;

/// The whole summary of one run, ending with [`closing_line`].
pub fn summary_text(info: &ModelInfo, record: &Record) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}: {}", record.name, info.about);
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<10} {value}");
    };
    let tier = record.tier.map_or("given by hand".to_owned(), |tier| format!("tier {tier}"));
    row("bounds", format!("{}  ({tier})", record.bounds));
    row(
        "states",
        format!(
            "{} distinct, {} generated, depth {}{}",
            grouped(record.distinct),
            grouped(record.generated),
            record.depth,
            widest(&record.levels),
        ),
    );
    if let Some(digest) = &record.digest {
        row("digest", digest.clone());
    }
    let elapsed = Duration::try_from_secs_f64(record.seconds).unwrap_or_default();
    row(
        "time",
        format!(
            "{:.1} s, {} distinct states/s, {}, engine {}",
            record.seconds,
            grouped(rate(record.distinct, elapsed)),
            counted(record.threads as u64, "thread", "threads"),
            record.engine,
        ),
    );
    if let Some(peak) = record.peak_memory_bytes {
        let each = record.bytes_per_state;
        let each = each.map_or(String::new(), |bytes| format!(", {bytes:.1} bytes a state"));
        row("memory", format!("peak {}{each}", memory(peak)));
    }
    row("collisions", record.collision_bound.clone());
    row("pruned", counted(record.pruned, "state", "states"));
    properties(&mut text, &record.properties);
    actions(&mut text, record);
    text.push('\n');
    text.push_str(&closing_line(record));
    text.push('\n');
    text
}

fn widest(levels: &[u64]) -> String {
    let widest = levels.iter().enumerate().rev().max_by_key(|(_, states)| **states);
    widest.map_or(String::new(), |(level, states)| {
        format!(" (widest level {level}: {})", grouped(*states))
    })
}

fn properties(text: &mut String, properties: &[PropertyRecord]) {
    let _ = writeln!(text, "  properties");
    let width = properties.iter().map(|property| property.name.chars().count()).max().unwrap_or(0);
    for property in properties {
        let _ = writeln!(
            text,
            "    {:<9}  {:<width$}  {:<9}  {}",
            word(property.answer()),
            property.name,
            property.kind,
            reached(property),
        );
    }
}

/// One word for what is known; a bad answer in capitals.
fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Holds => "holds",
        Answer::Violated => "VIOLATED",
        Answer::Reached => "reached",
        Answer::Unreached => "UNREACHED",
        Answer::Vacuous => "vacuous",
        Answer::Undecided => "UNDECIDED",
        Answer::OutOfReach => "-",
    }
}

fn reached(property: &PropertyRecord) -> String {
    let verb = match property.kind {
        PropertyKind::Sometimes => "reached",
        PropertyKind::Always | PropertyKind::Live => "precondition met",
    };
    match (property.answer(), property.occurrences) {
        (Answer::OutOfReach, _) => "out of reach within these bounds".to_owned(),
        (Answer::Vacuous, _) => "its precondition never occurred".to_owned(),
        (_, Some(count)) => format!("{verb} in {}", counted(count, "state", "states")),
        (_, None) => "not counted".to_owned(),
    }
}

fn actions(text: &mut String, record: &Record) {
    let _ = writeln!(text, "  actions taken");
    let (taken, never): (Vec<_>, Vec<_>) =
        record.actions.iter().partition(|action| action.count > 0);
    let width = taken.iter().map(|action| action.name.chars().count()).max().unwrap_or(0);
    let counts: Vec<String> = taken.iter().map(|action| grouped(action.count)).collect();
    let digits = counts.iter().map(String::len).max().unwrap_or(0);
    for (action, count) in taken.iter().zip(&counts) {
        let _ = writeln!(text, "    {:<width$}  {count:>digits$}", action.name);
    }
    if !never.is_empty() {
        let names: Vec<&str> = never.iter().map(|action| action.name.as_str()).collect();
        let _ = writeln!(text, "  actions never taken: {}", names.join(", "));
    }
}

/// One line with the result of a run: what is not as required makes it FAILED, what is only not
/// known INCOMPLETE.
pub fn closing_line(record: &Record) -> String {
    format!(
        "{}: {}, {} in {:.1} s",
        record.name,
        result(record),
        counted(record.distinct, "distinct state", "distinct states"),
        record.seconds,
    )
}

fn result(record: &Record) -> String {
    let number = |answer| record.with(answer).len() as u64;
    if record.passes() {
        let shown = number(Answer::Holds) + number(Answer::Reached);
        let mut text = format!(
            "ok, complete within its bounds: {} as required",
            counted(shown, "property", "properties")
        );
        for (answer, word) in [(Answer::Vacuous, "vacuous"), (Answer::OutOfReach, "out of reach")] {
            if number(answer) > 0 {
                text.push_str(&format!(", {} {word}", number(answer)));
            }
        }
        return text;
    }
    let mut parts = Vec::new();
    for (answer, say) in [(Answer::Violated, "VIOLATED"), (Answer::Unreached, "never reached")] {
        let names = record.with(answer);
        if !names.is_empty() {
            parts.push(format!("{say}: {}", names.join(", ")));
        }
    }
    let why = record.incomplete.as_ref();
    if let Some(why) = why {
        parts.push(format!("INCOMPLETE: {why}"));
    }
    if number(Answer::Undecided) > 0 {
        let undecided = counted(number(Answer::Undecided), "property", "properties");
        parts.push(format!("{undecided} undecided"));
    }
    if record.pruned > 0 {
        parts.push(format!("{} pruned", counted(record.pruned, "state", "states")));
    }
    let parts = parts.join("; ");
    match (record.fails(), why) {
        (true, _) => format!("FAILED, {parts}"),
        (false, Some(_)) => parts,
        (false, None) => format!("INCOMPLETE: {parts}"),
    }
}
