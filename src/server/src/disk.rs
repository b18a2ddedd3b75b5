//! The disk thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use node::Shared;
use node::disk::{Background, Job, Writer};
use tracing::{info, warn};
use zab::WriteNo;

use crate::clock;

/// How the disk thread reports: called on that thread.
pub(crate) trait Report: Clone + Send + 'static {
    /// Everything up to this record is on disk.
    fn durable(&self, upto: WriteNo);
    /// A write or an fsync failed, of a snapshot also: nothing more will be written.
    fn failed(&self, error: store::Error);
}

/// Work, and when it was handed over.
type Handed = (Instant, Vec<Job>);

/// The engine's end.
pub(crate) struct Disk {
    jobs: Option<Sender<Handed>>,
    queued: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// What is written is counted in `shared`.
    pub(crate) fn start(
        writer: Writer<store::Os>,
        report: impl Report,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&queued);
        let thread = std::thread::Builder::new()
            .name("disk".into())
            .spawn(move || run(writer, &inbox, &taken, &report, &shared))?;
        Ok(Self { jobs: Some(jobs), queued, thread: Some(thread) })
    }

    /// Hands over work. Never waits: see [`Self::queued`].
    pub(crate) fn submit(&self, jobs: Vec<Job>) {
        self.queued.fetch_add(jobs.len(), Ordering::Relaxed);
        if let Some(sender) = &self.jobs {
            // The thread is gone only after it reported a failure, which stops this server.
            let _ = sender.send((Instant::now(), jobs));
        }
    }

    /// Records handed over and not yet durable.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Writes what was handed over, and ends the thread.
    pub(crate) fn finish(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the disk thread was printed by it.
            let _ = thread.join();
        }
    }
}

/// Group commit: takes all that is queued, writes it, one sync, one report.
fn run(
    mut writer: Writer<store::Os>,
    inbox: &Receiver<Handed>,
    taken: &AtomicUsize,
    report: &impl Report,
    shared: &Arc<Shared>,
) {
    let counts = shared.counts();
    while let Ok(handed) = inbox.recv() {
        let (mut done, begun) = (0, Instant::now());
        let oldest = handed.0;
        let mut batch = Some(handed);
        counts.log_queue.add(taken.load(Ordering::Relaxed) as u64);
        while let Some((since, jobs)) = batch {
            counts.log_queue_time.add_ms(since.elapsed());
            done += jobs.len();
            counts.logged.add(jobs.len() as u64);
            for job in jobs {
                match writer.write(job) {
                    Ok(None) => {}
                    Ok(Some(background)) => {
                        take_in_background(background, report.clone(), Arc::clone(shared));
                    }
                    Err(error) => return report.failed(error),
                }
            }
            batch = inbox.try_recv().ok();
        }
        let syncing = Instant::now();
        let durable = match writer.sync() {
            Ok(durable) => durable,
            Err(error) => return report.failed(error),
        };
        taken.fetch_sub(done, Ordering::Relaxed);
        if let Some(upto) = durable {
            counts.fsync_time.add_ms(syncing.elapsed());
            counts.flush_time.add_ms(begun.elapsed());
            counts.queue_and_flush_time.add_ms(oldest.elapsed());
            counts.log_batch.add(done as u64);
            report.durable(upto);
        }
    }
}

/// Writes a snapshot on a thread of its own. A failure ends the server as one of the disk thread
/// does: the store takes no more writes, so a server that went on would seem well until the next.
fn take_in_background(background: Background<store::Os>, report: impl Report, shared: Arc<Shared>) {
    let zxid = zab::Zxid(background.snapshot.zxid().cast_unsigned());
    let thread = std::thread::Builder::new().name("snapshot".into()).spawn(move || {
        let (nodes, begun) = (background.snapshot.node_count(), Instant::now());
        let written = node::snapshots::write_out(background);
        shared.counts().snapshot_time.add_ms(begun.elapsed());
        match written {
            Ok(true) => {
                shared.snapshot_taken(zxid, clock::wall_ms());
                info!("snapshot at {zxid}: {nodes} nodes");
            }
            Ok(false) => info!("snapshot at {zxid} given up: the history was replaced meanwhile"),
            Err(error) => {
                shared.counts().snapshot_errors.one();
                report.failed(error);
            }
        }
    });
    if let Err(error) = thread {
        warn!("snapshot at {zxid} not begun: no thread: {error}");
    }
}
