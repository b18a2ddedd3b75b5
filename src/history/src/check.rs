//! The checks, one after the other, into one report.

mod answers;
mod index;
mod order;
mod reads;
mod stream;
mod sweep;
mod taint;

pub use index::Malformed;

use crate::History;
use crate::report::Report;
use crate::watch::Changes;
use index::Index;
use order::Floors;

/// Compares a history with every rule.
pub(crate) fn check(history: &History) -> Result<Report, Malformed> {
    let mut report = Report::default();
    let index = Index::of(history)?;
    index.check_owners(&mut report);
    let floors = Floors::of(history);
    let log = order::Order::of(history, &index, &mut report);
    log.check_real_time(history, &floors, &mut report);
    log.check_headers(history, &mut report);
    let mut changes = Changes::watched_in(history);
    let swept = sweep::sweep(history, &index, &floors, &log, &mut changes, &mut report);
    let context = stream::Context { history, floors: &floors, changes: &changes, swept: &swept };
    for stream in index.streams.values() {
        stream::check(&context, stream, &mut report);
    }
    Ok(report)
}
