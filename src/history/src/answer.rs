//! What a client is told.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::operation::{Data, ErrorCode, SessionId, Time, Zxid};

/// What ZooKeeper says of a node beside its data.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stat {
    /// The transaction that created the node.
    pub czxid: Zxid,
    /// The transaction that last set its data.
    pub mzxid: Zxid,
    /// The transaction that last created or deleted a child.
    pub pzxid: Zxid,
    /// When it was created, by the leader's clock.
    pub ctime: i64,
    /// When its data was last set, by the leader's clock.
    pub mtime: i64,
    /// How often its data was set.
    pub version: i32,
    /// How often a child was created or deleted.
    pub cversion: i32,
    /// How often its ACL was set.
    pub aversion: i32,
    /// The session that it lives as long as; 0 if it is not ephemeral.
    pub owner: SessionId,
    /// The length of its data.
    pub length: i32,
    /// How many children it has.
    pub children: i32,
}

/// The answer to a request that was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing but that it was done.
    Done,
    /// Of create.
    Created {
        /// The path of the node, with its number if it is sequential.
        path: String,
        /// Of create2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stat: Option<Stat>,
    },
    /// Of exists, setData and setACL.
    Stat(Stat),
    /// Of getData.
    Data {
        /// The node's data.
        data: Data,
        /// Its Stat.
        stat: Stat,
    },
    /// Of getChildren.
    Children {
        /// The children's names, in any order.
        names: Vec<String>,
        /// The parent's Stat, of getChildren2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stat: Option<Stat>,
    },
    /// Of a multi, an outcome for each of its writes in their order. If it failed, all are errors:
    /// [`ErrorCode::OK`] before the write that failed, [`ErrorCode::RUNTIME_INCONSISTENCY`] behind.
    Multi(Vec<Outcome>),
}

/// Whether a request was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was.
    Ok(Answer),
    /// It was not, and has no effect.
    Error(ErrorCode),
}

impl Outcome {
    /// Why it was not done. A multi that failed has one reason, whatever else it says.
    #[must_use]
    pub fn error(&self) -> Option<ErrorCode> {
        let reason = |part: &Self| match part {
            Self::Error(code) if *code != ErrorCode::OK => Some(*code),
            Self::Error(_) | Self::Ok(_) => None,
        };
        match self {
            Self::Error(code) => Some(*code),
            Self::Ok(Answer::Multi(parts)) => {
                let mut reasons = parts.iter().filter_map(reason);
                let own = reasons.clone().find(|code| *code != ErrorCode::RUNTIME_INCONSISTENCY);
                own.or_else(|| reasons.next())
            }
            Self::Ok(
                Answer::Done
                | Answer::Created { .. }
                | Answer::Stat(_)
                | Answer::Data { .. }
                | Answer::Children { .. },
            ) => None,
        }
    }

    /// The outcome of a multi of which the write `failed`, of `count`, cannot be done.
    #[must_use]
    pub fn failed_multi(count: usize, failed: usize, code: ErrorCode) -> Self {
        let part = |index: usize| match index.cmp(&failed) {
            std::cmp::Ordering::Less => ErrorCode::OK,
            std::cmp::Ordering::Equal => code,
            std::cmp::Ordering::Greater => ErrorCode::RUNTIME_INCONSISTENCY,
        };
        Self::Ok(Answer::Multi((0..count).map(|index| Self::Error(part(index))).collect()))
    }
}

/// The answer to a request, as it came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// When it came.
    pub at: Time,
    /// The zxid in the header of the reply: the last transaction that the server had processed.
    pub zxid: Zxid,
    /// The reply.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { czxid, mzxid, pzxid, version, cversion, aversion, .. } = self;
        write!(f, "czxid {czxid} mzxid {mzxid} pzxid {pzxid} ")?;
        write!(f, "version {version} cversion {cversion} aversion {aversion} ")?;
        write!(f, "owner {} length {} children {}", self.owner, self.length, self.children)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Created { path, stat: None } => write!(f, "created {path}"),
            Self::Created { path, stat: Some(stat) } => write!(f, "created {path} ({stat})"),
            Self::Stat(stat) => write!(f, "{stat}"),
            Self::Data { data, stat } => write!(f, "{data} ({stat})"),
            Self::Children { names, .. } => {
                const SHOWN_MAX: usize = 8;
                let shown = names[..names.len().min(SHOWN_MAX)].join(" ");
                let more = names.len().saturating_sub(SHOWN_MAX);
                write!(f, "{} children [{shown}", names.len())?;
                if more > 0 {
                    write!(f, " and {more} more")?;
                }
                f.write_str("]")
            }
            Self::Multi(parts) => {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", parts.join("; "))
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok(answer) => answer.fmt(f),
            Self::Error(code) => code.fmt(f),
        }
    }
}
