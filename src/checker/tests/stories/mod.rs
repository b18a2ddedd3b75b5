//! Stories for the tests of the renderers.

use checker::{Arrow, Bounds, Fate, Step, StepKind, Story};

/// A message.
pub(crate) fn arrow(from: &str, to: &str, label: &str, fate: Fate, until: Option<usize>) -> Arrow {
    Arrow { from: from.into(), to: to.into(), label: label.into(), fate, until }
}

/// A delivered message.
fn got(from: &str, to: &str, label: &str) -> Arrow {
    arrow(from, to, label, Fate::Delivered, None)
}

struct Told(Vec<Step>);

impl Told {
    fn step(&mut self, kind: StepKind, actor: &str, action: &str, text: &str) -> &mut Step {
        self.0.push(Step {
            number: self.0.len() + 1,
            actor: actor.into(),
            kind,
            action: action.into(),
            text: text.into(),
            received: None,
            sent: vec![],
            memory: vec![],
            disk: vec![],
        });
        self.0.last_mut().expect("just pushed")
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// A leader acknowledges before its disk has the transaction, and a crash forgets it: 12 steps,
/// three servers, one of which does nothing.
pub(crate) fn acknowledged_too_early() -> Story {
    let mut told = Told(vec![]);
    let step = told.step(StepKind::Protocol, "s1", "LeaderPropose", "s1 proposes 1.1 = A");
    step.sent = vec![
        got("s1", "s2", "PROPOSAL 1.1"),
        arrow("s1", "s3", "PROPOSAL 1.1", Fate::Lost, Some(9)),
    ];
    step.memory = texts(["outstanding: {} -> {1.1}"]);
    step.disk = texts(["issued #4 txn 1.1"]);
    let step = told.step(
        StepKind::Protocol,
        "s2",
        "LearnerProcessProposal",
        "s2 logs 1.1 and acknowledges it at once",
    );
    step.received = Some(got("s1", "s2", "PROPOSAL 1.1"));
    step.sent = vec![got("s2", "s1", "ACK 1.1")];
    step.memory = texts(["last logged: 1.0 -> 1.1"]);
    step.disk = texts(["issued #3 txn 1.1"]);
    let step = told.step(StepKind::Disk, "s1", "Durable", "the disk of s1 makes 1.1 durable");
    step.disk = texts(["durable #4"]);
    let step = told.step(
        StepKind::Protocol,
        "s1",
        "LeaderProcessAck + LeaderCommit",
        "s1 counts s2 and commits 1.1",
    );
    step.received = Some(got("s2", "s1", "ACK 1.1"));
    step.sent =
        vec![got("s1", "s2", "COMMIT 1.1"), arrow("s1", "s3", "COMMIT 1.1", Fate::Lost, Some(9))];
    step.memory = texts(["acks 1.1: {s1} -> {s1, s2}", "delivered: [] -> [1.1]"]);
    let step = told.step(StepKind::Protocol, "s2", "LearnerProcessCommit", "s2 delivers 1.1");
    step.received = Some(got("s1", "s2", "COMMIT 1.1"));
    step.memory = texts(["delivered: [] -> [1.1]"]);
    let step =
        told.step(StepKind::Crash, "s2", "Crash", "s2 crashes; its disk keeps the durable prefix");
    step.memory = texts(["all gone"]);
    step.disk = texts(["gone #3 txn 1.1"]);
    let step = told.step(StepKind::Restart, "s2", "Start", "s2 starts from its disk");
    step.memory = texts(["role: down -> Looking", "history: [1.0]"]);
    let step =
        told.step(StepKind::Timeout, "s3", "LearnerLeave", "s3 gives up waiting for its leader");
    step.memory = texts(["role: Following s1 -> Looking"]);
    let step = told.step(
        StepKind::Link,
        "s3",
        "LinkDown",
        "s3 closes its link to s1; what was on its way is lost",
    );
    step.memory = texts(["link s1: up -> down"]);
    let step =
        told.step(StepKind::Protocol, "s3", "BecomeLeading", "s3 is elected by s2 and itself");
    step.memory = texts(["role: Looking -> Leading"]);
    let step =
        told.step(StepKind::Protocol, "s2", "BecomeLearner + LearnerSendInfo", "s2 follows s3");
    step.sent = vec![arrow("s2", "s3", "FOLLOWERINFO 1", Fate::InFlight, None)];
    let step = told.step(
        StepKind::Protocol,
        "s3",
        "LeaderEstablished",
        "s3 is established in epoch 2 without 1.1",
    );
    step.memory = texts(["epoch: 1 -> 2", "history: [1.0]"]);
    step.disk = texts(["issued #5 currentEpoch 2", "issued #6 snapshot"]);
    Story {
        model: "Q1".into(),
        bounds: Bounds::new([("servers", 3), ("txns", 1), ("leaderships", 2), ("crashes", 1), ("timeouts", 1)]),
        property: "Z4".into(),
        property_sentence: "What a quorum has chosen in an epoch is part of the initial history of every later epoch.".into(),
        property_source: "Junqueira, Reed, Serafini 2011, Claim 6; the core lemma of the paper".into(),
        facts: [
            "1.1 = A was chosen in epoch 1: acknowledged by {s1, s2}, delivered by s1 and s2".into(),
            "the initial history of epoch 2, established by s3, is [1.0]: 1.1 is not in it".into(),
        ],
        servers: ["s1", "s2", "s3"].map(str::to_owned).to_vec(),
        steps: told.0,
        faults_stop_after: None,
        loop_after: None,
    }
}

/// A long story for looking at the layout: `steps` steps of `servers` servers that send and receive
/// as chance (with a fixed seed) has it.
pub(crate) fn busy(servers: usize, steps: usize) -> Story {
    let mut seed = 12u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    let name = |at: usize| format!("s{}", at + 1);
    let mut waiting: Vec<Vec<Arrow>> = vec![vec![]; servers];
    let mut up = vec![true; servers];
    let mut told = Told(vec![]);
    let mut story = acknowledged_too_early();
    while told.0.len() < steps {
        let at = random(servers);
        let me = name(at);
        if !up[at] {
            told.step(StepKind::Restart, &me, "Start", "starts from its disk");
            up[at] = true;
            continue;
        }
        let chance = random(100);
        if chance < 9 {
            told.step(StepKind::Crash, &me, "Crash", "crashes");
            let now = told.0.len();
            for lost in waiting[at].drain(..) {
                let mut sent = told.0.iter_mut().flat_map(|step| &mut step.sent);
                let found = sent.find(|one| **one == lost && one.until.is_none());
                let found = found.expect("sent");
                (found.fate, found.until) = (Fate::Lost, Some(now));
            }
            up[at] = false;
        } else if chance < 20 {
            let step = told.step(StepKind::Disk, &me, "Durable", "makes a record durable");
            step.disk = vec![format!("durable #{}", random(9))];
        } else if chance < 25 {
            let step = told.step(StepKind::Timeout, &me, "LeaderStepDown", "gives up");
            step.memory = texts(["role: Leading -> Looking"]);
        } else if !waiting[at].is_empty() {
            let message = waiting[at].remove(0);
            let answer =
                arrow(&me, &message.from, &format!("ACK 1.{}", random(9)), Fate::InFlight, None);
            let to: usize = message.from[1..].parse().expect("a number");
            let step = told.step(
                StepKind::Protocol,
                &me,
                "LearnerProcessProposal",
                "logs and acknowledges",
            );
            step.received = Some(message);
            if up[to - 1] && random(3) > 0 {
                step.sent.push(answer.clone());
                waiting[to - 1].push(answer);
                step.disk = texts(["issued #4 txn 1.1"]);
            }
        } else {
            let label = format!("PROPOSAL 1.{}", random(9));
            let step = told.step(StepKind::Protocol, &me, "LeaderPropose", "proposes");
            step.memory = texts(["outstanding: {} -> {1.1}"]);
            for to in (0..servers).filter(|to| *to != at && up[*to]) {
                let message = arrow(&me, &name(to), &label, Fate::InFlight, None);
                step.sent.push(message.clone());
                waiting[to].push(message);
            }
        }
    }
    story.bounds = Bounds::new([("servers", servers as u64), ("txns", 2)]);
    story.servers = (0..servers).map(name).collect();
    story.steps = told.0;
    story
}
