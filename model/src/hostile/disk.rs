//! Disks to start from: which of them a crash can leave, and what is said of the others.

use host::Host;
use zab::{Config, DiskImage, Epoch, Halt, Role, Txn, Zab, Zxid};

use super::book::continues;
use super::done::Done;

/// Whether a crash can have left this disk (P4.3 of spec/protocol.md).
pub(super) fn is_sound(image: &DiskImage<u8>) -> bool {
    let mut last = image.snapshot;
    let follows = image.log.iter().all(|txn| {
        let follows = continues(last, txn.zxid);
        last = txn.zxid;
        follows
    });
    follows
        && (image.history_lost || image.current <= image.accepted)
        && last.epoch() <= image.accepted
}

/// Whether a server starts from this disk.
pub(super) fn starts(config: Config, image: &DiskImage<u8>) -> bool {
    let (role, done) = start(config, image);
    role == Role::Looking && done.is_ok_and(|done| done.halt.is_none())
}

/// Whether a server stops at this disk, for this reason, and touches nothing.
pub(super) fn halts(config: Config, image: &DiskImage<u8>, why: Halt) -> bool {
    let (role, done) = start(config, image);
    role == Role::Down && done.is_ok_and(|done| done.only_stops(why))
}

/// The role of a server that was started, and what it did.
fn start(config: Config, image: &DiskImage<u8>) -> (Role, Result<Done, String>) {
    let mut host = Host::new(Zab::new(config), "".into());
    let done = Done::of(&mut host, host::Event::Start(image.clone()));
    (host.core().role(), done)
}

/// A sound disk, damaged in every way by as little as can be, and what a server has to say of it.
pub(super) fn damaged(image: &DiskImage<u8>) -> Vec<(DiskImage<u8>, Halt)> {
    let DiskImage { accepted, snapshot, .. } = *image;
    let next = Epoch(accepted.0 + 1);
    let mut damaged = Vec::new();
    let mut add = |change: &dyn Fn(&mut DiskImage<u8>), why| {
        let mut image = image.clone();
        change(&mut image);
        damaged.push((image, why));
    };

    // Epochs. Where the history is lost, the epoch that it was of says nothing.
    if !image.history_lost {
        add(&|image| image.current = next, Halt::CurrentEpochAhead { accepted, current: next });
    }
    let ahead = Zxid::new(next, 1);
    let why = Halt::HistoryAhead { accepted, last: ahead };
    add(&|image| image.log.push(txn(ahead)), why);
    add(&|image| (image.snapshot, image.log) = (ahead, Vec::new()), why);

    // What does not continue: the end again, the one before it, a hole, an epoch that begins with
    // none or in its midst.
    let last = image.last();
    let (epoch, counter) = (last.epoch(), last.counter());
    let behind = [
        last,
        Zxid::new(epoch, counter.saturating_sub(1)),
        Zxid::new(epoch, counter + 2),
        Zxid::new(Epoch(epoch.0 + 1), 0),
        Zxid::new(Epoch(epoch.0 + 1), 2),
    ];
    let older = epoch.0.checked_sub(1).map(|older| Zxid::new(Epoch(older), counter + 1));
    for next in behind.into_iter().chain(older) {
        add(&|image| image.log.push(txn(next)), Halt::LogOutOfOrder { last, next });
    }
    // A file that is gone: a hole before any one but the last. (What begins an epoch may stand
    // behind an earlier one.)
    let mut before = snapshot;
    for (at, pair) in image.log.windows(2).enumerate() {
        let next = pair[1].zxid;
        if !continues(before, next) {
            let why = Halt::LogOutOfOrder { last: before, next };
            let gone = |image: &mut DiskImage<u8>| _ = image.log.remove(at);
            add(&gone, why);
        }
        before = pair[0].zxid;
    }
    damaged
}

fn txn(zxid: Zxid) -> Txn<u8> {
    Txn { zxid, payload: 0 }
}

#[cfg(test)]
mod tests {
    use zab::{Quorum, Sid, SidSet};

    use super::*;

    #[test]
    fn what_is_damaged_is_not_sound_and_the_core_says_why() {
        let config = Config::new(Sid(1), Quorum::majority(SidSet::from_iter([Sid(1)])));
        let at = |(epoch, counter)| Zxid::new(Epoch(epoch), counter);
        let disk = |accepted, current, snapshot, log: &[(u32, u32)]| {
            let log = log.iter().map(|&place| txn(at(place))).collect();
            let (accepted, current) = (Epoch(accepted), Epoch(current));
            DiskImage { accepted, current, snapshot: at(snapshot), log, history_lost: false }
        };
        let disks = [
            (DiskImage::empty(), 8),
            (disk(1, 1, (1, 1), &[(1, 2)]), 9),
            (disk(3, 2, (0, 0), &[(1, 1), (1, 2), (1, 3), (2, 1)]), 11),
        ];
        for (sound, ways) in disks {
            assert!(is_sound(&sound) && starts(config, &sound), "{sound:?}");
            let damaged = damaged(&sound);
            assert_eq!(damaged.len(), ways, "{damaged:?}");
            for (image, why) in damaged {
                assert!(!is_sound(&image) && halts(config, &image, why), "{image:?}: {why:?}");
                assert!(!starts(config, &image), "{image:?}");
            }
        }
    }
}
