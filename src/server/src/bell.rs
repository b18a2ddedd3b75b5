//! Bells that wake tasks.

use std::sync::Arc;

use tokio::sync::Notify;

/// A bell, and who waits for it. Clones are the same bell.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    /// Until it rings; at once if it has rung since the last time.
    pub(crate) async fn rung(&self) {
        self.0.notified().await;
    }
}

impl node::Bell for Bell {
    fn ring(&self) {
        self.0.notify_one();
    }
}
