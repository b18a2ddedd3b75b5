//! Records of long runs.

use checker::Answer;
use maud::{Markup, html};

use super::how;
use crate::chain::short;
use crate::plot;
use crate::schema::{Identity, Ledger, LedgerEntry, Part};
use crate::text::{grouped, seconds};

pub(super) fn section(part: &Part<Ledger>, identity: &Identity) -> Markup {
    html! {
        section id="ledger" {
            h2 { "10. The ledger of long runs" }
            (how(part))
            p { "Recorded, not run here. Each speaks of the code of its own commit." }
            @if let Some(facts) = &part.facts { @for entry in &facts.entries { (shown(entry, identity)) } }
        }
    }
}

fn shown(entry: &LedgerEntry, identity: &Identity) -> Markup {
    let record = &entry.record;
    let hold = record.with(Answer::Holds).len() + record.with(Answer::Reached).len();
    let silent = record.with(Answer::OutOfReach).len() + record.with(Answer::Vacuous).len();
    let properties = record.properties.len() - silent;
    let memory = record.machine.memory_gib.map_or(String::new(), |gib| format!(", {gib:.1} GiB"));
    html! {
        h3 { code { (entry.file) } ": " (record.name)
            @if let Some(tier) = record.tier { ", tier " (tier) } }
        table.facts {
            tr { th { "Bounds" } td { (record.bounds) } }
            tr { th { "States" } td { (grouped(record.distinct)) " distinct, " (grouped(record.generated)) " generated, depth " (record.depth)
                @if let Some(all) = record.distinct_without_symmetry { "; " (grouped(all)) " distinct without symmetry" } } }
            tr { th { "Result" } td {
                @match &record.incomplete {
                    None => "complete within its bounds",
                    Some(why) => { "incomplete: " (why) },
                }
                ", " (hold) " of " (properties) " properties as required; " (silent) " vacuous or out of reach" } }
            tr { th { "Commit" } td { code { (record.commit) } } }
            tr { th { "Core then" } td { @match &entry.core {
                None => "not known here: the commit is not in this clone",
                Some(core) if *core == identity.core_of_tree => { code { (short(core)) } ", the same as today's; the models may be others" },
                Some(core) => { code { (short(core)) } ", not today's (" code { (short(&identity.core_of_tree)) } ")" },
            } } }
            tr { th { "Took" } td { (seconds(record.seconds)) " on " (record.machine.cores) " cores" (memory) ", "
                (record.versions.rustc) } }
            tr { th { "Collisions" } td { (record.collision_bound) } }
        }
        (plot::levels(&record.name, &record.levels))
    }
}
