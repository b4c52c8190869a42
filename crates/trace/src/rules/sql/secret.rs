//! Where secrets stand in an SQL text: behind a name that says so, and in the column of such a name.

use std::ops::Range;

use super::lex::{Dialect, Kind, Token, Tokens};

/// One place of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A value with its quotes, by its bytes in the text.
    Value(Range<usize>),
    /// A parameter, counted from 0.
    Parameter(usize),
}

/// Columns of an INSERT that are looked at.
const COLUMNS_MAX: usize = 4096;

/// Whether the next value is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    No,
    /// A name said so, when so many parentheses were open.
    Secret(usize),
    /// `SET PASSWORD FOR …`: from the next `=` on.
    AfterEquals,
    /// `IDENTIFIED WITH …`: the next word is a method's name.
    Method(usize),
}

/// How far the column list of an INSERT has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Columns {
    No,
    /// The first parenthesis opens the list.
    Wanted,
    Inside,
    Known,
    /// Rows follow; in one, which column it is.
    Rows(usize),
}

struct Search<F> {
    is_secret: F,
    next: Next,
    columns: Columns,
    secret_columns: Vec<bool>,
    depth: usize,
    parameters: usize,
    found: Vec<Secret>,
}

/// The secrets of a text, in order, by what `is_secret` says of names.
pub fn secrets(text: &str, dialect: Dialect, is_secret: impl Fn(&[u8]) -> bool) -> Vec<Secret> {
    let mut search = Search {
        is_secret,
        next: Next::No,
        columns: Columns::No,
        secret_columns: Vec::new(),
        depth: 0,
        parameters: 0,
        found: Vec::new(),
    };
    Tokens::new(text, dialect).for_each(|token| search.token(&token));
    search.found
}

/// Whether what a text gives may hold secrets, as far as the names in it tell: it names one, or asks for all columns.
pub fn asks_for(text: &str, dialect: Dialect, is_secret: impl Fn(&[u8]) -> bool) -> bool {
    const NAMING: &[&str] = &["select", "with", "insert", "update", "delete", "values", "show", "explain"];
    let tokens: Vec<Token<'_>> = Tokens::new(text, dialect).collect();
    let names_secret = |token: &Token<'_>| {
        matches!(token.kind, Kind::Word | Kind::Quoted) && is_secret(token.text.trim_matches(['"', '`']).as_bytes())
    };
    let all = |pair: &[Token<'_>]| pair[1].is_mark("*") && !pair[0].is_mark("(");
    let names_columns = tokens.first().is_some_and(|first| NAMING.iter().any(|word| first.is(word)))
        || tokens.first().is_some_and(|first| first.is("copy")) && tokens.iter().any(|token| token.is_mark("("));
    !names_columns || tokens.iter().any(names_secret) || tokens.windows(2).any(all)
}

impl<F: Fn(&[u8]) -> bool> Search<F> {
    fn token(&mut self, token: &Token<'_>) {
        match token.kind {
            Kind::Word | Kind::Quoted => self.word(token),
            Kind::Mark => self.mark(token.text),
            Kind::Text | Kind::Number | Kind::Parameter => self.value(token),
        }
    }

    fn word(&mut self, token: &Token<'_>) {
        if token.is("insert") || token.is("replace") {
            self.columns = Columns::Wanted;
        } else if token.is("values") && self.columns == Columns::Known {
            self.columns = Columns::Rows(0);
        } else if token.is("values") || token.is("select") {
            self.columns = Columns::No;
        }
        let is_secret = token.is("identified") || (self.is_secret)(token.text.trim_matches(['"', '`']).as_bytes());
        if self.columns == Columns::Inside {
            if let Some(last) = self.secret_columns.last_mut() {
                *last = is_secret;
            }
            return;
        }
        let goes_on =
            ["by", "as", "to", "using", "in", "like", "encrypted", "is", "not", "any"].iter().any(|word| token.is(word));
        self.next = match self.next {
            Next::Method(depth) => Next::Secret(depth),
            Next::Secret(depth) if token.is("with") || token.is("via") => Next::Method(depth),
            Next::Secret(_) if token.is("for") => Next::AfterEquals,
            Next::AfterEquals => Next::AfterEquals,
            _ if is_secret => Next::Secret(self.depth),
            Next::Secret(depth) if goes_on => Next::Secret(depth),
            _ => Next::No,
        };
    }

    fn mark(&mut self, mark: &str) {
        match mark {
            "(" => self.open(),
            ")" => self.close(),
            "," => self.comma(),
            ";" => (self.next, self.columns) = (Next::No, Columns::No),
            "=" if self.next == Next::AfterEquals => self.next = Next::Secret(self.depth),
            "=" | ":=" | "<>" | "!=" | "::" | "." | "[" | "]" | "@" => {}
            _ if self.next == Next::AfterEquals => {}
            _ => self.next = Next::No,
        }
    }

    fn open(&mut self) {
        self.depth += 1;
        match self.columns {
            Columns::Wanted => (self.columns, self.secret_columns) = (Columns::Inside, vec![false]),
            Columns::Rows(_) if self.depth == 1 => self.columns = Columns::Rows(0),
            _ => {}
        }
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.columns == Columns::Inside && self.depth == 0 {
            self.columns = Columns::Known;
        }
        self.next = match self.next {
            Next::Secret(depth) if depth <= self.depth && self.columns == Columns::No => Next::No,
            other => other,
        };
    }

    fn comma(&mut self) {
        match &mut self.columns {
            Columns::Inside if self.secret_columns.len() < COLUMNS_MAX => self.secret_columns.push(false),
            Columns::Rows(column) if self.depth == 1 => *column += 1,
            _ => {}
        }
        self.next = match self.next {
            Next::Secret(depth) if self.depth > depth => Next::Secret(depth),
            _ => Next::No,
        };
    }

    fn value(&mut self, token: &Token<'_>) {
        let in_column = match self.columns {
            Columns::Rows(column) if self.depth >= 1 => self.secret_columns.get(column).copied().unwrap_or(false),
            _ => false,
        };
        let secret = in_column || matches!(self.next, Next::Secret(_));
        let parameter = match token.text.strip_prefix('$').map(str::parse::<usize>) {
            Some(Ok(number)) => number.saturating_sub(1),
            _ => self.parameters,
        };
        self.parameters += usize::from(token.kind == Kind::Parameter);
        match token.kind {
            _ if !secret => {}
            Kind::Parameter => self.found.push(Secret::Parameter(parameter)),
            _ => self.found.push(Secret::Value(token.at..token.at + token.text.len())),
        }
        if !matches!(self.next, Next::Secret(depth) if self.depth > depth) && self.next != Next::AfterEquals {
            self.next = Next::No;
        }
    }
}
