//! What is different between a story as written and as played.

use std::fmt::Write;

const CONTEXT: usize = 2;

/// Lines to take out (`-`) and to put in (`+`), with a little of what stands around them.
pub(crate) fn between(name: &str, written: &str, played: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (written.lines().collect(), played.lines().collect());
    let marked = marked(&old, &new);
    let mut text = String::new();
    let mut shown_upto = 0;
    for (index, _) in marked.iter().enumerate().filter(|(_, (mark, ..))| *mark != ' ') {
        let from = index.saturating_sub(CONTEXT).max(shown_upto);
        let upto = (index + CONTEXT + 1).min(marked.len());
        if from >= upto {
            continue;
        }
        if from > shown_upto || text.is_empty() {
            let _ = writeln!(text, "{name}:{}:", marked[from].1);
        }
        for (mark, _, line) in &marked[from..upto] {
            let _ = writeln!(text, "{mark} {line}");
        }
        shown_upto = upto;
    }
    text
}

/// All lines of both, each with its mark and the number of the line in `old`.
fn marked<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, usize, &'a str)> {
    // Longest common subsequences of the tails.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut marked) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            marked.push((' ', i + 1, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            marked.push(('-', i + 1, old[i]));
            i += 1;
        } else {
            marked.push(('+', i + 1, new[j]));
            j += 1;
        }
    }
    marked
}

#[test]
fn a_changed_line_is_shown_with_its_place() {
    let text = between("s.txt", "a\nb\nc\nd\ne\nf\n", "a\nb\nc\nD\ne\nf\n");
    assert_eq!(text, "s.txt:2:\n  b\n  c\n- d\n+ D\n  e\n  f\n");
}
