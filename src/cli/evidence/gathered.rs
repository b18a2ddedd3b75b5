//! What is on record and not run here: long runs, and mutants.

use super::part::{Done, Run};
use checker::Record;
use evidence::{Ledger, LedgerEntry, Mutant, Mutants};
use std::path::{Path, PathBuf};

pub(super) const LEDGER: &str = "proofs/ledger/*.json, as recorded";
pub(super) const MUTANTS: &str = "model/mutants/outcomes.tsv, as recorded";

const LEDGER_PLACE: &str = "proofs/ledger";
const MUTANTS_FILE: &str = "model/mutants/outcomes.tsv";
/// What an outcome may be.
const OUTCOMES: [&str; 5] = ["killed", "survived", "equivalent", "unviable", "timeout"];

pub(super) fn ledger(run: &mut Run<'_>) -> Done<Ledger> {
    let entries = records(&run.tree.root.join(LEDGER_PLACE)).map(|files| {
        let entry = |(file, record): (String, Record)| {
            let core = run.tree.core_at(&record.commit);
            LedgerEntry { file: format!("{LEDGER_PLACE}/{file}"), core, record }
        };
        files.into_iter().map(entry).collect::<Vec<_>>()
    });
    match entries {
        Ok(entries) if entries.is_empty() => Done::not_run("there is no record"),
        Ok(entries) => Done::recorded(Ledger { entries }),
        Err(why) => Done::failed(why, None),
    }
}

/// All records of a directory, by file.
fn records(place: &Path) -> Result<Vec<(String, Record)>, String> {
    let failed =
        |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(place).map_err(|error| failed(place, &error))?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(place, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        let found: Vec<Record> =
            serde_json::from_str(&text).map_err(|error| failed(&path, &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        records.extend(found.into_iter().map(|record| (name.clone(), record)));
    }
    Ok(records)
}

pub(super) fn mutants(run: &mut Run<'_>) -> Done<Mutants> {
    let path = run.tree.root.join(MUTANTS_FILE);
    if !path.exists() {
        return Done::not_run(format!("no record: there is no {MUTANTS_FILE}"));
    }
    let read = std::fs::read_to_string(&path)
        .map_err(|error| format!("{MUTANTS_FILE}: {error}"))
        .and_then(|text| table(&text));
    match read {
        Ok(mutants) => {
            Done::recorded(Mutants { recorded_at: run.tree.last_change(MUTANTS_FILE), mutants })
        }
        Err(why) => Done::failed(why, None),
    }
}

/// Columns `mutant`, `outcome`, `layer`, `note` under a line that names them; lines that begin with
/// `#` are remarks.
fn table(text: &str) -> Result<Vec<Mutant>, String> {
    let lines = text.lines().enumerate();
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let names: Vec<&str> =
        lines.next().map(|(_, line)| line.split('\t').collect()).unwrap_or_default();
    let column = |wanted: &str| {
        names.iter().position(|name| *name == wanted).ok_or_else(|| {
            format!("{MUTANTS_FILE}: found the columns `{}`, `{wanted}` is due", names.join("`, `"))
        })
    };
    let [mutant, outcome, layer, note] =
        [column("mutant")?, column("outcome")?, column("layer")?, column("note")?];
    let row = |(at, line): (usize, &str)| {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |column: usize| cells.get(column).copied().unwrap_or_default().to_owned();
        let outcome = cell(outcome);
        if !OUTCOMES.contains(&&*outcome) {
            let allowed = OUTCOMES.join(", ");
            return Err(format!(
                "{MUTANTS_FILE}: line {}: outcome: found `{outcome}`, allowed: {allowed}",
                at + 1
            ));
        }
        Ok(Mutant { mutant: cell(mutant), outcome, layer: cell(layer), note: cell(note) })
    };
    lines.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn a_table_of_mutants_is_read_by_the_names_of_its_columns() {
        let text = "# made by a tool\nmutant\toutcome\tlayer\tnote\nsrc/zab/src/quorum.rs:10: replace > with >=\tkilled\tquick\t\n\
                    src/zab/src/plan.rs:7: delete !\tequivalent\t\tboth are empty there\n";
        let mutants = table(text).expect("whole");
        assert_eq!(
            (mutants.len(), &*mutants[0].layer, &*mutants[1].note),
            (2, "quick", "both are empty there")
        );
        let error = table("mutant\toutcome\tlayer\tnote\nx\tdied\t\t\n").expect_err("no outcome");
        assert!(error.ends_with("line 2: outcome: found `died`, allowed: killed, survived, equivalent, unviable, timeout"));
        let error = table("mutant\toutcome\n").expect_err("columns are missing");
        assert!(error.contains("`layer` is due"), "{error}");
    }
}
