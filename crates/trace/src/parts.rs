//! The parts of a run's rolling files: which of them count, and joining small ones without decoding them.
//!
//! A part is named after its kind and the numbers it covers, `outcomes-000003-000003.parquet`; joined parts cover a range. A joined file is
//! renamed into place before the parts it replaces are removed, so a kill in between leaves both, and the wider one counts.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use crate::limits::PART_BYTES_MAX;
use crate::write::AtomicFile;
use crate::{Error, Result, schema};

/// One of a run's rolling files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub path: PathBuf,
    /// First part number it covers.
    pub first: u32,
    /// Last part number it covers.
    pub last: u32,
}

pub(crate) fn file_name(kind: &str, first: u32, last: u32) -> String {
    format!("{kind}-{first:06}-{last:06}.parquet")
}

fn parse(path: &Path, kind: &str) -> Option<Part> {
    let name = path.file_name()?.to_str()?.strip_prefix(kind)?.strip_suffix(".parquet")?;
    let (first, last) = name.strip_prefix('-')?.split_once('-')?;
    Some(Part { path: path.to_owned(), first: first.parse().ok()?, last: last.parse().ok()? })
}

/// The parts of one kind ([`schema::OUTCOMES`], [`schema::RESOURCES`]) of the run in `dir` that count, in order: none that a wider one
/// covers, none still being written.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed.
pub fn part_files(dir: &Path, kind: &str) -> Result<Vec<Part>> {
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?;
    let mut parts = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("read", dir, e))?;
        parts.extend(parse(&entry.path(), kind));
    }
    parts.sort_by_key(|part| (part.first, std::cmp::Reverse(part.last)));
    let mut covered = None;
    parts.retain(|part| {
        let new = covered.is_none_or(|last| part.last > last);
        if new {
            covered = Some(part.last);
        }
        new
    });
    Ok(parts)
}

/// Joins neighbouring parts of one kind of the run in `dir` up to [`PART_BYTES_MAX`].
pub(crate) fn compact(dir: &Path, kind: &str) -> Result<()> {
    let mut group: Vec<Part> = Vec::new();
    let mut group_bytes = 0;
    for part in part_files(dir, kind)? {
        let bytes = std::fs::metadata(&part.path).map_err(|e| Error::io("read", &part.path, e))?.len();
        if group_bytes + bytes > PART_BYTES_MAX {
            join(dir, kind, &std::mem::take(&mut group))?;
            group_bytes = 0;
        }
        group_bytes += bytes;
        group.push(part);
    }
    join(dir, kind, &group)
}

fn join(dir: &Path, kind: &str, group: &[Part]) -> Result<()> {
    let [first, .., last] = group else { return Ok(()) };
    let path = dir.join(file_name(kind, first.first, last.last));
    copy_row_groups(&path, kind, group)?;
    for part in group {
        std::fs::remove_file(&part.path).map_err(|e| Error::io("remove", &part.path, e))?;
    }
    Ok(())
}

/// Copies encoded column chunks as they are.
fn copy_row_groups(path: &Path, kind: &str, group: &[Part]) -> Result<()> {
    let open = |part: &Part| -> Result<(File, SerializedFileReader<File>)> {
        let file = File::open(&part.path).map_err(|e| Error::io("read", &part.path, e))?;
        let copy = file.try_clone().map_err(|e| Error::io("read", &part.path, e))?;
        Ok((file, SerializedFileReader::new(copy).map_err(|e| Error::parquet(&part.path, e))?))
    };
    let failed = |e| Error::parquet(path, e);
    let (_, first) = open(&group[0])?;
    let root = first.metadata().file_metadata().schema_descr().root_schema_ptr();
    let footer = first.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let extra = footer.into_iter().filter(|pair| !pair.key.starts_with("rehearsal.")).collect();
    let properties = Arc::new(schema::properties(kind, extra));
    let mut writer = SerializedFileWriter::new(AtomicFile::create(path)?, root, properties).map_err(failed)?;
    for part in group {
        let (file, reader) = open(part)?;
        for row_group in reader.metadata().row_groups() {
            let mut out = writer.next_row_group().map_err(failed)?;
            for column in row_group.columns() {
                let (_, length) = column.byte_range();
                let close = parquet::column::writer::ColumnCloseResult {
                    bytes_written: length,
                    rows_written: row_group.num_rows() as u64,
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                out.append_column(&file, close).map_err(failed)?;
            }
            out.close().map_err(failed)?;
        }
    }
    writer.into_inner().map_err(failed)?.commit()
}
