//! Bytes in, values out: jute, and every record of the client, election and quorum ports.
