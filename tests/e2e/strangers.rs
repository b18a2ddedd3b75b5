//! Strangers at the ports between servers, who speak the protocol and claim to be members: the
//! ensemble goes on, with at most one election, and starts again afterwards. Here strangers have
//! the address of the members, so the check of addresses does not help.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use wire::election::{Notification, ServerState};
use wire::quorum::{Packet, PacketType};

use crate::cluster::{Cluster, Server, configuration, wait_until};
use crate::forged::{EPOCH_MAX, Impostor, Voter};
use crate::load::{Load, Register, check_everything};

/// How often each server has begun to look for a leader.
fn elections(cluster: &Cluster) -> Vec<usize> {
    let count = |server: &Server| server.log().matches("looking for a leader").count();
    cluster.servers.iter().map(count).collect()
}

/// The promise on a server's disk.
fn accepted_epoch(server: &Server) -> u32 {
    epoch_in(server.data().join("version-2/acceptedEpoch"))
}

/// The epoch of a file; its checksum stands in a line behind it.
fn epoch_in(file: impl AsRef<Path>) -> u32 {
    let text = fs::read_to_string(file).expect("it is there");
    text.lines().next().and_then(|line| line.parse().ok()).expect("a number")
}

/// Each server, and each other member whose id a stranger may claim there.
fn claims(cluster: &Cluster) -> impl Iterator<Item = (&Server, u8)> {
    let sids = 1..=u8::try_from(cluster.servers.len()).expect("few");
    let servers = cluster.servers.iter();
    servers.flat_map(move |server| {
        sids.clone().filter(|sid| *sid != server.sid).map(move |sid| (server, sid))
    })
}

/// All stop, and start again with what is on their disks; the writers' sessions go on.
fn restart(cluster: &mut Cluster, registers: &mut [Register]) {
    for server in &mut cluster.servers {
        assert!(server.stop().success(), "{}", server.log());
    }
    for server in &mut cluster.servers {
        server.start();
    }
    cluster.wait_until_all_serve();
    registers.iter_mut().for_each(Register::reconnect);
}

/// What an election adds to the epoch when nobody lies, times the elections of a test, and more.
const EPOCHS_FEW: u32 = 50;

fn assert_epochs_are_small(cluster: &Cluster) {
    for server in &cluster.servers {
        let epoch = accepted_epoch(server);
        assert!(epoch < EPOCHS_FEW, "server {} has promised epoch {epoch}", server.sid);
    }
}

#[test]
fn forged_epochs_neither_disturb_nor_exhaust_a_running_ensemble() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let elected = elections(&cluster);
    // 72 packets, each with an epoch just below the largest. Whatever is not closed is held.
    let mut held = Vec::new();
    for _ in 0..12 {
        held.extend(
            claims(&cluster).filter_map(|(to, sid)| Impostor::follower(to, sid, EPOCH_MAX - 2)),
        );
        load.wait_for_progress(20);
    }
    assert_eq!(held.len(), 72);
    assert_eq!(elections(&cluster), elected, "nobody looked for another leader");
    let mut registers = load.stop();
    // The ensemble starts again while the strangers are still there, and when they are gone.
    restart(&mut cluster, &mut registers);
    drop(held);
    restart(&mut cluster, &mut registers);
    assert_epochs_are_small(&cluster);
    check_everything(&cluster.addresses(), registers);
}

#[test]
fn strangers_who_wait_for_the_next_leader_do_not_reach_it_with_forged_epochs() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    for _ in 0..3 {
        let leader = cluster.leader();
        let mut held = Vec::new();
        for (to, sid) in claims(&cluster) {
            held.extend(Impostor::follower(to, sid, EPOCH_MAX - 2));
            held.extend(Impostor::introduce(to, PacketType::ObserverInfo, sid, EPOCH_MAX - 1));
        }
        cluster.servers[leader].kill();
        load.wait_for_progress(100);
        cluster.servers[leader].start();
        cluster.wait_until_all_serve();
        drop(held);
    }
    assert_epochs_are_small(&cluster);
    let mut registers = load.stop();
    restart(&mut cluster, &mut registers);
    check_everything(&cluster.addresses(), registers);
}

#[test]
fn a_lie_that_could_be_true_costs_a_step_of_the_epochs_and_no_more() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    const LEADERS: u32 = 3;
    for _ in 0..LEADERS {
        let leader = cluster.leader();
        let _held: Vec<_> =
            claims(&cluster).filter_map(|(to, sid)| Impostor::follower(to, sid, 1 << 29)).collect();
        cluster.servers[leader].kill();
        load.wait_for_progress(100);
        cluster.servers[leader].start();
        cluster.wait_until_all_serve();
    }
    let highest = cluster.servers.iter().map(accepted_epoch).max().expect("three");
    let elected: usize = elections(&cluster).iter().sum();
    let most = 1024 * u32::try_from(elected).expect("few");
    assert!(highest <= most, "{highest} epochs in {elected} elections");
    let mut registers = load.stop();
    restart(&mut cluster, &mut registers);
    check_everything(&cluster.addresses(), registers);
}

#[test]
fn silent_strangers_who_wait_for_the_next_leader_do_not_keep_its_followers_out() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let leader = cluster.leader();
    // They say what members say, and nothing more.
    let promised = accepted_epoch(&cluster.servers[leader]);
    let _held: Vec<_> =
        claims(&cluster).filter_map(|(to, sid)| Impostor::follower(to, sid, promised)).collect();
    cluster.servers[leader].kill();
    load.wait_for_progress(100);
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn a_newcomer_does_not_take_the_place_of_a_live_member() {
    let cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let elected = elections(&cluster);
    let promised = cluster.servers.iter().map(accepted_epoch).max().expect("three");
    for _ in 0..40 {
        for (to, sid) in claims(&cluster) {
            // One that goes at once, and one that tries to take part.
            drop(Impostor::follower(to, sid, promised));
            if let Some(mut impostor) = Impostor::follower(to, sid, promised) {
                let current = promised.cast_signed().to_be_bytes().to_vec();
                let zxid = i64::from(promised) << 32;
                impostor.say(&Packet::with_data(PacketType::AckEpoch, zxid, current));
                impostor.say(&Packet::new(PacketType::Ack, zxid));
                impostor.say(&Packet::new(PacketType::Ack, zxid | 1_000_000));
            }
        }
        load.wait_for_progress(5);
    }
    assert_eq!(elections(&cluster), elected, "nobody looked for another leader");
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn who_comes_under_the_id_of_a_member_that_answers_is_closed_and_gets_in_when_it_is_silent() {
    let cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let (leader, follower) = (&cluster.servers[leader], &cluster.servers[follower]);
    let promised = accepted_epoch(leader);
    let mut newcomer = Impostor::follower(leader, follower.sid, promised).expect("it listens");
    assert_eq!(newcomer.hear(), None, "the member has answered a PING, so it is nobody else");

    // A member that does not answer any more is as one whose connection is lost: it may be the
    // newcomer that is the member.
    follower.signal("STOP");
    let mut newcomer = Impostor::follower(leader, follower.sid, promised).expect("it listens");
    let answer = newcomer.hear().expect("it is taken in");
    assert_eq!(answer.kind, PacketType::LeaderInfo);
    // This newcomer is silent in its turn, and the member gets its place back.
    follower.signal("CONT");
    cluster.wait_until_all_serve();
    wait_until("the newcomer is closed", || newcomer.hear().is_none());
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn nobody_is_a_member_from_another_address_than_that_of_its_line_unless_the_file_says_so() {
    for (settings, passes) in [("", false), ("vivarium.peerAddressCheck=false", true)] {
        let mut cluster = Cluster::new(3, settings);
        // Server 3 is elsewhere: the address is one for documentation.
        let Server { quorum_port, election_port, .. } = cluster.servers[2];
        let line = |host: &str| format!("server.3={host}:{quorum_port}:{election_port}\n");
        for server in &mut cluster.servers[..2] {
            let path = configuration(&server.directory);
            let text = fs::read_to_string(&path).expect("zoo.cfg");
            let text = text.replace(&line("127.0.0.1"), &line("192.0.2.7"));
            assert!(text.contains("192.0.2.7"), "{text}");
            fs::write(path, text).expect("zoo.cfg");
            server.start();
        }
        cluster.wait_until_all_serve();
        let leader = &cluster.servers[cluster.leader()];
        let promised = accepted_epoch(leader);
        let mut impostor = Impostor::follower(leader, 3, promised).expect("it listens");
        let answer = impostor.hear().map(|packet| packet.kind);
        assert_eq!(answer, passes.then_some(PacketType::LeaderInfo), "{settings}");
        let reason =
            "it claims to be s3 and comes from 127.0.0.1, but the line of s3 says 192.0.2.7";
        if passes {
            assert!(!leader.log().contains(reason), "{settings}");
        } else {
            wait_until("the refusal is told", || leader.log().contains(reason));
        }
    }
}

/// Votes as no member would cast them: for servers with histories and rounds beyond all, in each
/// state that a server can be in.
fn false_votes(sids: &[u8]) -> Vec<Notification> {
    let largest = i64::from(EPOCH_MAX) << 32 | 0xffff_ffff;
    let mut votes = Vec::new();
    for state in
        [ServerState::Looking, ServerState::Following, ServerState::Leading, ServerState::Observing]
    {
        for leader in sids.iter().map(|sid| i64::from(*sid)).chain([0, 99, i64::MAX, i64::MIN]) {
            for (zxid, peer_epoch) in
                [(largest, i64::from(EPOCH_MAX)), (i64::MAX, i64::MAX), (-1, -1), (0, 0)]
            {
                for election_epoch in [0, 1, 2, (1 << 48) - 1, 1 << 48, i64::MAX, -1] {
                    let config = Bytes::new();
                    votes.push(Notification {
                        state,
                        leader,
                        zxid,
                        election_epoch,
                        peer_epoch,
                        version: Notification::VERSION,
                        config,
                    });
                }
            }
        }
    }
    votes
}

#[test]
fn false_votes_and_evictions_at_the_election_ports_do_not_disturb_a_running_ensemble() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let elected = elections(&cluster);
    let votes = false_votes(&[1, 2, 3]);
    for _ in 0..3 {
        for (to, sid) in claims(&cluster) {
            let mut voter = Voter::introduce(to.election_port, sid).expect("it listens");
            for vote in &votes {
                // Who has the larger id is not listened to here: it is dialled.
                if !voter.say(vote) {
                    break;
                }
            }
        }
        load.wait_for_progress(20);
    }
    assert_eq!(elections(&cluster), elected, "nobody looked for another leader");
    let mut registers = load.stop();
    restart(&mut cluster, &mut registers);
    assert_epochs_are_small(&cluster);
    check_everything(&cluster.addresses(), registers);
}

#[test]
fn strangers_at_the_election_ports_do_not_keep_the_members_apart() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let places: Vec<_> = claims(&cluster).map(|(to, sid)| (to.election_port, sid)).collect();
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // They come again and again, and stay a while: more of them than a server keeps under one
        // id.
        scope.spawn(|| {
            let mut held = VecDeque::new();
            while !ends.load(Ordering::Relaxed) {
                held.extend(places.iter().filter_map(|&(port, sid)| Voter::introduce(port, sid)));
                while held.len() > 8 * places.len() {
                    held.pop_front();
                }
            }
        });
        for _ in 0..3 {
            let leader = cluster.leader();
            cluster.servers[leader].kill();
            load.wait_for_progress(100);
            cluster.servers[leader].start();
            cluster.wait_until_all_serve();
        }
        ends.store(true, Ordering::Relaxed);
    });
    check_everything(&cluster.addresses(), load.stop());
}

/// What a server answers that has a leader; before that it may say what it said last. `None` if it
/// closes the connection.
fn settled(voter: &mut Voter) -> Option<ServerState> {
    loop {
        match voter.hear()?.state {
            ServerState::Looking => {}
            state @ (ServerState::Following | ServerState::Leading | ServerState::Observing) => {
                return Some(state);
            }
        }
    }
}

#[test]
fn a_member_keeps_its_connection_at_the_election_port_whoever_comes_under_its_id() {
    let mut cluster = Cluster::new(3, "");
    for server in &mut cluster.servers[..2] {
        server.start();
    }
    cluster.wait_until_all_serve();
    // This is server 3: it looks, and is told who leads.
    let port = cluster.servers[0].election_port;
    let mut member = Voter::introduce(port, 3).expect("it listens");
    let looking = Notification {
        state: ServerState::Looking,
        leader: 3,
        zxid: 0,
        election_epoch: 1,
        peer_epoch: 0,
        version: Notification::VERSION,
        config: Bytes::new(),
    };
    assert!(member.say(&looking));
    let answer = settled(&mut member).expect("it is connected");
    let strangers: Vec<_> =
        (0..20).map(|_| Voter::introduce(port, 3).expect("it listens")).collect();
    // Each of them is told what was said last, or closed: the server has dealt with all of them.
    for mut stranger in strangers {
        let _ = stranger.hear();
    }
    assert!(member.say(&looking));
    assert_eq!(settled(&mut member), Some(answer), "it is still connected");
}

#[test]
fn a_false_vote_does_not_lead_an_election_astray_for_good() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let leader = cluster.leader();
    cluster.servers[leader].kill();
    // While the others look, they hear that each of the three has the largest history there is.
    for (to, sid) in claims(&cluster) {
        if let Some(mut voter) = Voter::introduce(to.election_port, sid) {
            for vote in false_votes(&[1, 2, 3]) {
                if !voter.say(&vote) {
                    break;
                }
            }
        }
    }
    load.wait_for_progress(100);
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
    let mut registers = load.stop();
    restart(&mut cluster, &mut registers);
    assert_epochs_are_small(&cluster);
    check_everything(&cluster.addresses(), registers);
}

#[test]
fn floods_under_the_ids_of_members_do_not_keep_them_from_serving_and_electing() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let elected = elections(&cluster);
    let promised = accepted_epoch(&cluster.servers[0]);
    let mut held = Vec::new();
    for _ in 0..60 {
        for (to, sid) in claims(&cluster) {
            held.extend(Impostor::follower(to, sid, promised));
            held.extend(Impostor::introduce(to, PacketType::ObserverInfo, sid, promised));
            drop(Voter::introduce(to.election_port, sid));
        }
    }
    load.wait_for_progress(100);
    assert_eq!(elections(&cluster), elected, "nobody looked for another leader");
    let leader = cluster.leader();
    cluster.servers[leader].kill();
    load.wait_for_progress(100);
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
    drop(held);
    check_everything(&cluster.addresses(), load.stop());
}

/// Introduces itself, and holds some connections: hundreds of new ones every second.
fn flood(quorum_port: u16, sid: u8, accepted: u32, ends: &AtomicBool) {
    let mut held = VecDeque::new();
    while !ends.load(Ordering::Relaxed) {
        let kind = PacketType::FollowerInfo;
        held.extend(Impostor::at(quorum_port, kind, sid, accepted));
        if held.len() > 100 {
            held.pop_front();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Within so many ticks a member that starts is a follower.
const TICKS_MAX: u32 = 10;

#[test]
fn a_member_joins_its_leader_while_hundreds_a_second_come_from_its_address_in_its_name() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster.addresses(), 2);
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let promised = accepted_epoch(&cluster.servers[leader]);
    let sid = cluster.servers[follower].sid;
    let ends = AtomicBool::new(false);
    let port = cluster.servers[leader].quorum_port;
    std::thread::scope(|scope| {
        scope.spawn(|| flood(port, sid, promised, &ends));
        for _ in 0..3 {
            cluster.servers[follower].kill();
            // Strangers have its place.
            load.wait_for_progress(100);
            cluster.servers[follower].start();
            let begun = Instant::now();
            let tick = Duration::from_millis(2000);
            while cluster.servers[follower].mode().as_deref() != Some("follower") {
                if begun.elapsed() > TICKS_MAX * tick {
                    ends.store(true, Ordering::Relaxed);
                    panic!("no follower within {TICKS_MAX} ticks\n{}", cluster.logs());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            println!("a follower after {:?}", begun.elapsed());
            load.wait_for_progress(100);
        }
        ends.store(true, Ordering::Relaxed);
    });
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn servers_whose_epochs_are_used_up_say_the_way_out_and_it_is_one() {
    let mut cluster = Cluster::start(3);
    let mut registers = Load::start(&cluster.addresses(), 2).stop();
    for server in &mut cluster.servers {
        assert!(server.stop().success(), "{}", server.log());
    }
    let file = |server: &Server, name: &str| server.data().join("version-2").join(name);
    for server in &cluster.servers {
        fs::write(file(server, "acceptedEpoch"), EPOCH_MAX.to_string()).expect("written");
    }
    // Those who are elected end, until no quorum is left.
    for server in &mut cluster.servers {
        server.start();
    }
    let says = "find the largest currentEpoch of all of them";
    wait_until("two have said it", || {
        cluster.servers.iter().filter(|server| server.log().contains(says)).count() == 2
    });
    for server in &mut cluster.servers {
        if server.log().contains(says) {
            assert_eq!(server.ended().code(), Some(1), "{}", server.log());
        } else {
            assert!(server.stop().success(), "{}", server.log());
        }
    }
    let current = |server: &Server| epoch_in(file(server, "currentEpoch"));
    let largest = cluster.servers.iter().map(current).max().expect("three");
    for server in &cluster.servers {
        fs::write(file(server, "acceptedEpoch"), largest.to_string()).expect("written");
        fs::remove_file(file(server, "vivarium.acceptedEpoch")).expect("it is there");
    }
    for server in &mut cluster.servers {
        server.start();
    }
    cluster.wait_until_all_serve();
    registers.iter_mut().for_each(Register::reconnect);
    check_everything(&cluster.addresses(), registers);
}
