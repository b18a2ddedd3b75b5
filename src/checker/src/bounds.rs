//! Bounds of a run: the finite budgets within which a finished search is complete.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Values of a model's bounds, in the order in which the model declares them.
///
/// The order is for the reader only (servers first, then budgets); two `Bounds` are equal only if
/// their order is, which holds for all that come from the same [`BoundInfo`] list.
/// In JSON this is one object, `{"servers": 3, "txns": 1}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    entries: Vec<(String, u64)>,
}

/// One bound that a model understands, and the values it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundInfo {
    /// Name as in records; on the command line `--NAME` or `--bound NAME=VALUE`.
    pub name: &'static str,
    /// What it counts, in a few words.
    pub about: &'static str,
    /// Smallest value allowed, inclusive.
    pub min: u64,
    /// Largest value allowed, inclusive.
    pub max: u64,
}

impl Bounds {
    /// Bounds from name and value pairs; a name given twice keeps its place and takes the last
    /// value.
    pub fn new<N: Into<String>>(pairs: impl IntoIterator<Item = (N, u64)>) -> Self {
        let mut bounds = Self::default();
        for (name, value) in pairs {
            bounds.set(name, value);
        }
        bounds
    }

    /// The value of `name`, or `None` if these bounds do not mention it.
    pub fn get(&self, name: &str) -> Option<u64> {
        let found = self.entries.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    /// The value of a bound that is known to be there.
    ///
    /// # Panics
    /// If it is not. Bounds handed to [`crate::CheckableModel::check`] have every name that
    /// the model declares, within its range.
    pub fn value(&self, name: &str) -> u64 {
        self.get(name).unwrap_or_else(|| panic!("bound `{name}` is not among [{self}]"))
    }

    /// Sets `name`, appending it if it is new.
    pub fn set(&mut self, name: impl Into<String>, value: u64) {
        let name = name.into();
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    /// Name and value pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Checks that every declared bound is there and in range, and that there is no other.
    pub fn check(&self, model: &str, declared: &[BoundInfo]) -> Result<(), BoundsError> {
        for (name, value) in self.iter() {
            let Some(info) = declared.iter().find(|info| info.name == name) else {
                return Err(BoundsError::Unknown {
                    model: model.to_owned(),
                    bound: name.to_owned(),
                    value,
                    known: declared.iter().map(|info| info.name.to_owned()).collect(),
                });
            };
            if value < info.min || value > info.max {
                return Err(BoundsError::OutOfRange {
                    model: model.to_owned(),
                    bound: name.to_owned(),
                    value,
                    min: info.min,
                    max: info.max,
                });
            }
        }
        match declared.iter().find(|info| self.get(info.name).is_none()) {
            None => Ok(()),
            Some(info) => {
                Err(BoundsError::Missing { model: model.to_owned(), bound: info.name.to_owned() })
            }
        }
    }

    /// These bounds with some values replaced, checked against what the model declares.
    pub fn overridden(
        &self,
        model: &str,
        declared: &[BoundInfo],
        overrides: &[(String, u64)],
    ) -> Result<Self, BoundsError> {
        let mut bounds = self.clone();
        for (name, value) in overrides {
            bounds.set(name.as_str(), *value);
        }
        bounds.check(model, declared).map(|()| bounds)
    }
}

/// Why bounds were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundsError {
    /// The model has no bound of this name.
    Unknown {
        /// The model asked.
        model: String,
        /// The name it does not know.
        bound: String,
        /// The value given.
        value: u64,
        /// All names that it knows.
        known: Vec<String>,
    },
    /// The value lies outside the range in which the model is defined.
    OutOfRange {
        /// The model asked.
        model: String,
        /// The bound concerned.
        bound: String,
        /// The value given.
        value: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// A bound that the model declares has no value (possible in a trace file only).
    Missing {
        /// The model asked.
        model: String,
        /// The bound without a value.
        bound: String,
    },
}

impl fmt::Display for BoundsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { model, bound, value, known } => write!(
                f,
                "model {model} has no bound `{bound}` (given: {value}); its bounds are: {}",
                known.join(", ")
            ),
            Self::OutOfRange { model, bound, value, min, max } => write!(
                f,
                "model {model}: bound `{bound}` = {value} is outside the allowed range {min}..={max}"
            ),
            Self::Missing { model, bound } => {
                write!(f, "model {model}: bound `{bound}` has no value")
            }
        }
    }
}

impl std::error::Error for BoundsError {}

/// `servers=3 txns=1`, the form used wherever bounds are shown.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}

impl Serialize for Bounds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Bounds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BoundsVisitor)
    }
}

/// Reads the object in the order in which it is written.
struct BoundsVisitor;

impl<'de> Visitor<'de> for BoundsVisitor {
    type Value = Bounds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of bound names and non-negative integers")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Bounds, M::Error> {
        let mut bounds = Bounds::default();
        while let Some((name, value)) = map.next_entry::<String, u64>()? {
            bounds.set(name, value);
        }
        Ok(bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: [BoundInfo; 2] = [
        BoundInfo { name: "servers", about: "voting servers", min: 1, max: 5 },
        BoundInfo { name: "txns", about: "transactions proposed", min: 0, max: 3 },
    ];

    #[test]
    fn overrides_keep_the_declared_order_and_report_the_range() {
        let base = Bounds::new([("servers", 3), ("txns", 1)]);
        let wider = base.overridden("Q1", &DECLARED, &[("servers".into(), 5)]).unwrap();
        assert_eq!(wider.to_string(), "servers=5 txns=1");
        let beyond = base.overridden("Q1", &DECLARED, &[("txns".into(), 9)]).unwrap_err();
        assert_eq!(
            beyond.to_string(),
            "model Q1: bound `txns` = 9 is outside the allowed range 0..=3"
        );
        let unknown = base.overridden("Q1", &DECLARED, &[("elections".into(), 2)]).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "model Q1 has no bound `elections` (given: 2); its bounds are: servers, txns"
        );
        let missing = Bounds::new([("servers", 3)]).check("Q1", &DECLARED).unwrap_err();
        assert_eq!(missing.to_string(), "model Q1: bound `txns` has no value");
    }

    #[test]
    fn json_keeps_the_order() {
        let bounds = Bounds::new([("servers", 3), ("crashes", 2), ("acks", 0)]);
        let json = serde_json::to_string(&bounds).unwrap();
        assert_eq!(json, r#"{"servers":3,"crashes":2,"acks":0}"#);
        assert_eq!(serde_json::from_str::<Bounds>(&json).unwrap(), bounds);
        assert!(serde_json::from_str::<Bounds>(r#"{"servers":-1}"#).is_err());
    }
}
