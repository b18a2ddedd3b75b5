//! The chain of evidence: what is relied upon, down to what real servers did.

use checker::PropertyKind;

use crate::schema::{Checks, Conformance, Link, ModelRun, Outcome, Part, Report, Status};
use crate::text::{counted, grouped, seconds};

/// The property that says that a step of the code is one of abstract Zab. Its occurrences are the
/// steps compared.
pub(crate) const REFINES: &str = "every-step-is-abstract";
/// What the names of abstract Zab's actions begin with.
pub(crate) const ABSTRACT: &str = "Zab!";

const SPEC: &str = "AtomicBroadcast: what clients rely on";
const ZAB: &str = "abstract Zab: nine actions";
const CODE: &str = "the code of the core, src/zab";
const SERVERS: &str = "real servers";

/// The links of a report, made of its parts.
pub fn chain(report: &Report) -> Vec<Link> {
    vec![
        proof(report),
        specification(report),
        refinement(&report.checks),
        properties(&report.checks),
        same_core(report),
        conformance(&report.conformance),
        abstract_run(&report.conformance),
    ]
}

/// A link that rests on one part: `status` and `result` if that holds.
fn link<T>(
    ends: (&str, &str),
    claim: &str,
    within: String,
    part: &Part<T>,
    held: impl FnOnce(&T) -> (Status, String),
) -> Link {
    let (status, result) = match (part.outcome, &part.facts) {
        (Outcome::Holds, Some(facts)) => held(facts),
        (Outcome::Failed, _) => (Status::Failed, part.why().to_owned()),
        (Outcome::Holds, None) | (Outcome::NotRun | Outcome::Recorded, _) => {
            (Status::NotRun, part.why().to_owned())
        }
    };
    Link {
        upper: ends.0.to_owned(),
        lower: ends.1.to_owned(),
        claim: claim.to_owned(),
        status,
        command: part.command.clone(),
        within: if status == Status::NotRun { "-".to_owned() } else { within },
        seconds: (part.outcome != Outcome::NotRun).then_some(part.seconds),
        result,
    }
}

fn proof(report: &Report) -> Link {
    let within = "no bounds: any number of servers, epochs, transactions and crashes. Assumed: two quorums share a server, servers \
                  fail by crashing, a disk keeps what was durable, membership is fixed. It speaks of the protocol's text in Coq, \
                  not of the code";
    link(
        (SPEC, ZAB),
        "Every step of abstract Zab is steps of AtomicBroadcast, or changes nothing of it; prefix consistency and the broadcast \
         properties hold in every reachable state.",
        within.to_owned(),
        &report.proofs,
        |proofs| (Status::Proved, proofs.closing.clone()),
    )
}

fn specification(report: &Report) -> Link {
    let counts = report.specification.facts.as_ref().map(|facts| &facts.counts[..]);
    let compared = counts.unwrap_or_default().iter().filter(|count| count.rust.is_some());
    let largest = compared.clone().map(|count| count.states).max().unwrap_or(0);
    let same = compared.clone().filter(|count| count.rust == Some(true)).count();
    let compared = compared.count();
    let read = counts.unwrap_or_default().iter().filter(|count| count.tla.is_some());
    let within = format!(
        "the configurations of spec/configs that were run, each complete. Counted here, against the numbers on record: {} from \
         TLA+ with up to {} states, {} from Rust with up to {}",
        counted(read.clone().count(), "configuration", "configurations"),
        grouped(read.map(|count| count.states).max().unwrap_or(0)),
        compared,
        grouped(largest),
    );
    link(
        (SPEC, "abstract Zab in TLA+, and in Rust as the model checker uses it"),
        "The same refinement and the invariants of its proof, of the text in TLA+; guards and updates of the texts in Coq, \
         TLA+ and Rust are those of one table, line by line; the texts in TLA+ and Rust have as many states at each depth.",
        within,
        &report.specification,
        |facts| {
            let rust = format!("as many states in Rust as on record in {same} of {compared}");
            (Status::Checked, format!("{}; {rust}", facts.closing))
        },
    )
}

/// The bounds of all these runs, for the chain.
fn bounds<'a>(models: impl Iterator<Item = &'a ModelRun>) -> String {
    let each = |run: &ModelRun| format!("{} ({})", run.record.name, servers_and_budgets(run));
    models.map(each).collect::<Vec<_>>().join("; ")
}

fn servers_and_budgets(run: &ModelRun) -> String {
    const SHOWN: [(&str, &str, &str); 6] = [
        ("servers", "server", "servers"),
        ("observers", "observer", "observers"),
        ("txns", "transaction", "transactions"),
        ("leaderships", "leadership", "leaderships"),
        ("crashes", "crash", "crashes"),
        ("timeouts", "time-out", "time-outs"),
    ];
    let bounds = &run.record.bounds;
    let shown = SHOWN.iter().filter_map(|(name, one, many)| {
        let value = bounds.get(name).filter(|value| *value > 0 || *name == "txns")?;
        Some(counted(usize::try_from(value).unwrap_or(usize::MAX), one, many))
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { bounds.to_string() } else { shown.join(", ") }
}

/// The runs that compared every step with abstract Zab.
pub(crate) fn compared(checks: &Checks) -> impl Iterator<Item = (&ModelRun, u64)> {
    checks.models.iter().filter_map(|run| {
        let found = run.record.properties.iter().find(|property| property.name == REFINES)?;
        Some((run, found.occurrences.filter(|_| found.holds == Some(true))?))
    })
}

/// Each action of abstract Zab, and how often the code took it where that was compared.
pub(crate) fn abstract_actions(checks: &Checks) -> Vec<(String, u64)> {
    let mut actions: Vec<(String, u64)> = Vec::new();
    for (run, _) in compared(checks) {
        let named = run.record.actions.iter().filter(|action| action.name.starts_with(ABSTRACT));
        for action in named {
            match actions.iter_mut().find(|(name, _)| *name == action.name) {
                Some((_, count)) => *count += action.count,
                None => actions.push((action.name.clone(), action.count)),
            }
        }
    }
    actions
}

fn refinement(checks: &Part<Checks>) -> Link {
    let within = checks.facts.as_ref().map(|facts| bounds(compared(facts).map(|(run, _)| run)));
    let mut made = link(
        (ZAB, CODE),
        "At every step that the model checker explores in families broadcast, sync-reads and whole, what the code changes on disks, in histories and in what was said is one of \
         the nine actions, allowed where it is taken, or nothing.",
        within.unwrap_or_default(),
        checks,
        |facts| {
            let runs: Vec<_> = compared(facts).collect();
            let steps = runs.iter().map(|(_, steps)| steps).sum();
            let actions = abstract_actions(facts);
            let taken = actions.iter().filter(|(_, count)| *count > 0).count();
            if runs.is_empty() {
                return (Status::NotRun, "no model of this run compares its steps".to_owned());
            }
            let models = counted(runs.len(), "model", "models");
            let actions = actions.len();
            let result =
                format!("{} steps of {models}, {taken} of {actions} actions taken", grouped(steps));
            (Status::Checked, result)
        },
    );
    if made.status == Status::NotRun {
        made.seconds = None;
    }
    made
}

fn properties(checks: &Part<Checks>) -> Link {
    let within = checks.facts.as_ref().map(|facts| {
        let code = facts.models.iter().filter(|run| !is_abstract(run));
        format!(
            "servers crash and links break, no other faults, but in family one-server, which is one server alone and peers that may say anything; {}",
            bounds(code)
        )
    });
    link(
        ("the properties of the models", CODE),
        "Every property holds in every state of every model, and every state that has to be reached is.",
        within.unwrap_or_default(),
        checks,
        |facts| {
            let code: Vec<_> = facts.models.iter().filter(|run| !is_abstract(run)).collect();
            if code.is_empty() {
                return (Status::NotRun, "no model of the code was run".to_owned());
            }
            let distinct = code.iter().map(|run| run.record.distinct).sum();
            let models = counted(code.len(), "model", "models");
            let vacuous = vacuous(facts).len();
            let result = match vacuous {
                0 => format!("{models}, {} distinct states", grouped(distinct)),
                _ => format!(
                    "{models}, {} distinct states; {} in these bounds",
                    grouped(distinct),
                    counted(
                        vacuous,
                        "property has nothing to say",
                        "properties have nothing to say"
                    ),
                ),
            };
            (Status::Checked, result)
        },
    )
}

/// Family `abstract` is abstract Zab by itself.
pub(crate) fn is_abstract(run: &ModelRun) -> bool {
    run.record.name.starts_with("abstract-")
}

/// Properties whose precondition no model of the code met: vacuous everywhere.
pub(crate) fn vacuous(checks: &Checks) -> Vec<String> {
    let mut met: Vec<(&str, u64)> = Vec::new();
    for run in checks.models.iter().filter(|run| !is_abstract(run)) {
        let claims = run.record.properties.iter();
        let claims = claims.filter(|property| property.kind != PropertyKind::Sometimes);
        for property in claims.filter(|property| !property.out_of_reach) {
            let times = property.occurrences.unwrap_or(1);
            match met.iter_mut().find(|(name, _)| *name == property.name) {
                Some((_, sum)) => *sum += times,
                None => met.push((&property.name, times)),
            }
        }
    }
    met.iter().filter(|(_, times)| *times == 0).map(|(name, _)| (*name).to_owned()).collect()
}

fn same_core(report: &Report) -> Link {
    let identity = &report.identity;
    let ensemble = report.conformance.facts.as_ref().and_then(|facts| facts.ensemble.as_ref());
    let cores = ensemble.map(|ensemble| &ensemble.cores[..]).unwrap_or_default();
    let same_tree = identity.core == identity.core_of_tree;
    let others: Vec<String> = cores
        .iter()
        .filter(|server| server.core != identity.core)
        .map(|server| format!("server {}", server.server))
        .collect();
    let (status, result) = if !same_tree {
        (Status::Failed, "the sources of this program are not those of the tree".to_owned())
    } else if !others.is_empty() {
        (Status::Failed, format!("another core is run by {}", others.join(", ")))
    } else if cores.is_empty() {
        (Status::NotRun, "tree and program have the same core; no server was asked".to_owned())
    } else {
        let servers = counted(cores.len(), "server", "servers");
        (Status::Tested, format!("tree, this program and {servers} name {}", short(&identity.core)))
    };
    Link {
        upper: CODE.to_owned(),
        lower: SERVERS.to_owned(),
        claim: "What the model checker calls and what the servers call is compiled from the same sources: one crate, one hash."
            .to_owned(),
        status,
        command: "vivarium --version; echo srvr | nc HOST PORT".to_owned(),
        within: match status {
            Status::NotRun => "-".to_owned(),
            Status::Proved | Status::Checked | Status::Tested | Status::Failed => {
                "SHA-256 of the sources; the compiler is trusted".to_owned()
            }
        },
        seconds: None,
        result,
    }
}

/// The beginning of a hash.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn conformance(part: &Part<Conformance>) -> Link {
    let within = part.facts.as_ref().map_or(String::new(), |facts| match &facts.ensemble {
        Some(ensemble) => format!(
            "the run of this report: {} on one machine, {} with kill -9, {} of load; no network faults, no disk faults",
            counted(ensemble.cores.len(), "server", "servers"),
            counted(ensemble.kills.len(), "stop", "stops"),
            seconds(ensemble.seconds),
        ),
        None => "the recordings that were given".to_owned(),
    });
    link(
        (CODE, SERVERS),
        "What real servers did is, step by step and packet by packet, what the host does with its core; put together it has the properties, and is a run \
         of abstract Zab.",
        within,
        part,
        |facts| {
            let held = facts.properties.iter().filter(|property| property.holds == Some(true));
            let vacuous = facts.properties.iter().filter(|property| property.vacuous).count();
            let said = if vacuous > 0 { format!(", {vacuous} vacuous") } else { String::new() };
            let result = format!(
                "{} steps in {}, {} of {} properties hold{said}, the others are not decided",
                grouped(facts.steps),
                counted(facts.recordings.len(), "recording", "recordings"),
                held.count(),
                facts.properties.len(),
            );
            (Status::Tested, result)
        },
    )
}

fn abstract_run(part: &Part<Conformance>) -> Link {
    const CLAIM: &str = "The run of abstract Zab that the recordings make is accepted by the checker that is extracted from the proof, so every \
         theorem holds of it.";
    let ends = (ZAB, SERVERS);
    match &part.facts {
        Some(facts) => {
            let within = "the same recordings; Coq's extraction, OCaml and the reader of the text are trusted";
            link(ends, CLAIM, within.to_owned(), &facts.trace_checker, |said| {
                (Status::Tested, said.clone())
            })
        }
        None => link(ends, CLAIM, "-".to_owned(), part, |_| (Status::NotRun, String::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn what_is_no_hash_is_not_cut() {
        assert_eq!([short("unknown"), short("0123456789abcdef")], ["unknown", "0123456789ab"]);
    }
}
