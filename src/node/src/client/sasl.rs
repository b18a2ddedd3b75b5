//! SASL with the mechanism DIGEST-MD5, as ZooKeeper's servers offer it. (RFC 2831; ZooKeeper:
//! `ZooKeeperSaslServer`, `SaslServerCallbackHandler`; Java: `DigestMD5Server`.)

use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::{Digest, Md5};
use thiserror::Error;

use crate::access::Secret;

/// The name under which ZooKeeper's servers offer SASL, to whichever host clients are connected.
const REALM: &str = "zk-sasl-md5";

/// Whom the client wants to talk to.
const DIGEST_URI: &str = "zookeeper/zk-sasl-md5";

/// The longest response, as in Java.
const RESPONSE_BYTES_MAX: usize = 4096;

/// Where the exchange of tokens over a connection is.
#[derive(Default, Debug)]
pub(super) enum Exchange {
    /// Nothing was said.
    #[default]
    New,
    /// The client was sent a challenge with this nonce.
    Challenged { nonce: String },
    /// The client has proved to be somebody, or has failed to. There is no second exchange.
    Over,
}

/// What follows from a token of the client.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The client is asked to prove who it is.
    Challenge(String),
    /// The client is this user; the token proves to it that this server knows the password.
    Proved { user: String, token: String },
}

/// Why an exchange has failed.
#[derive(PartialEq, Eq, Debug, Error)]
pub(super) enum Failed {
    #[error("DIGEST-MD5 does not begin with a response")]
    InitialResponse,
    #[error("the exchange is over already")]
    Over,
    #[error("a response has at most {RESPONSE_BYTES_MAX} bytes")]
    Long,
    #[error("the response is no list of directives")]
    Syntax,
    #[error("the response lacks {0}")]
    Missing(&'static str),
    #[error("the response has a wrong {0}")]
    Wrong(&'static str),
    #[error("no user has this name and this password")]
    Password,
}

impl Exchange {
    /// Takes the next token of the client. `nonce`: a text that no exchange had before, and that
    /// nobody can guess.
    pub(super) fn advance(
        &mut self,
        token: &[u8],
        users: &BTreeMap<String, Secret>,
        nonce: impl FnOnce() -> String,
    ) -> Result<Step, Failed> {
        match std::mem::replace(self, Self::Over) {
            Self::New if token.is_empty() => {
                let nonce = nonce();
                let challenge =
                    format!("realm=\"{REALM}\",nonce=\"{nonce}\",charset=utf-8,algorithm=md5-sess");
                *self = Self::Challenged { nonce };
                Ok(Step::Challenge(challenge))
            }
            Self::New => Err(Failed::InitialResponse),
            Self::Challenged { nonce } => proved(token, &nonce, users),
            Self::Over => Err(Failed::Over),
        }
    }
}

/// Whom the response to the challenge with this nonce proves the client to be.
fn proved(token: &[u8], nonce: &str, users: &BTreeMap<String, Secret>) -> Result<Step, Failed> {
    if token.len() > RESPONSE_BYTES_MAX {
        return Err(Failed::Long);
    }
    let response = Response::parse(token)?;
    // Of who is no user the response is computed too, so that names cannot be guessed by time.
    let known = response.text("username").and_then(|name| users.get_key_value(&name));
    let password = known.map_or("", |(_, password)| &password.0);
    let uri = response.needed("digest-uri")?;
    let expected = response.hash(password, b"AUTHENTICATE:", uri)?;
    response.check(nonce)?;
    if !is_equal(response.needed("response")?, expected.as_bytes()) {
        return Err(Failed::Password);
    }
    let (user, _) = known.ok_or(Failed::Password)?;
    let token = format!("rspauth={}", response.hash(password, b":", uri)?);
    Ok(Step::Proved { user: user.clone(), token })
}

/// The directives of a response, each once, as bytes.
struct Response(BTreeMap<String, Vec<u8>>);

impl Response {
    fn parse(token: &[u8]) -> Result<Self, Failed> {
        let mut directives = BTreeMap::new();
        let mut rest = token.iter().copied().peekable();
        let is_blank = |byte: &u8| byte.is_ascii_whitespace();
        loop {
            while rest.next_if(|byte| is_blank(byte) || *byte == b',').is_some() {}
            let mut name = String::new();
            while let Some(byte) =
                rest.next_if(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            {
                name.push(char::from(byte.to_ascii_lowercase()));
            }
            if name.is_empty() {
                return if rest.peek().is_none() {
                    Ok(Self(directives))
                } else {
                    Err(Failed::Syntax)
                };
            }
            while rest.next_if(is_blank).is_some() {}
            rest.next_if_eq(&b'=').ok_or(Failed::Syntax)?;
            while rest.next_if(is_blank).is_some() {}
            let mut value = Vec::new();
            if rest.next_if_eq(&b'"').is_some() {
                loop {
                    match rest.next().ok_or(Failed::Syntax)? {
                        b'"' => break,
                        b'\\' => value.push(rest.next().ok_or(Failed::Syntax)?),
                        byte => value.push(byte),
                    }
                }
            } else {
                while let Some(byte) = rest.next_if(|byte| !is_blank(byte) && *byte != b',') {
                    value.push(byte);
                }
            }
            while rest.next_if(is_blank).is_some() {}
            let ends = rest.peek().is_none_or(|byte| *byte == b',');
            if !ends || directives.insert(name, value).is_some() {
                return Err(Failed::Syntax);
            }
        }
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    fn needed(&self, name: &'static str) -> Result<&[u8], Failed> {
        self.get(name).ok_or(Failed::Missing(name))
    }

    fn is_utf_8(&self) -> bool {
        self.get("charset").is_some()
    }

    /// The characters of a value.
    fn text(&self, name: &str) -> Option<String> {
        let bytes = self.get(name)?;
        match self.is_utf_8() {
            true => String::from_utf8(bytes.to_vec()).ok(),
            false => Some(bytes.iter().copied().map(char::from).collect()),
        }
    }

    /// What must be so whoever the client is.
    fn check(&self, nonce: &str) -> Result<(), Failed> {
        let is = |name, allowed: fn(&[u8], &str) -> bool, expected: &str| {
            let found = self.needed(name)?;
            if allowed(found, expected) { Ok(()) } else { Err(Failed::Wrong(name)) }
        };
        let exactly: fn(&[u8], &str) -> bool = |found, expected| found == expected.as_bytes();
        let any_case: fn(&[u8], &str) -> bool =
            |found, expected| found.eq_ignore_ascii_case(expected.as_bytes());
        is("realm", exactly, REALM)?;
        is("nonce", exactly, nonce)?;
        is("nc", exactly, "00000001")?;
        is("digest-uri", any_case, DIGEST_URI)?;
        self.needed("cnonce")?;
        let optional = |name, expected: &str| match self.get(name) {
            Some(found) if !found.eq_ignore_ascii_case(expected.as_bytes()) => {
                Err(Failed::Wrong(name))
            }
            Some(_) | None => Ok(()),
        };
        optional("qop", "auth")?;
        optional("charset", "utf-8")
    }

    /// The proof that somebody knows the password: of the client, or (another `begin`) of the
    /// server.
    fn hash(&self, password: &str, begin: &[u8], uri: &[u8]) -> Result<String, Failed> {
        let username = self.text("username").ok_or(Failed::Missing("username"))?;
        let realm = self.text("realm").ok_or(Failed::Missing("realm"))?;
        let joined = |parts: &[&[u8]]| parts.join(&b':');
        let secret = [&*username, &*realm, password].map(encoded);
        let mut a1 = Md5::digest(joined(&secret.each_ref().map(Vec::as_slice))).to_vec();
        let (nonce, cnonce) = (self.needed("nonce")?, self.needed("cnonce")?);
        for part in [Some(nonce), Some(cnonce), self.get("authzid")].into_iter().flatten() {
            a1.push(b':');
            a1.extend_from_slice(part);
        }
        let a2 = [begin, uri].concat();
        let (a1, a2) = (hex(&Md5::digest(a1)), hex(&Md5::digest(a2)));
        let parts = [a1.as_bytes(), nonce, self.needed("nc")?, cnonce, b"auth", a2.as_bytes()];
        Ok(hex(&Md5::digest(joined(&parts))))
    }
}

/// A text as it is hashed: in ISO-8859-1 if that has its characters, else in UTF-8.
fn encoded(text: &str) -> Vec<u8> {
    let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    latin.unwrap_or_else(|| text.as_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether both are the same, found in a time that does not tell how much of them is.
fn is_equal(found: &[u8], expected: &[u8]) -> bool {
    let differences = found.iter().zip(expected).fold(0, |all, (a, b)| all | (a ^ b));
    found.len() == expected.len() && differences == 0
}

#[cfg(test)]
mod tests;
