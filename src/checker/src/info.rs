//! What a model says about itself.

use super::{BoundInfo, Bounds};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of claim a property makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PropertyKind {
    /// True in every reachable state.
    Always,
    /// True in at least one reachable state: shows that the model reaches what is interesting, so
    /// that an `always` beside it is not true of an empty set.
    Sometimes,
    /// From every reachable state, once faults stop, every fair run gets there.
    Live,
}

impl fmt::Display for PropertyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Always => "always",
            Self::Sometimes => "sometimes",
            Self::Live => "live",
        })
    }
}

/// A property of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyInfo {
    /// Name, unique within the model (`prefix-consistency`).
    pub name: &'static str,
    /// What kind of claim it makes.
    pub kind: PropertyKind,
    /// Where it comes from: paper section, specification, issue.
    pub source: &'static str,
    /// The claim as one sentence.
    pub sentence: &'static str,
}

/// How much time a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// A minute for all models together.
    Quick,
    /// A quarter of an hour for all models together.
    Standard,
    /// Hours.
    Deep,
}

impl Tier {
    /// All tiers, cheapest first.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Standard, Self::Deep];
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Deep => "deep",
        })
    }
}

/// The bounds with which a model runs in a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierBounds {
    /// The tier.
    pub tier: Tier,
    /// A value for every bound that the model declares.
    pub bounds: Bounds,
}

/// A model's description of itself, for lists, records and the checking of bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Name, unique in the registry; matched without regard to case.
    pub name: &'static str,
    /// A short name that does as well on the command line and in traces.
    pub alias: Option<&'static str>,
    /// Family of configurations (`broadcast`, `election`).
    pub family: &'static str,
    /// What is modelled, in one or two sentences.
    pub about: &'static str,
    /// Everything that is checked.
    pub properties: Vec<PropertyInfo>,
    /// Every action that the model can take. Those never taken in a run are listed by name.
    pub actions: Vec<&'static str>,
    /// Every bound, in the order in which they are shown.
    pub bounds: Vec<BoundInfo>,
    /// The tiers in which it runs, cheapest first, at least one.
    pub tiers: Vec<TierBounds>,
}

impl ModelInfo {
    /// The bounds of a tier, or `None` if the model does not run in it.
    pub fn tier(&self, tier: Tier) -> Option<&Bounds> {
        let found = self.tiers.iter().find(|entry| entry.tier == tier);
        found.map(|entry| &entry.bounds)
    }

    /// The cheapest tier in which the model runs: what a run without `--tier` uses.
    ///
    /// # Panics
    /// If the model lists no tier.
    pub fn cheapest(&self) -> &TierBounds {
        self.tiers
            .iter()
            .min_by_key(|entry| entry.tier)
            .unwrap_or_else(|| panic!("model {} lists no tier", self.name))
    }

    /// Whether this is its name, or its short one, without regard to case.
    pub fn is_called(&self, name: &str) -> bool {
        let mut names = [Some(self.name), self.alias].into_iter().flatten();
        names.any(|known| known.eq_ignore_ascii_case(name))
    }

    /// The property of this name.
    pub fn property(&self, name: &str) -> Option<&PropertyInfo> {
        self.properties.iter().find(|property| property.name == name)
    }
}
