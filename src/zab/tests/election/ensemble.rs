//! A handful of election machines, and the wires between them. Time passes only when a test says
//! so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zab::{
    Config, Decision, Election, Epoch, Notification, Outputs, Quorum, ServerState, Sid, Timer,
    TimerCmd, Vote, Zxid,
};

pub(crate) type Out = Outputs<()>;

pub(crate) const LOOKING: ServerState = ServerState::Looking;
pub(crate) const FOLLOWING: ServerState = ServerState::Following;
pub(crate) const LEADING: ServerState = ServerState::Leading;

/// A vote for `leader` with `epoch` and the zxid `(zxid_epoch, counter)`.
pub(crate) fn vote(leader: u8, epoch: u32, (zxid_epoch, counter): (u32, u32)) -> Vote {
    Vote {
        peer_epoch: Epoch(epoch),
        zxid: Zxid::new(Epoch(zxid_epoch), counter),
        leader: Sid(leader),
    }
}

pub(crate) fn says(state: ServerState, vote: Vote, round: u64) -> Notification {
    Notification { state, vote: Some(vote), round }
}

pub(crate) fn machine(me: u8, voters: &[u8]) -> Election {
    let voters = voters.iter().map(|sid| Sid(*sid)).collect();
    Election::new(&Config::new(Sid(me), Quorum::majority(voters)))
}

/// A machine that looks in its first round, with `vote(me, epoch, zxid)` as its own.
pub(crate) fn looking(me: u8, voters: &[u8], epoch: u32, zxid: (u32, u32)) -> Election {
    let mut election = machine(me, voters);
    let own = vote(me, epoch, zxid);
    election.look(own.peer_epoch, own.zxid, &mut Out::new());
    election
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) election: Election,
    pub(crate) up: bool,
    pub(crate) current: Epoch,
    pub(crate) last: Zxid,
    pub(crate) decision: Option<Decision>,
    pub(crate) armed: BTreeSet<Timer>,
}

pub(crate) struct Ensemble {
    pub(crate) servers: BTreeMap<Sid, Server>,
    voters: Vec<u8>,
    wires: BTreeMap<(Sid, Sid), VecDeque<Notification>>,
    /// The last message that a server of this incarnation had for another.
    last: BTreeMap<(Sid, Sid), Notification>,
    /// Wires on which messages wait.
    held: BTreeSet<(Sid, Sid)>,
    random: u64,
}

impl Ensemble {
    /// Voters 1 to n with these `(currentEpoch, last zxid)`. All are down.
    pub(crate) fn new(seed: u64, own: &[(u32, (u32, u32))]) -> Self {
        Self::with_observers(seed, own, 0)
    }

    /// The same, and observers behind them.
    pub(crate) fn with_observers(seed: u64, own: &[(u32, (u32, u32))], observers: u8) -> Self {
        let voters: Vec<u8> = (1..).take(own.len()).collect();
        let all = (1..).take(own.len() + usize::from(observers));
        let mut own = own.iter();
        let server = |sid: u8| {
            let (epoch, (zxid_epoch, counter)) = own.next().copied().unwrap_or((0, (0, 0)));
            let server = Server {
                election: machine(sid, &voters),
                up: false,
                current: Epoch(epoch),
                last: Zxid::new(Epoch(zxid_epoch), counter),
                decision: None,
                armed: BTreeSet::new(),
            };
            (Sid(sid), server)
        };
        Self {
            servers: all.map(server).collect(),
            voters,
            wires: BTreeMap::new(),
            last: BTreeMap::new(),
            held: BTreeSet::new(),
            random: seed | 1,
        }
    }

    pub(crate) fn server(&self, sid: u8) -> &Server {
        &self.servers[&Sid(sid)]
    }

    pub(crate) fn round(&self, sid: u8) -> u64 {
        self.server(sid).election.round()
    }

    /// Servers start together. Those that are up already reach them, each with the last thing that
    /// it had for them (`QuorumCnxManager` keeps it for the next connection), be it out of date.
    pub(crate) fn start(&mut self, sids: &[u8]) {
        for sid in sids {
            let fresh = machine(*sid, &self.voters);
            let server = self.servers.get_mut(&Sid(*sid)).unwrap();
            assert!(!server.up, "{sid} is up");
            server.up = true;
            server.election = fresh;
            for ((from, to), n) in &self.last {
                if *to == Sid(*sid) {
                    self.wires.entry((*from, *to)).or_default().push_back(*n);
                }
            }
        }
        for sid in sids {
            self.look(*sid);
        }
    }

    pub(crate) fn crash(&mut self, sid: u8) {
        let sid = Sid(sid);
        let server = self.servers.get_mut(&sid).unwrap();
        server.up = false;
        server.decision = None;
        server.armed.clear();
        self.wires.retain(|(from, to), _| *from != sid && *to != sid);
    }

    pub(crate) fn look(&mut self, sid: u8) {
        let server = self.servers.get_mut(&Sid(sid)).unwrap();
        let mut out = Out::new();
        server.decision = None;
        server.election.look(server.current, server.last, &mut out);
        self.carry_out(Sid(sid), out, None);
    }

    /// The leader established `epoch`, and the server has learnt of it.
    pub(crate) fn established(&mut self, sids: &[u8], epoch: u32) {
        for sid in sids {
            let server = self.servers.get_mut(&Sid(*sid)).unwrap();
            server.current = Epoch(epoch);
            server.election.established(Epoch(epoch));
        }
    }

    pub(crate) fn hold(&mut self, from: u8, to: u8) {
        self.held.insert((Sid(from), Sid(to)));
    }

    pub(crate) fn release_all(&mut self) {
        self.held.clear();
    }

    /// Delivers the oldest message on a wire, held or not; false if there is none.
    pub(crate) fn deliver(&mut self, from: u8, to: u8) -> bool {
        let (from, to) = (Sid(from), Sid(to));
        let Some(n) = self.wires.get_mut(&(from, to)).and_then(VecDeque::pop_front) else {
            return false;
        };
        let server = self.servers.get_mut(&to).unwrap();
        let mut out = Out::new();
        let decision = server.election.notify(from, &n, &mut out);
        self.carry_out(to, out, decision);
        true
    }

    pub(crate) fn fire(&mut self, sid: u8, timer: Timer) {
        let server = self.servers.get_mut(&Sid(sid)).unwrap();
        assert!(server.armed.remove(&timer), "{timer:?} of {sid} is not armed");
        let mut out = Out::new();
        let decision = server.election.timer(timer, &mut out);
        self.carry_out(Sid(sid), out, decision);
    }

    /// Delivers everything, in some order; nobody's time runs out.
    pub(crate) fn drain(&mut self) {
        for _ in 0..100_000 {
            let some: Vec<_> = self
                .wires
                .iter()
                .filter(|(wire, queue)| !queue.is_empty() && !self.held.contains(wire))
                .map(|(wire, _)| *wire)
                .collect();
            if some.is_empty() {
                return;
            }
            let (from, to) = some[self.pick(some.len())];
            self.deliver(from.0, to.0);
        }
        panic!("servers answer each other without end");
    }

    /// Timers are slower than messages: delivers everything, lets one finalize wait end, and so on
    /// until nothing waits.
    pub(crate) fn settle(&mut self) {
        loop {
            self.drain();
            let waiting = self.armed(Timer::Finalize);
            if waiting.is_empty() {
                return;
            }
            let sid = waiting[self.pick(waiting.len())];
            self.fire(sid, Timer::Finalize);
        }
    }

    /// Any order at all of messages and timers.
    pub(crate) fn race(&mut self, steps: usize) {
        for _ in 0..steps {
            let wires: Vec<_> = self.wires.keys().copied().collect();
            let choice = self.pick(20);
            if choice < 2 {
                let timer = [Timer::Finalize, Timer::Resend][choice];
                let waiting = self.armed(timer);
                if !waiting.is_empty() {
                    let sid = waiting[self.pick(waiting.len())];
                    self.fire(sid, timer);
                }
            } else if !wires.is_empty() {
                let (from, to) = wires[self.pick(wires.len())];
                self.deliver(from.0, to.0);
            }
        }
    }

    /// Who is up, has settled, and tried to lead or follows somebody who does.
    pub(crate) fn decisions(&self) -> Vec<(u8, Decision)> {
        let up = self.servers.iter().filter(|(_, server)| server.up);
        up.filter_map(|(sid, server)| Some((sid.0, server.decision?))).collect()
    }

    /// Asserts that everybody who is up follows `leader`, or is it.
    pub(crate) fn assert_all_follow(&self, leader: u8) {
        for (sid, server) in self.servers.iter().filter(|(_, server)| server.up) {
            let expected =
                if sid.0 == leader { Decision::Lead } else { Decision::Follow(Sid(leader)) };
            assert_eq!(server.decision, Some(expected), "decision of {sid}");
        }
    }

    /// Stands in for Zab proper: whose leader does not lead, or has no quorum of followers, looks
    /// again. True if all who are up have such a leader, or had to look.
    pub(crate) fn give_up_hopeless(&mut self) -> bool {
        let follows = |server: &Server, sid: &Sid| match server.decision {
            Some(Decision::Lead) => Some(*sid),
            Some(Decision::Follow(leader)) => Some(leader),
            None => None,
        };
        let up = || self.servers.iter().filter(|(_, server)| server.up);
        let well = |leader: Sid| {
            let voters = up().filter(|(sid, _)| self.voters.contains(&sid.0));
            let for_it = voters.filter(|(sid, server)| follows(server, sid) == Some(leader));
            let leads = self.servers[&leader].decision == Some(Decision::Lead);
            leads && for_it.count() * 2 > self.voters.len()
        };
        let hopeless: Vec<u8> = up()
            .filter(|(sid, server)| follows(server, sid).is_some_and(|leader| !well(leader)))
            .map(|(sid, _)| sid.0)
            .collect();
        let all_settled = up().all(|(_, server)| server.decision.is_some());
        for sid in &hopeless {
            self.look(*sid);
        }
        all_settled && hopeless.is_empty()
    }

    pub(crate) fn armed(&self, timer: Timer) -> Vec<u8> {
        let servers = self.servers.iter();
        servers.filter(|(_, server)| server.armed.contains(&timer)).map(|(sid, _)| sid.0).collect()
    }

    pub(crate) fn pick(&mut self, among: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % among
    }

    fn carry_out(&mut self, sid: Sid, out: Out, decision: Option<Decision>) {
        let server = self.servers.get_mut(&sid).unwrap();
        for timer in out.timers {
            match timer {
                TimerCmd::Arm(timer) => server.armed.insert(timer),
                TimerCmd::Disarm(timer) => server.armed.remove(&timer),
            };
        }
        if decision.is_some() {
            server.decision = decision;
        }
        let looking = server.election.is_looking();
        assert_eq!(looking, server.decision.is_none());
        assert_eq!(looking, server.armed.contains(&Timer::Resend));
        assert!(looking || server.armed.is_empty());
        for (to, n) in out.notifications {
            assert_ne!(to, sid, "a message to oneself");
            self.last.insert((sid, to), n);
            if self.servers[&to].up {
                self.wires.entry((sid, to)).or_default().push_back(n);
            }
        }
    }
}
