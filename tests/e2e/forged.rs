//! What a stranger sends to the ports between servers: packets and votes in the name of a member.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use wire::election::{self, Address, InitialMessage, Notification};
use wire::frame::{Frames, frame};
use wire::jute::Record;
use wire::quorum::{LearnerInfo, PROTOCOL_VERSION, Packet, PacketType, Packets};

use crate::cluster::Server;

/// The largest epoch that there is.
pub(crate) const EPOCH_MAX: u32 = 0x7fff_ffff;

/// FOLLOWERINFO, or OBSERVERINFO, under the id of a member, as it goes over the wire.
pub(crate) fn follower_info(kind: PacketType, sid: u8, accepted: u32) -> Vec<u8> {
    let info = LearnerInfo {
        server_id: i64::from(sid),
        protocol_version: PROTOCOL_VERSION,
        config_version: Some(0),
    };
    let (mut data, mut bytes) = (Vec::new(), Vec::new());
    info.encode(&mut data);
    Packet::with_data(kind, i64::from(accepted) << 32, data).encode(&mut bytes);
    bytes
}

/// A connection to a quorum port on which a stranger has said that it is a member.
pub(crate) struct Impostor {
    stream: TcpStream,
    buffer: BytesMut,
    packets: Packets,
}

impl Impostor {
    /// FOLLOWERINFO, or OBSERVERINFO, under the id of a member. `None` if the server does not
    /// listen.
    pub(crate) fn introduce(to: &Server, kind: PacketType, sid: u8, accepted: u32) -> Option<Self> {
        Self::at(to.quorum_port, kind, sid, accepted)
    }

    /// As [`Self::introduce`], at this port.
    pub(crate) fn at(port: u16, kind: PacketType, sid: u8, accepted: u32) -> Option<Self> {
        let hello = follower_info(kind, sid, accepted);
        let mut stream = TcpStream::connect(at(port)).ok()?;
        stream.write_all(&hello).ok()?;
        Some(Self { stream, buffer: BytesMut::new(), packets: Packets::new(1 << 24) })
    }

    pub(crate) fn follower(to: &Server, sid: u8, accepted: u32) -> Option<Self> {
        Self::introduce(to, PacketType::FollowerInfo, sid, accepted)
    }

    /// False if the connection is closed.
    pub(crate) fn say(&mut self, packet: &Packet) -> bool {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.stream.write_all(&bytes).is_ok()
    }

    /// The next packet; `None` once the server has closed the connection.
    ///
    /// # Panics
    /// Nothing happens for a minute.
    pub(crate) fn hear(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.packets.next(&mut self.buffer).expect("a packet") {
                return Some(packet);
            }
            if !read_more(&mut self.stream, &mut self.buffer) {
                return None;
            }
        }
    }
}

/// A connection to an election port on which a stranger has said that it is a member.
pub(crate) struct Voter {
    stream: TcpStream,
    buffer: BytesMut,
    frames: Frames,
}

impl Voter {
    /// Under the id of a member. `None` if nobody listens at the port.
    pub(crate) fn introduce(election_port: u16, sid: u8) -> Option<Self> {
        let mut hello = Vec::new();
        let address = Address { host: "127.0.0.1".to_owned(), port: 3888 };
        InitialMessage::V1 { sid: i64::from(sid), address }.encode(&mut hello);
        let mut stream = TcpStream::connect(at(election_port)).ok()?;
        stream.write_all(&hello).ok()?;
        Some(Self { stream, buffer: BytesMut::new(), frames: election::frames() })
    }

    /// False if the connection is closed.
    pub(crate) fn say(&mut self, notification: &Notification) -> bool {
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| notification.encode(out));
        self.stream.write_all(&bytes).is_ok()
    }
    /// The next notification; `None` once the server has closed the connection.
    ///
    /// # Panics
    /// Nothing happens for a minute.
    pub(crate) fn hear(&mut self) -> Option<Notification> {
        loop {
            if let Some(payload) = self.frames.next(&mut self.buffer).expect("a frame") {
                return Some(Notification::decode(&payload).expect("a notification"));
            }
            if !read_more(&mut self.stream, &mut self.buffer) {
                return None;
            }
        }
    }
}

/// What arrives next is added to the buffer. False once the server has closed the connection.
///
/// # Panics
/// Nothing happens for a minute.
fn read_more(stream: &mut TcpStream, buffer: &mut BytesMut) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let mut bytes = [0; 4096];
    match stream.read(&mut bytes) {
        Ok(read) => {
            buffer.extend_from_slice(&bytes[..read]);
            read > 0
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            panic!("the server neither answers nor closes the connection")
        }
        Err(_) => false,
    }
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
