//! The columns of every file, and the footer that says which kind and version a file is.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::{Error, Result};

/// Version of all schemas of this crate; it rises when a reader of the old one would be misled.
pub const VERSION: u32 = 1;

/// Footer key: what kind of file this is.
pub const KIND_KEY: &str = "rehearsal.kind";
/// Footer key: the schema version, [`VERSION`].
pub const VERSION_KEY: &str = "rehearsal.version";
/// Footer key of traces: [`crate::TraceMeta`] as JSON.
pub const META_KEY: &str = "rehearsal.meta";

/// Kind of a trace file.
pub const TRACE: &str = "trace";
/// Kind of an outcomes part.
pub const OUTCOMES: &str = "outcomes";
/// Kind of a latency file.
pub const LATENCY: &str = "latency";
/// Kind of a part of what probes saw.
pub const RESOURCES: &str = "resources";

fn required(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

fn optional(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

/// `struct<name, value>` with a text name.
fn pair(value: &str, kind: DataType) -> Fields {
    Fields::from(vec![required("name", DataType::Utf8), required(value, kind)])
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(required("item", item)))
}

/// Fields of a header: name as text, value as bytes.
#[must_use]
pub fn header_fields() -> Fields {
    pair("value", DataType::Binary)
}

/// Fields of a yield: both text.
#[must_use]
pub fn yield_fields() -> Fields {
    pair("value", DataType::Utf8)
}

/// Fields of a transaction: name and id.
#[must_use]
pub fn txn_fields() -> Fields {
    pair("id", DataType::Utf8)
}

/// One row an exchange.
#[must_use]
pub fn trace() -> SchemaRef {
    use DataType::{Binary, Boolean, Int64, Struct, UInt32, UInt64, Utf8};
    let fields = vec![
        required("id", UInt64),
        required("origin", UInt64),
        required("copy", UInt32),
        required("at_ns", Int64),
        required("session", UInt64),
        required("seq", UInt32),
        required("stream", UInt64),
        required("kind", Utf8),
        required("effect", Utf8),
        optional("txn", Struct(txn_fields())),
        required("protocol", Utf8),
        required("version", Utf8),
        required("endpoint", Utf8),
        required("collection", Utf8),
        required("operation", Utf8),
        required("method", Utf8),
        required("target", Utf8),
        optional("headers", list(Struct(header_fields()))),
        optional("request", Binary),
        required("request_bytes", UInt64),
        required("response_bytes", UInt64),
        required("items", UInt32),
        optional("status", Utf8),
        optional("ok", Boolean),
        optional("first_byte_ns", Int64),
        optional("latency_ns", Int64),
        optional("answer_hash", UInt64),
        optional("answer_ids", list(Utf8)),
        required("yields", list(Struct(yield_fields()))),
        optional("response", Binary),
        required("flags", list(Utf8)),
    ];
    Arc::new(Schema::new(fields))
}

/// One row a replayed request. Times are ns since run start.
#[must_use]
pub fn outcomes() -> SchemaRef {
    use DataType::{Boolean, Float32, Int64, Struct, UInt32, UInt64, Utf8};
    let fields = vec![
        required("id", UInt64),
        required("copy", UInt32),
        required("phase", Utf8),
        required("worker", UInt32),
        required("session", UInt64),
        required("stream", UInt64),
        required("conn", UInt64),
        required("kind", Utf8),
        required("effect", Utf8),
        optional("txn", Struct(txn_fields())),
        required("protocol", Utf8),
        required("collection", Utf8),
        required("operation", Utf8),
        required("target", Utf8),
        required("due_ns", Int64),
        required("blocked_ns", Int64),
        required("queued_ns", Int64),
        optional("sent_ns", Int64),
        optional("first_byte_ns", Int64),
        optional("done_ns", Int64),
        optional("connect_ns", Int64),
        optional("status", Utf8),
        required("ok", Boolean),
        optional("error", Utf8),
        required("items", UInt32),
        required("request_bytes", UInt64),
        required("response_bytes", UInt64),
        optional("match", Utf8),
        optional("recall", Float32),
        optional("rank_correlation", Float32),
    ];
    Arc::new(Schema::new(fields))
}

/// One row a slice of one latency series: a sparse HdrHistogram.
#[must_use]
pub fn latency() -> SchemaRef {
    use DataType::{Int64, UInt64, Utf8};
    let fields = vec![
        required("slice_start_ns", Int64),
        required("slice_ns", Int64),
        required("collection", Utf8),
        required("operation", Utf8),
        required("phase", Utf8),
        required("measure", Utf8),
        required("count", UInt64),
        required("min_ns", Int64),
        required("max_ns", Int64),
        required("values_ns", list(Int64)),
        required("counts", list(UInt64)),
    ];
    Arc::new(Schema::new(fields))
}

/// One row a series and sample of a probe.
#[must_use]
pub fn resources() -> SchemaRef {
    use DataType::{Float64, Int64, Utf8};
    let fields = vec![
        required("run_ns", Int64),
        required("wall_ns", Int64),
        required("source", Utf8),
        required("series", Utf8),
        optional("unit", Utf8),
        required("value", Float64),
    ];
    Arc::new(Schema::new(fields))
}

/// Encodings and compression: rising and random integers as deltas, names through dictionaries, zstd over all.
pub(crate) fn properties(kind: &str, meta: Vec<KeyValue>) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("rehearsal {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some([identity(kind), meta].concat()));
    for column in DELTA_COLUMNS {
        builder = column_encoding(builder, column, Encoding::DELTA_BINARY_PACKED);
    }
    for column in PLAIN_COLUMNS {
        builder = column_encoding(builder, column, Encoding::PLAIN);
    }
    let quick = ZstdLevel::try_new(BODY_LEVEL).expect("a level of zstd");
    for column in BODY_COLUMNS {
        builder = builder.set_column_compression(ColumnPath::from(column), Compression::ZSTD(quick));
    }
    builder.build()
}

/// What most of a trace is made of where bodies are kept.
const BODY_COLUMNS: [&str; 2] = ["request", "response"];
/// Their level of zstd: bodies come at the speed of the network, and the default level, which packs them better, takes longer.
const BODY_LEVEL: i32 = -2;

/// Numbers of outcomes and instants: new in nearly every row, or the same in nearly all. Deltas take next to no room for both, and no
/// look-up in a dictionary.
const DELTA_COLUMNS: &[&str] = &[
    "id",
    "copy",
    "worker",
    "session",
    "stream",
    "conn",
    "at_ns",
    "due_ns",
    "blocked_ns",
    "queued_ns",
    "sent_ns",
    "first_byte_ns",
    "done_ns",
    "connect_ns",
    "latency_ns",
    "slice_start_ns",
    "origin",
    "seq",
    "items",
    "request_bytes",
    "response_bytes",
];
/// Bodies, digests, ids of units of work: nothing repeats.
const PLAIN_COLUMNS: &[&str] = &["request", "response", "answer_hash", "txn.id"];

fn column_encoding(builder: WriterPropertiesBuilder, column: &str, encoding: Encoding) -> WriterPropertiesBuilder {
    let path = ColumnPath::from(column.split('.').map(str::to_owned).collect::<Vec<_>>());
    builder
        .set_column_dictionary_enabled(path.clone(), false)
        .set_column_encoding(path.clone(), encoding)
        .set_column_statistics_enabled(
            path,
            if encoding == Encoding::PLAIN { EnabledStatistics::None } else { EnabledStatistics::Chunk },
        )
}

fn identity(kind: &str) -> Vec<KeyValue> {
    vec![KeyValue::new(KIND_KEY.to_owned(), kind.to_owned()), KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_string())]
}

/// The value of a footer key.
pub(crate) fn footer_value<'a>(footer: Option<&'a Vec<KeyValue>>, key: &str) -> Option<&'a str> {
    footer?.iter().find(|pair| pair.key == key)?.value.as_deref()
}

/// Refuses a file of another kind or version, naming both.
///
/// # Errors
/// [`Error::Kind`] when kind or version differ from `wanted` and [`VERSION`].
pub fn check_identity(path: &Path, footer: Option<&Vec<KeyValue>>, wanted: &str) -> Result<()> {
    let kind = footer_value(footer, KIND_KEY);
    let version = footer_value(footer, VERSION_KEY);
    if kind == Some(wanted) && version.and_then(|v| v.parse().ok()) == Some(VERSION) {
        return Ok(());
    }
    let found = match (kind, version) {
        (Some(kind), Some(version)) => format!("a rehearsal {kind} file of version {version}"),
        _ => "a Parquet file that rehearsal did not make".to_owned(),
    };
    Err(Error::Kind { path: path.to_owned(), found, wanted: format!("a rehearsal {wanted} file of version {VERSION}") })
}
