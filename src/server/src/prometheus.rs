//! Where Prometheus reads the metrics. (ZooKeeper: `PrometheusMetricsProvider`.)

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use node::Shared;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::http::{self, Answer, Answers, Asked};

/// Answers `/metrics`.
pub(crate) struct Prometheus {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    /// Held by whoever reads: whoever asks for many waits for itself.
    pub(crate) reading: Mutex<()>,
}

/// A connection on which nothing moves for so long is closed.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Answers for Prometheus {
    fn answer(self: Arc<Self>, asked: Asked) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async move {
            if asked.method != Method::GET && asked.method != Method::HEAD {
                return http::answer(405, TEXT, "GET is understood.\n");
            }
            if asked.path != "/metrics" {
                return http::answer(404, TEXT, "There is nothing here but /metrics.\n");
            }
            let _turn = self.reading.lock().await;
            let (shared, clock) = (Arc::clone(&self.shared), self.clock);
            let made = tokio::task::spawn_blocking(move || {
                node::metrics::prometheus(&node::metrics::read(&shared, clock.now()))
            });
            match made.await {
                Ok(text) => http::answer(200, TEXT, text),
                Err(error) => http::answer(500, TEXT, error.to_string()),
            }
        })
    }
}
