//! Java's properties format, in which ZooKeeper's configuration files are written.
//!
//! Own code and not the crate `java-properties`: that one also decodes the escapes of comments, so it
//! refuses a file for `# C:\users`. As there: `=`, `:` or white space separates key and value, a line that ends
//! in an odd number of backslashes goes on in the next one, `\uXXXX` is a UTF-16 unit. Unlike Java,
//! which reads ISO-8859-1, the text is UTF-8 (for ASCII that is the same).

use super::ConfigError;
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

/// The properties of a text, in its order, repeated keys included.
pub(super) fn parse(text: &str) -> Result<Vec<Property>, ConfigError> {
    let mut properties = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((line, first)) = lines.next() {
        let first = first.trim_start_matches(BLANK);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while is_continued(&logical) {
            logical.pop();
            // A dangling backslash at the end of the text continues into nothing.
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(BLANK));
        }
        properties.push(property(&logical, line)?);
    }
    Ok(properties)
}

const BLANK: [char; 3] = [' ', '\t', '\x0c'];

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
    Ok(Property { key: key.trim().to_owned(), value: value.trim().to_owned(), line })
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

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        let properties = parse(text).expect("can be read");
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
            ("x=\\u00e9\\uD83D\\uDE00 é", "x", "é\u{1F600} é", 1),
            ("# C:\\users\n! also \\u\n\r\nk=v\r\n", "k", "v", 4),
            ("k=a\\\\\nl", "k", "a\\", 1),
            ("k=v\\", "k", "v", 1),
            ("k==v", "k", "=v", 1),
        ] {
            assert_eq!(pairs(text)[0], (key.into(), value.into(), line), "{text}");
        }
        assert_eq!(pairs("k=a\\\\\nl").len(), 2, "an even number of backslashes does not continue");
        assert!(pairs("# only\n\n").is_empty());
    }

    #[test]
    fn an_escape_that_is_none_is_refused_with_its_line() {
        for (text, found) in [("a=b\nk=\\u12", "\\u12"), ("a=b\nk=\\u+123", "\\u+123")] {
            let Err(ConfigError::Syntax { line: 2, found: was, .. }) = parse(text) else {
                panic!("{text} was read");
            };
            assert_eq!(was, found);
        }
        assert!(parse("k=\\uD83D").is_err(), "half a pair");
    }
}
