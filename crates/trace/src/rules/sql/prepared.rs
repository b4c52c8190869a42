//! Statements that SQL itself prepares, runs and forgets by name: PREPARE, EXECUTE and DEALLOCATE.

use std::borrow::Cow;
use std::ops::Range;

use super::lex::{Dialect, Kind, Token, Tokens};

/// What a text does with a statement that it calls by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prepared<'a> {
    /// Prepares a statement.
    Prepare {
        /// Its name.
        name: String,
        /// The statement; without its quotes, where it stands in some.
        text: Cow<'a, str>,
        /// Where it stands, its quotes included.
        at: Range<usize>,
    },
    /// Runs a statement.
    Execute {
        /// Its name.
        name: String,
        /// Where the values of its parameters stand, in their order.
        arguments: Vec<Range<usize>>,
    },
    /// Forgets a statement, or all of them where it names none.
    Forget {
        /// Its name.
        name: Option<String>,
    },
}

/// Says what a text does with a statement that it calls by name; `None` where it does nothing of the kind, or more than that.
#[must_use]
pub fn prepared(text: &str, dialect: Dialect) -> Option<Prepared<'_>> {
    const WORDS: &[&str] = &["prepare", "execute", "deallocate", "drop", "discard"];
    let mut tokens = Tokens::new(text, dialect);
    let first = tokens.next().filter(|first| WORDS.iter().any(|word| first.is(word)))?;
    let rest: Vec<Token<'_>> = tokens.collect();
    let end = rest.iter().position(|token| token.is_mark(";")).unwrap_or(rest.len());
    if rest[end..].iter().any(|token| !token.is_mark(";")) {
        return None;
    }
    let rest = &rest[..end];
    let [next, behind @ ..] = rest else { return None };
    match () {
        () if first.is("prepare") => prepare(name(next)?, behind, text, dialect),
        () if first.is("execute") => Some(Prepared::Execute { name: name(next)?, arguments: arguments(behind) }),
        () if first.is("discard") => next.is("all").then_some(Prepared::Forget { name: None }),
        () => {
            let named = match behind {
                [named, ..] if next.is("prepare") => named,
                _ if first.is("deallocate") => next,
                _ => return None,
            };
            Some(Prepared::Forget { name: if named.is("all") { None } else { Some(name(named)?) } })
        }
    }
}

fn name(token: &Token<'_>) -> Option<String> {
    match token.kind {
        Kind::Word => Some(token.text.to_ascii_lowercase()),
        Kind::Quoted => Some(token.text.trim_matches(['"', '`']).to_owned()),
        _ => None,
    }
}

fn prepare<'a>(name: String, behind: &[Token<'a>], text: &'a str, dialect: Dialect) -> Option<Prepared<'a>> {
    let end = |token: &Token<'_>| token.at + token.text.len();
    if dialect == Dialect::Mysql {
        let [from, literal] = behind else { return None };
        let is_literal = from.is("from") && literal.kind == Kind::Text;
        return is_literal.then(|| Prepared::Prepare {
            name,
            text: Cow::Owned(unquoted(literal.text)),
            at: literal.at..end(literal),
        });
    }
    let as_at = behind.iter().position(|token| token.is("as"))?;
    let at = behind.get(as_at + 1)?.at..end(behind.last()?);
    Some(Prepared::Prepare { name, text: Cow::Borrowed(&text[at.clone()]), at })
}

/// What stands between the commas of the outermost parentheses.
fn arguments(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let (mut depth, mut found, mut open) = (0_usize, Vec::new(), None::<Range<usize>>);
    for token in tokens {
        let end = token.at + token.text.len();
        let closes = token.is_mark(")");
        depth = if closes { depth.saturating_sub(1) } else { depth };
        match depth {
            0 => found.extend(open.take()),
            1 if token.is_mark(",") => found.extend(open.take()),
            _ => open = Some(open.map_or(token.at, |open| open.start)..end),
        }
        depth += usize::from(token.is_mark("("));
    }
    found
}

/// The text in quotes of MySQL (Reference Manual, "String Literals").
fn unquoted(literal: &str) -> String {
    let Some(start) = literal.find(['\'', '"']) else { return literal.to_owned() };
    let quote = char::from(literal.as_bytes()[start]);
    let mut inner = literal[start + 1..].chars();
    let mut out = String::new();
    while let Some(next) = inner.next() {
        match next {
            '\\' => out.extend(inner.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '0' => '\0',
                other => other,
            })),
            _ if next == quote => out.extend(inner.next().map(|_| quote)),
            _ => out.push(next),
        }
    }
    out
}
