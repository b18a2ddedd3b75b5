//! What the search asks of a server again and again, computed once per distinct server.

use host::Timer;
use zab::{Config, Epoch, Input, Outputs, Role, Sid, Zxid};

use super::ghost::is_prefix;
use super::machine::{Machine, Txn};
use super::node::Node;
use super::property::Property;
use super::quiet::caught;

/// A digest of a server: what decides which actions are possible, and what holds of it alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Info {
    /// What it is.
    pub role: Role,
    /// `acceptedEpoch` on its disk.
    pub promised: Epoch,
    /// The epoch in which it serves clients.
    pub established: Option<Epoch>,
    /// The leader that it dials.
    pub dialling: Option<Sid>,
    /// Records wait for the disk.
    pub writes: bool,
    /// Its history was lost, and it has got none yet.
    pub history_lost: bool,
    /// Of the timers that a model fires: those that run.
    pub quorum_loss: bool,
    /// See `quorum_loss`.
    pub init_limit: bool,
    /// See `quorum_loss`.
    pub resend: bool,
    /// See `quorum_loss`.
    pub finalize: bool,
    /// Connections wait to become links of learners.
    pub claimed: bool,
    /// The peers, a bit each, that have left a question open while another connection claims to be
    /// them.
    pub unanswered: u64,
    /// What decides which ghosts can still matter: 4 bits of what its disk has promised, 3 of the
    /// id of the leader that it is attached to, or is, and whether records wait for the disk.
    pub busy: u8,
    /// A shell could write a snapshot now.
    pub compactable: bool,
    /// More is delivered than is on this disk.
    pub memory_ahead: bool,
    /// Properties that this server alone violates.
    pub violated: u64,
    /// Id of what is delivered.
    pub applied: u32,
    /// Id of the history as issued.
    pub issued: u32,
    /// Id of the history on disk.
    pub durable: u32,
}

impl Info {
    /// Looks at a server. `log` gives the ids of histories.
    pub fn of<M: Machine>(config: Config, node: &Node<M>, log: impl Fn(Vec<Txn>) -> u32) -> Self {
        let zab = node.core().zab();
        let durable = node.disk.durable_history();
        let issued = node.disk.issued_history();
        let mut violated = 0;
        let mut check = |holds: bool, property: Property| {
            if !holds {
                violated |= property.bit();
            }
        };
        for history in [&durable, &issued, &node.applied] {
            check(is_continuous(history), Property::Z7);
        }
        let image = &node.disk.image;
        let label = node.disk.snapshot.last().map_or(Zxid::ZERO, |txn| txn.zxid);
        check(label == image.snapshot, Property::Z7);
        check(is_prefix(&node.applied, &issued), Property::Z11);
        let delivered = node.applied.last().map_or(Zxid::ZERO, |txn| txn.zxid);
        check(zab.delivered() == Some(delivered), Property::Z11);
        let end = issued.last().map_or(Zxid::ZERO, |txn| txn.zxid);
        check(node.core().last() == Some(end), Property::Z11);
        check(image.current <= image.accepted, Property::Z8);
        check(image.last().epoch() <= image.accepted, Property::Z8);
        check(every_image_starts(config, node), Property::Z12);
        let armed = |timer| node.armed.contains(&Timer::Core(timer));
        let claimed = node.host.claims().map(|claim| claim.peer);
        let unanswered = claimed.filter(|&peer| node.armed.contains(&Timer::Answer(peer)));
        Self {
            role: zab.role(),
            promised: image.accepted,
            established: node.core().established(),
            dialling: node.dialling,
            writes: !node.disk.pending.is_empty(),
            history_lost: node.disk.lost.is_some(),
            quorum_loss: armed(zab::Timer::QuorumLoss),
            init_limit: armed(zab::Timer::InitLimit),
            resend: armed(zab::Timer::Resend),
            finalize: armed(zab::Timer::Finalize),
            claimed: node.host.claims().next().is_some(),
            unanswered: unanswered.fold(0, |mask, peer| mask | 1 << peer.0),
            busy: busy(config.me, zab.role(), image.accepted, !node.disk.pending.is_empty()),
            compactable: node.applied.len() > node.disk.snapshot.len()
                && is_prefix(&node.applied, &durable),
            memory_ahead: node.applied.len() > durable.len(),
            violated,
            applied: log(node.applied.clone()),
            issued: log(issued),
            durable: log(durable),
        }
    }
}

fn busy(me: Sid, role: Role, promised: Epoch, writes: bool) -> u8 {
    let leader = match role {
        Role::Following(leader) | Role::Observing(leader) => leader,
        Role::Leading => me,
        Role::Down | Role::Looking => Sid(0),
    };
    promised.0.min(15) as u8 | leader.0 << 4 | u8::from(writes) << 7
}

/// True if every transaction may stand behind the one before it.
fn is_continuous(history: &[Txn]) -> bool {
    let mut last = Zxid::ZERO;
    history.iter().all(|txn| std::mem::replace(&mut last, txn.zxid).is_followed_by(txn.zxid))
}

/// Z12: whatever prefix of its writes a crash leaves, the server starts.
fn every_image_starts<M: Machine>(config: Config, node: &Node<M>) -> bool {
    let mut disk = node.disk.clone();
    loop {
        let input = Input::Start(disk.image.clone());
        let started = caught(|| {
            let mut machine = M::new(config);
            let mut out = Outputs::new();
            machine.step(input, &mut out);
            out.halt.is_none() && machine.zab().role() != Role::Down
        });
        if !started.unwrap_or(false) {
            return false;
        }
        if !disk.advance() {
            return true;
        }
    }
}
