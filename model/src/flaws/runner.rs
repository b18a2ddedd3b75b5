//! Runs flaws: copies the sources, patches the copy, builds it, and lets it check itself.

use super::list::{Case, Flaw, Measured, flaws};
use super::patch::Patch;
use super::readme;
use checker::{
    Bounds, FlawFound, FlawInfo, FlawRequest, FlawRow, FlawRunner, PropertyKind, Record, TraceFile,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The bound that turns the comparison with abstract Zab on.
const REFINEMENT: &str = "refinement";
/// Set to anything, it has what was found written into `flaws.json` and the table of `README.md`.
const UPDATE: &str = "VIVARIUM_FLAWS_UPDATE";

/// What is copied: enough to build the checker.
const SOURCES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "src", "model"];

/// What patches may change: the core, its host, and the rules of order.
pub(super) const CHECKED: [&str; 3] = ["src/zab/src/", "src/host/src/", "src/order/src/"];

/// The runner of the flaws in `model/flaws/`.
///
/// Works in `target/flaws` of the source tree: `source` is the copy, in which files are rewritten
/// only if they change, so that cargo, whose target directory is `build`, builds no more than the
/// core and what depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runner;

/// Where things are.
struct Places {
    root: PathBuf,
    source: PathBuf,
    build: PathBuf,
}

impl FlawRunner for Runner {
    fn list(&self) -> Vec<FlawInfo> {
        flaws().unwrap_or_default().iter().map(Flaw::info).collect()
    }

    fn run(
        &self,
        request: &FlawRequest,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<FlawRow>, String> {
        let mut list = flaws()?;
        let places = Places::of(&request.repo)?;
        let chosen = |flaw: &Flaw| request.names.is_empty() || request.names.contains(&flaw.name);
        let total = list.iter().filter(|flaw| chosen(flaw)).count();
        let what = if total == 1 { "flaw" } else { "flaws" };
        progress(&format!(
            "{total} {what} of {}, built in {}; the first build takes some minutes",
            places.root.display(),
            places.build.display()
        ));
        let mut rows = Vec::new();
        for flaw in list.iter_mut().filter(|flaw| chosen(flaw)) {
            if request.stop.load(Ordering::Relaxed) {
                return Err(format!("interrupted after {} of {total} flaws", rows.len()));
            }
            let begun = Instant::now();
            progress(&format!("{}/{total} {}: building", rows.len() + 1, flaw.name));
            let found = match &flaw.case {
                Case::Impossible { impossible } => FlawFound::Impossible(impossible.clone()),
                Case::Expressed { model, bounds, .. } => {
                    places.try_flaw(&flaw.name, model, bounds, request, progress)
                }
            };
            let row = FlawRow { flaw: flaw.info(), found };
            let (at, seconds) = (rows.len() + 1, begun.elapsed().as_secs_f64());
            progress(&format!("{at}/{total} {} ({seconds:.1} s)", said(&row)));
            if let Case::Expressed { measured, .. } = &mut flaw.case {
                *measured = match &row.found {
                    FlawFound::Violated { property, depth, states } => Some(Measured {
                        property: property.clone(),
                        depth: *depth,
                        states: *states,
                    }),
                    FlawFound::Nothing | FlawFound::Failed(_) | FlawFound::Impossible(_) => None,
                };
            }
            rows.push(row);
        }
        if std::env::var_os(UPDATE).is_some() {
            places.update(&list)?;
        }
        Ok(rows)
    }
}

fn said(row: &FlawRow) -> String {
    let name = &row.flaw.name;
    let answer = row.answer();
    match &row.found {
        FlawFound::Violated { property, depth, states } => {
            format!("{name}: {answer}, {property} violated at depth {depth}, {states} states")
        }
        FlawFound::Nothing => format!("{name}: {answer}, no property violated"),
        FlawFound::Failed(why) => format!("{name}: {answer}, {why}"),
        FlawFound::Impossible(_) => format!("{name}: cannot be expressed"),
    }
}

impl Places {
    fn of(root: &Path) -> Result<Self, String> {
        let list = root.join("model/flaws/flaws.json");
        if !list.is_file() {
            return Err(format!("{} is not there: nothing to build", list.display()));
        }
        let work = root.join("target/flaws");
        Ok(Self { root: root.to_owned(), source: work.join("source"), build: work.join("build") })
    }

    fn try_flaw(
        &self,
        name: &str,
        model: &str,
        bounds: &Bounds,
        request: &FlawRequest,
        progress: &mut dyn FnMut(&str),
    ) -> FlawFound {
        let prepared = self.patch(name).and_then(|patch| self.copy(&patch));
        if let Err(why) = prepared {
            return FlawFound::Failed(why);
        }
        let found = self
            .build(request, progress)
            .inspect(|_| progress(&format!("  {name}: checking {model}")))
            .and_then(|binary| self.check(&binary, name, model, bounds, request));
        found.unwrap_or_else(FlawFound::Failed)
    }

    fn patch(&self, name: &str) -> Result<Patch, String> {
        let path = format!("model/flaws/{name}.patch");
        let patch = Patch::parse(&read(&self.root.join(&path))?)
            .map_err(|error| format!("{path}: {error}"))?;
        let is_checked = |path: &&str| CHECKED.iter().any(|checked| path.starts_with(checked));
        if let Some(changed) = patch.paths().find(|changed| !is_checked(changed)) {
            let checked = CHECKED.join(" or ");
            return Err(format!("{path}: changes {changed}, which is not in {checked}"));
        }
        Ok(patch)
    }

    /// Makes the copy equal to the sources with the patch applied. What is equal already is not
    /// touched.
    fn copy(&self, patch: &Patch) -> Result<(), String> {
        let mut wanted = BTreeSet::new();
        for path in SOURCES {
            collect(&self.root, Path::new(path), &mut wanted)?;
        }
        for changed in patch.paths() {
            if !wanted.contains(Path::new(changed)) {
                return Err(format!("{changed} is no longer there"));
            }
        }
        let mut present = BTreeSet::new();
        if self.source.is_dir() {
            for path in SOURCES.iter().filter(|path| self.source.join(path).exists()) {
                collect(&self.source, Path::new(path), &mut present)?;
            }
        }
        for path in present.difference(&wanted) {
            fs::remove_file(self.source.join(path)).map_err(|error| failed(path, &error))?;
        }
        for path in &wanted {
            let from = self.root.join(path);
            let mut bytes = fs::read(&from).map_err(|error| failed(&from, &error))?;
            if let Some(changed) = patch.paths().find(|changed| Path::new(changed) == path) {
                bytes = patch.apply(changed, &read(&from)?)?.into_bytes();
            }
            let to = self.source.join(path);
            if fs::read(&to).is_ok_and(|there| there == bytes) {
                continue;
            }
            let parent = to.parent().unwrap_or(&self.source);
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&to, bytes))
                .map_err(|error| failed(&to, &error))?;
        }
        Ok(())
    }

    /// Builds the copy. Almost all the time of a run is spent here, so it is optimised a little
    /// only.
    fn build(
        &self,
        request: &FlawRequest,
        progress: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let run = |offline: bool| {
            let mut command = Command::new(&cargo);
            command.current_dir(&self.source);
            command.args(["build", "--quiet", "--release", "--locked"]);
            command.args(["--package", "model", "--example", "check"]);
            command.args(offline.then_some("--offline"));
            command.arg("--target-dir").arg(&self.build);
            command.env_remove("CARGO_ENCODED_RUSTFLAGS");
            // A flaw may leave something unused behind.
            command.env("RUSTFLAGS", "--cap-lints=warn");
            for (name, value) in [
                ("OPT_LEVEL", "1"),
                ("LTO", "off"),
                ("DEBUG", "false"),
                ("INCREMENTAL", "true"),
                ("CODEGEN_UNITS", "64"),
            ] {
                command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
            }
            output(&mut command, request)
        };
        let mut built = run(true)?;
        if !built.status.success() && text(&built.stderr).contains("--offline") {
            built = run(false)?;
        }
        if !built.status.success() {
            let message = text(&built.stderr);
            let message = message.find("error").map_or(&message[..], |at| &message[at..]);
            progress(message);
            let first = message.lines().next().unwrap_or_default();
            return Err(format!("does not build: {} {first}", built.status));
        }
        Ok(self.build.join("release/examples/check"))
    }

    fn check(
        &self,
        binary: &Path,
        name: &str,
        model: &str,
        bounds: &Bounds,
        request: &FlawRequest,
    ) -> Result<FlawFound, String> {
        let out = request.out.join(name);
        fs::create_dir_all(&out).map_err(|error| failed(&out, &error))?;
        let json = out.join("record.json");
        let _ = fs::remove_file(&json);
        let mut command = Command::new(binary);
        command.args([model, &request.threads.to_string()]).arg(&json).arg(&out);
        command.args(bounds.iter().map(|(bound, value)| format!("{bound}={value}")));
        // The comparison with abstract Zab would often be the first to notice; here the properties
        // have to.
        let infos = crate::registry().into_iter().map(|known| known.info());
        let mut compared =
            infos.filter(|info| info.bounds.iter().any(|bound| bound.name == REFINEMENT));
        if bounds.get(REFINEMENT).is_none() && compared.any(|info| info.name == model) {
            command.arg(format!("{REFINEMENT}=0"));
        }
        let checked = output(&mut command, request)?;
        let records: Vec<Record> = match fs::read(&json) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string())?,
            Err(_) => Vec::new(),
        };
        let [record] = &records[..] else {
            return Err(format!("the check failed: {}", text(&checked.stderr).trim()));
        };
        let violated = record.properties.iter().find(|property| {
            property.kind != PropertyKind::Sometimes && property.holds == Some(false)
        });
        let Some(violated) = violated else {
            return match &record.incomplete {
                None => Ok(FlawFound::Nothing),
                Some(why) => Err(format!("the check is incomplete: {why}")),
            };
        };
        let trace = violated.counterexample.as_ref().and_then(|path| read(Path::new(path)).ok());
        let trace = trace.and_then(|text| TraceFile::parse(&text).ok());
        Ok(FlawFound::Violated {
            property: violated.name.clone(),
            depth: trace.map_or(record.depth, |trace| trace.actions.len() as u64),
            states: record.distinct,
        })
    }

    /// Writes the list back, and the table made from it.
    fn update(&self, list: &[Flaw]) -> Result<(), String> {
        let path = self.root.join("model/flaws/flaws.json");
        let json = serde_json::to_string_pretty(list).map_err(|error| error.to_string())?;
        fs::write(&path, json + "\n").map_err(|error| failed(&path, &error))?;
        let path = self.root.join("model/flaws/README.md");
        let text = readme::with_table(&read(&path)?, list)
            .ok_or_else(|| format!("{}: no place for the table", path.display()))?;
        fs::write(&path, text).map_err(|error| failed(&path, &error))
    }
}

/// Adds the files at or below `path`, relative to `root`.
fn collect(root: &Path, path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), String> {
    let full = root.join(path);
    if !full.is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&full).map_err(|error| failed(&full, &error))? {
        let entry = entry.map_err(|error| failed(&full, &error))?;
        if entry.file_name() != "target" {
            collect(root, &path.join(entry.file_name()), files)?;
        }
    }
    Ok(())
}

/// Runs a command to its end, or until somebody asks to stop.
fn output(command: &mut Command, request: &FlawRequest) -> Result<Output, String> {
    let program = Path::new(command.get_program()).display().to_string();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot run {program}: {error}"))?;
    // Somebody has to read, or a child that says much would wait for ever.
    let mut errors = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(errors) = &mut errors {
            let _ = std::io::Read::read_to_end(errors, &mut bytes);
        }
        bytes
    });
    let status = loop {
        match child.try_wait().map_err(|error| format!("{program}: {error}"))? {
            Some(status) => break status,
            None if request.stop.load(Ordering::Relaxed) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("interrupted".to_owned());
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let stderr = reader.join().unwrap_or_default();
    Ok(Output { status, stdout: Vec::new(), stderr })
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| failed(path, &error))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
