//! The one place that prints: results to standard output, everything about them to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use analysis::spread::{self, Shape};

use crate::failure::Failure;

/// Writes a verb's result to standard output.
///
/// # Errors
/// [`Failure::PipeClosed`] when the reader has gone; a sentence when the output cannot take it.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
    written.and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::PipeClosed,
        _ => Failure::new(format!("cannot write to standard output: {error}")),
    })
}

/// Writes a line about the work to standard error.
pub fn complain(line: &str) {
    // When standard error is gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A line of progress: rewritten in place on a terminal, plain lines elsewhere.
pub struct Progress {
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Progress on standard error.
    pub fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: false }
    }

    /// Whether lines are rewritten in place, so that they may come often.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Shows the line instead of the one before.
    pub fn show(&mut self, line: &str) {
        let mut err = io::stderr().lock();
        // As in `complain`: without standard error there is nobody to tell.
        let _ = if self.terminal {
            write!(err, "\r\x1b[2K{}", fitting(line)).and_then(|()| err.flush())
        } else {
            writeln!(err, "{line}")
        };
        self.shown = true;
    }

    /// Leaves the terminal's line clean for what comes after.
    pub fn end(&mut self) {
        if self.terminal && self.shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
            self.shown = false;
        }
    }
}

/// Writes a verb's result for people to standard output: on a terminal, lines that are longer are broken between words.
///
/// # Errors
/// As [`say`].
pub fn tell(text: &str) -> Result<(), Failure> {
    let columns = columns();
    say(&text.lines().map(|line| analysis::folded(line, columns, 2)).collect::<Vec<_>>().join("\n"))
}

/// Columns of the terminal, or as many as `COLUMNS` says; where there is neither, nothing needs to fit.
pub fn columns() -> usize {
    known_columns().unwrap_or(usize::MAX)
}

fn known_columns() -> Option<usize> {
    let asked = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0)).or_else(asked)
}

/// How response times are spread, as wide as the terminal, without letters beyond ASCII where the locale has none.
pub fn spread(shapes: &[Shape]) -> String {
    spread::text(shapes, known_columns().unwrap_or(spread::COLUMNS), !is_utf8(|name| std::env::var(name).ok()))
}

/// Whether the locale's letters are those of UTF-8: the first of the three that says something decides (POSIX.1-2017, section 8.2).
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    said.is_some_and(|locale| ["utf-8", "utf8"].iter().any(|charset| locale.to_lowercase().contains(charset)))
}

/// As much of the line as the terminal shows without wrapping; a wrapped line could not be rewritten.
fn fitting(line: &str) -> &str {
    let width = terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0));
    let end = line.char_indices().nth(width.saturating_sub(1)).map_or(line.len(), |(end, _)| end);
    &line[..end]
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_that_says_something_decides() {
        let of = |all: &'static str, ctype: &'static str, lang: &'static str| {
            is_utf8(move |name| {
                let value = match name {
                    "LC_ALL" => all,
                    "LC_CTYPE" => ctype,
                    _ => lang,
                };
                (value != "unset").then(|| value.to_owned())
            })
        };
        assert!(of("unset", "", "en_US.UTF-8") && of("C.utf8", "C", "C"));
        assert!(
            !of("unset", "unset", "unset") && !of("C", "unset", "en_US.UTF-8") && !of("unset", "de_DE.ISO-8859-1", "C.UTF-8")
        );
    }
}
