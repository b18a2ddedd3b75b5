//! Counterexamples as people read them.

use super::book::{Book, Heard, Standing};
use super::event::{Event, label, told};
use super::limits::{KINDS_OF_EVENTS, ME};
use super::server::{Server, Taken};
use checker::{Arrow, Fate, Step, StepKind};

/// A step.
pub(super) fn tell(number: usize, event: &Event, before: &Server, taken: &Taken) -> Step {
    let after = &taken.server;
    let received = match event {
        Event::Notify(from, word) => Some(Arrow {
            from: from.to_string(),
            to: ME.to_string(),
            label: label(word),
            fate: Fate::Delivered,
            until: Some(number),
        }),
        Event::Look(..) | Event::Timer(_) | Event::Established(_) | Event::Connects(_) => None,
    };
    let sent = taken.sends.iter().map(|(to, word)| Arrow {
        from: ME.to_string(),
        to: to.to_string(),
        label: label(word),
        fate: Fate::InFlight,
        until: None,
    });
    let mut memory = taken.complaints.clone();
    if before.book != after.book {
        memory.push(standing(&after.book));
    }
    Step {
        number,
        actor: ME.to_string(),
        kind: match event {
            Event::Timer(_) => StepKind::Timeout,
            Event::Connects(_) => StepKind::Link,
            Event::Look(..) | Event::Notify(..) | Event::Established(_) => StepKind::Protocol,
        },
        action: KINDS_OF_EVENTS[event.kind()].to_owned(),
        text: event.tell(),
        received,
        sent: sent.collect(),
        memory,
        disk: Vec::new(),
    }
}

/// What is known of a server.
pub(super) fn standing(book: &Book) -> String {
    match &book.standing {
        Standing::Idle => "has never looked".to_owned(),
        Standing::Settled { round, vote } => {
            format!("has settled on {} in round {round}", told(*vote))
        }
        Standing::Looking(quest) => {
            let proposal = quest.proposal.map_or("nobody".to_owned(), told);
            let mut said = format!("looks in round {}, for {proposal}", quest.round);
            for (sid, Heard { here, settled }) in &quest.others {
                if let Some((state, vote)) = here {
                    said += &format!("; {sid} in this round: {state:?}, {}", told(*vote));
                }
                if let Some(settled) = settled {
                    let verb = if settled.leads { "leads" } else { "follows" };
                    said += &format!("; {sid} {verb}, {} in {}", settled.leader, settled.epoch);
                }
            }
            said
        }
    }
}
