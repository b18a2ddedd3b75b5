//! What no run covers, whatever it does.

use crate::schema::Limit;

/// Name and what is so.
pub const LIMITS: [(&str, &str); 12] = [
    (
        "More than the bounds of a run",
        "The model checker visits every state within its bounds (servers, transactions, leaderships, crashes, time-outs), and says \
         nothing beyond them. The proof has no bounds, but is about the abstract protocol.",
    ),
    (
        "That the code refines the protocol, beyond bounds",
        "That each step of src/zab is an action of abstract Zab, or none, is checked at every explored step and in recorded runs. It is \
         not proved.",
    ),
    (
        "The abstraction function",
        "The function that maps a state of the code to a state of the protocol is written by hand. An error in it that happens to agree \
         with an error of the code would not be seen.",
    ),
    (
        "The shell",
        "Sockets, files, threads, clocks and the framing of messages are not modelled. They are tested elsewhere: crash simulation of \
         the files, kill -9 under load, hostile bytes (cargo test). This report runs none of those tests but its own ensemble.",
    ),
    (
        "Sessions and the state machine",
        "To the core a transaction is opaque. The tree of nodes, watches, sessions and their expiry, and the order in which one client \
         sees its answers, are outside of the models and of the proof. They are tested (cargo test).",
    ),
    (
        "Liveness beyond one notion of calm",
        "Liveness is checked in small models: once faults stop, and messages, disks and dialling come before any time-out, every fair run \
         gets there. Nothing is said of how long that takes, and the proof says nothing of liveness.",
    ),
    (
        "Disks that lie",
        "A record that the system said is durable stays. A disk that loses or alters it later is outside of the models; damage that \
         checksums show is refused at the start of a server.",
    ),
    (
        "Faults other than crashes",
        "Servers crash, stop, are slow, lose connections. None of them lies: bytes that break the protocol are refused, but a server \
         that runs other code and keeps to the form is not defended against. (What one server does when its peers say anything at all is \
         checked in family one-server. What an ensemble then does is not.)",
    ),
    (
        "Networks and disks that real runs met",
        "The ensemble of this report runs on one machine over loopback and is killed. Its links do not break otherwise, and its disks \
         work.",
    ),
    ("Reconfiguration", "Membership is fixed, in the models, in the proof, and in the servers."),
    (
        "Two states with one fingerprint",
        "States are told apart by 128-bit fingerprints. Two that share one would be taken for one, and what is behind the second left \
         out. Each run states the bound on the probability.",
    ),
    (
        "What has to be trusted",
        "The compiler; the models' idea of a disk and of a link; the properties as they are written; the search and its reductions, \
         which are compared with other ways of counting at small bounds; Coq's kernel; the tools that read TLA+.",
    ),
];

/// [`LIMITS`] as a report holds them.
pub fn limits() -> Vec<Limit> {
    let limit =
        |(name, text): &(&str, &str)| Limit { name: (*name).to_owned(), text: (*text).to_owned() };
    LIMITS.iter().map(limit).collect()
}
