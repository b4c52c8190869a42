//! The Redis serialization protocol, versions 2 and 3 (redis.io, "Redis serialization protocol specification"), and inline commands.
//!
//! A [`RespFraming`] says where messages end; [`Nodes`] and [`arguments`] read what is in one, as far as its bytes go.
//!
//! ```
//! use wire::redis::{Node, Nodes, RespFraming, arguments, push_command};
//! use wire::{Framed, Framing, Side};
//! let mut command = Vec::new();
//! push_command(&[b"GET", b"a"], &mut command);
//! assert_eq!(command, b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
//! assert_eq!(arguments(&command, 9).0, [&b"GET"[..], b"a"]);
//! let step = RespFraming::new(Side::Server).read(b"$2\r\nhi\r\n+next");
//! assert_eq!((step.used, step.event), (8, Some(Framed::End)));
//! assert_eq!(Nodes::new(b"$2\r\nhi\r\n").next(), Some(Node::Bulk(b'$', b"hi")));
//! ```

mod find;
mod framing;
mod node;

pub use framing::{AGGREGATE_VALUES_MAX, BULK_BYTES_MAX, DEPTH_MAX, LINE_BYTES_MAX, RespFraming};
pub use node::{Node, Nodes, arguments, push_command, push_node};
