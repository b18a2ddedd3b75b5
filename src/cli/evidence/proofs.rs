//! The proofs, from nothing.

use super::child::{self, Trouble};
use super::part::{Done, Run};
use evidence::Proofs;
use std::process::Command;
use std::time::Duration;

pub(super) const COMMAND: &str = "make -C proofs clean all";
/// It takes a minute on one core that nobody else uses.
const LIMIT: Duration = Duration::from_secs(600);

pub(super) fn prove(run: &mut Run<'_>) -> Done<Proofs> {
    for (program, package) in [("coqc", "coq"), ("ocamlfind", "ocaml-findlib"), ("make", "make")] {
        if child::find(program).is_none() {
            return Done::not_run(format!(
                "{program} is not installed (Debian: apt-get install {package}): the proof was not rebuilt here"
            ));
        }
    }
    let mut command = Command::new("make");
    // What an outer make wants of its own must not reach this one.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    command.arg("-C").arg(run.tree.root.join("proofs")).args(["clean", "all"]);
    let stop = std::sync::Arc::clone(&run.stop);
    let said = child::run(&mut command, LIMIT, &stop, &mut |line| {
        if line.contains("closed under the global context") && line.starts_with(char::is_numeric) {
            run.say(&format!("  {line}"));
        }
    });
    let said = match said {
        Ok(said) => said,
        Err(Trouble::Absent(why)) => return Done::not_run(why),
        Err(Trouble::TimedOut(why)) => return Done::failed(why, None),
        Err(Trouble::Interrupted) => return Done::not_run("interrupted"),
    };
    let facts = read(&said.stdout);
    if !said.status.success() {
        return Done::failed(said.last_words(), facts);
    }
    match facts {
        Some(facts) => Done::holds(facts),
        None => Done::failed(
            "it does not say that the theorems are closed under the global context",
            None,
        ),
    }
}

/// What the Makefile prints. `None` without the sentence that counts the theorems, or with another
/// number of them.
fn read(lines: &[String]) -> Option<Proofs> {
    const CLOSED: &str = ": Closed under the global context";
    let closing =
        lines.iter().find(|line| line.ends_with("all closed under the global context"))?;
    let theorems: Vec<String> =
        lines.iter().filter_map(|line| line.strip_suffix(CLOSED)).map(str::to_owned).collect();
    let counted = closing.split(' ').next()?.parse::<usize>().ok()?;
    let chosen = |wanted: fn(&str) -> bool| {
        lines.iter().filter(|line| wanted(line)).cloned().collect::<Vec<String>>()
    };
    (counted == theorems.len() && counted > 0).then(|| Proofs {
        theorems,
        closing: closing.clone(),
        weakenings: chosen(|line| line.contains(", the proof fails in ")),
        traces: chosen(|line| line.starts_with("traces/")),
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_make_says_is_read() {
        let said = lines(
            "coqc -q -Q theories Zab theories/Lists.v\nKey.Key: Closed under the global context\n\
             Plan.plan_by_floor: Closed under the global context\n2 theorems, all closed under the global context\n\
             PromiseAgain: with 'a' for 'b' in Promise, the proof fails in Invariants x\ntraces/a.trace: accepted, 3 commands",
        );
        let proofs = read(&said).expect("whole");
        assert_eq!(proofs.theorems, ["Key.Key", "Plan.plan_by_floor"]);
        assert_eq!((proofs.weakenings.len(), proofs.traces.len()), (1, 1));
    }

    #[test]
    fn a_sentence_that_counts_others_than_are_named_is_not_believed() {
        let said = lines(
            "Key.Key: Closed under the global context\n2 theorems, all closed under the global context",
        );
        assert_eq!(read(&said), None);
        assert_eq!(read(&lines("Key.Key: Closed under the global context")), None);
    }
}
