//! Which reads take long: those whose work grows with the tree or with the request, and not with
//! the answer alone.
//!
//! They run one at a time and never in the node, and the addresses that wait for one
//! [take turns](super::Turns): so whoever asks for many of them makes its own connections wait, and
//! others for one of its reads. Those whose work grows with the tree see it as it was when their
//! turn came, and keep nobody from changing it meanwhile. The others keep the tree from being
//! changed, for as long as a request or an answer of the largest size takes.

use bytes::Bytes;
use wire::Id;
use wire::client::{MultiReadOp, Request};
use znode::{SessionId, Tree};

/// Nodes, names or watches that a read may look at and still be answered on the spot.
const ITEMS_MAX: usize = 4096;

/// Bytes of data and names that a multiRead may copy and still be answered on the spot: what one
/// node may have by default.
const BYTES_MAX: usize = 1 << 20;

/// Whether a read that takes long needs the tree as it is: it sets watches, which must miss
/// nothing, or asks for what a [`znode::Snapshot`] does not have.
pub(super) fn needs_the_tree(request: &Request) -> bool {
    match request {
        Request::GetAllChildrenNumber(_) | Request::MultiRead(_) => false,
        Request::GetChildren(read) | Request::GetChildren2(read) => read.watch,
        Request::Create(_)
        | Request::Delete(_)
        | Request::Exists(_)
        | Request::GetData(_)
        | Request::SetData(_)
        | Request::GetAcl(_)
        | Request::SetAcl(_)
        | Request::Sync(_)
        | Request::Ping
        | Request::Check(_)
        | Request::Multi(_)
        | Request::Create2(_)
        | Request::Reconfig(_)
        | Request::CheckWatches(_)
        | Request::RemoveWatches(_)
        | Request::CreateContainer(_)
        | Request::DeleteContainer(_)
        | Request::CreateTtl(_)
        | Request::Auth(_)
        | Request::Sasl(_)
        | Request::AddWatch(_)
        | Request::WhoAmI
        | Request::GetEphemerals(_)
        | Request::SetWatches(_)
        | Request::SetWatches2(_)
        | Request::CreateSession { .. }
        | Request::CloseSession => true,
    }
}

/// Whether a read takes long.
pub(super) fn is_costly(request: &Request, session: SessionId, auth: &[Id], tree: &Tree) -> bool {
    let is_wide =
        |path: &str| tree.get_children(path, auth).is_ok_and(|(names, _)| names.len() > ITEMS_MAX);
    match request {
        Request::GetChildren(read) => is_wide(&read.path),
        Request::GetChildren2(read) => is_wide(&read.path),
        Request::GetAllChildrenNumber(_) => tree.node_count() > ITEMS_MAX,
        Request::GetEphemerals(_) => tree.get_ephemerals(session, "/").nth(ITEMS_MAX).is_some(),
        Request::MultiRead(reads) => !is_brief(reads, auth, tree),
        Request::SetWatches(set) => {
            set.data_watches.len() + set.exist_watches.len() + set.child_watches.len() > ITEMS_MAX
        }
        Request::SetWatches2(set) => {
            let lists = [
                &set.data_watches,
                &set.exist_watches,
                &set.child_watches,
                &set.persistent_watches,
                &set.persistent_recursive_watches,
            ];
            lists.into_iter().map(Vec::len).sum::<usize>() > ITEMS_MAX
        }
        Request::Create(_)
        | Request::Delete(_)
        | Request::Exists(_)
        | Request::GetData(_)
        | Request::SetData(_)
        | Request::GetAcl(_)
        | Request::SetAcl(_)
        | Request::Sync(_)
        | Request::Ping
        | Request::Check(_)
        | Request::Multi(_)
        | Request::Create2(_)
        | Request::Reconfig(_)
        | Request::CheckWatches(_)
        | Request::RemoveWatches(_)
        | Request::CreateContainer(_)
        | Request::DeleteContainer(_)
        | Request::CreateTtl(_)
        | Request::Auth(_)
        | Request::Sasl(_)
        | Request::AddWatch(_)
        | Request::WhoAmI
        | Request::CreateSession { .. }
        | Request::CloseSession => false,
    }
}

/// Whether the operations look at few things and copy few bytes, all of them together.
fn is_brief(reads: &[MultiReadOp], auth: &[Id], tree: &Tree) -> bool {
    let (mut items, mut bytes) = (reads.len(), 0);
    items <= ITEMS_MAX
        && reads.iter().all(|read| {
            match read {
                MultiReadOp::GetData(read) => {
                    let data = tree.node(&read.path).and_then(|node| node.data());
                    bytes += data.map_or(0, Bytes::len);
                }
                MultiReadOp::GetChildren(read) => {
                    if let Ok((names, _)) = tree.get_children(&read.path, auth) {
                        items += names.len();
                        if items <= ITEMS_MAX {
                            bytes += names.map(str::len).sum::<usize>();
                        }
                    }
                }
            }
            items <= ITEMS_MAX && bytes <= BYTES_MAX
        })
}

#[cfg(test)]
mod tests {
    use wire::Acl;
    use wire::client::PathWatchRequest;
    use wire::txn::{CreateTxn, Txn, TxnHeader};
    use znode::Options;

    use super::*;

    /// `/small`, `/large` with half of the bytes that may be copied, and `/wide` with half of the
    /// names that may be looked at.
    fn tree() -> Tree {
        let mut tree = Tree::new(Options::default());
        let mut create = |path: String, data: usize| {
            let header = TxnHeader { zxid: tree.last_zxid() + 1, ..TxnHeader::default() };
            let (data, acl) = (Some(Bytes::from(vec![7; data])), Acl::open_unsafe());
            let txn = CreateTxn { path, data, acl, ephemeral: false, parent_cversion: -1 };
            tree.apply(&header, &Txn::Create(txn));
        };
        create("/small".to_owned(), 1);
        create("/large".to_owned(), BYTES_MAX / 2);
        create("/wide".to_owned(), 0);
        for number in 0..ITEMS_MAX / 2 {
            create(format!("/wide/{number}"), 0);
        }
        tree
    }

    /// An operation, of this path, so many times.
    type Part = (fn(PathWatchRequest) -> MultiReadOp, &'static str, usize);

    #[test]
    fn a_multi_read_takes_long_by_what_it_reads_and_not_by_the_number_of_its_parts() {
        let tree = tree();
        let is_costly = |parts: &[Part]| {
            let part = |&(read, path, count): &Part| {
                vec![read(PathWatchRequest { path: path.to_owned(), watch: false }); count]
            };
            let reads = parts.iter().flat_map(part).collect();
            is_costly(&Request::MultiRead(reads), 1, &[], &tree)
        };
        let (data, children) = (MultiReadOp::GetData as _, MultiReadOp::GetChildren as _);
        assert!(!is_costly(&[(data, "/small", 1000), (data, "/none", 1000)]));
        assert!(is_costly(&[(data, "/none", ITEMS_MAX + 1)]));
        assert!(!is_costly(&[(data, "/large", 2)]));
        assert!(is_costly(&[(data, "/large", 2), (data, "/small", 1)]));
        assert!(!is_costly(&[(children, "/wide", 1), (data, "/small", 1000)]));
        assert!(is_costly(&[(children, "/wide", 2)]));
    }
}
