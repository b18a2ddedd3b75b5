//! The keys of a configuration file: taking those that are known, judging those that are left.

use super::ConfigError;
use super::properties::Property;
use super::system::place;
use super::table::{self, Handling, Known};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) value: String,
    pub(super) line: usize,
}

/// What is left of a configuration file while its keys are taken out.
pub(super) struct Keys {
    entries: BTreeMap<String, Entry>,
    pub(super) warnings: Vec<String>,
}

impl Keys {
    /// All keys; of a repeated one the last value counts, as in Java, with a warning. System
    /// properties come first, so that the file counts.
    pub(super) fn new(properties: Vec<Property>) -> Self {
        let mut keys = Self { entries: BTreeMap::new(), warnings: Vec::new() };
        for Property { key, value, line } in properties {
            if let Some(first) = keys.entries.get(&key) {
                let warning = format!(
                    "{key} is given in {} and again in {}: the last one counts",
                    place(first.line),
                    place(line)
                );
                keys.warnings.push(warning);
            }
            keys.entries.insert(key, Entry { value, line });
        }
        keys
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        self.entries.remove(key)
    }

    pub(super) fn peek(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.value.as_str())
    }

    /// The first key with this prefix, in the order of their text.
    pub(super) fn first_prefixed(&self, prefix: &str) -> Option<(&str, &Entry)> {
        let (key, entry) = self.entries.range(prefix.to_owned()..).next()?;
        key.starts_with(prefix).then_some((key.as_str(), entry))
    }

    /// Moves the warnings to others, each as `said`.
    pub(super) fn take_warnings(&mut self, said: impl Fn(String) -> String, to: &mut Vec<String>) {
        to.extend(self.warnings.drain(..).map(said));
    }

    /// The keys with this prefix, in the order of their text.
    pub(super) fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, Entry)> {
        self.entries.extract_if(prefix.to_owned().., |key, _| key.starts_with(prefix)).collect()
    }

    /// A whole number within `range`, as `Integer.parseInt` reads it; `unit` ends the sentence that
    /// says what is allowed.
    pub(super) fn number(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Result<Option<u64>, ConfigError> {
        self.entry_number(
            key,
            |number| range.contains(&number),
            || format!("a whole number from {} to {}{unit}", range.start(), range.end()),
        )
    }

    /// As [`Self::number`], of a key whose value ZooKeeper overlooks if it is no number at all, and
    /// goes by its default: one warning says so.
    pub(super) fn number_or_default(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
        unit: &str,
        default: u64,
    ) -> Result<u64, ConfigError> {
        if let Some(entry) = self.entries.get(key).filter(|entry| integer(&entry.value).is_none()) {
            let warning = format!(
                "{}: {key}={} is ignored (by ZooKeeper too): it is no whole number, and {default} \
                 is taken",
                place(entry.line),
                entry.value
            );
            self.warnings.push(warning);
            self.take(key);
        }
        Ok(self.number(key, range, unit)?.unwrap_or(default))
    }

    /// A whole number up to `high`, of which every one below 1 says the same, told by `none` and
    /// answered by `None`.
    pub(super) fn positive(
        &mut self,
        key: &str,
        high: u64,
        unit: &str,
        none: &str,
    ) -> Result<Option<u64>, ConfigError> {
        if self.peek(key).and_then(integer).is_some_and(|number| number < 1) {
            self.take(key);
            return Ok(None);
        }
        self.entry_number(
            key,
            |number| number <= high,
            || format!("a whole number up to {high}{unit}, 0 or less: {none}"),
        )
    }

    fn entry_number(
        &mut self,
        key: &str,
        fits: impl FnOnce(u64) -> bool,
        allowed: impl FnOnce() -> String,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        let number = integer(&entry.value).and_then(|number| u64::try_from(number).ok());
        match number.filter(|number| fits(*number)) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(key, &entry, allowed())),
        }
    }

    /// One of `words`, compared without case; answers its index.
    pub(super) fn word(&mut self, key: &str, words: &[&str]) -> Result<Option<usize>, ConfigError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        let found = words.iter().position(|word| word.eq_ignore_ascii_case(&entry.value));
        found.map(Some).ok_or_else(|| {
            let words: Vec<&str> =
                words.iter().map(|word| if word.is_empty() { "nothing" } else { word }).collect();
            wrong(key, &entry, words.join(" or "))
        })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, default: bool) -> Result<bool, ConfigError> {
        Ok(self.word(key, &["false", "true"])?.map_or(default, |index| index == 1))
    }

    /// Refuses what would leave the server less protected than the file says, whatever else is
    /// right or wrong with it: the message about that comes before any other. The first such line
    /// is told with its reason, the others by name.
    pub(super) fn refuse(&self) -> Result<(), ConfigError> {
        let mut refused: Vec<(&String, &Entry, Known)> = self
            .entries
            .iter()
            .filter_map(|(key, entry)| Some((key, entry, refusal(key, &entry.value)?)))
            .collect();
        refused.sort_by_key(|(_, entry, _)| entry.line);
        let mut refused = refused.into_iter();
        let Some((key, entry, Known { why, .. })) = refused.next() else { return Ok(()) };
        let more: Vec<String> =
            refused.map(|(key, entry, _)| format!("{key} ({})", place(entry.line))).collect();
        Err(ConfigError::Refused {
            key: key.clone(),
            line: entry.line,
            found: shown(key, &entry.value).to_owned(),
            why: why.to_owned(),
            more: match more.is_empty() {
                true => String::new(),
                false => format!("; nor are {}", more.join(", ")),
            },
        })
    }

    /// Judges what nobody took: a warning for each, but for values that ask for nothing more than
    /// what happens anyway.
    pub(super) fn finish(self) -> Result<Vec<String>, ConfigError> {
        let mut warnings = self.warnings;
        for (key, entry) in self.entries {
            let line = entry.line;
            if key.starts_with("vivarium.") {
                let ours = table::names().filter(|name| name.starts_with("vivarium."));
                let allowed = format!("one of {}", ours.collect::<Vec<_>>().join(", "));
                return Err(ConfigError::Value { key, line, found: entry.value, allowed });
            }
            let known = table::known(&key);
            if known.as_ref().is_some_and(|known| known.asks_for_nothing(&entry.value)) {
                continue;
            }
            warnings.push(format!("{}: {}", place(line), ignored(&key, &entry.value, known)));
        }
        Ok(warnings)
    }
}

/// What is said of a key that has no effect.
fn ignored(key: &str, value: &str, known: Option<Known>) -> String {
    let value = shown(key, value);
    if let Some(known) = known {
        let why = match known.handling {
            Handling::Done => "nothing here asks for it",
            Handling::Ignored | Handling::Refused => known.why,
        };
        return format!("{key}={value} is ignored: {why}");
    }
    let plain = plain(key);
    if key.starts_with(BYTE_ORDER_MARK) {
        return format!(
            "the file begins with a byte-order mark, so this line is ignored (by ZooKeeper too): {plain}={value}"
        );
    }
    if table::known(plain).is_some() {
        return format!(
            "{key}={value} is ignored (by ZooKeeper too, which puts `zookeeper.` before the keys of a file itself): \
             write {plain}"
        );
    }
    let close = |name: &&str| strsim::damerau_levenshtein(name, plain) <= 2;
    let hint = table::names().find(close);
    let hint = hint.map_or_else(String::new, |name| format!(" (is {name} meant?)"));
    format!("unknown key {key}: ignored{hint}")
}

/// The key that the operator means: in a file, ZooKeeper looks for neither of these beginnings, and
/// ignores the line.
fn plain(key: &str) -> &str {
    let key = key.strip_prefix(BYTE_ORDER_MARK).unwrap_or(key);
    key.strip_prefix("zookeeper.").unwrap_or(key)
}

/// U+FEFF in UTF-8, as a file in ISO-8859-1 has it.
const BYTE_ORDER_MARK: &str = "\u{ef}\u{bb}\u{bf}";

fn refusal(key: &str, value: &str) -> Option<Known> {
    let name = plain(key);
    if name != key && table::is_of_tls(name) {
        return Some(Known::refused(
            "ZooKeeper puts `zookeeper.` before the keys of a file itself, and would leave this one \
             out: write it without that beginning",
        ));
    }
    let known = table::known(name)?;
    match known.handling {
        Handling::Refused if !known.asks_for_nothing(value) => Some(known),
        Handling::Refused | Handling::Ignored | Handling::Done => None,
    }
}

/// A value as it may be printed: passwords and what they are made of stay out of logs.
fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    let key = key.to_ascii_lowercase();
    let secret = ["password", "superdigest"].iter().any(|word| key.ends_with(word));
    if secret { "(not shown)" } else { value }
}

/// The lines of a file as they were read: `key=value`, without secrets.
pub(super) fn shown_lines(properties: &[Property]) -> String {
    let line = |Property { key, value, .. }: &Property| format!("{key}={}\n", shown(key, value));
    properties.iter().map(line).collect()
}

/// `Long.parseLong`: an optional sign, then decimal digits, and nothing else.
pub(super) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// An error about the value of a key.
pub(super) fn wrong(key: &str, entry: &Entry, allowed: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        line: entry.line,
        found: entry.value.clone(),
        allowed: allowed.into(),
    }
}

/// A TCP port that can be named, so not 0.
pub(super) fn port(text: &str) -> Option<u16> {
    integer(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}
