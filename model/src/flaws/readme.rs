//! The table in `model/flaws/README.md`, made from the list.

use super::list::{Case, Flaw};
use std::fmt::Write as _;

const BEGIN: &str =
    "<!-- table of flaws.json: made by `VIVARIUM_FLAWS_UPDATE=1 vivarium check --flaws` -->";
const END: &str = "<!-- end of the table -->";

/// The text with its table made anew; `None` if it has no place for one.
pub(super) fn with_table(text: &str, flaws: &[Flaw]) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(flaws)))
}

fn table(flaws: &[Flaw]) -> String {
    let mut text = String::new();
    text.push_str(
        "| flaw | origin | what is wrong | caught by | model and bounds | depth | states |\n",
    );
    text.push_str("|---|---|---|---|---|---:|---:|\n");
    let mut impossible = String::new();
    for flaw in flaws {
        let Flaw { name, origin, wrong, case } = flaw;
        match case {
            Case::Expressed { expected, model, bounds, measured } => {
                let (depth, states) = measured
                    .as_ref()
                    .map_or(("not measured".to_owned(), String::new()), |measured| {
                        (measured.depth.to_string(), measured.states.to_string())
                    });
                let _ = writeln!(
                    text,
                    "| [{name}]({name}.patch) | {origin} | {wrong} | {expected} | {model} {bounds} | {depth} | {states} |"
                );
            }
            Case::Impossible { impossible: why } => {
                let _ = writeln!(impossible, "| {name} | {origin} | {wrong} | {why} |");
            }
        }
    }
    if !impossible.is_empty() {
        text.push_str("\nNot expressible in this core:\n\n");
        text.push_str("| flaw | origin | what is wrong | what excludes it |\n|---|---|---|---|\n");
        text.push_str(&impossible);
    }
    text
}
