//! Reading outcomes by column, a row group at a time: instants as plain integers, names as numbers of a dictionary, which they are in the
//! file. Texts are looked at once for each different name, so that ten million rows are read in a fraction of a second.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::{Error, ErrorClass, Part, Result};

/// Reads some columns of a run's outcomes. Row groups can be read in any order and by several threads.
pub struct OutcomeReader {
    files: Vec<(PathBuf, ArrowReaderMetadata)>,
    /// File and place in it of each row group, in the order they were written.
    groups: Vec<(usize, usize)>,
    columns: Vec<String>,
}

impl OutcomeReader {
    /// Opens the parts of a run for the columns of these names; a member of a structure is named `txn.name`.
    ///
    /// # Errors
    /// [`Error::Io`] when a part cannot be read, [`Error::Parquet`] when it is damaged.
    pub fn open(parts: &[Part], columns: &[&str]) -> Result<Self> {
        let mut reader =
            Self { files: Vec::new(), groups: Vec::new(), columns: columns.iter().map(|c| (*c).to_owned()).collect() };
        for Part { path, .. } in parts {
            let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
            let failed = |e| Error::parquet(path, e);
            let plain = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(failed)?;
            let options = ArrowReaderOptions::new().with_schema(Arc::new(with_dictionaries(plain.schema())));
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options).map_err(failed)?;
            let number = reader.files.len();
            reader.groups.extend((0..plain.metadata().num_row_groups()).map(|group| (number, group)));
            reader.files.push((path.clone(), metadata));
        }
        Ok(reader)
    }

    /// How many row groups there are.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// How many outcomes there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let rows = self.files.iter().map(|(_, metadata)| metadata.metadata().file_metadata().num_rows());
        rows.sum::<i64>().unsigned_abs()
    }

    /// Reads one of them.
    ///
    /// # Errors
    /// [`Error::Io`] when its part cannot be read, [`Error::Parquet`] when it is damaged.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn read(&self, group: usize) -> Result<OutcomeColumns> {
        let (number, group) = self.groups[group];
        let (path, metadata) = &self.files[number];
        let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
        let failed = |e| Error::parquet(path, e);
        let rows = metadata.metadata().row_group(group).num_rows() as usize;
        let mask = ProjectionMask::columns(metadata.parquet_schema(), self.columns.iter().map(String::as_str));
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        let mut batches =
            builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(rows).build().map_err(failed)?;
        let batch = batches.next().transpose().map_err(|e| Error::parquet(path, e))?;
        Ok(OutcomeColumns { batch: batch.unwrap_or_else(|| RecordBatch::new_empty(metadata.schema().clone())) })
    }
}

/// The schema with every text as a number of a dictionary.
fn with_dictionaries(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(|field| with_dictionary(field)).collect::<Vec<_>>())
}

fn with_dictionary(field: &Field) -> Field {
    let kind = match field.data_type() {
        DataType::Utf8 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| Arc::new(with_dictionary(field))).collect()),
        kind => kind.clone(),
    };
    Field::new(field.name(), kind, field.is_nullable())
}

/// Columns of one row group of outcomes. Asking for a column that was not opened, or for another kind of column, is a mistake of the program.
pub struct OutcomeColumns {
    batch: RecordBatch,
}

/// A column of names.
pub struct NameColumn<'a> {
    /// The different names; some may occur in no row.
    pub texts: Vec<&'a str>,
    numbers: &'a [i32],
    present: Option<NullBuffer>,
}

impl NameColumn<'_> {
    /// The place in `texts` of each row's name; as many as there are texts where it has none.
    pub fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        let none = self.texts.len();
        let present = self.present.as_ref();
        self.numbers.iter().enumerate().map(move |(row, number)| match present {
            Some(present) if present.is_null(row) => none,
            _ => *number as usize,
        })
    }
}

impl OutcomeColumns {
    /// Rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// A column of names.
    #[must_use]
    pub fn names(&self, column: &str) -> NameColumn<'_> {
        let (array, outer) = match column.split_once('.') {
            Some((column, member)) => {
                let structure = self.column(column).as_struct();
                (structure.column_by_name(member).expect("a member that was opened"), structure.nulls())
            }
            None => (self.column(column), None),
        };
        let names = array.as_dictionary::<Int32Type>();
        let texts = names.values().as_string::<i32>().iter().map(Option::unwrap_or_default).collect();
        NameColumn { texts, numbers: names.keys().values(), present: NullBuffer::union(names.nulls(), outer) }
    }

    /// A column of numbers; what stands where there is none says nothing.
    #[must_use]
    pub fn numbers(&self, column: &str) -> &[i64] {
        self.column(column).as_primitive::<Int64Type>().values()
    }

    /// Whether each row has a value in the column.
    #[must_use]
    pub fn has(&self, column: &str) -> Vec<bool> {
        let nulls = self.column(column).nulls();
        nulls.map_or_else(|| vec![true; self.rows()], |nulls| nulls.iter().collect())
    }

    /// A column of truth values.
    pub fn truths(&self, column: &str) -> impl Iterator<Item = bool> + '_ {
        self.column(column).as_boolean().values().iter()
    }

    /// Whether each request got a whole answer, good or bad; from `sent_ns`, `done_ns` and `error`.
    #[must_use]
    pub fn answered(&self) -> Vec<bool> {
        let errors = self.names("error");
        let mut by_error: Vec<bool> =
            errors.texts.iter().map(|text| ErrorClass::parse(text).is_some_and(ErrorClass::is_answered)).collect();
        by_error.push(true);
        let mut answered: Vec<bool> = errors.numbers().map(|number| by_error[number]).collect();
        for column in ["sent_ns", "done_ns"] {
            if let Some(nulls) = self.column(column).nulls() {
                answered.iter_mut().zip(nulls.iter()).for_each(|(answered, there)| *answered &= there);
            }
        }
        answered
    }

    fn column(&self, name: &str) -> &ArrayRef {
        self.batch.column_by_name(name).expect("a column that was opened")
    }
}
