//! Columns that go to Parquet straight from vectors. A trace has a row for every exchange, a run one for every request, and a row has some
//! thirty columns: arrays in between, and a dictionary that is asked for each value of each, cost more than all else that is done with it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::Schema;
use bytes::Bytes;
use foldhash::fast::RandomState;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::{ColumnCloseResult, get_column_writer, get_typed_column_writer};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};
use xxhash_rust::xxh3::xxh3_64;

use crate::write::write_error;
use crate::{AtomicFile, Error, schema};

/// A Parquet file whose row groups are encoded apart from it, on whatever thread.
pub(crate) struct GroupFile {
    writer: SerializedFileWriter<AtomicFile>,
    layout: Layout,
    path: PathBuf,
}

impl GroupFile {
    pub(crate) fn create(path: &Path, kind: &str, schema: &Schema) -> crate::Result<Self> {
        let file = AtomicFile::create(path)?;
        let layout = Layout::new(kind, schema).map_err(|e| Error::parquet(path, e))?;
        let writer = SerializedFileWriter::new(file, layout.schema.root_schema_ptr(), Arc::clone(&layout.properties));
        let writer = writer.map_err(|e| Error::parquet(path, e))?;
        Ok(Self { writer, layout, path: path.to_owned() })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Appends an encoded group, if it could be encoded.
    pub(crate) fn append(&mut self, group: Result<RowGroup>) -> crate::Result<()> {
        group.and_then(|group| group.append_to(&mut self.writer)).map_err(|e| write_error(&self.path, e))
    }

    pub(crate) fn finish(self, meta: Vec<KeyValue>) -> crate::Result<()> {
        let Self { mut writer, path, .. } = self;
        for pair in meta {
            writer.append_key_value_metadata(pair);
        }
        writer.into_inner().map_err(|e| write_error(&path, e))?.commit()
    }
}

/// What an encoder has to know of a file.
#[derive(Clone)]
pub(crate) struct Layout {
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    /// For texts of which nearly each is different: no dictionary.
    plain: WriterPropertiesPtr,
}

impl Layout {
    fn new(kind: &str, schema: &Schema) -> Result<Self> {
        let properties = schema::properties(kind, Vec::new());
        let plain = properties.clone().into_builder().set_dictionary_enabled(false);
        let plain = plain.set_statistics_enabled(EnabledStatistics::None).build();
        let schema = ArrowSchemaConverter::new().convert(schema)?;
        Ok(Self { schema: Arc::new(schema), properties: Arc::new(properties), plain: Arc::new(plain) })
    }
}

/// A row group while it is encoded in memory. Columns come in schema order.
pub(crate) struct RowGroup {
    layout: Layout,
    chunks: Vec<(Bytes, ColumnCloseResult)>,
}

impl RowGroup {
    pub(crate) fn begin(layout: &Layout) -> Self {
        Self { layout: layout.clone(), chunks: Vec::with_capacity(layout.schema.num_columns()) }
    }

    fn append_to(self, file: &mut SerializedFileWriter<AtomicFile>) -> Result<()> {
        let mut group = file.next_row_group()?;
        for (bytes, close) in self.chunks {
            group.append_column(&bytes, close)?;
        }
        group.close().map(|_| ())
    }

    /// The next column in turn.
    fn column(&self) -> Result<ColumnDescPtr> {
        let column = self.layout.schema.columns().get(self.chunks.len()).cloned();
        column.ok_or_else(|| ParquetError::General("a row has more columns than its schema".to_owned()))
    }

    fn values<T: DataType>(&mut self, values: &[T::T], levels: &Levels, properties: WriterPropertiesPtr) -> Result<()> {
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let mut column = get_typed_column_writer::<T>(get_column_writer(self.column()?, properties, pages));
        let [definition, repetition] =
            [&levels.definition, &levels.repetition].map(|levels| (!levels.is_empty()).then_some(&levels[..]));
        column.write_batch(values, definition, repetition)?;
        let close = column.close()?;
        self.chunks.push((Bytes::from(sink.into_inner()?), close));
        Ok(())
    }

    fn numbers<T: DataType>(&mut self, values: &[T::T], levels: &Levels) -> Result<()> {
        self.values::<T>(values, levels, Arc::clone(&self.layout.properties))
    }

    fn texts(&mut self, values: &[ByteArray], levels: &Levels) -> Result<()> {
        self.values::<ByteArrayType>(values, levels, Arc::clone(&self.layout.plain))
    }
}

/// Which values of a column are there and where its rows begin (Apache Parquet, "Nested Encoding"); empty where all are there and each is a
/// row.
#[derive(Default)]
pub(crate) struct Levels {
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl Levels {
    /// Of a column in which some values may be missing.
    fn optional(present: impl Iterator<Item = bool>) -> Self {
        Self { definition: present.map(i16::from).collect(), repetition: Vec::new() }
    }
}

/// One column, or one list of them, of rows that will be a row group.
pub(crate) trait Column: Default {
    /// Appends some rows of another such column, which may lose them.
    fn append(&mut self, from: &mut Self, rows: &[u32]);

    /// Forgets all rows, and keeps the room.
    fn clear(&mut self);

    /// Encodes all rows. `nested` is what a list knows of the column inside it.
    fn write(&mut self, group: &mut RowGroup, nested: Option<&Levels>) -> Result<()>;
}

/// A struct of columns in schema order.
macro_rules! columns {
    ($(#[$doc:meta])* $struct:ident { $($name:ident: $column:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $struct {
            $(pub(crate) $name: $column,)+
        }

        impl $crate::columns::Column for $struct {
            fn append(&mut self, from: &mut Self, rows: &[u32]) {
                $(self.$name.append(&mut from.$name, rows);)+
            }

            fn clear(&mut self) {
                $(self.$name.clear();)+
            }

            fn write(
                &mut self,
                group: &mut $crate::columns::RowGroup,
                nested: Option<&$crate::columns::Levels>,
            ) -> parquet::errors::Result<()> {
                $(self.$name.write(group, nested)?;)+
                Ok(())
            }
        }
    };
}
pub(crate) use columns;

/// Encodes all rows as one group, and forgets them.
pub(crate) fn encode(columns: &mut impl Column, layout: &Layout) -> Result<RowGroup> {
    let mut group = RowGroup::begin(layout);
    let written = columns.write(&mut group, None);
    columns.clear();
    written.map(|()| group)
}

/// A column of numbers (or truth values) in which none is missing.
pub(crate) struct Numbers<T: DataType>(pub(crate) Vec<T::T>);

impl<T: DataType> Default for Numbers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: DataType> Numbers<T> {
    pub(crate) fn push(&mut self, value: T::T) {
        self.0.push(value);
    }
}

impl<T: DataType> Column for Numbers<T> {
    fn append(&mut self, from: &mut Self, rows: &[u32]) {
        self.0.extend(rows.iter().map(|row| from.0[*row as usize].clone()));
    }

    fn write(&mut self, group: &mut RowGroup, _: Option<&Levels>) -> Result<()> {
        group.numbers::<T>(&self.0, &Levels::default())
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A column of numbers of which some may be missing.
pub(crate) struct OptionalNumbers<T: DataType>(Vec<Option<T::T>>);

impl<T: DataType> Default for OptionalNumbers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: DataType> OptionalNumbers<T> {
    pub(crate) fn push(&mut self, value: Option<T::T>) {
        self.0.push(value);
    }
}

impl<T: DataType> Column for OptionalNumbers<T> {
    fn append(&mut self, from: &mut Self, rows: &[u32]) {
        self.0.extend(rows.iter().map(|row| from.0[*row as usize].clone()));
    }

    fn write(&mut self, group: &mut RowGroup, _: Option<&Levels>) -> Result<()> {
        let levels = Levels::optional(self.0.iter().map(Option::is_some));
        let values: Vec<T::T> = self.0.iter().flatten().cloned().collect();
        group.numbers::<T>(&values, &levels)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A column of bodies, of which some may be missing. They are shared, not copied.
#[derive(Default)]
pub(crate) struct Bodies(Vec<Option<Bytes>>);

impl Bodies {
    pub(crate) fn push(&mut self, body: Option<&Bytes>) {
        self.0.push(body.cloned());
    }
}

impl Column for Bodies {
    fn append(&mut self, from: &mut Self, rows: &[u32]) {
        self.0.extend(rows.iter().map(|row| from.0[*row as usize].take()));
    }

    fn write(&mut self, group: &mut RowGroup, _: Option<&Levels>) -> Result<()> {
        let levels = Levels::optional(self.0.iter().map(Option::is_some));
        let values: Vec<ByteArray> = self.0.drain(..).flatten().map(ByteArray::from).collect();
        group.texts(&values, &levels)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A column of lists, or of lists of several columns, of which some may be missing.
#[derive(Default)]
pub(crate) struct Lists<Items> {
    items: Items,
    /// Where the list of each row ends among the items.
    ends: Vec<u32>,
    missing: Vec<bool>,
}

impl<Items: Column> Lists<Items> {
    /// Appends a list, or its absence.
    pub(crate) fn push<T>(&mut self, list: Option<impl IntoIterator<Item = T>>, mut push_item: impl FnMut(&mut Items, T)) {
        let mut end = self.ends.last().copied().unwrap_or(0);
        self.missing.push(list.is_none());
        for item in list.into_iter().flatten() {
            push_item(&mut self.items, item);
            end += 1;
        }
        self.ends.push(end);
    }

    fn range(&self, row: usize) -> std::ops::Range<u32> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[row]
    }

    /// `present` is the level of an item that is there; a list without items is one below, a missing list another one.
    fn levels(&self, present: i16) -> Levels {
        let mut levels = Levels::default();
        for (row, missing) in self.missing.iter().enumerate() {
            let items = self.range(row).len();
            let level = if items > 0 { present } else { present - 1 - i16::from(*missing) };
            levels.definition.extend(std::iter::repeat_n(level, items.max(1)));
            levels.repetition.push(0);
            levels.repetition.extend(std::iter::repeat_n(1, items.saturating_sub(1)));
        }
        levels
    }
}

impl<Items: Column> Column for Lists<Items> {
    fn append(&mut self, from: &mut Self, rows: &[u32]) {
        let mut end = self.ends.last().copied().unwrap_or(0);
        let mut items = Vec::new();
        for row in rows {
            let range = from.range(*row as usize);
            end += range.len() as u32;
            items.extend(range);
            self.ends.push(end);
            self.missing.push(from.missing[*row as usize]);
        }
        self.items.append(&mut from.items, &items);
    }

    fn write(&mut self, group: &mut RowGroup, _: Option<&Levels>) -> Result<()> {
        let levels = self.levels(group.column()?.max_def_level());
        self.items.write(group, Some(&levels))
    }

    fn clear(&mut self) {
        self.items.clear();
        self.ends.clear();
        self.missing.clear();
    }
}

/// A column of texts that mostly repeat, of which some may be missing: numbers of a dictionary from the start.
#[derive(Default)]
pub(crate) struct Names {
    /// The different texts, one behind the other, and where each ends.
    texts: Vec<u8>,
    ends: Vec<usize>,
    /// By hash. Of texts with the same hash only the first is found again; the others stand in the dictionary more than once.
    known: HashMap<u64, u32, RandomState>,
    /// Of each row; [`MISSING`] where there is no text.
    numbers: Vec<u32>,
}

/// Stands for a text that is not there.
const MISSING: u32 = u32::MAX;
/// Where more than half of the texts are different, and they are more than these bytes, a dictionary of them only costs.
const DICTIONARY_BYTES_MIN: usize = 64 << 10;
/// Shorter columns are not compressed: a hybrid of runs and packed groups leaves little to be found.
const COMPRESSED_BYTES_MIN: usize = 64 << 10;

impl Names {
    pub(crate) fn push<T: AsRef<[u8]> + ?Sized>(&mut self, text: Option<&T>) {
        let number = text.map_or(MISSING, |text| self.number(text.as_ref()));
        self.numbers.push(number);
    }

    fn text(&self, number: u32) -> &[u8] {
        &self.texts[self.span(number as usize)]
    }

    fn span(&self, number: usize) -> std::ops::Range<usize> {
        number.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[number]
    }

    fn number(&mut self, text: &[u8]) -> u32 {
        // What came last mostly comes again.
        if let Some(last) = self.numbers.last()
            && *last != MISSING
            && self.text(*last) == text
        {
            return *last;
        }
        let hash = xxh3_64(text);
        if let Some(number) = self.known.get(&hash)
            && self.text(*number) == text
        {
            return *number;
        }
        let number = self.ends.len() as u32;
        self.texts.extend_from_slice(text);
        self.ends.push(self.texts.len());
        self.known.entry(hash).or_insert(number);
        number
    }

    fn is_mostly_different(&self) -> bool {
        self.ends.len() * 2 > self.numbers.len() && self.texts.len() > DICTIONARY_BYTES_MIN
    }

    fn plain(&mut self) -> Vec<ByteArray> {
        let all = Bytes::from(std::mem::take(&mut self.texts));
        self.numbers.iter().map(|number| all.slice(self.span(*number as usize)).into()).collect()
    }

    fn dictionary(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(self.texts.len() + 4 * self.ends.len());
        for number in 0..self.ends.len() {
            let span = self.span(number);
            page.extend_from_slice(&(span.len() as u32).to_le_bytes());
            page.extend_from_slice(&self.texts[span]);
        }
        page
    }

    /// A page of texts and one of their numbers.
    fn write_numbers(&self, group: &mut RowGroup, levels: &Levels) -> Result<()> {
        let column = group.column()?;
        let values = if levels.definition.is_empty() { self.numbers.len() } else { levels.definition.len() };
        let (dictionary, data) = (self.dictionary(), data_page(&self.numbers, self.ends.len(), levels, &column));
        let uncompressed = dictionary.len() + data.len();
        let compressed = uncompressed >= COMPRESSED_BYTES_MIN;
        let dictionary = Packed::new(dictionary, compressed)?;
        let data = Packed::new(data, compressed)?;
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let num_values = self.ends.len() as u32;
        let first = pages.write_page(dictionary.page(|buf| Page::DictionaryPage {
            buf,
            num_values,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        }))?;
        let second = pages.write_page(data.page(|buf| Page::DataPage {
            buf,
            num_values: values as u32,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        }))?;
        pages.close()?;
        let bytes = Bytes::from(sink.into_inner()?);
        let codec = if compressed { Compression::ZSTD(ZstdLevel::default()) } else { Compression::UNCOMPRESSED };
        let metadata = ColumnChunkMetaData::builder(column)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_compression(codec)
            .set_num_values(values as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size((first.uncompressed_size + second.uncompressed_size) as i64)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(second.offset as i64)
            .build()?;
        let rows =
            if levels.repetition.is_empty() { values } else { levels.repetition.iter().filter(|level| **level == 0).count() };
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.chunks.push((bytes, close));
        Ok(())
    }
}

impl Column for Names {
    fn append(&mut self, from: &mut Self, rows: &[u32]) {
        let mut known = vec![MISSING; from.ends.len()];
        for row in rows {
            let theirs = from.numbers[*row as usize];
            let mut ours = MISSING;
            if theirs != MISSING {
                let slot = &mut known[theirs as usize];
                if *slot == MISSING {
                    *slot = self.number(from.text(theirs));
                }
                ours = *slot;
            }
            self.numbers.push(ours);
        }
    }

    fn write(&mut self, group: &mut RowGroup, nested: Option<&Levels>) -> Result<()> {
        let mut own = Levels::default();
        if nested.is_none() && group.column()?.max_def_level() > 0 {
            own = Levels::optional(self.numbers.iter().map(|number| *number != MISSING));
            self.numbers.retain(|number| *number != MISSING);
        }
        let levels = nested.unwrap_or(&own);
        if self.is_mostly_different() {
            let values = self.plain();
            return group.texts(&values, levels);
        }
        self.write_numbers(group, levels)
    }

    fn clear(&mut self) {
        self.texts.clear();
        self.ends.clear();
        self.known.clear();
        self.numbers.clear();
    }
}

/// Levels, then numbers, each as the hybrid of the format.
fn data_page(numbers: &[u32], texts: usize, levels: &Levels, column: &ColumnDescPtr) -> Vec<u8> {
    let mut page = Vec::new();
    for (levels, max) in [(&levels.repetition, column.max_rep_level()), (&levels.definition, column.max_def_level())] {
        if max > 0 {
            let levels: Vec<u32> = levels.iter().map(|level| u32::from(level.unsigned_abs())).collect();
            let mut hybrid = Vec::new();
            push_hybrid(&levels, bits(max.unsigned_abs().into()), &mut hybrid);
            page.extend_from_slice(&(hybrid.len() as u32).to_le_bytes());
            page.append(&mut hybrid);
        }
    }
    let width = bits(texts.saturating_sub(1)).max(1);
    page.push(width as u8);
    push_hybrid(numbers, width, &mut page);
    page
}

/// The content of a page, compressed or not.
struct Packed {
    bytes: Bytes,
    uncompressed_bytes: usize,
}

impl Packed {
    fn new(bytes: Vec<u8>, compressed: bool) -> Result<Self> {
        let uncompressed_bytes = bytes.len();
        let level = ZstdLevel::default().compression_level();
        let bytes = if compressed { zstd::bulk::compress(&bytes, level)? } else { bytes };
        Ok(Self { bytes: bytes.into(), uncompressed_bytes })
    }

    fn page(self, page: impl FnOnce(Bytes) -> Page) -> CompressedPage {
        CompressedPage::new(page(self.bytes), self.uncompressed_bytes)
    }
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
