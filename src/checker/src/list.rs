//! `check --list`.

use super::{CheckableModel, ModelInfo};
use std::fmt::Write as _;

/// Every model with its bounds in each tier, its properties and their sources.
pub fn list_text(registry: &[Box<dyn CheckableModel>]) -> String {
    if registry.is_empty() {
        return "This build contains no model.\n".to_owned();
    }
    let models: Vec<String> = registry.iter().map(|model| model_text(&model.info())).collect();
    models.join("\n")
}

fn model_text(info: &ModelInfo) -> String {
    let mut text = String::new();
    let alias = info.alias.map_or(String::new(), |alias| format!(", or {alias}"));
    let _ = writeln!(text, "{}{alias} (family {}): {}", info.name, info.family, info.about);
    let _ = writeln!(text, "  bounds");
    let name = info.bounds.iter().map(|bound| bound.name.len()).max().unwrap_or(0);
    let about = info.bounds.iter().map(|bound| bound.about.chars().count()).max().unwrap_or(0);
    for bound in &info.bounds {
        let _ = writeln!(
            text,
            "    {:<name$}  {:<about$}  {}..={}",
            bound.name, bound.about, bound.min, bound.max
        );
    }
    let _ = writeln!(text, "  tiers");
    for entry in &info.tiers {
        let _ = writeln!(text, "    {:<8}  {}", entry.tier, entry.bounds);
    }
    let _ = writeln!(text, "  properties");
    let name = info.properties.iter().map(|property| property.name.len()).max().unwrap_or(0);
    for property in &info.properties {
        let (kind, sentence) = (property.kind, property.sentence);
        let _ = writeln!(text, "    {:<name$}  {kind:<9}  {sentence}", property.name);
        let _ = writeln!(text, "    {:<name$}  {:<9}  source: {}", "", "", property.source);
    }
    text
}
