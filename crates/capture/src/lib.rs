//! From sources to traces: capture files, connections, dissectors, synthesis, redaction.
//!
//! [`import::import`] is the whole way: [`pcap`] reads packets out of files, [`net`] finds the TCP segment in each, [`flow`] puts the
//! segments of a connection in order, [`dissect`] turns the bytes of both sides into exchanges, and a sorter writes the trace.

pub mod dissect;
mod error;
pub mod fit;
pub mod flow;
pub mod import;
pub mod net;
pub mod pcap;
pub mod redact;
pub mod synth;

pub use error::{Error, Result};
