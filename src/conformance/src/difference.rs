//! Where a core's outputs are not the recorded ones, in words.

use recording::Digest;
use serde::Serialize;
use std::fmt::Debug;
use zab::{Input, Outputs};

/// The first step of a recording whose outputs are not what the core of this build answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// The number of the step, from 0.
    pub step: u64,
    /// Its input.
    pub input: String,
    /// The first field of the outputs that differs, and where in it.
    pub field: String,
    /// As recorded.
    pub recorded: String,
    /// As the core of this build says.
    pub replayed: String,
}

impl Difference {
    /// Compares field by field; `None` if all are the same.
    pub(crate) fn find(
        step: u64,
        input: &Input<Digest>,
        recorded: &Outputs<Digest>,
        replayed: &Outputs<Digest>,
    ) -> Option<Self> {
        if recorded == replayed {
            return None;
        }
        let Outputs {
            writes,
            sends,
            notifications,
            deliver,
            install,
            links,
            timers,
            session,
            synced,
            halt,
            notes,
            facts: _,
        } = recorded;
        let first = list("writes", writes, &replayed.writes)
            .or_else(|| list("sends", sends, &replayed.sends))
            .or_else(|| list("notifications", notifications, &replayed.notifications))
            .or_else(|| list("deliver", deliver, &replayed.deliver))
            .or_else(|| one("install", install, &replayed.install))
            .or_else(|| list("links", links, &replayed.links))
            .or_else(|| list("timers", timers, &replayed.timers))
            .or_else(|| list("session", session, &replayed.session))
            .or_else(|| list("synced", synced, &replayed.synced))
            .or_else(|| one("halt", halt, &replayed.halt))
            .or_else(|| list("notes", notes, &replayed.notes));
        first.map(|(field, recorded, replayed)| Self {
            step,
            input: format!("{input:?}"),
            field,
            recorded,
            replayed,
        })
    }

    pub(crate) fn panicked(step: u64, input: &Input<Digest>, said: String) -> Self {
        Self {
            step,
            input: format!("{input:?}"),
            field: "everything".to_owned(),
            recorded: "outputs".to_owned(),
            replayed: format!("a panic: {said}"),
        }
    }
}

type Found = Option<(String, String, String)>;

fn one<T: PartialEq + Debug>(field: &str, recorded: &T, replayed: &T) -> Found {
    (recorded != replayed)
        .then(|| (field.to_owned(), format!("{recorded:?}"), format!("{replayed:?}")))
}

fn list<T: PartialEq + Debug>(field: &str, recorded: &[T], replayed: &[T]) -> Found {
    let at =
        (0..recorded.len().max(replayed.len())).find(|&at| recorded.get(at) != replayed.get(at))?;
    let say = |list: &[T]| match list.get(at) {
        Some(item) => format!("{item:?}"),
        None => format!("nothing, there are {}", list.len()),
    };
    Some((format!("{field}[{at}]"), say(recorded), say(replayed)))
}
