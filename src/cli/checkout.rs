//! Finding the source tree that a command works on.

use std::path::{Path, PathBuf};

/// What a source tree has.
const PLACES: [&str; 6] =
    ["Cargo.toml", "proofs", "spec", "src/zab/src", "src/host/src", "model/flaws/flaws.json"];

/// The tree at `given` (`--repo`), or else the current directory or the nearest above it that is
/// one. `needed_for` begins the message if there is none.
pub(super) fn find(given: Option<&Path>, needed_for: &str) -> Result<PathBuf, String> {
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    find_from(&here, given, needed_for)
}

fn find_from(here: &Path, given: Option<&Path>, needed_for: &str) -> Result<PathBuf, String> {
    let missing = |place: &Path| PLACES.into_iter().find(|name| !place.join(name).exists());
    if let Some(given) = given {
        let root = here.join(given);
        return match missing(&root) {
            None => Ok(root),
            Some(name) => Err(format!(
                "--repo: found `{}`, allowed: a clone of Vivarium; it has no {name}",
                given.display()
            )),
        };
    }
    let root = here.ancestors().find(|place| missing(place).is_none());
    root.map(Path::to_owned).ok_or_else(|| {
        format!(
            "{needed_for} from a source tree, and {} is not in one: run this inside a clone of Vivarium, or name it \
             with --repo",
            here.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone() -> tempfile::TempDir {
        let place = tempfile::tempdir().expect("a directory");
        for name in PLACES {
            std::fs::create_dir_all(place.path().join(name)).expect("made");
        }
        place
    }

    #[test]
    fn a_tree_is_the_one_named_or_the_one_around_here() {
        let (tree, elsewhere) = (clone(), tempfile::tempdir().expect("a directory"));
        let inside = tree.path().join("src/zab");
        let root = Ok(tree.path().to_owned());
        assert_eq!(find_from(&inside, None, "flaws are built"), root);
        assert_eq!(find_from(elsewhere.path(), Some(tree.path()), ""), root);
        assert_eq!(find_from(tree.path(), Some(Path::new("")), ""), Ok(tree.path().join("")));
        let error = find_from(elsewhere.path(), None, "flaws are built").expect_err("none there");
        let say = format!(
            "flaws are built from a source tree, and {} is not in one: run this inside a clone of Vivarium, or name it with --repo",
            elsewhere.path().display()
        );
        assert_eq!(error, say);
        let error = find_from(&inside, Some(elsewhere.path()), "").expect_err("no clone");
        assert!(error.ends_with("allowed: a clone of Vivarium; it has no Cargo.toml"), "{error}");
    }
}
