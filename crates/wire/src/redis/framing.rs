//! Where commands and answers end.

use super::find::find_start;
use crate::{Framed, Framing, Hole, Malformed, Side, Start, Step, more, step};

/// Bytes of a line: a short answer, an error, or an inline command.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// Bytes of one string, as servers limit it by default (`proto-max-bulk-len`).
pub const BULK_BYTES_MAX: u64 = 512 << 20;
/// Values of one array, map, set or command.
pub const AGGREGATE_VALUES_MAX: u64 = i32::MAX as u64;
/// Arrays in arrays.
pub const DEPTH_MAX: usize = 64;
/// Digits of a length or count.
const DIGITS_MAX: u8 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a value.
    Kind,
    /// In the number behind the first byte.
    Count { kind: u8, digits: u8, value: u64, negative: bool, returned: bool },
    /// In a line of which so many bytes were seen.
    Line(usize),
    /// So many bytes of a string and its line end are to come.
    Bulk(u64),
    /// Malformed or lost: waits for a restart.
    Broken,
}

/// Finds where the messages of one side end.
#[derive(Debug, Clone)]
pub struct RespFraming {
    side: Side,
    state: State,
    /// Values that are to come of each aggregate under way, the outermost first.
    open: Vec<u64>,
}

impl RespFraming {
    /// At the beginning of a message.
    #[must_use]
    pub fn new(side: Side) -> Self {
        Self { side, state: State::Kind, open: Vec::new() }
    }

    /// Reads at least one byte; how many, and whether a message ends behind them.
    fn proceed(&mut self, bytes: &[u8]) -> Result<(usize, bool), &'static str> {
        match self.state {
            State::Kind => self.kind(bytes[0]),
            State::Count { .. } => self.count(bytes[0]),
            State::Line(LINE_BYTES_MAX) => Err("a line beyond the limit of 64 KiB"),
            State::Line(seen) => {
                let within = &bytes[..bytes.len().min(LINE_BYTES_MAX - seen)];
                if let Some(end) = memchr::memchr(b'\n', within) {
                    return Ok((end + 1, self.value_ends()));
                }
                self.state = State::Line(seen + within.len());
                Ok((within.len(), false))
            }
            State::Bulk(left) => {
                let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.state = State::Bulk(left - here as u64);
                Ok((here, here as u64 == left && self.value_ends()))
            }
            State::Broken => Ok((bytes.len(), false)),
        }
    }

    fn kind(&mut self, kind: u8) -> Result<(usize, bool), &'static str> {
        let (state, used) = match (self.side, kind) {
            (Side::Client, b'*') if self.open.is_empty() => (count(kind), 1),
            (Side::Client, b'$') if !self.open.is_empty() => (count(kind), 1),
            (Side::Client, _) if self.open.is_empty() => (State::Line(0), 0),
            (Side::Server, b'$' | b'!' | b'=' | b'*' | b'%' | b'~' | b'>' | b'|') => (count(kind), 1),
            (Side::Server, b'+' | b'-' | b':' | b',' | b'(' | b'#' | b'_') => (State::Line(1), 1),
            _ => return Err("an unknown type"),
        };
        self.state = state;
        Ok((used, false))
    }

    fn count(&mut self, byte: u8) -> Result<(usize, bool), &'static str> {
        let State::Count { kind, digits, value, negative, returned } = &mut self.state else { return Ok((1, false)) };
        match byte {
            b'0'..=b'9' if !*returned && *digits < DIGITS_MAX => {
                *value = *value * 10 + u64::from(byte - b'0');
                *digits += 1;
            }
            b'-' if *digits == 0 && !*negative => *negative = true,
            b'\r' if *digits > 0 => *returned = true,
            b'\n' if *returned => {
                let (kind, value) = (*kind, if *negative { None } else { Some(*value) });
                return Ok((1, self.counted(kind, value)?));
            }
            _ => return Err("a length that is no number"),
        }
        Ok((1, false))
    }

    /// A length or count was read; `None` for the -1 of what is null. Whether a message ends here.
    fn counted(&mut self, kind: u8, value: Option<u64>) -> Result<bool, &'static str> {
        match (kind, value) {
            (b'$' | b'!' | b'=', Some(length)) if length <= BULK_BYTES_MAX => {
                self.state = State::Bulk(length + 2);
                Ok(false)
            }
            (b'*' | b'$', None) => Ok(self.value_ends()),
            (b'*' | b'~' | b'>', Some(values)) => self.aggregate(values),
            (b'%', Some(pairs)) => self.aggregate(pairs * 2),
            (b'|', Some(pairs)) => {
                // The value that the attributes are of comes behind them, and counts for both.
                match self.open.last_mut() {
                    Some(left) => *left += 1,
                    None => self.open.push(2),
                }
                self.aggregate(pairs * 2)
            }
            _ => Err("a length beyond the limit"),
        }
    }

    fn aggregate(&mut self, values: u64) -> Result<bool, &'static str> {
        if values > AGGREGATE_VALUES_MAX || self.open.len() >= DEPTH_MAX {
            return Err("more values than the limit, or nested too deeply");
        }
        if values == 0 {
            return Ok(self.value_ends());
        }
        self.open.push(values);
        self.state = State::Kind;
        Ok(false)
    }

    /// A value is complete; whether that completes the message.
    fn value_ends(&mut self) -> bool {
        self.state = State::Kind;
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

fn count(kind: u8) -> State {
    State::Count { kind, digits: 0, value: 0, negative: false, returned: false }
}

impl Framing for RespFraming {
    fn read(&mut self, bytes: &[u8]) -> Step<Framed> {
        let mut used = 0;
        while used < bytes.len() {
            match self.proceed(&bytes[used..]) {
                Ok((here, true)) => return step(used + here, Framed::End),
                Ok((here, false)) => used += here,
                Err(what) => {
                    self.state = State::Broken;
                    return step(used, Framed::Malformed(Malformed { what, offset: used }));
                }
            }
        }
        more(used)
    }

    fn skip(&mut self, missing: u64) -> Hole {
        match self.state {
            State::Bulk(left) if missing < left => {
                self.state = State::Bulk(left - missing);
                Hole::Inside
            }
            State::Bulk(left) if missing == left => {
                if self.value_ends() {
                    Hole::ToEnd
                } else {
                    Hole::Inside
                }
            }
            State::Bulk(_) if self.open.iter().all(|left| *left == 1) => {
                self.state = State::Broken;
                Hole::Past
            }
            _ => {
                self.state = State::Broken;
                Hole::Lost
            }
        }
    }

    fn restart(&mut self) {
        self.state = State::Kind;
        self.open.clear();
    }

    fn find_start(&self, bytes: &[u8]) -> Start {
        find_start(self.side, bytes)
    }
}
