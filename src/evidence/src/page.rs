//! The report as one HTML page. Nothing is fetched, no script runs, and the template escapes
//! everything.

mod checks;
mod flaws;
mod ledger;
mod runs;
mod specification;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chain::short;
use crate::schema::{Gap, GapKind, Identity, Outcome, Part, Report, Status};
use crate::text::seconds;

const STYLE: &str = include_str!("style.css");

/// The browser may neither fetch nor run anything, whatever a name in the report contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The page.
pub fn page(report: &Report) -> String {
    let identity = &report.identity;
    let commit = identity.commit.as_deref().unwrap_or("unknown");
    let title = format!("Vivarium: the evidence at commit {}", short(commit));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Vivarium: the evidence" }
                    p.meta { "Commit " code { (commit) } @if !identity.changed.is_empty() { ", changed" }
                        " · core " code { (short(&identity.core)) } " · " (report.started) " · " (seconds(report.seconds)) }
                }
                (not_covered(report))
                (chain(report))
                (identity_section(identity))
                (checks::section(&report.checks))
                (specification::specification(&report.specification))
                (specification::proofs(&report.proofs))
                (runs::section(&report.conformance))
                (flaws::flaws(&report.flaws))
                (flaws::mutants(&report.mutants))
                (ledger::section(&report.ledger, identity))
                footer {
                    p { "Made by " code { (report.command) } " in " (seconds(report.seconds)) ". The same facts are in "
                        code { "report.json" } ", format " (report.format) " " (report.version) "." }
                }
            }
        }
    };
    page.into_string()
}

fn not_covered(report: &Report) -> Markup {
    let here = &report.not_covered.this_run;
    html! {
        section.first id="not-covered" {
            h2 { "1. What is not covered" }
            h3 { "Left open by this run" }
            @if here.is_empty() { p { "Nothing: every link was tried, and held." } }
            @else {
                table.gaps {
                    thead { tr { th { "" } th { "Where" } th { "What" } } }
                    tbody { @for gap in here { (gap_row(gap)) } }
                }
            }
            h3 { "Not covered by any run" }
            dl { @for limit in &report.not_covered.any_run { dt { (limit.name) } dd { (limit.text) } } }
        }
    }
}

fn gap_row(gap: &Gap) -> Markup {
    let (class, word) = match gap.kind {
        GapKind::Failed => ("failed", "failed"),
        GapKind::NotRun => ("not-run", "not run here"),
        GapKind::Partly => ("partly", "in part"),
    };
    html! { tr { td { span.status.(class) { (word) } } td { (gap.place) } td { (gap.text) } } }
}

fn status(status: Status) -> Markup {
    let class = match status {
        Status::Proved => "proved",
        Status::Checked => "checked",
        Status::Tested => "tested",
        Status::NotRun => "not-run",
        Status::Failed => "failed",
    };
    html! { span.status.(class) { (status.word()) } }
}

fn chain(report: &Report) -> Markup {
    html! {
        section id="chain" {
            h2 { "2. The chain of evidence" }
            p { "From what clients rely on, down to what real servers did. Each link says that what is below keeps to what is above. "
                (status(Status::Proved)) " is for all sizes, by a machine-checked proof; " (status(Status::Checked))
                " is in every case within the bounds that are said; " (status(Status::Tested)) " is in the cases that came up." }
            p { b { (report.closing()) } }
            @for (at, link) in report.chain.iter().enumerate() {
                article.link {
                    h3 { span.number { (at + 1) } " " (link.upper) " " span.arrow { "←" } " " (link.lower) " " (status(link.status)) }
                    p { (link.claim) }
                    table.facts {
                        tr { th { "Result" } td { (link.result) } }
                        tr { th { "Within" } td { (link.within) } }
                        tr { th { "By" } td { code { (link.command) } } }
                        tr { th { "Took" } td { (link.seconds.map_or("-".to_owned(), seconds)) } }
                    }
                }
            }
        }
    }
}

fn identity_section(identity: &Identity) -> Markup {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "not known".to_owned());
    let machine = &identity.machine;
    let memory = machine.memory_gib.map_or("not known".to_owned(), |gib| format!("{gib:.1} GiB"));
    html! {
        section id="identity" {
            h2 { "3. What this is about, and where it ran" }
            table.facts {
                tr { th { "Commit" } td { code { (known(&identity.commit)) } } }
                tr { th { "Tree" } td {
                    @if identity.changed.is_empty() { "clean" }
                    @else { "differs in " @for (at, path) in identity.changed.iter().enumerate() {
                        @if at > 0 { ", " } code { (path) } } }
                } }
                tr { th { "Program built from" } td { code { (identity.built_from) } } }
                tr { th { "Core, in this program" } td { code { (identity.core) } } }
                tr { th { "Core, in the tree" } td { code { (identity.core_of_tree) } } }
                tr { th { "Processor" } td { (known(&identity.cpu)) ", " (machine.cores) " usable" } }
                tr { th { "Memory" } td { (memory) } }
                tr { th { "System" } td { (known(&identity.system)) } }
                tr { th { "Load when it began" } td {
                    (identity.load.map_or("not known".to_owned(), |load| format!("{load:.2}")))
                    " (times also say what else the machine was doing)" } }
            }
            table {
                thead { tr { th { "Tool" } th { "Used for" } th { "Version" } } }
                tbody { @for tool in &identity.tools {
                    tr { td { (tool.name) } td { (tool.used_for) }
                        td { @match &tool.version { Some(version) => (version), None => em { "not here" } } } }
                } }
            }
        }
    }
}

/// How a part was done, below its heading.
fn how<T>(part: &Part<T>) -> Markup {
    let (class, word) = match part.outcome {
        Outcome::Holds => ("held", "holds"),
        Outcome::Failed => ("failed", "failed"),
        Outcome::NotRun => ("not-run", "not run here"),
        Outcome::Recorded => ("partly", "recorded, not run here"),
    };
    html! {
        p.how { span.status.(class) { (word) } " " code { (part.command) }
            @if matches!(part.outcome, Outcome::Holds | Outcome::Failed) { " · " (seconds(part.seconds)) }
            @if let Some(reason) = &part.reason { " · " (reason) }
        }
    }
}
