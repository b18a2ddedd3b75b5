//! The source tree, and what git knows of it.

use super::super::core_hash;
use super::child;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of a source tree.
pub(super) struct Tree {
    pub(super) root: PathBuf,
}

/// What a source tree has.
const PLACES: [&str; 4] = ["Cargo.toml", "proofs", "spec", "src/zab/src"];

impl Tree {
    /// The tree at `given`, or else the current directory or the nearest above it that is one.
    pub(super) fn find(given: Option<&Path>) -> Result<Self, String> {
        let missing = |place: &Path| PLACES.into_iter().find(|name| !place.join(name).exists());
        if let Some(given) = given {
            let root = std::path::absolute(given)
                .map_err(|error| format!("--repo {}: {error}", given.display()))?;
            return match missing(&root) {
                None => Ok(Self { root }),
                Some(name) => Err(format!(
                    "--repo: found `{}`, allowed: a clone of Vivarium; it has no {name}",
                    given.display()
                )),
            };
        }
        let here = std::env::current_dir().map_err(|error| error.to_string())?;
        let root = here.ancestors().find(|place| missing(place).is_none());
        root.map(|root| Self { root: root.to_owned() }).ok_or_else(|| {
            format!(
                "the evidence is made from a source tree, and {} is not in one: run this inside a clone of Vivarium, or name it \
                 with --repo",
                here.display()
            )
        })
    }

    /// The commit that is checked out; `None` if this is not the root of a git checkout.
    pub(super) fn commit(&self) -> Option<String> {
        let top = self.git_text(&["rev-parse", "--show-toplevel"])?;
        let same = Path::new(&top).canonicalize().ok()? == self.root.canonicalize().ok()?;
        same.then(|| self.git_text(&["rev-parse", "HEAD"])).flatten()
    }

    /// Paths that differ from the commit.
    pub(super) fn changed(&self) -> Vec<String> {
        let text = self.git(&["status", "--porcelain"]).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.get(3..));
        lines.map(str::to_owned).collect()
    }

    /// The core's hash of the tree as it is.
    pub(super) fn core(&self) -> Option<String> {
        core_hash::of_directory(&self.root.join(core_hash::CORE)).ok()
    }

    /// The core's hash at a commit; `None` if it is not in this clone, or not the whole of what was there.
    pub(super) fn core_at(&self, commit: &str) -> Option<String> {
        if commit.is_empty() || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let below = format!("{}/", core_hash::CORE);
        let list = self.git(&["ls-tree", "-r", "--name-only", commit, "--", &below])?;
        let files = list.lines().map(|path| {
            let content = self.git_bytes(&["cat-file", "blob", &format!("{commit}:{path}")])?;
            Some((path.strip_prefix(&below)?.to_owned(), content))
        });
        let files = files.collect::<Option<Vec<_>>>()?;
        (!files.is_empty()).then(|| core_hash::of_files(files))
    }

    /// The commit that last changed a file, and when.
    pub(super) fn last_change(&self, path: &str) -> Option<String> {
        let said = self.git_text(&["log", "-1", "--format=%h of %cI", "--", path])?;
        (!said.is_empty()).then_some(said)
    }

    fn git_text(&self, arguments: &[&str]) -> Option<String> {
        self.git(arguments).map(|text| text.trim().to_owned())
    }

    fn git(&self, arguments: &[&str]) -> Option<String> {
        String::from_utf8(self.git_bytes(arguments)?).ok()
    }

    fn git_bytes(&self, arguments: &[&str]) -> Option<Vec<u8>> {
        let mut command = Command::new(child::find("git")?);
        command.arg("-C").arg(&self.root).arg("--no-optional-locks").args(arguments);
        // What a git hook has set must not lead to another repository.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        let output: Output = command.output().ok()?;
        output.status.success().then_some(output.stdout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_of_a_commit_is_hashed_as_that_of_a_directory() {
        let tree = Tree { root: PathBuf::from(env!("CARGO_MANIFEST_DIR")) };
        // What is checked out need not be what is committed; the hash of the sources is that of the build.
        assert_eq!(tree.core().as_deref(), Some(env!("VIVARIUM_CORE")));
        assert_eq!(tree.core_at("unknown"), None);
        assert_eq!(tree.core_at("73f16374d94880bf18a0ae892dbb179a41f1d55e-dirty"), None);
        if tree.commit().is_some() && tree.changed().is_empty() {
            assert_eq!(tree.core_at("HEAD"), None, "a name is no hash");
            let commit = tree.commit().expect("is there");
            assert_eq!(tree.core_at(&commit), tree.core());
        }
    }

    #[test]
    fn a_place_that_is_no_clone_is_refused_with_what_is_missing() {
        let place = tempfile::tempdir().expect("a directory");
        let error = Tree::find(Some(place.path())).err().expect("refused");
        assert!(error.ends_with("allowed: a clone of Vivarium; it has no Cargo.toml"), "{error}");
    }
}
