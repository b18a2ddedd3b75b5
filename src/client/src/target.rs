//! Connect strings: `host:port,host:port/chroot`, as ZooKeeper's clients take them.

use std::net::{SocketAddr, ToSocketAddrs};

/// The servers of an ensemble, and the node below which everything happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// `host:port` each, IPv6 in brackets.
    pub servers: Vec<String>,
    /// Empty, or an absolute path without a trailing slash.
    pub chroot: String,
}

const PORT: u16 = 2181;

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (servers, chroot) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let chroot = if chroot == "/" { "" } else { chroot };
        if chroot.ends_with('/') || chroot.contains("//") {
            return Err(format!("found the path `{chroot}`, allowed: /a/b, without empty names"));
        }
        let servers = servers.split(',').map(str::trim).map(server).collect::<Result<_, _>>()?;
        Ok(Self { servers, chroot: chroot.to_owned() })
    }
}

fn server(text: &str) -> Result<String, String> {
    let wrong = || {
        Err(format!("found `{text}`, allowed: host, host:port or [IPv6]:port, joined by commas"))
    };
    // What is behind the host; an address in brackets has colons of its own.
    let (host, port) = match text.rfind(']') {
        Some(end) if text.starts_with('[') => text.split_at(end + 1),
        Some(_) => return wrong(),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return wrong();
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => Some(PORT),
        digits => digits.and_then(|digits| digits.parse().ok()).filter(|port| *port != 0),
    };
    port.map_or_else(wrong, |port| Ok(format!("{host}:{port}")))
}

impl Target {
    /// Looks the names up: the first address of each server.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let address = |server: &String| {
            let found = server.to_socket_addrs().map(|mut addresses| addresses.next());
            match found {
                Ok(Some(address)) => Ok(address),
                Ok(None) => Err(format!("{server}: the name has no address")),
                Err(error) => Err(format!("{server}: {error}")),
            }
        };
        self.servers.iter().map(address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_strings_of_clients_are_read() {
        for (text, servers, chroot) in [
            ("localhost", vec!["localhost:2181"], ""),
            ("a:1,b:2, c", vec!["a:1", "b:2", "c:2181"], ""),
            ("a:1/x/y", vec!["a:1"], "/x/y"),
            ("a:1/", vec!["a:1"], ""),
            ("[::1]:2182,[fe80::1]", vec!["[::1]:2182", "[fe80::1]:2181"], ""),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(
                (target.servers, target.chroot.as_str()),
                (servers.into_iter().map(str::to_owned).collect(), chroot)
            );
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_was_found() {
        for (text, found) in [
            ("", "found ``"),
            ("a:0", "found `a:0`"),
            ("a:1,", "found ``"),
            ("a:x", "found `a:x`"),
            ("::1", "found `::1`"),
            ("a:65536", "found `a:65536`"),
            ("x]:1", "found `x]:1`"),
            ("a:1//x", "found the path `//x`"),
            ("a:1/x/", "found the path `/x/`"),
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.starts_with(found), "{text}: {error}");
        }
    }
}
