//! The specification, and the proofs of it.

use maud::{Markup, html};

use super::how;
use crate::schema::{Count, Part, Proofs, Specification};
use crate::text::{grouped, seconds};

pub(super) fn specification(part: &Part<Specification>) -> Markup {
    html! {
        section id="specification" {
            h2 { "5. The specification" }
            (how(part))
            p { "What clients rely on is " code { "spec/AtomicBroadcast.tla" } ", the abstract protocol " code { "spec/Zab.tla" }
                ", and in words " code { "spec/protocol.md" } ". What popular explanations of ZooKeeper get wrong, with the counterexample "
                "of each rule that a protocol could follow, is in " code { "spec/misconceptions.md" } "." }
            @if let Some(facts) = &part.facts {
                (counts(facts))
                h3 { "What the tools said" }
                p { "A module named Broken is one with a rule weakened: it has to be refuted, and “ok” says that it was." }
                pre { @for line in &facts.lines { (line) "\n" } }
            }
        }
    }
}

fn counts(facts: &Specification) -> Markup {
    let rust = |count: &Count| match count.rust {
        Some(true) => "as many, at each depth",
        Some(false) => "DIFFERS",
        None => "-",
    };
    html! {
        h3 { "As many states in TLA+ and in Rust" }
        p { "Numbers are compared at every depth. Those of Rust were counted here in " (seconds(facts.rust_seconds))
            "; “-” is a text that is in TLA+ only, or a configuration that was not counted from TLA+ here." }
        table {
            thead { tr { th { "Configuration" } th.n { "States on record" } th.n { "Depth" } th { "TLA+, here" } th { "Rust, here" } } }
            tbody { @for count in &facts.counts {
                tr { td { code { (count.name) } } td.n { (grouped(count.states)) } td.n { (count.depth) }
                    td { (count.tla.as_deref().unwrap_or("-")) } td { (rust(count)) } }
            } }
        }
    }
}

pub(super) fn proofs(part: &Part<Proofs>) -> Markup {
    html! {
        section id="proofs" {
            h2 { "6. Proofs" }
            (how(part))
            p { "The proof is about the abstract protocol, for any number of servers, epochs, transactions and crashes; "
                code { "proofs/README.md" } " says in words what is proved and what is assumed. It is not about the code." }
            @if let Some(facts) = &part.facts {
                p { b { (facts.closing) } ", as Coq's " code { "Print Assumptions" } " says of each:" }
                ul.columns { @for theorem in &facts.theorems { li { code { (theorem) } } } }
                h3 { "Weakened protocols: the proof must fail, and does" }
                ul { @for line in &facts.weakenings { li { (line) } } }
                h3 { "The trace checker that is extracted from the proof, on its examples" }
                pre { @for line in &facts.traces { (line) "\n" } }
            }
        }
    }
}
