//! Words, names, values and marks of SQL; white space and comments are left out.

/// How a server reads SQL, where servers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Double quotes are around names, and texts may stand between dollar signs.
    Postgres,
    /// Double quotes are around texts, in which a backslash escapes, and backticks around names; `#` begins a comment.
    Mysql,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// A text in quotes.
    Text,
    /// A number.
    Number,
    /// A place for a parameter.
    Parameter,
    /// Anything else: an operator, or one character.
    Mark,
}

/// One token, with where it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub at: usize,
}

impl Token<'_> {
    /// Whether it is this keyword, in whatever case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }

    pub fn is_value(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Number | Kind::Parameter)
    }
}

/// Reads tokens from the front of a text.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// White space and comments; of a comment that MySQL runs (`/*!50000 … */`), only its marks.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let my = self.dialect == Dialect::Mysql;
            self.at += match rest {
                [byte, ..] if byte.is_ascii_whitespace() || *byte == 0 => 1,
                [b'-', b'-', after @ ..] if !my || after.first().is_none_or(u8::is_ascii_whitespace) => line(rest),
                [b'#', ..] if my => line(rest),
                [b'/', b'*', b'!', ..] if my => 3 + digits(&rest[3..]),
                [b'/', b'*', b'M', b'!', ..] if my => 4 + digits(&rest[4..]),
                [b'*', b'/', ..] if my => 2,
                [b'/', b'*', ..] => comment(rest, !my),
                _ => return,
            };
        }
    }

    /// Kind and length of the token at the front.
    fn token(&self) -> Option<(Kind, usize)> {
        let (rest, my) = (self.rest(), self.dialect == Dialect::Mysql);
        Some(match *rest.first()? {
            b'\'' => (Kind::Text, quoted(rest, my)),
            b'"' if my => (Kind::Text, quoted(rest, true)),
            b'"' => (Kind::Quoted, quoted(rest, false)),
            b'`' if my => (Kind::Quoted, quoted(rest, false)),
            b'0'..=b'9' => (Kind::Number, number(rest)),
            b'.' if rest.get(1).is_some_and(u8::is_ascii_digit) && !self.follows_name() => (Kind::Number, number(rest)),
            b'$' if !my => dollar(rest),
            b'?' if my => (Kind::Parameter, 1),
            first if is_word(first) => match prefixed(rest, my) {
                Some(length) => (Kind::Text, length),
                None => {
                    (Kind::Word, rest.iter().take_while(|byte| is_word(**byte) || matches!(**byte, b'0'..=b'9' | b'$')).count())
                }
            },
            b':' if rest.starts_with(b"::") || rest.starts_with(b":=") => (Kind::Mark, 2),
            first if is_operator(first) => (Kind::Mark, operator(rest, my)),
            _ => (Kind::Mark, 1),
        })
    }

    /// Whether a point here goes on with a name: `t.1` is none that anybody writes, `t .5` neither.
    fn follows_name(&self) -> bool {
        self.text.as_bytes()[..self.at].last().is_some_and(|byte| is_word(*byte) || matches!(byte, b'"' | b'`' | b')'))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        let (kind, length) = self.token()?;
        // All that is taken apart byte by byte is ASCII, and other characters are of words.
        let (at, end) = (self.at, (self.at + length).min(self.text.len()));
        self.at = end;
        Some(Token { kind, text: &self.text[at..end], at })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|?".contains(&byte)
}

fn line(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1)
}

fn digits(rest: &[u8]) -> usize {
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Bytes of a comment, which may hold others in PostgreSQL.
fn comment(rest: &[u8], nests: bool) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        match &rest[at..] {
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            [b'/', b'*', ..] if nests => (at, depth) = (at + 2, depth + 1),
            [_, ..] => at += 1,
            [] => return at,
        }
    }
    at
}

/// Bytes of what stands in quotes: a doubled quote belongs to it, and what follows a backslash where that escapes.
fn quoted(rest: &[u8], escapes: bool) -> usize {
    let (quote, mut at) = (rest[0], 1);
    while let Some(byte) = rest.get(at) {
        at += 1;
        match byte {
            b'\\' if escapes => at += 1,
            byte if *byte == quote && rest.get(at) == Some(&quote) => at += 1,
            byte if *byte == quote => return at,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of a text with a letter before it that says how it is written: `E'…'`, `N'…'`, `X'…'`, `B'…'`, `U&'…'`, `_utf8'…'`.
fn prefixed(rest: &[u8], my: bool) -> Option<usize> {
    let prefix = match rest {
        [b'e' | b'E' | b'n' | b'N' | b'x' | b'X' | b'b' | b'B', b'\'', ..] => 1,
        [b'u' | b'U', b'&', b'\'', ..] => 2,
        [b'_', ..] if my => {
            let name = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            (rest.get(name) == Some(&b'\'')).then_some(name)?
        }
        _ => return None,
    };
    Some(prefix + quoted(&rest[prefix..], my || matches!(rest[0], b'e' | b'E')))
}

/// `$1`, or a text between `$tag$` and `$tag$`.
fn dollar(rest: &[u8]) -> (Kind, usize) {
    let number = digits(&rest[1..]);
    if number > 0 {
        return (Kind::Parameter, 1 + number);
    }
    let tag = 1 + rest[1..].iter().take_while(|byte| is_word(**byte) || byte.is_ascii_digit()).count();
    if rest.get(tag) != Some(&b'$') {
        return (Kind::Mark, 1);
    }
    let tag = tag + 1;
    let end = rest[tag..].windows(tag).position(|end| *end == rest[..tag]).map_or(rest.len(), |end| tag + end + tag);
    (Kind::Text, end)
}

fn number(rest: &[u8]) -> usize {
    if matches!(rest, [b'0', b'x' | b'X' | b'b' | b'B' | b'o' | b'O', next, ..] if next.is_ascii_hexdigit()) {
        return 2 + rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit() || **byte == b'_').count();
    }
    let mut at = rest.iter().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_')).count();
    if let [b'e' | b'E', after @ ..] = &rest[at..] {
        let sign = usize::from(matches!(after.first(), Some(b'+' | b'-')));
        let exponent = digits(&after[sign.min(after.len())..]);
        at += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    at
}

/// Bytes of an operator: a sign at its end belongs to what follows it, and a comment ends it. In MySQL, `?` is a parameter and `@` begins
/// a variable.
fn operator(rest: &[u8], my: bool) -> usize {
    let begins_value = |byte: u8| my && matches!(byte, b'?' | b'@');
    let run = match rest {
        [b'@', rest @ ..] if my => 1 + usize::from(rest.first() == Some(&b'@')),
        _ => rest.iter().take_while(|byte| is_operator(**byte) && !begins_value(**byte)).count(),
    };
    let comment = rest[..run].windows(2).position(|pair| pair == b"--" || pair == b"/*").unwrap_or(run);
    let mut run = comment.max(1);
    while run > 1 && matches!(rest[run - 1], b'+' | b'-') {
        run -= 1;
    }
    run
}
