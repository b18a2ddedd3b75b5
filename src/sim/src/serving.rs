//! Connections of clients, as servers see them.

use std::time::Duration;

use node::{Admission, Chunk as Out, ClientBatch, Connection, Hello, Inbound, Next};
use zab::Sid;

use crate::pipe::{Chunk, PipeId};
use crate::process::Served;
use crate::world::World;

impl World {
    /// What the clock of a server shows.
    fn local(&self, sid: Sid) -> Duration {
        self.machines.get(&sid).map_or(self.now, |machine| machine.local(self.now))
    }

    /// A client connects; false: it is not admitted.
    pub(crate) fn serve(&mut self, sid: Sid, pipe: PipeId, client: usize) -> bool {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(&sid) else { return false };
        let clock = machine.now(now);
        let Some(process) = &mut machine.process else { return false };
        let shared = process.node.shared();
        let port = 10_000 + u16::try_from(client).unwrap_or(0);
        let connection = Connection::new(([10, 0, 0, 1], port).into(), shared, clock, (), ());
        if shared.admit(&connection) != Admission::Admitted {
            return false;
        }
        let inbound = Inbound::new(connection.clone(), shared.clone());
        process.clients.insert(pipe, Served { connection, inbound, has_greeted: false });
        true
    }

    pub(crate) fn served_arrives(&mut self, sid: Sid, pipe: PipeId, chunk: Chunk) {
        let now = self.local(sid);
        let Some(process) = self.process(sid) else { return };
        let Some(served) = process.clients.get_mut(&pipe) else { return };
        match chunk {
            Chunk::Fin => return self.served_gone(sid, pipe),
            Chunk::Bytes(bytes) => {
                served.inbound.room().extend_from_slice(&bytes);
                served.inbound.hold_back();
                if served.connection.session() != 0 {
                    served.connection.touch(now);
                }
            }
        }
        self.serve_on(sid, pipe);
    }

    fn served_gone(&mut self, sid: Sid, pipe: PipeId) {
        let turn = self.turn_time(sid);
        let Some(process) = self.process(sid) else { return };
        if let Some(served) = process.clients.remove(&pipe) {
            process.node.shared().remove(&served.connection);
            process.gone.push(served.connection);
            self.close_end(sid, pipe);
            self.wake(sid, turn);
        }
    }

    /// Does what the task of a client's connection does, until it would wait.
    pub(crate) fn serve_on(&mut self, sid: Sid, pipe: PipeId) {
        let (now, turn) = (self.local(sid), self.turn_time(sid));
        let Some(process) = self.process(sid) else { return };
        let Some(served) = process.clients.get_mut(&pipe) else { return };
        let asked = serve_client(served, &process.node.shared().clone(), now);
        let (out, ends) = drained(&served.connection);
        let connection = served.connection.clone();
        let is_over = ends || asked.is_err() || connection.is_cut();
        let requests = asked.unwrap_or_default();
        let asks = !requests.is_empty();
        if asks {
            process.batches.push_back(ClientBatch { connection, requests });
        }
        for bytes in out {
            self.say(sid, Some(pipe), bytes);
        }
        if asks {
            self.wake(sid, turn);
        }
        if is_over {
            self.served_gone(sid, pipe);
        }
    }
}

/// What a client asks for. An error: its connection has to be closed.
fn serve_client(
    served: &mut Served,
    shared: &node::Shared,
    at: Duration,
) -> Result<Vec<node::ClientRequest>, String> {
    let Served { connection, inbound, has_greeted } = served;
    let mut asked = Vec::new();
    loop {
        if connection.is_cut() {
            return Err("it was closed".to_owned());
        }
        if !*has_greeted {
            match inbound.hello()? {
                Some(Hello::Session(request)) => {
                    *has_greeted = true;
                    asked.push(request);
                    inbound.hold_back();
                }
                Some(Hello::Word(_)) => return Err("a word".to_owned()),
                None => {}
            }
            return Ok(asked);
        }
        if connection.is_held_back() {
            connection.go_on(shared, at);
        }
        let listens = connection.session() != 0 && connection.wants_input();
        connection.listens(listens);
        if !listens || !inbound.is_held_back() {
            return Ok(asked);
        }
        asked.extend(inbound.requests(at)?);
    }
}

/// What leaves for a client, and whether the connection ends behind it.
fn drained(connection: &Connection) -> (Vec<Vec<u8>>, bool) {
    let mut out = Vec::new();
    loop {
        match connection.outbox().next() {
            Some(Next::Write(Out::Bytes(bytes))) => out.push(bytes),
            Some(Next::Write(Out::Large(never))) => match never {},
            Some(Next::End) => return (out, true),
            None => return (out, false),
        }
    }
}
