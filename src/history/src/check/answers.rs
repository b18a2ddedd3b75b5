//! What a client was told of a write, and what the log has of it, compared with what it does.

use super::sweep::Sweep;
use crate::answer::{Answer, Answered, Outcome};
use crate::operation::{Mode, Request, Write, Zxid};
use crate::record::{Operation, Txn};
use crate::report::Rule;
use crate::tree::agrees;

impl Sweep<'_, '_> {
    pub(super) fn count_done(&mut self, operation: &Operation) {
        let counts = &mut self.report.counts;
        counts.writes_done += 1;
        if let Request::Multi(_) = operation.asked {
            counts.multis_done += 1;
        }
        for write in operation.asked.writes() {
            if let Write::Create { sequential, mode, .. } = write {
                counts.sequential_creates += u64::from(*sequential);
                counts.ephemeral_creates += u64::from(*mode == Mode::Ephemeral);
            }
        }
    }

    /// Compares what a client was told with what its writes do.
    pub(super) fn check_answer(
        &mut self,
        done: &[(Txn, Answer)],
        operation: &Operation,
        told: &Answered,
        zxid: Zxid,
    ) {
        let single = std::slice::from_ref(&told.outcome);
        let (is_multi, parts) = match (&operation.asked, &told.outcome) {
            (Request::Multi(_), Outcome::Ok(Answer::Multi(parts))) => (true, parts.as_slice()),
            (_, _) => (false, single),
        };
        let agree = parts.len() == done.len()
            && done.iter().zip(parts).all(|((_, expected), told)| answers_agree(expected, told));
        if agree {
            for ((txn, _), told) in done.iter().zip(parts) {
                self.learn(txn, told);
            }
            return;
        }
        let rule = match (done, parts) {
            (_, _) if is_multi => Rule::MultiIsAtomic,
            (
                [(_, Answer::Created { path, .. })],
                [Outcome::Ok(Answer::Created { path: told, .. })],
            ) if path != told => Rule::SequentialNumber,
            (_, _) => Rule::WriteResult,
        };
        let (call, asked) = (operation.call(), &operation.asked);
        self.report.add(rule, &[call], &[zxid], || {
            let expected: Vec<String> = done.iter().map(|(_, answer)| answer.to_string()).collect();
            let (expected, told) = (expected.join("; "), &told.outcome);
            format!("{asked} ({call}) is {zxid} and was told {told}; it gives {expected}")
        });
    }

    fn learn(&mut self, txn: &Txn, told: &Outcome) {
        match (txn, told) {
            (Txn::Create { path, .. }, Outcome::Ok(Answer::Created { stat: Some(stat), .. }))
            | (
                Txn::SetData { path, .. } | Txn::SetAcl { path, .. },
                Outcome::Ok(Answer::Stat(stat)),
            ) => self.tree.learn(path, stat),
            (_, _) => {}
        }
    }
}

/// The outcomes of a request's writes.
pub(super) fn parts(outcome: &Outcome) -> &[Outcome] {
    match outcome {
        Outcome::Ok(Answer::Multi(parts)) => parts,
        Outcome::Ok(_) | Outcome::Error(_) => std::slice::from_ref(outcome),
    }
}

/// Whether these transactions are what the log has for a request.
pub(super) fn is_the_txn(done: &[(Txn, Answer)], txn: &Txn, asked: &Request) -> bool {
    match (asked, txn) {
        (Request::Multi(_), Txn::Multi(parts)) => {
            parts.len() == done.len() && done.iter().zip(parts).all(|((own, _), part)| own == part)
        }
        (Request::Write(_), txn) => matches!(done, [(own, _)] if own == txn),
        (_, _) => false,
    }
}

/// The rule that is broken if the log has another transaction than these for a request.
pub(super) fn rule_of_difference(asked: &Request, done: &[(Txn, Answer)], txn: &Txn) -> Rule {
    match (asked, done, txn) {
        (Request::Multi(_), _, _) => Rule::MultiIsAtomic,
        (
            Request::Write(Write::Create { sequential: true, .. }),
            [(Txn::Create { path: own, .. }, _)],
            Txn::Create { path, .. },
        ) if own != path => Rule::SequentialNumber,
        (_, _, _) => Rule::LogIsWhatWasAsked,
    }
}

fn answers_agree(expected: &Answer, told: &Outcome) -> bool {
    match (expected, told) {
        (Answer::Done, Outcome::Ok(Answer::Done)) => true,
        (
            Answer::Created { path: expected, stat: own },
            Outcome::Ok(Answer::Created { path, stat }),
        ) => {
            let stats_agree = |stat| own.as_ref().is_some_and(|own| agrees(own, stat));
            expected == path && stat.as_ref().is_none_or(stats_agree)
        }
        (Answer::Stat(expected), Outcome::Ok(Answer::Stat(told))) => agrees(expected, told),
        (_, _) => false,
    }
}
