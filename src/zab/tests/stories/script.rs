//! The commands of stories.
//!
//! The cluster:
//! - `servers 1 2 3 [observers 4] [decreed] [window N] [counter-max N] [epoch-max N]`; `decreed`:
//!   the story elects.
//! - `holds S accepted E current E [history-lost] [log ZXID PAYLOAD ..]`: what the disk of S holds
//!   before S starts.
//! - `start S ..`, `crash S`, `compact S`: a snapshot replaces the log, as far as it is applied;
//!   `resign S`.
//! - `state [S ..]`; `links`: what is in flight; `timers S`.
//!
//! Who leads, if decreed:
//! - `lead S`, `follow S L`.
//! - `elect L with S ..`: all of it up to established, without a word; starts the servers that are
//!   down.
//!
//! The network:
//! - `connect S`: the link that S dials comes up. `break S-T at S`: S learns that it is broken; T
//!   reads on. `break S-T`.
//! - `deliver S->T [n|all]`: T reads; behind the last message of a closed end it reads that.
//! - `forge S->T MESSAGE`: T reads what S never said.
//! - `vote S->T [n|all]`, `lose S->T`: messages of the election.
//!
//! Time and disks:
//! - `disk S [n|all]`: records become durable. `timer S KIND [of T]`.
//! - `stabilize [S ..]`: everything that happens by itself among these servers, the finalize wait
//!   included.
//!
//! Clients:
//! - `propose S PAYLOAD`, `sync S BODY [for T]`, `session S->T REQUEST|REVALIDATE|SYNC BODY`.
//!
//! `quietly COMMAND` shows nothing. `vainly COMMAND` has to be impossible, and shows why.

use zab::{
    Decision, DiskImage, Epoch, LearnerKind, Message, SessionMessage, Sid, Timer, Txn, Zxid,
};

use crate::cluster::{Cluster, Envelope, Outcome, P, Setup, Step};
use crate::text;

/// The story with the results of its commands, as they come out now.
///
/// # Errors
/// A command cannot be carried out, or a promise is broken by it; the text begins with file and
/// line.
pub(crate) fn play(name: &str, story: &str) -> Result<String, String> {
    let mut played = String::new();
    let mut cluster = None;
    for (index, line) in story.lines().enumerate() {
        let place =
            |why: &str| format!("{name}:{}: {}: {why}", index + 1, line.trim_start_matches("> "));
        if let Some(command) = line.strip_prefix("> ") {
            played += &format!("{line}\n");
            for result in run(command, &mut cluster).map_err(|why| place(&why))? {
                played += &format!("    {result}\n");
            }
        } else if line.starts_with('#') || line.is_empty() {
            played += &format!("{line}\n");
        } else if !line.starts_with("    ") {
            return Err(place("a line is a comment, a command or a result"));
        }
    }
    Ok(played)
}

fn run(command: &str, cluster: &mut Option<Cluster>) -> Outcome<Vec<String>> {
    let mut words = Words(command.split_whitespace().collect());
    let mut verb = words.word("a command")?;
    let (quietly, vainly) = (verb == "quietly", verb == "vainly");
    if quietly || vainly {
        verb = words.word("a command")?;
    }
    if verb == "servers" {
        *cluster = Some(Cluster::new(&setup(&mut words)?));
        return Ok(Vec::new());
    }
    let Some(cluster) = cluster else {
        return Err("the cluster has no servers yet".into());
    };
    if vainly {
        return match perform(verb, &mut words, cluster) {
            Ok(_) => Err("this is possible".into()),
            Err(why) => Ok(vec![format!("impossible: {why}")]),
        };
    }
    let lines = perform(verb, &mut words, cluster)?;
    words.end()?;
    Ok(if quietly { Vec::new() } else { lines })
}

fn setup(words: &mut Words) -> Outcome<Setup> {
    let mut setup = Setup { voters: words.sids()?, ..Setup::voters([]) };
    while let Some(word) = words.next() {
        match word {
            "observers" => setup.observers = words.sids()?,
            "decreed" => setup.decreed = true,
            "window" => setup.window = words.number()?,
            "counter-max" => setup.counter_max = words.number()?,
            "epoch-max" => setup.epoch_max = words.number()?,
            "epoch-step" => setup.epoch_step = words.number()?,
            "epoch-plausible" => setup.epoch_plausible = words.number()?,
            other => return Err(format!("{other} says nothing about servers")),
        }
    }
    Ok(setup)
}

fn perform(verb: &str, words: &mut Words, cluster: &mut Cluster) -> Outcome<Vec<String>> {
    let steps = match verb {
        "holds" => {
            let sid = words.sid()?;
            let image = words.image()?;
            cluster.hold(sid, image)?;
            Vec::new()
        }
        "start" => {
            let sids = words.sids()?;
            sids.into_iter().map(|sid| cluster.start(sid)).collect::<Outcome<Vec<_>>>()?
        }
        "crash" => {
            cluster.crash(words.sid()?)?;
            Vec::new()
        }
        "compact" => {
            cluster.compact(words.sid()?)?;
            Vec::new()
        }
        "resign" => vec![cluster.resign(words.sid()?)?],
        "state" => {
            let sids = words.sids()?;
            return Ok(cluster
                .servers
                .iter()
                .filter(|(sid, _)| sids.is_empty() || sids.contains(sid))
                .map(|(sid, server)| text::server(*sid, server))
                .collect());
        }
        "links" => return Ok(links(cluster)),
        "timers" => {
            let armed = &cluster.server(words.sid()?)?.armed;
            return Ok(armed.iter().map(|timer| format!("{timer:?}")).collect());
        }
        "lead" => vec![cluster.decree(words.sid()?, Decision::Lead)?],
        "follow" => {
            let (sid, leader) = (words.sid()?, words.sid()?);
            vec![cluster.decree(sid, Decision::Follow(leader))?]
        }
        "elect" => return elect(words, cluster),
        "connect" => cluster.connect(words.sid()?)?.into(),
        "break" => {
            let (one, other) = words.pair("-")?;
            let ends = if words.takes("at") { vec![words.sid()?] } else { vec![one, other] };
            if let Some(stranger) = ends.iter().find(|&&end| end != one && end != other) {
                return Err(format!("{} is no end of that link", stranger.0));
            }
            let cut = |end| cluster.cut(end, if end == one { other } else { one });
            ends.into_iter().map(cut).collect::<Outcome<Vec<_>>>()?
        }
        "deliver" => {
            let (from, to) = words.pair("->")?;
            let ready = |c: &Cluster| c.in_flight(from, to) > 0;
            repeat(words.times()?, cluster, ready, |c| c.deliver(from, to))?
        }
        "forge" => {
            let (from, to) = words.pair("->")?;
            let envelope = Envelope { message: words.message()?, content: Vec::new() };
            vec![cluster.hand_over(from, to, envelope)?]
        }
        "vote" => {
            let (from, to) = words.pair("->")?;
            let ready = |c: &Cluster| c.slots.get(&(from, to)).is_some_and(|s| s.wire.is_some());
            repeat(words.times()?, cluster, ready, |c| c.vote(from, to))?
        }
        "lose" => {
            let (from, to) = words.pair("->")?;
            cluster.lose_votes(from, to);
            Vec::new()
        }
        "disk" => {
            let sid = words.sid()?;
            let ready = |c: &Cluster| !c.servers[&sid].disk.pending.is_empty();
            repeat(words.times()?, cluster, ready, |c| c.disk(sid))?
        }
        "timer" => {
            let sid = words.sid()?;
            let timer = words.timer()?;
            vec![cluster.timer(sid, timer)?]
        }
        "stabilize" => {
            let mut sids = words.sids()?;
            if sids.is_empty() {
                sids = cluster.servers.keys().copied().collect();
            }
            cluster.stabilize(&sids)?
        }
        "propose" => {
            let (sid, payload) = (words.sid()?, words.word("a payload")?);
            vec![cluster.propose(sid, payload.into())?]
        }
        "sync" => {
            let (sid, body) = (words.sid()?, words.word("a body")?);
            let origin = if words.takes("for") { words.sid()? } else { sid };
            vec![cluster.sync(sid, origin, body.into())?]
        }
        "session" => {
            let (from, to) = words.pair("->")?;
            let message = words.session()?;
            vec![cluster.session(from, to, message)?]
        }
        _ => return Err("there is no such command".into()),
    };
    Ok(steps.iter().flat_map(text::step).collect())
}

/// Once, a number of times, or as long as there is something to do: once at least.
fn repeat(
    times: Option<u32>,
    cluster: &mut Cluster,
    ready: impl Fn(&Cluster) -> bool,
    mut once: impl FnMut(&mut Cluster) -> Outcome,
) -> Outcome<Vec<Step>> {
    let mut steps = vec![once(cluster)?];
    match times {
        Some(times) => {
            for _ in 1..times {
                steps.push(once(cluster)?);
            }
        }
        None => {
            while ready(cluster) {
                steps.push(once(cluster)?);
            }
        }
    }
    Ok(steps)
}

fn elect(words: &mut Words, cluster: &mut Cluster) -> Outcome<Vec<String>> {
    let leader = words.sid()?;
    let mut sids = vec![leader];
    if words.takes("with") {
        sids.extend(words.sids()?);
    }
    for &sid in &sids {
        if !cluster.server(sid)?.is_up() {
            cluster.start(sid)?;
        }
    }
    cluster.decree(leader, Decision::Lead)?;
    for &sid in &sids[1..] {
        cluster.decree(sid, Decision::Follow(leader))?;
    }
    cluster.stabilize(&sids)?;
    let established = |sid| cluster.server(sid).map(|server| server.machine.zab().established());
    let Some(epoch) = established(leader)? else {
        return Err(format!("server {} is not established", leader.0));
    };
    for &sid in &sids {
        if established(sid)? != Some(epoch) {
            return Err(format!("server {} is not up to date", sid.0));
        }
    }
    Ok(vec![format!("{} leads epoch {epoch}", leader.0)])
}

fn links(cluster: &Cluster) -> Vec<String> {
    let end = |open| if open { "" } else { " (closed)" };
    let mut lines = Vec::new();
    for ((learner, leader), conn) in &cluster.conns {
        let (a, b) = (learner.0, leader.0);
        let (a_end, b_end) = (end(conn.learner_open), end(conn.leader_open));
        for (from, to, queue) in [(a, b, &conn.to_leader), (b, a, &conn.to_learner)] {
            let messages: Vec<_> = queue.iter().map(|e| text::message(&e.message)).collect();
            if !messages.is_empty() {
                lines.push(format!("{from}->{to} {}", messages.join("; ")));
            }
        }
        lines.push(format!("{a}{a_end} - {b}{b_end}"));
    }
    lines
}

/// What is left of a command.
struct Words<'a>(std::collections::VecDeque<&'a str>);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.0.pop_front()
    }

    fn word(&mut self, what: &str) -> Outcome<&'a str> {
        self.next().ok_or_else(|| format!("{what} is missing"))
    }

    fn takes(&mut self, word: &str) -> bool {
        let there = self.0.front() == Some(&word);
        if there {
            self.next();
        }
        there
    }

    fn end(&mut self) -> Outcome<()> {
        self.next().map_or(Ok(()), |word| Err(format!("{word} is too much")))
    }

    fn number(&mut self) -> Outcome<u32> {
        let word = self.word("a number")?;
        word.parse().map_err(|_| format!("{word} is no number"))
    }

    fn sid(&mut self) -> Outcome<Sid> {
        sid(self.word("a server")?)
    }

    fn sids(&mut self) -> Outcome<Vec<Sid>> {
        let mut sids = Vec::new();
        while self.0.front().is_some_and(|word| word.parse::<u8>().is_ok()) {
            sids.push(self.sid()?);
        }
        Ok(sids)
    }

    fn pair(&mut self, between: &str) -> Outcome<(Sid, Sid)> {
        let word = self.word("a pair of servers")?;
        let (one, other) =
            word.split_once(between).ok_or_else(|| format!("{word} is no pair 1{between}2"))?;
        Ok((sid(one)?, sid(other)?))
    }

    /// How many times; `None` for all.
    fn times(&mut self) -> Outcome<Option<u32>> {
        if self.takes("all") {
            return Ok(None);
        }
        if self.0.is_empty() { Ok(Some(1)) } else { self.number().map(Some) }
    }

    fn timer(&mut self) -> Outcome<Timer> {
        let word = self.word("a timer")?;
        Ok(match word {
            "Resend" => Timer::Resend,
            "Finalize" => Timer::Finalize,
            "InitLimit" => Timer::InitLimit,
            "SyncLimit" => Timer::SyncLimit,
            "LearnerInitLimit" => Timer::LearnerInitLimit(self.of()?),
            "LearnerSyncLimit" => Timer::LearnerSyncLimit(self.of()?),
            "QuorumLoss" => Timer::QuorumLoss,
            "Ping" => Timer::Ping,
            _ => return Err(format!("there is no timer {word}")),
        })
    }

    fn of(&mut self) -> Outcome<Sid> {
        if self.takes("of") { self.sid() } else { Err("of whom?".into()) }
    }

    fn session(&mut self) -> Outcome<SessionMessage<P>> {
        let kind = self.word("a session message")?;
        let body = self.word("a body")?.into();
        Ok(match kind {
            "REQUEST" => SessionMessage::Request(body),
            "REVALIDATE" => SessionMessage::Revalidate(body),
            "SYNC" => SessionMessage::Sync(body),
            _ => return Err(format!("there is no session message {kind}")),
        })
    }

    fn zxid(&mut self) -> Outcome<Zxid> {
        let word = self.word("a zxid")?;
        let parts = word.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        let numbers = parts.and_then(|parts| parts.split_once(','));
        let zxid =
            numbers.and_then(|(e, c)| Some(Zxid::new(Epoch(e.parse().ok()?), c.parse().ok()?)));
        zxid.ok_or_else(|| format!("{word} is no zxid <e,c>"))
    }

    fn epoch(&mut self) -> Outcome<Epoch> {
        self.number().map(Epoch)
    }

    fn txn(&mut self) -> Outcome<Txn<P>> {
        Ok(Txn { zxid: self.zxid()?, payload: self.word("a payload")?.into() })
    }

    fn image(&mut self) -> Outcome<DiskImage<P>> {
        let mut image = DiskImage::empty();
        while let Some(word) = self.next() {
            match word {
                "accepted" => image.accepted = self.epoch()?,
                "current" => image.current = self.epoch()?,
                "history-lost" => image.history_lost = true,
                "log" => {
                    while !self.0.is_empty() {
                        image.log.push(self.txn()?);
                    }
                }
                other => return Err(format!("{other} is nothing that a disk holds")),
            }
        }
        Ok(image)
    }

    fn committed(&mut self) -> Outcome<Zxid> {
        if self.takes("committed") { self.zxid() } else { Err("what is committed?".into()) }
    }

    /// A message, written as the results write it.
    fn message(&mut self) -> Outcome<Message<P>> {
        let kind = self.word("a message")?;
        Ok(match kind {
            "FOLLOWERINFO" => {
                Message::LearnerInfo { kind: LearnerKind::Follower, accepted: self.epoch()? }
            }
            "OBSERVERINFO" => {
                Message::LearnerInfo { kind: LearnerKind::Observer, accepted: self.epoch()? }
            }
            "LEADERINFO" => Message::LeaderInfo { epoch: self.epoch()? },
            "ACKEPOCH" => {
                let current = if self.takes("-1") { None } else { Some(self.epoch()?) };
                Message::AckEpoch { current, last: self.zxid()? }
            }
            "DIFF" => Message::Diff { committed: self.committed()? },
            "TRUNC" => Message::Trunc { to: self.zxid()?, committed: self.committed()? },
            "SNAP" => Message::Snap { zxid: self.zxid()? },
            "NEWLEADER" => Message::NewLeader { epoch: self.epoch()? },
            "UPTODATE" => Message::UpToDate,
            "PROPOSAL" => Message::Proposal(self.txn()?),
            "ACK" if self.takes("NEWLEADER") => Message::AckNewLeader { epoch: self.epoch()? },
            "ACK" => Message::Ack { zxid: self.zxid()? },
            "COMMIT" => Message::Commit { zxid: self.zxid()? },
            "INFORM" => Message::Inform(self.txn()?),
            "PING" => Message::Ping { body: None },
            _ => {
                self.0.push_front(kind);
                Message::Session(self.session()?)
            }
        })
    }
}

fn sid(word: &str) -> Outcome<Sid> {
    word.parse().map(Sid).map_err(|_| format!("{word} is no number of a server"))
}
