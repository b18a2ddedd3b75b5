//! A read that hangs is one that waits for a channel on which nobody sends.

use std::sync::mpsc;

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn what_hangs_is_left_alone_and_keeps_neither_the_next_nor_the_end_of_the_runtime() {
    let runtime = runtime();
    let threads = Apart::default();
    let (release, hanging) = mpsc::channel::<()>();
    let error = runtime.block_on(threads.run(Duration::ZERO, move || hanging.recv()));
    let error = error.map(drop).expect_err("it waits for the channel");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "reading them has not ended in 0ns: a file system seems to hang");
    assert_eq!(runtime.block_on(threads.run(PATIENCE, || 7)).expect("it ends"), 7);
    drop(runtime);
    release.send(()).expect("it hangs still");
}

#[test]
fn only_so_many_hang_at_a_time_and_what_ends_makes_room() {
    let runtime = runtime();
    let threads = Apart::default();
    let mut releases = Vec::new();
    let mut hang = || {
        let (release, hanging) = mpsc::channel::<()>();
        let error = runtime.block_on(threads.run(Duration::ZERO, move || hanging.recv()));
        error.map(drop).expect_err("it waits for the channel");
        releases.push(release);
    };
    for _ in 0..HANGING_MAX {
        hang();
    }
    let error = runtime.block_on(threads.run(PATIENCE, || 7)).expect_err("there is no room");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(releases.pop());
    while Arc::strong_count(&threads.running) > HANGING_MAX {
        std::thread::yield_now();
    }
    assert_eq!(runtime.block_on(threads.run(PATIENCE, || 7)).expect("there is room"), 7);
}

#[test]
fn a_thread_that_panics_is_an_error() {
    let threads = Apart::default();
    let error = runtime().block_on(threads.run(PATIENCE, || panic!("on purpose")));
    let error = error.expect_err("it has no answer").to_string();
    assert_eq!(error, "the thread that reads them has ended");
    while Arc::strong_count(&threads.running) > 1 {
        std::thread::yield_now();
    }
}
