//! One thread's part of a level: expand states, look their successors up in batches, keep the new
//! ones.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::content::Fingerprints;
use super::frontier::{BLOCK_WORDS, Block, Found, Ledger, Level, Spill};
use super::tally::Tally;
use super::trail::{Origin, Segment};
use super::visited::{SHARDS, Visited};
use super::{Incomplete, Options, Space, Successors};

/// Edges looked up together. Large enough that each shard's lock is taken for some dozens of edges,
/// small enough that the batch stays in a second-level cache.
const BATCH_EDGES: usize = 8192;

/// What all threads of a search share.
pub(super) struct Shared<'a, S> {
    pub(super) space: &'a S,
    pub(super) options: &'a Options<'a>,
    pub(super) visited: Visited,
    pub(super) ledger: Arc<Ledger>,
    /// Why the search is to end before all is explored. The first reason stays.
    pub(super) cut: OnceLock<Incomplete>,
    pub(super) distinct: AtomicU64,
    pub(super) generated: AtomicU64,
    pub(super) expanded: AtomicU64,
    /// Bytes of finished paths, and of the model's own tables when last asked.
    pub(super) trail_bytes: AtomicU64,
    pub(super) space_bytes: AtomicU64,
}

impl<'a, S: Space> Shared<'a, S> {
    pub(super) fn new(space: &'a S, options: &'a Options<'a>) -> Self {
        Self {
            space,
            options,
            visited: Visited::new(),
            ledger: Ledger::new(options.frontier_bytes_max, options.spill_directory.clone()),
            cut: OnceLock::new(),
            distinct: AtomicU64::new(0),
            generated: AtomicU64::new(0),
            expanded: AtomicU64::new(0),
            trail_bytes: AtomicU64::new(0),
            space_bytes: AtomicU64::new(0),
        }
    }

    /// Visited set and paths.
    pub(super) fn visited_bytes(&self) -> u64 {
        self.visited.bytes() + self.trail_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.visited_bytes() + self.ledger.memory() + self.space_bytes.load(Ordering::Relaxed)
    }

    /// Whether workers should go on; looks at the stop flag.
    fn go_on(&self) -> bool {
        if self.options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            self.cut.get_or_init(|| Incomplete::Stopped);
        }
        self.cut.get().is_none()
    }

    fn check_limits(&self) {
        if let Some(max) = self.options.states_max
            && self.distinct.load(Ordering::Relaxed) > max
        {
            self.cut.get_or_init(|| Incomplete::States { max });
        }
        if let Some(max) = self.options.memory_bytes_max
            && self.bytes() > max
        {
            self.cut.get_or_init(|| Incomplete::Memory { max });
        }
    }
}

/// A thread's buffers, and what it found in the current level.
pub(super) struct Worker<S: Space> {
    scratch: S::Worker,
    edges: Successors,
    /// Which edges come from which parent.
    spans: Vec<Span>,
    batch: Batch,
    /// States of the block in the making.
    words: Vec<u32>,
    segment: Segment,
    pub(super) found: Vec<Found>,
    pub(super) spill: Arc<Spill>,
    pub(super) tally: Tally,
}

#[derive(Clone, Copy)]
struct Span {
    parent: Option<u64>,
    /// One past the last edge.
    end: usize,
}

impl<S: Space> Worker<S> {
    /// The worker numbered `index`, of some.
    pub(super) fn new(space: &S, index: usize, seed: u64) -> Self {
        Self {
            scratch: space.worker(),
            edges: Successors::new(space.words()),
            spans: Vec::new(),
            batch: Batch::new(index, Fingerprints::new(space.words(), seed)),
            words: Vec::new(),
            segment: Segment::default(),
            found: Vec::new(),
            spill: Arc::default(),
            tally: Tally::default(),
        }
    }

    /// Finds the initial states.
    pub(super) fn start(&mut self, shared: &Shared<'_, S>) {
        self.edges.clear();
        shared.space.initial(&mut self.scratch, &mut self.edges);
        self.spans.push(Span { parent: None, end: self.edges.total() });
        let finished = self.flush(shared).and_then(|()| self.seal(shared));
        cut_on_error(shared, finished);
    }

    /// Expands units of the level until none is left or the search is cut.
    pub(super) fn expand(&mut self, shared: &Shared<'_, S>, level: &Level) {
        let finished = self
            .expand_units(shared, level)
            .and_then(|()| self.flush(shared))
            .and_then(|()| self.seal(shared));
        cut_on_error(shared, finished);
    }

    fn expand_units(&mut self, shared: &Shared<'_, S>, level: &Level) -> io::Result<()> {
        let width = shared.space.words();
        let mut buffer = Vec::new();
        while shared.go_on()
            && let Some(unit) = level.claim()
        {
            let block = level.block(unit);
            let states = block
                .load(&mut buffer)?
                .chunks_exact(width)
                .skip(unit.start)
                .take(unit.states as usize);
            for (number, state) in (unit.number..).zip(states) {
                self.edges.begin();
                shared.space.expand(&mut self.scratch, state, &mut self.edges);
                self.spans.push(Span { parent: Some(number), end: self.edges.total() });
                if self.edges.total() >= BATCH_EDGES {
                    self.flush(shared)?;
                }
            }
            drop(block);
            level.done(unit);
            shared.expanded.fetch_add(u64::from(unit.states), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Looks up the edges gathered so far; counts them, and judges and keeps the states that are
    /// new.
    fn flush(&mut self, shared: &Shared<'_, S>) -> io::Result<()> {
        self.batch
            .look_up(&self.edges, &shared.visited, |place, word| shared.space.digest(place, word));
        let distinct_before = self.tally.distinct;
        let block_words = (BLOCK_WORDS / shared.space.words()).max(1) * shared.space.words();
        let mut start = 0;
        for span in &self.spans {
            for index in start..span.end {
                let origin = Origin { parent: span.parent, ordinal: (index - start) as u32 };
                self.tally.count_marks(self.edges.marks_at(index));
                self.tally.violated.note(self.edges.violated_at(index), origin);
                if !self.batch.fresh[index] {
                    continue;
                }
                let state = self.edges.words_at(index);
                let judgement = shared.space.judge(&mut self.scratch, state);
                self.tally.violated.note(judgement.violated, origin);
                self.tally.reached.note(judgement.reached, origin);
                self.tally.distinct += 1;
                self.tally.digest = self.tally.digest.wrapping_add(self.batch.fingerprints[index]);
                self.words.extend_from_slice(state);
                self.segment.push(origin);
                if self.words.len() >= block_words {
                    seal(
                        &mut self.words,
                        &mut self.segment,
                        &mut self.found,
                        &self.spill,
                        &shared.ledger,
                    )?;
                }
            }
            start = span.end;
        }
        let generated = self.edges.total() as u64;
        self.tally.generated += generated;
        self.edges.clear();
        self.spans.clear();
        shared.generated.fetch_add(generated, Ordering::Relaxed);
        shared.distinct.fetch_add(self.tally.distinct - distinct_before, Ordering::Relaxed);
        shared.check_limits();
        Ok(())
    }

    fn seal(&mut self, shared: &Shared<'_, S>) -> io::Result<()> {
        seal(&mut self.words, &mut self.segment, &mut self.found, &self.spill, &shared.ledger)
    }
}

/// Ends the block in the making.
fn seal(
    words: &mut Vec<u32>,
    segment: &mut Segment,
    found: &mut Vec<Found>,
    spill: &Arc<Spill>,
    ledger: &Arc<Ledger>,
) -> io::Result<()> {
    if segment.states() > 0 {
        let block = Block::new(std::mem::take(words), ledger, spill)?;
        found.push(Found { block, segment: std::mem::take(segment) });
    }
    Ok(())
}

fn cut_on_error<S: Space>(shared: &Shared<'_, S>, result: io::Result<()>) {
    if let Err(error) = result {
        shared.cut.get_or_init(|| Incomplete::Spill { error: error.to_string() });
    }
}

/// Look-ups of one batch, grouped by shard so that each shard is locked once.
struct Batch {
    prints: Fingerprints,
    fingerprints: Vec<u128>,
    /// Edge indexes, grouped by shard, ascending within a shard.
    order: Vec<u32>,
    /// Whether an edge leads to a state not seen before.
    fresh: Vec<bool>,
    /// Where each shard's group ends in `order`.
    ends: [u32; SHARDS],
    /// The shard this worker begins with, so that workers do not follow each other from lock to
    /// lock.
    first_shard: usize,
}

impl Batch {
    fn new(index: usize, prints: Fingerprints) -> Self {
        Self {
            prints,
            fingerprints: Vec::new(),
            order: Vec::new(),
            fresh: Vec::new(),
            ends: [0; SHARDS],
            first_shard: index.wrapping_mul(0x9e37) % SHARDS,
        }
    }

    fn look_up(
        &mut self,
        edges: &Successors,
        visited: &Visited,
        digest: impl Fn(usize, u32) -> u128,
    ) {
        self.fingerprints.clear();
        let prints = &mut self.prints;
        self.fingerprints.extend(edges.states().map(|state| prints.of(state, &digest)));
        self.group();
        self.fresh.clear();
        self.fresh.resize(self.fingerprints.len(), false);
        for turn in 0..SHARDS {
            let shard = (self.first_shard + turn) % SHARDS;
            let begin = if shard == 0 { 0 } else { self.ends[shard - 1] };
            let group = &self.order[begin as usize..self.ends[shard] as usize];
            if !group.is_empty() {
                visited.insert(shard, group, &self.fingerprints, &mut self.fresh);
            }
        }
    }

    /// Counting sort of the edges by shard; stable, so that the first of equal states is the fresh
    /// one.
    fn group(&mut self) {
        let mut places = [0; SHARDS];
        for &print in &self.fingerprints {
            places[Visited::shard_of(print)] += 1;
        }
        let mut sum = 0;
        for place in &mut places {
            sum += std::mem::replace(place, sum);
        }
        self.order.resize(self.fingerprints.len(), 0);
        for (index, &print) in (0..).zip(&self.fingerprints) {
            let place = &mut places[Visited::shard_of(print)];
            self.order[*place as usize] = index;
            *place += 1;
        }
        self.ends = places;
    }
}
