//! The file with its mutants behind switches.

use std::cmp::Reverse;
use std::ops::Range;

use crate::places::Places;
use crate::{Genre, Lines, Mutant, Outcome, Place, Position};

/// A part of the file that mutants change.
///
/// In order: what begins first comes first, and what has something else in it comes before that.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Edit {
    start: usize,
    /// At one place what is put before an expression precedes the expression.
    kind: Kind,
    end: Reverse<usize>,
    alternatives: Vec<(u32, String)>,
}

/// How the alternatives are written down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A statement before the first of a function: `if is(7) { return 0; }`.
    Return,
    /// A guard of an arm that has none: `if !is(7)`.
    NewGuard,
    /// All of what an iterator yields or nothing: `{ body }.take(..)`.
    Take,
    /// An expression or another: `(if is(7) { a > b } else { a < b })`.
    Instead,
}

/// The new text of a file, and where each mutant is in it.
pub(crate) fn rewrite(source: &str, mutants: &[&Mutant]) -> Result<(String, Vec<Place>), String> {
    let places = Places::of(source).map_err(|error| error.to_string())?;
    let mut written = Vec::new();
    let mut edits: Vec<Edit> = Vec::new();
    for mutant in mutants {
        match edit(source, &places, mutant)? {
            Ok((kind, range, text)) => {
                let (start, end) = (range.start, Reverse(range.end));
                let same = edits
                    .iter_mut()
                    .find(|edit| (edit.start, edit.end, edit.kind) == (start, end, kind));
                match same {
                    Some(edit) => edit.alternatives.push((mutant.id, text)),
                    None => {
                        let alternatives = vec![(mutant.id, text)];
                        edits.push(Edit { start, kind, end, alternatives });
                    }
                }
            }
            Err(why) => {
                written.push(Place { id: mutant.id, outcome: Outcome::Inexpressible(why) });
            }
        }
    }
    edits.sort();
    let mut writer = Writer { source, new: String::new(), places: written };
    writer.part(0..source.len(), &edits);
    Ok((writer.new, writer.places))
}

/// A change: how it is written, what it replaces, and the other text.
type Change = (Kind, Range<usize>, String);

/// The change that a mutant makes, or why a switch cannot make it.
fn edit(
    source: &str,
    places: &Places,
    mutant: &Mutant,
) -> Result<Result<Change, &'static str>, String> {
    let span = bytes(source, mutant.span)?;
    let missing = |what| format!("mutant {}: there is no {what} at {:?}", mutant.id, mutant.span);
    Ok(match mutant.genre {
        Genre::FnValue => {
            let yields = mutant.function.as_ref().map_or("", |function| &function.return_type);
            if !yields.contains("impl Iterator") {
                Ok((Kind::Return, span.start..span.start, mutant.replacement.clone()))
            } else if mutant.replacement == "::std::iter::empty()" {
                Ok((Kind::Take, span, mutant.replacement.clone()))
            } else {
                Err("the function returns an iterator of one type only")
            }
        }
        Genre::BinaryOperator | Genre::UnaryOperator => {
            let operation = places.operations.get(&span.start);
            let operation = operation.ok_or_else(|| missing("operator"))?;
            if operation.binds {
                Err("an operand is a `let`")
            } else {
                Ok(instead(source, &operation.whole, &span, &mutant.replacement))
            }
        }
        Genre::MatchArmGuard => Ok((Kind::Instead, span, mutant.replacement.clone())),
        Genre::MatchArm => {
            let arm = places.arms.get(&span.start).ok_or_else(|| missing("arm of a match"))?;
            Ok(match &arm.guard {
                Some(guard) => (Kind::Instead, guard.clone(), "false".to_owned()),
                None => {
                    let end = arm.pattern_end;
                    (Kind::NewGuard, end..end, String::new())
                }
            })
        }
        Genre::StructField => {
            let whole = places.literals.get(&span.start);
            let whole = whole.ok_or_else(|| missing("field of a struct"))?;
            let comma = source[span.end..whole.end].find(',').map_or(0, |at| at + 1);
            Ok(instead(source, whole, &(span.start..span.end + comma), ""))
        }
    })
}

/// The whole expression with a part of it replaced, instead of the expression.
fn instead(source: &str, whole: &Range<usize>, part: &Range<usize>, by: &str) -> Change {
    let (before, after) = (&source[whole.start..part.start], &source[part.end..whole.end]);
    (Kind::Instead, whole.clone(), format!("{before}{by}{after}"))
}

struct Writer<'a> {
    source: &'a str,
    new: String,
    places: Vec<Place>,
}

impl Writer<'_> {
    /// Writes a part of the source with the edits that are in it.
    fn part(&mut self, part: Range<usize>, edits: &[Edit]) {
        let mut at = part.start;
        let mut rest = edits;
        while let Some((edit, after)) = rest.split_first() {
            let whole = edit.start..edit.end.0;
            self.new.push_str(&self.source[at..whole.start]);
            let inner = match edit.kind {
                Kind::Return | Kind::NewGuard => 0,
                Kind::Take | Kind::Instead => {
                    after.iter().take_while(|inner| inner.end.0 <= whole.end).count()
                }
            };
            self.edit(edit, whole.clone(), &after[..inner]);
            at = whole.end;
            rest = &after[inner..];
        }
        self.new.push_str(&self.source[at..part.end]);
    }

    fn edit(&mut self, edit: &Edit, whole: Range<usize>, inner: &[Edit]) {
        let alternatives = &edit.alternatives;
        match edit.kind {
            Kind::Return => {
                for (id, value) in alternatives {
                    self.write(*id, &format!("if crate::mutant::is({id}) {{ return {value}; }}"));
                    self.new.push(' ');
                }
            }
            Kind::NewGuard => {
                for (id, _) in alternatives {
                    self.write(*id, &format!(" if !crate::mutant::is({id})"));
                }
            }
            Kind::Take => {
                self.new.push('{');
                self.part(whole, inner);
                self.new.push('}');
                for (id, _) in alternatives {
                    let number =
                        format!("if crate::mutant::is({id}) {{ 0 }} else {{ usize::MAX }}");
                    self.write(*id, &format!(".take({number})"));
                }
            }
            Kind::Instead => {
                self.new.push('(');
                for (id, other) in alternatives {
                    self.write(*id, &format!("if crate::mutant::is({id}) {{ {other} }}"));
                    self.new.push_str(" else ");
                }
                self.new.push_str("{ ");
                self.part(whole, inner);
                self.new.push_str(" })");
            }
        }
    }

    /// Writes what is there because of a mutant.
    fn write(&mut self, id: u32, text: &str) {
        let start = self.new.len();
        self.new.push_str(text);
        let outcome = Outcome::Switched { start, end: self.new.len() };
        self.places.push(Place { id, outcome });
    }
}

/// A part of the source in bytes.
fn bytes(source: &str, lines: Lines) -> Result<Range<usize>, String> {
    let offset = |Position { line, column }: Position| {
        let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let columns: usize =
            source.get(start..)?.chars().take(column - 1).map(char::len_utf8).sum();
        Some(start + columns)
    };
    let range = offset(lines.start).zip(offset(lines.end)).map(|(start, end)| start..end);
    range
        .filter(|range| range.start <= range.end && range.end <= source.len())
        .ok_or_else(|| format!("{lines:?} is not in the file"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Function;

    /// A mutant of the first place where the file says this, or of all that is between `from` and
    /// `to`.
    fn mutant(source: &str, id: u32, genre: Genre, part: &str, replacement: &str) -> Mutant {
        let at = source.find(part).expect("the file says so");
        let position = |at: usize| {
            let before = &source[..at];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            Position { line, column }
        };
        let span = Lines { start: position(at), end: position(at + part.len()) };
        let function = Some(Function { return_type: String::new() });
        let (file, replacement) = (String::new(), replacement.to_owned());
        Mutant { id, file, genre, replacement, function, span }
    }

    fn rewritten(source: &str, mutants: &[Mutant]) -> String {
        let (new, places) = rewrite(source, &mutants.iter().collect::<Vec<_>>()).expect("is Rust");
        for Place { id, outcome } in places {
            let Outcome::Switched { start, end } = outcome else { continue };
            assert!(new[start..end].contains(&format!("crate::mutant::is({id})")));
        }
        new.replace("crate::mutant::", "")
    }

    #[test]
    fn an_operation_is_one_or_another() {
        let source = "fn f(a: u8) -> bool { a < 3 }";
        let equal = mutant(source, 1, Genre::BinaryOperator, "<", "==");
        let above = mutant(source, 2, Genre::BinaryOperator, "<", ">");
        let new = "fn f(a: u8) -> bool { \
            (if is(1) { a == 3 } else if is(2) { a > 3 } else { a < 3 }) }";
        assert_eq!(rewritten(source, &[equal, above]), new);
    }

    #[test]
    fn a_mutant_inside_of_another_is_in_its_original_only() {
        let source = "fn f(a: bool, b: bool) -> bool { é(); a && !b }";
        let and = mutant(source, 1, Genre::BinaryOperator, "&&", "||");
        let not = mutant(source, 2, Genre::UnaryOperator, "!", "");
        let value = mutant(source, 3, Genre::FnValue, "é(); a && !b", "true");
        let new = "fn f(a: bool, b: bool) -> bool { if is(3) { return true; } é(); \
            (if is(1) { a || !b } else { a && (if is(2) { b } else { !b }) }) }";
        assert_eq!(rewritten(source, &[not, and, value]), new);
    }

    #[test]
    fn a_function_that_is_one_operation_returns_before_it() {
        let source = "fn f(a: u8) -> bool { a < 3 }";
        let value = mutant(source, 1, Genre::FnValue, "a < 3", "true");
        let less = mutant(source, 2, Genre::BinaryOperator, "<", ">");
        let new = "fn f(a: u8) -> bool { if is(1) { return true; } \
            (if is(2) { a > 3 } else { a < 3 }) }";
        assert_eq!(rewritten(source, &[less, value]), new);
    }

    #[test]
    fn an_arm_that_is_taken_out_has_a_guard_that_is_false() {
        let source = "fn f(a: u8) -> u8 { match a { 1 => 0, 2 if a == 2 => 1, _ => 2 } }";
        let bare = mutant(source, 1, Genre::MatchArm, "1 => 0", "");
        let guarded = mutant(source, 2, Genre::MatchArm, "2 if a == 2 => 1", "");
        let guard = mutant(source, 3, Genre::MatchArmGuard, "a == 2", "true");
        let new = "fn f(a: u8) -> u8 { match a { 1 if !is(1) => 0, \
            2 if (if is(2) { false } else if is(3) { true } else { a == 2 }) => 1, _ => 2 } }";
        assert_eq!(rewritten(source, &[bare, guarded, guard]), new);
    }

    #[test]
    fn a_field_that_is_taken_out_takes_its_comma_with_it() {
        let source = "fn f(a: S) -> S { S { x: 1, y: 2, ..a } }";
        let field = mutant(source, 1, Genre::StructField, "x: 1", "");
        let new = "fn f(a: S) -> S { \
            (if is(1) { S {  y: 2, ..a } } else { S { x: 1, y: 2, ..a } }) }";
        assert_eq!(rewritten(source, &[field]), new);
    }

    #[test]
    fn an_iterator_that_is_empty_is_the_same_of_which_none_is_taken() {
        let source = "fn f() -> impl Iterator<Item = u8> { 0..9 }";
        let mut empty = mutant(source, 1, Genre::FnValue, "0..9", "::std::iter::empty()");
        let mut one = mutant(source, 2, Genre::FnValue, "0..9", "::std::iter::once(0)");
        for mutant in [&mut empty, &mut one] {
            let return_type = "-> impl Iterator<Item = u8>".to_owned();
            mutant.function = Some(Function { return_type });
        }
        let new = "fn f() -> impl Iterator<Item = u8> \
            { {0..9}.take(if is(1) { 0 } else { usize::MAX }) }";
        assert_eq!(rewritten(source, &[empty, one.clone()]), new);
        let (_, places) = rewrite(source, &[&one]).expect("is Rust");
        assert!(matches!(places[0].outcome, Outcome::Inexpressible(_)));
    }

    #[test]
    fn what_binds_a_name_has_no_alternative() {
        let source = "fn f(a: S) { if let Some(b) = a && b > 1 { g() } }";
        let and = mutant(source, 1, Genre::BinaryOperator, "&&", "||");
        let above = mutant(source, 2, Genre::BinaryOperator, ">", "<");
        let new = "fn f(a: S) { if let Some(b) = a && \
            (if is(2) { b < 1 } else { b > 1 }) { g() } }";
        assert_eq!(rewritten(source, &[and, above]), new);
    }

    #[test]
    fn a_place_that_is_not_there_is_an_error() {
        let mut odd = mutant("fn f() { 1 + 1 }", 1, Genre::BinaryOperator, "+", "-");
        odd.span.start.column += 1;
        assert!(rewrite("fn f() { 1 + 1 }", &[&odd]).is_err());
        odd.span.end.line += 5;
        assert!(rewrite("fn f() { 1 + 1 }", &[&odd]).is_err());
    }
}
