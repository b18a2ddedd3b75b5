//! Choosing models by name and tier.

use super::{Bounds, CheckableModel, ModelInfo, Tier};
use std::fmt;

/// Something was asked for in a way that cannot be understood: exit status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// A model with the bounds to run it with.
pub struct Selected<'a> {
    /// The model.
    pub model: &'a dyn CheckableModel,
    /// Its description.
    pub info: ModelInfo,
    /// The tier whose bounds these are, `None` if some were given by hand.
    pub tier: Option<Tier>,
    /// Its bounds, checked.
    pub bounds: Bounds,
}

/// The model called `name`, or known as it for short, without regard to case.
pub fn find_model<'a>(
    registry: &'a [Box<dyn CheckableModel>],
    name: &str,
) -> Result<&'a dyn CheckableModel, UsageError> {
    let found = registry.iter().find(|model| model.info().is_called(name));
    found.map(|model| model.as_ref()).ok_or_else(|| {
        let names: Vec<&str> = registry.iter().map(|model| model.info().name).collect();
        unknown("model", name, &names)
    })
}

/// The models to run: `all` takes every model of the tier, a name takes that one. Without a tier,
/// `all` means quick, and a single model runs in its cheapest tier.
pub fn select<'a>(
    registry: &'a [Box<dyn CheckableModel>],
    name: &str,
    tier: Option<Tier>,
    overrides: &[(String, u64)],
) -> Result<Vec<Selected<'a>>, UsageError> {
    if name != "all" {
        let model = find_model(registry, name)?;
        let info = model.info();
        let tier = match tier {
            Some(tier) => tier,
            None => info.cheapest().tier,
        };
        let Some(bounds) = info.tier(tier).cloned() else {
            let tiers: Vec<String> =
                info.tiers.iter().map(|entry| entry.tier.to_string()).collect();
            return Err(UsageError(format!(
                "model {} does not run in tier {tier}; its tiers are: {}",
                info.name,
                tiers.join(", ")
            )));
        };
        return bounded(model, info, tier, &bounds, overrides).map(|one| vec![one]);
    }
    let tier = tier.unwrap_or(Tier::Quick);
    let mut chosen = Vec::new();
    for model in registry {
        let info = model.info();
        if let Some(bounds) = info.tier(tier).cloned() {
            chosen.push(bounded(model.as_ref(), info, tier, &bounds, overrides)?);
        }
    }
    if chosen.is_empty() {
        return Err(UsageError(format!("no model runs in tier {tier}")));
    }
    Ok(chosen)
}

fn bounded<'a>(
    model: &'a dyn CheckableModel,
    info: ModelInfo,
    tier: Tier,
    base: &Bounds,
    overrides: &[(String, u64)],
) -> Result<Selected<'a>, UsageError> {
    let bounds = base
        .overridden(info.name, &info.bounds, overrides)
        .map_err(|error| UsageError(error.to_string()))?;
    model
        .admits(&bounds)
        .map_err(|why| UsageError(format!("model {}: bounds {bounds}: {why}", info.name)))?;
    let tier = (bounds == *base).then_some(tier);
    Ok(Selected { model, info, tier, bounds })
}

/// The error for a name that nothing has: what there is, and what was probably meant.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> UsageError {
    if known.is_empty() {
        return UsageError(format!("unknown {what} `{name}`: this build contains no {what}"));
    }
    let wanted = name.to_lowercase();
    let similarity = |candidate: &&&str| {
        let likeness = strsim::jaro_winkler(&wanted, &candidate.to_lowercase());
        (likeness * 1e6) as u64
    };
    let nearest =
        known.iter().max_by_key(similarity).filter(|nearest| similarity(nearest) > 500_000);
    let hint = nearest.map_or(String::new(), |nearest| format!(", did you mean `{nearest}`?"));
    let colon = if hint.is_empty() { ";" } else { "" };
    UsageError(format!("unknown {what} `{name}`{hint}{colon} {what}s: {}", known.join(", ")))
}
