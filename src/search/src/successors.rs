//! The buffer a [`Space`](super::Space) writes edges into.

/// Edges out of one state, in the order they were pushed. The ordinal of an edge is its position,
/// from 0.
///
/// The buffer is flat and reused: once it has grown, pushing allocates nothing. It may hold the
/// edges of earlier states as well; everything public speaks of the current state only.
#[derive(Debug, Clone)]
pub struct Successors {
    width: usize,
    /// First edge of the current state.
    start: usize,
    labels: Vec<u32>,
    marks: Vec<u128>,
    violated: Vec<u64>,
    words: Vec<u32>,
}

/// One edge, as pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge<'a> {
    /// Action label: opaque to the search.
    pub label: u32,
    /// Coverage marks 0 to 127 that this edge counts for.
    pub marks: u128,
    /// Step properties that this edge violates; the same numbering as
    /// [`Judgement::violated`](super::Judgement).
    pub violated: u64,
    /// The state the edge leads to.
    pub words: &'a [u32],
}

impl Successors {
    /// An empty buffer for states of `words` words.
    pub fn new(words: usize) -> Self {
        assert!(words > 0, "a state has at least one word");
        Self {
            width: words,
            start: 0,
            labels: Vec::new(),
            marks: Vec::new(),
            violated: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Adds an edge: action label (opaque), coverage marks, step properties violated by this edge,
    /// and the state it leads to.
    ///
    /// # Panics
    /// If `words` is not as long as [`Space::words`](super::Space::words) said.
    #[inline]
    pub fn push(&mut self, label: u32, marks: u128, violated: u64, words: &[u32]) {
        assert_eq!(words.len(), self.width, "every state has the same number of words");
        self.labels.push(label);
        self.marks.push(marks);
        self.violated.push(violated);
        self.words.extend_from_slice(words);
    }

    /// Number of edges of the current state.
    pub fn len(&self) -> usize {
        self.labels.len() - self.start
    }

    /// Whether the current state has no edge so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The edge with this ordinal, if there are so many.
    pub fn get(&self, ordinal: usize) -> Option<Edge<'_>> {
        (ordinal < self.len()).then(|| self.at(self.start + ordinal))
    }

    /// The edges of the current state, in order.
    pub fn iter(&self) -> impl Iterator<Item = Edge<'_>> {
        (self.start..self.labels.len()).map(|index| self.at(index))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.start = 0;
        self.labels.clear();
        self.marks.clear();
        self.violated.clear();
        self.words.clear();
    }

    /// Begins the next state: edges so far are kept, and no longer counted by `len`.
    pub(super) fn begin(&mut self) {
        self.start = self.labels.len();
    }

    /// Edges of all states since the last `clear`.
    pub(super) fn total(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn marks_at(&self, index: usize) -> u128 {
        self.marks[index]
    }

    pub(super) fn violated_at(&self, index: usize) -> u64 {
        self.violated[index]
    }

    pub(super) fn words_at(&self, index: usize) -> &[u32] {
        &self.words[index * self.width..(index + 1) * self.width]
    }

    /// The words of all edges since the last `clear`, edge after edge.
    pub(super) fn states(&self) -> impl Iterator<Item = &[u32]> {
        self.words.chunks_exact(self.width)
    }

    fn at(&self, index: usize) -> Edge<'_> {
        Edge {
            label: self.labels[index],
            marks: self.marks[index],
            violated: self.violated[index],
            words: self.words_at(index),
        }
    }
}
