//! Columns that go to Parquet straight from vectors. A run has a row for every request and a row has 29 columns: arrays in between, and
//! a dictionary that is asked for each value of each, cost more than all else that is done with an outcome.

use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::RandomState;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::AtomicFile;

/// A row group under way. Columns come in schema order.
pub(crate) struct RowGroup<'a> {
    writer: SerializedRowGroupWriter<'a, AtomicFile>,
    columns: std::vec::IntoIter<ColumnDescPtr>,
}

impl<'a> RowGroup<'a> {
    pub(crate) fn begin(file: &'a mut SerializedFileWriter<AtomicFile>) -> Result<Self> {
        let columns = file.schema_descr().columns().to_vec().into_iter();
        Ok(Self { writer: file.next_row_group()?, columns })
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.writer.close().map(|_| ())
    }

    fn next(&mut self) -> Result<ColumnDescPtr> {
        self.columns.next().ok_or_else(|| ParquetError::General("a row has more columns than its schema".to_owned()))
    }

    fn values<T: DataType>(&mut self, values: &[T::T], levels: Option<&[i16]>) -> Result<()> {
        self.next()?;
        let Some(mut column) = self.writer.next_column()? else { return Ok(()) };
        column.typed::<T>().write_batch(values, levels, None)?;
        column.close()
    }
}

/// A column of numbers (or truth values) in which none is missing.
pub(crate) struct Numbers<T: DataType>(Vec<T::T>);

impl<T: DataType> Default for Numbers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: DataType> Numbers<T> {
    pub(crate) fn push(&mut self, value: T::T) {
        self.0.push(value);
    }

    pub(crate) fn write(&mut self, group: &mut RowGroup<'_>) -> Result<()> {
        group.values::<T>(&self.0, None)?;
        self.0.clear();
        Ok(())
    }
}

/// A column of numbers of which some may be missing.
pub(crate) struct OptionalNumbers<T: DataType> {
    values: Vec<T::T>,
    levels: Vec<i16>,
}

impl<T: DataType> Default for OptionalNumbers<T> {
    fn default() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }
}

impl<T: DataType> OptionalNumbers<T> {
    pub(crate) fn push(&mut self, value: Option<T::T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    pub(crate) fn write(&mut self, group: &mut RowGroup<'_>) -> Result<()> {
        group.values::<T>(&self.values, Some(&self.levels))?;
        self.values.clear();
        self.levels.clear();
        Ok(())
    }
}

/// A column of texts of which nearly each is different, and some may be missing.
#[derive(Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    levels: Vec<i16>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: Option<&str>) {
        self.levels.push(i16::from(text.is_some()));
        if let Some(text) = text {
            self.bytes.extend_from_slice(text.as_bytes());
            self.ends.push(self.bytes.len());
        }
    }

    pub(crate) fn write(&mut self, group: &mut RowGroup<'_>) -> Result<()> {
        let all = Bytes::from(std::mem::take(&mut self.bytes));
        let starts = std::iter::once(&0).chain(&self.ends);
        let texts: Vec<ByteArray> = starts.zip(&self.ends).map(|(start, end)| all.slice(*start..*end).into()).collect();
        group.values::<ByteArrayType>(&texts, Some(&self.levels))?;
        self.ends.clear();
        self.levels.clear();
        Ok(())
    }
}

/// A column of few different texts, of which some may be missing: numbers of a dictionary from the start.
#[derive(Default)]
pub(crate) struct Names {
    texts: Vec<String>,
    known: HashMap<String, u32, RandomState>,
    /// Of the texts that are there.
    numbers: Vec<u32>,
    levels: Vec<u32>,
}

impl Names {
    pub(crate) fn push(&mut self, text: Option<&str>) {
        self.levels.push(u32::from(text.is_some()));
        if let Some(text) = text {
            let number = self.number(text);
            self.numbers.push(number);
        }
    }

    fn number(&mut self, text: &str) -> u32 {
        // What came last mostly comes again.
        if let Some(last) = self.numbers.last()
            && self.texts[*last as usize] == text
        {
            return *last;
        }
        if let Some(number) = self.known.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.known.insert(text.to_owned(), number);
        number
    }

    /// Two pages, not compressed: a hybrid of runs and packed groups leaves little to be found.
    pub(crate) fn write(&mut self, group: &mut RowGroup<'_>) -> Result<()> {
        let column = group.next()?;
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        pages.write_page(self.dictionary_page())?;
        let data = pages.write_page(self.data_page(column.max_def_level() > 0))?;
        pages.close()?;
        let bytes = Bytes::from(sink.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(column)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_compression(Compression::UNCOMPRESSED)
            .set_num_values(self.levels.len() as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(bytes.len() as i64)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(data.offset as i64)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.levels.len() as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        *self = Self { numbers: cleared(&mut self.numbers), levels: cleared(&mut self.levels), ..Self::default() };
        group.writer.append_column(&bytes, close)
    }

    fn dictionary_page(&self) -> CompressedPage {
        let mut buf = Vec::new();
        for text in &self.texts {
            buf.extend_from_slice(&(text.len() as u32).to_le_bytes());
            buf.extend_from_slice(text.as_bytes());
        }
        let (size, num_values) = (buf.len(), self.texts.len() as u32);
        CompressedPage::new(
            Page::DictionaryPage { buf: buf.into(), num_values, encoding: Encoding::PLAIN, is_sorted: false },
            size,
        )
    }

    fn data_page(&self, optional: bool) -> CompressedPage {
        let mut buf = Vec::new();
        if optional {
            let mut levels = Vec::new();
            push_hybrid(&self.levels, 1, &mut levels);
            buf.extend_from_slice(&(levels.len() as u32).to_le_bytes());
            buf.append(&mut levels);
        }
        let width = bits(self.texts.len().saturating_sub(1)).max(1);
        buf.push(width as u8);
        push_hybrid(&self.numbers, width, &mut buf);
        let size = buf.len();
        let page = Page::DataPage {
            buf: buf.into(),
            num_values: self.levels.len() as u32,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        CompressedPage::new(page, size)
    }
}

/// The vector without its values, for its room.
fn cleared<T>(values: &mut Vec<T>) -> Vec<T> {
    values.clear();
    std::mem::take(values)
}

fn bits(value: usize) -> u32 {
    usize::BITS - value.leading_zeros()
}

/// Values that stand together in a packed group, and the shortest run that is written as one.
const GROUP: usize = 8;

/// Appends `values` of `width` bits each as Parquet's "RLE/Bit-Packing Hybrid" (Apache Parquet, Encodings): runs of at least eight as
/// length and value, all between them packed in groups of eight.
fn push_hybrid(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let (mut packed, mut at) = (0, 0);
    while at < values.len() {
        let run = values[at..].iter().take_while(|value| **value == values[at]).count();
        if run < GROUP {
            at = values.len().min(at + GROUP);
            continue;
        }
        push_packed(&values[packed..at], width, out);
        push_varint(run << 1, out);
        out.extend_from_slice(&values[at].to_le_bytes()[..width.div_ceil(8) as usize]);
        at += run;
        packed = at;
    }
    push_packed(&values[packed..], width, out);
}

/// Least significant bit first, the last group filled up with zeros.
fn push_packed(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(GROUP);
    push_varint(groups << 1 | 1, out);
    let (mut waiting, mut waiting_bits) = (0_u64, 0);
    for value in values.iter().chain(std::iter::repeat(&0)).take(groups * GROUP) {
        waiting |= u64::from(*value) << waiting_bits;
        waiting_bits += width;
        while waiting_bits >= 8 {
            out.push(waiting as u8);
            waiting >>= 8;
            waiting_bits -= 8;
        }
    }
}

/// Seven bits a byte, the least significant first (ULEB128).
fn push_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_format_is_packed_as_it_says() {
        // Apache Parquet, Encodings: "the numbers 1 through 7 using bit width 3" are 10001000 11000110 11111010, first byte first.
        let mut out = Vec::new();
        push_hybrid(&[0, 1, 2, 3, 4, 5, 6, 7], 3, &mut out);
        assert_eq!(out, [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    #[test]
    fn runs_are_length_and_value() {
        let mut out = Vec::new();
        push_hybrid(&[5; 100], 3, &mut out);
        assert_eq!(out, [0xC8, 0x01, 5]);
    }
}
