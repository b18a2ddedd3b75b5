//! What a running server tells whoever started it: one JSON object per line.
//!
//! `vivarium server --events` writes them to standard output, `vivarium ensemble` reads them. Logs
//! are for people and may change; these lines are for programs.

pub use node::Told as Event;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// Where events go. Clones go to the same place.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<Receive>>);

type Receive = dyn Fn(&Event) + Send + Sync;

impl Events {
    /// Nowhere.
    pub const fn none() -> Self {
        Self(None)
    }

    /// To a function, which must not block for long: it is called where the event happens.
    pub fn to(receive: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(receive)))
    }

    /// To a writer, a flushed line each. Once writing fails (nobody reads any more) events are
    /// dropped.
    pub fn lines(writer: impl Write + Send + 'static) -> Self {
        let writer = Mutex::new(Some(writer));
        Self::to(move |event| {
            let Ok(mut slot) = writer.lock() else { return };
            let Some(writer) = slot.as_mut() else { return };
            if writeln!(writer, "{}", event.to_line()).and_then(|()| writer.flush()).is_err() {
                *slot = None;
            }
        })
    }

    /// Tells of an event.
    pub fn emit(&self, event: &Event) {
        if let Some(receive) = &self.0 {
            receive(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zab::{Epoch, ServerState, Sid};

    fn events() -> [(Event, &'static str); 3] {
        let (sid, epoch) = (Sid(3), Epoch(7));
        let reason = "elected by 1, 3".to_owned();
        [
            (
                Event::RoleChange { sid, role: ServerState::Leading, epoch, reason },
                r#"{"event":"RoleChange","sid":3,"role":"Leading","epoch":7,"reason":"elected by 1, 3"}"#,
            ),
            (
                Event::Serving { sid, client_port: Some(2183), epoch },
                r#"{"event":"Serving","sid":3,"client_port":2183,"epoch":7}"#,
            ),
            (
                Event::Stopped { sid, reason: "SIGTERM\n".into() },
                r#"{"event":"Stopped","sid":3,"reason":"SIGTERM\n"}"#,
            ),
        ]
    }

    #[test]
    fn lines_are_what_programs_rely_on() {
        for (event, line) in events() {
            assert_eq!(event.to_line(), line);
            assert_eq!(Event::from_line(line), Some(event));
        }
        assert_eq!(Event::from_line("listening on 2181"), None);
        assert_eq!(Event::from_line(r#"{"event":"Stopped","sid":256,"reason":""}"#), None);
    }

    #[test]
    fn each_event_is_one_flushed_line_in_order() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let lines = Events::lines(writer);
        for (event, _) in events() {
            lines.clone().emit(&event);
        }
        drop(lines);
        let text = std::io::read_to_string(reader).expect("UTF-8");
        let read: Vec<Event> =
            text.lines().map(|line| Event::from_line(line).expect(line)).collect();
        assert_eq!(read, events().map(|(event, _)| event));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let lines = Events::lines(writer);
        for (event, _) in events() {
            lines.emit(&event);
            Events::none().emit(&event);
        }
    }
}
