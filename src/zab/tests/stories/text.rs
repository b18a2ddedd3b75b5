//! How stories write things.

use zab::{
    After, Decision, LearnerKind, LinkCmd, Message, Note, Notification, Record, Role, ServerState,
    SessionMessage, Sid, Txn, Vote, Zxid,
};

use crate::cluster::{Disk, Event, P, Server, Step};

/// Where lines are broken.
const WIDTH: usize = 100;

/// An event on one line, and on the next ones what the server did about it.
pub(crate) fn step(step: &Step) -> Vec<String> {
    let Step { at, event: what, out } = step;
    let at = at.0;
    let mut lines = vec![event(at, what)];
    let mut parts: Vec<String> = Vec::new();
    parts.extend(out.notes.iter().map(note));
    if let Some(zxid) = out.install {
        parts.push(format!("install snapshot {zxid:?}"));
    }
    parts.extend(out.writes.iter().map(|(no, what)| format!("write {} {}", no.0, record(what))));
    if !out.deliver.is_empty() {
        parts.push(format!("deliver {}", txns(&out.deliver)));
    }
    for send in &out.sends {
        let gate = match send.after {
            After::Now => String::new(),
            After::Durable(no) => format!(" after {}", no.0),
        };
        parts.push(format!("to {} {}{gate}", send.to.0, message(&send.message)));
    }
    parts.extend(votes(&out.notifications));
    parts.extend(out.links.iter().map(|cmd| match cmd {
        LinkCmd::Connect(peer) => format!("dial {}", peer.0),
        LinkCmd::Close(peer) => format!("close {}", peer.0),
    }));
    parts
        .extend(out.session.iter().map(|(from, m)| format!("session {} from {}", said(m), from.0)));
    parts.extend(out.synced.iter().map(|body| format!("synced {body}")));
    parts.extend(out.halt.map(|halt| format!("HALT {halt:?}")));
    if let Event::Disk(..) = what
        && parts == ["Durable"]
    {
        return lines;
    }
    let (mut line, indent) = (format!("{at}:"), "     ");
    for (index, part) in parts.iter().enumerate() {
        let end = if index + 1 < parts.len() { ";" } else { "" };
        if line.len() + part.len() + 6 > WIDTH && line.len() > indent.len() {
            lines.push(std::mem::replace(&mut line, indent.trim_end_matches(' ').into()));
            line.push_str(&indent[1..]);
        }
        line += &format!(" {part}{end}");
    }
    lines.push(line);
    lines
}

fn event(at: u8, event: &Event) -> String {
    match event {
        Event::Start => format!("{at} starts"),
        Event::Decree(Decision::Lead) => format!("{at} is to lead"),
        Event::Decree(Decision::Follow(leader)) => format!("{at} is to follow {}", leader.0),
        Event::Vote(from, n) => format!("{at} <- {} {}", from.0, notification(n)),
        Event::Message(from, m) => format!("{at} <- {} {}", from.0, message(m)),
        Event::LinkUp(peer) => format!("{at} has a link to {}", peer.0),
        Event::LinkDown(peer) => format!("{at} has lost the link to {}", peer.0),
        Event::Timer(timer) => format!("{at} {timer:?} runs out"),
        Event::Disk(no, what) => format!("{at} disk {} {}", no.0, record(what)),
        Event::Propose(payload) => format!("{at} is asked for {payload}"),
        Event::Sync(origin, body) => format!("{at} is asked for sync {body} of {}", origin.0),
        Event::Session(to) => format!("{at} has a session message for {}", to.0),
        Event::Resign => format!("{at} is told to resign"),
        Event::Injected => format!("{at} is given something"),
    }
}

fn note(note: &Note) -> String {
    match note {
        Note::Action(action) => format!("{action:?}"),
        Note::Role(role, _) => self::role(*role),
        Note::Established(epoch) => format!("ESTABLISHED {epoch}"),
        Note::Refused(peer, why) => format!("refuse {}: {why:?}", peer.0),
        Note::Ignored(why) => format!("ignored: {why:?}"),
    }
}

pub(crate) fn role(role: Role) -> String {
    match role {
        Role::Down => "DOWN".into(),
        Role::Looking => "LOOKING".into(),
        Role::Following(leader) => format!("FOLLOWING {}", leader.0),
        Role::Observing(leader) => format!("OBSERVING {}", leader.0),
        Role::Leading => "LEADING".into(),
    }
}

pub(crate) fn record(record: &Record<P>) -> String {
    match record {
        Record::Txn(txn) => format!("txn {}", self::txn(txn)),
        Record::Truncate { to } => format!("truncate {to:?}"),
        Record::Snapshot { zxid } => format!("snapshot {zxid:?}"),
        Record::AcceptedEpoch(epoch) => format!("acceptedEpoch {epoch}"),
        Record::CurrentEpoch(epoch) => format!("currentEpoch {epoch}"),
    }
}

pub(crate) fn txn(txn: &Txn<P>) -> String {
    format!("{:?} {}", txn.zxid, txn.payload)
}

fn txns(txns: &[Txn<P>]) -> String {
    txns.iter().map(txn).collect::<Vec<_>>().join(", ")
}

fn vote(vote: &Vote) -> String {
    format!("for {} (epoch {}, {:?})", vote.leader.0, vote.peer_epoch, vote.zxid)
}

fn notification(n: &Notification) -> String {
    let state = match n.state {
        ServerState::Looking => "LOOKING",
        ServerState::Following => "FOLLOWING",
        ServerState::Leading => "LEADING",
        ServerState::Observing => "OBSERVING",
    };
    let vote = n.vote.as_ref().map_or_else(|| "for nobody".into(), vote);
    format!("{state} {vote} round {}", n.round)
}

/// Election messages, those with the same words together.
fn votes(notifications: &[(Sid, Notification)]) -> Vec<String> {
    let mut parts: Vec<(String, Notification)> = Vec::new();
    for (to, n) in notifications {
        match parts.last_mut() {
            Some((sids, last)) if last == n => *sids += &format!(" {}", to.0),
            Some(_) | None => parts.push((to.0.to_string(), *n)),
        }
    }
    parts.iter().map(|(sids, n)| format!("tell {sids} {}", notification(n))).collect()
}

fn said(message: &SessionMessage<P>) -> String {
    match message {
        SessionMessage::Request(body) => format!("REQUEST {body}"),
        SessionMessage::Revalidate(body) => format!("REVALIDATE {body}"),
        SessionMessage::Sync(body) => format!("SYNC {body}"),
    }
}

pub(crate) fn message(message: &Message<P>) -> String {
    match message {
        Message::LearnerInfo { kind: LearnerKind::Follower, accepted } => {
            format!("FOLLOWERINFO {accepted}")
        }
        Message::LearnerInfo { kind: LearnerKind::Observer, accepted } => {
            format!("OBSERVERINFO {accepted}")
        }
        Message::LeaderInfo { epoch } => format!("LEADERINFO {epoch}"),
        Message::AckEpoch { current: Some(current), last } => {
            format!("ACKEPOCH {current} {last:?}")
        }
        Message::AckEpoch { current: None, last } => format!("ACKEPOCH -1 {last:?}"),
        Message::Diff { committed } => format!("DIFF committed {committed:?}"),
        Message::Trunc { to, committed } => format!("TRUNC {to:?} committed {committed:?}"),
        Message::Snap { zxid } => format!("SNAP {zxid:?}"),
        Message::NewLeader { epoch } => format!("NEWLEADER {epoch}"),
        Message::AckNewLeader { epoch } => format!("ACK NEWLEADER {epoch}"),
        Message::UpToDate => "UPTODATE".into(),
        Message::Proposal(txn) => format!("PROPOSAL {}", self::txn(txn)),
        Message::Ack { zxid } => format!("ACK {zxid:?}"),
        Message::Commit { zxid } => format!("COMMIT {zxid:?}"),
        Message::Inform(txn) => format!("INFORM {}", self::txn(txn)),
        Message::Ping { .. } => "PING".into(),
        Message::Session(message) => said(message),
    }
}

/// A server on one line: role, disk, what is on its way there, and the state machine.
pub(crate) fn server(sid: Sid, server: &Server) -> String {
    let zab = server.machine.zab();
    let role = match (zab.role(), zab.established()) {
        (role @ (Role::Following(_) | Role::Observing(_) | Role::Leading), None) => {
            format!("{}, not yet established", self::role(role))
        }
        (role @ (Role::Following(_) | Role::Observing(_) | Role::Leading), Some(epoch)) => {
            format!("{} in epoch {epoch}", self::role(role))
        }
        (role @ (Role::Down | Role::Looking), _) => self::role(role),
    };
    let applied = if zab.role() == Role::Down {
        String::new()
    } else {
        format!(" | applied {}", or_nothing(payloads(&server.applied)))
    };
    format!("{} {role} | {}{applied}", sid.0, disk(&server.disk))
}

fn disk(disk: &Disk) -> String {
    let image = &disk.image;
    let mut text = format!("accepted {}, current {}, ", image.accepted, image.current);
    if image.snapshot != Zxid::ZERO {
        text +=
            &format!("snapshot {:?} of {}, ", image.snapshot, or_nothing(payloads(&disk.snapshot)));
    }
    text += &format!("log {}", or_nothing(txns(&image.log)));
    if !disk.pending.is_empty() {
        let pending: Vec<_> = disk.pending.iter().map(|write| record(&write.record)).collect();
        text += &format!(" / unwritten {}", pending.join(", "));
    }
    text
}

fn payloads(txns: &[Txn<P>]) -> String {
    txns.iter().map(|txn| txn.payload.as_str()).collect::<Vec<_>>().join(" ")
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "nothing".into() } else { text }
}
