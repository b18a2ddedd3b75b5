//! What a crash leaves is read as far as it goes; what a crash does not leave is refused.

use std::io::Cursor;

use bytes::Bytes;
use host::{Effect, Event, Host, Silent, Timer};
use quickcheck::quickcheck;
use recording::{
    Buffer, Digest, Header, Payloads, Reader, Refused, Tail, Translator, chunk, file_name, header,
    next_number, parse_file_name,
};
use zab::{Action, Config, DiskImage, Epoch, Note, Peer, Quorum, Sid, Txn, WriteNo, Zxid};

fn config() -> Config {
    Config::new(Sid(1), Quorum::majority([Sid(1)].into_iter().collect()))
}

fn first() -> Header {
    Header {
        commit: "0123abc".to_owned(),
        core: "beef".to_owned(),
        number: 7,
        config: config(),
        config_text: b"version=0".to_vec(),
    }
}

/// The events of a server alone, which elects itself and commits two transactions.
fn events() -> Vec<Event<Bytes, ()>> {
    let durable = |upto| Event::Durable(WriteNo(upto));
    vec![
        Event::Start(DiskImage {
            accepted: Epoch(1),
            current: Epoch(1),
            snapshot: Zxid::new(Epoch(1), 1),
            log: vec![Txn { zxid: Zxid::new(Epoch(1), 2), payload: "old".into() }],
            history_lost: false,
        }),
        Event::Timer(Timer::Core(zab::Timer::Finalize)),
        durable(1),
        durable(2),
        Event::Propose("hello".into()),
        Event::Propose("world".into()),
        durable(4),
        Event::Resign,
    ]
}

fn host(header: &Header) -> Host<Peer<Bytes>> {
    Host::new(Peer::new(header.config), header.config_text.clone().into())
}

/// A recording with a chunk for each step, and where the chunks end.
fn recorded() -> (Vec<u8>, Vec<usize>) {
    let (mut host, mut effects, mut buffer) = (host(&first()), Vec::new(), Buffer::new());
    let mut bytes = header(&first());
    let mut ends = vec![bytes.len()];
    let events = events();
    for (number, event) in events.iter().enumerate() {
        effects.clear();
        buffer.begin(event, None);
        host.handle(event.clone(), &mut Silent, &mut effects);
        buffer.end(&effects);
        let last = number + 1 == events.len();
        chunk(number as u64, buffer.count(), buffer.bytes(), last, &mut bytes);
        buffer.clear();
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// How many steps can be read, and how the recording ends.
fn read(bytes: &[u8]) -> Result<Option<(usize, Tail)>, Refused> {
    let Some(mut reader) = Reader::open(Cursor::new(bytes))? else { return Ok(None) };
    let mut count = 0;
    while reader.step()?.is_some() {
        count += 1;
    }
    Ok(Some((count, reader.tail().expect("it has ended").clone())))
}

#[test]
fn what_was_recorded_is_read_and_a_host_does_the_same_again() {
    let (bytes, _) = recorded();
    let mut reader = Reader::open(Cursor::new(&bytes)).expect("sound").expect("whole");
    assert_eq!(*reader.header(), first());
    let (mut host, mut effects) = (host(reader.header()), Vec::<Effect<_, ()>>::new());
    let mut translator = Translator::new(Payloads::StandIns);
    let mut proposed = Vec::new();
    for number in 0..events().len() {
        let step = reader.step().expect("sound").expect("one more");
        assert_eq!(step.number, number as u64);
        if let recording::Event::Propose(payload) = &step.event {
            proposed.push(*payload);
        }
        effects.clear();
        let event = step.event.again().expect("it is no flush");
        translator.event(&event, None);
        host.handle(event, &mut Silent, &mut effects);
        let mut again = Vec::new();
        effects.iter().for_each(|effect| translator.effect(effect, &mut again));
        assert_eq!(step.effects, again, "step {number}");
    }
    assert!(reader.step().expect("sound").is_none());
    assert_eq!(reader.tail(), Some(&Tail::Closed));
    assert_eq!(proposed, [Digest::of(b"hello"), Digest::of(b"world")]);
    assert!(!bytes.windows(5).any(|window| window == b"hello"), "no data of clients");
}

#[test]
fn a_recording_that_ends_anywhere_is_read_up_to_there() {
    let (bytes, ends) = recorded();
    for end in 0..bytes.len() {
        let whole = ends.iter().filter(|chunk| **chunk <= end).count();
        match read(&bytes[..end]).unwrap_or_else(|refused| panic!("{end}: {refused}")) {
            None => assert_eq!(whole, 0, "{end}: only a header that is not whole has no steps"),
            Some((count, tail)) => {
                assert_eq!(count + 1, whole, "{end}");
                match tail {
                    Tail::Open => assert!(ends.contains(&end), "{end}"),
                    Tail::Torn { offset, bytes, .. } => {
                        assert_eq!(offset as usize + bytes as usize, end);
                        assert!(ends.contains(&(offset as usize)) && !ends.contains(&end));
                    }
                    Tail::Closed => panic!("{end}: the last chunk is missing"),
                }
            }
        }
    }
    assert_eq!(read(&bytes).expect("sound"), Some((events().len(), Tail::Closed)));
}

#[test]
fn damage_in_the_middle_is_refused_and_damage_at_the_end_is_a_torn_tail() {
    let (bytes, ends) = recorded();
    let last = ends[ends.len() - 2];
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        match read(&damaged) {
            Ok(Some((count, Tail::Torn { offset, .. }))) => {
                assert!(at >= last, "byte {at} is before a sound chunk");
                assert_eq!((count, offset as usize), (events().len() - 1, last));
            }
            // Its length says that it goes on behind the end of the file.
            Ok(None) => assert!((12..16).contains(&at), "{at}"),
            Ok(Some((_, tail @ (Tail::Open | Tail::Closed)))) => panic!("byte {at}: {tail:?}"),
            Err(Refused::Damaged { offset, sound, .. }) => {
                assert!(at < last && ends.contains(&(offset as usize)));
                assert!(ends.contains(&(sound as usize)) && sound > offset);
            }
            // A header whose length is wrong may seem to end later than it does.
            Err(Refused::Field { offset, .. }) => {
                assert!(offset as usize <= ends[0] || (12..16).contains(&at), "{at}");
            }
            Err(error @ (Refused::Io(_) | Refused::Content { .. })) => panic!("{at}: {error}"),
        }
    }
}

#[test]
fn chunks_that_do_not_follow_each_other_are_refused() {
    let (bytes, ends) = recorded();
    let cut = [&bytes[..ends[2]], &bytes[ends[3]..]].concat();
    let error = read(&cut).expect_err("a chunk is missing").to_string();
    let wanted = format!(
        "offset {}: the number of the chunk's first step is 3, allowed: 2, for chunks follow each other",
        ends[2]
    );
    assert_eq!(error, wanted);

    let mut more = bytes;
    chunk(8, 0, &[], false, &mut more);
    let error = read(&more).expect_err("it had ended").to_string();
    assert!(error.ends_with("behind the last chunk is another chunk, allowed: the end"), "{error}");
}

#[test]
fn another_version_and_another_file_are_refused_by_name() {
    let (bytes, _) = recorded();
    let mut other = bytes.clone();
    other[8] = 4;
    let error = read(&other).expect_err("an older version").to_string();
    assert_eq!(error, "offset 8: the version is 4, allowed: 6");
    let error = read(b"PK\x03\x04 and so on").expect_err("another file").to_string();
    assert!(error.starts_with("offset 0: the magic is [50, 4b, 03, 04"), "{error}");
    assert!(read(b"").expect("killed before it wrote").is_none());
}

#[test]
fn a_checksum_does_not_make_steps() {
    const FLUSH: u8 = 15;
    let cases: [(&[u8], &str); 24] = [
        (&[], "the bytes of an event end within it"),
        (&[16, 0], "the kind of an event is 16, allowed: 0 to 15"),
        (&[FLUSH], "the bytes of the effects end within it"),
        (&[FLUSH, 13], "the kind of an effect is 13, allowed: 0 to 12, or 255"),
        (&[10, 1, 1], "the bytes of a proposal end within it"),
        (&[0, 0xee], "a disk image cannot be decoded: "),
        (&[2, 1], "the bytes of a number end within it"),
        (&[2, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], "a number is "),
        (&[FLUSH, 8, 200, 0], "an action is 200, allowed: the number of one"),
        (&[FLUSH, 4, 1, 0], "a delivery is 1, allowed: one whose content is known"),
        (&[FLUSH, 6, 1, 0, 20, 1, 0, 0], "the type of a packet is 20, allowed: 1 to 19"),
        (&[FLUSH, 6, 1, 0, 0x84, 0, 0, 0], "how a packet is told is 128, allowed: 0, 32, 64 or 96"),
        // A PROPOSAL without content, a COMMIT with some, a COMMITANDACTIVATE, a zxid of a PING.
        (&[FLUSH, 6, 1, 0, 2, 1, 0, 0], "a packet is Packet { kind: Proposal"),
        (&[FLUSH, 6, 1, 0, 0x24, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "a packet is Packet { kind: C"),
        (&[FLUSH, 6, 1, 0, 9, 1, 0, 0], "a packet is Packet { kind: CommitAndActivate"),
        (&[FLUSH, 6, 1, 0, 0x45, 4, 0, 0], "a packet is Packet { kind: Ping"),
        // An ACKEPOCH with an epoch that is none.
        (&[FLUSH, 6, 1, 0, 0x32, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], "a packet is Packet { kind: Ac"),
        (&[FLUSH, 6, 1, 0, 5, 255, 255, 255, 127, 0, 0], "the number of packets is 268435455"),
        // Two messages, and none of the session layer.
        (&[13, 1, 7, 2, 0, 0], "the number of messages is 2, allowed: one of the session layer"),
        (&[13, 1, 5, 1, 0, 0], "the number of messages is 1, allowed: one of the session layer"),
        // Others say the same in another way.
        (&[FLUSH, 255], "the bytes of the effects end within it"),
        (&[FLUSH, 6, 1, 0, 5, 1, 5, 1, 0, 0], "it is not written as this version writes it"),
        (&[FLUSH, 6, 1, 0, 0x44, 2, 0, 0], "it is not written as this version writes it"),
        (&[FLUSH | 128, 0, 0], "it is not written as this version writes it"),
    ];
    for (step, rule) in cases {
        let mut bytes = header(&first());
        chunk(0, 1, step, true, &mut bytes);
        let error = read(&bytes).expect_err("no step").to_string();
        assert!(error.contains(&format!("step 0: {rule}")), "{step:?}: {error}");
    }
    let mut bytes = header(&first());
    chunk(0, 1, &[FLUSH, 0], false, &mut bytes);
    chunk(1, 1, &[FLUSH, 0, 7], true, &mut bytes);
    let error = read(&bytes).expect_err("one byte too many").to_string();
    assert!(error.contains("step 1: 1 bytes stand behind it, allowed: none"), "{error}");
}

/// Who reads a file of an older build has to find the same bytes.
#[test]
fn the_bytes_stay_what_they_are() {
    let mut buffer = Buffer::new();
    for payload in ["hello", "world"] {
        buffer.begin::<()>(&Event::Propose(payload.into()), None);
        buffer.end::<()>(&[Effect::Note(Note::Action(Action::LeaderPropose))]);
    }
    let mut bytes = header(&first());
    chunk(0, buffer.count(), buffer.bytes(), true, &mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN.concat());
}

const GOLDEN: [&str; 7] = [
    // Magic, version, length of the header.
    "56495654524143450600000031000000",
    // Commit, hash of the core, number, configuration, its text.
    "0730313233616263046265656607010200000000feffffff0fffffffff078008ffffffff03f4030976657273696f6e3d30",
    // XXH3-64 of all that.
    "7b0e0bfc21b816e2",
    // Chunk, the last, first step 0, two steps of 22 bytes; XXH3-64 of the chunk.
    "5643484b010000000000000000000000020000001600000\
0a06e10d0b3499334",
    // Propose, the digest; LeaderPropose, the end.
    "0a2e2d7651b45f7946",
    "081900",
    // Propose, the digest, the same effects.
    "0a429d731a76527fabff",
];

#[test]
fn names_are_those_of_starts() {
    assert_eq!(file_name(Sid(3), 12), "s3-000012.vtrace");
    assert_eq!(parse_file_name("s3-000012.vtrace"), Some((Sid(3), 12)));
    for other in
        ["s3-12", "3-12.vtrace", "s-1.vtrace", "s+3-1.vtrace", "s300-1.vtrace", "s1-.vtrace"]
    {
        assert_eq!(parse_file_name(other), None, "{other}");
    }
}

#[test]
fn numbers_go_on_behind_the_largest_and_are_each_servers_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let next = |sid| next_number(directory.path(), Sid(sid)).expect("it can be read");
    assert_eq!(next(1), 1);
    for name in ["s1-000002.vtrace", "s1-000009.vtrace", "s2-000001.vtrace", "notes.txt"] {
        std::fs::write(directory.path().join(name), "").expect("written");
    }
    assert_eq!((next(1), next(2), next(3)), (10, 2, 1));
    std::fs::write(directory.path().join(file_name(Sid(4), u64::MAX)), "").expect("written");
    assert!(next_number(directory.path(), Sid(4)).is_err());
}

quickcheck! {
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, cut: usize) -> bool {
        let (sound, ends) = recorded();
        let mut mixed = sound[..ends[cut % ends.len()]].to_vec();
        mixed.extend(&bytes);
        let _ = read(&bytes);
        let _ = read(&mixed);
        true
    }
}
