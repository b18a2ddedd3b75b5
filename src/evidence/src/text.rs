//! Numbers as people read them.

pub(crate) use checker::grouped;

/// `1 server`, `2 servers`.
pub(crate) fn counted(count: usize, singular: &str, plural: &str) -> String {
    let word = if count == 1 { singular } else { plural };
    format!("{} {word}", grouped(count as u64))
}

/// `0.3 s`, `12.5 s`, `2 min 5 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 99.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round();
    format!("{:.0} min {:.0} s", (whole / 60.0).floor(), whole % 60.0)
}

#[cfg(test)]
mod tests {
    use super::{counted, seconds};

    #[test]
    fn numbers() {
        assert_eq!(
            [0.04, 12.46, 99.9, 125.2].map(seconds),
            ["0.0 s", "12.5 s", "99.9 s", "2 min 5 s"]
        );
        assert_eq!(
            [counted(1, "model", "models"), counted(1200, "model", "models")],
            ["1 model", "1,200 models"]
        );
    }
}
