//! What a server of the world does: it applies the log, tells watches, and answers.

use history::answer::{Answer, Outcome};
use history::operation::{ErrorCode, ReadKind, Request, SetWatches, WatchKind, Zxid};
use history::record::{EventKind, Txn};

use super::{Watch, World, is_sync};
use crate::tree::{Change, parent};

impl World {
    /// The server applies the next transaction; whether there was one.
    pub(super) fn serve(&mut self, server: usize) -> bool {
        self.answer(server);
        let Some(next) = self.log.get(self.servers[server].applied).cloned() else { return false };
        let time = next.time.unwrap();
        let own = &mut self.servers[server];
        let changes = own.tree.apply(&next.txn, next.session, next.zxid, time);
        own.applied += 1;
        own.zxid = next.zxid;
        for client in 0..self.clients.len() {
            if self.clients[client].server == Some(server) {
                for change in &changes {
                    self.tell(client, change, next.zxid);
                }
            }
        }
        self.answer(server);
        if let Txn::CloseSession { .. } = next.txn {
            for client in 0..self.clients.len() {
                let own = &self.clients[client];
                let is_it = own.session.as_ref().is_some_and(|own| own.id == next.session);
                if own.server == Some(server) && is_it {
                    self.lose(client);
                }
            }
        }
        true
    }

    fn tell(&mut self, client: usize, (kind, path): &Change, zxid: Zxid) {
        let own = &mut self.clients[client];
        let mut is_told = false;
        let mut above = Some(path.clone());
        while let Some(node) = above.filter(|_| *kind != EventKind::ChildrenChanged) {
            is_told |= own.watches.contains(&(Watch::Recursive, node.clone()));
            above = (node != "/").then(|| parent(&node));
        }
        is_told |= own.watches.contains(&(Watch::Persistent, path.clone()));
        let one_shot: &[Watch] = match kind {
            EventKind::Created | EventKind::DataChanged => &[Watch::Data, Watch::Exist],
            EventKind::Deleted => &[Watch::Data, Watch::Exist, Watch::Child],
            EventKind::ChildrenChanged => &[Watch::Child],
        };
        for watch in one_shot {
            is_told |= own.watches.remove(&(*watch, path.clone()));
            if let Some(session) = &mut own.session {
                session.watches.remove(&(*watch, path.clone()));
            }
        }
        if is_told {
            let at = self.now();
            let own = self.clients[client].session.as_mut().expect("connected");
            own.seen = own.seen.max(zxid);
            // Servers before 3.9 do not tell the zxid.
            let told = (!self.shape.seed.is_multiple_of(3)).then_some(zxid);
            self.recorder.event(own.id, at, *kind, path, told);
        }
    }

    /// Answers what can be answered, of each client in its order.
    fn answer(&mut self, server: usize) {
        for client in 0..self.clients.len() {
            while self.clients[client].server == Some(server) && self.answer_one(client, server) {}
        }
    }

    fn answer_one(&mut self, client: usize, server: usize) -> bool {
        let applied = self.servers[server].applied;
        let Some(first) = self.clients[client].queue.front() else { return false };
        let needs_leader = first.asked.is_write() || is_sync(&first.asked);
        if needs_leader && first.taken.is_none_or(|taken| taken > applied) {
            return false;
        }
        let first = self.clients[client].queue.pop_front().unwrap();
        let outcome = match &first.asked {
            Request::Write(_) | Request::Multi(_) | Request::Close => {
                self.outcomes[&first.taken.unwrap()].clone()
            }
            Request::Read(read) => {
                let outcome = self.servers[server].tree.read(read);
                let missing = outcome.error() == Some(ErrorCode::NO_NODE);
                let watch = match (read.kind, missing) {
                    (ReadKind::Exists, true) => Some(Watch::Exist),
                    (ReadKind::Exists | ReadKind::GetData, false) => Some(Watch::Data),
                    (ReadKind::GetChildren, false) => Some(Watch::Child),
                    (_, true) => None,
                };
                if let Some(watch) = watch.filter(|_| read.watch) {
                    self.leave(client, watch, &read.path);
                }
                outcome
            }
            Request::Sync { .. } => Outcome::Ok(Answer::Done),
            Request::AddWatch { path, recursive } => {
                let watch = if *recursive { Watch::Recursive } else { Watch::Persistent };
                self.leave(client, watch, path);
                Outcome::Ok(Answer::Done)
            }
            Request::RemoveWatches { path, kind } => {
                let all = [Watch::Persistent, Watch::Recursive];
                let data = [Watch::Data, Watch::Exist];
                let removed = match kind {
                    WatchKind::Data => data.to_vec(),
                    WatchKind::Child => vec![Watch::Child],
                    WatchKind::Persistent | WatchKind::Recursive | WatchKind::Any => {
                        [&all[..], &data, &[Watch::Child]].concat()
                    }
                };
                for watch in removed {
                    self.clients[client].watches.remove(&(watch, path.clone()));
                    let own = self.clients[client].session.as_mut().unwrap();
                    own.watches.remove(&(watch, path.clone()));
                }
                Outcome::Ok(Answer::Done)
            }
            Request::SetWatches(lists) => {
                self.set_watches(client, server, lists);
                Outcome::Ok(Answer::Done)
            }
        };
        let (at, zxid) = (self.now(), self.servers[server].zxid);
        self.recorder.respond(first.call, at, zxid, outcome);
        let own = self.clients[client].session.as_mut().expect("connected");
        own.seen = own.seen.max(zxid);
        if first.asked == Request::Close {
            let own = &mut self.clients[client];
            own.session = None;
            own.server = None;
            own.watches.clear();
            own.queue.clear();
            own.stray.clear();
        }
        true
    }

    fn leave(&mut self, client: usize, watch: Watch, path: &str) {
        self.clients[client].watches.insert((watch, path.to_owned()));
        let own = self.clients[client].session.as_mut().expect("connected");
        own.watches.insert((watch, path.to_owned()));
    }

    fn set_watches(&mut self, client: usize, server: usize, lists: &SetWatches) {
        let kinds = [
            (Watch::Data, &lists.data),
            (Watch::Exist, &lists.exist),
            (Watch::Child, &lists.child),
            (Watch::Persistent, &lists.persistent),
            (Watch::Recursive, &lists.recursive),
        ];
        for (watch, paths) in kinds {
            for path in paths {
                let stat = self.servers[server].tree.stat(path);
                let event = match (watch, stat) {
                    (Watch::Data | Watch::Child, None) => Some(EventKind::Deleted),
                    (Watch::Exist, Some(_)) => Some(EventKind::Created),
                    (Watch::Data, Some(stat)) if stat.mzxid > lists.since => {
                        Some(EventKind::DataChanged)
                    }
                    (Watch::Child, Some(stat)) if stat.pzxid > lists.since => {
                        Some(EventKind::ChildrenChanged)
                    }
                    _ => None,
                };
                match event {
                    None => self.leave(client, watch, path),
                    Some(kind) => {
                        let at = self.now();
                        let own = self.clients[client].session.as_mut().expect("connected");
                        own.watches.remove(&(watch, path.clone()));
                        self.recorder.event(own.id, at, kind, path, None);
                    }
                }
            }
        }
    }
}
