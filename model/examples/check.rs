//! One run of one model and nothing else: what the runner of seeded flaws builds for each flaw,
//! since `vivarium check` has the whole server to build with it.
//!
//! ```text
//! check MODEL THREADS RECORD.json DIRECTORY [BOUND=N]...
//! ```

use std::io::{stderr, stdout};
use std::process::ExitCode;

use checker::{BuildInfo, CheckOptions, CheckRequest, Console, Engine, ProgressMode, check};
use model::registry;

fn main() -> ExitCode {
    match request() {
        Ok(request) => {
            let (mut out, mut err) = (stdout(), stderr());
            let unknown = || "unknown".to_owned();
            let build = BuildInfo { commit: unknown(), rustc: unknown(), version: unknown() };
            let progress = ProgressMode::Silent;
            let mut console = Console { out: &mut out, err: &mut err, progress };
            check(&registry(), &request, &build, &mut console).code().into()
        }
        Err(what) => {
            eprintln!(
                "error: {what}\nusage: check MODEL THREADS RECORD.json DIRECTORY [BOUND=N]..."
            );
            2.into()
        }
    }
}

fn request() -> Result<CheckRequest, String> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing"));
    let model = next("MODEL")?;
    let threads = next("THREADS")?;
    let threads = threads.parse().map_err(|_| format!("THREADS is {threads}"))?;
    let json = Some(next("RECORD.json")?.into());
    let out = next("DIRECTORY")?.into();
    let overrides = arguments.map(|bound| {
        let (name, value) =
            bound.split_once('=').ok_or_else(|| format!("{bound} is no BOUND=N"))?;
        let value = value.parse().map_err(|_| format!("{bound} is no BOUND=N"))?;
        Ok((name.to_owned(), value))
    });
    Ok(CheckRequest {
        model,
        tier: None,
        overrides: overrides.collect::<Result<_, String>>()?,
        json,
        out,
        abstract_runs: None,
        options: CheckOptions {
            threads,
            max_states: None,
            engine: Engine::Own,
            stop: Default::default(),
        },
    })
}
