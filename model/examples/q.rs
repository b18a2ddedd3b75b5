//! Scratch runner.
use model::cluster::{Cluster, action::Act, limits::Limits, property::Property};
use model::search::{Options, Space, explore, replay};
use zab::Zab;
fn main() {
    let a: Vec<u8> = std::env::args().skip(1).map(|s| s.parse().unwrap()).collect();
    let limits = Limits {
        servers: a[0],
        observers: a[1],
        txns: a[2],
        leaderships: a[3],
        crashes: a[4],
        timeouts: a[5],
        resends: *a.get(12).unwrap_or(&0),
        window: a[6],
        snapshots: a[7],
        syncs: a[8],
        elections: 0,
        stale_votes: std::env::var_os("STALE").is_some(),
        exact_disks: std::env::var_os("EXACT").is_some(),
        counter_max: 1000,
        epoch_max: 1000,
    };
    let mut c = Cluster::<Zab<u8>>::new(limits);
    if a[10] == 1 {
        c = c.up_to_symmetry();
    }
    let o = Options { threads: a[9] as usize, ..Options::default() };
    let mut last = std::time::Instant::now();
    let out = explore(&c, &o, &mut |p| {
        if last.elapsed().as_secs() >= 5 {
            last = std::time::Instant::now();
            eprintln!("{p:?}");
        }
    });
    println!(
        "distinct {} generated {} depth {} secs {:.2} rate {:.0} bytes/state {:.1} complete {}",
        out.distinct,
        out.generated,
        out.depth,
        out.seconds,
        out.distinct as f64 / out.seconds,
        out.bytes_per_state(),
        out.complete
    );
    println!("unreduced {}", c.unreduced());
    println!(
        "nodes {} conns {} ghosts {} infos {} logs {} compiled {} model bytes {}",
        c.tables().nodes.len(),
        c.tables().conns.len(),
        c.tables().ghosts.len(),
        c.tables().infos.len(),
        c.tables().logs.len(),
        c.tables().compiled.len(),
        c.bytes()
    );
    for v in &out.violations {
        println!("VIOLATED {:?} depth {}", Property::ALL[v.property as usize], v.trace.depth());
        let steps = replay(&c, &v.trace.ordinals).unwrap();
        for s in &steps {
            println!(
                "  {:?}  -> {:?}",
                Act::from_label(s.label),
                (0..limits.servers as usize)
                    .map(|i| {
                        let n = c.node(&s.words, i);
                        (
                            n.machine.role(),
                            n.machine.accepted_epoch().unwrap().0,
                            n.machine.current_epoch().unwrap().0,
                            n.machine.last().unwrap(),
                            n.disk.pending.len(),
                        )
                    })
                    .collect::<Vec<_>>()
            );
        }
        break;
    }
}
