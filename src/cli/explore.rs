//! `vivarium explore`.

use super::bounds::BoundArgs;
use super::context::Context;
use checker::select;
use clap::Args;
use std::net::SocketAddr;

const EXAMPLES: &str = "\
Examples:
  vivarium explore broadcast-1
  vivarium explore broadcast-1 --servers 3 --txns 1 --crashes 0 --listen 127.0.0.1:4000

Open the address in a browser; Ctrl-C ends it. The Explorer has no access control, so it listens on
this machine only unless --listen says otherwise.

Exit status:
  1    the address cannot be bound
  2    usage error: unknown model, bound, or a value out of range";

/// Walk through the states of a model in the browser (stateright's Explorer)
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExploreArgs {
    /// The model
    model: String,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    #[command(flatten)]
    bounds: BoundArgs,
}

/// Runs `explore`.
pub(crate) fn run(arguments: &ExploreArgs, context: Context<'_>) -> u8 {
    let console = context.console;
    let selected = match checker::find_model(&context.registry, &arguments.model)
        .and_then(|_| select(&context.registry, &arguments.model, None, &arguments.bounds.given()))
    {
        Ok(selected) => selected,
        Err(error) => {
            let _ = writeln!(console.err, "error: {error}");
            return 2;
        }
    };
    for one in selected {
        let name = one.info.name;
        let _ = writeln!(console.out, "{name} ({}): http://{}", one.bounds, arguments.listen);
        let _ = console.out.flush();
        if let Err(error) = one.model.explore(&one.bounds, arguments.listen) {
            let _ = writeln!(console.err, "error: {error}");
            return 1;
        }
    }
    0
}
