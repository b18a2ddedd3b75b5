//! Transactions and the items of snapshots, as JSON and as a line of text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use wire::ErrorCode;
use wire::data::Acl;
use wire::snapshot::Item;
use wire::txn::{Txn, TxnBlob};

/// A record of a log. Numbers that people know in hexadecimal are text; data is base64.
pub(super) fn transaction(TxnBlob { header, txn, digest }: &TxnBlob) -> Value {
    let mut fields = Map::new();
    fields.insert("zxid".into(), hex(header.zxid));
    fields.insert("session".into(), hex(header.client_id));
    fields.insert("cxid".into(), json!(header.cxid));
    fields.insert("time_ms".into(), json!(header.time));
    fields.extend(what(txn));
    if let Some(digest) = digest {
        fields.insert("digest".into(), hex(digest.tree_digest));
        fields.insert("digest_version".into(), json!(digest.version));
    }
    Value::Object(fields)
}

fn what(txn: &Txn) -> Map<String, Value> {
    let (kind, fields) = match txn {
        Txn::CloseSession(paths) => ("closeSession", json!({ "paths": paths })),
        Txn::CreateSession { timeout_ms } => ("createSession", json!({ "timeout_ms": timeout_ms })),
        Txn::Error { err } => {
            let name = ErrorCode::from_code(*err).map(ErrorCode::name);
            ("error", json!({ "error": err, "name": name }))
        }
        Txn::Create(it) | Txn::Create2(it) => {
            let kind = if matches!(txn, Txn::Create(_)) { "create" } else { "create2" };
            (
                kind,
                json!({
                    "path": it.path, "data": data(it.data.as_deref()), "acl": acl(&it.acl),
                    "ephemeral": it.ephemeral, "parent_cversion": it.parent_cversion
                }),
            )
        }
        Txn::CreateContainer(it) => (
            "createContainer",
            json!({
                "path": it.path, "data": data(it.data.as_deref()), "acl": acl(&it.acl),
                "parent_cversion": it.parent_cversion
            }),
        ),
        Txn::CreateTtl(it) => (
            "createTTL",
            json!({
                "path": it.path, "data": data(it.data.as_deref()), "acl": acl(&it.acl),
                "parent_cversion": it.parent_cversion, "ttl_ms": it.ttl
            }),
        ),
        Txn::Delete(it) => ("delete", json!({ "path": it.path })),
        Txn::DeleteContainer(it) => ("deleteContainer", json!({ "path": it.path })),
        Txn::SetData(it) => (
            "setData",
            json!({ "path": it.path, "data": data(it.data.as_deref()), "version": it.version }),
        ),
        Txn::Reconfig(it) => (
            "reconfig",
            json!({ "path": it.path, "data": data(it.data.as_deref()), "version": it.version }),
        ),
        Txn::SetAcl(it) => {
            ("setACL", json!({ "path": it.path, "acl": acl(&it.acl), "version": it.version }))
        }
        Txn::Check(it) => ("check", json!({ "path": it.path, "version": it.version })),
        Txn::Multi(txns) => {
            let each: Vec<_> = txns.iter().map(|txn| Value::Object(what(txn))).collect();
            ("multi", json!({ "operations": each }))
        }
    };
    let mut all = Map::new();
    all.insert("type".into(), json!(kind));
    if let Value::Object(fields) = fields {
        all.extend(fields);
    }
    all
}

/// An item of a snapshot. The root's path is shown as `/`.
pub(super) fn item(item: &Item) -> Value {
    match item {
        Item::Session(it) => {
            json!({ "type": "session", "session": hex(it.id), "timeout_ms": it.timeout_ms })
        }
        Item::Acl(it) => json!({ "type": "acl", "id": it.id, "acl": acl(&it.acl) }),
        Item::Node(it) => {
            let stat = &it.stat;
            json!({
                "type": "node", "path": path(&it.path), "data": data(it.data.as_deref()),
                "acl": it.acl_id, "czxid": hex(stat.czxid), "mzxid": hex(stat.mzxid),
                "pzxid": hex(stat.pzxid), "ctime_ms": stat.ctime, "mtime_ms": stat.mtime,
                "version": stat.version, "cversion": stat.cversion, "aversion": stat.aversion,
                "owner": hex(stat.ephemeral_owner)
            })
        }
    }
}

/// The root's path is empty in a snapshot.
pub(super) fn path(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

pub(super) fn hex(number: i64) -> Value {
    json!(format!("0x{number:x}"))
}

fn data(data: Option<&[u8]>) -> Value {
    data.map_or(Value::Null, |data| json!(STANDARD.encode(data)))
}

fn acl(acl: &[Acl]) -> Value {
    let entry = |acl: &Acl| json!({ "scheme": acl.id.scheme, "id": acl.id.id, "perms": acl.perms });
    Value::Array(acl.iter().map(entry).collect())
}

/// The same as a line: `name value`, data by its length and its beginning.
pub(super) fn line(value: &Value) -> String {
    let Value::Object(fields) = value else { return value.to_string() };
    let shown = |(name, value): (&String, &Value)| match (name.as_str(), value) {
        ("type", Value::String(text)) => text.clone(),
        ("data", Value::String(text)) => {
            let bytes = STANDARD.decode(text).unwrap_or_default();
            format!("data {} bytes {}", bytes.len(), begin(&bytes))
        }
        ("operations", Value::Array(each)) => {
            let each: Vec<_> = each.iter().map(line).collect();
            format!("[{}]", each.join("; "))
        }
        ("acl", Value::Array(entries)) => {
            let entry = |entry: &Value| {
                let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                format!("{}:{}:{}", text("scheme"), text("id"), entry["perms"])
            };
            format!("acl {}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
        }
        // Quoted where it would not be one word.
        (_, Value::String(text))
            if text.contains(|c: char| c.is_whitespace() || c.is_control()) =>
        {
            format!("{name} {text:?}")
        }
        (_, Value::String(text)) => format!("{name} {text}"),
        (_, value) => format!("{name} {value}"),
    };
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| place(name));
    fields.into_iter().map(shown).collect::<Vec<_>>().join("  ")
}

/// What a line begins with; the rest is in the order of the alphabet.
const FIRST: [&str; 6] = ["zxid", "time_ms", "type", "path", "session", "cxid"];

/// So much of data is shown in a line.
const SHOWN_BYTES: usize = 40;

fn begin(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let more = if bytes.len() > SHOWN_BYTES { ".." } else { "" };
    format!("\"{}\"{more}", first.escape_ascii())
}
