//! Puts every mutant of a file behind a switch: `switches TREE <mutants.json >places.json`.
//!
//! Reads mutants as `cargo mutants --list --json` prints them, each with an `id` of its own beside,
//! and rewrites their files below the directory TREE: where `a < b` has the mutants 7 and 8 it says
//! `(if crate::mutant::is(7) { a == b } else if crate::mutant::is(8) { a > b } else { a < b })`.
//! Prints where each mutant is in the new file, or why it is in none.
//!
//! A mutant that does not compile spoils the whole build. Whoever calls this finds it by the place
//! of the error, and leaves it out.

mod places;
mod rewrite;

use std::collections::BTreeMap;
use std::io::{Read as _, stdin};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use serde::{Deserialize, Serialize};

/// A mutant, as cargo-mutants describes it.
#[derive(Clone, Deserialize, Debug)]
struct Mutant {
    id: u32,
    file: String,
    genre: Genre,
    replacement: String,
    function: Option<Function>,
    span: Lines,
}

/// What kind of expression is changed.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, Debug)]
enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArmGuard,
    MatchArm,
    StructField,
}

#[derive(Clone, Deserialize, Debug)]
struct Function {
    return_type: String,
}

/// A part of a file, by lines and columns. Both count from 1, columns in characters.
#[derive(Clone, Copy, Deserialize, Debug)]
struct Lines {
    start: Position,
    end: Position,
}

#[derive(Clone, Copy, Deserialize, Debug)]
struct Position {
    line: usize,
    column: usize,
}

/// What became of a mutant: where it is in the new file, in bytes, or why it is not there.
#[derive(Serialize, PartialEq, Eq, Debug)]
struct Place {
    id: u32,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Switched { start: usize, end: usize },
    Inexpressible(&'static str),
}

fn main() -> ExitCode {
    match run() {
        Ok(places) => {
            println!("{places}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}\nusage: switches TREE <mutants.json >places.json");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<String, String> {
    let tree = env::args_os().nth(1).ok_or("TREE is missing")?;
    let mut text = String::new();
    stdin().read_to_string(&mut text).map_err(|error| format!("the mutants: {error}"))?;
    let mutants: Vec<Mutant> =
        serde_json::from_str(&text).map_err(|error| format!("the mutants: {error}"))?;
    let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in &mutants {
        by_file.entry(&mutant.file).or_default().push(mutant);
    }
    let mut places = Vec::new();
    for (file, mutants) in by_file {
        let path = Path::new(&tree).join(file);
        let source = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        let (new, of_file) =
            rewrite::rewrite(&source, &mutants).map_err(|error| format!("{file}: {error}"))?;
        fs::write(&path, new).map_err(|error| format!("{file}: {error}"))?;
        places.extend(of_file);
    }
    serde_json::to_string(&places).map_err(|error| error.to_string())
}
