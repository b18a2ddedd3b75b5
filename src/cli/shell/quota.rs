//! Limits of what is below a node, where ZooKeeper's servers and tools look for them.

use bytes::Bytes;
use serde_json::json;
use wire::Acl;
use wire::client::{CreateMode, CreateRequest, DeleteRequest, Request, SetDataRequest};

use super::commands::{ANY, Limits};
use super::output::Output;
use super::perform::{Asker, Done};

const ROOT: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

/// The limits of a node; -1 is none. (ZooKeeper: `StatsTrack`.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Quota {
    count: i64,
    bytes: i64,
    hard_count: i64,
    hard_bytes: i64,
}

impl Quota {
    const NONE: Self = Self { count: -1, bytes: -1, hard_count: -1, hard_bytes: -1 };

    fn parse(text: &str) -> Self {
        let mut quota = Self::NONE;
        for entry in text.split([',', ';']) {
            let Some((key, value)) = entry.split_once('=') else { continue };
            let Ok(value) = value.trim_end_matches('=').trim().parse() else { continue };
            match key.trim() {
                "count" => quota.count = value,
                "bytes" => quota.bytes = value,
                "countHardLimit" => quota.hard_count = value,
                "byteHardLimit" => quota.hard_bytes = value,
                _ => {}
            }
        }
        quota
    }

    fn text(&self) -> String {
        let mut text = format!("count={},bytes={}", self.count, self.bytes);
        let hard = [("byteHardLimit", self.hard_bytes), ("countHardLimit", self.hard_count)];
        for (number, (key, value)) in hard.iter().filter(|(_, value)| *value >= 0).enumerate() {
            let sign = if number == 0 { "=;" } else { ";" };
            text = format!("{text}{sign}{key}={value}");
        }
        text
    }
}

/// The node that holds the limits of another.
fn home(path: &str) -> String {
    if path == "/" { ROOT.to_owned() } else { format!("{ROOT}{path}") }
}

/// The nodes above this one, the root apart.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').skip(1).map(|(at, _)| &path[..at])
}

pub(super) async fn set(asker: &Asker<'_>, path: &str, limits: &Limits) -> Done {
    let limits_path = format!("{}/{LIMITS}", home(path));
    asker.get(path, false).await?;
    // One of two limits that hold for the same nodes would never be looked at.
    for above in above(path) {
        if asker.find(&format!("{}/{LIMITS}", home(above))).await?.is_some() {
            return Err(format!("{above} has a quota already, which holds for {path}, too"));
        }
    }
    if asker.find(&home(path)).await?.is_some() {
        let below = asker.subtree(&home(path)).await?;
        let other = below.iter().find(|node| node.ends_with(LIMITS) && **node != limits_path);
        if let Some(other) = other {
            let child =
                other.trim_start_matches(ROOT).trim_end_matches(LIMITS).trim_end_matches('/');
            return Err(format!("{child}, below {path}, has a quota already"));
        }
    }
    let before = asker.find(&limits_path).await?;
    let mut quota =
        before.as_deref().map_or(Quota::NONE, |text| Quota::parse(&String::from_utf8_lossy(text)));
    let Limits { count, bytes, hard_count, hard_bytes } = limits;
    quota.count = count.unwrap_or(quota.count);
    quota.bytes = bytes.unwrap_or(quota.bytes);
    quota.hard_count = hard_count.unwrap_or(quota.hard_count);
    quota.hard_bytes = hard_bytes.unwrap_or(quota.hard_bytes);
    if before.is_some() {
        write(asker, &limits_path, quota).await?;
    } else {
        let home = home(path);
        for parent in above(&home).chain([&*home]) {
            if asker.find(parent).await?.is_none() {
                create(asker, parent, "").await?;
            }
        }
        create(asker, &limits_path, &quota.text()).await?;
        create(asker, &format!("{home}/{STATS}"), "count=0,bytes=0").await?;
    }
    Ok(Output::new("", json!({"quota": quota.text()})))
}

pub(super) async fn show(asker: &Asker<'_>, path: &str) -> Done {
    let home = home(path);
    let limits = asker.find(&format!("{home}/{LIMITS}")).await?;
    let Some(limits) = limits else { return Err(format!("quota for {path} does not exist.")) };
    let stats = asker.find(&format!("{home}/{STATS}")).await?.unwrap_or_default();
    let (limits, stats) = (String::from_utf8_lossy(&limits), String::from_utf8_lossy(&stats));
    let text = format!(
        "absolute path is {home}/{LIMITS}\nOutput quota for {path} {limits}\nOutput stat for {path} {stats}"
    );
    Ok(Output::new(text, json!({"quota": limits, "stats": stats})))
}

/// `which`: count, bytes, hard count, hard bytes; none of them: all.
pub(super) async fn remove(asker: &Asker<'_>, path: &str, which: [bool; 4]) -> Done {
    let home = home(path);
    let limits_path = format!("{home}/{LIMITS}");
    let Some(limits) = asker.find(&limits_path).await? else {
        return Err(format!("quota for {path} does not exist."));
    };
    if which.contains(&true) {
        let mut quota = Quota::parse(&String::from_utf8_lossy(&limits));
        let fields =
            [&mut quota.count, &mut quota.bytes, &mut quota.hard_count, &mut quota.hard_bytes];
        for (field, _) in fields.into_iter().zip(which).filter(|(_, is_gone)| *is_gone) {
            *field = -1;
        }
        write(asker, &limits_path, quota).await?;
        return Ok(Output::new("", json!({"quota": quota.text()})));
    }
    for path in [format!("{home}/{STATS}"), limits_path] {
        if asker.find(&path).await?.is_some() {
            delete(asker, &path).await?;
        }
    }
    // Of the way there only what others need stays.
    let way: Vec<_> = above(&home).chain([&*home]).filter(|node| node.len() > ROOT.len()).collect();
    for node in way.into_iter().rev() {
        if !asker.children(node, false).await?.0.is_empty() {
            break;
        }
        delete(asker, node).await?;
    }
    Ok(Output::nothing())
}

async fn write(asker: &Asker<'_>, path: &str, quota: Quota) -> Done<()> {
    let data = Some(Bytes::from(quota.text()));
    let set = SetDataRequest { path: path.to_owned(), data, version: ANY };
    asker.ask(Request::SetData(set), path).await.map(drop)
}

async fn create(asker: &Asker<'_>, path: &str, data: &str) -> Done<()> {
    let create = CreateRequest {
        path: path.to_owned(),
        data: Some(Bytes::copy_from_slice(data.as_bytes())),
        acl: Acl::open_unsafe(),
        flags: CreateMode::Persistent.flags(),
    };
    asker.ask(Request::Create(create), path).await.map(drop)
}

async fn delete(asker: &Asker<'_>, path: &str) -> Done<()> {
    let delete = DeleteRequest { path: path.to_owned(), version: ANY };
    asker.ask(Request::Delete(delete), path).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_zookeeper_does_and_read_again() {
        let soft = Quota { count: 5, bytes: -1, ..Quota::NONE };
        assert_eq!(soft.text(), "count=5,bytes=-1");
        let hard = Quota { hard_count: 9, hard_bytes: 7, ..soft };
        assert_eq!(hard.text(), "count=5,bytes=-1=;byteHardLimit=7;countHardLimit=9");
        for quota in [Quota::NONE, soft, hard, Quota { hard_count: 3, ..Quota::NONE }] {
            assert_eq!(Quota::parse(&quota.text()), quota);
        }
        assert_eq!(Quota::parse("nonsense"), Quota::NONE);
    }

    #[test]
    fn the_way_to_a_node_leaves_out_the_root_and_the_node() {
        assert_eq!(above("/a/b/c").collect::<Vec<_>>(), ["/a", "/a/b"]);
        assert_eq!(above("/a").count(), 0);
    }
}
