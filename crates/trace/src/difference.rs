//! Examples of replayed answers that differ from the recorded ones: `differences.jsonl` of a run, one JSON object a line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{AtomicFile, Error, Result};

/// What differed between two answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Difference {
    /// Where: a JSON pointer into the body, `status`, `ids/N` (the Nth id, from 0), `byte N`, or `body` where no more is known.
    pub at: String,
    /// What was recorded there, shortened; empty for nothing.
    pub recorded: String,
    /// What came at replay, shortened; empty for nothing.
    pub replayed: String,
}

/// One line of the file: an outcome by `id` and `copy`, and the first difference of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceRow {
    /// The exchange's `id` in the trace.
    pub id: u64,
    /// Which copy of it.
    pub copy: u32,
    /// As recorded.
    pub collection: String,
    /// As recorded.
    pub operation: String,
    /// A [`crate::Match`] by name.
    pub r#match: String,
    /// The first difference.
    #[serde(flatten)]
    pub difference: Difference,
}

fn file_of(dir: &Path) -> PathBuf {
    dir.join("differences.jsonl")
}

/// Writes the examples of the run in `dir`.
///
/// # Errors
/// [`Error::Io`] when the disk is full.
pub fn write_differences(dir: &Path, rows: &[DifferenceRow]) -> Result<()> {
    let path = file_of(dir);
    let mut file = AtomicFile::create(&path)?;
    for row in rows {
        let line = serde_json::to_string(row).map_err(|e| Error::Content { path: path.clone(), reason: e.to_string() })?;
        writeln!(file, "{line}").map_err(|e| Error::io("write", &path, e))?;
    }
    file.commit()
}

/// The examples of the run in `dir`; none where no answers were compared.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Content`] for a line that is none.
pub fn read_differences(dir: &Path) -> Result<Vec<DifferenceRow>> {
    let path = file_of(dir);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let file = std::fs::File::open(&path).map_err(|e| Error::io("read", &path, e))?;
    let read = |line: std::io::Result<String>| {
        let line = line.map_err(|e| Error::io("read", &path, e))?;
        serde_json::from_str(&line).map_err(|e| Error::Content { path: path.clone(), reason: e.to_string() })
    };
    BufReader::new(file).lines().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_differences(dir.path()).unwrap(), []);
        let difference = Difference { at: "/a\nb".into(), recorded: "\"x\"".into(), replayed: String::new() };
        let (collection, operation) = ("a".to_owned(), "GET /".to_owned());
        let row = DifferenceRow { id: 7, copy: 1, collection, operation, r#match: "differs-body".into(), difference };
        let rows = [row.clone(), DifferenceRow { id: 8, ..row }];
        write_differences(dir.path(), &rows).unwrap();
        assert_eq!(read_differences(dir.path()).unwrap(), rows);
        std::fs::write(file_of(dir.path()), "{}\n").unwrap();
        assert!(read_differences(dir.path()).unwrap_err().to_string().contains("differences.jsonl"));
    }
}
