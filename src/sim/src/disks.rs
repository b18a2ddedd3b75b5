//! What disk threads do.

use std::time::Duration;

use node::Event;
use zab::Sid;

use crate::process::DiskState;
use crate::world::{What, World};

impl World {
    fn disk_time(&mut self, sid: Sid) -> Duration {
        let slow = self.machines.get(&sid).is_some_and(|machine| machine.slow_until > self.now);
        self.rng.around(self.plan.disk) * if slow { 50 } else { 1 }
    }

    pub(crate) fn disk(&mut self, sid: Sid, jobs: Vec<node::disk::Job>) {
        let time = self.disk_time(sid);
        let Some(process) = self.process(sid) else { return };
        process.disk_records += jobs.len();
        process.jobs.extend(jobs);
        if process.disk_state == DiskState::Idle {
            process.disk_state = DiskState::Writing;
            let run = process.run;
            self.after(time, What::DiskWrite(sid, run));
        }
    }

    pub(crate) fn disk_write(&mut self, sid: Sid, run: u64) {
        if let Some(until) = self.paused(sid) {
            return self.at(until, What::DiskWrite(sid, run));
        }
        let time = self.disk_time(sid);
        let Some(process) = self.process_of_run(sid, run) else { return };
        process.taken = process.jobs.len();
        let mut begun = Vec::new();
        while let Some(job) = process.jobs.pop_front() {
            match process.writer.write(job) {
                Ok(None) => {}
                Ok(Some(background)) => {
                    let number = process.next_number();
                    process.background.insert(number, background);
                    begun.push(number);
                }
                Err(error) => return self.inform(sid, Event::DiskFailed(error)),
            }
        }
        process.disk_state = DiskState::Syncing;
        self.after(time, What::DiskSync(sid, run));
        for number in begun {
            let time = self.disk_time(sid) * 20;
            self.after(time, What::SnapshotOut(sid, run, number));
        }
    }

    pub(crate) fn disk_sync(&mut self, sid: Sid, run: u64) {
        if let Some(until) = self.paused(sid) {
            return self.at(until, What::DiskSync(sid, run));
        }
        let time = self.disk_time(sid);
        let Some(process) = self.process_of_run(sid, run) else { return };
        let durable = match process.writer.sync() {
            Ok(durable) => durable,
            Err(error) => return self.inform(sid, Event::DiskFailed(error)),
        };
        process.disk_records -= std::mem::take(&mut process.taken);
        if process.jobs.is_empty() {
            process.disk_state = DiskState::Idle;
        } else {
            process.disk_state = DiskState::Writing;
            self.after(time, What::DiskWrite(sid, run));
        }
        if let Some(upto) = durable {
            self.inform(sid, Event::Durable { upto });
        }
    }

    pub(crate) fn snapshot_out(&mut self, sid: Sid, run: u64, number: u64) {
        let Some(process) = self.process_of_run(sid, run) else { return };
        let Some(background) = process.background.remove(&number) else { return };
        match node::snapshots::write_out(background) {
            Ok(_) => {
                self.marks.insert("a snapshot is written while the server goes on");
            }
            Err(error) if self.machines.get(&sid).is_some_and(|machine| machine.has_error) => {
                self.marks.insert("a disk fails under a snapshot");
                self.inform(sid, Event::DiskFailed(error));
            }
            Err(error) => self.fail(format!("server {}: a snapshot failed: {error}", sid.0)),
        }
    }
}
