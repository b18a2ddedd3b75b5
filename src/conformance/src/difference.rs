//! Where a host's effects are not the recorded ones, in words.

use std::fmt::Debug;

use host::Link;
use recording::{Effect, Packet, Step};
use serde::Serialize;

use crate::replay::Did;

/// The first step of a recording whose effects are not those of the host of this build.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// The number of the step, from 0.
    pub step: u64,
    /// Its event.
    pub event: String,
    /// The first of the effects that differs; of packets that leave together, which one.
    pub field: String,
    /// As recorded.
    pub recorded: String,
    /// As the host of this build says.
    pub replayed: String,
}

impl Difference {
    /// Compares effect by effect; `None` if all are the same.
    pub(crate) fn find(step: &Step, did: &Did) -> Option<Self> {
        let first = effects(&step.effects, &did.effects).or_else(|| {
            let asked = did.reports.clone()?;
            Some(("reports".to_owned(), format!("there are {}", step.reports.len()), asked))
        });
        first.map(|(field, recorded, replayed)| Self::at(step, field, recorded, replayed))
    }

    pub(crate) fn panicked(step: &Step, said: String) -> Self {
        let (field, recorded) = ("everything".to_owned(), "effects".to_owned());
        Self::at(step, field, recorded, format!("a panic: {said}"))
    }

    fn at(step: &Step, field: String, recorded: String, replayed: String) -> Self {
        let mut event = format!("{:?}", step.event);
        if let Some((end, _)) = event.char_indices().nth(EVENT_CHARACTERS_MAX) {
            event.truncate(end);
            event.push('…');
        }
        Self { step: step.number, event, field, recorded, replayed }
    }
}

/// An event may bring a whole history.
const EVENT_CHARACTERS_MAX: usize = 300;

type Found = Option<(String, String, String)>;

fn effects(recorded: &[Effect], replayed: &[Effect]) -> Found {
    let at = first(recorded, replayed)?;
    if let (
        Some(Effect::Frames { link, packets }),
        Some(Effect::Frames { link: other, packets: others }),
    ) = (recorded.get(at), replayed.get(at))
        && link == other
    {
        return frames(*link, packets, others);
    }
    Some((format!("effects[{at}]"), say(recorded, at), say(replayed, at)))
}

fn frames(link: Link, recorded: &[Packet], replayed: &[Packet]) -> Found {
    let at = first(recorded, replayed)?;
    let Link { peer, generation } = link;
    let which = format!("packet {at} of those that leave for {peer} (connection {})", generation.0);
    Some((which, say(recorded, at), say(replayed, at)))
}

/// Where two lists begin to differ.
fn first<T: PartialEq>(recorded: &[T], replayed: &[T]) -> Option<usize> {
    (0..recorded.len().max(replayed.len())).find(|&at| recorded.get(at) != replayed.get(at))
}

fn say<T: Debug>(list: &[T], at: usize) -> String {
    match list.get(at) {
        Some(item) => format!("{item:?}"),
        None => format!("nothing, there are {}", list.len()),
    }
}
