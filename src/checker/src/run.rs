//! Running models one after another: progress, summary, records, counterexamples.

use super::number::{clock, counted};
use super::select::{Selected, UsageError, select};
use super::{
    BuildInfo, CheckOptions, CheckableModel, ProgressMode, Record, Reporter, Tier, TraceFile,
    Violation, closing_line, html_page, story_text, summary_text, write_records,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for holds: 0.
    Holds,
    /// A property is violated or unreached, or a trace was refused: 1.
    Fails,
    /// The question could not be understood, or the answer not be written: 2.
    Usage,
    /// Nothing is wrong, but not everything is decided: a run is incomplete, perhaps because
    /// somebody stopped it: 3.
    Undecided,
}

impl Exit {
    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Fails => 1,
            Self::Usage => 2,
            Self::Undecided => 3,
        }
    }
}

/// Where a command writes: results to `out`, progress and errors to `err`.
pub struct Console<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Progress and errors.
    pub err: &'a mut dyn Write,
    /// How progress is shown on `err`.
    pub progress: ProgressMode,
}

/// A closed output (`vivarium check | head`) must not end a run, so failures to write are ignored.
impl Console<'_> {
    pub(super) fn print(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }

    pub(super) fn note(&mut self, line: &str) {
        if self.progress != ProgressMode::Silent {
            let _ = writeln!(self.err, "{line}");
        }
    }

    pub(super) fn usage(&mut self, error: &UsageError) -> Exit {
        let _ = writeln!(self.err, "error: {error}");
        Exit::Usage
    }

    pub(super) fn error(&mut self, error: &str) {
        let _ = writeln!(self.err, "error: {error}");
    }
}

/// What `vivarium check` was asked.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// A model's name, or `all`.
    pub model: String,
    /// The tier; see [`select`] for what `None` means.
    pub tier: Option<Tier>,
    /// Bounds given by hand.
    pub overrides: Vec<(String, u64)>,
    /// Where to write the records.
    pub json: Option<PathBuf>,
    /// Directory for counterexamples, made when the first is written.
    pub out: PathBuf,
    /// Runs of each model to write for the trace checker that is extracted from the proof.
    pub abstract_runs: Option<AbstractRuns>,
    /// How to search.
    pub options: CheckOptions,
}

/// Some runs of each model as steps of abstract Zab.
#[derive(Clone, Debug)]
pub struct AbstractRuns {
    /// Where `MODEL-N.trace` go.
    pub directory: PathBuf,
    /// How many for each model that is compared with abstract Zab.
    pub number: u64,
}

/// Runs what was asked and prints it all.
pub fn check(
    registry: &[Box<dyn CheckableModel>],
    request: &CheckRequest,
    build: &BuildInfo,
    console: &mut Console<'_>,
) -> Exit {
    let selected = match select(registry, &request.model, request.tier, &request.overrides) {
        Ok(selected) => selected,
        Err(error) => return console.usage(&error),
    };
    if let Some(path) = &request.json {
        // Before the search, so that a wrong path is not found out after hours.
        if let Err(error) = write_records(path, &[]) {
            let error = UsageError(format!("cannot write {}: {error}", path.display()));
            return console.usage(&error);
        }
    }
    if let Some(AbstractRuns { directory, .. }) = &request.abstract_runs
        && let Err(error) = std::fs::create_dir_all(directory)
    {
        let error = UsageError(format!("cannot make {}: {error}", directory.display()));
        return console.usage(&error);
    }
    let started = Instant::now();
    let mut records = Vec::new();
    let mut trouble = false;
    for one in &selected {
        if request.options.stopped() {
            break;
        }
        let record = run_one(one, request, build, console, &mut trouble);
        records.push(record);
        if let Some(path) = &request.json
            && let Err(error) = write_records(path, &records)
        {
            console.error(&format!("cannot write {}: {error}", path.display()));
            trouble = true;
        }
    }
    if selected.len() > 1 {
        console.print(&closing_text(&selected, &records, started));
    }
    let passed = records.iter().filter(|record| record.passes()).count();
    if records.iter().any(Record::fails) {
        Exit::Fails
    } else if trouble {
        Exit::Usage
    } else if passed == selected.len() {
        Exit::Holds
    } else {
        Exit::Undecided
    }
}

fn run_one(
    one: &Selected<'_>,
    request: &CheckRequest,
    build: &BuildInfo,
    console: &mut Console<'_>,
    trouble: &mut bool,
) -> Record {
    let (info, bounds) = (&one.info, &one.bounds);
    let reporter = Reporter::new(info.name, console.progress, console.err);
    let mut verdict =
        one.model.check(bounds, &request.options, &|progress| reporter.report(progress));
    let peak = reporter.finish();
    verdict.peak_memory_bytes = verdict.peak_memory_bytes.or(peak);
    let engine = request.options.engine;
    let mut record = Record::new(info, one.tier, bounds, engine, &verdict, build);
    for violation in &verdict.violations {
        console.print(&story_text(&violation.story));
        match write_counterexample(&request.out, info.name, violation, build) {
            Ok(path) => {
                let path = path.display().to_string();
                let page = Path::new(&path).with_extension("html");
                console.print(&format!(
                    "\nCounterexample written: {path} (vivarium replay), {} (for a browser)\n\n",
                    page.display()
                ));
                let mut properties = record.properties.iter_mut();
                if let Some(property) = properties.find(|p| p.name == violation.property) {
                    property.counterexample = Some(path.clone());
                }
                record.counterexample.get_or_insert(path);
            }
            Err(error) => {
                console.error(&error);
                *trouble = true;
            }
        }
    }
    console.print(&summary_text(info, &record));
    if let Some(wanted) = &request.abstract_runs
        && !request.options.stopped()
    {
        match write_abstract_runs(wanted, one) {
            Ok(told) => console.print(&told),
            Err(error) => {
                console.error(&error);
                *trouble = true;
            }
        }
    }
    console.print("\n");
    record
}

/// Writes `MODEL-1.trace` and so on; answers with what there is to say.
fn write_abstract_runs(wanted: &AbstractRuns, one: &Selected<'_>) -> Result<String, String> {
    let (directory, name) = (&wanted.directory, one.info.name);
    let (mut steps, mut commands) = (0, 0);
    for seed in 1..=wanted.number {
        let Some(run) = one.model.abstract_run(&one.bounds, seed) else {
            return Ok(format!("{name}: not compared with abstract Zab, so no runs of it\n"));
        };
        let run =
            run.map_err(|why| format!("{name}, run {seed}: no run of abstract Zab: {why}"))?;
        let path = directory.join(format!("{name}-{seed}.trace"));
        std::fs::write(&path, &run.text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        steps += run.steps;
        commands += run.commands;
    }
    let (number, directory) = (wanted.number, directory.display());
    Ok(format!(
        "{name}: {number} runs, {} as {}, written to {directory}/{name}-N.trace\n",
        counted(steps as u64, "step", "steps"),
        counted(commands as u64, "command", "commands"),
    ))
}

/// Writes `MODEL-PROPERTY.json`, `.html` and `.txt`; answers the path of the first.
fn write_counterexample(
    dir: &Path,
    model: &str,
    violation: &Violation,
    build: &BuildInfo,
) -> Result<PathBuf, String> {
    let story = &violation.story;
    let mut trace = TraceFile::new(model, story.bounds.clone(), violation.actions.clone());
    trace.property = Some(violation.property.clone());
    trace.commit = build.commit.clone();
    trace.story = Some(story.clone());
    let stem = format!("{}-{}", file_name(model), file_name(&violation.property));
    let path = dir.join(format!("{stem}.json"));
    let written = std::fs::create_dir_all(dir)
        .and_then(|()| trace.write(&path))
        .and_then(|()| std::fs::write(dir.join(format!("{stem}.txt")), story_text(story)))
        .and_then(|()| {
            std::fs::write(dir.join(format!("{stem}.html")), html_page(story, &build.commit))
        });
    match written {
        Ok(()) => Ok(path),
        Err(error) => Err(format!("cannot write the counterexample to {}: {error}", dir.display())),
    }
}

/// A name with everything but letters, digits, `_` and `-` replaced.
fn file_name(name: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' }
    };
    name.chars().map(keep).collect()
}

/// The results of all models together.
fn closing_text(selected: &[Selected<'_>], records: &[Record], started: Instant) -> String {
    let mut text = String::new();
    for record in records {
        text.push_str(&closing_line(record));
        text.push('\n');
    }
    for one in &selected[records.len()..] {
        text.push_str(&format!("{}: not run, interrupted before it\n", one.info.name));
    }
    let passed = records.iter().filter(|record| record.passes()).count();
    let distinct = records.iter().map(|record| record.distinct).sum();
    text.push_str(&format!(
        "all: {passed} of {} ok, {} in {}\n",
        counted(selected.len() as u64, "model", "models"),
        counted(distinct, "distinct state", "distinct states"),
        clock(started.elapsed()),
    ));
    text
}
