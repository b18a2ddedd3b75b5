//! The messages in a sequence diagram.

use super::diagram::{Layout, NODE, ROW};
use super::text::fate_text;
use super::{Arrow, Fate, Flight, Story};
use maud::{Markup, html};

/// One message. Its label stands where it ends: a step takes in one message at most, so labels of
/// delivered messages never meet.
pub(super) fn arrow(
    layout: &Layout<'_>,
    story: &Story,
    flights: &[Flight<'_>],
    flight: &Flight<'_>,
) -> Markup {
    let (from, to) = (layout.x(&flight.arrow.from), layout.x(&flight.arrow.to));
    let side = if to < from { -1.0 } else { 1.0 };
    let last = flight.sent_at.or(flight.until).unwrap_or(0);
    let start = layout.y(flight.sent_at.unwrap_or(last));
    let (x1, y1) = match flight.sent_at {
        Some(_) => (from + side * NODE, start),
        None => (to - side * layout.gap * 0.5, start - ROW * 0.4),
    };
    let stacked = stack(layout, flights, flight) as f64;
    let (x2, y2) = match (flight.fate, flight.until) {
        (Fate::Delivered, Some(at)) => (to - side * (NODE + 2.0), layout.y(at)),
        (Fate::Lost, Some(at)) if layout.y(at) > start => (to - side * 26.0, layout.y(at)),
        (Fate::Delivered | Fate::Lost | Fate::InFlight, _) => {
            (from + side * layout.gap * 0.36, start + 13.0 + stacked * 13.0)
        }
    };
    let arrived = flight.fate == Fate::Delivered && flight.until.is_some();
    let stub = y2 <= start + ROW / 2.0 && !arrived;
    let label = if arrived {
        Some(flight.arrow.label.clone())
    } else {
        shared_label(layout, flights, flight)
    };
    // A delivered message comes from above and an answer leaves below: between them is room.
    let (label_x, label_y, end) = if arrived {
        (x2 - side * 19.0, y2 + 4.0, side > 0.0)
    } else if stub {
        (x2 + side * 9.0, y2 + 4.0, side < 0.0)
    } else {
        (x2 - side * 10.0, y2 + 14.0, side > 0.0)
    };
    let step = |at: Option<usize>| at.map_or(String::new(), |at| at.to_string());
    html! {
        g class=(format!("arrow {} {}", fate_class(flight.fate), layout.colour(&flight.arrow.from)))
            data-from=(step(flight.sent_at)) data-until=(step(flight.until)) {
            title {
                (flight.arrow.label) " from " (flight.arrow.from) " to " (flight.arrow.to) ": "
                (fate_text(story, flight))
            }
            line x1=(x1) y1=(y1) x2=(x2) y2=(y2) {}
            (tip(flight.fate, (x1, y1), (x2, y2)))
            @if let Some(label) = label {
                text x=(label_x) y=(label_y) text-anchor=(if end { "end" } else { "start" }) { (label) }
            }
        }
    }
}

/// Whether two messages that did not arrive end at the same place, or start together if they have
/// no end: then they are drawn as one.
fn together(layout: &Layout<'_>, one: &Flight<'_>, other: &Flight<'_>) -> bool {
    let leftward = |one: &Flight<'_>| layout.lane(&one.arrow.to) < layout.lane(&one.arrow.from);
    let key = |one: &Flight<'_>| match one.until {
        Some(at) => (Some(at), None, Some(one.arrow.to.clone()), None),
        None => (None, one.sent_at, Some(one.arrow.from.clone()), Some(one.arrow.label.clone())),
    };
    let missed = one.fate != Fate::Delivered && one.fate == other.fate;
    missed && leftward(one) == leftward(other) && key(one) == key(other)
}

/// The label of messages drawn as one, at the first of them; `None` at the others.
fn shared_label(
    layout: &Layout<'_>,
    flights: &[Flight<'_>],
    flight: &Flight<'_>,
) -> Option<String> {
    let group = flights.iter().filter(|one| together(layout, one, flight));
    let group: Vec<&Flight<'_>> = group.collect();
    if group.first().is_some_and(|first| !std::ptr::eq(*first, flight)) {
        return None;
    }
    let all = |part: fn(&Arrow) -> &str| {
        let mut parts: Vec<&str> = group.iter().map(|one| part(one.arrow)).collect();
        parts.dedup();
        match parts.as_slice() {
            [one, two, _, rest @ ..] if !rest.is_empty() => {
                format!("{one}, {two} +{}", rest.len() + 1)
            }
            few => few.join(", "),
        }
    };
    let (labels, receivers) = (all(|arrow| &arrow.label), all(|arrow| &arrow.to));
    Some(format!("{labels} to {receivers}"))
}

/// How many different stubs of the same step and side come before this one: they are drawn below
/// each other.
fn stack(layout: &Layout<'_>, flights: &[Flight<'_>], flight: &Flight<'_>) -> usize {
    let leftward = |one: &Flight<'_>| layout.lane(&one.arrow.to) < layout.lane(&one.arrow.from);
    let mut labels: Vec<&str> = Vec::new();
    for one in flights.iter().take_while(|one| !std::ptr::eq(*one, flight)) {
        let stub = one.fate != Fate::Delivered && one.until.is_none();
        let beside = one.sent_at == flight.sent_at && leftward(one) == leftward(flight);
        let label = one.arrow.label.as_str();
        if stub && beside && label != flight.arrow.label && !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.len()
}

/// Head of an arrow: a triangle, a cross, or an open circle.
fn tip(fate: Fate, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Markup {
    let degrees = (y2 - y1).atan2(x2 - x1).to_degrees();
    html! {
        @match fate {
            Fate::Delivered => {
                path.tip d="M0 0 L-9 -4 L-9 4 Z"
                    transform=(format!("translate({x2:.1} {y2:.1}) rotate({degrees:.1})")) {}
            }
            Fate::Lost => {
                path.cross d="M-5 -5 L5 5 M-5 5 L5 -5" transform=(format!("translate({x2:.1} {y2:.1})")) {}
            }
            Fate::InFlight => circle.open cx=(x2) cy=(y2) r="3.5" {}
        }
    }
}

/// An arrow for the legend.
pub(super) fn sample_arrow(fate: Fate) -> Markup {
    html! {
        svg.sample.wide viewBox="0 0 44 28" {
            g class=(format!("arrow lane0 {}", fate_class(fate))) {
                line x1="3" y1="14" x2="38" y2="14" {}
                (tip(fate, (3.0, 14.0), (38.0, 14.0)))
            }
        }
    }
}

/// Class of a message's fate.
pub(super) fn fate_class(fate: Fate) -> &'static str {
    match fate {
        Fate::InFlight => "inflight",
        Fate::Delivered => "delivered",
        Fate::Lost => "lost",
    }
}
