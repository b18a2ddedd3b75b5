//! What this server does of what ZooKeeper's clients may ask for, and in which form it refuses the rest.
//!
//! The server itself decides by these tables, and a test sends everything in them to a real one.

use wire::ErrorCode;
use wire::client::OpCode;

/// What becomes of an operation that a client asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// It is answered from the tree of the server that the client is connected to.
    Read,
    /// It becomes a transaction.
    Write,
    /// It is answered once the leader has confirmed that it leads.
    Sync,
    /// It concerns the connection, and is answered at once.
    Auth,
    /// It is refused with this error, and the connection goes on.
    Refused(ErrorCode),
    /// It is refused with this error, and the connection is closed: no client of ZooKeeper asks for it.
    Closes(ErrorCode),
}

/// What becomes of an operation. One whose number is not known is [`Operation::Closes`] with Unimplemented.
pub fn operation(op: OpCode) -> Operation {
    match op {
        OpCode::Exists
        | OpCode::GetData
        | OpCode::GetAcl
        | OpCode::GetChildren
        | OpCode::GetChildren2
        | OpCode::Ping
        | OpCode::CheckWatches
        | OpCode::RemoveWatches
        | OpCode::MultiRead
        | OpCode::SetWatches
        | OpCode::SetWatches2
        | OpCode::GetEphemerals
        | OpCode::GetAllChildrenNumber
        | OpCode::AddWatch
        | OpCode::WhoAmI => Operation::Read,
        OpCode::Create
        | OpCode::Delete
        | OpCode::SetData
        | OpCode::SetAcl
        | OpCode::Multi
        | OpCode::Create2
        | OpCode::CreateContainer
        | OpCode::CreateTtl
        | OpCode::CloseSession => Operation::Write,
        OpCode::Sync => Operation::Sync,
        OpCode::Auth => Operation::Auth,
        // As `reconfigEnabled=false` is answered.
        OpCode::Reconfig => Operation::Refused(ErrorCode::ReconfigDisabled),
        // As an exchange of tokens that failed is answered.
        OpCode::Sasl => Operation::Closes(ErrorCode::AuthFailed),
        // deleteContainer and createSession are of servers only; ZooKeeper takes them from clients, too, and a client
        // could delete what it may not, or bring sessions back. check is of multis only.
        OpCode::Notification
        | OpCode::Check
        | OpCode::DeleteContainer
        | OpCode::CreateSession
        | OpCode::Error => Operation::Closes(ErrorCode::Unimplemented),
    }
}
