//! A story as one self-contained HTML page: nothing is fetched, everything is escaped by the
//! template.

use super::text::{fate_text, sent_text};
use super::{Fate, Flight, Step, StepKind, Story};
use super::{arrows, diagram};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The browser may neither fetch nor send anything, whatever a name in the story contains.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The page. `commit` is the one whose checker found the counterexample.
pub fn html_page(story: &Story, commit: &str) -> String {
    let flights = story.flights();
    let title = format!("{} violated in {}", story.property, story.model);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(story))
                main {
                    section.diagram aria-label="Sequence diagram" {
                        (diagram::head(story))
                        (diagram::body(story, &flights))
                    }
                    aside.card aria-live="polite" {
                        nav {
                            button type="button" data-go="-1" title="Previous step (arrow up)" { "↑" }
                            button type="button" data-go="1" title="Next step (arrow down)" { "↓" }
                            span.place {}
                        }
                        div.content {}
                        p.hint { "Click a step, or move with the arrow keys ↑ ↓." }
                    }
                }
                (legend())
                (table(story, &flights))
                footer {
                    p { "Found by the model checker of Vivarium, commit " code { (commit) } ". "
                        "The JSON file beside this page is the same run for "
                        code { "vivarium replay" } "." }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn header(story: &Story) -> Markup {
    html! {
        header.top {
            p.kicker { "Counterexample · " (story.steps.len()) " steps" }
            h1 { (story.property) " is violated in " (story.model) }
            p.sentence { (story.property_sentence) }
            p.source { "Source: " (story.property_source) }
            ul.bounds aria-label="Bounds" {
                @for (name, value) in story.bounds.iter() {
                    li { (name) " " b { (value) } }
                }
            }
            div.facts {
                div.fact { h2 { "One fact" } p { (story.facts[0]) } }
                div.versus aria-hidden="true" { "≠" }
                div.fact { h2 { "The other" } p { (story.facts[1]) } }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend aria-label="Legend" {
            @for (kind, name) in [
                (StepKind::Protocol, "protocol step"),
                (StepKind::Disk, "made durable"),
                (StepKind::Timeout, "timer"),
                (StepKind::Link, "link"),
                (StepKind::Crash, "crash"),
                (StepKind::Restart, "restart"),
            ] {
                li { (diagram::sample(kind)) (name) }
            }
            li { (arrows::sample_arrow(Fate::Delivered)) "delivered" }
            li { (arrows::sample_arrow(Fate::InFlight)) "in flight at the end" }
            li { (arrows::sample_arrow(Fate::Lost)) "lost" }
        }
    }
}

fn table(story: &Story, flights: &[Flight<'_>]) -> Markup {
    html! {
        section.steps {
            h2 { "Step by step" }
            table {
                thead {
                    tr {
                        th { "#" } th { "Who" } th { "What happened" }
                        th { "Memory" } th { "Disk" }
                    }
                }
                tbody {
                    @for (at, step) in story.steps.iter().enumerate() {
                        (marks(story, at))
                        (row(story, flights, at, step))
                    }
                    (marks(story, story.steps.len()))
                }
            }
        }
    }
}

/// The rows of what is marked before a step.
fn marks(story: &Story, at: usize) -> Markup {
    html! {
        @for mark in story.marks_before(at) {
            tr class=(format!("mark {}", diagram::mark_class(mark))) {
                td colspan="5" { (story.mark_text(mark)) }
            }
        }
    }
}

/// One row. The card beside the diagram is filled from it, so that the page holds each text once.
fn row(story: &Story, flights: &[Flight<'_>], at: usize, step: &Step) -> Markup {
    let lane = story.lifelines().iter().position(|name| *name == step.actor).unwrap_or(0);
    let kind = diagram::kind_class(step.kind);
    html! {
        tr data-row=(at) class=(kind) {
            td.number { (step.number) }
            td.who { span class=(format!("actor lane{}", lane % diagram::COLOURS)) { (step.actor) } }
            td.what {
                div.action { (step.action) }
                div.text { (step.text) }
                @if let Some(received) = &step.received {
                    div.message.received { (received.label) " from " (received.from) }
                }
                @for flight in flights.iter().filter(|flight| flight.sent_at == Some(at)) {
                    div class=(format!("message sent {}", arrows::fate_class(flight.fate)))
                        title=(fate_text(story, flight)) { (sent_text(story, flight)) }
                }
            }
            td.memory { (changes(&step.memory)) }
            td.disk { (changes(&step.disk)) }
        }
    }
}

fn changes(changes: &[String]) -> Markup {
    html! {
        @if !changes.is_empty() {
            ul { @for change in changes { li { (change) } } }
        }
    }
}
