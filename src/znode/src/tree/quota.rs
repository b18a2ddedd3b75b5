//! What subtrees with a quota have, counted.

use std::collections::BTreeMap;
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
pub(super) type Quotas = BTreeMap<Arc<str>, Usage>;

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
        self.quotas.iter().map(|(subtree, usage)| {
            let limits = self.quota_limits(subtree);
            let [count_limit, bytes_limit] = limits.map_or([-1; 2], |limits| limits.in_force());
            Quota { subtree, count_limit, bytes_limit, count: usage.count, bytes: usage.bytes }
        })
    }

    /// The subtrees with a quota that this path is in, and what each of them has.
    pub(crate) fn quotas_of(&self, path: &str) -> impl Iterator<Item = (&Arc<str>, Usage)> {
        // Nearly always there is none, and nothing is to be looked for.
        let first = (!self.quotas.is_empty()).then_some(path);
        let above = std::iter::successors(first, |path| path::parent(path));
        above.filter_map(|path| self.quotas.get_key_value(path)).map(|(path, usage)| (path, *usage))
    }

    /// What a subtree may have; `None` if its limits cannot be read.
    pub(crate) fn quota_limits(&self, subtree: &str) -> Option<Limits> {
        let data = self.node(&quota::limits_path(subtree)).and_then(Node::data);
        Limits::parse(data.map_or(&[], |data| data))
    }

    /// The nodes of the subtrees with a quota that this path is in have become more, or less.
    pub(super) fn count(&mut self, path: &str, more: Usage) {
        if self.quotas.is_empty() {
            return;
        }
        let subtrees: Vec<_> = self.quotas_of(path).map(|(subtree, _)| subtree.clone()).collect();
        for subtree in subtrees {
            if let Some(usage) = self.quotas.get_mut(&subtree) {
                usage.add(more);
            }
            self.show_usage(&subtree);
        }
    }

    /// A node was created, or its data was set: it may be one of a quota.
    pub(super) fn quota_node_changed(&mut self, path: &str) {
        match QuotaNode::of(path) {
            Some(QuotaNode::Limits(subtree)) if quota::is_possible(subtree) => {
                if !self.quotas.contains_key(subtree) {
                    self.quotas.insert(subtree.into(), self.usage(subtree));
                    self.show_usage(subtree);
                }
            }
            Some(QuotaNode::Stats(subtree)) if self.quotas.contains_key(subtree) => {
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
        if let Some(usage) = self.quotas.get(subtree) {
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
