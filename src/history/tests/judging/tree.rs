//! A tree as a map of paths, written without a look at the checker's: what a right server has.

use std::collections::BTreeMap;

use history::answer::{Answer, Outcome, Stat};
use history::operation::{Data, ErrorCode, Mode, Read, ReadKind, SessionId, Write, Zxid};
use history::record::{EventKind, Node, Txn};

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    data: Data,
    stat: Stat,
    mode: Mode,
    next_number: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: BTreeMap<String, Kept>,
}

pub(crate) type Change = (EventKind, String);

pub(crate) fn parent(path: &str) -> String {
    let cut = path.rfind('/').unwrap_or(0);
    if cut == 0 { "/".to_owned() } else { path[..cut].to_owned() }
}

impl Tree {
    pub(crate) fn new() -> Self {
        let empty = || Kept {
            data: Data::default(),
            stat: Stat::default(),
            mode: Mode::Persistent,
            next_number: 0,
        };
        let mut nodes = BTreeMap::new();
        for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
            nodes.insert(path.to_owned(), empty());
        }
        // (A new ensemble's root says cversion -1: nobody counted the creation of /zookeeper.)
        nodes.get_mut("/").unwrap().stat.cversion = -1;
        nodes.get_mut("/").unwrap().stat.children = 1;
        Self { nodes }
    }

    pub(crate) fn children(&self, path: &str) -> Vec<String> {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let below = self.nodes.range(prefix.clone()..).map(|(other, _)| other.as_str());
        let names = below.map_while(|other| other.strip_prefix(&prefix));
        names.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
    }

    pub(crate) fn stat(&self, path: &str) -> Option<Stat> {
        let kept = self.nodes.get(path)?;
        let mut stat = kept.stat;
        stat.length = kept.data.bytes().len() as i32;
        Some(stat)
    }

    pub(crate) fn read(&self, read: &Read) -> Outcome {
        let (Some(stat), Some(kept)) = (self.stat(&read.path), self.nodes.get(&read.path)) else {
            return Outcome::Error(ErrorCode::NO_NODE);
        };
        Outcome::Ok(match read.kind {
            ReadKind::Exists => Answer::Stat(stat),
            ReadKind::GetData => Answer::Data { data: kept.data.clone(), stat },
            ReadKind::GetChildren => {
                Answer::Children { names: self.children(&read.path), stat: Some(stat) }
            }
        })
    }

    pub(crate) fn owned(&self, session: SessionId) -> Vec<String> {
        let is_own = |kept: &Kept| kept.stat.owner == session;
        self.nodes.iter().filter(|(_, kept)| is_own(kept)).map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn empty_containers(&self) -> Vec<String> {
        let is_empty = |kept: &Kept| {
            kept.mode == Mode::Container && kept.stat.children == 0 && kept.next_number > 0
        };
        self.nodes.iter().filter(|(_, kept)| is_empty(kept)).map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<Node> {
        let nodes = self.nodes.iter().filter(|(path, _)| !path.starts_with("/zookeeper"));
        let node = |(path, kept): (&String, &Kept)| Node {
            path: path.clone(),
            data: kept.data.clone(),
            stat: self.stat(path).unwrap(),
        };
        nodes.map(node).collect()
    }

    /// What a request comes to. It is done, unless it is an error.
    pub(crate) fn decide(
        &mut self,
        writes: &[Write],
        is_multi: bool,
        session: SessionId,
        zxid: Zxid,
        time: i64,
    ) -> (Txn, Outcome) {
        if !is_multi {
            return match self.decide_one(&writes[0]) {
                Ok(txn) => {
                    self.apply(&txn, session, zxid, time);
                    let answer = self.answer(&txn);
                    (txn, Outcome::Ok(answer))
                }
                Err(code) => (Txn::Error(code), Outcome::Error(code)),
            };
        }
        let before = self.clone();
        let (mut txns, mut answers) = (Vec::new(), Vec::new());
        for (index, write) in writes.iter().enumerate() {
            match self.decide_one(write) {
                Ok(txn) => {
                    self.apply(&txn, session, zxid, time);
                    answers.push(Outcome::Ok(self.answer(&txn)));
                    txns.push(txn);
                }
                Err(code) => {
                    *self = before;
                    let error = |other: usize| match other {
                        other if other < index => 0,
                        other if other == index => code.0,
                        _ => -2,
                    };
                    let parts = (0..writes.len()).map(|i| Outcome::Error(ErrorCode(error(i))));
                    return (Txn::Error(code), Outcome::Ok(Answer::Multi(parts.collect())));
                }
            }
        }
        (Txn::Multi(txns), Outcome::Ok(Answer::Multi(answers)))
    }

    fn decide_one(&self, write: &Write) -> Result<Txn, ErrorCode> {
        let version_is = |path: &String, version: i32| match self.nodes.get(path) {
            None => Err(ErrorCode(-101)),
            Some(kept) if version != -1 && version != kept.stat.version => Err(ErrorCode(-103)),
            Some(kept) => Ok(kept),
        };
        match write {
            Write::Create { path, data, mode, sequential } => {
                let Some(above) = self.nodes.get(&parent(path)) else {
                    return Err(ErrorCode(-101));
                };
                let number = format!("{:010}", above.next_number);
                let path = if *sequential { format!("{path}{number}") } else { path.clone() };
                if self.nodes.contains_key(&path) {
                    Err(ErrorCode(-110))
                } else if above.mode == Mode::Ephemeral {
                    Err(ErrorCode(-108))
                } else {
                    Ok(Txn::Create { path, data: data.clone(), mode: *mode })
                }
            }
            Write::Delete { path, version } => {
                let kept = version_is(path, *version)?;
                if kept.stat.children > 0 {
                    return Err(ErrorCode(-111));
                }
                Ok(Txn::Delete { path: path.clone() })
            }
            Write::SetData { path, data, version } => {
                let version = version_is(path, *version)?.stat.version + 1;
                Ok(Txn::SetData { path: path.clone(), data: data.clone(), version })
            }
            Write::SetAcl { path, version } => {
                let kept = self.nodes.get(path).ok_or(ErrorCode(-101))?;
                if *version != -1 && *version != kept.stat.aversion {
                    return Err(ErrorCode(-103));
                }
                Ok(Txn::SetAcl { path: path.clone(), version: kept.stat.aversion + 1 })
            }
            Write::Check { path, version } => {
                version_is(path, *version)?;
                Ok(Txn::Check { path: path.clone() })
            }
        }
    }

    fn answer(&self, txn: &Txn) -> Answer {
        match txn {
            Txn::Create { path, .. } => {
                Answer::Created { path: path.clone(), stat: self.stat(path) }
            }
            Txn::SetData { path, .. } | Txn::SetAcl { path, .. } => {
                Answer::Stat(self.stat(path).unwrap())
            }
            Txn::Delete { .. }
            | Txn::Check { .. }
            | Txn::Multi(_)
            | Txn::CreateSession
            | Txn::CloseSession { .. }
            | Txn::Error(_) => Answer::Done,
        }
    }

    /// Does a transaction; answers the changes that watches are told of.
    pub(crate) fn apply(
        &mut self,
        txn: &Txn,
        session: SessionId,
        zxid: Zxid,
        time: i64,
    ) -> Vec<Change> {
        match txn {
            Txn::Create { path, data, mode } => {
                let owner = if *mode == Mode::Ephemeral { session } else { SessionId(0) };
                let stat = Stat {
                    czxid: zxid,
                    mzxid: zxid,
                    pzxid: zxid,
                    ctime: time,
                    mtime: time,
                    owner,
                    ..Stat::default()
                };
                let kept = Kept { data: data.clone(), stat, mode: *mode, next_number: 0 };
                self.nodes.insert(path.clone(), kept);
                let above = self.nodes.get_mut(&parent(path)).unwrap();
                above.next_number += 1;
                above.stat.cversion += 1;
                above.stat.children += 1;
                above.stat.pzxid = zxid;
                vec![(EventKind::Created, path.clone()), (EventKind::ChildrenChanged, parent(path))]
            }
            Txn::Delete { path } => {
                self.nodes.remove(path);
                let above = self.nodes.get_mut(&parent(path)).unwrap();
                above.stat.cversion += 1;
                above.stat.children -= 1;
                above.stat.pzxid = zxid;
                vec![(EventKind::Deleted, path.clone()), (EventKind::ChildrenChanged, parent(path))]
            }
            Txn::SetData { path, data, version } => {
                let kept = self.nodes.get_mut(path).unwrap();
                kept.data = data.clone();
                kept.stat.version = *version;
                kept.stat.mzxid = zxid;
                kept.stat.mtime = time;
                vec![(EventKind::DataChanged, path.clone())]
            }
            Txn::SetAcl { path, version } => {
                self.nodes.get_mut(path).unwrap().stat.aversion = *version;
                Vec::new()
            }
            Txn::Multi(parts) => {
                parts.iter().flat_map(|part| self.apply(part, session, zxid, time)).collect()
            }
            Txn::CloseSession { .. } => {
                let paths = self.owned(session);
                let deletions = paths.into_iter().map(|path| Txn::Delete { path });
                deletions.flat_map(|txn| self.apply(&txn, session, zxid, time)).collect()
            }
            Txn::Check { .. } | Txn::CreateSession | Txn::Error(_) => Vec::new(),
        }
    }
}
