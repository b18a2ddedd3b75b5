//! The sequence diagram of a story as inline SVG: time runs down, one row a step.

use super::arrows::arrow;
use super::{Fate, Flight, Mark, Step, StepKind, Story};
use maud::{Markup, html};

/// Lifeline colours in the style sheet; further lifelines start again.
pub(super) const COLOURS: usize = 6;

pub(super) const ROW: f64 = 40.0;
const TOP: f64 = 10.0;
const HEAD: f64 = 44.0;
const GUTTER: f64 = 268.0;
const SIDE: f64 = 150.0;
pub(super) const NODE: f64 = 10.0;
/// Characters that fit: an action in the gutter, a disk note beside a node.
const ACTION_CHARS: usize = 33;
/// Mean width of a character of a note, and what its icon and padding take.
const NOTE_CHAR: f64 = 5.8;
const NOTE_PADDING: f64 = 26.0;

/// Where everything is.
pub(super) struct Layout<'a> {
    lanes: Vec<&'a str>,
    pub(super) gap: f64,
}

impl<'a> Layout<'a> {
    fn of(story: &'a Story) -> Self {
        let lanes = story.lifelines();
        let gap = match lanes.len() {
            0..=3 => 214.0,
            4 => 172.0,
            _ => 150.0,
        };
        Self { lanes, gap }
    }

    pub(super) fn x(&self, name: &str) -> f64 {
        GUTTER + SIDE + self.lane(name) as f64 * self.gap
    }

    pub(super) fn lane(&self, name: &str) -> usize {
        self.lanes.iter().position(|lane| *lane == name).unwrap_or(0)
    }

    pub(super) fn y(&self, at: usize) -> f64 {
        TOP + (at as f64 + 0.5) * ROW
    }

    fn width(&self) -> f64 {
        GUTTER + 2.0 * SIDE + self.lanes.len().saturating_sub(1) as f64 * self.gap
    }

    pub(super) fn colour(&self, name: &str) -> String {
        format!("lane{}", self.lane(name) % COLOURS)
    }
}

/// The names over the lifelines: a picture of its own, because it stays in sight while the other
/// scrolls.
pub(super) fn head(story: &Story) -> Markup {
    let layout = Layout::of(story);
    let width = layout.width();
    html! {
        svg.head viewBox=(format!("0 0 {width} {HEAD}")) style=(format!("max-width:{width}px")) {
            text.caption x="14" y=(HEAD / 2.0 + 4.0) { "step and protocol action" }
            @for name in &layout.lanes {
                g class=(layout.colour(name)) {
                    rect.name x=(layout.x(name) - 34.0) y="8" width="68" height="28" rx="8" {}
                    text.name x=(layout.x(name)) y="27" { (name) }
                }
            }
        }
    }
}

/// The picture itself.
pub(super) fn body(story: &Story, flights: &[Flight<'_>]) -> Markup {
    let layout = Layout::of(story);
    let (width, rows) = (layout.width(), story.steps.len());
    let verdict = layout.y(rows) + 4.0;
    let height = verdict + 30.0;
    html! {
        svg.body viewBox=(format!("0 0 {width} {height}")) style=(format!("max-width:{width}px"))
            role="img" aria-label="Every step is also in the table below" {
            @for (at, _) in story.steps.iter().enumerate() {
                rect.band data-step=(at) x="0" y=(layout.y(at) - ROW / 2.0)
                    width=(width) height=(ROW) rx="6" {}
            }
            @for name in &layout.lanes { (lifeline(&layout, story, name)) }
            @for flight in flights { (arrow(&layout, story, flights, flight)) }
            @for (at, step) in story.steps.iter().enumerate() {
                g class=(format!("step {}", kind_class(step.kind))) data-step=(at) {
                    title { (step.number) ". " (step.text) }
                    text.number x="34" y=(layout.y(at) + 4.0) { (step.number) }
                    text.action x="46" y=(layout.y(at) + 4.0) { (clipped(&step.action, ACTION_CHARS)) }
                    g class=(layout.colour(&step.actor)) {
                        (node(step.kind, layout.x(&step.actor), layout.y(at), step.number))
                    }
                    (note(&layout, flights, at, step))
                }
            }
            @for (at, mark) in marks(story) { (mark_line(&layout, story, at, mark)) }
            @if rows > 0 {
                g.verdict {
                    rect x="4" y=(verdict - 17.0) width=(width - 8.0) height="34" rx="8" {}
                    text x=(width / 2.0) y=(verdict + 5.0) {
                        "✕  here " (story.property) " does not hold"
                    }
                }
            }
        }
    }
}

/// Every mark of the story with the index of the step that it stands before.
fn marks(story: &Story) -> impl Iterator<Item = (usize, Mark)> {
    let places = 0..=story.steps.len();
    places.flat_map(|at| story.marks_before(at).into_iter().map(move |mark| (at, mark)))
}

/// A line across the picture, between two rows, with its words at the right end; the loop has a bar
/// beside its rows too.
fn mark_line(layout: &Layout<'_>, story: &Story, at: usize, mark: Mark) -> Markup {
    let (y, width) = (layout.y(at) - ROW / 2.0, layout.width());
    let rows = (story.steps.len() - at) as f64 * ROW;
    html! {
        g class=(format!("mark {}", mark_class(mark))) {
            line x1="4" y1=(y) x2=(width - 4.0) y2=(y) {}
            @if mark == Mark::LoopBegins { rect x="4" y=(y) width="6" height=(rows) rx="3" {} }
            text x=(width - 10.0) y=(y - 4.0) { (story.mark_text(mark)) }
        }
    }
}

/// Class of a mark.
pub(super) fn mark_class(mark: Mark) -> &'static str {
    match mark {
        Mark::FaultsStop => "faults-stop",
        Mark::LoopBegins => "loop-begins",
        Mark::LoopEnds => "loop-ends",
    }
}

/// A lifeline in pieces: solid while the server is up, dotted while it is down.
fn lifeline(layout: &Layout<'_>, story: &Story, name: &str) -> Markup {
    let x = layout.x(name);
    let mut pieces = Vec::new();
    let (mut from, mut class) = (0.0, "up");
    for (at, step) in story.steps.iter().enumerate().filter(|(_, step)| step.actor == name) {
        let next = match step.kind {
            StepKind::Crash => "down",
            StepKind::Restart => "up",
            StepKind::Protocol | StepKind::Disk | StepKind::Timeout | StepKind::Link => continue,
        };
        // A story that begins with a restart begins with the server down.
        let before = if pieces.is_empty() && next == "up" { "down" } else { class };
        pieces.push((from, layout.y(at), before));
        (from, class) = (layout.y(at), next);
    }
    pieces.push((from, layout.y(story.steps.len()) - ROW / 2.0, class));
    html! {
        @for (from, to, class) in pieces {
            line class=(format!("life {class} {}", layout.colour(name)))
                x1=(x) y1=(from) x2=(x) y2=(to) {}
        }
    }
}

/// The mark of a step on its lifeline: the shape tells the kind.
fn node(kind: StepKind, x: f64, y: f64, number: usize) -> Markup {
    html! {
        @match kind {
            StepKind::Protocol | StepKind::Timeout | StepKind::Crash | StepKind::Restart => {
                circle.node cx=(x) cy=(y) r=(NODE) {}
            }
            StepKind::Disk => {
                rect.node x=(x - NODE) y=(y - NODE + 1.0) width=(2.0 * NODE) height=(2.0 * NODE - 2.0) rx="3" {}
            }
            StepKind::Link => {
                path.node d=(format!("M{x} {} L{} {y} L{x} {} L{} {y} Z",
                    y - NODE - 2.0, x + NODE + 2.0, y + NODE + 2.0, x - NODE - 2.0)) {}
            }
        }
        @if kind == StepKind::Crash {
            path.glyph d="M-4 -4 L4 4 M-4 4 L4 -4" transform=(format!("translate({x} {y})")) {}
        } @else {
            text.inside x=(x) y=(y + 3.5) { (number) }
        }
    }
}

/// What happened on disk, or the word for a crash or restart, beside the node and away from the
/// label of the message received and from the crosses of messages lost.
fn note(layout: &Layout<'_>, flights: &[Flight<'_>], at: usize, step: &Step) -> Markup {
    let word = match step.kind {
        StepKind::Crash => Some("crash"),
        StepKind::Restart => Some("restart"),
        StepKind::Protocol | StepKind::Disk | StepKind::Timeout | StepKind::Link => None,
    };
    let text = match (word, step.disk.as_slice()) {
        (Some(word), _) => word.to_owned(),
        (None, []) => return html! {},
        (None, [one]) => one.clone(),
        (None, [first, rest @ ..]) => format!("{first} +{}", rest.len()),
    };
    let x = layout.x(&step.actor);
    let leftward = |arrow: &super::Arrow| layout.x(&arrow.to) < x;
    let lost = |flight: &&Flight<'_>| {
        flight.fate == Fate::Lost && flight.until == Some(at) && flight.arrow.to == step.actor
    };
    let lost_on = |right: bool| {
        let mut lost = flights.iter().filter(lost);
        lost.any(|flight| (layout.x(&flight.arrow.from) > x) == right)
    };
    let left = match (&step.received, lost_on(false), lost_on(true)) {
        // Crosses on both sides: the note is in the table, and the shape of the node tells the
        // kind.
        (_, true, true) => return html! {},
        (_, true, false) => false,
        (_, false, true) => true,
        (Some(received), false, false) => layout.x(&received.from) > x,
        (None, false, false) => !step.sent.is_empty() && !step.sent.iter().any(leftward),
    };
    let free =
        if left && layout.lane(&step.actor) > 0 { layout.gap.min(SIDE + 20.0) } else { SIDE };
    let room = free - NODE - 14.0;
    let text = clipped(&text, ((room - NOTE_PADDING) / NOTE_CHAR) as usize);
    let width = text.chars().count() as f64 * NOTE_CHAR + NOTE_PADDING;
    let edge = if left { x - NODE - 5.0 - width } else { x + NODE + 5.0 };
    let y = layout.y(at) - 9.0;
    html! {
        g.note transform=(format!("translate({edge:.1} {y:.1})")) {
            rect width=(format!("{width:.1}")) height="18" rx="9" {}
            @if word.is_none() {
                path.icon d="M7 6 a4 1.8 0 1 1 8 0 v6 a4 1.8 0 1 1 -8 0 Z M7 6 a4 1.8 0 0 0 8 0" {}
            }
            text x=(if word.is_some() { 11 } else { 19 }) y="13" { (text) }
        }
    }
}

/// A node for the legend.
pub(super) fn sample(kind: StepKind) -> Markup {
    html! {
        svg.sample viewBox="0 0 28 28" {
            g class=(format!("step lane0 {}", kind_class(kind))) { g.lane0 { (node(kind, 14.0, 14.0, 1)) } }
        }
    }
}

/// Class of a step's kind.
pub(super) fn kind_class(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Protocol => "protocol",
        StepKind::Crash => "crash",
        StepKind::Restart => "restart",
        StepKind::Disk => "disk-step",
        StepKind::Timeout => "timeout",
        StepKind::Link => "link-step",
    }
}

fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
