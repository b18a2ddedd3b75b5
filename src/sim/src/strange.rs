//! Disks that are damaged, and strangers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use store::SimDisk;
use wire::jute::Record;
use wire::quorum::{LearnerInfo, PROTOCOL_VERSION, Packet, PacketType};
use zab::Sid;

use crate::pipe::{Chunk, End, Kind};
use crate::process::{Damage, QuorumEnd};
use crate::story::{self, Who};
use crate::world::World;

/// What a disk loses at once.
const BLOCK_BYTES: usize = 4096;

impl World {
    /// A server is killed, and one of its files is damaged: a bit flips, a block becomes zeros, or
    /// the file is gone. Fewer than half of the voters are damaged at once.
    pub(crate) fn damage(&mut self, sid: Sid, down: Duration) {
        let servers = usize::from(self.plan.servers);
        let is_voter = |sid: &Sid| sid.0 <= self.plan.servers;
        let damaged = (self.machines.iter())
            .filter(|(sid, machine)| is_voter(sid) && machine.damage != Damage::None)
            .count();
        let runs = self.process(sid).is_some();
        let waits = self.machines.get(&sid).is_some_and(|machine| machine.damage != Damage::None);
        if !runs || waits || servers < 3 || (damaged + 1) * 2 > servers {
            return;
        }
        self.kill(sid, down);
        let (kind, at, bit) = (self.rng.below(6), self.rng.next(), self.rng.next());
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        let mut image = machine.disk.image();
        let name =
            |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_history = |path: &Path| {
            let name = name(path);
            ["log.", "snapshot.", "acceptedEpoch", "currentEpoch", "vivarium."]
                .iter()
                .any(|kind| name.starts_with(kind))
        };
        let files: Vec<PathBuf> = (image.iter())
            .filter(|(path, bytes)| !bytes.is_empty() && is_history(path))
            .map(|(path, _)| path.clone())
            .collect();
        let Some(path) = files.get((at % files.len().max(1) as u64) as usize) else { return };
        let Some(bytes) = image.get_mut(path) else { return };
        let what = match kind {
            0 => {
                image.remove(path);
                "is gone".to_owned()
            }
            1 => {
                let block = (bit % bytes.len() as u64) as usize / BLOCK_BYTES * BLOCK_BYTES;
                let end = bytes.len().min(block + BLOCK_BYTES);
                bytes[block..end].fill(0);
                format!("is zeros from {block} to {end}")
            }
            _ => {
                let bit = (bit % (bytes.len() as u64 * 8)) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
                format!("has bit {bit} flipped")
            }
        };
        machine.disk = SimDisk::forgetting(image, machine.boots);
        machine.damage = Damage::Done;
        let what = format!("{} {what}", path.display());
        self.tell(Who::Server(sid), story::Kind::Step, || format!("server {}: {what}", sid.0));
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
