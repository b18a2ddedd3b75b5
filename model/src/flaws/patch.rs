//! Unified diffs, applied without any tolerance for a context that differs.

/// A change to files that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    files: Vec<FilePatch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FilePatch {
    path: String,
    hunks: Vec<Hunk>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hunk {
    /// Where the old lines began, from 0, in the file from which the diff was made.
    at: usize,
    old: Vec<String>,
    new: Vec<String>,
}

impl Patch {
    /// Reads a unified diff. Text before the first `---` is a comment.
    ///
    /// # Errors
    /// What is not understood, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut files: Vec<FilePatch> = Vec::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            let wrong = |what: &str| Err(format!("line {}: {what}: `{line}`", at + 1));
            if line.starts_with("--- ") {
                let Some(path) = lines.next().and_then(|(_, next)| next.strip_prefix("+++ b/"))
                else {
                    return wrong("`+++ b/PATH` has to follow");
                };
                if line.strip_prefix("--- a/") != Some(path) {
                    return wrong(
                        "only changes to a file that exists and keeps its name are known",
                    );
                }
                files.push(FilePatch { path: path.to_owned(), hunks: Vec::new() });
            } else if line.starts_with("@@ ") {
                let Some(file) = files.last_mut() else {
                    return wrong("a hunk before any file");
                };
                let Some((at, mut old_left, mut new_left)) = hunk_head(line) else {
                    return wrong("not the head of a hunk");
                };
                let mut hunk = Hunk { at, old: Vec::new(), new: Vec::new() };
                while old_left > 0 || new_left > 0 {
                    let Some((at, line)) = lines.next() else {
                        return wrong("the hunk ends too early");
                    };
                    let (old, new) = match line.as_bytes().first() {
                        Some(b' ') | None => (true, true),
                        Some(b'-') => (true, false),
                        Some(b'+') => (false, true),
                        Some(_) => {
                            return Err(format!("line {}: no line of a hunk: `{line}`", at + 1));
                        }
                    };
                    if (old && old_left == 0) || (new && new_left == 0) {
                        return Err(format!("line {}: more than the hunk's head says", at + 1));
                    }
                    let content = line.get(1..).unwrap_or("").to_owned();
                    old_left -= usize::from(old);
                    new_left -= usize::from(new);
                    if old {
                        hunk.old.push(content.clone());
                    }
                    if new {
                        hunk.new.push(content);
                    }
                }
                file.hunks.push(hunk);
            } else if !files.is_empty() && !line.is_empty() {
                return wrong("neither a file nor a hunk");
            }
        }
        match files.iter().all(|file| !file.hunks.is_empty()) && !files.is_empty() {
            true => Ok(Self { files }),
            false => Err("a patch without changes".to_owned()),
        }
    }

    /// The files that it changes, as written in it.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }

    /// The text of a file after the change.
    ///
    /// A hunk goes where it was made, moved by as much as the one before it. If it does not fit
    /// there, because the file has grown elsewhere, it goes to the one place where it does. Every
    /// line of it has to match.
    ///
    /// # Errors
    /// A hunk fits nowhere, or in several places.
    pub fn apply(&self, path: &str, text: &str) -> Result<String, String> {
        let mut lines: Vec<&str> = text.lines().collect();
        let mut done = 0;
        let mut drift = 0isize;
        for hunk in self.files.iter().filter(|file| file.path == path).flat_map(|f| &f.hunks) {
            let fits = |at: usize| {
                at >= done
                    && lines.get(at..at + hunk.old.len()).is_some_and(|there| there == hunk.old)
            };
            let usual = hunk.at.saturating_add_signed(drift);
            let at = if fits(usual) {
                usual
            } else {
                let places: Vec<usize> = (0..lines.len()).filter(|&at| fits(at)).collect();
                let [at] = places[..] else {
                    let head = hunk.old.iter().find(|line| !line.trim().is_empty());
                    return Err(format!(
                        "{path}: the hunk of line {} (`{}`) fits in {} places",
                        hunk.at + 1,
                        head.map_or("", |line| line.trim()),
                        places.len()
                    ));
                };
                at
            };
            lines.splice(at..at + hunk.old.len(), hunk.new.iter().map(String::as_str));
            done = at + hunk.new.len();
            drift = done as isize - (hunk.at + hunk.old.len()) as isize;
        }
        let mut text = lines.join("\n");
        text.push('\n');
        Ok(text)
    }
}

/// Position and lengths in `@@ -at,old +at,new @@`.
fn hunk_head(line: &str) -> Option<(usize, usize, usize)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| -> Option<(usize, usize)> {
        let (at, length) = text.split_once(',').unwrap_or((text, "1"));
        Some((at.parse().ok()?, length.parse().ok()?))
    };
    let ((at, old), (_, new)) = (range(old)?, range(new)?);
    Some((at.checked_sub(1)?, old, new))
}
