//! All connections as their dissectors see them.

use trace::Loss;

use super::connection::{Connection, Event, Shared};
use super::{Account, Config, Heard, Listener};
use crate::dissect::Emit;

/// Bytes that wait for more that tells the protocol, in all connections together; past it nothing waits.
const PROBING_BYTES_MAX: usize = 64 << 20;

/// Finds the protocol of each connection, and has its dissector make exchanges.
pub struct Connections {
    /// By place.
    open: Vec<Option<Connection>>,
    shared: Shared,
    probing_bytes: usize,
}

impl Connections {
    /// No connections yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let emit = Emit::new(config.session_by.clone());
        let shared = Shared { config, emit, loss: Loss::default() };
        Self { open: Vec::new(), shared, probing_bytes: 0 }
    }

    /// What the dissectors have given back so far; the caller takes the exchanges out.
    pub fn emit(&mut self) -> &mut Emit {
        &mut self.shared.emit
    }

    /// The last exchanges, and the account of all, together with that of their reassembly.
    pub fn finish(self, account: Account) -> (Emit, Loss) {
        let Shared { mut emit, loss, .. } = self.shared;
        emit.issues.merge(&account.issues);
        let Loss { connections, undecoded, .. } = loss;
        (emit, Loss { connections, undecoded, ..account.loss })
    }
}

impl Listener for Connections {
    fn hear(&mut self, place: u32, packets: u64, heard: Heard<'_>) {
        let place = place as usize;
        if let Heard::Begin { ends, session } = heard {
            self.open.resize_with(self.open.len().max(place + 1), || None);
            self.open[place] = Some(Connection::new(ends, session));
            return;
        }
        let Some(connection) = &mut self.open[place] else { return };
        let shared = &mut self.shared;
        let held_before = connection.held_bytes();
        connection.packets += packets;
        match heard {
            Heard::Begin { .. } => {}
            Heard::Opening { client } => connection.opens(client),
            Heard::Bytes(way, at, bytes) => connection.event(way, at, bytes, Event::Bytes(bytes.len()), shared),
            Heard::Gap(way, at, missing_bytes) => connection.event(way, at, &[], Event::Gap(missing_bytes), shared),
            Heard::End(way, at) => connection.event(way, at, &[], Event::End, shared),
            Heard::Decide => connection.decide(true, shared),
            Heard::Finish(at) => connection.finish(at, shared),
            Heard::Forget => connection.account(shared),
        }
        let others_bytes = self.probing_bytes - held_before;
        if connection.held_bytes() > 0 && others_bytes + connection.held_bytes() > PROBING_BYTES_MAX {
            connection.decide(true, shared);
            shared.emit.issues.add("probing-bytes-limit", || format!("more than {PROBING_BYTES_MAX} bytes"));
        }
        self.probing_bytes = others_bytes + connection.held_bytes();
        if matches!(heard, Heard::Forget) {
            self.open[place] = None;
        }
    }
}
