//! `events.jsonl`: what happened around a run that is no request, a line of JSON each.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits::EVENTS_MAX;
use crate::{Error, Result};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it was seen, ns since run start.
    pub run_ns: i64,
    /// When it was seen, ns since the Unix epoch.
    pub wall_ns: i64,
    /// What it happened to: a probe, as it was asked for.
    pub source: String,
    /// What: `restarted`, `ended`, `started` (a process or server that is watched), `failed`, `recovered` (a probe), `limit`, `missing`.
    pub kind: String,
    /// A sentence.
    pub detail: String,
}

/// Writes the events of a run, each as a whole line at once, so that a kill loses none that was told.
pub struct EventLog {
    path: PathBuf,
    file: Option<File>,
    written: u64,
}

impl EventLog {
    /// The log of the run in `dir`; the file is made with the first event.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join(NAME), file: None, written: 0 }
    }

    /// Writes one event; beyond [`EVENTS_MAX`] it is left out, and the last line says so.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full.
    pub fn push(&mut self, event: &Event) -> Result<()> {
        self.written += 1;
        if self.written > EVENTS_MAX {
            return Ok(());
        }
        let last = (self.written == EVENTS_MAX).then(|| Event {
            kind: "limit".to_owned(),
            detail: format!("there were more than {EVENTS_MAX} events; the others are left out"),
            ..event.clone()
        });
        let mut line = serde_json::to_string(last.as_ref().unwrap_or(event)).expect("an event is plain data");
        line.push('\n');
        let failed = |e| Error::io("write", &self.path, e);
        if self.file.is_none() {
            self.file = Some(File::create(&self.path).map_err(failed)?);
        }
        self.file.as_mut().expect("made above").write_all(line.as_bytes()).map_err(failed)
    }
}

const NAME: &str = "events.jsonl";

/// The events of the run in `dir`; none where nothing happened. A last line that a kill cut short is left out.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Content`] when a whole line of it is no event.
pub fn read_events(dir: &Path) -> Result<Vec<Event>> {
    let path = dir.join(NAME);
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(|e| Error::io("read", &path, e))?,
    };
    let (mut events, mut lines, mut line) = (Vec::new(), BufReader::new(file), String::new());
    while lines.read_line(&mut line).map_err(|e| Error::io("read", &path, e))? > 0 && line.ends_with('\n') {
        let damaged = |e| Error::Content { path: path.clone(), reason: format!("line {}: not an event: {e}", events.len() + 1) };
        events.push(serde_json::from_str(&line).map_err(damaged)?);
        line.clear();
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(run_ns: i64) -> Event {
        Event { run_ns, wall_ns: 7, source: "pid:1".into(), kind: "restarted".into(), detail: "a \"b\"\nc".into() }
    }

    #[test]
    fn events_come_back_and_a_line_cut_short_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_events(dir.path()).unwrap(), []);
        let mut log = EventLog::new(dir.path());
        (0..3).for_each(|at| log.push(&event(at)).unwrap());
        assert_eq!(read_events(dir.path()).unwrap(), [event(0), event(1), event(2)]);
        let path = dir.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        assert_eq!(read_events(dir.path()).unwrap(), [event(0), event(1)]);
        std::fs::write(&path, "{}\n").unwrap();
        assert!(read_events(dir.path()).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn events_have_a_limit_that_the_last_line_tells() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = EventLog::new(dir.path());
        (0..EVENTS_MAX as i64 + 5).for_each(|at| log.push(&event(at)).unwrap());
        let events = read_events(dir.path()).unwrap();
        assert_eq!(events.len() as u64, EVENTS_MAX);
        assert_eq!(events.last().map(|event| event.kind.as_str()), Some("limit"));
    }
}
