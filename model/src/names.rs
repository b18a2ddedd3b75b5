//! Names of models: a family and a number, and the short name that does as well.

/// The family of a model.
pub(crate) fn family(name: &'static str) -> &'static str {
    match name.rsplit_once('-') {
        Some((family, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => family,
        Some(_) | None => name,
    }
}

/// The short name of a model, if it has one.
pub(crate) fn alias(name: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(known, _)| *known == name).map(|(_, alias)| *alias)
}

const ALIASES: [(&str, &str); 46] = [
    ("broadcast-0", "Q0"),
    ("broadcast-1", "Q1"),
    ("broadcast-2", "Q2"),
    ("broadcast-3", "Q3"),
    ("broadcast-4", "Q4"),
    ("broadcast-5", "Q5"),
    ("broadcast-6", "Q6"),
    ("broadcast-7", "Q7"),
    ("broadcast-8", "Q8"),
    ("sync-reads-1", "K1"),
    ("sync-reads-2", "K2"),
    ("sync-reads-3", "K3"),
    ("whole-0", "X0"),
    ("whole-1", "X1"),
    ("whole-2", "X2"),
    ("whole-3", "X3"),
    ("recovery", "R"),
    ("recovery-2", "RD2"),
    ("recovery-3", "RD3"),
    ("election-1", "F1"),
    ("election-2", "F2"),
    ("election-3", "F3"),
    ("election-4", "F4"),
    ("election-5", "F5"),
    ("liveness-1", "L1"),
    ("liveness-2", "L2"),
    ("liveness-3", "L3"),
    ("liveness-4", "L4"),
    ("liveness-5", "L5"),
    ("liveness-6", "L6"),
    ("abstract-1", "A1"),
    ("abstract-2", "A2"),
    ("abstract-3", "A3"),
    ("abstract-4", "A4"),
    ("abstract-5", "A5"),
    ("abstract-6", "A6"),
    ("abstract-7", "A7"),
    ("abstract-8", "A8"),
    ("one-server-1", "H1"),
    ("one-server-2", "H2"),
    ("one-server-3", "H3"),
    ("one-server-4", "H4"),
    ("one-server-5", "H5"),
    ("one-server-6", "H6"),
    ("one-server-7", "H7"),
    ("one-server-8", "H8"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    #[test]
    fn every_model_is_found_by_its_name_and_by_its_short_one() {
        let registry = registry();
        assert_eq!(registry.len(), ALIASES.len());
        for model in &registry {
            let info = model.info();
            let alias = info.alias.expect("each has one");
            assert_eq!(family(info.name), info.family);
            for name in [info.name, alias, &alias.to_lowercase()] {
                let found = checker::find_model(&registry, name).expect("there is one");
                assert_eq!(found.info().name, info.name);
            }
        }
    }

    #[test]
    fn names_of_properties_are_words_joined_by_hyphens() {
        for model in registry() {
            for property in model.info().properties {
                let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(property.name.chars().all(letter), "{}", property.name);
            }
        }
    }
}
