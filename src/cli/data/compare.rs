//! `vivarium data compare`. (ZooKeeper: `SnapshotComparer`.)

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use store::FileKind;
use wire::data::Acl;
use wire::snapshot::{Item, Node, OPEN_UNSAFE_ACL_ID};

use super::{Failure, show};

#[derive(Args)]
pub(super) struct CompareArgs {
    /// A snapshot
    #[arg(value_name = "SNAPSHOT")]
    one: PathBuf,
    /// Another one
    #[arg(value_name = "SNAPSHOT")]
    other: PathBuf,
    /// Tell what is added, changed and gone, not only how much
    #[arg(long)]
    details: bool,
}

/// What a snapshot holds, by what it is called.
struct Content {
    sessions: BTreeMap<i64, i32>,
    nodes: BTreeMap<String, Node>,
    acls: BTreeMap<i64, Vec<Acl>>,
}

pub(super) fn run(arguments: &CompareArgs) -> Result<(), Failure> {
    let (one, other) = (content(&arguments.one)?, content(&arguments.other)?);
    let mut lines = Vec::new();
    let session = |id: &i64, timeout: &i32| format!("session 0x{id:x} ({timeout} ms)");
    differences(&one.sessions, &other.sessions, |a, b| a == b, session, &mut lines);
    let same = |a: &Node, b: &Node| {
        let own = |content: &Content, node: &Node| match node.acl_id {
            OPEN_UNSAFE_ACL_ID => Some(Acl::open_unsafe()),
            id => content.acls.get(&id).cloned(),
        };
        (&a.data, &a.stat) == (&b.data, &b.stat) && own(&one, a) == own(&other, b)
    };
    let node = |path: &String, node: &Node| {
        let bytes = node.data.as_ref().map_or(0, bytes::Bytes::len);
        format!("{} ({bytes} bytes, version {})", show::path(path), node.stat.version)
    };
    differences(&one.nodes, &other.nodes, same, node, &mut lines);
    if arguments.details {
        lines.iter().for_each(|(sign, what)| println!("{sign} {what}"));
    }
    let count = |sign: char| lines.iter().filter(|(found, _)| *found == sign).count();
    println!(
        "{} nodes and {} sessions against {} and {}: {} added, {} gone, {} changed",
        one.nodes.len(),
        one.sessions.len(),
        other.nodes.len(),
        other.sessions.len(),
        count('+'),
        count('-'),
        count('~')
    );
    match lines.is_empty() {
        true => Ok(()),
        false => Err(Failure::Found("the snapshots differ".to_owned())),
    }
}

fn differences<K: Ord, V>(
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
    same: impl Fn(&V, &V) -> bool,
    say: impl Fn(&K, &V) -> String,
    lines: &mut Vec<(char, String)>,
) {
    for (key, value) in one {
        match other.get(key) {
            None => lines.push(('-', say(key, value))),
            Some(now) if !same(value, now) => lines.push(('~', say(key, now))),
            Some(_) => {}
        }
    }
    let new = other.iter().filter(|(key, _)| !one.contains_key(key));
    lines.extend(new.map(|(key, value)| ('+', say(key, value))));
}

fn content(path: &Path) -> Result<Content, Failure> {
    let name = path.display();
    if !path.is_file() {
        return Err(Failure::Usage(format!("{name}: there is no such file")));
    }
    let FileKind::Snapshot(compression) = FileKind::of(path)? else {
        return Err(Failure::Usage(format!("{name}: it is a log, and no snapshot")));
    };
    let mut content =
        Content { sessions: BTreeMap::new(), nodes: BTreeMap::new(), acls: BTreeMap::new() };
    for item in store::read_snapshot(path, compression)? {
        match item? {
            Item::Session(it) => drop(content.sessions.insert(it.id, it.timeout_ms)),
            Item::Acl(it) => drop(content.acls.insert(it.id, it.acl)),
            Item::Node(it) => drop(content.nodes.insert(it.path.clone(), it)),
        }
    }
    Ok(content)
}
