//! What no correct server, disk or shell would say.

use zab::{
    DiskImage, Epoch, Input, LearnerKind, Message, Notification, ServerState, SessionMessage, Sid,
    Timer, Txn, Vote, WriteNo, Zxid,
};

use crate::cluster::{Cluster, Envelope, P, Server};

/// Numbers from a number.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    /// # Panics
    /// If there is nothing to choose from.
    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Something comes to a server that should not come.
pub(crate) fn tell(cluster: &mut Cluster, dice: &mut Dice) {
    let sids: Vec<Sid> = cluster.servers.keys().copied().collect();
    let at = dice.of(&sids);
    let server = &cluster.servers[&at];
    let peer = sid(server, dice);
    if !server.is_up() && dice.below(2) == 0 {
        // Not what this server wrote; it may say so, and stop.
        let image = image(server, dice);
        let _ = cluster.hold(at, image);
        let _ = cluster.start(at);
        return;
    }
    let input = match dice.below(20) {
        0 => Input::Start(image(server, dice)),
        1 => Input::Link { peer, up: true },
        2 => Input::Link { peer, up: false },
        3 => Input::Timer(timer(server, dice)),
        4 => Input::Durable { upto: WriteNo(dice.of(&[0, 1, 2, 5, u64::MAX, u64::MAX - 1])) },
        5 => Input::Propose("lie".into()),
        6 => Input::Sync { origin: peer, body: "lie".into() },
        7 => Input::Session { peer, message: session(dice) },
        8 => Input::Resign,
        9 | 10 => Input::Notify { from: peer, notification: notification(server, dice) },
        _ => {
            let message = message(server, dice);
            // Over the link, so that it is read where it fits, or all at once.
            if dice.below(3) == 0 {
                let _ = cluster.hand_over(peer, at, Envelope { message, content: Vec::new() });
                return;
            }
            Input::Recv { peer, message }
        }
    };
    let _ = cluster.inject(at, input);
}

fn sid(server: &Server, dice: &mut Dice) -> Sid {
    let me = server.config.me;
    dice.of(&[Sid(1), Sid(2), Sid(3), Sid(1), Sid(2), Sid(3), Sid(4), me, Sid(0), Sid(7), Sid(255)])
}

fn epoch(server: &Server, dice: &mut Dice) -> Epoch {
    let zab = server.machine.zab();
    let accepted = zab.accepted_epoch().unwrap_or_default().0;
    let current = zab.current_epoch().unwrap_or_default().0;
    Epoch(dice.of(&[
        accepted,
        accepted,
        accepted,
        accepted.wrapping_add(1),
        accepted.wrapping_add(1),
        accepted.wrapping_sub(1),
        current,
        0,
        199,
        200,
        201,
        Epoch::MAX.0,
        u32::MAX,
    ]))
}

fn zxid(server: &Server, dice: &mut Dice) -> Zxid {
    let zab = server.machine.zab();
    let (last, delivered) = (zab.last().unwrap_or_default(), zab.delivered().unwrap_or_default());
    let of = |counter| move |epoch| Zxid::new(epoch, counter);
    let epoch = epoch(server, dice);
    dice.of(&[
        last,
        last,
        delivered,
        Zxid(last.0.wrapping_add(1)),
        Zxid(last.0.wrapping_add(1)),
        Zxid(last.0.wrapping_add(2)),
        Zxid(last.0.wrapping_sub(1)),
        Zxid(delivered.0.wrapping_sub(1)),
        of(0)(epoch),
        of(1)(epoch),
        of(1)(epoch),
        of(2)(epoch),
        of(6)(epoch),
        of(u32::MAX)(epoch),
        Zxid::ZERO,
        Zxid(u64::MAX),
    ])
}

fn txn(server: &Server, dice: &mut Dice) -> Txn<P> {
    Txn { zxid: zxid(server, dice), payload: format!("lie{}", dice.below(10)) }
}

fn image(server: &Server, dice: &mut Dice) -> DiskImage<P> {
    let (accepted, current) = (epoch(server, dice), epoch(server, dice));
    let snapshot = zxid(server, dice);
    let history_lost = dice.below(4) == 0;
    let mut image = DiskImage { accepted, current, snapshot, log: Vec::new(), history_lost };
    for _ in 0..dice.below(4) {
        let mut txn = txn(server, dice);
        if dice.below(4) > 0 {
            txn.zxid = Zxid(image.last().0.wrapping_add(1));
        }
        image.log.push(txn);
    }
    image
}

fn timer(server: &Server, dice: &mut Dice) -> Timer {
    let peer = sid(server, dice);
    dice.of(&[
        Timer::Resend,
        Timer::Finalize,
        Timer::InitLimit,
        Timer::SyncLimit,
        Timer::LearnerInitLimit(peer),
        Timer::LearnerSyncLimit(peer),
        Timer::QuorumLoss,
        Timer::Ping,
    ])
}

pub(crate) fn session(dice: &mut Dice) -> SessionMessage<P> {
    let body = format!("s{}", dice.below(10));
    match dice.below(3) {
        0 => SessionMessage::Request(body),
        1 => SessionMessage::Revalidate(body),
        _ => SessionMessage::Sync(body),
    }
}

fn notification(server: &Server, dice: &mut Dice) -> Notification {
    let states = [
        ServerState::Looking,
        ServerState::Looking,
        ServerState::Following,
        ServerState::Leading,
        ServerState::Observing,
    ];
    let vote = Vote {
        peer_epoch: epoch(server, dice),
        zxid: zxid(server, dice),
        leader: sid(server, dice),
    };
    Notification {
        state: dice.of(&states),
        vote: (dice.below(8) > 0).then_some(vote),
        round: dice.of(&[0, 1, 2, 3, 4, 1 << 48, (1 << 48) - 1, u64::MAX]),
    }
}

fn message(server: &Server, dice: &mut Dice) -> Message<P> {
    let (epoch, zxid) = (epoch(server, dice), zxid(server, dice));
    match dice.below(20) {
        0 => Message::LearnerInfo { kind: LearnerKind::Follower, accepted: epoch },
        1 => Message::LearnerInfo { kind: LearnerKind::Observer, accepted: epoch },
        2 => Message::LeaderInfo { epoch },
        3 => Message::AckEpoch { current: Some(epoch), last: zxid },
        4 => Message::AckEpoch { current: None, last: zxid },
        5 => Message::Diff { committed: zxid },
        6 => Message::Trunc { to: zxid, committed: self::zxid(server, dice) },
        7 => Message::Snap { zxid },
        8 => Message::NewLeader { epoch },
        9 => Message::AckNewLeader { epoch },
        10 => Message::UpToDate,
        11..14 => Message::Proposal(txn(server, dice)),
        14 | 15 => Message::Ack { zxid },
        16 => Message::Commit { zxid },
        17 => Message::Inform(txn(server, dice)),
        18 => Message::Ping { body: (dice.below(2) == 0).then(|| "lie".into()) },
        _ => Message::Session(session(dice)),
    }
}
