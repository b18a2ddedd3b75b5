//! Faults, and their end.

use std::time::Duration;

use store::SimDisk;
use zab::{ServerState, Sid};

use crate::pipe::{Chunk, End};
use crate::plan::Fault;
use crate::story::{Kind, Who};
use crate::world::{What, World};

impl World {
    /// Something goes wrong, and something else later.
    pub(crate) fn fault(&mut self) {
        if self.is_calm {
            return;
        }
        let faults = self.plan.faults.clone();
        if let Some(&fault) = self.rng.pick(&faults) {
            self.go_wrong(fault);
        }
        let pause = self.rng.around(self.plan.fault_every);
        self.after(pause + Duration::from_millis(1), What::Fault);
    }

    fn go_wrong(&mut self, fault: Fault) {
        let Some(sid) = self.some_server() else { return };
        let down = self.rng.around(self.plan.tick * 2);
        match fault {
            Fault::Kill => self.kill(sid, down),
            Fault::PowerLoss => {
                // One machine, some, or all.
                let all: Vec<_> = self.machines.keys().copied().collect();
                let share = [0, 500, 1000][self.rng.below(3)];
                let mut lost = vec![sid];
                for other in all.iter().copied().filter(|other| *other != sid) {
                    if self.rng.chance(share) {
                        lost.push(other);
                    }
                }
                if lost.len() == all.len() {
                    self.marks.insert("all machines lose power at once");
                }
                for sid in lost {
                    let down = self.rng.around(down) + Duration::from_millis(1);
                    self.lose_power(sid, down);
                }
            }
            Fault::Restart => self.stop(sid, down),
            Fault::Pause => self.pause(sid, down),
            Fault::Partition => self.part(),
            Fault::Break => {
                let pipes: Vec<_> = self.pipes.keys().copied().collect();
                if let Some(&pipe) = self.rng.pick(&pipes) {
                    self.tell(Who::World, Kind::Link, || format!("connection {pipe} breaks"));
                    self.break_pipe(pipe);
                }
            }
            Fault::SlowDisk => {
                let until = self.now + self.rng.around(self.plan.tick * 4);
                if let Some(machine) = self.machines.get_mut(&sid) {
                    machine.slow_until = until;
                }
                self.tell(Who::Server(sid), Kind::Step, || {
                    format!("the disk of server {} is slow until {until:?}", sid.0)
                });
            }
            Fault::SlowProcessor => {
                let until = self.now + self.rng.around(self.plan.tick * 4);
                if let Some(machine) = self.machines.get_mut(&sid) {
                    machine.starves_until = until;
                }
                self.tell(Who::Server(sid), Kind::Step, || {
                    format!("server {} has hardly any processor until {until:?}", sid.0)
                });
            }
            Fault::ClockJump => {
                let by = i64::try_from(self.rng.below(7_200_000)).unwrap_or(0) - 3_600_000;
                if let Some(machine) = self.machines.get_mut(&sid) {
                    machine.clock_ms += by;
                }
                self.tell(Who::Server(sid), Kind::Step, || {
                    format!("the clock of server {} is set by {by} ms", sid.0)
                });
            }
            Fault::DiskError => {
                let soon = self.rng.below(20);
                let Some(machine) = self.machines.get_mut(&sid) else { return };
                if let Some(process) = &machine.process {
                    process.disk.fail_at(process.disk.ops() + soon);
                    machine.has_error = true;
                    self.tell(Who::Server(sid), Kind::Step, || {
                        format!("the disk of server {} fails soon", sid.0)
                    });
                }
            }
            Fault::Damage => self.damage(sid, down),
            Fault::Drift => {
                let clock = self.machines.get_mut(&sid);
                if let Some(machine) = clock {
                    let shows = machine.now(self.now).wall_ms;
                    machine.stopped_ms = machine.stopped_ms.is_none().then_some(shows);
                }
                self.marks.insert("a wall clock stands still");
            }
            Fault::Stranger => self.stranger(sid),
            Fault::Vanish => {
                let id = self.rng.below(self.clients.len());
                self.vanish(id);
            }
        }
    }

    /// A client leaves its session behind: its connection is closed, or its machine says nothing
    /// any more.
    pub(crate) fn vanish(&mut self, id: usize) {
        let now = self.now;
        let client = &mut self.clients[id];
        let Some(session) = client.session else { return };
        let pipe = client.pipe;
        self.marks.insert("a client vanishes");
        client.vanish(now, &mut self.recorder);
        self.tell(Who::Client(id), Kind::Step, || {
            format!("client {id} vanishes, and leaves session 0x{session:x} behind")
        });
        if let Some(pipe) = pipe
            && self.rng.chance(500)
        {
            self.close(pipe, 1);
        }
    }

    /// The leader more often than others.
    fn some_server(&mut self) -> Option<Sid> {
        let all: Vec<_> = self.machines.keys().copied().collect();
        let leader = all.iter().copied().find(|&sid| self.leads(sid));
        match leader {
            Some(leader) if self.rng.chance(400) => Some(leader),
            Some(_) | None => self.rng.pick(&all).copied(),
        }
    }

    pub(crate) fn leads(&mut self, sid: Sid) -> bool {
        let Some(process) = self.process(sid) else { return false };
        let status = process.node.shared().status();
        status.role == ServerState::Leading && status.serving.is_some()
    }

    fn is_busy(&mut self, sid: Sid) -> bool {
        self.leads(sid) && self.clients.iter().any(|client| !client.is_idle())
    }

    /// The process ends at once; all that it had written is there.
    pub(crate) fn kill(&mut self, sid: Sid, down: Duration) {
        if self.is_busy(sid) {
            self.marks.insert("a leader is killed with requests in progress");
        }
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        let Some(process) = machine.process.take() else { return };
        machine.disk = process.disk.after_a_kill();
        machine.has_error = false;
        machine.paused_until = Duration::ZERO;
        self.tell(Who::Server(sid), Kind::End, || format!("server {} is killed", sid.0));
        self.hang_up(sid, process.run);
        self.after(down, What::Start(sid));
    }

    /// It ends in order.
    fn stop(&mut self, sid: Sid, down: Duration) {
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        if machine.paused_until > self.now {
            return;
        }
        let clock = machine.now(self.now);
        let Some(mut process) = machine.process.take() else { return };
        process.node.handle(clock, node::Event::Stop { reason: "a restart".to_owned() });
        let mut effects = Vec::new();
        process.node.finish(clock, &mut effects);
        for effect in effects {
            if let node::Effect::Disk(jobs) = effect {
                process.jobs.extend(jobs);
            }
        }
        let mut written = Ok(());
        while let (Ok(()), Some(job)) = (&written, process.jobs.pop_front()) {
            written = process.writer.write(job).map(drop);
        }
        let written = written.and_then(|()| process.writer.sync().map(drop));
        let (run, disk) = (process.run, process.disk.clone());
        drop(process);
        machine.disk = disk.after_a_kill();
        let has_error = std::mem::take(&mut machine.has_error);
        self.tell(Who::Server(sid), Kind::End, || format!("server {} is stopped", sid.0));
        if let Err(error) = written
            && !has_error
        {
            return self.fail(format!("server {}: its disk failed at the end: {error}", sid.0));
        }
        self.hang_up(sid, run);
        self.after(down, What::Start(sid));
    }

    /// What was not synced is there or not.
    fn lose_power(&mut self, sid: Sid, down: Duration) {
        if self.is_busy(sid) {
            self.marks.insert("a leader is killed with requests in progress");
        }
        let mut rng = self.rng.fork();
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        machine.boots += 1;
        machine.has_error = false;
        machine.paused_until = Duration::ZERO;
        let process = machine.process.take();
        let disk = process.as_ref().map_or(&machine.disk, |process| &process.disk);
        let left = disk.crash(&mut |n| rng.below(n));
        machine.disk = SimDisk::forgetting(left, machine.boots);
        let Some(process) = process else { return };
        if process.disk_state == crate::process::DiskState::Syncing {
            self.marks.insert("power is lost between a write and its fsync");
        }
        self.tell(Who::Server(sid), Kind::End, || format!("server {} loses power", sid.0));
        // Nobody hears of it until the machine is there again.
        self.after(down, What::Start(sid));
    }

    /// The other ends of a run's connections learn that it is gone.
    pub(crate) fn hang_up(&mut self, sid: Sid, run: u64) {
        let of_run = |end: &End| *end == End::Server(sid, run);
        let pipes: Vec<_> = (self.pipes.iter())
            .filter_map(|(id, pipe)| Some((*id, pipe.ends.iter().position(of_run)?)))
            .collect();
        for (id, side) in pipes {
            if let Some(pipe) = self.pipes.get_mut(&id)
                && pipe.open[side]
            {
                self.send(id, side, Chunk::Fin);
            }
        }
    }

    fn pause(&mut self, sid: Sid, down: Duration) {
        if self.leads(sid) {
            self.marks.insert("a paused leader goes on");
        }
        let until = self.now + down;
        if let Some(machine) = self.machines.get_mut(&sid)
            && machine.process.is_some()
        {
            machine.paused_until = machine.paused_until.max(until);
            self.tell(Who::Server(sid), Kind::Step, || {
                format!("server {} stands still until {until:?}", sid.0)
            });
        }
    }

    /// Some links are cut, in one direction or both.
    fn part(&mut self) {
        let all: Vec<_> = self.machines.keys().copied().collect();
        let mut cuts = Vec::new();
        match self.rng.below(3) {
            // Two groups.
            0 => {
                let group: Vec<_> = all.iter().map(|_| self.rng.chance(500)).collect();
                for (a, in_a) in all.iter().zip(&group) {
                    for (b, in_b) in all.iter().zip(&group) {
                        if in_a != in_b {
                            cuts.push((*a, *b));
                        }
                    }
                }
            }
            // One way.
            1 => {
                let (a, b) = (self.rng.pick(&all).copied(), self.rng.pick(&all).copied());
                cuts.extend(a.zip(b).filter(|(a, b)| a != b));
            }
            // One link.
            _ => {
                let (a, b) = (self.rng.pick(&all).copied(), self.rng.pick(&all).copied());
                if let Some((a, b)) = a.zip(b).filter(|(a, b)| a != b) {
                    cuts.extend([(a, b), (b, a)]);
                }
            }
        }
        if cuts.is_empty() {
            return;
        }
        self.tell(Who::World, Kind::Link, || format!("links are cut: {cuts:?}"));
        self.cuts.extend(cuts);
        let heal = self.rng.around(self.plan.tick * 5);
        self.after(heal, What::Heal);
    }

    /// From here on nothing goes wrong any more.
    pub(crate) fn calm_down(&mut self) {
        self.is_calm = true;
        self.cuts.clear();
        self.tell(Who::World, Kind::Step, || "no more faults".to_owned());
        let sids: Vec<_> = self.machines.keys().copied().collect();
        for sid in sids {
            if let Some(machine) = self.machines.get_mut(&sid) {
                (machine.paused_until, machine.slow_until) = (Duration::ZERO, Duration::ZERO);
                machine.starves_until = Duration::ZERO;
                if let Some(process) = machine.process.as_ref().filter(|_| machine.has_error) {
                    process.disk.fail_never();
                }
            }
            self.after(Duration::from_millis(1), What::Start(sid));
            self.wake(sid, Duration::ZERO);
        }
    }
}
