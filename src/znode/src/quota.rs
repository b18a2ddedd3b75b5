//! Quotas: how many nodes, and bytes of data, a subtree may have and has.
//!
//! A quota of `/a` is two nodes that clients make: `/zookeeper/quota/a/zookeeper_limits` and,
//! beside it, `zookeeper_stats`, whose data every server keeps up to date by itself. It is about
//! `/a` and all that is below. (ZooKeeper: `Quotas`, `StatsTrack`, `ZooKeeperServer.checkQuota`.)

use std::fmt;

use thiserror::Error;

use crate::path;

const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

/// What a path below that of quotas is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QuotaNode<'a> {
    /// What this subtree may have.
    Limits(&'a str),
    /// What it has.
    Stats(&'a str),
}

impl<'a> QuotaNode<'a> {
    /// `None`: the path is of no such node. The subtree is empty, or the root, for nodes that have
    /// no subtree that could have a quota.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        if !path::is_below_quota(path) {
            return None;
        }
        let (subtree, name) = path[path::QUOTA.len()..].rsplit_once('/')?;
        match name {
            LIMITS => Some(Self::Limits(subtree)),
            STATS => Some(Self::Stats(subtree)),
            _ => None,
        }
    }
}

/// Whether this subtree can have a quota: it is not the whole tree, and has no quotas in it.
pub(crate) fn is_possible(subtree: &str) -> bool {
    !subtree.is_empty() && subtree != path::ZOOKEEPER && !subtree.starts_with("/zookeeper/")
}

/// The path of the limits of a subtree.
pub(crate) fn limits_path(subtree: &str) -> String {
    format!("{}{subtree}/{LIMITS}", path::QUOTA)
}

/// The path of what a subtree has.
pub(crate) fn stats_path(subtree: &str) -> String {
    format!("{}{subtree}/{STATS}", path::QUOTA)
}

/// What a subtree has, or gets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Usage {
    /// Nodes, the topmost included.
    pub(crate) count: i64,
    /// Of their data.
    pub(crate) bytes: i64,
}

impl Usage {
    pub(crate) fn add(&mut self, more: Self) {
        self.count += more.count;
        self.bytes += more.bytes;
    }

    pub(crate) fn remove(&mut self, less: Self) {
        self.count -= less.count;
        self.bytes -= less.bytes;
    }
}

/// As the data of `zookeeper_stats` has it.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "count={},bytes={}", self.count, self.bytes)
    }
}

/// What a subtree may have. A negative number is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    count: Limit,
    bytes: Limit,
}

/// If there is a hard limit, the soft one is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Limit {
    soft: i64,
    hard: i64,
}

/// A quota that a request exceeds.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "quota exceeded: {subtree} would have {is} {what}, and its {} limit is {limit}",
    if *.is_hard { "hard" } else { "soft" }
)]
pub struct QuotaExceeded {
    /// The subtree that has the quota.
    pub subtree: String,
    /// What there is too much of.
    pub what: &'static str,
    /// How much there would be.
    pub is: i64,
    /// How much there may be.
    pub limit: i64,
    /// The request is refused.
    pub is_hard: bool,
}

impl Limits {
    /// Of nodes, and of bytes: the hard limit if there is one. Negative: none.
    pub(crate) fn in_force(&self) -> [i64; 2] {
        [self.count, self.bytes].map(|Limit { soft, hard }| if hard > -1 { hard } else { soft })
    }

    /// Reads the data of `zookeeper_limits`; `None` if that is wrong: nobody knows then what is
    /// allowed.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let none = Limit { soft: -1, hard: -1 };
        let mut limits = Self { count: none, bytes: none };
        let text = std::str::from_utf8(data).ok()?;
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let mut parts = pair.split('=');
            let (name, value) = (parts.next()?, parts.next()?);
            let value = if value.is_empty() { -1 } else { value.parse().ok()? };
            match name {
                "count" => limits.count.soft = value,
                "bytes" => limits.bytes.soft = value,
                "countHardLimit" => limits.count.hard = value,
                "byteHardLimit" => limits.bytes.hard = value,
                _ => {}
            }
        }
        Some(limits)
    }

    /// The limits that a subtree with this usage exceeds if it gets `more`. What does not change is
    /// not looked at.
    pub(crate) fn exceeded(
        self,
        subtree: &str,
        usage: Usage,
        more: Usage,
    ) -> impl Iterator<Item = QuotaExceeded> {
        let counts = (self.count, usage.count, more.count, "nodes");
        let bytes = (self.bytes, usage.bytes, more.bytes, "bytes of data");
        [counts, bytes].into_iter().filter_map(move |(Limit { soft, hard }, had, more, what)| {
            let is_hard = hard > -1;
            let (limit, is) = (if is_hard { hard } else { soft }, had.saturating_add(more));
            let subtree = subtree.to_owned();
            (more != 0 && limit > -1 && is > limit).then_some(QuotaExceeded {
                subtree,
                what,
                is,
                limit,
                is_hard,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_quotas_are_told_by_their_names() {
        for (path, node) in [
            ("/zookeeper/quota/a/zookeeper_limits", Some(QuotaNode::Limits("/a"))),
            ("/zookeeper/quota/a/b/zookeeper_stats", Some(QuotaNode::Stats("/a/b"))),
            ("/zookeeper/quota/zookeeper_limits", Some(QuotaNode::Limits(""))),
            ("/zookeeper/quota/a", None),
            ("/zookeeper/quotas/a/zookeeper_limits", None),
            ("/a/zookeeper_limits", None),
        ] {
            assert_eq!(QuotaNode::of(path), node, "{path}");
        }
        for subtree in ["/a", "/zookeepers", "/a/b"] {
            assert!(is_possible(subtree));
            assert_eq!(QuotaNode::of(&limits_path(subtree)), Some(QuotaNode::Limits(subtree)));
            assert_eq!(QuotaNode::of(&stats_path(subtree)), Some(QuotaNode::Stats(subtree)));
        }
        assert!(["", "/zookeeper", "/zookeeper/quota/a"].iter().all(|path| !is_possible(path)));
    }

    #[test]
    fn limits_are_read_as_zookeeper_writes_them() {
        let limits = |count: (i64, i64), bytes: (i64, i64)| Limits {
            count: Limit { soft: count.0, hard: count.1 },
            bytes: Limit { soft: bytes.0, hard: bytes.1 },
        };
        for (text, expected) in [
            ("", Some(limits((-1, -1), (-1, -1)))),
            ("count=5,bytes=-1", Some(limits((5, -1), (-1, -1)))),
            ("count=5,bytes=-1=;byteHardLimit=7;countHardLimit=9", Some(limits((5, 9), (-1, 7)))),
            ("count=,bytes=3,,other=1", Some(limits((-1, -1), (3, -1)))),
            ("count", None),
            ("count=x", None),
            ("count=99999999999999999999", None),
        ] {
            assert_eq!(Limits::parse(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(Limits::parse(b"\xff"), None);
    }

    #[test]
    fn a_hard_limit_goes_before_a_soft_one_and_what_does_not_change_is_not_looked_at() {
        let exceeded = |text: &str, had: (i64, i64), more: (i64, i64)| -> Vec<(i64, bool)> {
            let usage = |(count, bytes)| Usage { count, bytes };
            let limits = Limits::parse(text.as_bytes()).expect("limits");
            let exceeded = limits.exceeded("/a", usage(had), usage(more));
            exceeded.map(|exceeded| (exceeded.limit, exceeded.is_hard)).collect()
        };
        let soft = "count=5,bytes=10";
        assert_eq!(exceeded(soft, (4, 0), (1, 10)), []);
        assert_eq!(exceeded(soft, (5, 0), (1, 0)), [(5, false)]);
        assert_eq!(exceeded(soft, (5, 10), (1, 1)), [(5, false), (10, false)]);
        assert_eq!(exceeded(soft, (9, 11), (0, 0)), [], "nothing changes");
        assert_eq!(exceeded(soft, (0, 20), (0, -5)), [(10, false)], "still too much");
        let hard = "count=5=;countHardLimit=7";
        assert_eq!(exceeded(hard, (6, 0), (1, 99)), []);
        assert_eq!(exceeded(hard, (7, 0), (1, 99)), [(7, true)]);
        assert_eq!(exceeded("count=0", (0, 0), (1, 0)), [(0, false)]);
    }
}
