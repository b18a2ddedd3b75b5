//! Counterexamples of the election as people read them.

use zab::{Notification, ServerState, Sid, Timer, Vote};

use super::Ensemble;
use super::action::Act;
use super::node::{Event, Node, Standing};
use checker::{Arrow, Bounds, Entry, Fate, PropertyInfo, Step, StepKind, Story, Walk};

/// Where the messages on their way were sent: step and place among what the step sent.
type Flight = Option<(usize, usize)>;

/// Sent before the story began.
const BEFORE: (usize, usize) = (usize::MAX, 0);

/// Tells a walk. The entries are those that were walked.
pub(super) fn story(
    ensemble: &Ensemble,
    model: &str,
    bounds: &Bounds,
    property: &PropertyInfo,
    entries: &[Entry<Act>],
    walk: &Walk<Act>,
) -> Story {
    let mut teller = Teller::new(ensemble, &walk.strides[0].words);
    for pair in walk.strides.windows(2) {
        if let Some(act) = pair[1].act {
            teller.tell(act, &pair[0].words, &pair[1].words);
        }
    }
    let last = &walk.strides[walk.strides.len() - 1].words;
    let (faults_stop_after, loop_after) = Entry::marks(entries);
    Story {
        model: model.to_owned(),
        bounds: bounds.clone(),
        property: property.name.to_owned(),
        property_sentence: property.sentence.to_owned(),
        property_source: property.source.to_owned(),
        facts: facts(ensemble, entries, walk, &walk.strides[0].words, last),
        servers: ensemble.servers().iter().map(|config| config.me.to_string()).collect(),
        steps: teller.steps,
        faults_stop_after,
        loop_after,
    }
}

fn facts(
    ensemble: &Ensemble,
    entries: &[Entry<Act>],
    walk: &Walk<Act>,
    first: &[u32],
    last: &[u32],
) -> [String; 2] {
    let all = |words: &[u32]| {
        let nodes = (0..ensemble.servers().len()).map(|at| ensemble.node(words, at));
        let tell = |(config, node): (&zab::Config, &Node)| {
            format!("{} {}", config.me, standing(node.standing))
        };
        ensemble.servers().iter().zip(nodes).map(tell).collect::<Vec<_>>().join(", ")
    };
    let own = |at: usize| {
        let own = ensemble.node(first, at).own;
        format!("s{} has epoch {} and {:?}", at + 1, own.current, own.last)
    };
    let owns: Vec<_> = (0..ensemble.servers().len()).map(own).collect();
    let end = match entries.iter().position(|entry| *entry == Entry::ForEver) {
        Some(at) => format!(
            "the last {} steps repeat themselves for ever, and no leader is established with all attached",
            entries.len() - at - 1
        ),
        None if walk.never_ends => "nothing more can happen within the cap on rounds".to_owned(),
        None => format!("in the end {}", all(last)),
    };
    [format!("at the beginning {}", owns.join(", ")), end]
}

struct Teller<'a> {
    ensemble: &'a Ensemble,
    steps: Vec<Step>,
    /// Per ordered pair of servers: what is on the wire, and behind it.
    flights: Vec<[Flight; 2]>,
}

impl<'a> Teller<'a> {
    fn new(ensemble: &'a Ensemble, first: &[u32]) -> Self {
        let n = ensemble.servers().len();
        let mut flights = vec![[None; 2]; n * n];
        for from in 0..n {
            for to in (0..n).filter(|&to| to != from) {
                // Sent before the story begins: nothing to draw, but it takes its place.
                let on_wire = ensemble.line(first, from, to).wire.is_some();
                flights[from * n + to][0] = on_wire.then_some(BEFORE);
            }
        }
        Self { ensemble, steps: Vec::new(), flights }
    }

    fn tell(&mut self, act: Act, before: &[u32], after: &[u32]) {
        let (me, number) = (act.actor(), self.steps.len() + 1);
        let at = usize::from(me.0) - 1;
        let node = self.ensemble.node(before, at);
        let received = match act {
            Act::ReadNotification(_, from) => {
                let line = self.ensemble.line(before, usize::from(from.0) - 1, at);
                line.wire.map(|n| (from, n))
            }
            Act::Resend(_)
            | Act::Finalize(_)
            | Act::GiveUp(_)
            | Act::Crash(_)
            | Act::Start(_)
            | Act::Establish(_)
            | Act::UpToDate(_)
            | Act::Connect(..)
            | Act::Break(..) => None,
        };
        let event = match act {
            Act::ReadNotification(..) => received.map(|(from, n)| Event::Notify(from, n)),
            Act::Resend(_) => Some(Event::Timer(Timer::Resend)),
            Act::Finalize(_) => Some(Event::Timer(Timer::Finalize)),
            Act::GiveUp(_) => Some(Event::Look),
            Act::Crash(_) | Act::Start(_) => Some(Event::Start),
            Act::Connect(_, peer) => Some(Event::Opens(peer)),
            Act::Establish(_) | Act::UpToDate(_) | Act::Break(..) => None,
        };
        let effects = event.and_then(|event| node.on(&self.ensemble.servers()[at], event));
        let sent = effects.map(|(_, effects)| effects.notifications).unwrap_or_default();

        match act {
            Act::ReadNotification(_, from) => self.arrive(from, me, number),
            Act::Crash(_) => self.lose(me, number),
            Act::Break(_, to) => self.lose_line(me, to, number),
            Act::Resend(_)
            | Act::Finalize(_)
            | Act::GiveUp(_)
            | Act::Start(_)
            | Act::Establish(_)
            | Act::UpToDate(_)
            | Act::Connect(..) => {}
        }
        let arrow = |from: Sid, to: Sid, n: &Notification, fate: Fate| Arrow {
            from: from.to_string(),
            to: to.to_string(),
            label: label(n),
            fate,
            until: None,
        };
        let kind = match act {
            Act::Crash(_) => StepKind::Crash,
            Act::Connect(..) | Act::Break(..) => StepKind::Link,
            Act::Start(_) => StepKind::Restart,
            Act::Resend(_) | Act::Finalize(_) | Act::GiveUp(_) => StepKind::Timeout,
            Act::ReadNotification(..) | Act::Establish(_) | Act::UpToDate(_) => StepKind::Protocol,
        };
        let received = received
            .map(|(from, n)| Arrow { until: Some(number), ..arrow(from, me, &n, Fate::Delivered) });
        self.steps.push(Step {
            number,
            actor: me.to_string(),
            kind,
            action: Act::NAMES[act.kind()].to_owned(),
            text: text(act),
            received,
            sent: Vec::new(),
            memory: changes(node, self.ensemble.node(after, at)),
            disk: Vec::new(),
        });
        let disks = (0..self.ensemble.servers().len()).filter_map(|at| {
            let (old, new) =
                (self.ensemble.node(before, at).own, self.ensemble.node(after, at).own);
            let sid = self.ensemble.servers()[at].me;
            (old != new).then(|| format!("{sid}: epoch {}, {:?}", new.current, new.last))
        });
        let disks: Vec<_> = disks.collect();
        let step = self.steps.len() - 1;
        self.steps[step].disk = disks;
        for (to, n) in sent {
            let up = self.ensemble.line(after, at, usize::from(to.0) - 1).up;
            let fate = if up { Fate::InFlight } else { Fate::Lost };
            self.steps[step].sent.push(arrow(me, to, &n, fate));
            if up {
                let place = self.steps[step].sent.len() - 1;
                self.send(me, to, (step, place), number);
            }
        }
    }

    fn flight(&mut self, from: Sid, to: Sid) -> &mut [Flight; 2] {
        let n = self.ensemble.servers().len();
        &mut self.flights[(usize::from(from.0) - 1) * n + usize::from(to.0) - 1]
    }

    /// As [`super::line::Line`] does it.
    fn send(&mut self, from: Sid, to: Sid, what: (usize, usize), number: usize) {
        let [wire, next] = *self.flight(from, to);
        match (wire, next) {
            (None, _) => *self.flight(from, to) = [Some(what), None],
            (Some(on_wire), None) if self.label_of(on_wire) == self.label_of(what) => {
                self.end(Some(what), Fate::Lost, number);
            }
            (Some(_), old) => {
                self.end(old, Fate::Lost, number);
                *self.flight(from, to) = [wire, Some(what)];
            }
        }
    }

    fn arrive(&mut self, from: Sid, to: Sid, number: usize) {
        let [wire, next] = *self.flight(from, to);
        self.end(wire, Fate::Delivered, number);
        *self.flight(from, to) = [next, None];
    }

    fn lose(&mut self, crashed: Sid, number: usize) {
        let sids: Vec<Sid> = self.ensemble.servers().iter().map(|config| config.me).collect();
        for other in sids.into_iter().filter(|&other| other != crashed) {
            let [wire, next] = *self.flight(crashed, other);
            self.end(next, Fate::Lost, number);
            *self.flight(crashed, other) = [wire, None];
            self.lose_line(other, crashed, number);
        }
    }

    fn lose_line(&mut self, from: Sid, to: Sid, number: usize) {
        for flight in std::mem::take(self.flight(from, to)) {
            self.end(flight, Fate::Lost, number);
        }
    }

    fn end(&mut self, flight: Flight, fate: Fate, number: usize) {
        if let Some((step, place)) = flight.filter(|sent| *sent != BEFORE) {
            let arrow = &mut self.steps[step].sent[place];
            (arrow.fate, arrow.until) = (fate, Some(number));
        }
    }

    fn label_of(&self, (step, place): (usize, usize)) -> &str {
        self.steps.get(step).map_or("", |step| &step.sent[place].label)
    }
}

fn text(act: Act) -> String {
    match act {
        Act::ReadNotification(a, b) => format!("{a} reads what {b} says"),
        Act::Resend(a) => format!("{a} says its vote again"),
        Act::Finalize(a) => format!("{a} has waited long enough for a better vote, and decides"),
        Act::GiveUp(a) => format!("{a} gives up and looks again"),
        Act::Crash(a) => format!("{a} crashes and starts again"),
        Act::Start(a) => format!("{a} starts"),
        Act::Establish(a) => format!("{a} is established: a quorum has accepted it"),
        Act::UpToDate(a) => format!("{a} is up to date with its leader"),
        Act::Connect(a, b) => format!("{a} has a connection to {b} again"),
        Act::Break(a, b) => format!("the connection of {a} to {b} breaks"),
    }
}

fn label(n: &Notification) -> String {
    let state = match n.state {
        ServerState::Looking => "LOOKING",
        ServerState::Following => "FOLLOWING",
        ServerState::Leading => "LEADING",
        ServerState::Observing => "OBSERVING",
    };
    format!("{state} round {}, vote {}", n.round, vote(n.vote))
}

fn vote(vote: Option<Vote>) -> String {
    vote.map_or("none".to_owned(), |vote| {
        format!("{} (epoch {}, {:?})", vote.leader, vote.peer_epoch, vote.zxid)
    })
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::Down => "is down".to_owned(),
        Standing::Looking => "looks".to_owned(),
        Standing::Leading(None) => "leads, not yet established".to_owned(),
        Standing::Leading(Some(epoch)) => format!("leads epoch {epoch}"),
        Standing::Following(leader, None) => format!("follows {leader}, not yet up to date"),
        Standing::Following(leader, Some(epoch)) => format!("follows {leader} in epoch {epoch}"),
    }
}

/// What changed in a server's memory.
fn changes(before: &Node, after: &Node) -> Vec<String> {
    let mut changes = Vec::new();
    let mut note = |what: &str, old: String, new: String| {
        if old != new {
            changes.push(format!("{what}: {old} -> {new}"));
        }
    };
    note("role", standing(before.standing), standing(after.standing));
    note("round", before.election().round().to_string(), after.election().round().to_string());
    note("vote", vote(before.election().vote()), vote(after.election().vote()));
    let wait = |node: &Node| if node.finalize { "runs" } else { "off" }.to_owned();
    note("wait for a better vote", wait(before), wait(after));
    changes
}
