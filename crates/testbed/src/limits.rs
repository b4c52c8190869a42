//! Everything in the testbed that can grow, and how far it may.

/// Bytes of one request body; past it the answer is 413. Qdrant's own default.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// Bytes of one answer; past it the answer is 400.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Open connections; past it new ones are closed at once and counted in `connections_refused_total`.
pub const CONNECTIONS_MAX: usize = 20_000;
/// Threads that answer.
pub const THREADS_MAX: usize = 64;
/// How long open requests may take to finish once the server is told to stop, in nanoseconds.
pub const GRACE_NS: i64 = 2_000_000_000;
/// Collections with dials of their own.
pub const DIALS_MAX: usize = 1000;
/// The longest delay or stall a dial takes, in milliseconds.
pub const HOLD_MS_MAX: f64 = 600_000.0;

/// Collections of the vector server.
pub const COLLECTIONS_MAX: usize = 1000;
/// Bytes of a collection's name, as Qdrant has it.
pub const NAME_BYTES_MAX: usize = 255;
/// Components of a vector, as Qdrant has it.
pub const DIMENSION_MAX: usize = 65_536;
/// Bytes of vectors and payloads, all collections together; past it an upsert is answered 507.
pub const STORE_BYTES_MAX: usize = 2 << 30;

/// Workers of the queue.
pub const WORKERS_MAX: usize = 10_000;
/// Requests that may wait in the queue, at most.
pub const WAITING_MAX: usize = 1_000_000;
