//! What subtrees with a quota have, counted.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::Tree;
use crate::node::Node;
use crate::path;
use crate::quota::{self, Limits, QuotaNode, Usage};

/// The subtrees that have a quota, each with what it has.
///
/// Invariants: a subtree is here while its limits node exists, if it can have a quota; its usage is
/// that of its nodes; and the data of its stats node, if there is one, says so. So a tree that is
/// read from a snapshot counts as the one that it was taken of.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotas {
    usage: BTreeMap<Arc<str>, Usage>,
    /// The same subtrees by the hashes of their paths, so that those which a path is in are found
    /// by reading the path once, however deep it is.
    by_hash: BTreeMap<u64, Vec<Arc<str>>>,
}

impl Quotas {
    fn contains(&self, subtree: &str) -> bool {
        self.usage.contains_key(subtree)
    }

    fn insert(&mut self, subtree: Arc<str>, usage: Usage) {
        if self.usage.insert(subtree.clone(), usage).is_none() {
            self.by_hash.entry(hash(&subtree)).or_default().push(subtree);
        }
    }

    fn remove(&mut self, subtree: &str) {
        if self.usage.remove(subtree).is_none() {
            return;
        }
        let hash = hash(subtree);
        if let Some(same) = self.by_hash.get_mut(&hash) {
            same.retain(|other| **other != *subtree);
            if same.is_empty() {
                self.by_hash.remove(&hash);
            }
        }
    }

    /// Those that this path is in, the innermost first.
    fn of(&self, path: &str) -> Vec<(&Arc<str>, Usage)> {
        let mut found = Vec::new();
        if self.usage.is_empty() {
            return found;
        }
        let mut hash = HASH_OF_NOTHING;
        for (at, byte) in path.bytes().enumerate() {
            if byte == b'/' && at > 0 {
                found.extend(self.find(hash, &path[..at]));
            }
            hash = hash_more(hash, byte);
        }
        found.extend(self.find(hash, path));
        found.reverse();
        found
    }

    fn find(&self, hash: u64, subtree: &str) -> Option<(&Arc<str>, Usage)> {
        self.by_hash.get(&hash)?.iter().find(|other| ***other == *subtree)?;
        self.usage.get_key_value(subtree).map(|(subtree, usage)| (subtree, *usage))
    }

    /// How many are one in the other along the way that is the longest of all through `subtree`.
    fn nested(&self, subtree: &str) -> usize {
        let around = self.of(subtree).len();
        let below = format!("{subtree}/");
        let within = self.usage.range::<str, _>((Bound::Excluded(&*below), Bound::Unbounded));
        let within = within.take_while(|(other, _)| other.starts_with(&below));
        let deepest = within.map(|(other, _)| self.of(other).len()).max().unwrap_or(around);
        deepest.max(around)
    }
}

/// FNV-1a, which can be had of every beginning of a path on the way through it.
const HASH_OF_NOTHING: u64 = 0xcbf2_9ce4_8422_2325;

fn hash_more(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

fn hash(path: &str) -> u64 {
    path.bytes().fold(HASH_OF_NOTHING, hash_more)
}

/// A quota, as an operator sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota<'a> {
    /// The subtree that has it.
    pub subtree: &'a str,
    /// Nodes that it may have, by the hard limit if there is one; negative: no limit.
    pub count_limit: i64,
    /// Bytes of their data, in the same way.
    pub bytes_limit: i64,
    /// Nodes that it has.
    pub count: i64,
    /// Bytes of their data.
    pub bytes: i64,
}

impl Tree {
    /// All quotas, in the order of their subtrees.
    pub fn quotas(&self) -> impl Iterator<Item = Quota<'_>> {
        self.quotas.usage.iter().map(|(subtree, usage)| {
            let limits = self.quota_limits(subtree);
            let [count_limit, bytes_limit] = limits.map_or([-1; 2], |limits| limits.in_force());
            Quota { subtree, count_limit, bytes_limit, count: usage.count, bytes: usage.bytes }
        })
    }

    /// The subtrees with a quota that this path is in, the innermost first, and what each of them
    /// has.
    pub(crate) fn quotas_of(&self, path: &str) -> impl Iterator<Item = (&Arc<str>, Usage)> {
        self.quotas.of(path).into_iter()
    }

    /// How many quotas are one in the other on the longest way through this subtree, its own not
    /// counted if it has none.
    pub(crate) fn nested_quotas(&self, subtree: &str) -> usize {
        self.quotas.nested(subtree)
    }

    /// What a subtree may have; `None` if its limits cannot be read.
    pub(crate) fn quota_limits(&self, subtree: &str) -> Option<Limits> {
        let data = self.node(&quota::limits_path(subtree)).and_then(Node::data);
        Limits::parse(data.map_or(&[], |data| data))
    }

    /// The nodes of the subtrees with a quota that this path is in have become more, or less.
    pub(super) fn count(&mut self, path: &str, more: Usage) {
        let subtrees: Vec<_> = self.quotas_of(path).map(|(subtree, _)| subtree.clone()).collect();
        for subtree in subtrees {
            if let Some(usage) = self.quotas.usage.get_mut(&subtree) {
                usage.add(more);
            }
            self.show_usage(&subtree);
        }
    }

    /// A node was created, or its data was set: it may be one of a quota.
    pub(super) fn quota_node_changed(&mut self, path: &str) {
        match QuotaNode::of(path) {
            Some(QuotaNode::Limits(subtree)) if quota::is_possible(subtree) => {
                if !self.quotas.contains(subtree) {
                    self.quotas.insert(subtree.into(), self.usage(subtree));
                    self.show_usage(subtree);
                }
            }
            Some(QuotaNode::Stats(subtree)) if self.quotas.contains(subtree) => {
                self.show_usage(subtree);
            }
            Some(QuotaNode::Limits(_) | QuotaNode::Stats(_)) | None => {}
        }
    }

    /// A node was deleted: it may be one of a quota.
    pub(super) fn quota_node_deleted(&mut self, path: &str) {
        if let Some(QuotaNode::Limits(subtree)) = QuotaNode::of(path) {
            self.quotas.remove(subtree);
        }
    }

    /// Finds the quotas of a tree whose nodes were read from a snapshot.
    pub(super) fn find_quotas(&mut self) {
        let mut open: Vec<Arc<str>> = vec![path::QUOTA.into()];
        while let Some(path) = open.pop() {
            if let Some(node) = self.node(&path) {
                open.extend(node.children.iter().cloned());
            }
            if let Some(QuotaNode::Limits(_)) = QuotaNode::of(&path) {
                self.quota_node_changed(&path);
            }
        }
    }

    /// What is there of a subtree, counted.
    fn usage(&self, subtree: &str) -> Usage {
        let mut usage = Usage::default();
        let mut open: Vec<&Node> = self.node(subtree).into_iter().collect();
        while let Some(node) = open.pop() {
            usage.add(usage_of(node));
            open.extend(node.children.iter().filter_map(|child| self.node(child)));
        }
        usage
    }

    /// The data of the stats node says what the subtree has. No version and no zxid changes, and no
    /// watch fires.
    fn show_usage(&mut self, subtree: &str) {
        if let Some(usage) = self.quotas.usage.get(subtree) {
            let text = Bytes::from(usage.to_string());
            self.update(&quota::stats_path(subtree), |node| node.set_data(Some(text)));
        }
    }
}

/// What a node counts for.
pub(super) fn usage_of(node: &Node) -> Usage {
    Usage { count: 1, bytes: bytes(node.data.as_ref()) }
}

/// How many bytes data counts for.
pub(super) fn bytes(data: Option<&Bytes>) -> i64 {
    data.map_or(0, |data| i64::try_from(data.len()).unwrap_or(i64::MAX))
}
