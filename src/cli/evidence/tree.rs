//! The source tree, and what git knows of it.

use super::super::{checkout, core_hash};
use super::child;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of a source tree.
pub(super) struct Tree {
    pub(super) root: PathBuf,
}

/// What the evidence is made from: a change elsewhere does not make the tree another.
const PARTS: [&str; 8] =
    ["Cargo.toml", "Cargo.lock", "rustfmt.toml", "src", "model", "spec", "proofs", "tests"];

impl Tree {
    /// See [`checkout::find`].
    pub(super) fn find(given: Option<&Path>) -> Result<Self, String> {
        checkout::find(given, "the evidence is made").map(|root| Self { root })
    }

    /// The commit that is checked out; `None` if this is not the root of a git checkout.
    pub(super) fn commit(&self) -> Option<String> {
        let top = self.git_text(&["rev-parse", "--show-toplevel"])?;
        let same = Path::new(&top).canonicalize().ok()? == self.root.canonicalize().ok()?;
        same.then(|| self.git_text(&["rev-parse", "HEAD"])).flatten()
    }

    /// Paths of what the evidence is made from that differ from the commit; what is in `out`, which
    /// is the report's own directory, is none of them.
    pub(super) fn changed(&self, out: &Path) -> Vec<String> {
        let mut arguments = vec!["status", "--porcelain", "--"];
        arguments.extend(PARTS);
        let root = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        let out = out.canonicalize().unwrap_or_else(|_| out.to_owned());
        let own = out.strip_prefix(&root).ok().filter(|below| !below.as_os_str().is_empty());
        let exclude = own.map(|below| format!(":(top,exclude,literal){}", below.display()));
        arguments.extend(exclude.as_deref());
        let text = self.git(&arguments).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.get(3..));
        lines.map(str::to_owned).collect()
    }

    /// The hash of the tree's core and host as they are.
    pub(super) fn core(&self) -> Option<String> {
        core_hash::of_tree(&self.root).ok()
    }

    /// The hash of core and host at a commit; `None` if it is not in this clone, or not the whole
    /// of what was there.
    pub(super) fn core_at(&self, commit: &str) -> Option<String> {
        if commit.is_empty() || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let checked = core_hash::CHECKED.map(|path| format!("{path}/"));
        let mut arguments = vec!["ls-tree", "-r", "--name-only", commit, "--"];
        arguments.extend(checked.iter().map(String::as_str));
        let list = self.git(&arguments)?;
        let files = list.lines().map(|path| {
            let content = self.git_bytes(&["cat-file", "blob", &format!("{commit}:{path}")])?;
            Some((path.to_owned(), content))
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
        // What is checked out need not be what is committed; the hash of the sources is that of the
        // build.
        assert_eq!(tree.core().as_deref(), Some(env!("VIVARIUM_CORE")));
        assert_eq!(tree.core_at("unknown"), None);
        assert_eq!(tree.core_at("73f16374d94880bf18a0ae892dbb179a41f1d55e-dirty"), None);
        if tree.commit().is_some() && tree.changed(&tree.root).is_empty() {
            assert_eq!(tree.core_at("HEAD"), None, "a name is no hash");
            let commit = tree.commit().expect("is there");
            assert_eq!(tree.core_at(&commit), tree.core());
        }
    }

    /// A repository with one commit, which has a file in `src` and one beside it.
    fn repository() -> (tempfile::TempDir, Tree) {
        let place = tempfile::tempdir().expect("a directory");
        let tree = Tree { root: place.path().to_owned() };
        std::fs::create_dir(place.path().join("src")).expect("made");
        for name in ["src/a.rs", "README.md"] {
            std::fs::write(place.path().join(name), "one").expect("written");
        }
        let name = ["-c", "user.name=n", "-c", "user.email=e"];
        for command in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "one"]] {
            assert!(tree.git(&[&name[..], command].concat()).is_some(), "{command:?}");
        }
        (place, tree)
    }

    #[test]
    fn a_report_inside_of_the_tree_does_not_make_it_another() {
        let (place, tree) = repository();
        let out = place.path().join("src/report");
        std::fs::create_dir(&out).expect("made");
        std::fs::write(out.join("report.json"), "{}").expect("written");
        std::fs::write(place.path().join("README.md"), "two").expect("written");
        std::fs::write(place.path().join("notes"), "mine").expect("written");
        assert_eq!(tree.changed(&out), Vec::<String>::new());
        assert_eq!(tree.changed(Path::new("/nowhere")), ["src/report/"]);
        std::fs::write(place.path().join("src/a.rs"), "two").expect("written");
        assert_eq!(tree.changed(&out), ["src/a.rs"]);
    }
}
