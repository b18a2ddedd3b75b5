//! What was read, compared with the tree at the zxid in the answer's header.

use std::collections::{BTreeMap, HashMap};

use super::index::RecordId;
use super::sweep::Sweep;
use crate::History;
use crate::answer::{Answer, Answered, Outcome, Stat};
use crate::operation::{Data, ErrorCode, Read, SessionId, Write};
use crate::record::{Node, Operation, Record, TreeRecord, Txn};
use crate::report::{Call, Report, Rule};
use crate::tree::{agrees, difference, is_reserved};

/// The most reads of wrong data that are told apart into invented and misplaced data.
const SUSPECTS_MAX: usize = 1000;

/// A read whose data is not the tree's.
#[derive(Debug)]
struct Suspect {
    call: Call,
    data: Data,
    zxid: crate::operation::Zxid,
    sentence: String,
}

/// The reads whose data is not the tree's, by path.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    by_path: BTreeMap<String, Vec<Suspect>>,
    count: usize,
}

/// Says of each of these reads whether anybody ever asked to write what it read.
pub(super) fn resolve(suspects: Suspects, history: &History, report: &mut Report) {
    if suspects.count == 0 {
        return;
    }
    let mut written: HashMap<&str, Vec<&Data>> = HashMap::new();
    let mut note = |path, data| written.entry(path).or_default().push(data);
    for record in &history.records {
        match record {
            Record::Operation(operation) => {
                for write in operation.asked.writes() {
                    match write {
                        Write::Create { path, data, .. } | Write::SetData { path, data, .. } => {
                            note(path, data);
                        }
                        Write::Delete { .. } | Write::SetAcl { .. } | Write::Check { .. } => {}
                    }
                }
            }
            Record::Transaction(transaction) => data_of(&transaction.txn, &mut note),
            Record::Start(tree) => {
                tree.nodes.iter().for_each(|node| note(&node.path, &node.data));
            }
            Record::Session(_) | Record::Event(_) | Record::Tree(_) => {}
        }
    }
    for (path, suspects) in suspects.by_path {
        for suspect in suspects {
            let is_of_path = |written: &str| path.starts_with(written);
            let exact = written.get(path.as_str()).is_some_and(|all| all.contains(&&suspect.data));
            // A sequential node is asked for by the beginning of its path.
            let was_written = exact
                || written
                    .iter()
                    .any(|(asked, all)| is_of_path(asked) && all.contains(&&suspect.data));
            let rule = if was_written { Rule::ReadIsTheTree } else { Rule::NothingInvented };
            let end = if was_written { "" } else { "; nobody ever wrote that" };
            report.add(rule, &[suspect.call], &[suspect.zxid], || suspect.sentence + end);
        }
    }
}

fn data_of<'h>(txn: &'h Txn, note: &mut impl FnMut(&'h str, &'h Data)) {
    match txn {
        Txn::Create { path, data, .. } | Txn::SetData { path, data, .. } => note(path, data),
        Txn::Multi(parts) => parts.iter().for_each(|part| data_of(part, note)),
        Txn::Delete { .. }
        | Txn::SetAcl { .. }
        | Txn::Check { .. }
        | Txn::CreateSession
        | Txn::CloseSession { .. }
        | Txn::Error(_) => {}
    }
}

impl<'h> Sweep<'h, '_> {
    pub(super) fn judge_read(
        &mut self,
        _id: RecordId,
        operation: &'h Operation,
        read: &'h Read,
        told: &'h Answered,
    ) {
        self.report.counts.reads += 1;
        if self.floors.before(operation.invoked).is_some_and(|(floor, _)| told.zxid < floor) {
            self.report.counts.reads_of_the_past += 1;
        }
        let refused = told.outcome.error().is_some_and(|code| code != ErrorCode::NO_NODE);
        if refused || is_reserved(&read.path) {
            self.report.counts.refused += 1;
            return;
        }
        if self.taint.hides(&read.path, told.zxid) {
            self.report.counts.undecided += 1;
            return;
        }
        if self.agrees_with_tree(read, &told.outcome) {
            if let Some(stat) = stat_of(&told.outcome) {
                self.tree.learn(&read.path, stat);
            }
            return;
        }
        self.blame(operation, read, told);
    }

    fn agrees_with_tree(&self, read: &Read, told: &Outcome) -> bool {
        let is_stat =
            |told: &Stat| self.tree.stat(&read.path).is_some_and(|own| agrees(&own, told));
        match told {
            Outcome::Error(_) => self.tree.stat(&read.path).is_none(),
            Outcome::Ok(Answer::Stat(stat)) => is_stat(stat),
            Outcome::Ok(Answer::Data { data, stat }) => {
                is_stat(stat)
                    && matches!(
                        self.tree.read(read),
                        Outcome::Ok(Answer::Data { data: own, .. }) if own == *data
                    )
            }
            Outcome::Ok(Answer::Children { names, stat }) => {
                self.tree.has_children(&read.path, names) && stat.as_ref().is_none_or(is_stat)
            }
            Outcome::Ok(Answer::Done | Answer::Created { .. } | Answer::Multi(_)) => false,
        }
    }

    /// Says which rule a wrong read breaks.
    fn blame(&mut self, operation: &'h Operation, read: &'h Read, told: &'h Answered) {
        let (call, zxid, asked) = (operation.call(), told.zxid, &operation.asked);
        let expected = self.tree.read(read);
        if let Some(why) = self.wrong_ephemeral(read, &expected, &told.outcome) {
            self.report.add(Rule::EphemeralsLiveAsTheirSession, &[call], &[zxid], || {
                format!("{asked} ({call}) at {zxid}: {why}")
            });
            return;
        }
        let difference = match (stat_of(&expected), stat_of(&told.outcome)) {
            (Some(expected), Some(told)) => difference(expected, told),
            (_, _) => None,
        };
        let difference = difference.map(|words| format!(" ({words})")).unwrap_or_default();
        let told_text = &told.outcome;
        let sentence = format!(
            "{asked} ({call}) at {zxid} was told {told_text}; the tree has {expected}{difference}"
        );
        match (&expected, &told.outcome) {
            (expected, Outcome::Ok(Answer::Data { data, .. }))
                if !matches!(expected, Outcome::Ok(Answer::Data { data: own, .. }) if own == data)
                    && self.suspects.count < SUSPECTS_MAX =>
            {
                self.suspects.count += 1;
                let suspect = Suspect { call, data: data.clone(), zxid, sentence };
                self.suspects.by_path.entry(read.path.clone()).or_default().push(suspect);
            }
            (_, _) => self.report.add(Rule::ReadIsTheTree, &[call], &[zxid], || sentence),
        }
    }

    /// Whether what is wrong about a read is the life of an ephemeral node.
    fn wrong_ephemeral(&self, read: &Read, expected: &Outcome, told: &Outcome) -> Option<String> {
        let no_node = Outcome::Error(ErrorCode::NO_NODE);
        match (expected, told) {
            (expected, told) if *expected == no_node => {
                let owner = stat_of(told)?.owner;
                let end = self.ended.get(&owner)?;
                let path = &read.path;
                Some(format!("{path} is there, and its session {owner} ended with {end}"))
            }
            (expected, told) if *told == no_node => {
                let owner =
                    Some(stat_of(expected)?.owner).filter(|owner| *owner != SessionId(0))?;
                let path = &read.path;
                Some(format!("{path} is not there, and its session {owner} lives"))
            }
            (
                Outcome::Ok(Answer::Children { names: expected, .. }),
                Outcome::Ok(Answer::Children { names: told, .. }),
            ) => {
                let path = |name: &String| match read.path.as_str() {
                    "/" => format!("/{name}"),
                    parent => format!("{parent}/{name}"),
                };
                for name in told.iter().filter(|name| !expected.contains(name)) {
                    let path = path(name);
                    if let Some(owner) = self.tree.last_owner(&path)
                        && let Some(end) = self.ended.get(&owner)
                    {
                        let text = "is there, and its session";
                        return Some(format!("{path} {text} {owner} ended with {end}"));
                    }
                }
                for name in expected.iter().filter(|name| !told.contains(name)) {
                    let path = path(name);
                    if let Some(owner) = self.tree.last_owner(&path) {
                        return Some(format!("{path} is not there, and its session {owner} lives"));
                    }
                }
                None
            }
            (_, _) => None,
        }
    }

    /// Compares a server's whole tree.
    pub(super) fn judge_tree(&mut self, record: &TreeRecord) {
        self.report.counts.trees += 1;
        let zxid = record.zxid;
        let mut told: HashMap<&str, &Node> =
            record.nodes.iter().map(|node| (node.path.as_str(), node)).collect();
        let nodes: Vec<Node> = self.tree.nodes().collect();
        for own in &nodes {
            let node = told.remove(own.path.as_str());
            if self.taint.hides(&own.path, zxid) {
                self.report.counts.undecided += 1;
                continue;
            }
            let why = match node {
                None => Some("it is missing".to_owned()),
                Some(node) if node.data != own.data => {
                    Some(format!("it has the data {}, not {}", node.data, own.data))
                }
                Some(node) if !agrees(&own.stat, &node.stat) => difference(&own.stat, &node.stat),
                Some(node) => {
                    self.tree.learn(&own.path, &node.stat);
                    None
                }
            };
            if let Some(why) = why {
                let path = &own.path;
                self.report.add(Rule::TreeIsTheLogs, &[], &[zxid], || {
                    format!("in a server's tree at {zxid}, {path} is not as it has to be: {why}")
                });
            }
        }
        let mut more: Vec<&&Node> = told.values().collect();
        more.sort_by_key(|node| &node.path);
        for node in more {
            let (path, owner) = (&node.path, node.stat.owner);
            if is_reserved(path) || self.taint.hides(path, zxid) {
                continue;
            }
            let ended = self.ended.get(&owner);
            let rule = match ended {
                Some(_) => Rule::EphemeralsLiveAsTheirSession,
                None => Rule::TreeIsTheLogs,
            };
            self.report.add(rule, &[], &[zxid], || match ended {
                Some(end) => {
                    format!(
                        "a server's tree at {zxid} has {path} of {owner}, which ended with {end}"
                    )
                }
                None => format!("a server's tree at {zxid} has {path}, which nobody created"),
            });
        }
    }
}

fn stat_of(outcome: &Outcome) -> Option<&Stat> {
    match outcome {
        Outcome::Ok(Answer::Stat(stat) | Answer::Data { stat, .. }) => Some(stat),
        Outcome::Ok(Answer::Children { stat, .. }) => stat.as_ref(),
        Outcome::Ok(Answer::Done | Answer::Created { .. } | Answer::Multi(_))
        | Outcome::Error(_) => None,
    }
}
