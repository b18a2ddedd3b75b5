//! What this server does of what ZooKeeper's clients may ask for, and in which form it refuses the
//! rest.
//!
//! The server itself decides by these tables, and a test sends everything in them to a real one.

use wire::ErrorCode;
use wire::client::{FourLetterWord, OpCode};

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
    /// It is refused with this error, and the connection is closed: no client of ZooKeeper asks for
    /// it.
    Closes(ErrorCode),
}

/// What becomes of an operation. One whose number is not known is [`Operation::Closes`] with
/// Unimplemented.
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
        OpCode::Auth | OpCode::Sasl => Operation::Auth,
        // As `reconfigEnabled=false` is answered.
        OpCode::Reconfig => Operation::Refused(ErrorCode::ReconfigDisabled),
        // deleteContainer and createSession are of servers only; ZooKeeper takes them from clients,
        // too, and a client could delete what it may not, or bring sessions back. check is of
        // multis only.
        OpCode::Notification
        | OpCode::Check
        | OpCode::DeleteContainer
        | OpCode::CreateSession
        | OpCode::Error => Operation::Closes(ErrorCode::Unimplemented),
    }
}

/// Whether a four-letter word is answered, if the whitelist has it. One that is not is refused as
/// if the whitelist had it not.
pub fn is_answered(word: FourLetterWord) -> bool {
    match word {
        FourLetterWord::Conf
        | FourLetterWord::Cons
        | FourLetterWord::Crst
        | FourLetterWord::Dirs
        | FourLetterWord::Dump
        | FourLetterWord::Envi
        | FourLetterWord::Hash
        | FourLetterWord::Isro
        | FourLetterWord::Mntr
        | FourLetterWord::Ruok
        | FourLetterWord::Srst
        | FourLetterWord::Srvr
        | FourLetterWord::Stat
        | FourLetterWord::Wchc
        | FourLetterWord::Wchp
        | FourLetterWord::Wchs => true,
        // There is no trace whose mask could be told or set.
        FourLetterWord::Gtmk | FourLetterWord::Stmk => false,
        // No command, but what telnet sends at its end.
        FourLetterWord::TelnetClose => false,
    }
}
