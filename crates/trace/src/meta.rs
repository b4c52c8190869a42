//! What the footer of a trace says about where it came from and what was lost on the way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::limits::LOST_PLACES_MAX;
use crate::{Issue, Issues};

/// Member of a footer's `origin` that lists what was done to the trace, the first step first.
const STEPS: &str = "steps";

/// A file, stream or generator a trace came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// File name without folders, `-` for standard input, or the generator's name.
    pub name: String,
    /// Bytes read.
    pub bytes: u64,
    /// XXH3 (128 bits, hex) of those bytes.
    pub hash: String,
}

/// What was read, decoded, dropped and missing. Packets read = decoded + the sum of `dropped`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// Packets in the capture.
    pub packets_read: u64,
    /// Packets whose payload reached a connection, or that carried none.
    pub packets_decoded: u64,
    /// Packets not decoded, by reason.
    pub packets_dropped: BTreeMap<String, u64>,
    /// Payload bytes put in order and handed on.
    pub bytes_reassembled: u64,
    /// Payload bytes that were never captured.
    pub bytes_missing: u64,
    /// Payload bytes seen more than once.
    pub bytes_repeated: u64,
    /// Connections, by protocol.
    pub connections: BTreeMap<String, u64>,
    /// Connections, or what followed on them after a change of protocol, with no dissector: `port guess` → how much; beyond a limit of
    /// kinds, `other`.
    pub undecoded: BTreeMap<String, Undecoded>,
    /// What became of the requests on decoded connections.
    pub exchanges: ExchangeLoss,
}

/// Requests that were not recorded as they were sent. Sent = rows + lost; whole = rows − incomplete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExchangeLoss {
    /// Rows of which something is missing: flagged `gap`, `truncated` or `open`.
    pub incomplete: u64,
    /// Requests that are no rows, since their heads were not captured. A hole that holds several requests with their answers counts as one.
    pub lost: u64,
    /// The first of the lost ones, at most [`crate::limits::LOST_PLACES_MAX`].
    pub places: Vec<LostPlace>,
}

/// Where a request was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostPlace {
    /// Number of the connection in order of first packets, from 0: its session, where sessions are connections.
    pub connection: u64,
    /// Rows of that connection before it.
    pub rows_before: u32,
    /// When its hole was found, ns since the Unix epoch.
    pub at_unix_ns: i64,
}

impl ExchangeLoss {
    /// Counts one more request lost, and notes its place as far as there is room.
    pub fn lose(&mut self, place: LostPlace) {
        self.lost += 1;
        if self.places.len() < LOST_PLACES_MAX {
            self.places.push(place);
        }
    }

    fn add(&mut self, more: &Self) {
        self.incomplete += more.incomplete;
        self.lost += more.lost;
        let room = LOST_PLACES_MAX - self.places.len();
        self.places.extend(more.places.iter().take(room).cloned());
    }
}

impl Loss {
    /// Takes the account of another file over.
    pub fn add(&mut self, more: &Self) {
        self.packets_read += more.packets_read;
        self.packets_decoded += more.packets_decoded;
        self.bytes_reassembled += more.bytes_reassembled;
        self.bytes_missing += more.bytes_missing;
        self.bytes_repeated += more.bytes_repeated;
        add_counts(&mut self.packets_dropped, &more.packets_dropped);
        add_counts(&mut self.connections, &more.connections);
        self.exchanges.add(&more.exchanges);
        for (name, more) in &more.undecoded {
            let undecoded = self.undecoded.entry(name.clone()).or_default();
            undecoded.connections += more.connections;
            undecoded.packets += more.packets;
            undecoded.client_bytes += more.client_bytes;
            undecoded.server_bytes += more.server_bytes;
        }
    }
}

fn add_counts(all: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    more.iter().for_each(|(name, count)| *all.entry(name.clone()).or_default() += count);
}

/// Traffic that no dissector took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Undecoded {
    /// Connections.
    pub connections: u64,
    /// Packets.
    pub packets: u64,
    /// Payload bytes of the clients.
    pub client_bytes: u64,
    /// Payload bytes of the servers.
    pub server_bytes: u64,
}

/// How secrets were masked before the first write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// Name of the policy: `default`, `off`.
    pub policy: String,
    /// Values masked, by kind.
    pub masked: BTreeMap<String, u64>,
}

/// The footer of a trace. Deterministic: the same input and seed give the same text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceMeta {
    /// `rehearsal` and its version.
    pub tool: String,
    /// Wall clock at trace time 0, ns since the Unix epoch; `None` where there is none (synthesized).
    pub wall_start_unix_ns: Option<i64>,
    /// What it came from.
    pub sources: Vec<Source>,
    /// Rows.
    pub exchanges: u64,
    /// Different sessions; counted up to [`crate::limits::SESSIONS_COUNTED_MAX`].
    pub sessions: u64,
    /// First byte of the last request, ns since trace start.
    pub span_ns: i64,
    /// Losses; `None` where nothing was captured.
    pub loss: Option<Loss>,
    /// What was odd.
    pub issues: Vec<Issue>,
    /// How secrets were masked.
    pub redaction: Redaction,
    /// How it was made: options of the synthesizer or scaler, and the seed.
    pub origin: Option<serde_json::Value>,
}

impl TraceMeta {
    /// The footer of a trace made from others: their sources, losses, issues and maskings together, and `step` as the last of the
    /// steps. Of their origins, the first one's is kept.
    #[must_use]
    pub fn made_from<'a>(metas: impl IntoIterator<Item = &'a Self>, step: &Value) -> Self {
        let mut all = Self::default();
        let mut issues = Issues::default();
        for meta in metas {
            all.sources.extend(meta.sources.iter().filter(|source| !all.sources.contains(source)).cloned().collect::<Vec<_>>());
            meta.issues.iter().for_each(|issue| issues.add_many(&issue.kind, issue.count, || issue.first.clone()));
            if let Some(loss) = &meta.loss {
                all.loss.get_or_insert_default().add(loss);
            }
            all.redaction.add(&meta.redaction);
            all.wall_start_unix_ns = all.wall_start_unix_ns.into_iter().chain(meta.wall_start_unix_ns).min();
            all.origin = all.origin.or_else(|| meta.origin.clone());
        }
        all.issues = issues.list();
        all.origin = Some(with_step(all.origin, step));
        all
    }
}

impl Redaction {
    fn add(&mut self, more: &Self) {
        if !self.policy.split(", ").any(|policy| policy == more.policy) {
            self.policy = if self.policy.is_empty() { more.policy.clone() } else { format!("{}, {}", self.policy, more.policy) };
        }
        add_counts(&mut self.masked, &more.masked);
    }
}

fn with_step(origin: Option<Value>, step: &Value) -> Value {
    let mut origin = match origin {
        Some(Value::Object(origin)) => origin,
        Some(other) => Map::from_iter([("origin".to_owned(), other)]),
        None => Map::new(),
    };
    match origin.get_mut(STEPS) {
        Some(Value::Array(steps)) => steps.push(step.clone()),
        _ => drop(origin.insert(STEPS.to_owned(), json!([step]))),
    }
    Value::Object(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_listed_and_the_rest_is_kept() {
        let made = with_step(Some(json!({ "synth": 1 })), &json!({ "cut": 2 }));
        let made = with_step(Some(made), &json!({ "scale": 3 }));
        assert_eq!(made, json!({ "synth": 1, "steps": [{ "cut": 2 }, { "scale": 3 }] }));
        assert_eq!(with_step(None, &json!({ "cut": 2 })), json!({ "steps": [{ "cut": 2 }] }));
    }

    #[test]
    fn losses_and_maskings_of_files_are_added_up() {
        let one = Loss { packets_read: 2, packets_dropped: [("cut".to_owned(), 1)].into(), ..Loss::default() };
        let mut all = one.clone();
        all.add(&one);
        assert_eq!((all.packets_read, all.packets_dropped["cut"]), (4, 2));
        let mut masked = Redaction::default();
        let default = Redaction { policy: "default".to_owned(), masked: [("cookie".to_owned(), 3)].into() };
        let off = Redaction { policy: "off".to_owned(), ..Redaction::default() };
        [&default, &off, &default].into_iter().for_each(|more| masked.add(more));
        assert_eq!((masked.policy.as_str(), masked.masked["cookie"]), ("default, off", 6));
    }
}
