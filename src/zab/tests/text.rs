//! How the values of the core read in stories, logs and reports.

use zab::{Epoch, Sid, SidSet, Zxid};

#[test]
fn values_read_as_people_write_them() {
    let zxid = Zxid::new(Epoch(2), 31);
    let quorum: SidSet = [Sid(200), Sid(1)].into_iter().collect();
    let (who, when) = (Sid(200), Epoch(7));

    assert_eq!(format!("{who} {who:?}"), "s200 s200");
    assert_eq!(format!("{quorum:?}"), "{s1, s200}");
    assert_eq!(format!("{when} {when:?}"), "7 e7");
    // As ZooKeeper's tools print it, and as papers do.
    assert_eq!(format!("{zxid} {zxid:?}"), "0x20000001f <2,31>");
}
