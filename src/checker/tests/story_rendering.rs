//! Stories as text and as pages.

mod stories;

use checker::{Fate, html_page, story_text};
use std::path::{Path, PathBuf};

/// Compares with a golden file; `UPDATE_GOLDEN=1 cargo test` writes it anew.
fn golden(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).expect("golden file is writable");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{} differs: UPDATE_GOLDEN=1 rewrites it", path.display());
}

#[test]
fn text_of_a_story() {
    golden("acknowledged_too_early.txt", &story_text(&stories::acknowledged_too_early()));
}

/// Writes the pages into the build directory too, for looking at them.
#[test]
fn page_has_every_step_and_every_message_once() {
    let mut all = vec![("early", stories::acknowledged_too_early())];
    all.push(("ring-3-10", stories::busy(3, 10)));
    all.push(("busy-4-30", stories::busy(4, 30)));
    all.push(("busy-5-60", stories::busy(5, 60)));
    for (name, story) in all {
        let page = html_page(&story, "0123abc");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
        std::fs::write(path, &page).expect("build directory is writable");
        let count = |text: &str| page.matches(text).count();
        let steps = story.steps.len();
        assert_eq!(count("<tr data-row="), steps);
        assert_eq!(count("class=\"band\""), steps);
        let sent: usize = story.steps.iter().map(|step| step.sent.len()).sum();
        assert_eq!(count("data-until="), sent, "one arrow for each message sent");
        let lost = |fate| {
            let sent = story.steps.iter().flat_map(|step| &step.sent);
            sent.filter(|arrow| arrow.fate == fate).count()
        };
        assert_eq!(count("class=\"arrow lost lane"), lost(Fate::Lost));
    }
}

#[test]
fn page_stands_alone() {
    let page = html_page(&stories::acknowledged_too_early(), "0123abc");
    for forbidden in ["http:", "https:", "//", "@import", "url(", "<img", "<script src"] {
        // Comments in the script are the only place for two slashes.
        let found = page.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found: Vec<&str> = found.filter(|line| line.contains(forbidden)).collect();
        assert!(found.is_empty(), "{forbidden} in {found:?}");
    }
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
}

#[test]
fn page_escapes_everything() {
    const BAD: &str = "</script><script>alert(\"1\")</script>'&";
    let mut story = stories::acknowledged_too_early();
    story.model = BAD.into();
    story.property = BAD.into();
    story.property_sentence = BAD.into();
    story.property_source = BAD.into();
    story.facts = [BAD.into(), BAD.into()];
    story.bounds.set(BAD, 1);
    story.servers.push(BAD.into());
    for step in &mut story.steps {
        step.actor = BAD.into();
        step.action = BAD.into();
        step.text = BAD.into();
        step.memory = vec![BAD.into()];
        step.disk = vec![BAD.into()];
        step.sent.push(stories::arrow(BAD, BAD, BAD, Fate::Lost, None));
        step.received = Some(stories::arrow(BAD, BAD, BAD, Fate::Delivered, None));
    }
    let page = html_page(&story, BAD);
    assert_eq!(page.matches("<script>").count(), 1);
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(!page.contains("alert(\""), "quotes are escaped too");
}

#[test]
fn a_story_without_steps_can_be_shown() {
    let mut story = stories::acknowledged_too_early();
    story.steps.clear();
    assert!(html_page(&story, "unknown").contains("0 steps"));
    assert!(story_text(&story).contains("0 steps"));
}
