//! `check --flaws`, with a runner that finds what it is told to find.

use crate::harness::{vivarium, vivarium_with};
use checker::{FlawFound, FlawInfo, FlawRequest, FlawRow, FlawRunner};

/// Finds what it is told to find.
struct Flaws;

impl FlawRunner for Flaws {
    fn list(&self) -> Vec<FlawInfo> {
        ["ack-early", "two-leaders", "stale-patch"]
            .map(|name| FlawInfo {
                name: name.into(),
                about: "broken".into(),
                configuration: "Q1 servers=3".into(),
                expected: "Z4".into(),
            })
            .to_vec()
    }

    fn run(
        &self,
        request: &FlawRequest,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<FlawRow>, String> {
        progress("building");
        let found = [
            FlawFound::Violated { property: "Z4".into(), depth: 12, states: 34_567 },
            FlawFound::Nothing,
            FlawFound::Failed("does not apply".into()),
        ];
        let rows = self.list().into_iter().zip(found).map(|(flaw, found)| FlawRow { flaw, found });
        let wanted =
            |row: &FlawRow| request.names.is_empty() || request.names.contains(&row.flaw.name);
        Ok(rows.filter(wanted).collect())
    }
}

#[test]
fn seeded_flaws() {
    let flaws = |arguments: &[&str]| vivarium_with(arguments, Some(Box::new(Flaws)));
    let (status, out, err) = flaws(&["check", "--flaws", "ack-early"]);
    assert_eq!((status, err.as_str()), (0, "building\n"));
    assert_eq!(
        out,
        "flaw       expected  found  depth  states      configuration\n\
         ack-early  Z4        Z4        12  34,567  ok  Q1 servers=3\n\
         \n1 of 1 flaws as expected\n"
    );
    let (status, out, _) = flaws(&["check", "--flaws"]);
    assert_eq!(status, 1, "one that is missed is worse than one that was not run");
    assert!(
        out.contains(
            "two-leaders  Z4        nothing                      -       -  FAILED     Q1"
        ),
        "{out}"
    );
    let (status, out, _) = flaws(&["check", "--flaws", "ack-early", "stale-patch"]);
    assert_eq!(status, 3, "a flaw that was not run is neither caught nor missed");
    assert!(out.contains("not run: does not apply      -       -  UNDECIDED  Q1"), "{out}");
    assert!(out.ends_with("\n1 of 2 flaws as expected\n"), "{out}");
    let (status, out, err) = flaws(&["check", "--flaws", "--repo", "/"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.starts_with("error: --repo: found `/`, allowed: a clone of Vivarium; "), "{err}");
    let (status, _, err) = flaws(&["check", "--flaws", "ack-erly"]);
    assert_eq!(status, 2);
    assert!(err.contains("unknown flaw `ack-erly`, did you mean `ack-early`?"), "{err}");
    let (status, _, err) = vivarium(&["check", "--flaws"]);
    assert_eq!((status, err.as_str()), (2, "error: this build has no runner of seeded flaws\n"));
}
