//! Failed attempts to prove who one is, told so that nobody fills the log with them.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

/// In the place of a scheme: the client has not tried any, and has to prove who it is.
pub(super) const UNPROVED: &str = "(none)";

/// In the place of a scheme: the packet that names it cannot be read.
pub(super) const UNREADABLE: &str = "(a packet that cannot be read)";

/// The schemes that are told apart; all other names, which a client may make up, count as one.
const KNOWN: [&str; 9] =
    ["world", "auth", "digest", "ip", "sasl", "x509", "super", UNPROVED, UNREADABLE];

/// Failed attempts that were logged: each scheme and client once, and no more in a time than a
/// person can read.
pub(super) struct Failures {
    told: HashSet<(IpAddr, Option<&'static str>)>,
    /// Lines that may be written at once.
    lines: u32,
    /// Since when there are so many.
    since: Duration,
    silent: u64,
}

/// An attempt that is to be logged.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// The name of the scheme, or its beginning.
    pub(super) scheme: String,
    /// Those before that were not logged, as they came too fast.
    pub(super) silent: u64,
}

/// Attempts that are remembered; then all are forgotten, and logged again.
const TOLD_MAX: usize = 1000;

/// Lines that are written at once; after them one in each [`PAUSE`].
const LINES_MAX: u32 = 16;

const PAUSE: Duration = Duration::from_secs(1);

/// How much of a scheme's name is logged, in characters.
const SCHEME_CHARS_MAX: usize = 32;

impl Default for Failures {
    fn default() -> Self {
        Self { told: HashSet::new(), lines: LINES_MAX, since: Duration::ZERO, silent: 0 }
    }
}

impl Failures {
    /// One more attempt, at this time since the server began; `None`: it is not to be logged.
    pub(super) fn one(&mut self, address: IpAddr, scheme: &str, at: Duration) -> Option<Failure> {
        let known = KNOWN.into_iter().find(|known| *known == scheme);
        if self.told.contains(&(address, known)) {
            return None;
        }
        if !self.may_tell(at) {
            self.silent = self.silent.saturating_add(1);
            return None;
        }
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.insert((address, known));
        let scheme = scheme.chars().take(SCHEME_CHARS_MAX).collect();
        Some(Failure { scheme, silent: std::mem::take(&mut self.silent) })
    }

    /// Takes a line, if one may be written.
    fn may_tell(&mut self, at: Duration) -> bool {
        let more = at.saturating_sub(self.since).as_secs() / PAUSE.as_secs();
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(LINES_MAX);
            self.lines = self.lines.saturating_add(more).min(LINES_MAX);
            self.since = at;
        }
        self.lines = match self.lines.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn each_scheme_is_logged_once_for_each_client_and_names_that_are_made_up_are_one() {
        let (mut failures, at) = (Failures::default(), Duration::ZERO);
        let mut one = |scheme: &str| failures.one(HERE, scheme, at).map(|told| told.scheme);
        assert_eq!(one("x509").as_deref(), Some("x509"));
        assert_eq!(one("x509"), None);
        assert_eq!(one(UNPROVED).as_deref(), Some(UNPROVED));
        let long = "s".repeat(1 << 20);
        assert_eq!(one(&long).map(|text| text.len()), Some(SCHEME_CHARS_MAX));
        assert_eq!((0..300).find_map(|number| one(&number.to_string())), None);
        assert_eq!(one("digest").as_deref(), Some("digest"));
    }

    #[test]
    fn a_flood_from_many_addresses_is_gathered_and_what_is_remembered_is_bounded() {
        let (mut failures, at) = (Failures::default(), Duration::from_secs(100));
        let told = (0..1000).filter_map(|number| failures.one(address(number), "digest", at));
        assert_eq!(told.count(), LINES_MAX as usize);
        let later = failures.one(HERE, "digest", at + PAUSE).map(|told| told.silent);
        assert_eq!(later, Some(1000 - u64::from(LINES_MAX)));
        assert_eq!(failures.one(address(1 << 20), "digest", at + PAUSE), None);
        for number in 0..3 * u32::try_from(TOLD_MAX).unwrap() {
            failures.one(address(number), "sasl", at + (number + 2) * PAUSE).expect("it is told");
            assert!(failures.told.len() <= TOLD_MAX);
        }
    }
}
