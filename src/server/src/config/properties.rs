//! Java's properties format, in which ZooKeeper's configuration files are written.
//!
//! Own code and not the crate `java-properties`: that one also decodes the escapes of comments, so
//! it refuses a file for `# C:\users`. As in `java.util.Properties.load`: the bytes are ISO-8859-1;
//! a line ends with LF, CR or both; `=`, `:` or white space separates key and value; a line that
//! ends in an odd number of backslashes goes on in the next one; `\uXXXX` is a UTF-16 unit. Only
//! half a surrogate pair, which Java takes, is refused: no file has such a name.

use super::ConfigError;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// One key with its value, both without white space around them (`QuorumPeerConfig` trims).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Property {
    pub(super) key: String,
    pub(super) value: String,
    /// The line, counted from 1, in which it begins.
    pub(super) line: usize,
}

/// The properties of a file, in its order, repeated keys included.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Property>, ConfigError> {
    let text = latin_1(text);
    let mut properties = Vec::new();
    let mut lines = (1..).zip(lines(&text));
    while let Some((line, first)) = lines.next() {
        let mut logical = first.trim_start_matches(BLANK).to_owned();
        while !is_comment(&logical) && is_continued(&logical) {
            logical.pop();
            // A dangling backslash at the end of the text continues into nothing.
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(BLANK));
        }
        if !logical.is_empty() && !is_comment(&logical) {
            properties.push(property(&logical, line)?);
        }
    }
    Ok(properties)
}

/// The text that the bytes are in ISO-8859-1: each is the character of its number.
pub(super) fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The lines of a text without their ends: LF, CR, or CR and LF.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut ends_with_cr = false;
    text.split_inclusive(['\r', '\n']).filter_map(move |line| {
        let is_rest = ends_with_cr && line == "\n";
        ends_with_cr = line.ends_with('\r');
        (!is_rest).then(|| line.trim_end_matches(['\r', '\n']))
    })
}

/// `value` as it has to stand in a properties file, behind the `=`.
pub fn property_value(value: &str) -> String {
    let mut text = String::new();
    for (at, c) in value.chars().enumerate() {
        match c {
            '\\' => text.push_str("\\\\"),
            ' ' if at == 0 => text.push_str("\\ "),
            ' '..='~' => text.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text
}

/// `String.trim`: everything up to the blank goes, and nothing else.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

const BLANK: [char; 3] = [' ', '\t', '\x0c'];

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', '!'])
}

fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn property(logical: &str, line: usize) -> Result<Property, ConfigError> {
    let mut rest = logical.chars().peekable();
    let key = unescape(&mut rest, line, |c| BLANK.contains(&c) || c == '=' || c == ':')?;
    let skip_blank = |rest: &mut Peekable<Chars<'_>>| {
        while rest.next_if(|c| BLANK.contains(c)).is_some() {}
    };
    skip_blank(&mut rest);
    if rest.next_if(|c| *c == '=' || *c == ':').is_some() {
        skip_blank(&mut rest);
    }
    let value = unescape(&mut rest, line, |_| false)?;
    Ok(Property { key: trimmed(&key).to_owned(), value: trimmed(&value).to_owned(), line })
}

/// Characters up to the first one that `ends`, which is left in place, with escapes replaced.
fn unescape(
    rest: &mut Peekable<Chars<'_>>,
    line: usize,
    ends: impl Fn(char) -> bool,
) -> Result<String, ConfigError> {
    let mut units: Vec<u16> = Vec::new();
    while let Some(c) = rest.next_if(|c| !ends(*c)) {
        let c = match c {
            '\\' => match rest.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    let all_hex =
                        digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| all_hex);
                    units.push(unit.ok_or_else(|| ConfigError::Syntax {
                        line,
                        found: format!("\\u{digits}"),
                        allowed: "four hexadecimal digits after \\u",
                    })?);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| ConfigError::Syntax {
        line,
        found: String::from_utf16_lossy(&units),
        allowed: "\\uXXXX pairs that make a character",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: impl AsRef<[u8]>) -> Vec<(String, String, usize)> {
        let properties = parse(text.as_ref()).expect("can be read");
        properties.into_iter().map(|p| (p.key, p.value, p.line)).collect()
    }

    /// The examples of `java.util.Properties.load`, and what people do to configuration files.
    #[test]
    fn reads_what_java_reads() {
        for (text, key, value, line) in [
            ("Truth = Beauty", "Truth", "Beauty", 1),
            (" Truth:Beauty", "Truth", "Beauty", 1),
            ("Truth\t\t\t:Beauty  ", "Truth", "Beauty", 1),
            ("\nfruits  apple, \\\n   banana, \\\n  pear", "fruits", "apple, banana, pear", 2),
            ("cheeses", "cheeses", "", 1),
            ("a\\:b\\=c\\ d = e", "a:b=c d", "e", 1),
            ("dir=C:\\\\zk\\\\data", "dir", "C:\\zk\\data", 1),
            ("x=\\u00e9\\uD83D\\uDE00", "x", "é\u{1F600}", 1),
            ("# C:\\users\n! also \\u\n\r\nk=v\r\n", "k", "v", 4),
            ("k=a\\\\\nl", "k", "a\\", 1),
            ("k=v\\", "k", "v", 1),
            ("k==v", "k", "=v", 1),
            ("# a comment does not go on \\\nk=v", "k", "v", 2),
            ("\\\n# nor does it begin behind nothing\nk=v", "k", "v", 3),
            ("k=\x01 v\u{1f}\t", "k", "v", 1),
        ] {
            assert_eq!(pairs(text)[0], (key.into(), value.into(), line), "{text}");
        }
        assert_eq!(pairs("k=a\\\\\nl").len(), 2, "an even number of backslashes does not continue");
        assert!(pairs("# only\n\n\\\n").is_empty());
    }

    #[test]
    fn a_line_ends_with_either_character_or_both() {
        let expected = [("a", "1", 1), ("b", "23", 2), ("c", "4", 5)];
        let expected = expected.map(|(key, value, line)| (key.into(), value.into(), line));
        for end in ["\n", "\r", "\r\n"] {
            let text = ["a=1", "b=2\\", "  3", "", "c=4"].join(end);
            assert_eq!(pairs(&text), expected, "{end:?}");
        }
        assert_eq!(pairs("a=1\n\rb=2")[1].2, 3, "LF and CR are two ends");
    }

    #[test]
    fn bytes_are_characters_of_iso_8859_1() {
        assert_eq!(pairs(b"k=f\xfcr")[0].1, "für");
        assert_eq!(pairs("k=für")[0].1, "fÃ¼r", "UTF-8 is not what Java reads");
        assert_eq!(pairs(b"k=\xa0v\x85")[0].1, "\u{a0}v\u{85}", "no white space to Java");
    }

    #[test]
    fn what_is_escaped_is_read_again() {
        for value in ["", "/a b", " c ", "C:\\x", "für \u{1F600}", "a\tb\\", "#!=:"] {
            let text = format!("k={}", property_value(value));
            assert!(text.is_ascii(), "{text}");
            assert_eq!(pairs(text)[0].1, trimmed(value), "{value}");
        }
    }

    #[test]
    fn an_escape_that_is_none_is_refused_with_its_line() {
        for (text, found) in [("a=b\nk=\\u12", "\\u12"), ("a=b\nk=\\u+123", "\\u+123")] {
            let Err(ConfigError::Syntax { line: 2, found: was, .. }) = parse(text.as_bytes())
            else {
                panic!("{text} was read");
            };
            assert_eq!(was, found);
        }
        assert!(parse(b"k=\\uD83D").is_err(), "half a pair");
    }
}
