//! What each rule is about, told as a story: two clients, 1 and 2, and a node or two.

use history::answer::{Answer, Outcome, Stat};
use history::operation::{
    ClientId, Data, ErrorCode, Mode, Read, ReadKind, Request, SessionId, SetWatches, Time, Write,
    Zxid,
};
use history::record::{EventKind, Node, Transaction, TreeRecord, Txn};
use history::report::{Call, Report};
use history::{Recorder, Rule, Verdict};

/// A history that is written down line by line. Every line is a moment later than the last.
struct Story {
    recorder: Recorder,
    clock: u64,
    xids: [i32; 4],
}

const DONE: Outcome = Outcome::Ok(Answer::Done);

const NO_NODE: Outcome = Outcome::Error(ErrorCode::NO_NODE);

impl Story {
    /// Clients 1 and 2 have sessions with the same number.
    fn new() -> Self {
        let mut story = Self { recorder: Recorder::new(), clock: 0, xids: [0; 4] };
        for client in [1, 2] {
            let at = story.now();
            story.recorder.begun(ClientId(client), SessionId(client as i64), at);
        }
        story
    }

    fn now(&mut self) -> Time {
        self.clock += 1;
        Time(self.clock)
    }

    fn asks(&mut self, client: usize, asked: Request) -> Call {
        self.xids[client] += 1;
        let at = self.now();
        self.recorder.invoke(SessionId(client as i64), self.xids[client], at, asked)
    }

    fn told(&mut self, call: Call, zxid: i64, outcome: Outcome) {
        let at = self.now();
        self.recorder.respond(call, at, Zxid(zxid), outcome);
    }

    /// A client asks and is told, and nothing else happens meanwhile.
    fn does(&mut self, client: usize, asked: Request, zxid: i64, outcome: Outcome) {
        let call = self.asks(client, asked);
        self.told(call, zxid, outcome);
    }

    fn event(&mut self, client: i64, kind: EventKind, path: &str, zxid: Option<i64>) {
        let at = self.now();
        self.recorder.event(SessionId(client), at, kind, path, zxid.map(Zxid));
    }

    fn log(&mut self, zxid: i64, client: i64, xid: i32, txn: Txn) {
        let (zxid, session) = (Zxid(zxid), SessionId(client));
        self.recorder.transaction(Transaction { zxid, session, xid, time: Some(0), txn });
    }

    fn report(self) -> Report {
        self.recorder.finish().check().expect("a history")
    }

    fn holds(self) {
        let report = self.report();
        assert_eq!(report.verdict(), Verdict::Holds, "{report}");
    }

    /// Exactly this rule is broken, once.
    fn breaks(self, rule: Rule) -> String {
        let report = self.report();
        assert_eq!(report.violations_total, 1, "{report}");
        assert_eq!(report.violations[0].rule, rule, "{report}");
        report.violations[0].sentence.clone()
    }
}

fn create(path: &str, data: &str) -> Request {
    let (path, data, mode) = (path.to_owned(), Data::from(data), Mode::Persistent);
    Request::Write(Write::Create { path, data, mode, sequential: false })
}

fn created(path: &str) -> Outcome {
    Outcome::Ok(Answer::Created { path: path.to_owned(), stat: None })
}

fn sequential(path: &str) -> Request {
    let (path, data, mode) = (path.to_owned(), Data::default(), Mode::Persistent);
    Request::Write(Write::Create { path, data, mode, sequential: true })
}

fn set(path: &str, data: &str) -> Request {
    let (path, data) = (path.to_owned(), Data::from(data));
    Request::Write(Write::SetData { path, data, version: -1 })
}

fn delete(path: &str) -> Write {
    Write::Delete { path: path.to_owned(), version: -1 }
}

fn get(path: &str) -> Request {
    Request::Read(Read { kind: ReadKind::GetData, path: path.to_owned(), watch: false })
}

fn get_and_watch(path: &str) -> Request {
    Request::Read(Read { kind: ReadKind::GetData, path: path.to_owned(), watch: true })
}

fn exists_and_watch(path: &str) -> Request {
    Request::Read(Read { kind: ReadKind::Exists, path: path.to_owned(), watch: true })
}

fn sync() -> Request {
    Request::Sync { path: "/".to_owned() }
}

/// The Stat of a node of one byte, created by `czxid` and last set by `mzxid`.
fn stat(czxid: i64, mzxid: i64, version: i32) -> Stat {
    let (czxid, mzxid) = (Zxid(czxid), Zxid(mzxid));
    Stat { czxid, mzxid, pzxid: czxid, version, length: 1, ..Stat::default() }
}

fn set_to(czxid: i64, mzxid: i64, version: i32) -> Outcome {
    Outcome::Ok(Answer::Stat(stat(czxid, mzxid, version)))
}

fn data(text: &str, czxid: i64, mzxid: i64, version: i32) -> Outcome {
    Outcome::Ok(Answer::Data { data: Data::from(text), stat: stat(czxid, mzxid, version) })
}

/// Client 1 creates /a with "0" as 1 and sets it to "1" as 2.
fn written() -> Story {
    let mut story = Story::new();
    story.does(1, create("/a", "0"), 1, created("/a"));
    story.does(1, set("/a", "1"), 2, set_to(1, 2, 1));
    story
}

#[test]
fn a_server_that_lags_may_be_read() {
    let mut story = written();
    story.does(2, get("/a"), 1, data("0", 1, 1, 0));
    story.does(2, get("/a"), 2, data("1", 1, 2, 1));
    story.holds();
}

#[test]
fn a_session_does_not_go_back_to_a_server_that_lags_more() {
    let mut story = written();
    story.does(2, get("/a"), 2, data("1", 1, 2, 1));
    story.does(2, get("/a"), 1, data("0", 1, 1, 0));
    let sentence = story.breaks(Rule::ReadsNeverGoBack);
    assert_eq!(
        sentence,
        "getData /a (0x2#2) is at 0x1; the session knew 0x2 from getData /a (0x2#1)"
    );
}

#[test]
fn a_session_reads_what_it_has_written() {
    let mut story = written();
    story.does(1, get("/a"), 1, data("0", 1, 1, 0));
    story.breaks(Rule::ReadYourWrites);
}

#[test]
fn behind_a_sync_nothing_old_is_read() {
    let mut story = written();
    story.does(2, sync(), 2, DONE);
    story.does(2, get("/a"), 1, data("0", 1, 1, 0));
    story.breaks(Rule::SyncIsFresh);
}

/// ZooKeeper's own sync does this when a leader was deposed and does not know it (ZOOKEEPER-1675).
#[test]
fn a_sync_that_misses_what_was_acknowledged_before_is_seen() {
    let mut story = written();
    story.does(2, sync(), 1, DONE);
    story.breaks(Rule::SyncIsFresh);
}

#[test]
fn a_write_may_be_ordered_in_either_way_with_one_beside_it() {
    let mut story = written();
    let first = story.asks(1, set("/a", "2"));
    let second = story.asks(2, set("/a", "3"));
    story.told(first, 4, set_to(1, 4, 3));
    story.told(second, 3, set_to(1, 3, 2));
    story.holds();
}

#[test]
fn a_write_comes_behind_what_was_acknowledged_before_it_began() {
    let mut story = Story::new();
    story.does(1, create("/a", "0"), 1, created("/a"));
    story.does(2, set("/a", "1"), 3, set_to(1, 3, 2));
    story.does(1, set("/a", "2"), 2, set_to(1, 2, 1));
    let sentence = story.breaks(Rule::WritesFollowRealTime);
    assert!(sentence.ends_with("setData /a to \"1\" version -1 (0x2#1) showed 0x3"), "{sentence}");
}

#[test]
fn what_nobody_wrote_is_invented() {
    let mut story = written();
    story.does(2, get("/a"), 2, data("7", 1, 2, 1));
    story.breaks(Rule::NothingInvented);
}

#[test]
fn old_data_under_a_new_zxid_is_not_the_tree() {
    let mut story = written();
    story.does(2, get("/a"), 2, data("0", 1, 1, 0));
    story.breaks(Rule::ReadIsTheTree);
}

#[test]
fn two_creates_of_one_parent_do_not_get_one_number() {
    let mut story = Story::new();
    story.does(1, create("/q", ""), 1, created("/q"));
    story.does(1, sequential("/q/n-"), 2, created("/q/n-0000000000"));
    story.does(2, sequential("/q/n-"), 3, created("/q/n-0000000000"));
    story.breaks(Rule::SequentialNumber);
}

#[test]
fn a_write_of_unknown_outcome_may_be_done_or_not_and_the_log_says_which() {
    for is_done in [true, false] {
        let mut story = Story::new();
        story.does(1, create("/a", "0"), 1, created("/a"));
        story.asks(1, set("/a", "1"));
        let at = story.now();
        story.recorder.lost(SessionId(1), at);
        let (zxid, text, version) = if is_done { (2, "1", 1) } else { (1, "0", 0) };
        story.does(2, get("/a"), zxid, data(text, 1, zxid, version));
        let (path, mode) = ("/a".to_owned(), Mode::Persistent);
        story.log(1, 1, 1, Txn::Create { path: path.clone(), data: Data::from("0"), mode });
        if is_done {
            story.log(2, 1, 2, Txn::SetData { path, data: Data::from("1"), version: 1 });
        }
        story.holds();
    }
}

#[test]
fn without_a_log_a_write_of_unknown_outcome_leaves_reads_undecided() {
    let mut story = Story::new();
    story.does(1, create("/a", "0"), 1, created("/a"));
    story.asks(1, set("/a", "1"));
    story.does(2, get("/a"), 2, data("1", 1, 2, 1));
    let report = story.report();
    assert_eq!((report.verdict(), report.counts.undecided), (Verdict::Undecided, 1), "{report}");
}

#[test]
fn what_was_acknowledged_is_in_the_log() {
    let mut story = Story::new();
    story.does(1, create("/a", "0"), 2, created("/a"));
    story.log(1, 1, 0, Txn::CreateSession);
    story.log(3, 2, 0, Txn::CreateSession);
    story.breaks(Rule::AcknowledgedIsThere);
}

#[test]
fn a_multi_is_not_done_in_part() {
    let mut story = written();
    let both = Request::Multi(vec![delete("/a"), delete("/b")]);
    // /b does not exist, so the first part is not done either.
    story.does(2, both.clone(), 3, Outcome::failed_multi(2, 1, ErrorCode::NO_NODE));
    story.does(2, get("/a"), 3, data("1", 1, 2, 1));
    story.holds();

    let mut story = written();
    let parts = vec![DONE, Outcome::Error(ErrorCode::NO_NODE)];
    story.does(2, both, 3, Outcome::Ok(Answer::Multi(parts)));
    story.breaks(Rule::MultiIsAtomic);
}

#[test]
fn a_watch_fires_once_and_before_newer_data_is_read() {
    let mut story = Story::new();
    story.does(1, create("/a", "0"), 1, created("/a"));
    story.does(2, get_and_watch("/a"), 1, data("0", 1, 1, 0));
    story.does(1, set("/a", "1"), 2, set_to(1, 2, 1));
    story.event(2, EventKind::DataChanged, "/a", Some(2));
    story.does(1, set("/a", "2"), 3, set_to(1, 3, 2));
    story.does(2, get("/a"), 3, data("2", 1, 3, 2));
    story.holds();
}

#[test]
fn an_event_behind_newer_data_is_late_whatever_node_was_read() {
    let mut story = Story::new();
    story.does(2, exists_and_watch("/a"), 0, NO_NODE);
    story.does(1, create("/a", "0"), 1, created("/a"));
    story.does(2, get("/other"), 1, NO_NODE);
    story.event(2, EventKind::Created, "/a", None);
    story.breaks(Rule::WatchBeforeNewerData);
}

#[test]
fn a_watch_that_does_not_fire_is_missed_when_the_session_sees_the_change() {
    let mut story = Story::new();
    story.does(2, exists_and_watch("/a"), 0, NO_NODE);
    story.does(1, create("/a", "0"), 1, created("/a"));
    story.does(2, get("/a"), 1, data("0", 1, 1, 0));
    story.breaks(Rule::WatchFires);
}

/// A watch is of a connection: if it is lost before the change, nothing is missed.
#[test]
fn a_lost_connection_takes_its_watches_along() {
    let mut story = Story::new();
    story.does(2, exists_and_watch("/a"), 0, NO_NODE);
    let at = story.now();
    story.recorder.lost(SessionId(2), at);
    story.does(1, create("/a", "0"), 1, created("/a"));
    let at = story.now();
    story.recorder.moved(SessionId(2), at);
    story.does(2, get("/a"), 1, data("0", 1, 1, 0));
    story.holds();
}

#[test]
fn watches_that_are_brought_along_announce_what_has_changed_meanwhile() {
    for is_announced in [true, false] {
        let mut story = Story::new();
        story.does(2, exists_and_watch("/a"), 0, NO_NODE);
        let at = story.now();
        story.recorder.lost(SessionId(2), at);
        story.does(1, create("/a", "0"), 1, created("/a"));
        let at = story.now();
        story.recorder.moved(SessionId(2), at);
        let exist = vec!["/a".to_owned()];
        let lists = SetWatches { since: Zxid(0), exist, ..SetWatches::default() };
        let call = story.asks(2, Request::SetWatches(lists));
        if is_announced {
            story.event(2, EventKind::Created, "/a", None);
        }
        story.told(call, 1, DONE);
        if is_announced {
            story.holds();
        } else {
            story.breaks(Rule::WatchFires);
        }
    }
}

#[test]
fn an_ephemeral_node_goes_with_its_session() {
    let ephemeral = |story: &mut Story| {
        let (path, data, mode) = ("/e".to_owned(), Data::from("0"), Mode::Ephemeral);
        let asked = Write::Create { path, data, mode, sequential: false };
        story.does(1, Request::Write(asked), 1, created("/e"));
        story.does(1, Request::Close, 2, DONE);
    };
    let mut story = Story::new();
    ephemeral(&mut story);
    story.does(2, get("/e"), 2, NO_NODE);
    story.holds();

    let mut story = Story::new();
    ephemeral(&mut story);
    let own = Stat { owner: SessionId(1), ..stat(1, 1, 0) };
    story.does(2, get("/e"), 2, Outcome::Ok(Answer::Data { data: Data::from("0"), stat: own }));
    story.breaks(Rule::EphemeralsLiveAsTheirSession);
}

/// The server may still send events when it has answered the close, before it ends the connection.
#[test]
fn watches_of_a_closed_session_may_fire_until_its_connection_ends_and_need_not() {
    for (fires, is_lost) in [(true, false), (false, false), (true, true)] {
        let mut story = written();
        story.does(1, Request::AddWatch { path: "/a".to_owned(), recursive: false }, 2, DONE);
        story.does(1, Request::Close, 3, DONE);
        story.does(2, set("/a", "2"), 4, set_to(1, 4, 2));
        story.does(2, set("/a", "3"), 5, set_to(1, 5, 3));
        if is_lost {
            let at = story.now();
            story.recorder.lost(SessionId(1), at);
        }
        if fires {
            story.event(1, EventKind::DataChanged, "/a", Some(4));
        }
        match is_lost {
            true => assert!(story.breaks(Rule::EventHasCause).contains("/a")),
            false => story.holds(),
        }
    }
}

#[test]
fn nothing_of_a_session_is_done_behind_its_end() {
    let mut story = written();
    story.asks(2, set("/a", "2"));
    let (path, mode) = ("/a".to_owned(), Mode::Persistent);
    story.log(1, 1, 1, Txn::Create { path: path.clone(), data: Data::from("0"), mode });
    story.log(2, 1, 2, Txn::SetData { path: path.clone(), data: Data::from("1"), version: 1 });
    story.log(3, 2, 0, Txn::CloseSession { paths: None });
    story.log(4, 2, 1, Txn::SetData { path, data: Data::from("2"), version: 2 });
    story.breaks(Rule::NothingAfterTheEnd);
}

#[test]
fn a_session_id_is_not_given_to_a_second_client() {
    let mut story = Story::new();
    let at = story.now();
    story.recorder.begun(ClientId(3), SessionId(1), at);
    story.breaks(Rule::SessionIsOneClients);
}

/// A history is input from outside: no number and no path in it costs more than its length.
#[test]
fn extreme_numbers_and_paths_are_only_wrong() {
    let mut story = Story::new();
    let path = "/a".repeat(100_000);
    let node = Node { path: path.clone(), data: Data::default(), stat: Stat::default() };
    story.recorder.start(TreeRecord { zxid: Zxid(i64::MIN), nodes: vec![node] });
    story.does(1, get(&path), i64::MAX, data("x", i64::MAX, i64::MIN, i32::MAX));
    story.asks(2, create(&path, ""));
    story.does(1, set(&path, ""), i64::MAX, set_to(i64::MIN, i64::MAX, i32::MIN));
    story.does(2, Request::Close, i64::MIN, DONE);
    story.does(2, Request::Multi(Vec::new()), 0, Outcome::Ok(Answer::Multi(Vec::new())));
    assert_eq!(story.report().verdict(), Verdict::Violated);
}
