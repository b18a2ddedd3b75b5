//! What the page about the ensemble shows: what this server knows, and nothing else.

use std::sync::Arc;

use node::metrics::{self, Value as Number};
use serde_json::{Map, Value, json};
use zab::LearnerKind;

use super::{AdminServer, JSON};
use crate::http::{self, Answer};

/// Numbers that are shown.
const SHOWN: &[&str] = &[
    "avg_latency",
    "max_latency",
    "readlatency",
    "updatelatency",
    "fsynctime",
    "num_alive_connections",
    "outstanding_requests",
    "global_sessions",
    "watch_count",
    "znode_count",
    "ephemerals_count",
    "approximate_data_size",
    "packets_received",
    "packets_sent",
    "uptime",
];

impl AdminServer {
    /// A member that this server knows nothing of has nulls: a follower hears of its leader only,
    /// and a leader of those that are connected to it.
    pub(super) async fn ensemble(&self) -> Answer {
        let _turn = self.command.lock().await;
        let (shared, config, clock) =
            (Arc::clone(&self.shared), Arc::clone(&self.config), self.clock);
        let made = tokio::task::spawn_blocking(move || {
            let now = clock.now();
            let status = shared.status();
            let learners = shared.learners();
            let members: Vec<Value> = config
                .members
                .iter()
                .map(|(sid, member)| {
                    let is_me = *sid == config.me;
                    let leads = status.leader == Some(*sid);
                    let learner = learners.get(sid);
                    let heard = learner.and_then(|learner| learner.heard);
                    let heard_ms = heard.map(|at| now.at.saturating_sub(at).as_millis());
                    let role = match (is_me, leads, learner) {
                        (true, _, _) => Some(format!("{:?}", status.role).to_lowercase()),
                        (_, true, _) => Some("leading".to_owned()),
                        (_, _, Some(learner)) if learner.heard.is_none() => {
                            Some("joining".to_owned())
                        }
                        (_, _, Some(learner)) if learner.is_voter => Some("following".to_owned()),
                        (_, _, Some(_)) => Some("observing".to_owned()),
                        (_, _, None) => None,
                    };
                    json!({
                        "id": sid.0,
                        "host": member.addresses.first().map(|address| address.host.as_str()),
                        "votes": member.kind == LearnerKind::Follower,
                        "is_me": is_me,
                        "role": role,
                        "heard_ms_ago": heard_ms.and_then(|ms| u64::try_from(ms).ok()),
                    })
                })
                .collect();
            let numbers: Map<String, Value> = metrics::read(&shared, now)
                .iter()
                .filter(|(metric, _)| SHOWN.contains(&metric.name))
                .map(|(metric, number)| (metric.name.to_owned(), shown(number)))
                .collect();
            let build = shared.build();
            json!({
                "me": config.me.0,
                "standalone": config.standalone,
                "role": format!("{:?}", status.role).to_lowercase(),
                "serving": status.serving.is_some(),
                "read_only": status.is_read_only,
                "epoch": status.serving.map(|epoch| epoch.0),
                "leader": status.leader.map(|leader| leader.0),
                "zxid": format!("0x{:x}", shared.read_tree().last_zxid()),
                "client": config.client.as_ref().map(ToString::to_string),
                "members": members,
                "numbers": numbers,
                "commit": build.commit,
                "built": build.date,
                "core": build.core,
                "commands": [],
            })
        });
        match made.await {
            Ok(value) => http::answer(200, JSON, value.to_string()),
            Err(error) => {
                http::answer(500, JSON, json!({ "error": error.to_string() }).to_string())
            }
        }
    }
}

fn shown(number: &Number) -> Value {
    match number {
        Number::Integer(number) => json!(number),
        Number::Decimal(number) => json!(number),
        Number::Distribution(of) => json!({
            "count": of.count,
            "mean": of.mean(),
            "max": of.max,
            "p50": of.percentiles.map(|[half, ..]| half),
            "p99": of.percentiles.map(|[_, _, p99, _]| p99),
        }),
        Number::Set(counters) => json!(counters.iter().map(|(_, number)| number).sum::<i64>()),
    }
}
