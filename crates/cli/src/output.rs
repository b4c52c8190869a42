//! The one place that prints: results to standard output, everything about them to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

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
