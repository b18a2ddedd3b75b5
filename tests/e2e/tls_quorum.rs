//! TLS between servers: ensembles that speak it, the way there and back, and strangers.

use std::fs;
use std::process::Command;

use wire::quorum::PacketType;

use crate::authority::Authority;
use crate::clients::{Needs, ZK_JAR};
use crate::cluster::{Cluster, configuration, wait_until};
use crate::forged::{Impostor, Voter, follower_info};
use crate::load::{Load, check_everything};
use crate::secure::Secure;

/// An ensemble whose servers have a certificate each, with these settings. Nothing runs.
fn secured(settings: &str) -> (Authority, Cluster) {
    let (authority, cluster) = (Authority::new(), Cluster::new(3, settings));
    for server in &cluster.servers {
        let own = authority.issue(&format!("server{}", server.sid), &["127.0.0.1"]);
        server.configure(&authority.keys("ssl.quorum.", &own));
    }
    (authority, cluster)
}

#[test]
fn an_ensemble_over_tls_goes_on_through_the_death_of_its_leaders() {
    let (_authority, cluster) = secured("sslQuorum=true");
    let mut cluster = cluster.started();
    let load = Load::start(&cluster.addresses(), 4);
    load.wait_for_progress(200);
    for _ in 0..3 {
        let leader = cluster.leader();
        cluster.servers[leader].kill();
        load.wait_for_progress(200);
        cluster.servers[leader].start();
        cluster.wait_until_all_serve();
    }
    check_everything(&cluster.addresses(), load.stop());
}

/// As ZooKeeper's guide makes stores: with the certificates of the members, each signed by itself.
#[test]
fn members_that_trust_just_each_others_certificates_are_an_ensemble_and_can_make_no_other() {
    let mut cluster = Cluster::new(3, "sslQuorum=true\n");
    let members: Vec<_> = [1, 2, 3]
        .map(|sid| Authority::without_right(&format!("server{sid}"), &["127.0.0.1"]))
        .into();
    for (server, (own, identity)) in cluster.servers.iter().zip(&members) {
        for (other, _) in &members {
            own.trust(other);
        }
        server.configure(&own.keys("ssl.quorum.", identity));
    }
    for server in &mut cluster.servers[..2] {
        server.start();
    }
    cluster.wait_until_all_serve();
    // The third says that it is another, with a certificate that it has made for that.
    let leader = &cluster.servers[cluster.leader()];
    let made = members[2].0.issue("made", &["127.0.0.1"]);
    let hello = follower_info(PacketType::FollowerInfo, 3, 1);
    let (its, _) = &members[usize::from(leader.sid) - 1];
    let connected = Secure::connect(leader.quorum_port, its, Some(&made));
    assert!(!connected.is_ok_and(|mut it| it.say(&hello).is_ok() && it.is_answered()));
    wait_until("it is refused", || {
        leader.log().contains("its issuer CN=server3 is in the trust store, but may not issue")
    });
    cluster.servers[2].start();
    cluster.wait_until_all_serve();
}

#[test]
fn a_member_that_is_far_behind_is_sent_a_snapshot_over_tls() {
    let (_authority, cluster) = secured("sslQuorum=true\nsnapCount=100\ncommitLogCount=10");
    let mut cluster = cluster.started();
    let load = Load::start(&cluster.addresses(), 4);
    let follower = cluster.follower();
    assert!(cluster.servers[follower].stop().success());
    load.wait_for_progress(2_000);
    let data = cluster.servers[follower].data().join("version-2");
    fs::remove_dir_all(data).expect("it is lost");
    cluster.servers[follower].start();
    cluster.wait_until_all_serve();
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn a_stranger_at_the_ports_between_servers_gets_nowhere() {
    let (authority, mut cluster) = secured("sslQuorum=true");
    // Its place is free, and everybody here has its address.
    let member = 3;
    for server in &mut cluster.servers[..2] {
        server.start();
    }
    cluster.wait_until_all_serve();
    let leader = &cluster.servers[cluster.leader()];
    let hello = follower_info(PacketType::FollowerInfo, member, 1);
    let answered = |trusted: &Authority, name: &str, hosts: &[&str]| {
        let identity = trusted.issue(name, hosts);
        let connected = Secure::connect(leader.quorum_port, &authority, Some(&identity));
        connected.is_ok_and(|mut it| it.say(&hello).is_ok() && it.is_answered())
    };
    let says = |words: &str| wait_until(words, || leader.log().contains(words));

    // In clear, at both ports.
    let mut plain = Impostor::follower(leader, member, 1).expect("it listens");
    assert_eq!(plain.hear().map(|packet| packet.kind), None);
    says(
        "quorum port: connection refused: it does not speak TLS, and this port speaks nothing else",
    );
    let mut voter = Voter::introduce(leader.election_port, member).expect("it listens");
    assert!(voter.hear().is_none());
    says("election port: connection refused: it does not speak TLS");
    // Without a certificate.
    let mut nobody = Secure::connect(leader.quorum_port, &authority, None);
    assert!(!nobody.as_mut().is_ok_and(|it| it.say(&hello).is_ok() && it.is_answered()));
    // With one that somebody else has issued.
    assert!(!answered(&Authority::new(), "server3", &["127.0.0.1"]));
    says("the TLS handshake failed");
    // With a good one of another host.
    assert!(!answered(&authority, "elsewhere", &["zoo9.example.com"]));
    says("it claims to be s3, and its certificate is one of zoo9.example.com, not of 127.0.0.1");
    // The member itself would be heard.
    assert!(answered(&authority, "server3", &["127.0.0.1"]));
    cluster.servers[2].start();
    cluster.wait_until_all_serve();
}

#[test]
fn a_member_with_the_certificate_of_another_host_is_left_out_unless_names_are_not_verified() {
    for (settings, joins) in [("", false), ("ssl.quorum.hostnameVerification=false", true)] {
        let (authority, mut cluster) = secured(&format!("sslQuorum=true\n{settings}"));
        let elsewhere = authority.issue("elsewhere", &["zoo9.example.com"]);
        cluster.servers[2].configure(&authority.keys("ssl.quorum.", &elsewhere));
        for server in &mut cluster.servers[..2] {
            server.start();
        }
        cluster.wait_until_all_serve();
        cluster.servers[2].start();
        if joins {
            cluster.wait_until_all_serve();
            continue;
        }
        let words = "its certificate is one of zoo9.example.com, not of 127.0.0.1";
        wait_until("it is refused", || {
            cluster.servers[..2].iter().all(|server| server.log().contains(words))
        });
        assert_eq!(cluster.servers[2].mode(), None);
    }
}

/// The steps of ZooKeeper's guide from an ensemble without TLS to one with it.
const STEPS: [&str; 4] = [
    "",
    "sslQuorum=false\nportUnification=true\n",
    "sslQuorum=true\nportUnification=true\n",
    "sslQuorum=true\nportUnification=false\n",
];

#[test]
fn an_ensemble_changes_to_tls_and_back_server_by_server_and_no_write_is_lost() {
    let (_authority, cluster) = secured("");
    let plain: Vec<String> = cluster
        .servers
        .iter()
        .map(|server| fs::read_to_string(configuration(&server.directory)).expect("zoo.cfg"))
        .collect();
    let mut cluster = cluster.started();
    let load = Load::start(&cluster.addresses(), 4);
    for step in [1, 2, 3, 2, 1, 0] {
        for (index, text) in plain.iter().enumerate() {
            assert!(cluster.servers[index].stop().success());
            let path = configuration(&cluster.servers[index].directory);
            fs::write(path, format!("{text}{}", STEPS[step])).expect("zoo.cfg");
            cluster.servers[index].start();
            cluster.wait_until_all_serve();
            load.wait_for_progress(20);
        }
        // Only in the last step are those turned away who do not speak it.
        let leader = &cluster.servers[cluster.leader()];
        let refusals = || leader.log().matches("it does not speak TLS").count();
        let before = refusals();
        let mut stranger = Impostor::follower(leader, leader.sid % 3 + 1, 1).expect("it listens");
        drop(stranger.hear());
        if step == 3 {
            wait_until("it is refused", || refusals() > before);
        } else {
            assert_eq!(refusals(), before, "step {step}");
        }
    }
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn changed_stores_are_used_between_servers_and_no_connection_ends() {
    let (authority, cluster) = secured("sslQuorum=true\nsslQuorumReloadCertFiles=true");
    let mut cluster = cluster.started();
    let load = Load::start(&cluster.addresses(), 2);
    let elected = |cluster: &Cluster| {
        let count = |log: String| log.matches("looking for a leader").count();
        cluster.servers.iter().map(|server| count(server.log())).collect::<Vec<_>>()
    };
    let before = elected(&cluster);
    // Nobody trusts anybody whose certificate is of the authority before.
    let other = Authority::new();
    for server in &cluster.servers {
        let name = format!("server{}", server.sid);
        let new = other.issue(&name, &["127.0.0.1"]);
        let old = authority.path(&format!("{name}-store.pem"));
        fs::copy(new.store, old).expect("written");
    }
    fs::copy(other.trust_store(), authority.trust_store()).expect("written");
    for server in &cluster.servers {
        wait_until("the new stores are in use", || {
            let certificate = Secure::connect(server.quorum_port, &other, None);
            certificate.is_ok() && server.log().contains("the changed stores are in use")
        });
    }
    load.wait_for_progress(100);
    assert_eq!(elected(&cluster), before, "nobody looked for another leader");
    let leader = cluster.leader();
    cluster.servers[leader].kill();
    load.wait_for_progress(100);
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
    check_everything(&cluster.addresses(), load.stop());
}

/// `VIVARIUM_ZOOKEEPER_CLASSES` may name the class path of another Apache ZooKeeper than Debian's.
#[test]
fn a_member_that_is_apache_zookeeper_is_one_over_tls_too() {
    if !Needs::Java.is_met() {
        return;
    }
    // With the largest id it dials the others, and as a follower its leader.
    let (_authority, mut cluster) = secured("sslQuorum=true\nadmin.enableServer=false");
    for server in &mut cluster.servers[..2] {
        server.start();
    }
    cluster.wait_until_all_serve();
    let load = Load::start(&cluster.addresses()[..2], 2);
    let classes = std::env::var("VIVARIUM_ZOOKEEPER_CLASSES").unwrap_or_else(|_| ZK_JAR.to_owned());
    for _ in 0..2 {
        let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec java -Xmx128m -cp '{classes}' {main} \"$1\"")]);
        cluster.servers[2].start_by(command);
        cluster.wait_until_all_serve();
        load.wait_for_progress(50);
        let version = cluster.servers[2].word("srvr").expect("it serves");
        assert!(version.starts_with("Zookeeper version: 3."), "{version}");
        // Debian's 3.8 under its Java 17 cannot accept TLS: its listener ends, so that three of
        // them elect nobody.
        let victims = if version.starts_with("Zookeeper version: 3.8") { 0..0 } else { 0..2 };
        for victim in victims {
            cluster.servers[victim].kill();
            load.wait_for_progress(50);
            cluster.servers[victim].start();
            cluster.wait_until_all_serve();
        }
        cluster.servers[2].kill();
        load.wait_for_progress(50);
    }
    cluster.servers[2].start();
    cluster.wait_until_all_serve();
    check_everything(&cluster.addresses(), load.stop());
}
