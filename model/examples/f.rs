//! Scratch runner: servers observers joiners epochs zxids up_to_order crashes timeouts faults resends live.
use model::election::{Ensemble, action::Act, limits::Limits, property::{Property, Companion, Seen}};
use model::search::{Options, Space, explore, replay};
fn main() {
    let a: Vec<u8> = std::env::args().skip(1).map(|s| s.parse().unwrap()).collect();
    let limits = Limits { servers: a[0], observers: a[1], joiners: a[2], epochs: a[3], zxids: a[4], up_to_order: a[5] == 1, crashes: a[6], timeouts: a[7], faults: a[8], resends: a[9] };
    let c = Ensemble::new(limits);
    let o = Options { stop_at_first_violation: false, ..Options::default() };
    let mut last = std::time::Instant::now();
    let mut report = |p: &model::search::Progress| {
        if last.elapsed().as_secs() >= 5 { last = std::time::Instant::now(); eprintln!("{p:?}"); }
    };
    let (out, live) = if a.get(10) == Some(&1) { let f = model::liveness::find(&c, &o, &mut report); (f.outcome, Some((f.fair, f.lasso))) } else { (explore(&c, &o, &mut report), None) };
    if let Some((Some(f), l)) = live {
        println!("FAIR holds {} states {} edges {} goal_edges {} cycles {} max {} bytes {} secs {:.2} {:?}", f.holds(), f.states, f.edges, f.goal_edges, f.cycles, f.cycle_states_max, f.bytes, f.seconds, f.incomplete);
        if let Some(l) = l { println!("{} {}", l.cycle.len(), l.calm.len());
            let show = |c: &Ensemble, w: &[u32]| for i in 0..(limits.servers + limits.observers) as usize { let n = c.node(w, i); println!("     s{} {:?} {:?} r{} {:?} fin {}", i+1, n.standing, n.own, n.election.round(), n.election.vote(), n.finalize); };
            let mut w = c.worker(); let mut s = model::search::Successors::new(c.words());
            c.initial(&mut w, &mut s); let mut words = s.get(l.initial as usize).unwrap().words.to_vec(); show(&c, &words);
            for l in &l.before { s.clear(); c.expand(&mut w, &words, &mut s); words = s.iter().find(|e| e.label == *l).unwrap().words.to_vec(); println!("{:?}", Act::from_label(*l)); }
            println!("---- calm"); use model::liveness::Calms; c.calmed(&mut words);
            for (i, x) in l.calm.iter().chain(&l.cycle).enumerate() { if i == l.calm.len() { println!("---- cycle"); } s.clear(); c.calm_steps(&mut w, &words, &mut s); words = s.iter().find(|e| e.label == *x).unwrap().words.to_vec(); println!("{:?}", Act::from_label(*x)); if i < 3 || i + 12 > l.calm.len() { show(&c, &words); } }
        }
    }
    println!("distinct {} generated {} depth {} secs {:.2} rate {:.0} bytes/state {:.1} complete {} model {} nodes {} slots {} votes {}",
        out.distinct, out.generated, out.depth, out.seconds, out.distinct as f64 / out.seconds, out.bytes_per_state(), out.complete, c.bytes(), c.tables().nodes.len(), c.tables().slots.len(), c.tables().votes.len());
    for k in Companion::ALL {
        let hit = match k.seen() { Seen::InState(b) => out.reached.iter().find(|r| 1 << r.property == b).map_or(0, |r| r.states), Seen::OnStep(b) => out.marks[b.trailing_zeros() as usize] };
        println!("  {} {}", k.name(), hit);
    }
    for v in &out.violations {
        println!("VIOLATED {:?} depth {} occ {}", Property::ALL[v.property as usize], v.trace.depth(), v.occurrences);
        for s in &replay(&c, &v.trace.ordinals).unwrap() {
            println!("  {:?}", Act::from_label(s.label));
            for i in 0..(limits.servers + limits.observers) as usize { let n = c.node(&s.words, i); println!("     s{} {:?} {:?} r{} {:?}", i+1, n.standing, n.own, n.election.round(), n.election.vote()); }
        }
    }
}
