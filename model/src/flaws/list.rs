//! The list of flaws, `model/flaws/flaws.json`.

use checker::{Bounds, FlawInfo};
use serde::{Deserialize, Serialize};

/// A seeded flaw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// Its name, and that of its patch: `NAME.patch`.
    pub name: String,
    /// Where it comes from: JIRA ids, or the hazard of `spec/protocol.md`.
    pub origin: String,
    /// What is wrong, in one sentence.
    pub wrong: String,
    /// How it is caught, or why it cannot be.
    #[serde(flatten)]
    pub case: Case,
}

/// Whether a flaw can be put into this core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Case {
    /// It can, and has to be caught.
    Expressed {
        /// The property that fails first.
        expected: String,
        /// The model in which it does.
        model: String,
        /// The bounds that matter; the others are those of the model's cheapest tier.
        bounds: Bounds,
        /// What a run found; absent before the first one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        measured: Option<Measured>,
    },
    /// It cannot.
    Impossible {
        /// The structure that excludes it, and how.
        impossible: String,
    },
}

/// The first violation found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The property violated.
    pub property: String,
    /// Length of the counterexample.
    pub depth: u64,
    /// Distinct states when its level was finished.
    pub states: u64,
}

/// The flaws of this build.
///
/// # Errors
/// The list does not parse.
pub fn flaws() -> Result<Vec<Flaw>, String> {
    serde_json::from_str(LIST).map_err(|error| format!("model/flaws/flaws.json: {error}"))
}

impl Flaw {
    /// As the front end shows it.
    pub fn info(&self) -> FlawInfo {
        let (configuration, expected) = match &self.case {
            Case::Expressed { expected, model, bounds, .. } => {
                (format!("{model} {bounds}"), expected.clone())
            }
            Case::Impossible { .. } => ("-".to_owned(), "-".to_owned()),
        };
        FlawInfo { name: self.name.clone(), about: self.wrong.clone(), configuration, expected }
    }
}

const LIST: &str = include_str!("../../flaws/flaws.json");
