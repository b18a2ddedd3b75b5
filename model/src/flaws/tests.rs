//! The list, the patches and the README belong together. That each flaw is caught is shown by
//! `vivarium check --flaws`.

use super::list::{Case, flaws};
use super::patch::Patch;
use super::readme::with_table;
use super::runner::CHECKED;
use crate::registry;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_patch_applies_to_what_is_checked_and_is_listed() {
    let list = flaws().unwrap();
    let expressed = list.iter().filter(|flaw| matches!(flaw.case, Case::Expressed { .. }));
    let listed: BTreeSet<String> = expressed.map(|flaw| format!("{}.patch", flaw.name)).collect();
    let files = fs::read_dir(root().join("model/flaws")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let present: BTreeSet<String> = names.filter(|name| name.ends_with(".patch")).collect();
    assert_eq!(present, listed);
    for name in &present {
        let text = fs::read_to_string(root().join("model/flaws").join(name)).unwrap();
        let patch = Patch::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for path in patch.paths() {
            let is_checked = CHECKED.iter().any(|checked| path.starts_with(checked));
            assert!(is_checked, "{name} changes {path}");
            let before = fs::read_to_string(root().join(path)).unwrap();
            let after =
                patch.apply(path, &before).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_ne!(before, after);
        }
    }
}

#[test]
fn every_flaw_names_a_model_its_bounds_and_one_of_its_properties() {
    let models = registry();
    let mut names = BTreeSet::new();
    for flaw in flaws().unwrap() {
        assert!(names.insert(flaw.name.clone()), "{} twice", flaw.name);
        let Case::Expressed { expected, model, bounds, measured } = flaw.case else {
            continue;
        };
        let info = models.iter().map(|m| m.info()).find(|info| info.name == model);
        let info = info.unwrap_or_else(|| panic!("{}: no model {model}", flaw.name));
        assert!(info.property(&expected).is_some(), "{}: no property {expected}", flaw.name);
        for (bound, value) in bounds.iter() {
            let known = info.bounds.iter().find(|info| info.name == bound);
            let known = known.unwrap_or_else(|| panic!("{}: no bound {bound}", flaw.name));
            assert!((known.min..=known.max).contains(&value), "{}: {bound}", flaw.name);
        }
        let measured = measured.unwrap_or_else(|| panic!("{} was never run", flaw.name));
        assert_eq!(measured.property, expected, "{}", flaw.name);
    }
}

#[test]
fn the_table_is_made_from_the_list() {
    let readme = fs::read_to_string(root().join("model/flaws/README.md")).unwrap();
    let again = with_table(&readme, &flaws().unwrap()).unwrap();
    assert!(readme == again, "run `VIVARIUM_FLAWS_UPDATE=1 vivarium check --flaws`");
}

const FILE: &str = "a\nb\nc\nd\na\nb\nx\n";

fn patched(hunks: &str) -> Result<String, String> {
    Patch::parse(&format!("--- a/f\n+++ b/f\n{hunks}"))?.apply("f", FILE)
}

#[test]
fn hunks_go_where_they_were_made_or_to_the_one_place_where_they_fit() {
    let change = "@@ -2,2 +2,2 @@\n b\n-c\n+C\n";
    assert_eq!(patched(change).unwrap(), "a\nb\nC\nd\na\nb\nx\n");
    let moved = "@@ -5,2 +5,1 @@ fn f()\n-c\n d\n";
    assert_eq!(patched(moved).unwrap(), "a\nb\nd\na\nb\nx\n");
    let two = "@@ -1,1 +1,2 @@\n a\n+new\n@@ -5,2 +6,2 @@\n a\n-b\n+B\n";
    assert_eq!(patched(two).unwrap(), "a\nnew\nb\nc\nd\na\nB\nx\n");
}

#[test]
fn what_does_not_fit_exactly_is_an_error() {
    for (hunks, error) in [
        ("@@ -2,2 +2,2 @@\n b\n-C\n+x\n", "f: the hunk of line 2 (`b`) fits in 0 places"),
        ("@@ -3,2 +3,1 @@\n a\n-b\n", "f: the hunk of line 3 (`a`) fits in 2 places"),
        ("@@ -2,2 +2,2 @@\n b\n-c\n", "line 3: the hunk ends too early: `@@ -2,2 +2,2 @@`"),
        ("@@ -2,1 +2,1 @@\n-b\n+B\n c\n", "line 6: neither a file nor a hunk: ` c`"),
        ("@@ -x +2 @@\n", "line 3: not the head of a hunk: `@@ -x +2 @@`"),
        ("", "a patch without changes"),
    ] {
        assert_eq!(patched(hunks).unwrap_err(), error);
    }
    let created = "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n";
    assert!(Patch::parse(created).unwrap_err().starts_with("line 1: only changes to a file"));
}
