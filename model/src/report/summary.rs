//! What is printed after each model.

use super::number::{counted, grouped, memory, rate};
use super::{ModelInfo, PropertyKind, PropertyRecord, Record};
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
            answer(property),
            property.name,
            property.kind,
            reached(property),
        );
    }
}

/// One word for what is known; a bad answer in capitals.
fn answer(property: &PropertyRecord) -> &'static str {
    if property.out_of_reach {
        return "-";
    }
    match (property.kind, property.holds) {
        (PropertyKind::Always | PropertyKind::Live, Some(true)) => "holds",
        (PropertyKind::Always | PropertyKind::Live, Some(false)) => "VIOLATED",
        (PropertyKind::Sometimes, Some(true)) => "reached",
        (PropertyKind::Sometimes, Some(false)) => "UNREACHED",
        (PropertyKind::Always | PropertyKind::Live | PropertyKind::Sometimes, None) => "UNDECIDED",
    }
}

fn reached(property: &PropertyRecord) -> String {
    if property.out_of_reach {
        return "out of reach within these bounds".to_owned();
    }
    match (property.kind, property.occurrences) {
        (PropertyKind::Sometimes, Some(count)) => {
            format!("reached in {}", counted(count, "state", "states"))
        }
        (PropertyKind::Always | PropertyKind::Live, Some(0)) => {
            "vacuous: its precondition never occurred".to_owned()
        }
        (PropertyKind::Always | PropertyKind::Live, Some(count)) => {
            format!("precondition met in {}", counted(count, "state", "states"))
        }
        (PropertyKind::Always | PropertyKind::Live | PropertyKind::Sometimes, None) => {
            "not counted".to_owned()
        }
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

/// One line with the result of a run.
pub fn closing_line(record: &Record) -> String {
    let mut parts = Vec::new();
    let mut violated = record.with(PropertyKind::Always, Some(false));
    violated.extend(record.with(PropertyKind::Live, Some(false)));
    if !violated.is_empty() {
        parts.push(format!("VIOLATED: {}", violated.join(", ")));
    }
    let unreached = record.with(PropertyKind::Sometimes, Some(false));
    if !unreached.is_empty() {
        parts.push(format!("never reached: {}", unreached.join(", ")));
    }
    if let Some(why) = &record.incomplete {
        parts.push(format!("INCOMPLETE: {why}"));
    }
    let is_open = |property: &&PropertyRecord| property.holds.is_none() && !property.out_of_reach;
    let undecided = record.properties.iter().filter(is_open).count();
    if undecided > 0 {
        parts.push(format!("{} undecided", counted(undecided as u64, "property", "properties")));
    }
    if record.pruned > 0 {
        parts.push(format!("{} pruned", counted(record.pruned, "state", "states")));
    }
    let verdict = if record.passes() {
        let count = counted(record.properties.len() as u64, "property", "properties");
        format!("ok, complete within its bounds: {count}, all as required")
    } else {
        format!("FAILED, {}", parts.join("; "))
    };
    format!(
        "{}: {verdict}, {} in {:.1} s",
        record.name,
        counted(record.distinct, "distinct state", "distinct states"),
        record.seconds,
    )
}
