macro_rules! codes {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        /// The error codes of replies and of failed transactions (`KeeperException.Code`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum ErrorCode {
            $(#[doc = $doc] $name = $code,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// ZooKeeper's name of it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The code with this number, if there is one.
            pub fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    Ok = 0, "Everything is in order.";
    SystemError = -1, "The server failed in an unexpected way.";
    RuntimeInconsistency = -2, "Another operation of the same multi failed.";
    DataInconsistency = -3, "The server found its data inconsistent.";
    ConnectionLoss = -4, "The connection to the server was lost.";
    MarshallingError = -5, "The request could not be parsed.";
    Unimplemented = -6, "The operation is not implemented.";
    OperationTimeout = -7, "The operation timed out.";
    BadArguments = -8, "An argument is invalid.";
    UnknownSession = -12, "The session is unknown; between servers only.";
    NewConfigNoQuorum = -13, "No quorum of the new configuration is connected and in sync.";
    ReconfigInProgress = -14, "Another reconfiguration is in progress.";
    APIError = -100, "Not sent: codes at or below this one are answers, not failures.";
    NoNode = -101, "The node does not exist.";
    NoAuth = -102, "The ACL does not allow it.";
    BadVersion = -103, "The version is not the one named.";
    NoChildrenForEphemerals = -108, "Ephemeral nodes have no children.";
    NodeExists = -110, "The node exists already.";
    NotEmpty = -111, "The node has children.";
    SessionExpired = -112, "The session has ended.";
    InvalidCallback = -113, "The callback is invalid.";
    InvalidACL = -114, "The ACL is invalid.";
    AuthFailed = -115, "Authentication failed.";
    SessionMoved = -118, "The session is served by another server now; between servers only.";
    NotReadOnly = -119, "A write was sent to a read-only server.";
    EphemeralOnLocalSession = -120, "A local session cannot own ephemeral nodes.";
    NoWatcher = -121, "There is no such watch.";
    RequestTimeout = -122, "The request was not answered in time.";
    ReconfigDisabled = -123, "Reconfiguration is switched off.";
    SessionClosedRequireSaslAuth = -124, "The server wants SASL authentication.";
    QuotaExceeded = -125, "A quota would be exceeded.";
    ThrottledOp = -127, "The server is overloaded and dropped the request.";
}

impl ErrorCode {
    /// Its number.
    pub fn code(self) -> i32 {
        self as i32
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn every_code_is_found_by_its_number() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.code()), Some(*code));
        }
        assert_eq!(ErrorCode::from_code(-126), None);
        assert_eq!(ErrorCode::BadVersion.to_string(), "BadVersion (-103)");
    }
}
