//! Recorded runs of real servers.

use maud::{Markup, html};

use super::how;
use crate::chain::ABSTRACT;
use crate::plot;
use crate::schema::{Conformance, Ensemble, Part};
use crate::text::{counted, grouped, seconds};

pub(super) fn section(part: &Part<Conformance>) -> Markup {
    html! {
        section id="conformance" {
            h2 { "7. What real servers did" }
            (how(part))
            @if let Some(facts) = &part.facts {
                @match &facts.ensemble {
                    Some(found) => (ensemble(found)),
                    None => p { "The recordings were given; this run started no servers." },
                }
                (recordings(facts))
                (properties(facts))
                (actions(facts))
                h3 { "The trace checker that is extracted from the proof, on this run" }
                (how(&facts.trace_checker))
                @if let Some(said) = &facts.trace_checker.facts { pre { (said) } }
            }
        }
    }
}

fn ensemble(ensemble: &Ensemble) -> Markup {
    let load = &ensemble.load;
    html! {
        p { (counted(ensemble.cores.len(), "server", "servers")) " were started on this machine as processes with real sockets and disks, "
            "loaded (" (load.about) ") and stopped by SIGKILL " (counted(ensemble.kills.len(), "time", "times")) " in "
            (seconds(ensemble.seconds)) ". " (grouped(load.acknowledged)) " writes were acknowledged"
            @if load.errors.is_empty() { "; no request failed." }
            @else { "; requests failed: "
                @for (at, (name, count)) in load.errors.iter().enumerate() { @if at > 0 { ", " } (name) " " (grouped(*count)) } "." }
            " Whether each acknowledged write can be read afterwards is tested elsewhere (" code { "cargo test --test e2e" } ")." }
        table {
            thead { tr { th { "Server" } th { "Core that it says it runs (srvr)" } } }
            tbody { @for server in &ensemble.cores { tr { td { (server.server) } td { code { (server.core) } } } } }
        }
        table {
            thead { tr { th.n { "At" } th { "Killed" } th { "It was" } th.n { "All serve in one epoch again after" } } }
            tbody { @for kill in &ensemble.kills {
                tr { td.n { (seconds(kill.at)) }
                    td { @for (at, server) in kill.servers.iter().enumerate() { @if at > 0 { ", " } (server) } }
                    td { (kill.who) } td.n { (seconds(kill.recovered_after)) } }
            } }
        }
        p.soft { "The time behind a kill has the restart in it, and a pause during which the others serve without the killed one." }
    }
}

fn recordings(facts: &Conformance) -> Markup {
    let ended =
        |end: &str| facts.recordings.iter().filter(|recording| recording.end == end).count();
    let ends = ["closed", "open", "torn", "empty", "refused"].map(|end| (end, ended(end)));
    let ends = ends.iter().filter(|(_, count)| *count > 0);
    let ends: Vec<String> = ends.map(|(end, count)| format!("{count} {end}")).collect();
    let wrong: Vec<_> = facts
        .recordings
        .iter()
        .filter_map(|recording| Some((&recording.file, recording.wrong.as_ref()?)))
        .collect();
    html! {
        h3 { "Recordings" }
        p { (counted(facts.recordings.len(), "recording", "recordings")) " with " (grouped(facts.steps)) " steps, replayed in "
            (seconds(facts.replay_seconds)) ": " (ends.join(", ")) ". Each step went through the host again. "
            @if wrong.is_empty() { "Every effect is the host's, packet by packet." } }
        @if !wrong.is_empty() {
            table { tbody { @for (file, what) in &wrong {
                tr { td { span.status.failed { "failed" } } td { code { (file) } } td { (what) } }
            } } }
        }
    }
}

fn properties(facts: &Conformance) -> Markup {
    html! {
        h3 { "Properties of all recordings together" }
        table {
            thead { tr { th { "Property" } th { "" } th.n { "Held" } th.n { "Not decidable" } th { "Remark" } } }
            tbody { @for property in &facts.properties {
                tr { td { (property.name) }
                    td { @match property.holds {
                        Some(true) => "holds",
                        Some(false) => span.status.failed { "violated, " (grouped(property.violations)) " times" },
                        None if property.vacuous => em { "vacuous" },
                        None => em { "not decided" },
                    } }
                    td.n { (grouped(property.occurrences)) } td.n { (grouped(property.undecided)) }
                    td { (property.reason.as_deref().unwrap_or_default()) } }
            } }
        }
    }
}

fn actions(facts: &Conformance) -> Markup {
    let split = |of_zab: bool| -> Vec<(String, u64)> {
        let chosen =
            facts.actions.iter().filter(|action| action.name.starts_with(ABSTRACT) == of_zab);
        chosen.map(|action| (action.name.clone(), action.count)).collect()
    };
    html! {
        h3 { "Actions" }
        (plot::bars("The run as actions of abstract Zab", true, &split(true)))
        (plot::bars("Actions that the servers' cores took", true, &split(false)))
    }
}
