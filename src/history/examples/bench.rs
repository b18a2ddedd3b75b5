//! How long a check takes, and how much memory:
//!
//! ```text
//! cargo run --release -p history --example bench -- 1000000
//! ```
//!
//! The history is of 64 clients of one server and a thousand nodes: four of ten operations write,
//! the others read, and a tenth of the reads leaves a watch.

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/judging/tree.rs"]
mod tree;

use std::collections::BTreeMap;
use std::time::Instant;

use history::operation::{
    ClientId, Data, Mode, Read, ReadKind, Request, SessionId, Time, Write, Zxid,
};
use history::record::{EventKind, Transaction};
use history::{History, Recorder};
use tree::Tree;

const CLIENTS: u64 = 64;

const NODES: u64 = 1000;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let history = generate(count);
    println!("{count} operations, {} records", history.records.len());
    println!("{:>8} MiB at most until now, with the history", peak_mib());
    let begin = Instant::now();
    let report = history.check().expect("a history");
    println!("{:>8.2} s for the check", begin.elapsed().as_secs_f64());
    println!("{:>8} MiB at most with the check", peak_mib());
    print!("{report}");
}

/// The most memory that this process has used; 0 where that cannot be known.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.map(|line| line.trim().trim_end_matches(" kB"));
    words.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn generate(count: u64) -> History {
    let (mut recorder, mut tree) = (Recorder::new(), Tree::new());
    let (mut log, mut zxid, mut clock) = (Vec::new(), Zxid(1 << 32), 0);
    let mut watching: BTreeMap<String, Vec<SessionId>> = BTreeMap::new();
    let mut xids = vec![0; CLIENTS as usize];
    let mut number = 1u64;
    for client in 0..CLIENTS {
        recorder.begun(ClientId(client), SessionId(client as i64 + 1), Time(0));
    }
    for step in 0..count {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let choice = number >> 33;
        let client = (step % CLIENTS) as usize;
        let session = SessionId(client as i64 + 1);
        let path = format!("/n{}", if step < NODES { step } else { choice % NODES });
        let data = Data::from(format!("value {step}").as_str());
        let asked = match choice / NODES % 10 {
            _ if step < NODES => {
                let mode = Mode::Persistent;
                Request::Write(Write::Create { path, data, mode, sequential: false })
            }
            0 => {
                let mode = Mode::Persistent;
                let path = format!("{path}/s-");
                Request::Write(Write::Create { path, data, mode, sequential: true })
            }
            1..4 => Request::Write(Write::SetData { path, data, version: -1 }),
            4..8 => Request::Read(Read { kind: ReadKind::GetData, path, watch: step % 10 == 0 }),
            8 => Request::Read(Read { kind: ReadKind::Exists, path, watch: false }),
            _ => Request::Read(Read { kind: ReadKind::GetChildren, path, watch: false }),
        };
        xids[client] += 1;
        clock += 1;
        let call = recorder.invoke(session, xids[client], Time(clock), asked.clone());
        let outcome = if let Request::Read(read) = &asked {
            if read.watch {
                let own = watching.entry(read.path.clone()).or_default();
                if !own.contains(&session) {
                    own.push(session);
                }
            }
            tree.read(read)
        } else {
            zxid = Zxid(zxid.0 + 1);
            let time = clock as i64;
            let (txn, outcome) = tree.decide(asked.writes(), false, session, zxid, time);
            let (xid, time) = (call.xid, Some(time));
            log.push(Transaction { zxid, session, xid, time, txn });
            outcome
        };
        clock += 1;
        if let Request::Write(Write::SetData { path, .. }) = &asked {
            for other in watching.remove(path).unwrap_or_default() {
                recorder.event(other, Time(clock), EventKind::DataChanged, path, Some(zxid));
            }
        }
        recorder.respond(call, Time(clock), zxid, outcome);
    }
    for transaction in log {
        recorder.transaction(transaction);
    }
    recorder.finish()
}
