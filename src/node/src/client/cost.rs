//! Which reads take long: those whose work grows with the tree or with the request, and not with
//! the answer alone.
//!
//! They run one at a time and never in the node, so that whoever asks for many of them makes only
//! its own connection wait. Those whose work grows with the tree see it as it was when their turn
//! came, and keep nobody from changing it meanwhile. The others keep the tree from being changed,
//! for as long as a request or an answer of the largest size takes.

use wire::Id;
use wire::client::{MultiReadOp, Request};
use znode::{SessionId, Tree};

/// Nodes, names or watches that a read may look at and still be answered on the spot.
const ITEMS_MAX: usize = 4096;

/// Operations of a multiRead that is answered on the spot. Each may copy a whole node.
const OPERATIONS_MAX: usize = 16;

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
        Request::MultiRead(reads) => {
            let is_long = |read: &MultiReadOp| match read {
                MultiReadOp::GetData(_) => false,
                MultiReadOp::GetChildren(read) => is_wide(&read.path),
            };
            reads.len() > OPERATIONS_MAX || reads.iter().any(is_long)
        }
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
