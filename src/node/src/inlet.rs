//! What arrives over a connection of the quorum port: bytes in, events out.

use bytes::{Bytes, BytesMut};
use host::{Decoder, Link};
use wire::quorum::{Packet, PacketType, Packets};
use zab::Zxid;

use crate::io::Event;
use crate::snapshots::Incoming;

/// One end of a connection of the quorum port, as it reads.
pub struct Inlet {
    link: Link,
    /// This server is the learner: it may be sent a state.
    is_learner: bool,
    packets: Packets,
    decoder: Decoder<Bytes>,
    tree: znode::Options,
    /// The state that is arriving.
    incoming: Option<(Zxid, Box<Incoming>)>,
    /// A SNAP packet came behind messages that have yet to be told.
    announced: Option<Zxid>,
}

impl Inlet {
    /// A connection over which nothing has arrived. `packet_bytes_max`: the largest packet.
    pub fn new(
        link: Link,
        is_learner: bool,
        packet_bytes_max: usize,
        tree: znode::Options,
    ) -> Self {
        let (packets, decoder) = (Packets::new(packet_bytes_max), Decoder::default());
        Self { link, is_learner, packets, decoder, tree, incoming: None, announced: None }
    }

    /// Takes a packet that was read before: the first, which says who the learner is.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub fn begin(&mut self, packet: Packet) -> Result<(), String> {
        self.decoder.decode(packet)
    }

    /// What has arrived whole, oldest first, in as few events as possible; `None`: more has to be
    /// read into the buffer.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, String> {
        loop {
            if let Some(zxid) = self.announced.take() {
                self.incoming = Some((zxid, Box::new(Incoming::new(zxid, self.tree))));
            }
            if let Some((zxid, incoming)) = &mut self.incoming {
                let (link, zxid) = (self.link, *zxid);
                let Some(tree) = incoming.feed(buffer)? else {
                    return Ok(None);
                };
                self.incoming = None;
                return Ok(Some(Event::Snapshot { link, zxid, tree: Box::new(tree) }));
            }
            match self.packets.next(buffer).map_err(|error| error.to_string())? {
                Some(packet) if packet.kind == PacketType::Snap && self.is_learner => {
                    self.announced = Some(host::zxid(packet.zxid)?);
                }
                Some(packet) => {
                    self.decoder.decode(packet)?;
                    continue;
                }
                None => {}
            }
            let messages = self.decoder.take()?;
            if !messages.is_empty() {
                return Ok(Some(Event::Messages { link: self.link, messages }));
            }
            if self.announced.is_none() {
                return Ok(None);
            }
        }
    }
}
