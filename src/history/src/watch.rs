//! Which changes a watch is about: an index of the changes to what anybody watches.

use std::collections::{BTreeMap, HashMap};

use crate::History;
use crate::operation::{ReadKind, Request, WatchKind, Zxid};
use crate::record::{EventKind, Record};
use crate::tree::{Change, parent_of};

/// What kinds of watches the server keeps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    /// One-shot: the node's creation, deletion and data.
    Data,
    /// One-shot: the node's children, and its deletion.
    Child,
    /// Both of these, always.
    Persistent,
    /// The node's and its descendants' creation, deletion and data, always.
    Recursive,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Data, Self::Child, Self::Persistent, Self::Recursive];

    /// The kind of a watch that a read leaves.
    pub(crate) fn of_read(read: ReadKind) -> Self {
        match read {
            ReadKind::Exists | ReadKind::GetData => Self::Data,
            ReadKind::GetChildren => Self::Child,
        }
    }

    /// The kinds that removeWatches means.
    pub(crate) fn removed(kind: WatchKind) -> &'static [Self] {
        match kind {
            WatchKind::Data => &[Self::Data],
            WatchKind::Child => &[Self::Child],
            WatchKind::Persistent => &[Self::Persistent],
            WatchKind::Recursive => &[Self::Recursive],
            WatchKind::Any => &Self::ALL,
        }
    }

    pub(crate) fn is_one_shot(self) -> bool {
        match self {
            Self::Data | Self::Child => true,
            Self::Persistent | Self::Recursive => false,
        }
    }

    /// Whether a watch of this kind on a node is told of this change of the same node.
    fn is_told(self, change: EventKind) -> bool {
        match (self, change) {
            (Self::Data | Self::Recursive, EventKind::ChildrenChanged)
            | (Self::Child, EventKind::Created | EventKind::DataChanged) => false,
            (Self::Persistent, _)
            | (
                Self::Data | Self::Recursive,
                EventKind::Created | EventKind::Deleted | EventKind::DataChanged,
            )
            | (Self::Child, EventKind::Deleted | EventKind::ChildrenChanged) => true,
        }
    }
}

/// A change, with its transaction.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) zxid: Zxid,
    pub(crate) change: Change,
}

/// The place of a change in the order of all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ChangeId(u32);

/// A watched node, and the kind of watch.
pub(crate) type Watched<'h> = (Kind, &'h str);

/// The changes of all that anybody watches, in the order of transactions.
#[derive(Debug)]
pub(crate) struct Changes<'h> {
    all: Vec<Numbered>,
    /// For each kind, the changes that watches of a node are told of.
    of_kind: [HashMap<&'h str, Vec<ChangeId>>; 4],
}

impl<'h> Changes<'h> {
    /// No change yet of what the clients of this history watch.
    pub(crate) fn watched_in(history: &'h History) -> Self {
        let mut of_kind: [HashMap<&'h str, Vec<ChangeId>>; 4] = Default::default();
        for record in &history.records {
            let Record::Operation(operation) = record else { continue };
            for (kind, path) in watches_of(&operation.asked) {
                of_kind[kind as usize].entry(path).or_default();
            }
        }
        Self { all: Vec::new(), of_kind }
    }

    /// Takes a change in. Changes come in the order of their transactions.
    pub(crate) fn push(&mut self, zxid: Zxid, change: Change) {
        let id = ChangeId(u32::try_from(self.all.len()).expect("fewer changes than 2^32"));
        let mut is_watched = false;
        for kind in [Kind::Data, Kind::Child, Kind::Persistent] {
            if kind.is_told(change.kind)
                && let Some(list) = self.of_kind[kind as usize].get_mut(&*change.path)
            {
                list.push(id);
                is_watched = true;
            }
        }
        let recursive = &mut self.of_kind[Kind::Recursive as usize];
        if !recursive.is_empty() && Kind::Recursive.is_told(change.kind) {
            let mut above = Some(&*change.path);
            while let Some(path) = above {
                if let Some(list) = recursive.get_mut(path) {
                    list.push(id);
                    is_watched = true;
                }
                above = parent_of(path);
            }
        }
        if is_watched {
            self.all.push(Numbered { zxid, change });
        }
    }

    /// The changes that a watch is told of next which sees the tree at `after`: those of one
    /// transaction, or of a one-shot watch the first of them.
    pub(crate) fn next(&self, watched: Watched<'_>, after: Zxid) -> &[ChangeId] {
        let list = self.of_kind[watched.0 as usize].get(watched.1).map_or(&[][..], Vec::as_slice);
        let behind = &list[list.partition_point(|id| self.get(*id).zxid <= after)..];
        let Some(first) = behind.first() else { return behind };
        let zxid = self.get(*first).zxid;
        let same = behind.iter().take_while(|id| self.get(**id).zxid == zxid).count();
        &behind[..if watched.0.is_one_shot() { 1 } else { same }]
    }

    /// The first change behind `last` that a watch is told of and that is the one looked for.
    pub(crate) fn find(
        &self,
        watched: Watched<'_>,
        last: ChangeId,
        is_it: impl Fn(&ChangeId) -> bool,
    ) -> Option<ChangeId> {
        let list = self.of_kind[watched.0 as usize].get(watched.1)?;
        let behind = &list[list.partition_point(|id| *id <= last)..];
        behind.iter().copied().find(|id| is_it(id))
    }

    /// A change.
    pub(crate) fn get(&self, id: ChangeId) -> &Numbered {
        &self.all[id.0 as usize]
    }
}

/// The watches that a request leaves if it is answered.
fn watches_of(asked: &Request) -> Vec<Watched<'_>> {
    match asked {
        Request::Read(read) if read.watch => vec![(Kind::of_read(read.kind), &read.path)],
        Request::AddWatch { path, recursive: true } => vec![(Kind::Recursive, path)],
        Request::AddWatch { path, recursive: false } => vec![(Kind::Persistent, path)],
        Request::SetWatches(lists) => [
            (Kind::Data, &lists.data),
            (Kind::Data, &lists.exist),
            (Kind::Child, &lists.child),
            (Kind::Persistent, &lists.persistent),
            (Kind::Recursive, &lists.recursive),
        ]
        .into_iter()
        .flat_map(|(kind, paths)| paths.iter().map(move |path| (kind, path.as_str())))
        .collect(),
        Request::Read(_)
        | Request::Write(_)
        | Request::Multi(_)
        | Request::Sync { .. }
        | Request::RemoveWatches { .. }
        | Request::Close => Vec::new(),
    }
}

/// The watches of one connection, and which changes each is to be told of next.
#[derive(Debug, Default)]
pub(crate) struct Table<'h> {
    /// What each is still to be told of one transaction.
    armed: HashMap<Watched<'h>, Vec<ChangeId>>,
    due: BTreeMap<ChangeId, Vec<Watched<'h>>>,
}

impl<'h> Table<'h> {
    /// Leaves a watch, whose next changes are these as far as they are known; if there is such a
    /// watch already, it stays.
    pub(crate) fn arm(&mut self, watched: Watched<'h>, next: &[ChangeId]) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.armed.entry(watched) {
            entry.insert(next.to_vec());
            for change in next {
                self.due.entry(*change).or_default().push(watched);
            }
        }
    }

    /// Takes a watch away.
    pub(crate) fn disarm(&mut self, watched: Watched<'h>) {
        for change in self.armed.remove(&watched).unwrap_or_default() {
            if let Some(watching) = self.due.get_mut(&change) {
                watching.retain(|other| *other != watched);
                if watching.is_empty() {
                    self.due.remove(&change);
                }
            }
        }
    }

    /// Whether there is such a watch.
    pub(crate) fn has(&self, watched: Watched<'h>) -> bool {
        self.armed.contains_key(&watched)
    }

    /// The last change of those that a watch is to be told of next.
    pub(crate) fn last_due_of(&self, watched: Watched<'h>) -> Option<ChangeId> {
        self.armed.get(&watched)?.last().copied()
    }

    /// The changes that are still to be told, in order.
    pub(crate) fn due(&self) -> impl Iterator<Item = ChangeId> + '_ {
        self.due.keys().copied()
    }

    /// The first change that is still to be told.
    pub(crate) fn first_due(&self) -> Option<ChangeId> {
        self.due.keys().next().copied()
    }

    /// A change has been told, once for all watches that are told of it. One-shot ones are gone;
    /// the others that have been told all of their transaction are answered, to be armed anew.
    pub(crate) fn fire(&mut self, change: ChangeId) -> Vec<Watched<'h>> {
        let mut told_all = Vec::new();
        for watched in self.due.remove(&change).unwrap_or_default() {
            let left = self.armed.entry(watched).or_default();
            left.retain(|other| *other != change);
            if left.is_empty() {
                self.armed.remove(&watched);
                if !watched.0.is_one_shot() {
                    told_all.push(watched);
                }
            }
        }
        told_all
    }
}
