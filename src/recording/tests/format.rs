//! What a crash leaves is read as far as it goes; what a crash does not leave is refused.

use std::io::Cursor;

use quickcheck::quickcheck;
use recording::{
    Buffer, Digest, Header, Reader, Refused, Tail, chunk, file_name, header, next_number,
    parse_file_name,
};
use zab::{
    Action, Config, DiskImage, Epoch, Input, Note, Outputs, Peer, Quorum, Sid, Timer, Txn, WriteNo,
    Zxid,
};

fn config() -> Config {
    Config::new(Sid(1), Quorum::majority([Sid(1)].into_iter().collect()))
}

fn first() -> Header {
    Header { commit: "0123abc".to_owned(), number: 7, config: config() }
}

/// The steps of a server alone, which elects itself and commits two transactions.
fn inputs() -> Vec<Input<&'static str>> {
    let durable = |upto| Input::Durable { upto: WriteNo(upto) };
    vec![
        Input::Start(DiskImage {
            accepted: Epoch(1),
            current: Epoch(1),
            snapshot: Zxid::new(Epoch(1), 1),
            log: vec![Txn { zxid: Zxid::new(Epoch(1), 2), payload: "old" }],
        }),
        Input::Timer(Timer::Finalize),
        durable(1),
        durable(2),
        Input::Propose("hello"),
        Input::Propose("world"),
        durable(4),
        Input::Resign,
    ]
}

/// A recording with a chunk for each step, and where the chunks end.
fn recorded() -> (Vec<u8>, Vec<usize>) {
    let (mut peer, mut out, mut buffer) = (Peer::new(config()), Outputs::new(), Buffer::new());
    let mut bytes = header(&first());
    let mut ends = vec![bytes.len()];
    let inputs = inputs();
    for (number, input) in inputs.iter().enumerate() {
        out.clear();
        buffer.begin(input);
        peer.step(input.clone(), &mut out);
        buffer.end(&out);
        let last = number + 1 == inputs.len();
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
fn what_was_recorded_is_read_and_the_core_answers_the_same() {
    let (bytes, _) = recorded();
    let mut reader = Reader::open(Cursor::new(&bytes)).expect("sound").expect("whole");
    assert_eq!(*reader.header(), first());
    let mut peer = Peer::new(reader.header().config);
    let mut proposed = Vec::new();
    for number in 0..inputs().len() {
        let step = reader.step().expect("sound").expect("one more");
        assert_eq!(step.number, number as u64);
        if let Input::Propose(payload) = &step.input {
            proposed.push(*payload);
        }
        let mut out = Outputs::new();
        peer.step(step.input, &mut out);
        assert_eq!(step.outputs, out, "step {number}");
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
    assert_eq!(read(&bytes).expect("sound"), Some((inputs().len(), Tail::Closed)));
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
                assert_eq!((count, offset as usize), (inputs().len() - 1, last));
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
    other[8] = 1;
    let error = read(&other).expect_err("an older version").to_string();
    assert_eq!(error, "offset 8: the version is 1, allowed: 4");
    let error = read(b"PK\x03\x04 and so on").expect_err("another file").to_string();
    assert!(error.starts_with("offset 0: the magic is [50, 4b, 03, 04"), "{error}");
    assert!(read(b"").expect("killed before it wrote").is_none());
}

#[test]
fn a_checksum_does_not_make_steps() {
    const NONE: [u8; 8] = [0; 8];
    let outputs = |field: usize, told: u8| {
        let mut word = NONE;
        word[field] = told;
        word
    };
    let step = |words: &[[u8; 8]], values: &[u8]| {
        [&[255, words.len() as u8], words.concat().as_slice(), values].concat()
    };
    let input = |bytes: [u8; 4]| [bytes[0], bytes[1], bytes[2], bytes[3], 0, 0, 0, 0];
    // Resign is 9 as postcard.
    let cases: [(Vec<u8>, &str); 18] = [
        (vec![], "the bytes of a step end within it"),
        (vec![7], "the shape is 7, allowed: the number of one that came before"),
        (vec![255, 2, 0, 0], "the bytes of a shape end within it"),
        (step(&[NONE], &[9]), "the bytes of the outputs end within it"),
        (step(&[input([9, 0, 0, 0])], &[]), "the kind of an input is 9, allowed: 0 to 8"),
        (step(&[NONE; 3], &[9]), "the word behind a shape is 0, allowed: none"),
        (step(&[NONE, NONE], &[0xee]), "an input cannot be decoded: "),
        (step(&[input([7, 2, 0, 0])], &[1, 1]), "the bytes of a digest end within it"),
        (step(&[input([7, 1, 0, 0])], &[]), "a digest is 1, allowed: 0 or 2"),
        (
            step(&[NONE, outputs(5, 1), input([1, 200, 0, 0])], &[9]),
            "an action is 200, allowed: the number of one",
        ),
        (step(&[NONE, outputs(5, 1), input([2, 0, 0, 0])], &[9]), "the kind of a note is 2"),
        (step(&[NONE, outputs(1, 1)], &[9, 3]), "the number of deliveries is 3, allowed: 0"),
        (step(&[NONE, outputs(1, 3)], &[9, 0]), "the kind of deliveries is 3, allowed: 0 to 2"),
        (
            step(&[NONE, outputs(5, 255)], &[9, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
            "the bytes of a note end within it",
        ),
        (step(&[NONE, outputs(0, 255)], &[9, 255]), "the bytes of the length of a list end"),
        // Others say the same in another way.
        (step(&[NONE, outputs(5, 255)], &[9, 0]), "it is not written as this version writes it"),
        (step(&[NONE, outputs(7, 1)], &[9]), "it is not written as this version writes it"),
        (
            // An ACK of 1, which is one more than 0, as the difference 1.
            step(&[NONE, outputs(2, 1), input([3, 1, 3, 2])], &[9, 2]),
            "it is not written as this version writes it",
        ),
    ];
    for (step, rule) in cases {
        let mut bytes = header(&first());
        chunk(0, 1, &step, true, &mut bytes);
        let error = read(&bytes).expect_err("no step").to_string();
        assert!(error.contains(&format!("step 0: {rule}")), "{step:?}: {error}");
    }
    let (mut bytes, resign) = (header(&first()), step(&[NONE, NONE], &[9]));
    chunk(0, 1, &resign, false, &mut bytes);
    chunk(1, 1, &[0, 9, 7], true, &mut bytes);
    let error = read(&bytes).expect_err("one byte too many").to_string();
    assert!(error.contains("step 1: 1 bytes stand behind it, allowed: none"), "{error}");
}

/// Who reads a file of an older build has to find the same bytes.
#[test]
fn the_bytes_stay_what_they_are() {
    let mut buffer = Buffer::new();
    for payload in ["hello", "world"] {
        buffer.begin(&Input::Propose(payload));
        let mut out = Outputs::<&str>::new();
        out.notes.push(Note::Action(Action::LeaderPropose));
        buffer.end(&out);
    }
    let mut bytes = header(&first());
    chunk(0, buffer.count(), buffer.bytes(), true, &mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN.concat());
}

const GOLDEN: [&str; 11] = [
    // Magic, version, length of the header.
    "56495654524143450400000022000000",
    // Commit, number, configuration.
    "073031323361626307010200000000feffffff0fffffffff078008ffffffff03f403",
    // XXH3-64 of all that.
    "ec152a676716cf04",
    // Chunk, the last, first step 0, two steps of 43 bytes.
    "5643484b010000000000000000000000020000002b000000",
    // XXH3-64 of the chunk.
    "395313ece166fe1a",
    // A new shape of three words: Propose, another digest; one note; it is LeaderPropose.
    "ff03",
    "0702000000000000",
    "0000000000010000",
    "0119000000000000",
    // The digest.
    "2e2d7651b45f7946",
    // The first shape again, the digest.
    "00429d731a76527fab",
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
