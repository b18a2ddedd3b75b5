//! Of what the report speaks, and where it is made.

use super::child;
use super::part::Run;
use checker::{BuildInfo, Machine};
use evidence::{Identity, Tool};
use std::path::PathBuf;

/// Name, program, arguments, and what it is for.
const TOOLS: [(&str, &str, &[&str], &str); 8] = [
    ("rustc", "rustc", &["--version"], "building flaws"),
    ("cargo", "cargo", &["--version"], "building flaws, fetching tla-checker"),
    ("coqc", "coqc", &["--version"], "proofs"),
    (
        "ocamlfind",
        "ocamlfind",
        &["ocamlopt", "-version"],
        "the extracted trace checker: the version of OCaml",
    ),
    ("make", "make", &["--version"], "proofs"),
    ("bash", "bash", &["--version"], "spec/check.sh"),
    ("java", "java", &["-version"], "TLC (spec/check.sh --tlc), not used by this report"),
    ("git", "git", &["--version"], "commits"),
];
/// Where `spec/check.sh` puts the checker of TLA+.
pub(super) const TLA: &str = "target/spec-tools/bin/tla";

pub(super) fn identity(run: &Run<'_>, build: &BuildInfo) -> Identity {
    let unknown = || "unknown".to_owned();
    let mut tools = vec![Tool {
        name: "rustc of this program".to_owned(),
        used_for: "the model checker and the servers of this report".to_owned(),
        version: Some(build.rustc.clone()),
    }];
    tools.extend(TOOLS.iter().map(|(name, program, arguments, used_for)| Tool {
        name: (*name).to_owned(),
        used_for: (*used_for).to_owned(),
        version: child::find(program).and_then(|program| child::version(&program, arguments)),
    }));
    tools.push(tla_checker(run));
    Identity {
        built_from: build.commit.clone(),
        commit: run.tree.commit(),
        changed: run.tree.changed(&run.out),
        core: env!("VIVARIUM_CORE").to_owned(),
        core_of_tree: run.tree.core().unwrap_or_else(unknown),
        tools,
        machine: Machine::here(),
        cpu: field("/proc/cpuinfo", "model name"),
        system: system(),
        load: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
    }
}

/// Known again after `spec/check.sh`, which fetches it if it is missing.
pub(super) fn tla_checker(run: &Run<'_>) -> Tool {
    let program: PathBuf = run.tree.root.join(TLA);
    Tool {
        name: "tla-checker".to_owned(),
        used_for: "spec/check.sh".to_owned(),
        version: program.is_file().then(|| child::version(&program, &["--version"])).flatten(),
    }
}

fn system() -> Option<String> {
    let kernel =
        read("/proc/sys/kernel/osrelease").map(|release| format!("Linux {}", release.trim()));
    let name = read("/etc/os-release").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    });
    let parts: Vec<String> = [kernel, name].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path)?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}
