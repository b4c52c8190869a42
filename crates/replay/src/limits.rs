//! Everything in a replay that can grow, and how far it may. What a user can set is a default here and a field of
//! [`crate::ReplayOptions`]; reaching any of them is counted and reported.

/// Connections open at once over all workers (`--max-connections`).
pub const CONNECTIONS_MAX: usize = 1024;
/// Loopback addresses that connections go out from, where one has too few ports.
pub const SOURCES_MAX: u8 = 250;
/// Requests due and not yet answered over all workers (`--max-in-flight`).
pub const IN_FLIGHT_MAX: usize = 10_000;
/// Bytes of requests that wait for a connection, over all workers (`--max-queued-bytes`).
pub const QUEUED_BYTES_MAX: usize = 64 << 20;
/// Prepared requests that are not due yet, in bytes, over all workers.
pub const LOOKAHEAD_BYTES_MAX: usize = 32 << 20;
/// Requests taken out of trace order because their session keeps its recorded gaps, in bytes.
pub const REORDER_BYTES_MAX: usize = 48 << 20;
/// Sessions whose start is remembered while recorded gaps are kept; sessions under way where they are paced by real answers.
pub const SESSIONS_MAX: usize = 1 << 20;
/// Bytes held before they are written to the file of sessions.
pub const SPOOL_BUFFER_BYTES_MAX: usize = 1 << 20;
/// Connections of a worker that are being opened beforehand at once (`--open-connections`), so that no listen queue overflows.
pub const OPENING_MAX: usize = 64;
/// Requests in a block handed from the reader to a worker.
pub const BLOCK_ROWS_MAX: usize = 256;
/// Bytes of requests in a block; one larger request makes a block of its own.
pub const BLOCK_BYTES_MAX: usize = 256 << 10;
/// Due instants in a block lie within this, so that no request waits in a half-filled block while others are read.
pub const BLOCK_SPAN_NS: i64 = 10_000_000;
/// Outcomes in a block handed from a worker to the recorder.
pub const OUTCOMES_BLOCK_MAX: usize = 512;
/// Blocks of outcomes on their way to the recorder; past it a worker waits, which shows as its lateness.
pub const OUTCOME_BLOCKS_MAX: usize = 128;
/// Different labels (protocol, collection, operation, effect, target) of a run; later ones are called [`OTHER`].
pub const LABELS_MAX: usize = 65_536;
/// Bytes of an answer's head; more is called a protocol error.
pub const ANSWER_HEAD_BYTES_MAX: usize = 256 << 10;
/// Conditions that may end a run early.
pub const CONDITIONS_MAX: usize = 16;
/// Runs of a series.
pub const SERIES_RUNS_MAX: u64 = 1000;
/// Bodies of answers on their way to the recorder, in bytes; past it a body is not kept, and nothing is said of its answer.
pub const ANSWERS_BYTES_MAX: usize = 64 << 20;
/// Bytes of a recorded body that travels with its request for comparison; a longer one is compared by its digest alone.
pub const RECORDED_ANSWER_BYTES_MAX: usize = 1 << 20;
/// Examples of differing answers in a run.
pub const DIFFERENCES_MAX: usize = 10_000;
/// Examples for each collection, operation and kind of difference.
pub const DIFFERENCES_EACH_MAX: usize = 20;
/// Windows of the recorded rate curve, of 10 s or a multiple of it each.
pub const CURVE_WINDOWS_MAX: usize = 1 << 20;
/// Names of phases; what comes after them is called [`OTHER`].
pub const PHASES_MAX: usize = 256;
/// Pieces of a profile: steps, points, waves, over all its segments.
pub const PIECES_MAX: usize = 65_536;
/// Users of a closed loop that a profile may ask for.
pub const USERS_MAX: f64 = 1e6;
/// Levels that a course of users is made of.
pub const LEVELS_MAX: usize = 65_536;
/// Different collections that are listed before a run.
pub const COLLECTIONS_MAX: usize = 1000;
/// Probes of one run, and series derived from theirs.
pub const PROBES_MAX: usize = 32;
/// Series of one probe; further ones are counted and left out.
pub const PROBE_SERIES_MAX: usize = 1000;
/// Bytes of a page that a probe fetches; a larger one cannot be read.
pub const PROBE_BODY_BYTES_MAX: usize = 8 << 20;
/// The shortest time between two readings of the probes (`--probe-every`), ns.
pub const PROBE_EVERY_NS_MIN: u64 = 100_000_000;

/// The name of what a limit on names left out.
pub const OTHER: &str = "other";
