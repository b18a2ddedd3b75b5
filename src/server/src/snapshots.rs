//! Snapshots on their way over links.

use std::io::{BufWriter, Write};

use node::snapshots::PIECE_BYTES;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use znode::Snapshot;

/// Sends a snapshot over a link.
pub(crate) async fn stream(
    snapshot: Snapshot,
    out: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<Vec<u8>>(4);
    let encoder = tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PIECE_BYTES, ToChannel(sender));
        node::snapshots::stream(&snapshot, &mut out)
    });
    while let Some(piece) = pieces.recv().await {
        out.write_all(&piece).await?;
    }
    encoder.await.map_err(std::io::Error::other)?
}

struct ToChannel(tokio::sync::mpsc::Sender<Vec<u8>>);

impl Write for ToChannel {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let gone = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        self.0.blocking_send(bytes.to_vec()).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
