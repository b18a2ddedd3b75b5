//! The two facts that contradict each other when a property is violated.

use zab::Sid;

use super::Cluster;
use super::ghost::Ghost;
use super::machine::Machine;
use super::node::Node;
use super::path::Taken;
use super::property::Property;
use super::story::history;

/// Two facts about the last step of a run, or the state after it, that contradict the property.
pub(super) fn facts<M: Machine>(
    cluster: &Cluster<M>,
    property: Property,
    before: &[u32],
    last: Option<&Taken>,
) -> [String; 2] {
    let Some(taken) = last else {
        return ["the initial state".to_owned(), format!("violates {}", property.name())];
    };
    let after = &taken.words;
    let actor = taken.act.actor();
    let i = cluster.index(actor);
    let (old, new) = (cluster.node(before, i), cluster.node(after, i));
    let (was, is) = (cluster.ghost(before), cluster.ghost(after));
    let complaint = || cluster.complaint(before, taken.act);
    match property {
        Property::Z1 => [
            format!("elected before this step: {}", epochs(was)),
            format!("this step, by {actor}: {:?}; elected now: {}", taken.act, epochs(is)),
        ],
        Property::Z2 => [
            format!("proposed before this step: {}", histories(was)),
            format!("{actor} proposes {:?} now", new.core().last().unwrap_or_default()),
        ],
        Property::Z3 | Property::Z9 => [
            format!("delivered before by somebody: {}", history(&was.delivered)),
            format!(
                "{} has delivered {}",
                who_changed(cluster, before, after, actor),
                deliveries(cluster, before, after)
            ),
        ],
        Property::Z4 => {
            [format!("chosen: {}", chosen(is)), format!("initial histories: {}", initials(is))]
        }
        Property::Z5 => [
            format!(
                "chosen {}; delivered {}",
                history(is.longest_chosen()),
                history(&is.delivered)
            ),
            format!(
                "on disk: {}",
                per_server(cluster, after, |node| history(&node.disk.durable_history()))
            ),
        ],
        Property::Z6 => [
            format!("{actor}'s step lets a promise or an acknowledgement leave ({:?})", taken.act),
            format!("on its disk: {}; issued: {}", image(new), history(&new.disk.issued_history())),
        ],
        Property::Z7 => [
            format!(
                "histories as issued: {}",
                per_server(cluster, after, |node| history(&node.disk.issued_history()))
            ),
            format!(
                "histories on disk: {}",
                per_server(cluster, after, |node| format!(
                    "snapshot {:?}, {}",
                    node.disk.image.snapshot,
                    history(&node.disk.durable_history())
                ))
            ),
        ],
        Property::Z8 => [
            format!("before, {actor}: {}", image(old)),
            format!(
                "afterwards: accepted {:?}, current {:?}, {}",
                new.core().zab().accepted_epoch(),
                new.core().zab().current_epoch(),
                image(new)
            ),
        ],
        Property::Z10 => [
            format!("delivered by somebody: {}", history(&was.delivered)),
            format!("{actor} broadcasts, and has delivered only {}", history(&old.applied)),
        ],
        Property::Z11 => [
            format!(
                "state machines: {}",
                per_server(cluster, after, |node| history(&node.applied))
            ),
            format!(
                "histories: {}; on disk: {}",
                per_server(cluster, after, |node| history(&node.disk.issued_history())),
                per_server(cluster, after, image)
            ),
        ],
        Property::Z12 => [
            format!("disks that a crash can leave: {}", per_server(cluster, after, image)),
            complaint().unwrap_or_else(|| "one of them is refused at the start".to_owned()),
        ],
        Property::Z13 => [
            format!("{:?} among correct servers", taken.act),
            complaint().unwrap_or_else(|| "a server aborts".to_owned()),
        ],
        Property::Z14 => ["votes".to_owned(), "are not totally ordered".to_owned()],
        Property::Refines => [
            format!(
                "abstract Zab: {}",
                cluster.refusal(before).unwrap_or_else(|| "allows no such step".to_owned())
            ),
            format!(
                "{:?}; on {actor}'s disk before: {}; afterwards: {}",
                taken.act,
                image(old),
                image(new)
            ),
        ],
        Property::Z16 => [
            format!("delivered: {}", per_server(cluster, after, |node| history(&node.applied))),
            "nothing is under way to a learner that is up to date".to_owned(),
        ],
        Property::Linearizable
        | Property::Serializes
        | Property::NeverBack
        | Property::OwnWrites
        | Property::EventFirst
        | Property::OwnOutcome
        | Property::InOrder
        | Property::Seen => [
            format!("before: {}", clients(cluster, before)),
            format!("{:?} of {actor}; afterwards: {}", taken.act, clients(cluster, after)),
        ],
        Property::C4 => [
            format!(
                "when the sync was asked, somebody had delivered more: {:?} of {}",
                was.syncs,
                history(&was.delivered)
            ),
            format!("{actor} answers, and has delivered {}", history(&new.applied)),
        ],
    }
}

fn clients<M: Machine>(cluster: &Cluster<M>, words: &[u32]) -> String {
    cluster.clients(words).map_or_else(String::new, |clients| format!("{:?}", clients.each))
}

fn epochs(ghost: &Ghost) -> String {
    let each = ghost.epochs.iter().map(|(epoch, g)| {
        format!("{} in {epoch}{}", g.leader, if g.established { " (established)" } else { "" })
    });
    format!("{:?} in all; {}", ghost.elected, each.collect::<Vec<_>>().join(", "))
}

fn histories(ghost: &Ghost) -> String {
    let each = ghost.epochs.iter().map(|(epoch, g)| format!("{epoch}: {}", history(&g.history)));
    each.collect::<Vec<_>>().join("; ")
}

fn chosen(ghost: &Ghost) -> String {
    let each = ghost.epochs.iter().map(|(epoch, g)| format!("{epoch}: {}", history(g.chosen())));
    let older = format!("in settled epochs {}", history(&ghost.settled_chosen));
    each.chain([older]).collect::<Vec<_>>().join("; ")
}

fn initials(ghost: &Ghost) -> String {
    let each = ghost.epochs.iter().map(|(epoch, g)| format!("{epoch}: {}", history(g.initial())));
    each.collect::<Vec<_>>().join("; ")
}

fn image<M: Machine>(node: &Node<M>) -> String {
    let image = &node.disk.image;
    format!(
        "accepted {} current {} {}",
        image.accepted,
        image.current,
        history(&node.disk.durable_history())
    )
}

fn per_server<M: Machine>(
    cluster: &Cluster<M>,
    words: &[u32],
    say: impl Fn(&Node<M>) -> String,
) -> String {
    let each = cluster.servers().iter().enumerate();
    let said = each.map(|(i, config)| format!("{} {}", config.me, say(cluster.node(words, i))));
    said.collect::<Vec<_>>().join("; ")
}

fn changed<M: Machine>(cluster: &Cluster<M>, before: &[u32], after: &[u32]) -> Option<usize> {
    (0..cluster.servers().len())
        .find(|&i| cluster.node(before, i).applied != cluster.node(after, i).applied)
}

fn who_changed<M: Machine>(cluster: &Cluster<M>, before: &[u32], after: &[u32], actor: Sid) -> Sid {
    changed(cluster, before, after).map_or(actor, |i| cluster.servers()[i].me)
}

fn deliveries<M: Machine>(cluster: &Cluster<M>, before: &[u32], after: &[u32]) -> String {
    match changed(cluster, before, after) {
        Some(i) => history(&cluster.node(after, i).applied),
        None => per_server(cluster, after, |node| history(&node.applied)),
    }
}
