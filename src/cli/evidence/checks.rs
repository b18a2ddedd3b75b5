//! Model checking, in this process.

use super::part::{Done, Run};
use checker::{
    BuildInfo, CheckOptions, CheckRequest, CheckableModel, Console, Engine, ProgressMode, Record,
    Tier, closing_line, select,
};
use evidence::{Checks, ModelRun, PropertyText};
use std::sync::Arc;

/// What to check.
pub(super) struct Asked<'a> {
    pub(super) registry: &'a [Box<dyn CheckableModel>],
    pub(super) build: &'a BuildInfo,
    pub(super) tier: Tier,
    /// A model's name, or `all`.
    pub(super) model: &'a str,
}

pub(super) fn check(asked: &Asked<'_>, progress: ProgressMode, run: &mut Run<'_>) -> Done<Checks> {
    let selected = match select(asked.registry, asked.model, Some(asked.tier), &[]) {
        Ok(selected) => selected,
        Err(error) => return Done::failed(error.to_string(), None),
    };
    let mut facts = Checks {
        tier: asked.tier,
        all: asked.model == "all",
        models: Vec::new(),
        properties: Vec::new(),
    };
    let (mut failures, mut undecided) = (Vec::new(), Vec::new());
    for one in &selected {
        if run.stopped() {
            return Done::undecided("interrupted", facts);
        }
        let record = match check_one(asked, one.info.name, progress, run) {
            Ok(record) => record,
            Err(why) => return Done::failed(format!("{}: {why}", one.info.name), Some(facts)),
        };
        run.say(&format!("  {}", closing_line(&record)));
        match (record.passes(), record.fails()) {
            (true, _) => {}
            (false, true) => failures.push(closing_line(&record)),
            (false, false) => undecided.push(closing_line(&record)),
        }
        facts.models.push(ModelRun { about: one.info.about.to_owned(), record });
        for property in &one.info.properties {
            if facts.properties.iter().all(|known| known.name != property.name) {
                facts.properties.push(PropertyText {
                    name: property.name.to_owned(),
                    kind: property.kind,
                    sentence: property.sentence.to_owned(),
                    source: property.source.to_owned(),
                });
            }
        }
    }
    match (failures.is_empty(), undecided.is_empty()) {
        (true, true) => Done::holds(facts),
        (true, false) => Done::undecided(undecided.join("; "), facts),
        (false, _) => Done::failed(failures.join("; "), Some(facts)),
    }
}

/// As `vivarium check NAME --tier TIER --json FILE`.
fn check_one(
    asked: &Asked<'_>,
    name: &str,
    progress: ProgressMode,
    run: &mut Run<'_>,
) -> Result<Record, String> {
    let json = run.out.join("check.tmp");
    let request = CheckRequest {
        model: name.to_owned(),
        tier: Some(asked.tier),
        overrides: Vec::new(),
        json: Some(json.clone()),
        out: run.out.join("counterexamples"),
        abstract_runs: None,
        options: CheckOptions {
            threads: run.threads,
            max_states: None,
            engine: Engine::Own,
            stop: Arc::clone(&run.stop),
        },
    };
    let mut console = Console { out: &mut std::io::sink(), err: &mut *run.err, progress };
    checker::check(asked.registry, &request, asked.build, &mut console);
    let records = std::fs::read_to_string(&json)
        .map_err(|error| format!("{}: {error}", json.display()))
        .and_then(|text| {
            serde_json::from_str::<Vec<Record>>(&text).map_err(|error| error.to_string())
        });
    let _ = std::fs::remove_file(&json);
    records?.pop().ok_or_else(|| "no record was written".to_owned())
}
