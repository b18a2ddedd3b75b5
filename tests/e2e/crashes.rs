//! `kill -9` under write load: nothing acknowledged is lost, no session, the ensemble serves again,
//! and the recordings of every start are the core's and have its properties.

use std::time::Duration;

use wire::client::CreateMode;

use crate::client::Client;
use crate::cluster::{Cluster, wait_until};
use crate::load::{Load, check_everything};

/// Numbers that are the same in every run with the same seed (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// 0 to `bound` - 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256).to_le_bytes()[0]).collect()
    }
}

/// Kills servers of an ensemble of `count` under load, at moments that the number of acknowledged
/// writes decides. Every tenth time all of them at once.
fn kill_under_load(count: u8, kills: u64, seed: u64) {
    println!("{kills} kills of {count} servers, seed {seed}");
    // Small, so that snapshots are taken, and learners are brought up to date by them.
    let mut cluster = Cluster::start_recorded(count, "snapCount=500\ncommitLogCount=100");
    let mut random = Random::new(seed);
    let load = Load::start(&cluster.addresses(), 4);
    for kill in 1..=kills {
        load.wait_for_progress(random.below(200));
        if kill % 10 == 0 {
            for server in &mut cluster.servers {
                server.kill();
            }
            for server in &mut cluster.servers {
                server.start();
            }
        } else {
            let victim = usize::try_from(random.below(count.into())).expect("an index");
            cluster.servers[victim].kill();
            if random.below(2) == 0 {
                load.wait_for_progress(20);
            }
            cluster.servers[victim].start();
        }
        // Serves again. The one that was started may still be behind when the next one dies.
        load.wait_for_progress(20);
    }
    cluster.wait_until_all_serve();
    let registers = load.stop();
    let totals = check_everything(&cluster.addresses(), registers);
    println!(
        "{kills} kills: {} acknowledged writes are there, of {} nobody was told",
        totals.acknowledged, totals.unknown
    );
    for server in &mut cluster.servers {
        assert!(server.stop().success(), "server {} stops in good order", server.sid);
        // The servers do not check themselves against each other: their logs must not complain.
        let log = server.log();
        for complaint in ["differs from the leader's", "panicked"] {
            assert!(!log.contains(complaint), "server {}: {complaint}", server.sid);
        }
    }
    #[cfg(feature = "checker")]
    cluster.replay(&format!("{kills}-kills"));
}

#[test]
fn three_servers_lose_nothing_in_twenty_kills() {
    kill_under_load(3, 20, 1);
}

/// A minute and a half on two busy cores.
#[test]
#[ignore = "long: cargo test --release --test e2e -- --ignored --nocapture two_hundred_kills"]
fn two_hundred_kills() {
    let seed = std::env::var("VIVARIUM_SEED").ok().and_then(|seed| seed.parse().ok());
    kill_under_load(3, 200, seed.unwrap_or(20));
}

#[test]
fn ephemeral_nodes_of_a_lost_session_vanish_although_the_leader_dies() {
    let mut cluster = Cluster::start_with(3, "tickTime=500");
    let mut lost = Client::connect(&cluster.addresses(), Duration::from_secs(1));
    lost.create("/lost", b"", CreateMode::Ephemeral).expect("created");
    let mut kept = Client::connect(&cluster.addresses(), Duration::from_secs(10));
    kept.create("/kept", b"", CreateMode::Ephemeral).expect("created");
    assert!(kept.exists("/lost", false).expect("it serves").is_some());

    lost.drop_connection();
    let leader = cluster.leader();
    cluster.servers[leader].kill();

    wait_until("the ephemeral node of the lost session vanishes", || {
        match kept.sync().and_then(|()| kept.exists("/lost", false)) {
            Ok(found) => found.is_none(),
            Err(_) => {
                kept.reconnect().expect("this session lives");
                false
            }
        }
    });
    let alive = kept.exists("/kept", false).expect("it serves").expect("it lives as long");
    assert_eq!(alive.ephemeral_owner, kept.session);
    assert!(lost.reconnect().is_err(), "a session that has expired does not come back");
}
