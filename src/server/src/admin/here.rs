//! What commands say of the configuration.

use node::admin::{Here, Place};
use serde_json::{Map, Value, json};
use zab::LearnerKind;

use crate::config::{ClientAddress, Config};

/// (ZooKeeper: `ZooKeeperServerConf.toMap`, `Commands.VotingViewCommand`.)
pub(super) fn of(config: &Config) -> Here {
    let members = config.members.iter().map(|(sid, member)| {
        let at = |host: &str, port| ClientAddress { host: host.to_owned(), port }.to_string();
        let addresses = member.addresses.iter();
        let own = config.client.as_ref().filter(|_| *sid == config.me);
        let client = member.client.as_ref().or(own);
        let place = Place {
            host: member.addresses.first().map(|address| address.host.clone()).unwrap_or_default(),
            quorum: addresses.clone().map(|it| at(&it.host, it.quorum_port)).collect(),
            election: addresses.map(|it| at(&it.host, it.election_port)).collect(),
            client: client.map(ToString::to_string).unwrap_or_default(),
            is_voter: member.kind == LearnerKind::Follower,
        };
        (*sid, place)
    });
    Here {
        configuration: configuration(config),
        initial: config.initial.clone(),
        members: members.collect(),
    }
}

fn configuration(config: &Config) -> Map<String, Value> {
    let directory =
        |path: std::path::PathBuf| std::path::absolute(&path).unwrap_or(path).display().to_string();
    let ms = |time: std::time::Duration| json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let me = if config.standalone { 0 } else { config.me.0 };
    let fields = [
        ("client_port", json!(config.client.as_ref().map_or(-1, |client| client.port.into()))),
        ("data_dir", json!(directory(config.version_2()))),
        ("data_log_dir", json!(directory(config.log_version_2()))),
        ("tick_time", ms(config.tick_time)),
        ("max_client_cnxns", json!(config.client_connections_per_address_max.unwrap_or(0))),
        ("min_session_timeout", ms(config.session_timeout_min)),
        ("max_session_timeout", ms(config.session_timeout_max)),
        ("server_id", json!(me)),
        ("client_port_listen_backlog", json!(config.client_backlog.map_or(-1, i64::from))),
    ];
    let mut fields: Map<String, Value> =
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if let Some(own) = config.members.get(&config.me).filter(|_| !config.standalone) {
        let kind = u8::from(config.kind == LearnerKind::Observer);
        for (name, value) in [
            ("init_limit", json!(config.init_limit_ticks)),
            ("sync_limit", json!(config.sync_limit_ticks)),
            ("election_alg", json!(3)),
            ("election_port", json!(own.addresses.first().map(|address| address.election_port))),
            ("quorum_port", json!(own.addresses.first().map(|address| address.quorum_port))),
            ("peer_type", json!(kind)),
        ] {
            fields.insert(name.to_owned(), value);
        }
    }
    fields
}
