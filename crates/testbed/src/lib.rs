//! Targets that ship with rehearsal: a vector-search server with real nearest neighbours and a queueing server of known capacity.
//!
//! [`serve`] starts one in background threads. What a server says is a pure function of a call and an instant (`App`); sockets,
//! timers, dials and metrics are the same for both and live in `server`.

mod answer;
pub mod clock;
mod common;
mod dials;
mod error;
pub mod limits;
mod metrics;
pub mod queue;
mod server;
pub mod vectors;

pub use dials::Turn;
pub use error::Error;
pub use server::{Options, Server, Stopper, Target, serve};
