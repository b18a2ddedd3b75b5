//! What systemd is told of a server that it has started.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crate::cluster::{Cluster, PATIENCE, VIVARIUM};

/// Waits until this is told; what is told before it, and it.
fn told(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut message = [0; 1024];
    while all.last().is_none_or(|last: &String| !last.contains(wanted)) {
        let length = socket.recv(&mut message).expect("it is told");
        all.push(String::from_utf8_lossy(&message[..length]).into_owned());
    }
    all
}

#[test]
fn systemd_hears_that_a_server_serves_lives_and_stops() {
    let mut cluster = Cluster::new(3, "");
    let path = cluster.servers[0].directory.join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut command = Command::new(VIVARIUM);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "4000000");
    cluster.servers[0].start_by(command);
    // Without a quorum it lives, and is not ready.
    let before = told(&socket, "WATCHDOG=1");
    assert!(before.iter().any(|text| text.contains("EXTEND_TIMEOUT_USEC=")), "{before:?}");
    assert!(before.iter().all(|text| !text.contains("READY=1")), "{before:?}");
    for server in &mut cluster.servers[1..] {
        server.start();
    }
    told(&socket, "READY=1");
    cluster.wait_until_all_serve();
    told(&socket, "WATCHDOG=1");
    assert!(cluster.servers[0].stop().success());
    told(&socket, "STOPPING=1");
}
