//! What a host does with connections, disk and order, told as short stories.

use bytes::BytesMut;
use wire::quorum::{PacketType, Packets};
use zab::{
    Config, Decision, DiskImage, Epoch, LearnerKind, Notification, Quorum, Record, SessionMessage,
    Txn, Zab, Zxid,
};

use super::*;
use crate::io::{Generation, Silent};

/// The state machine: its transactions.
type State = Vec<u32>;

struct Server {
    host: Host<Zab<u8>>,
    effects: Vec<Effect<u8, State>>,
}

const LEADER: Sid = Sid(1);
const MEMBER: Sid = Sid(2);

fn server(me: Sid) -> Server {
    let voters = [LEADER, MEMBER, Sid(3)].into_iter().collect();
    let config = Config { window: 0, ..Config::new(me, Quorum::majority(voters)) };
    let mut server = Server { host: Host::new(Zab::new(config), "".into()), effects: Vec::new() };
    server.happens(Event::Start(DiskImage::empty()));
    server
}

fn link(peer: Sid, generation: u64) -> Link {
    Link { peer, generation: Generation(generation) }
}

fn info() -> Message<u8> {
    Message::LearnerInfo { kind: LearnerKind::Follower, accepted: Epoch(0) }
}

fn zxid(counter: u32) -> Zxid {
    Zxid::new(Epoch(1), counter)
}

impl Server {
    fn happens(&mut self, event: Event<u8, State>) {
        self.host.handle(event, &mut Silent, &mut self.effects);
        self.host.flush(&mut self.effects);
    }

    fn is_elected(&mut self, decision: Decision) {
        self.host.elected(decision, &mut Silent, &mut self.effects);
        self.host.flush(&mut self.effects);
    }

    fn is_reached(&mut self, link: Link) {
        self.happens(Event::Opened { link, dialled: false });
    }

    fn hears(&mut self, link: Link, message: Message<u8>) {
        self.happens(Event::Received { link, messages: vec![message] });
    }

    fn writes_up_to(&mut self, no: u64) {
        self.happens(Event::Durable(WriteNo(no)));
    }

    /// What was asked for since the last time.
    fn asked(&mut self) -> Vec<Effect<u8, State>> {
        std::mem::take(&mut self.effects)
    }

    /// The packets that have left over a connection since the last time.
    fn said(&mut self, over: Link) -> Vec<PacketType> {
        self.asked().iter().flat_map(|effect| packets(effect, over)).collect()
    }
}

fn packets(effect: &Effect<u8, State>, over: Link) -> Vec<PacketType> {
    let Effect::Frames { link, bytes } = effect else { return Vec::new() };
    let (mut buffer, mut packets) = (BytesMut::from(&bytes[..]), Packets::new(1 << 20));
    let mut kinds = Vec::new();
    while let Some(packet) = packets.next(&mut buffer).expect("our own packets") {
        kinds.extend((*link == over).then_some(packet.kind));
    }
    assert!(buffer.is_empty(), "every packet is whole");
    kinds
}

fn closes(effects: &[Effect<u8, State>]) -> Vec<Link> {
    let closed = |effect: &Effect<_, _>| {
        if let Effect::Close(link) = effect { Some(*link) } else { None }
    };
    effects.iter().filter_map(closed).collect()
}

/// A leader that has asked this learner for its promise, over this connection.
fn leader_with(learner: Link) -> Server {
    let mut leader = server(LEADER);
    leader.is_elected(Decision::Lead);
    leader.is_reached(learner);
    leader.hears(learner, info());
    leader.writes_up_to(1);
    assert_eq!(leader.said(learner), [PacketType::LeaderInfo]);
    leader
}

/// A leader that is established with this learner; its disk has the promise and the epoch.
fn established_with(learner: Link) -> Server {
    let mut leader = leader_with(learner);
    leader.hears(learner, Message::AckEpoch { current: Some(Epoch(0)), last: Zxid::ZERO });
    leader.writes_up_to(2);
    leader.hears(learner, Message::AckNewLeader { epoch: Epoch(1) });
    assert!(leader.said(learner).ends_with(&[PacketType::UpToDate]));
    leader
}

#[test]
fn what_arrives_over_a_connection_that_was_replaced_is_not_taken_for_the_new_ones() {
    let (old, new) = (link(MEMBER, 7), link(MEMBER, 8));
    let mut leader = leader_with(old);
    leader.happens(Event::Closed(old));
    leader.is_reached(new);
    leader.hears(new, info());
    leader.asked();
    let before = leader.host.clone();
    // A task had read it before it noticed the end.
    leader.hears(old, Message::AckEpoch { current: Some(Epoch(0)), last: Zxid::ZERO });
    leader.happens(Event::State { link: old, zxid: zxid(1), state: vec![1] });
    leader.happens(Event::Closed(old));
    assert_eq!((leader.asked(), &leader.host), (vec![], &before));
    assert!(leader.host.is_link(new));
}

#[test]
fn what_waits_for_the_disk_leaves_when_it_is_there_and_never_over_another_connection() {
    let (first, second) = (link(LEADER, 1), link(LEADER, 2));
    let mut learner = server(MEMBER);
    learner.is_elected(Decision::Follow(LEADER));
    learner.happens(Event::Opened { link: first, dialled: true });
    assert_eq!(learner.said(first), [PacketType::FollowerInfo]);
    learner.hears(first, Message::LeaderInfo { epoch: Epoch(1) });
    assert_eq!(learner.said(first), [], "the promise is not durable");
    assert_eq!(learner.host.gated(LEADER).count(), 1);
    learner.happens(Event::Closed(first));
    learner.is_elected(Decision::Follow(LEADER));
    learner.happens(Event::Opened { link: second, dialled: true });
    learner.asked();
    learner.writes_up_to(1);
    let effects = learner.asked();
    assert!(effects.iter().all(|effect| packets(effect, second).is_empty()), "{effects:?}");
    learner.hears(second, Message::LeaderInfo { epoch: Epoch(1) });
    assert_eq!(learner.said(second), [PacketType::AckEpoch], "it was promised before");
}

#[test]
fn a_newcomer_waits_until_the_link_has_left_a_question_open_for_a_tick() {
    let (old, new) = (link(MEMBER, 0), link(MEMBER, 1));
    let mut leader = leader_with(old);
    leader.is_reached(new);
    leader.hears(new, info());
    assert_eq!(leader.asked(), [Effect::Arm(Timer::Claim(new))]);
    assert!(leader.host.is_link(old) && leader.host.claims().eq([new]));

    leader.happens(Event::Timer(Timer::Answer(MEMBER)));
    let effects = leader.asked();
    assert_eq!(closes(&effects), [old]);
    let of_new = effects.iter().flat_map(|effect| packets(effect, new)).collect::<Vec<_>>();
    assert_eq!(of_new, [PacketType::LeaderInfo], "what it had said is heard now");
    assert!(leader.host.is_link(new));
}

#[test]
fn a_member_that_answers_refutes_those_who_claim_to_be_it() {
    let (member, stranger) = (link(MEMBER, 0), link(MEMBER, 1));
    let mut leader = leader_with(member);
    leader.is_reached(stranger);
    leader.asked();
    leader.hears(member, Message::AckEpoch { current: Some(Epoch(0)), last: Zxid::ZERO });
    let effects = leader.asked();
    assert_eq!(closes(&effects), [stranger]);
    assert!(effects.contains(&Effect::Remark(Remark::Refuted(MEMBER, 1))));
    assert!(effects.contains(&Effect::Disarm(Timer::Answer(MEMBER))));
    assert!(leader.host.is_link(member));
}

fn promise() -> Message<u8> {
    Message::AckEpoch { current: Some(Epoch(0)), last: Zxid::ZERO }
}

/// Which of the connections were told something, and what.
fn told(effects: &[Effect<u8, State>], over: &[Link]) -> Vec<(Link, PacketType)> {
    let of = |&link| effects.iter().flat_map(move |it| packets(it, link)).map(move |it| (link, it));
    over.iter().flat_map(of).collect()
}

#[test]
fn when_several_claim_to_be_a_member_all_are_asked_and_the_first_that_answers_is_it() {
    let [silent, other, member] = [0, 1, 2].map(|generation| link(MEMBER, generation));
    let mut leader = leader_with(silent);
    leader.is_reached(other);
    leader.hears(other, info());
    assert_eq!(told(&leader.asked(), &[silent, other]), [], "one may be the member's next");
    leader.is_reached(member);
    leader.hears(member, info());
    let asked = [(other, PacketType::LeaderInfo), (member, PacketType::LeaderInfo)];
    assert_eq!(told(&leader.asked(), &[silent, other, member]), asked);

    leader.hears(member, promise());
    let effects = leader.asked();
    assert_eq!(closes(&effects), [silent, other]);
    assert!(effects.contains(&Effect::Remark(Remark::Replaced(MEMBER))));
    let sent = [PacketType::Diff, PacketType::NewLeader].map(|kind| (member, kind));
    assert_eq!(told(&effects, &[member]), sent, "it is not asked again");
    assert!(leader.host.is_link(member) && leader.host.claims().next().is_none());
    // It is a learner like any other.
    leader.writes_up_to(2);
    leader.hears(member, Message::AckNewLeader { epoch: Epoch(1) });
    assert!(leader.said(member).contains(&PacketType::UpToDate));
}

#[test]
fn a_member_gets_in_while_any_number_of_strangers_come_in_its_name() {
    let mut leader = leader_with(link(MEMBER, 0));
    let mut strangers = 1_u64..;
    let mut come = |leader: &mut Server, number| {
        for generation in strangers.by_ref().take(number) {
            leader.is_reached(link(MEMBER, generation));
            leader.hears(link(MEMBER, generation), info());
        }
    };
    come(&mut leader, 500);
    assert_eq!(leader.host.claims().count(), 32, "they are bounded");
    let member = link(MEMBER, 1_000_000);
    leader.is_reached(member);
    leader.hears(member, info());
    come(&mut leader, 31);
    leader.hears(member, promise());
    assert!(leader.host.is_link(member));
    // Nobody replaces it, or is asked in its stead, from now on.
    leader.asked();
    come(&mut leader, 500);
    let asked = |effect: &Effect<u8, State>| matches!(effect, Effect::Frames { .. });
    assert!(leader.host.is_link(member) && !leader.asked().iter().any(asked));
}

#[test]
fn who_was_asked_by_a_leader_that_gave_up_does_not_answer_the_next_one() {
    let waiting = [1, 2].map(|generation| link(MEMBER, generation));
    let mut leader = leader_with(link(MEMBER, 0));
    for claim in waiting {
        leader.is_reached(claim);
        leader.hears(claim, info());
    }
    leader.asked();
    leader.happens(Event::Resign);
    let effects = leader.asked();
    assert!(waiting.iter().all(|claim| closes(&effects).contains(claim)), "{effects:?}");
    leader.hears(waiting[0], promise());
    assert_eq!((leader.asked(), leader.host.claims().count()), (vec![], 0));
}

#[test]
fn who_dials_before_the_leader_knows_that_it_leads_is_heard_then() {
    let early = link(MEMBER, 0);
    let mut leader = server(LEADER);
    leader.is_reached(early);
    leader.hears(early, info());
    assert_eq!(leader.said(early), []);
    leader.is_elected(Decision::Lead);
    leader.writes_up_to(1);
    assert_eq!(leader.said(early), [PacketType::LeaderInfo]);
}

#[test]
fn nobody_waits_at_a_server_that_follows_nor_for_ever() {
    let claim = link(Sid(3), 0);
    let mut learner = server(MEMBER);
    learner.is_reached(claim);
    learner.asked();
    let mut follower = Server { host: learner.host.clone(), effects: Vec::new() };
    follower.is_elected(Decision::Follow(LEADER));
    assert_eq!(closes(&follower.asked()), [claim]);
    learner.happens(Event::Timer(Timer::Claim(claim)));
    assert_eq!(learner.asked(), [Effect::Close(claim)]);
}

#[test]
fn a_snap_carries_the_state_at_its_label_between_its_packet_and_what_comes_behind() {
    let (member, late) = (link(MEMBER, 0), link(Sid(3), 0));
    let mut leader = established_with(member);
    for counter in 1..=2 {
        leader.happens(Event::Propose(9));
        leader.writes_up_to(2 + u64::from(counter));
        leader.hears(member, Message::Ack { zxid: zxid(counter) });
    }
    leader.is_reached(late);
    leader.hears(late, info());
    leader.asked();
    // It has nothing, and the leader keeps nothing in memory.
    leader.hears(late, Message::AckEpoch { current: Some(Epoch(0)), last: Zxid::ZERO });
    let effects = leader.asked();
    let at = effects.iter().position(|it| *it == Effect::SendState { link: late, zxid: zxid(2) });
    let at = at.expect("it gets the state");
    let said = |effects: &[Effect<_, _>]| -> Vec<_> {
        effects.iter().flat_map(|effect| packets(effect, late)).collect()
    };
    assert_eq!(said(&effects[..at]), [PacketType::Snap]);
    assert_eq!(said(&effects[at..]), [PacketType::NewLeader]);
    assert!(!effects[at..].iter().any(|effect| matches!(effect, Effect::Deliver(_))));
}

#[test]
fn a_state_is_installed_before_its_record_is_written() {
    let leader = link(LEADER, 1);
    let mut learner = server(MEMBER);
    learner.is_elected(Decision::Follow(LEADER));
    learner.happens(Event::Opened { link: leader, dialled: true });
    learner.hears(leader, Message::LeaderInfo { epoch: Epoch(1) });
    learner.writes_up_to(1);
    learner.asked();
    learner.happens(Event::State { link: leader, zxid: zxid(2), state: vec![1, 2] });
    let effects = learner.asked();
    let expected = Effect::Install { zxid: zxid(2), state: vec![1, 2] };
    let installed = effects.iter().position(|effect| *effect == expected);
    let is_record = |effect: &Effect<_, _>| matches!(effect, Effect::Write(_, Record::Snapshot { zxid: label }) if *label == zxid(2));
    let written = effects.iter().position(is_record);
    assert!(installed.is_some() && installed < written, "{effects:?}");
}

#[test]
fn a_snap_without_a_state_ends_its_connection() {
    let leader = link(LEADER, 1);
    let mut learner = server(MEMBER);
    learner.is_elected(Decision::Follow(LEADER));
    learner.happens(Event::Opened { link: leader, dialled: true });
    learner.asked();
    learner.hears(leader, Message::Snap { zxid: zxid(2) });
    let effects = learner.asked();
    assert_eq!(effects[0], Effect::Remark(Remark::NoState(LEADER)));
    assert_eq!(closes(&effects), [leader]);
    assert_eq!(learner.host.core().role(), Role::Looking);
}

#[test]
fn of_acknowledgements_that_arrive_together_the_last_says_all() {
    let (member, third) = (link(MEMBER, 0), link(Sid(3), 0));
    let mut leader = established_with(member);
    leader.happens(Event::Propose(1));
    leader.happens(Event::Propose(2));
    leader.writes_up_to(4);
    leader.asked();
    let acks = [1, 2].map(|counter| Message::Ack { zxid: zxid(counter) });
    leader.happens(Event::Received { link: member, messages: acks.to_vec() });
    let effects = leader.asked();
    let delivery = |effect: &Effect<u8, State>| {
        let Effect::Deliver(Txn { zxid, payload }) = effect else { return None };
        Some((*zxid, *payload))
    };
    let delivered: Vec<_> = effects.iter().filter_map(delivery).collect();
    assert_eq!(delivered, [(zxid(1), 1), (zxid(2), 2)]);
    let commits = effects.iter().flat_map(|effect| packets(effect, member));
    assert_eq!(commits.collect::<Vec<_>>(), [PacketType::Commit; 2]);
    assert!(!leader.host.is_link(third));
}

/// A learner takes SYNC for the answer to the oldest sync that it has forwarded over a connection.
#[test]
fn a_sync_of_an_earlier_connection_is_not_answered_over_the_next_one() {
    let (old, new) = (link(MEMBER, 4), link(MEMBER, 5));
    let mut leader = established_with(old);
    leader.happens(Event::SyncFor(old));
    leader.happens(Event::Closed(old));
    leader.happens(Event::SyncFor(old));
    leader.is_reached(new);
    leader.happens(Event::SyncFor(old));
    leader.hears(new, info());
    leader.hears(new, Message::AckEpoch { current: None, last: Zxid::ZERO });
    leader.hears(new, Message::AckNewLeader { epoch: Epoch(1) });
    leader.happens(Event::SyncFor(old));
    leader.happens(Event::SyncFor(new));
    assert!(leader.said(new).ends_with(&[PacketType::UpToDate, PacketType::Ping]));
    // This confirms the sync of before. Its own is asked for now.
    leader.hears(new, Message::Ping { body: None });
    assert_eq!(leader.said(new), [PacketType::Ping]);
    leader.hears(new, Message::Ping { body: None });
    assert_eq!(leader.said(new), [PacketType::Sync]);
}

#[test]
fn what_was_said_leaves_before_the_connection_is_closed() {
    let member = link(MEMBER, 0);
    let mut leader = established_with(member);
    let message = SessionMessage::Revalidate(1);
    // In one turn: the host is not flushed between the two.
    let (host, effects) = (&mut leader.host, &mut leader.effects);
    host.handle(Event::Session { peer: MEMBER, message }, &mut Silent, effects);
    host.handle(Event::Resign, &mut Silent, effects);
    let effects = leader.asked();
    let said = effects.iter().position(|it| packets(it, member) == [PacketType::Revalidate]);
    let closed = effects.iter().position(|effect| *effect == Effect::Close(member));
    assert!(said.is_some() && said < closed, "{effects:?}");
}

#[test]
fn a_new_connection_of_the_election_begins_with_what_was_said_last() {
    let voters = [LEADER, MEMBER].into_iter().collect();
    let config = Config::new(LEADER, Quorum::majority(voters));
    let mut host = Host::new(zab::Peer::<u8>::new(config), "".into());
    let mut effects: Vec<Effect<u8, State>> = Vec::new();
    host.handle(Event::ElectionOpened(MEMBER), &mut Silent, &mut effects);
    assert_eq!(effects, [], "nothing was said yet");
    host.handle(Event::Start(DiskImage::empty()), &mut Silent, &mut effects);
    effects.clear();
    host.flush(&mut effects);
    let [Effect::Notify { to: MEMBER, bytes, looks: true }] = &effects[..] else {
        panic!("{effects:?}");
    };
    let (_, said): (_, Notification) = host.said_last().next().expect("just said");
    assert_eq!(crate::decode_notification(&bytes[4..].to_vec().into()), Ok(said));
    let first = Effect::Greet { bytes: bytes.clone() };
    effects.clear();
    host.handle(Event::ElectionOpened(MEMBER), &mut Silent, &mut effects);
    assert_eq!(effects, [first]);
    host.flush(&mut effects);
    assert_eq!(effects.len(), 1, "the others hear it once");
}

#[test]
fn a_record_that_was_never_issued_is_on_no_disk_and_nothing_leaves_for_it() {
    let learner = link(MEMBER, 7);
    let mut leader = server(LEADER);
    leader.happens(Event::Durable(WriteNo(1)));
    leader.is_elected(Decision::Lead);
    leader.is_reached(learner);
    leader.hears(learner, info());
    leader.happens(Event::Durable(WriteNo(2)));
    assert_eq!(leader.said(learner), []);
    leader.writes_up_to(1);
    assert_eq!(leader.said(learner), [PacketType::LeaderInfo]);
}

#[test]
fn who_has_answered_in_time_is_not_replaced_by_a_timer_that_was_stopped() {
    let (member, newcomer) = (link(MEMBER, 7), link(MEMBER, 8));
    let mut leader = established_with(member);
    leader.happens(Event::Timer(Timer::Answer(MEMBER)));
    leader.is_reached(newcomer);
    assert!(leader.host.is_link(member), "nothing was asked since it answered");
    assert_eq!(leader.host.claims().collect::<Vec<_>>(), [newcomer]);
}

#[test]
fn the_first_question_over_a_link_is_timed_and_those_behind_it_are_not() {
    let member = link(MEMBER, 7);
    let timed = |effects: &[Effect<u8, State>]| {
        effects.iter().filter(|it| **it == Effect::Arm(Timer::Answer(MEMBER))).count()
    };
    let mut leader = established_with(member);
    leader.asked();
    leader.happens(Event::SyncFor(member));
    assert_eq!(timed(&leader.asked()), 1, "it pings");
    let tick = Event::Timer(Timer::Core(zab::Timer::Ping));
    leader.happens(tick);
    let effects = leader.asked();
    let pings = effects.iter().flat_map(|effect| packets(effect, member)).collect::<Vec<_>>();
    assert_eq!((pings, timed(&effects)), (vec![PacketType::Ping], 0), "one is open already");
    leader.hears(member, Message::Ping { body: None });
    let tick = Event::Timer(Timer::Core(zab::Timer::Ping));
    leader.happens(tick);
    assert_eq!(timed(&leader.asked()), 1, "the next one is the first again");
}

#[test]
fn a_member_that_says_something_unasked_refutes_nobody() {
    let (member, newcomer) = (link(MEMBER, 0), link(MEMBER, 1));
    let mut leader = established_with(member);
    leader.happens(Event::Propose(1));
    leader.is_reached(newcomer);
    leader.asked();
    // It may have been on its way for long.
    leader.hears(member, Message::Ack { zxid: zxid(1) });
    let effects = leader.asked();
    assert_eq!(closes(&effects), []);
    assert!(leader.host.claims().eq([newcomer]));
}

/// Reports one session with every PING that it is asked for.
struct Reporting;

impl Shell<u8> for Reporting {
    fn begins(&mut self, _: &Input<u8>) {}
    fn ended(&mut self, _: &Outputs<u8>) {}
    fn report(&mut self) -> Option<u8> {
        Some(42)
    }
}

#[test]
fn a_learner_reports_its_sessions_when_it_is_pinged_and_a_leader_has_none_to_report() {
    let (member, leading) = (link(MEMBER, 0), link(LEADER, 1));
    let mut leader = established_with(member);
    let mut learner = server(MEMBER);
    learner.is_elected(Decision::Follow(LEADER));
    learner.happens(Event::Opened { link: leading, dialled: true });
    learner.hears(leading, Message::LeaderInfo { epoch: Epoch(1) });
    learner.writes_up_to(1);
    learner.hears(leading, Message::Diff { committed: Zxid::ZERO });
    learner.hears(leading, Message::NewLeader { epoch: Epoch(1) });
    learner.writes_up_to(3);
    learner.hears(leading, Message::UpToDate);
    learner.asked();
    leader.asked();
    let mut reports = Vec::new();
    let events = [
        (
            &mut learner,
            leading,
            Event::Received { link: leading, messages: vec![Message::Ping { body: None }] },
        ),
        (&mut leader, member, Event::SyncFor(member)),
    ];
    for (server, over, event) in events {
        server.host.handle(event, &mut Reporting, &mut server.effects);
        server.host.flush(&mut server.effects);
        for effect in server.asked() {
            let Effect::Frames { link, bytes } = effect else { continue };
            assert_eq!(link, over);
            reports.push(bytes.ends_with(&[0, 0, 0, 1, 42, 0xff, 0xff, 0xff, 0xff]));
        }
    }
    assert_eq!(reports, [true, false]);
}

#[test]
fn what_the_session_layer_hears_comes_with_the_link_that_it_came_over() {
    let member = link(MEMBER, 3);
    let mut leader = established_with(member);
    assert!(leader.host.peers().eq([MEMBER]));
    assert_eq!(leader.host.link_to(MEMBER), Some(member));
    assert_eq!(leader.host.link_to(Sid(3)), None);
    let message = SessionMessage::Revalidate(1);
    leader.hears(member, Message::Session(message.clone()));
    assert!(leader.asked().contains(&Effect::Session(member, message)));
}

#[test]
fn a_message_waits_only_for_what_is_not_on_disk_yet() {
    let mut connection = Connection::<u8>::new(Generation(1), LEADER, "".into());
    let ack = |counter| Message::Ack { zxid: zxid(counter) };
    let after = |no| zab::After::Durable(WriteNo(no));
    assert_eq!(connection.pass(ack(1), after(4), WriteNo(4)), Some(ack(1)));
    assert_eq!(connection.pass(ack(2), after(5), WriteNo(4)), None);
    assert_eq!(connection.pass(ack(3), zab::After::Now, WriteNo(4)), Some(ack(3)));
    assert_eq!(connection.released(WriteNo(4)), None);
    assert_eq!(connection.released(WriteNo(5)), Some(ack(2)));
    connection.pass(ack(4), after(9), WriteNo(5));
    connection.renumber(WriteNo(5));
    assert!(connection.gated().eq([&(WriteNo(4), ack(4))]), "its record is counted anew");
}
