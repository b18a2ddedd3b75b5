//! The page of a run that fails: the last things that happened, as the checker draws them.

use checker::{Arrow, Bounds, Fate, Step, StepKind, Story};
use sim::{Kind, Line, Outcome, Who};

/// So many things are shown, the last ones.
const STEPS_MAX: usize = 150;

/// A run as a story. `line` is the command that repeats it.
pub(super) fn story(outcome: &Outcome, line: &str) -> Story {
    let lines = &outcome.story;
    let shown = &lines[lines.len().saturating_sub(STEPS_MAX)..];
    let failure = outcome.failure.clone().unwrap_or_else(|| "nothing".to_owned());
    let mut servers: Vec<_> = (lines.iter())
        .filter_map(|line| match line.who {
            Who::Server(sid) => Some(sid.0),
            Who::Client(_) | Who::World => None,
        })
        .collect();
    servers.sort_unstable();
    servers.dedup();
    Story {
        model: "the simulated world".to_owned(),
        bounds: Bounds::new([("seed", outcome.seed)]),
        property: "what every run has to come to".to_owned(),
        property_sentence: "Whatever goes wrong, clients see what ZooKeeper promises; and once \
                            nothing goes wrong any more every server serves, every request is \
                            answered, and all servers hold the same."
            .to_owned(),
        property_source: format!("{line} ({})", outcome.plan),
        facts: [
            format!("{} things happened in the run; the last are shown", outcome.events),
            failure,
        ],
        servers: servers.into_iter().map(|sid| format!("s{sid}")).collect(),
        steps: shown.iter().zip(1..).map(|(line, number)| step(line, number)).collect(),
        faults_stop_after: None,
        loop_after: None,
    }
}

fn step(line: &Line, number: usize) -> Step {
    let who = line.who.to_string();
    let arrow = |from: String, to: String| Arrow {
        from,
        to,
        label: line.text.clone(),
        fate: Fate::Delivered,
        until: None,
    };
    let (kind, action, received, sent) = match line.kind {
        Kind::Step => (StepKind::Protocol, "", None, vec![]),
        Kind::Start => (StepKind::Restart, "starts", None, vec![]),
        Kind::End => (StepKind::Crash, "ends", None, vec![]),
        Kind::Link => (StepKind::Link, "links", None, vec![]),
        Kind::Sent(to) => {
            (StepKind::Protocol, "sends", None, vec![arrow(who.clone(), to.to_string())])
        }
        Kind::Received(from) => {
            (StepKind::Protocol, "receives", Some(arrow(from.to_string(), who.clone())), vec![])
        }
    };
    let action = if action.is_empty() { line.text.clone() } else { action.to_owned() };
    Step {
        number,
        actor: who,
        kind,
        action,
        text: line.to_string(),
        received,
        sent,
        memory: Vec::new(),
        disk: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_drawn_with_its_servers_and_messages() {
        let options = sim::Options { servers: Some(3), observers: Some(0), ..sim::Options::new(3) };
        let mut outcome = sim::run(&options, true);
        outcome.failure = Some("something <b>was</b> wrong".to_owned());
        let story = story(&outcome, "vivarium simulate --seed 3");
        assert_eq!(story.servers, ["s1", "s2", "s3"]);
        assert_eq!(story.steps.len(), STEPS_MAX);
        let page = checker::html_page(&story, "0000000");
        assert!(page.contains("vivarium simulate --seed 3"));
        assert!(page.contains("something &lt;b&gt;was&lt;/b&gt; wrong"), "escaped");
        assert!(page.contains("PING"), "messages are drawn");
    }
}
