//! Everything in the data model that can grow, and how far it may.

/// Bytes of one request or response body that are kept; the true size is recorded beside it.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// Bytes of an answer's body that are gathered where it has to be read or kept, and bytes that may come of them when the content coding
/// is taken off. A longer body is not read: there is only the digest of its bytes.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Bytes of any other answer's body that are gathered; of a longer one there is only the digest.
pub const ANSWER_DIGEST_BYTES_MAX: usize = 4 << 10;
/// A row group is closed when its rows weigh this before they are encoded.
pub const ROW_GROUP_BYTES_MAX: usize = 16 << 20;
/// Rows of a row group of a trace.
pub const ROW_GROUP_ROWS_MAX: usize = 64 << 10;
/// Row groups of one trace that are encoded at once.
pub const ROW_GROUPS_ENCODED_MAX: usize = 2;
/// Rows gathered in memory before they are encoded, or decoded at once.
pub const BATCH_ROWS_MAX: usize = 8192;
/// Body and text bytes decoded at once.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// Exchanges held in memory while sorting, in bytes; past it the earlier ones are written.
pub const SORT_BYTES_MAX: usize = 64 << 20;
/// Sorted runs merged at once.
pub const SORT_RUNS_MAX: usize = 64;
/// Distinct names an interner remembers.
pub const NAMES_MAX: usize = 65_536;
/// Kinds of issue one source may have; the rest is counted under `other`.
pub const ISSUE_KINDS_MAX: usize = 256;
/// Places of lost requests that a trace's footer lists; further ones are counted.
pub const LOST_PLACES_MAX: usize = 1000;
/// Outcomes gathered in memory before they are encoded as one row group.
pub const OUTCOME_GROUP_ROWS_MAX: usize = 32_768;
/// Rows of outcomes held before a part is closed whatever the clock says.
pub const PART_ROWS_MAX: usize = 4_000_000;
/// Closed parts of outcomes are joined up to this size.
pub const PART_BYTES_MAX: u64 = 256 << 20;
/// Latency series (collection × operation × phase) of a run; the rest goes to `other`.
pub const SERIES_MAX: usize = 1000;
/// Different sessions that a trace's footer counts; past it, it counts no further ones.
pub const SESSIONS_COUNTED_MAX: usize = 4 << 20;
/// Lines of a run's `events.jsonl`; later ones are counted in its last line and not written.
pub const EVENTS_MAX: u64 = 10_000;
