//! Java's login configuration (JAAS), in which the users of SASL are listed.
//!
//! As `sun.security.provider.ConfigFile` reads it: `NAME { CLASS FLAG OPTION="VALUE" ...; ... };`,
//! with the comments of Java. Messages never have a value in them, for passwords are values.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A login module, and what it is told.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) class: String,
    pub(super) options: Vec<(String, String)>,
}

/// The sections of a file.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Vec<Module>>, String> {
    let mut tokens = Tokens { rest: text.chars().peekable(), line: 1, peeked: None };
    let mut sections = BTreeMap::new();
    while let Some(token) = tokens.next()? {
        let Token::Word(name) = token else { return Err(tokens.wanted("the name of a section")) };
        tokens.expect('{')?;
        let mut modules = Vec::new();
        while !tokens.takes('}')? {
            modules.push(module(&mut tokens)?);
        }
        tokens.expect(';')?;
        if sections.insert(name.clone(), modules).is_some() {
            return Err(format!("line {}: section {name} is there twice", tokens.line));
        }
    }
    Ok(sections)
}

fn module(tokens: &mut Tokens<'_>) -> Result<Module, String> {
    let class = tokens.word("the class of a login module")?;
    let flag = tokens.word("required, requisite, sufficient or optional")?;
    const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];
    if !FLAGS.iter().any(|known| flag.eq_ignore_ascii_case(known)) {
        return Err(tokens.wanted("required, requisite, sufficient or optional"));
    }
    let mut options = Vec::new();
    while !tokens.takes(';')? {
        let name = tokens.word("the name of an option, or ;")?;
        tokens.expect('=')?;
        let value = tokens.word("the value of an option")?;
        if value.contains("${") {
            return Err(tokens.wanted("a value without ${: properties are not put in"));
        }
        options.push((name, value));
    }
    Ok(Module { class, options })
}

enum Token {
    Word(String),
    Sign(char),
}

struct Tokens<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    peeked: Option<Token>,
}

impl Tokens<'_> {
    fn wanted(&self, what: &str) -> String {
        format!("line {}: allowed here: {what}", self.line)
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        match self.next()? {
            Some(Token::Word(word)) => Ok(word),
            Some(Token::Sign(_)) | None => Err(self.wanted(what)),
        }
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        match self.takes(sign)? {
            true => Ok(()),
            false => Err(self.wanted(&sign.to_string())),
        }
    }

    /// Takes the next token if it is this sign.
    fn takes(&mut self, sign: char) -> Result<bool, String> {
        match self.next()? {
            Some(Token::Sign(found)) if found == sign => Ok(true),
            Some(token) => {
                self.peeked = Some(token);
                Ok(false)
            }
            None => Err(self.wanted(&sign.to_string())),
        }
    }

    fn char(&mut self) -> Option<char> {
        let c = self.rest.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    fn next(&mut self) -> Result<Option<Token>, String> {
        if let Some(token) = self.peeked.take() {
            return Ok(Some(token));
        }
        loop {
            match self.char() {
                None => return Ok(None),
                Some(c) if c.is_whitespace() => {}
                Some('/') if self.rest.next_if_eq(&'/').is_some() => {
                    while self.char().is_some_and(|c| c != '\n') {}
                }
                Some('/') if self.rest.next_if_eq(&'*').is_some() => self.skip_comment()?,
                Some('"') => return self.quoted().map(|text| Some(Token::Word(text))),
                Some(c) if is_of_word(c) => {
                    let mut word = String::from(c);
                    while let Some(c) = self.rest.next_if(|c| is_of_word(*c)) {
                        word.push(c);
                    }
                    return Ok(Some(Token::Word(word)));
                }
                Some(c) => return Ok(Some(Token::Sign(c))),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), String> {
        while let Some(c) = self.char() {
            if c == '*' && self.rest.next_if_eq(&'/').is_some() {
                return Ok(());
            }
        }
        Err(self.wanted("the end of a comment"))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.char() {
                None | Some('\n') => return Err(self.wanted("a text with a quote at its end")),
                Some('"') => return Ok(text),
                Some('\\') => match self.char() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(c) if !c.is_alphanumeric() && c != '\n' => text.push(c),
                    Some(_) | None => return Err(self.wanted("\\n, \\t, \\r, \\\\ or \\\"")),
                },
                Some(c) => text.push(c),
            }
        }
    }
}

/// Java's parts of words, and those that it is told to take for such.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '$' | '*' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        // Of the quorum.
        QuorumServer { org.x.Y required; };
        /* Of
           clients. */
        Server {
            org.apache.zookeeper.server.auth.DigestLoginModule REQUIRED
            user_super="super_secret"
            user_bob="a \"b\" \\ = ; é"
            debug=true;
        };
        Empty {};
    "#;

    #[test]
    fn sections_have_modules_with_options() {
        let Ok(sections) = parse(FILE) else { panic!("it is in order") };
        assert_eq!(sections.keys().collect::<Vec<_>>(), ["Empty", "QuorumServer", "Server"]);
        let [server] = &sections["Server"][..] else { panic!("one module") };
        assert_eq!(server.class, "org.apache.zookeeper.server.auth.DigestLoginModule");
        let options = server.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(
            options.collect::<Vec<_>>(),
            [("user_super", "super_secret"), ("user_bob", "a \"b\" \\ = ; é"), ("debug", "true")]
        );
        assert!(parse("").is_ok_and(|sections| sections.is_empty()));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_without_a_value() {
        for (text, line) in [
            ("Server", 1),
            ("Server {", 1),
            ("Server {\n a.B required user_bob=\"hidden\" }", 2),
            ("Server {\n a.B needed;\n};", 2),
            ("Server {\n a.B required user_bob=hidden", 2),
            ("Server {\n a.B required user_bob=\"hidden", 2),
            ("Server {\n a.B required x=\"${hidden}\";\n};", 2),
            ("Server {\n a.B required x=\"\\hidden\";\n};", 2),
            ("Server {}", 1),
            ("{};", 1),
            ("/* Server", 1),
            ("A {};\nA {};", 2),
        ] {
            let Err(error) = parse(text) else { panic!("{text} was read") };
            assert!(error.starts_with(&format!("line {line}:")), "{text}: {error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
