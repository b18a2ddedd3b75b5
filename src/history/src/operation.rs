//! What a client asks and what it is told: requests, answers, errors.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The number of a transaction: the epoch in the upper 32 bits, a counter in the lower ones.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Zxid(pub i64);

impl Zxid {
    /// Whether this is the number that an epoch begins with, which is no transaction's.
    #[must_use]
    pub fn is_begin_of_epoch(self) -> bool {
        self.0 & 0xffff_ffff == 0
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    pub(crate) fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// The id of a session.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SessionId(pub i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// The number of a client, given by who records the history: each client has one session after
/// another.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ClientId(pub u64);

/// A moment, in any unit, of one clock that all clients share and that never goes back.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub u64);

/// The data of a node. No data and data of length zero are the same.
///
/// As text: the bytes as they are if they are UTF-8 and do not begin with `hex:`, else `hex:` and
/// two digits a byte.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Data(Arc<[u8]>);

impl Data {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn to_text(&self) -> String {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.starts_with("hex:") => text.to_owned(),
            Ok(_) | Err(_) => {
                let digits: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("hex:{digits}")
            }
        }
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, String> {
        let Some(digits) = text.strip_prefix("hex:") else { return Ok(Self::from(text)) };
        let byte = |pair: &[u8]| {
            let is_pair = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
            let digits = std::str::from_utf8(pair).ok().filter(|_| is_pair);
            digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
        };
        let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
        let error = || format!("data {text:?} is not pairs of hexadecimal digits behind \"hex:\"");
        bytes.map(|bytes| Self(bytes.into())).ok_or_else(error)
    }
}

impl Default for Data {
    fn default() -> Self {
        Self::from("")
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<&[u8]> for Data {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

/// Any version: the expectation of a write that does not depend on the version.
pub const ANY_VERSION: i32 = -1;

/// How long a node lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Until it is deleted.
    #[default]
    Persistent,
    /// Until it is deleted, or the session that created it ends.
    Ephemeral,
    /// Until it is deleted, or the server finds it without children.
    Container,
    /// Until it is deleted, or the server finds it old and without children.
    Ttl,
}

/// A change that a client asks for, alone or in a multi.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// A new node.
    Create {
        /// Its path; if it is sequential, without the number.
        path: String,
        /// Its data.
        #[serde(default)]
        data: Data,
        /// How long it lives.
        #[serde(default)]
        mode: Mode,
        /// Whether the server appends a number to the path.
        #[serde(default)]
        sequential: bool,
    },
    /// The end of a node.
    Delete {
        /// Its path.
        path: String,
        /// The version that the node has to have, or [`ANY_VERSION`].
        #[serde(default = "any_version")]
        version: i32,
    },
    /// Other data for a node.
    SetData {
        /// Its path.
        path: String,
        /// The new data.
        #[serde(default)]
        data: Data,
        /// The version that the node has to have, or [`ANY_VERSION`].
        #[serde(default = "any_version")]
        version: i32,
    },
    /// Another ACL for a node. What it is does not matter here: ACLs are not checked.
    SetAcl {
        /// Its path.
        path: String,
        /// The version that the ACL has to have, or [`ANY_VERSION`].
        #[serde(default = "any_version")]
        version: i32,
    },
    /// No change: a condition of a multi.
    Check {
        /// The path of the node that has to exist.
        path: String,
        /// The version that the node has to have, or [`ANY_VERSION`].
        #[serde(default = "any_version")]
        version: i32,
    },
}

fn any_version() -> i32 {
    ANY_VERSION
}

impl Write {
    /// The path that it names.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Create { path, .. }
            | Self::Delete { path, .. }
            | Self::SetData { path, .. }
            | Self::SetAcl { path, .. }
            | Self::Check { path, .. } => path,
        }
    }
}

/// What a read is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadKind {
    /// Whether the node exists, and its Stat.
    Exists,
    /// Its data and Stat.
    GetData,
    /// The names of its children.
    GetChildren,
}

/// A read of one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Read {
    /// What is read of it.
    pub kind: ReadKind,
    /// The path of the node.
    pub path: String,
    /// Whether the client leaves a one-shot watch.
    #[serde(default)]
    pub watch: bool,
}

/// The kinds of watches that removeWatches knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchKind {
    /// One-shot, of getData and exists.
    Data,
    /// One-shot, of getChildren.
    Child,
    /// Persistent, of one node and its children's names.
    Persistent,
    /// Persistent, of a node and all below it.
    Recursive,
    /// All of these.
    Any,
}

/// The watches that a client brings to another connection (setWatches, setWatches2).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SetWatches {
    /// The last zxid that the client has seen: what has changed since is announced at once.
    pub since: Zxid,
    /// Watches of getData.
    pub data: Vec<String>,
    /// Watches of exists where there was no node.
    pub exist: Vec<String>,
    /// Watches of getChildren.
    pub child: Vec<String>,
    /// Persistent ones, which are armed anew without looking back.
    pub persistent: Vec<String>,
    /// Recursive ones, which are armed anew without looking back.
    pub recursive: Vec<String>,
}

/// What a client asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// One change.
    Write(Write),
    /// Several changes, all or none.
    Multi(Vec<Write>),
    /// A read.
    Read(Read),
    /// That what is read from now on is not older than what anybody was told before.
    Sync {
        /// Any path.
        path: String,
    },
    /// A persistent watch.
    AddWatch {
        /// The node.
        path: String,
        /// Whether of all nodes below it, too.
        #[serde(default)]
        recursive: bool,
    },
    /// The end of watches.
    RemoveWatches {
        /// The node.
        path: String,
        /// Which of its watches.
        kind: WatchKind,
    },
    /// Watches of an earlier connection of this session.
    SetWatches(SetWatches),
    /// The end of the session.
    Close,
}

impl Request {
    /// The writes that it consists of; empty if it is none.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        match self {
            Self::Write(write) => std::slice::from_ref(write),
            Self::Multi(writes) => writes,
            Self::Read(_)
            | Self::Sync { .. }
            | Self::AddWatch { .. }
            | Self::RemoveWatches { .. }
            | Self::SetWatches(_)
            | Self::Close => &[],
        }
    }

    /// Whether a transaction carries it out.
    #[must_use]
    pub fn is_write(&self) -> bool {
        match self {
            Self::Write(_) | Self::Multi(_) | Self::Close => true,
            Self::Read(_)
            | Self::Sync { .. }
            | Self::AddWatch { .. }
            | Self::RemoveWatches { .. }
            | Self::SetWatches(_) => false,
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { path, mode, sequential, .. } => {
                let kind = match mode {
                    Mode::Persistent => "",
                    Mode::Ephemeral => "ephemeral ",
                    Mode::Container => "container ",
                    Mode::Ttl => "TTL ",
                };
                write!(f, "create {kind}{}{path}", if *sequential { "sequential " } else { "" })
            }
            Self::Delete { path, version } => write!(f, "delete {path} version {version}"),
            Self::SetData { path, data, version } => {
                write!(f, "setData {path} to {data} version {version}")
            }
            Self::SetAcl { path, version } => write!(f, "setACL {path} version {version}"),
            Self::Check { path, version } => write!(f, "check {path} version {version}"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(write) => write.fmt(f),
            Self::Multi(writes) => {
                let writes: Vec<String> = writes.iter().map(ToString::to_string).collect();
                write!(f, "multi [{}]", writes.join("; "))
            }
            Self::Read(read) => {
                let kind = match read.kind {
                    ReadKind::Exists => "exists",
                    ReadKind::GetData => "getData",
                    ReadKind::GetChildren => "getChildren",
                };
                write!(f, "{kind} {}{}", read.path, if read.watch { " with a watch" } else { "" })
            }
            Self::Sync { path } => write!(f, "sync {path}"),
            Self::AddWatch { path, recursive } => {
                write!(f, "addWatch {path}{}", if *recursive { " recursive" } else { "" })
            }
            Self::RemoveWatches { path, .. } => write!(f, "removeWatches {path}"),
            Self::SetWatches(lists) => write!(f, "setWatches since {}", lists.since),
            Self::Close => f.write_str("closeSession"),
        }
    }
}

/// A number that says why something was not done; ZooKeeper's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCode(pub i32);

impl ErrorCode {
    /// No error: of the parts of a failed multi before the one that failed.
    pub const OK: Self = Self(0);
    /// Of the parts of a failed multi behind the one that failed.
    pub const RUNTIME_INCONSISTENCY: Self = Self(-2);
    /// There is no such node.
    pub const NO_NODE: Self = Self(-101);
    /// The node has another version.
    pub const BAD_VERSION: Self = Self(-103);
    /// An ephemeral node has no children.
    pub const NO_CHILDREN_FOR_EPHEMERALS: Self = Self(-108);
    /// There is such a node already.
    pub const NODE_EXISTS: Self = Self(-110);
    /// The node has children.
    pub const NOT_EMPTY: Self = Self(-111);
    /// The session has ended.
    pub const SESSION_EXPIRED: Self = Self(-112);

    /// Whether the tree alone decides if this is the answer; for a multi that says of no part why
    /// it failed, too. Any other error (rights, quotas, limits) is taken as a refusal that has no
    /// effect and is not judged.
    #[must_use]
    pub fn is_of_the_tree(self) -> bool {
        [
            Self::NO_NODE,
            Self::BAD_VERSION,
            Self::NO_CHILDREN_FOR_EPHEMERALS,
            Self::NODE_EXISTS,
            Self::NOT_EMPTY,
            Self::RUNTIME_INCONSISTENCY,
        ]
        .contains(&self)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OK => f.write_str("Ok"),
            Self::RUNTIME_INCONSISTENCY => f.write_str("RuntimeInconsistency"),
            Self::NO_NODE => f.write_str("NoNode"),
            Self::BAD_VERSION => f.write_str("BadVersion"),
            Self::NO_CHILDREN_FOR_EPHEMERALS => f.write_str("NoChildrenForEphemerals"),
            Self::NODE_EXISTS => f.write_str("NodeExists"),
            Self::NOT_EMPTY => f.write_str("NotEmpty"),
            Self::SESSION_EXPIRED => f.write_str("SessionExpired"),
            Self(code) => write!(f, "error {code}"),
        }
    }
}
