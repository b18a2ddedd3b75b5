//! Servers that ended and that somebody started again by hand: they tell nothing of themselves, so
//! they are asked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The answer to one question, on loopback.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a server at this client port says it is (`leading`, `following`, ...); `None` if none is
/// there.
pub(super) fn role(client_port: u16) -> Option<&'static str> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, client_port));
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"srvr")?;
        let mut answer = String::new();
        // Whoever is there, no answer of a server is longer.
        stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().ok().as_deref().and_then(role_in)
}

const ANSWER_MAX: u64 = 4_096;

/// The role in an answer to `srvr`; `None` if it is no such answer.
fn role_in(answer: &str) -> Option<&'static str> {
    if answer.contains("not currently serving requests") {
        return Some("looking");
    }
    let mode = answer.lines().find_map(|line| line.strip_prefix("Mode: "))?;
    let known = [
        ("leader", "leading"),
        ("follower", "following"),
        ("observer", "observing"),
        ("standalone", "leading"),
    ];
    known.into_iter().find(|(name, _)| *name == mode.trim()).map(|(_, role)| role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_role_is_read_from_what_a_server_says() {
        for (answer, role) in [
            ("Zookeeper version: x\nMode: follower\nNode count: 5\n", Some("following")),
            ("Zookeeper version: x\nMode: standalone\n", Some("leading")),
            ("This ZooKeeper instance is not currently serving requests\n", Some("looking")),
            ("HTTP/1.1 400 Bad Request\n", None),
            ("", None),
        ] {
            assert_eq!(role_in(answer), role, "{answer}");
        }
    }

    #[test]
    fn a_port_where_nobody_is_or_nobody_answers_is_no_server() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let port = silent.local_addr().expect("bound").port();
        assert_eq!(role(port), None);
        drop(silent);
        assert_eq!(role(port), None);
    }
}
