//! What a client proves to be, and how it is told.

use wire::client::{ReplyHeader, Response, encode_reply_error};
use wire::frame::frame;
use wire::jute::Record;
use wire::{ErrorCode, Id};

use super::Connection;
use crate::client::auth;
use crate::client::sasl::Step;
use crate::client::shared::Shared;

impl Connection {
    /// The client has proved to be all of these, too. False: it has proved as much as a connection
    /// may.
    pub(in crate::client) fn add_ids(&self, ids: Vec<Id>) -> bool {
        let mut state = self.lock();
        ids.into_iter().all(|id| auth::add(&mut state.auth, id))
    }

    /// Answers an auth packet; a failure ends the connection.
    pub(in crate::client) fn answer_auth(&self, xid: i32, is_proved: bool, shared: &Shared) {
        let error = if is_proved { ErrorCode::Ok } else { ErrorCode::AuthFailed };
        self.say(!is_proved, shared, |out| encode_reply_error(out, xid, 0, error));
    }

    /// Answers a token of SASL. A failed exchange ends the connection, unless the configuration
    /// keeps those who have failed.
    ///
    /// # Errors
    /// Why the exchange has failed.
    pub(in crate::client) fn exchange(
        &self,
        xid: i32,
        token: &[u8],
        shared: &Shared,
    ) -> Result<(), String> {
        let access = &shared.settings.access;
        let step = match (&access.sasl, &shared.secret) {
            (Some(users), Some(secret)) => {
                let nonce = || auth::nonce(secret, self.id);
                let step = self.lock().sasl.advance(token, users, nonce);
                step.map_err(|failed| failed.to_string())
            }
            (Some(_) | None, _) => Err("this server has no users of SASL".to_owned()),
        };
        let answer = step.and_then(|step| match step {
            Step::Challenge(token) => Ok(token),
            Step::Proved { user, token } => match self.add_ids(auth::of_sasl(user, access)) {
                true => Ok(token),
                false => Err("it has proved as much as a connection may".to_owned()),
            },
        });
        let is_required = auth::is_sasl_required(access);
        let (err, ends) = match &answer {
            Err(_) if is_required => (ErrorCode::SessionClosedRequireSaslAuth, true),
            Err(_) if access.keeps_failed_sasl => (ErrorCode::Ok, false),
            Err(_) => (ErrorCode::AuthFailed, true),
            Ok(_) => (ErrorCode::Ok, false),
        };
        let header = ReplyHeader { xid, zxid: 0, err: err.code() };
        let (token, failed) = match answer {
            Ok(token) => (Some(token.into()), Ok(())),
            Err(why) => (None, Err(why)),
        };
        self.say(ends, shared, |out| {
            frame(out, |out| {
                header.encode(out);
                Response::Sasl(token).encode(out);
            });
        });
        failed
    }

    /// The client asks for something, and has not proved what it has to prove first: it is told,
    /// and disconnected.
    pub(in crate::client) fn demand_proof(&self, xid: i32, shared: &Shared) {
        let error = ErrorCode::SessionClosedRequireSaslAuth;
        self.say(true, shared, |out| encode_reply_error(out, xid, 0, error));
    }
}
