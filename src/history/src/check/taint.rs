//! Which nodes cannot be known from some zxid on, where there is no log.

use std::collections::{BTreeSet, HashMap};

use super::order::Floors;
use crate::History;
use crate::operation::{Write, Zxid};
use crate::tree::parent_of;

/// From which zxid on a node is not known, and from which all below it are not.
#[derive(Clone, Copy, Debug, Default)]
struct Since {
    node: Option<Zxid>,
    below: Option<Zxid>,
}

/// The nodes that writes of unknown outcome, and ends of sessions that nobody has seen, may have
/// changed.
#[derive(Debug, Default)]
pub(crate) struct Taint {
    by_path: HashMap<String, Since>,
    /// The lengths of the paths below which all is unknown.
    lengths: BTreeSet<usize>,
}

fn earlier(kept: &mut Option<Zxid>, from: Zxid) {
    *kept = Some(kept.map_or(from, |kept| kept.min(from)));
}

impl Taint {
    /// What the writes without an answer may change: each not before what was told when it began.
    pub(crate) fn of_unknown(history: &History, floors: &Floors) -> Self {
        let mut taint = Self::default();
        for (_, operation) in history.operations().filter(|(_, op)| op.answered.is_none()) {
            let floor = floors.before(operation.invoked).map_or(Zxid(0), |(zxid, _)| zxid);
            for write in operation.asked.writes() {
                taint.write(write, floor.next());
            }
        }
        taint
    }

    fn write(&mut self, write: &Write, from: Zxid) {
        match write {
            Write::Create { path, sequential: true, .. } => {
                self.existence(parent_of(path).unwrap_or("/"), from);
            }
            Write::Create { path, .. } | Write::Delete { path, .. } => self.existence(path, from),
            Write::SetData { path, .. } | Write::SetAcl { path, .. } => self.node(path, from),
            Write::Check { .. } => {}
        }
    }

    fn node(&mut self, path: &str, from: Zxid) {
        earlier(&mut self.by_path.entry(path.to_owned()).or_default().node, from);
    }

    /// Whether the node exists is not known, so neither is what is below it and its parent's Stat.
    pub(crate) fn existence(&mut self, path: &str, from: Zxid) {
        let since = self.by_path.entry(path.to_owned()).or_default();
        earlier(&mut since.node, from);
        earlier(&mut since.below, from);
        self.lengths.insert(path.len());
        if let Some(parent) = parent_of(path) {
            self.node(parent, from);
        }
    }

    /// From which zxid on the node is not known.
    pub(crate) fn since(&self, path: &str) -> Option<Zxid> {
        if self.by_path.is_empty() {
            return None;
        }
        let mut since = self.by_path.get(path).and_then(|since| since.node);
        let is_end_of_part = |length: usize| {
            path.as_bytes().get(length) == Some(&b'/') || path.get(..length) == Some("/")
        };
        for length in self.lengths.range(..path.len()).copied().filter(|at| is_end_of_part(*at)) {
            if let Some(from) = self.by_path.get(&path[..length]).and_then(|since| since.below) {
                earlier(&mut since, from);
            }
        }
        since
    }

    /// Whether the node is not known at this zxid.
    pub(crate) fn hides(&self, path: &str, at: Zxid) -> bool {
        self.since(path).is_some_and(|from| from <= at)
    }
}
