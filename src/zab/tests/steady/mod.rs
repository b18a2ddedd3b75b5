//! An ensemble of three in the midst of broadcast: the leader, one of its followers, and the steps
//! of a transaction one by one, as a shell takes them.

use std::collections::VecDeque;
use std::sync::Arc;

use zab::{
    Config, DiskImage, Epoch, Input, Message, Outputs, Peer, Quorum, Role, Sid, Timer, Txn,
    WriteNo, Zxid,
};

/// Shared bytes, as a server has them.
pub(crate) type Payload = Arc<[u8]>;

const LEADER: Sid = Sid(3);
const FOLLOWERS: [Sid; 2] = [Sid(1), Sid(2)];

/// A server, its outputs, and the numbers of its disk and of its transactions.
pub(crate) struct Server {
    peer: Peer<Payload>,
    out: Outputs<Payload>,
    issued: u64,
    payload: Payload,
    counter: u32,
}

/// A leader and a follower, up to date.
pub(crate) fn ensemble() -> (Server, Server) {
    let voters = [Sid(1), Sid(2), Sid(3)];
    let quorum = Quorum::majority(voters.into_iter().collect());
    let mut servers = voters.map(|sid| Server::new(Config::new(sid, quorum)));
    let mut inputs: VecDeque<(Sid, Input<Payload>)> =
        voters.map(|sid| (sid, Input::Start(DiskImage::empty()))).into();
    for quiet in 0.. {
        while let Some((sid, input)) = inputs.pop_front() {
            let server = &mut servers[usize::from(sid.0) - 1];
            server.step(input);
            server.outputs(&mut inputs);
        }
        match quiet {
            0 => inputs.extend(voters.map(|sid| (sid, Input::Timer(Timer::Finalize)))),
            1 => {
                for sid in FOLLOWERS {
                    inputs.push_back((LEADER, Input::Link { peer: sid, up: true }));
                    inputs.push_back((sid, Input::Link { peer: LEADER, up: true }));
                }
            }
            _ => break,
        }
    }
    let [follower, _, leader] = servers;
    assert_eq!(leader.peer.role(), Role::Leading);
    assert_eq!(
        (leader.peer.established(), follower.peer.established()),
        (Some(Epoch(1)), Some(Epoch(1)))
    );
    (leader, follower)
}

impl Server {
    fn new(config: Config) -> Self {
        let payload = Arc::from([7; 100].as_slice());
        Self { peer: Peer::new(config), out: Outputs::new(), issued: 0, payload, counter: 0 }
    }

    /// One step, from and into memory that is there.
    pub(crate) fn step(&mut self, input: Input<Payload>) {
        self.out.clear();
        self.peer.step(input, &mut self.out);
        if let Some((WriteNo(no), _)) = self.out.writes.last() {
            self.issued = *no;
        }
    }

    /// What the last step leads to, if the disk is at once.
    fn outputs(&mut self, inputs: &mut VecDeque<(Sid, Input<Payload>)>) {
        let me = self.peer.me();
        if !self.out.writes.is_empty() {
            inputs.push_back((me, Input::Durable { upto: WriteNo(self.issued) }));
        }
        for (to, notification) in &self.out.notifications {
            inputs.push_back((*to, Input::Notify { from: me, notification: *notification }));
        }
        for send in &self.out.sends {
            let message = send.message.clone();
            inputs.push_back((send.to, Input::Recv { peer: me, message }));
        }
    }

    /// The next transaction.
    fn next(&mut self) -> Txn<Payload> {
        self.counter += 1;
        Txn { zxid: Zxid::new(Epoch(1), self.counter), payload: Arc::clone(&self.payload) }
    }

    /// The zxids of the last `count` transactions.
    fn latest(&self, count: u32) -> impl Iterator<Item = Zxid> + use<> {
        (self.counter - count + 1..=self.counter).map(|counter| Zxid::new(Epoch(1), counter))
    }

    /// To the leader: the next transactions.
    pub(crate) fn proposes(&mut self, count: u32) -> Vec<Input<Payload>> {
        (0..count).map(|_| Input::Propose(self.next().payload)).collect()
    }

    /// To a follower: the next transactions.
    pub(crate) fn proposals(&mut self, count: u32) -> Vec<Input<Payload>> {
        (0..count).map(|_| from(LEADER, Message::Proposal(self.next()))).collect()
    }

    /// To either: all that was written is durable.
    pub(crate) fn durable(&self) -> Input<Payload> {
        Input::Durable { upto: WriteNo(self.issued) }
    }

    /// To the leader: one of the followers acknowledges the last transactions.
    pub(crate) fn acks(&self, follower: usize, count: u32) -> Vec<Input<Payload>> {
        let ack = |zxid| from(FOLLOWERS[follower], Message::Ack { zxid });
        self.latest(count).map(ack).collect()
    }

    /// To a follower: the last transactions are committed.
    pub(crate) fn commits(&self, count: u32) -> Vec<Input<Payload>> {
        self.latest(count).map(|zxid| from(LEADER, Message::Commit { zxid })).collect()
    }

    /// How many transactions the last step delivered.
    pub(crate) fn delivered(&self) -> usize {
        self.out.deliver.len()
    }

    /// How many messages the last step sent.
    pub(crate) fn sent(&self) -> usize {
        self.out.sends.len()
    }
}

fn from(peer: Sid, message: Message<Payload>) -> Input<Payload> {
    Input::Recv { peer, message }
}
