//! Scratch runner of models: name tier.
use model::report::*;
use std::sync::Arc;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut all = model::election::models();
    all.extend(model::liveness::models());
    for m in &all {
        let info = m.info();
        if a[1] != "all" && info.name != a[1] {
            continue;
        }
        for t in &info.tiers {
            if t.tier.to_string() != a[2] {
                continue;
            }
            let engine = if a.len() > 3 { Engine::Stateright } else { Engine::Own };
            let v = m.check(
                &t.bounds,
                &CheckOptions { threads: 1, max_states: None, engine, stop: Arc::default() },
                &|_| {},
            );
            println!(
                "{} {} [{}] {:?} distinct {} generated {} depth {} {:.1}s rss {:?}",
                info.name,
                t.tier,
                t.bounds,
                v.completion,
                v.distinct,
                v.generated,
                v.depth,
                v.elapsed.as_secs_f64(),
                resident_bytes().map(|b| b >> 20)
            );
            for p in &v.properties {
                println!("   {} {:?} {:?}", p.name, p.holds, p.occurrences);
            }
            for x in &v.violations {
                println!("{}", story_text(&x.story));
                let mut t = TraceFile::new(info.name, t.bounds.clone(), x.actions.clone());
                t.property = Some(x.property.clone());
                println!("{:?}", m.replay(&t).map(|r| (r.steps, r.violated)));
            }
        }
    }
}
