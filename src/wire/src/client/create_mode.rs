use crate::jute::Error;

/// How a node is created, the `flags` of a create request (`CreateMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum CreateMode {
    /// Until it is deleted.
    Persistent = 0,
    /// Until the session ends.
    Ephemeral = 1,
    /// Persistent, with a number appended to its name.
    PersistentSequential = 2,
    /// Ephemeral, with a number appended to its name.
    EphemeralSequential = 3,
    /// Until its last child is gone.
    Container = 4,
    /// Until it was empty and unchanged for its time to live.
    PersistentWithTtl = 5,
    /// The same, with a number appended to its name.
    PersistentSequentialWithTtl = 6,
}

impl CreateMode {
    /// Its number in a request.
    pub fn flags(self) -> i32 {
        self as i32
    }

    /// True if a number is appended to the name.
    pub fn is_sequential(self) -> bool {
        match self {
            Self::PersistentSequential
            | Self::EphemeralSequential
            | Self::PersistentSequentialWithTtl => true,
            Self::Persistent | Self::Ephemeral | Self::Container | Self::PersistentWithTtl => false,
        }
    }

    /// True if the node belongs to the session.
    pub fn is_ephemeral(self) -> bool {
        match self {
            Self::Ephemeral | Self::EphemeralSequential => true,
            Self::Persistent
            | Self::PersistentSequential
            | Self::Container
            | Self::PersistentWithTtl
            | Self::PersistentSequentialWithTtl => false,
        }
    }

    /// True if the node is a container.
    pub fn is_container(self) -> bool {
        self == Self::Container
    }

    /// True if the node has a time to live.
    pub fn is_ttl(self) -> bool {
        self == Self::PersistentWithTtl || self == Self::PersistentSequentialWithTtl
    }
}

impl TryFrom<i32> for CreateMode {
    type Error = Error;

    fn try_from(flags: i32) -> Result<Self, Error> {
        match flags {
            0 => Ok(Self::Persistent),
            1 => Ok(Self::Ephemeral),
            2 => Ok(Self::PersistentSequential),
            3 => Ok(Self::EphemeralSequential),
            4 => Ok(Self::Container),
            5 => Ok(Self::PersistentWithTtl),
            6 => Ok(Self::PersistentSequentialWithTtl),
            _ => Err(Error::Value {
                field: "CreateRequest.flags",
                found: flags.into(),
                allowed: "0 to 6",
            }),
        }
    }
}
