//! A counterexample as people tell it: who did what, and what changed.

use super::Bounds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Still on its way when the story ends.
    InFlight,
    /// Taken in by its receiver.
    Delivered,
    /// Gone: its link broke, an end crashed, or a newer message took its place.
    Lost,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrow {
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// Kind and the numbers that matter (`PROPOSAL 1.2`).
    pub label: String,
    /// What became of it.
    pub fate: Fate,
    /// The step at which it was delivered or lost, where known. A delivered message without it is
    /// matched to the first later step that received one of the same sender, receiver and label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<usize>,
}

/// What sort of thing a step is: decides how it is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    /// The protocol moves.
    #[default]
    Protocol,
    /// A server loses its memory and what is not durable.
    Crash,
    /// A server starts from its disk.
    Restart,
    /// A disk makes something durable.
    Disk,
    /// A timer fires.
    Timeout,
    /// A link opens, breaks, or is noticed to be broken.
    Link,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// From 1, without gaps.
    pub number: usize,
    /// Who acts (`s1`).
    pub actor: String,
    /// What sort of step it is.
    #[serde(default)]
    pub kind: StepKind,
    /// Name of the protocol action, or several with ` + ` between.
    pub action: String,
    /// One line: who did what.
    pub text: String,
    /// The message taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Arrow>,
    /// The messages put on their way.
    #[serde(default)]
    pub sent: Vec<Arrow>,
    /// What changed in memory, one change an entry.
    #[serde(default)]
    pub memory: Vec<String>,
    /// What changed on disk: issued, durable, gone.
    #[serde(default)]
    pub disk: Vec<String>,
}

/// A counterexample from the initial state to the state that contradicts the property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// The model.
    pub model: String,
    /// The bounds of the run.
    pub bounds: Bounds,
    /// The property violated.
    pub property: String,
    /// Its claim.
    pub property_sentence: String,
    /// Where it comes from.
    pub property_source: String,
    /// The two facts about the last state that contradict each other.
    pub facts: [String; 2],
    /// All servers from left to right, those that never act included. Others that act follow.
    #[serde(default)]
    pub servers: Vec<String>,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// How many steps come before the faults stop, in a run that is told for its liveness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults_stop_after: Option<usize>,
    /// How many steps come before those that repeat themselves for ever: these are all that follow,
    /// and they end where they begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_after: Option<usize>,
}

/// A place between steps that has a meaning for the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// From here on there are no more faults.
    FaultsStop,
    /// From here to the end the steps are repeated for ever.
    LoopBegins,
    /// Here the run is where it was at [`Mark::LoopBegins`].
    LoopEnds,
}

/// A message with both ends found: indices into [`Story::steps`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight<'a> {
    /// The message.
    pub arrow: &'a Arrow,
    /// Index of the step that sent it; `None` if it was on its way before the story began.
    pub sent_at: Option<usize>,
    /// Index of the step at which it was delivered or lost; `None` if in flight or not known.
    pub until: Option<usize>,
    /// What became of it.
    pub fate: Fate,
}

impl Story {
    /// Everybody who appears, in the order in which lifelines are drawn: the listed servers first.
    pub fn lifelines(&self) -> Vec<&str> {
        let mut others: Vec<&str> = Vec::new();
        for step in &self.steps {
            let arrows = step.sent.iter().chain(&step.received);
            let ends = arrows.flat_map(|arrow| [arrow.from.as_str(), arrow.to.as_str()]);
            for name in std::iter::once(step.actor.as_str()).chain(ends) {
                if !others.contains(&name) && !self.servers.iter().any(|known| known == name) {
                    others.push(name);
                }
            }
        }
        others.sort_by_key(|name| natural_key(name));
        let listed = self.servers.iter().map(String::as_str);
        listed.chain(others).collect()
    }

    /// The marks before the step with this index; that of the number of steps is the end.
    pub fn marks_before(&self, at: usize) -> Vec<Mark> {
        let end = self.loop_after.filter(|_| at == self.steps.len());
        let marks = [
            (self.faults_stop_after == Some(at), Mark::FaultsStop),
            (self.loop_after == Some(at) && at < self.steps.len(), Mark::LoopBegins),
            (end.is_some(), Mark::LoopEnds),
        ];
        marks.into_iter().filter(|(here, _)| *here).map(|(_, mark)| mark).collect()
    }

    /// What a mark says, for people.
    pub fn mark_text(&self, mark: Mark) -> String {
        let steps = self.loop_after.map(|after| (after + 1, self.steps.len()));
        let repeated = match steps {
            Some((first, last)) if first >= last => format!("step {last} repeats itself"),
            Some((first, last)) => format!("steps {first} to {last} repeat themselves"),
            None => String::new(),
        };
        match mark {
            Mark::FaultsStop => "faults stop here".to_owned(),
            Mark::LoopBegins => format!("the loop begins: {repeated} for ever"),
            Mark::LoopEnds => format!(
                "the loop ends: everything is as it was before step {}",
                steps.map_or(0, |(first, _)| first)
            ),
        }
    }

    /// Every message with the steps at which it left and ended, ordered by when it left.
    pub fn flights(&self) -> Vec<Flight<'_>> {
        let numbers = self.steps.iter().enumerate();
        let index: BTreeMap<usize, usize> = numbers.map(|(at, step)| (step.number, at)).collect();
        let mut flights: Vec<Flight<'_>> = Vec::new();
        let mut taken: Vec<bool> = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            if let Some(received) = &step.received {
                match matching(&flights, &taken, received, at) {
                    Some(found) => {
                        flights[found].until = Some(at);
                        flights[found].fate = Fate::Delivered;
                        taken[found] = true;
                    }
                    None => {
                        let fate = Fate::Delivered;
                        flights.push(Flight {
                            arrow: received,
                            sent_at: None,
                            until: Some(at),
                            fate,
                        });
                        taken.push(true);
                    }
                }
            }
            for arrow in &step.sent {
                let until = arrow.until.and_then(|number| index.get(&number).copied());
                flights.push(Flight { arrow, sent_at: Some(at), until, fate: arrow.fate });
                taken.push(false);
            }
        }
        flights
    }
}

/// The flight that the step at `at` received: one that says so, else the oldest that is open.
fn matching(flights: &[Flight<'_>], taken: &[bool], received: &Arrow, at: usize) -> Option<usize> {
    let candidate = |place: &usize| {
        let arrow = flights[*place].arrow;
        !taken[*place]
            && arrow.fate != Fate::Lost
            && (&arrow.from, &arrow.to, &arrow.label)
                == (&received.from, &received.to, &received.label)
    };
    let exact = |place: &usize| candidate(place) && flights[*place].until == Some(at);
    let open = |place: &usize| candidate(place) && flights[*place].until.is_none();
    let all = 0..flights.len();
    all.clone().find(exact).or_else(|| all.clone().find(open))
}

/// Sorts `s2` before `s10`.
fn natural_key(name: &str) -> (String, u64, String) {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let prefix = name[..name.len() - digits.len()].to_owned();
    (prefix, digits.parse().unwrap_or(0), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow(label: &str, fate: Fate) -> Arrow {
        Arrow { from: "s1".into(), to: "s10".into(), label: label.into(), fate, until: None }
    }

    fn step(number: usize, actor: &str, received: Option<Arrow>, sent: Vec<Arrow>) -> Step {
        Step {
            number,
            actor: actor.into(),
            kind: StepKind::Protocol,
            action: "A".into(),
            text: String::new(),
            received,
            sent,
            memory: vec![],
            disk: vec![],
        }
    }

    fn story(steps: Vec<Step>) -> Story {
        Story {
            model: "m".into(),
            bounds: Bounds::default(),
            property: "p".into(),
            property_sentence: String::new(),
            property_source: String::new(),
            facts: [String::new(), String::new()],
            servers: vec!["s2".into()],
            steps,
            faults_stop_after: None,
            loop_after: None,
        }
    }

    #[test]
    fn marks_stand_between_the_steps() {
        let steps = (1..=4).map(|number| step(number, "s1", None, vec![])).collect();
        let mut told = story(steps);
        let marks = |told: &Story| (0..=4).map(|at| told.marks_before(at)).collect::<Vec<_>>();
        assert!(marks(&told).iter().all(Vec::is_empty), "a run of safety has none");
        (told.faults_stop_after, told.loop_after) = (Some(1), Some(2));
        let expected =
            [vec![], vec![Mark::FaultsStop], vec![Mark::LoopBegins], vec![], vec![Mark::LoopEnds]];
        assert_eq!(marks(&told), expected);
        assert_eq!(
            told.mark_text(Mark::LoopBegins),
            "the loop begins: steps 3 to 4 repeat themselves for ever"
        );
        assert_eq!(
            told.mark_text(Mark::LoopEnds),
            "the loop ends: everything is as it was before step 3"
        );
        // A dead end: the faults stop at the end, or before.
        (told.faults_stop_after, told.loop_after) = (Some(4), None);
        assert_eq!(told.marks_before(4), [Mark::FaultsStop]);
    }

    #[test]
    fn equal_messages_are_matched_in_order() {
        let told = story(vec![
            step(1, "s1", None, vec![arrow("PING", Fate::Delivered), arrow("PING", Fate::Lost)]),
            step(2, "s1", None, vec![arrow("PING", Fate::Delivered)]),
            step(3, "s10", Some(arrow("PING", Fate::Delivered)), vec![]),
            step(4, "s10", Some(arrow("PING", Fate::Delivered)), vec![]),
            step(5, "s10", Some(arrow("ACK", Fate::Delivered)), vec![]),
        ]);
        let ends: Vec<_> = told.flights().iter().map(|f| (f.sent_at, f.until, f.fate)).collect();
        assert_eq!(
            ends,
            [
                (Some(0), Some(2), Fate::Delivered),
                (Some(0), None, Fate::Lost),
                (Some(1), Some(3), Fate::Delivered),
                (None, Some(4), Fate::Delivered),
            ]
        );
        assert_eq!(told.lifelines(), ["s2", "s1", "s10"]);
    }

    #[test]
    fn names_with_numbers_sort_by_number() {
        let mut names = ["s10", "client", "s2", "s1"];
        names.sort_by_key(|name| natural_key(name));
        assert_eq!(names, ["client", "s1", "s2", "s10"]);
    }
}
