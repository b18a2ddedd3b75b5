//! Plots as inline SVG. Every number drawn is also in a table or in the plot as text.

use maud::{Markup, html};

use crate::text::grouped;

const LEVELS_WIDTH: f64 = 300.0;
const LEVELS_HEIGHT: f64 = 84.0;
/// Room for the labels below and above.
const LABEL: f64 = 14.0;

/// States first seen at each depth: a step curve, filled, with the widest level and the last depth
/// named.
pub(crate) fn levels(name: &str, levels: &[u64]) -> Markup {
    let most = levels.iter().copied().max().unwrap_or(0);
    let widest = levels.iter().position(|count| *count == most).unwrap_or(0);
    let step = LEVELS_WIDTH / levels.len().max(1) as f64;
    let height = |count: u64| count as f64 / most.max(1) as f64 * LEVELS_HEIGHT;
    let bottom = LABEL + LEVELS_HEIGHT;
    let mut path = format!("M0 {bottom:.1}");
    for (depth, count) in levels.iter().enumerate() {
        let (from, to) = (depth as f64 * step, (depth + 1) as f64 * step);
        let y = bottom - height(*count);
        path.push_str(&format!("L{from:.1} {y:.1}L{to:.1} {y:.1}"));
    }
    path.push_str(&format!("L{LEVELS_WIDTH:.1} {bottom:.1}Z"));
    let middle = (widest as f64 + 0.5) * step;
    let anchor = match middle / LEVELS_WIDTH {
        place if place < 0.25 => "start",
        place if place > 0.75 => "end",
        _ => "middle",
    };
    let label = format!("{} at depth {widest}", grouped(most));
    let total = bottom + LABEL;
    html! {
        figure.levels {
            figcaption { b { (name) } " " (grouped(levels.iter().sum())) " states" }
            svg viewBox=(format!("0 0 {LEVELS_WIDTH} {total}")) role="img"
                aria-label=(format!("States of {name} at each depth; the most: {label}")) {
                path.area d=(path) {}
                line.axis x1="0" y1=(bottom) x2=(LEVELS_WIDTH) y2=(bottom) {}
                text x=(format!("{middle:.1}")) y="10" text-anchor=(anchor) { (label) }
                text x="0" y=(total - 2.0) { "0" }
                text x=(LEVELS_WIDTH) y=(total - 2.0) text-anchor="end" { (levels.len().saturating_sub(1)) }
            }
        }
    }
}

const ROW: f64 = 17.0;
const NAMES: f64 = 190.0;
const BARS: f64 = 360.0;
const NUMBERS: f64 = 130.0;

/// Horizontal bars on a logarithmic scale if `logarithmic`, else a linear one. A zero has no bar,
/// and says 0.
pub(crate) fn bars(about: &str, logarithmic: bool, rows: &[(String, u64)]) -> Markup {
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let share = |count: u64| {
        if logarithmic {
            // 1 is seen, and a factor is a distance.
            ((count + 1) as f64).log2() / ((most.max(1) + 1) as f64).log2()
        } else {
            count as f64 / most.max(1) as f64
        }
    };
    let (width, height) = (NAMES + BARS + NUMBERS, ROW * rows.len() as f64 + 2.0);
    html! {
        figure.bars {
            figcaption { (about) @if logarithmic { " (bars on a logarithmic scale)" } }
            svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(about) {
                @for (at, (name, count)) in rows.iter().enumerate() {
                    @let top = ROW * at as f64;
                    @let length = share(*count) * BARS;
                    text x=(NAMES - 8.0) y=(format!("{:.1}", top + 12.5)) text-anchor="end" { (name) }
                    @if *count > 0 {
                        rect.bar x=(NAMES) y=(format!("{:.1}", top + 3.0)) width=(format!("{:.1}", length.max(1.0)))
                            height=(ROW - 6.0) {}
                    }
                    text.count.never[*count == 0] x=(format!("{:.1}", NAMES + length + 6.0)) y=(format!("{:.1}", top + 12.5)) {
                        (grouped(*count))
                    }
                }
                line.axis x1=(NAMES) y1="0" x2=(NAMES) y2=(height) {}
            }
        }
    }
}
