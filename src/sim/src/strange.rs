//! Disks that are damaged, and strangers.

use std::time::Duration;

use wire::jute::Record;
use wire::quorum::{LearnerInfo, PROTOCOL_VERSION, Packet, PacketType};
use zab::Sid;

use crate::pipe::{Chunk, End, Kind};
use crate::process::{Damage, QuorumEnd};
use crate::story::{self, Who};
use crate::world::World;

impl World {
    /// A server is killed, and a bit in its log or in one of its snapshots is flipped. At most one
    /// in a run, and not the only one that votes: what it alone has would be lost.
    pub(crate) fn damage(&mut self, sid: Sid, down: Duration) {
        let has_one = self.machines.values().any(|machine| machine.damage != Damage::None);
        let runs = self.process(sid).is_some();
        if has_one || !runs || self.plan.servers < 3 {
            return;
        }
        self.kill(sid, down);
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        let files: Vec<_> = (machine.image.iter_mut())
            .filter(|(path, bytes)| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                !bytes.is_empty() && (name.starts_with("log.") || name.starts_with("snapshot."))
            })
            .collect();
        let at = self.rng.below(files.len());
        let Some((path, bytes)) = files.into_iter().nth(at) else { return };
        let bit = self.rng.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        machine.damage = Damage::Done;
        let place = format!("bit {bit} of {}", path.display());
        self.tell(Who::Server(sid), story::Kind::Step, || {
            format!("server {}: {place} is flipped", sid.0)
        });
    }

    /// Somebody who is no member connects to the quorum port of a server, and says something.
    pub(crate) fn stranger(&mut self, sid: Sid) {
        let Some(process) = self.process(sid) else { return };
        let run = process.run;
        let end = QuorumEnd {
            buffer: bytes::BytesMut::new(),
            packets: wire::quorum::Packets::new(crate::links::HELLO_BYTES_MAX),
            inlet: None,
        };
        let pipe = self.connect(Kind::Quorum, [End::Stranger, End::Server(sid, run)]);
        if let Some(process) = self.process(sid) {
            process.quorum_ends.insert(pipe, end);
        }
        let bytes = self.strange_words();
        self.marks.insert("a stranger speaks at the quorum port");
        self.tell(Who::Server(sid), story::Kind::Step, || {
            format!("a stranger says {} bytes to server {}", bytes.len(), sid.0)
        });
        self.send(pipe, 0, Chunk::Bytes(bytes));
        if self.rng.chance(500) {
            self.close(pipe, 0);
        }
    }

    /// Bytes that mean nothing, half a packet, or one that claims to be a member's, and perhaps
    /// more of that kind.
    fn strange_words(&mut self) -> Vec<u8> {
        let count = 1 + self.rng.below(200);
        let noise: Vec<u8> = (0..count).map(|_| self.rng.next().to_le_bytes()[0]).collect();
        let claimed = match self.rng.below(3) {
            0 => 200,
            _ => 1 + self.rng.below(usize::from(self.plan.servers)),
        };
        let info = LearnerInfo {
            server_id: i64::try_from(claimed).unwrap_or(200),
            protocol_version: PROTOCOL_VERSION,
            config_version: Some(0),
        };
        let mut data = Vec::new();
        info.encode(&mut data);
        let epoch = i64::try_from(self.rng.below(100)).unwrap_or(0) << 32;
        let kind = match self.rng.below(3) {
            0 => PacketType::ObserverInfo,
            _ => PacketType::FollowerInfo,
        };
        let mut hello = Vec::new();
        Packet::with_data(kind, epoch, data).encode(&mut hello);
        match self.rng.below(5) {
            0 => noise,
            1 => hello[..self.rng.below(hello.len())].to_vec(),
            2 => hello,
            3 => [hello, noise].concat(),
            _ => {
                // A buffer that is said to be longer than any.
                let mut huge = hello[..12].to_vec();
                huge.extend(i32::MAX.to_be_bytes());
                [huge, noise].concat()
            }
        }
    }
}
