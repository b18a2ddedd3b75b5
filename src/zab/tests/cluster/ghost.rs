//! What nobody in the cluster knows, and everybody relies on.

use std::collections::BTreeMap;

use zab::{Epoch, Halt, Message, Note, Quorum, Record, Role, Sid, SidSet, Zxid};

use super::server::{Out, P, Server, Txn};

/// Remembers what was ever promised or shown, crashes or not. The letters are the properties that
/// the models check.
#[derive(Clone, Debug)]
pub(crate) struct Ghost {
    quorum: Quorum,
    /// Z1: the leader established in an epoch.
    established: BTreeMap<Epoch, Sid>,
    /// Z2: what a zxid stands for.
    origin: BTreeMap<Zxid, P>,
    /// Z3: the longest sequence ever delivered anywhere.
    delivered: Vec<Txn>,
}

impl Ghost {
    pub(super) fn new(quorum: Quorum) -> Self {
        let (established, origin) = (BTreeMap::new(), BTreeMap::new());
        Self { quorum, established, origin, delivered: Vec::new() }
    }

    /// Takes note of a step of a server.
    pub(super) fn see(&mut self, server: &Server, out: &Out) -> Result<(), String> {
        let sid = server.config.me;
        for (_, record) in &out.writes {
            if let Record::Txn(txn) = record {
                let origin = self.origin.entry(txn.zxid).or_insert_with(|| txn.payload.clone());
                if *origin != txn.payload {
                    let (zxid, other) = (txn.zxid, &txn.payload);
                    return Err(format!("Z2: {zxid:?} is {origin} and, at {}, {other}", sid.0));
                }
            }
        }
        for note in &out.notes {
            if let (Note::Established(epoch), Role::Leading) = (note, server.machine.role()) {
                let leader = self.established.entry(*epoch).or_insert(sid);
                if *leader != sid {
                    return Err(format!("Z1: {} and {} lead epoch {epoch}", leader.0, sid.0));
                }
            }
        }
        let (longer, shorter) = if server.applied.len() > self.delivered.len() {
            (&server.applied, &self.delivered)
        } else {
            (&self.delivered, &server.applied)
        };
        if !longer.starts_with(shorter) {
            return Err(format!("Z3: {} delivers what others never did: {longer:?}", sid.0));
        }
        if server.applied.len() > self.delivered.len() {
            self.delivered = server.applied.clone();
        }
        if !server.disk.issued_history().starts_with(&server.applied) {
            return Err(format!("Z11: memory and disk of {} have parted", sid.0));
        }
        if let Some(
            Halt::LogOutOfOrder { .. } | Halt::CurrentEpochAhead { .. } | Halt::HistoryAhead { .. },
        ) = out.halt
        {
            return Err(format!("Z12: {} cannot start: {:?}", sid.0, out.halt));
        }
        Ok(())
    }

    /// Z5: what was ever delivered is on the disks of a quorum.
    pub(super) fn check<'a>(
        &self,
        servers: impl Iterator<Item = &'a Server>,
    ) -> Result<(), String> {
        let holders: SidSet = servers
            .filter(|server| server.disk.durable_history().starts_with(&self.delivered))
            .map(|server| server.config.me)
            .collect();
        if self.quorum.is_quorum(&holders) {
            return Ok(());
        }
        Err(format!("Z5: only {holders:?} hold everything that was delivered"))
    }

    /// Z6: an acknowledgement that leaves speaks of what is on this disk.
    pub(super) fn leaves(&self, server: &Server, message: &Message<P>) -> Result<(), String> {
        let image = &server.disk.image;
        let holds = match message {
            Message::LeaderInfo { epoch } => image.accepted >= *epoch,
            Message::AckEpoch { current, last } => {
                image.last() == *last && current.is_none_or(|current| current == image.current)
            }
            Message::AckNewLeader { epoch } => image.accepted == *epoch && image.current == *epoch,
            Message::Ack { zxid } => image.last() >= *zxid && image.current == zxid.epoch(),
            Message::LearnerInfo { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::UpToDate
            | Message::Proposal(_)
            | Message::Commit { .. }
            | Message::Inform(_)
            | Message::Ping { .. }
            | Message::Session(_) => true,
        };
        if holds {
            return Ok(());
        }
        Err(format!("Z6: {} says {message:?} while its disk holds {image:?}", server.config.me.0))
    }
}
