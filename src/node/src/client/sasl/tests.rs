use super::*;

const NONCE: &str = "OA6MG9tEQGm2hh";

fn users() -> BTreeMap<String, Secret> {
    [("bob", "secret"), ("zoë", "pässword")]
        .map(|(name, password)| (name.to_owned(), Secret(password.to_owned())))
        .into()
}

/// A client's answer to the challenge, with some directives changed.
fn response(
    user: &str,
    password: &str,
    change: impl Fn(&mut Vec<(&'static str, String)>),
) -> String {
    let directives = |response: &str| {
        let mut all: Vec<(&'static str, String)> = [
            ("charset", "utf-8"),
            ("username", user),
            ("realm", REALM),
            ("nonce", NONCE),
            ("nc", "00000001"),
            ("cnonce", "OA6MHXh6VqTrRk"),
            ("digest-uri", DIGEST_URI),
            ("response", response),
            ("qop", "auth"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        change(&mut all);
        let written = |(name, value): &(&str, String)| format!("{name}=\"{value}\"");
        all.iter().map(written).collect::<Vec<_>>().join(",")
    };
    let sent = Response::parse(directives("?").as_bytes()).expect("directives");
    let uri = sent.get("digest-uri").unwrap_or_default();
    directives(&sent.hash(password, b"AUTHENTICATE:", uri).unwrap_or_default())
}

fn after_challenge(token: &[u8]) -> Result<Step, Failed> {
    let mut exchange = Exchange::default();
    let challenge = exchange.advance(b"", &users(), || NONCE.to_owned());
    assert_eq!(
        challenge,
        Ok(Step::Challenge(format!(
            "realm=\"zk-sasl-md5\",nonce=\"{NONCE}\",charset=utf-8,algorithm=md5-sess"
        )))
    );
    let step = exchange.advance(token, &users(), || panic!("there is one challenge"));
    assert_eq!(exchange.advance(b"", &users(), String::new), Err(Failed::Over), "it is over");
    step
}

fn user(step: Result<Step, Failed>) -> Result<String, Failed> {
    match step? {
        Step::Proved { user, .. } => Ok(user),
        Step::Challenge(challenge) => panic!("{challenge}"),
    }
}

/// The example of RFC 2831, section 4.
#[test]
fn the_hashes_are_those_of_the_standard() {
    let sent = br#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth"#;
    let sent = Response::parse(sent).expect("directives");
    let uri = b"imap/elwood.innosoft.com";
    let hash = |begin: &[u8]| sent.hash("secret", begin, uri);
    assert_eq!(hash(b"AUTHENTICATE:"), Ok("d388dad90d4bbd760a152321f2143af7".to_owned()));
    assert_eq!(hash(b":"), Ok("ea40f60335c427b5527b84dbabcdfffd".to_owned()));
}

#[test]
fn who_knows_the_password_is_the_user_and_is_shown_that_the_server_knows_it() {
    for (name, password) in [("bob", "secret"), ("zoë", "pässword")] {
        let step = after_challenge(response(name, password, |_| {}).as_bytes());
        let Ok(Step::Proved { user, token }) = step else { panic!("{name}: {step:?}") };
        assert_eq!(user, name);
        assert!(token.starts_with("rspauth=") && token.len() == 40, "{token}");
    }
    let other_name = response("bob", "secret", |all| {
        all.push(("authzid", "somebody else".to_owned()));
        all.push(("maxbuf", "65536".to_owned()));
        all.push(("x-unknown", "1".to_owned()));
    });
    assert_eq!(user(after_challenge(other_name.as_bytes())), Ok("bob".to_owned()));
}

#[test]
fn nobody_else_is_anybody() {
    for (name, password) in
        [("bob", "wrong"), ("bob", ""), ("eve", ""), ("eve", "secret"), ("", "")]
    {
        let step = after_challenge(response(name, password, |_| {}).as_bytes());
        assert_eq!(step, Err(Failed::Password), "{name}");
    }
}

#[test]
fn each_directive_that_is_wrong_or_missing_is_named() {
    for (name, value) in [
        ("realm", "elsewhere"),
        ("nonce", "another"),
        ("nc", "00000002"),
        ("digest-uri", "imap/zk-sasl-md5"),
        ("qop", "auth-int"),
        ("charset", "latin-1"),
    ] {
        let changed = response("bob", "secret", |all| {
            all.iter_mut().filter(|(key, _)| *key == name).for_each(|(_, v)| *v = value.to_owned());
        });
        assert_eq!(after_challenge(changed.as_bytes()), Err(Failed::Wrong(name)));
    }
    for name in ["username", "realm", "nonce", "nc", "cnonce", "digest-uri", "response"] {
        let changed = response("bob", "secret", |all| all.retain(|(key, _)| *key != name));
        assert_eq!(after_challenge(changed.as_bytes()), Err(Failed::Missing(name)));
    }
}

#[test]
fn what_is_no_response_is_refused() {
    for token in
        ["username", "username=\"bob", "username=\"bob\\", "=bob", "a=1,a=2", "a=\"1\"2", "("]
    {
        assert_eq!(after_challenge(token.as_bytes()), Err(Failed::Syntax), "{token}");
    }
    assert_eq!(after_challenge(b""), Err(Failed::Missing("digest-uri")));
    assert_eq!(after_challenge(&[b','; RESPONSE_BYTES_MAX + 1]), Err(Failed::Long));
    let mut exchange = Exchange::default();
    let early = exchange.advance(b"x", &users(), || panic!("no challenge"));
    assert_eq!(early, Err(Failed::InitialResponse));
}
