//! What the shell shows: as ZooKeeper's shows it, or as JSON.

use std::io::Write;

use serde_json::{Value, json};
use wire::client::{EventType, KeeperState, WatcherEvent};
use wire::{Acl, ErrorCode, Stat, perms};

/// The outcome of a command.
pub(super) struct Output {
    /// For people; empty: nothing is shown.
    pub(super) text: String,
    /// For programs.
    pub(super) json: Value,
}

impl Output {
    pub(super) fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json }
    }

    /// Done, and nothing to be said.
    pub(super) fn nothing() -> Self {
        Self::new("", json!({"ok": true}))
    }

    /// With the Stat behind it, if it was asked for.
    pub(super) fn with_stat(mut self, shown: bool, stat: &Stat) -> Self {
        if shown {
            self.text = if self.text.is_empty() {
                stat_text(stat)
            } else {
                format!("{}\n{}", self.text, stat_text(stat))
            };
            self.json["stat"] = stat_json(stat);
        }
        self
    }
}

/// Shows a line. Nobody may listen any more (`| head`): what was asked for is done all the same.
pub(super) fn say(text: &impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// `[a, b]`, as Java shows a list.
pub(super) fn list(names: &[String]) -> String {
    format!("[{}]", names.join(", "))
}

fn stat_text(stat: &Stat) -> String {
    let date = node::date;
    format!(
        "cZxid = 0x{:x}\nctime = {}\nmZxid = 0x{:x}\nmtime = {}\npZxid = 0x{:x}\ncversion = {}\n\
         dataVersion = {}\naclVersion = {}\nephemeralOwner = 0x{:x}\ndataLength = {}\nnumChildren = {}",
        stat.czxid,
        date(stat.ctime),
        stat.mzxid,
        date(stat.mtime),
        stat.pzxid,
        stat.cversion,
        stat.version,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children
    )
}

fn stat_json(stat: &Stat) -> Value {
    json!({
        "czxid": stat.czxid,
        "mzxid": stat.mzxid,
        "pzxid": stat.pzxid,
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "ephemeralOwner": stat.ephemeral_owner,
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    })
}

/// Data as text, if it is some; as base64 otherwise, and so for programs.
pub(super) fn data_json(data: Option<&[u8]>) -> Value {
    let Some(data) = data else { return Value::Null };
    match std::str::from_utf8(data) {
        Ok(text) => json!(text),
        Err(_) => json!({"base64": super::bytes::to_base64(data)}),
    }
}

/// The letters of permissions, and their bits.
const LETTERS: [(char, i32); 5] = [
    ('c', perms::CREATE),
    ('d', perms::DELETE),
    ('r', perms::READ),
    ('w', perms::WRITE),
    ('a', perms::ADMIN),
];

fn letters(perms: i32) -> String {
    LETTERS.iter().filter(|(_, bit)| perms & bit != 0).map(|(letter, _)| letter).collect()
}

/// An ACL.
pub(super) fn acl(acl: &[Acl]) -> Output {
    let entry = |acl: &Acl| format!("'{},'{}\n: {}", acl.id.scheme, acl.id.id, letters(acl.perms));
    let text: Vec<_> = acl.iter().map(entry).collect();
    let json =
        |acl: &Acl| json!({"scheme": acl.id.scheme, "id": acl.id.id, "perms": letters(acl.perms)});
    Output::new(text.join("\n"), json!({"acl": acl.iter().map(json).collect::<Vec<_>>()}))
}

/// The other way: `scheme:id:permissions`, joined by commas.
///
/// # Errors
/// It is none.
pub(super) fn parse_acl(text: &str) -> Result<Vec<Acl>, String> {
    let entry = |text: &str| {
        let wrong =
            || format!("found the ACL `{text}`, allowed: scheme:id:permissions, joined by commas");
        let (scheme, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (id, letters) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let bit = |letter: char| {
            let known = LETTERS.iter().find(|(known, _)| *known == letter);
            known.map(|(_, bit)| bit).ok_or_else(|| {
                format!("found the permission `{letter}` in `{text}`, allowed: c, d, r, w, a")
            })
        };
        let perms =
            letters.chars().try_fold(0, |perms, letter| Ok::<_, String>(perms | bit(letter)?))?;
        Ok(Acl::new(perms, wire::Id::new(scheme, id)))
    };
    text.split(',').map(str::trim).map(entry).collect()
}

/// An event, as ZooKeeper's shell shows it.
pub(super) fn event(event: &WatcherEvent) -> (String, Value) {
    let kind = EventType::try_from(event.kind)
        .map_or_else(|_| event.kind.to_string(), |kind| format!("{kind:?}"));
    let state = KeeperState::try_from(event.state)
        .map_or_else(|_| event.state.to_string(), |state| format!("{state:?}"));
    let text = format!("WATCHER::\n\nWatchedEvent state:{state} type:{kind} path:{}", event.path);
    (text, json!({"event": kind, "path": event.path}))
}

/// Why a server refuses something about a path, as ZooKeeper's shell says it.
pub(super) fn refusal(code: i32, path: &str) -> String {
    match ErrorCode::from_code(code) {
        Some(ErrorCode::NoNode) => format!("Node does not exist: {path}"),
        Some(ErrorCode::NodeExists) => format!("Node already exists: {path}"),
        Some(ErrorCode::NotEmpty) => format!("Node not empty: {path}"),
        Some(ErrorCode::NoAuth) => format!("Insufficient permission : {path}"),
        Some(ErrorCode::BadVersion) => format!("version No is not valid : {path}"),
        Some(ErrorCode::NoChildrenForEphemerals) => {
            format!("Ephemerals cannot have children: {path}")
        }
        Some(ErrorCode::InvalidACL) => format!("Acl is not valid : {path}"),
        Some(ErrorCode::QuotaExceeded) => format!("Quota has exceeded : {path}"),
        Some(ErrorCode::NoWatcher) => format!("No watcher: {path}"),
        Some(known) => format!("{known}: {path}"),
        None => format!("error {code}: {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_is_shown_as_it_was_given() {
        let text = "world:anyone:r,digest:bob:x/=:cdrwa,ip:fe80::1:cd";
        let parsed = parse_acl(text).expect("an ACL");
        let ids: Vec<_> =
            parsed.iter().map(|acl| (acl.id.id.as_str(), letters(acl.perms))).collect();
        let expected = [("anyone", "r"), ("bob:x/=", "cdrwa"), ("fe80::1", "cd")];
        assert_eq!(ids, expected.map(|(id, letters)| (id, letters.to_owned())));
        assert!(acl(&parsed).text.starts_with("'world,'anyone\n: r\n'digest,'bob:x/=\n: cdrwa"));
    }

    #[test]
    fn what_is_no_acl_is_refused_by_name() {
        for (text, found) in
            [("", "found the ACL ``"), ("world:anyone", "found the ACL"), ("a:b:q", "`q`")]
        {
            assert!(parse_acl(text).is_err_and(|why| why.contains(found)), "{text}");
        }
    }
}
