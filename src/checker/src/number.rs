//! Numbers as people read them.

use std::time::Duration;

/// All digits, in groups of three: `1,234,567`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits: `999`, `12.3 k`, `1.20 M`, `245 M`.
pub(super) fn short(value: u64) -> String {
    if value < 1000 {
        return value.to_string();
    }
    let mut scaled = value as f64;
    let mut unit = "";
    for next in ["k", "M", "G", "T"] {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1000.0;
        unit = next;
    }
    let decimals = match scaled {
        scaled if scaled < 9.995 => 2,
        scaled if scaled < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$} {unit}")
}

/// Binary units: `512 B`, `312 MiB`, `1.4 GiB`.
pub(super) fn memory(bytes: u64) -> String {
    let mut scaled = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if scaled < 1024.0 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    let decimals = usize::from(unit == "GiB" || unit == "TiB");
    format!("{scaled:.decimals$} {unit}")
}

/// `0:35`, `12:05`, `1:02:03`.
pub(super) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// States a second; a run too short to be timed counts as a millisecond.
pub(super) fn rate(states: u64, elapsed: Duration) -> u64 {
    (states as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}

/// `1 state`, `2 states`.
pub(super) fn counted(count: u64, singular: &str, plural: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { singular } else { plural })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 999, 1000, 12_345, 999_499, 999_999, 245_600_000, 10_000_000_000].map(short),
            ["0", "999", "1.00 k", "12.3 k", "999 k", "1.00 M", "246 M", "10.0 G"]
        );
        assert_eq!([512, 3 << 20, 3 << 29].map(memory), ["512 B", "3 MiB", "1.5 GiB"]);
        assert_eq!(
            [35, 725, 3723].map(|seconds| clock(Duration::from_secs(seconds))),
            ["0:35", "12:05", "1:02:03"]
        );
        assert_eq!(counted(1, "state", "states"), "1 state");
    }
}
