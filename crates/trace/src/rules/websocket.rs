//! What a message of a WebSocket says of itself, where it is JSON: most protocols on WebSocket have a member that names what is wanted, one
//! that ties answers to questions, and one for errors (JSON-RPC 2.0, graphql-transport-ws, the interfaces of exchanges and brokers;
//! Socket.IO puts a number before an array that begins with the name).

use std::sync::LazyLock;

use super::json::{Ask, Found, Pointer, read};
use super::{NAME_CHARS_MAX, grpc};
use crate::Effect;

/// Members that name what is wanted, the surest first.
const NAMES: &[&str] = &["method", "op", "action", "event", "command", "cmd", "operation", "type", "kind"];
/// Members that tie an answer to its question.
const IDS: &[&str] = &["id", "requestId", "request_id", "reqId", "req_id", "msgId", "msg_id", "messageId", "message_id"];
/// Where the name stands in an array.
const FIRST: &str = "0";
const ERROR: &str = "error";

static POINTERS: LazyLock<Vec<Pointer>> = LazyLock::new(|| {
    let members = NAMES.iter().chain(IDS).chain(&[FIRST, ERROR]);
    members.filter_map(|member| Pointer::parse(&format!("/{member}"))).collect()
});

/// What a message says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// What is wanted: `subscribe`, `eth_call`.
    pub name: Option<String>,
    /// What its answer will bear too, or what its question bore.
    pub id: Option<String>,
    /// It tells of an error.
    pub failed: bool,
}

impl Message {
    /// Reads a message; what is not JSON says nothing.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = if text.get(digits) == Some(&b'[') { &text[digits..] } else { text };
        if !matches!(text.first(), Some(b'{' | b'[')) {
            return Self::default();
        }
        let ask = Ask { pointers: &POINTERS, without_from: POINTERS.len(), hash: false };
        let Some(reading) = read(text, ask) else { return Self::default() };
        let scalar = |wanted: usize| {
            reading.found.iter().find_map(|(index, found)| match found {
                Found::Scalar(text) if *index == wanted && text != "null" => Some(text.as_str()),
                _ => None,
            })
        };
        let ids = NAMES.len()..NAMES.len() + IDS.len();
        let first = ids.end;
        let name = (0..NAMES.len()).chain([first]).filter_map(scalar).find(|text| is_name(text));
        let is_error = |found: &Found| !matches!(found.text(), "null" | "false" | "");
        let failed = reading.found.iter().any(|(index, found)| *index == first + 1 && is_error(found));
        Self { name: name.map(str::to_owned), id: ids.into_iter().find_map(scalar).map(str::to_owned), failed }
    }

    /// What it does to the target's state: anything, unless its name says that it only looks.
    #[must_use]
    pub fn effect(&self) -> Effect {
        const LOOKS: &[&str] = &["subscribe", "unsubscribe"];
        let name = self.name.as_deref().unwrap_or_default();
        // `orders.get` and `Orders/Get` are named by their last word.
        let verb = name.rsplit(['.', '/', ':']).next().unwrap_or_default();
        match verb.to_ascii_lowercase().as_str() {
            "ping" | "pong" => Effect::Control,
            verb if LOOKS.contains(&verb) => Effect::Read,
            _ if grpc::is_read(verb) => Effect::Read,
            _ => Effect::Write,
        }
    }
}

/// A word to group by, rather than a text or a number.
fn is_name(text: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    text.chars().count() <= NAME_CHARS_MAX && text.starts_with(char::is_alphabetic) && text.chars().all(in_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: Option<&str>, id: Option<&str>, failed: bool, effect: Effect) {
        let message = Message::read(text.as_bytes());
        assert_eq!((message.name.as_deref(), message.id.as_deref(), message.failed), (name, id, failed), "{text}");
        assert_eq!(message.effect(), effect, "{text}");
    }

    /// From JSON-RPC 2.0 (section 7), graphql-transport-ws and Socket.IO, and what the interfaces of exchanges look like.
    #[test]
    fn messages_name_themselves() {
        let subtract = r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#;
        check(subtract, Some("subtract"), Some("1"), false, Effect::Write);
        check(r#"{"jsonrpc": "2.0", "result": 19, "id": 1}"#, None, Some("1"), false, Effect::Write);
        let error = r#"{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}"#;
        check(error, None, Some("1"), true, Effect::Write);
        check(r#"{"id":"u","type":"subscribe","payload":{"query":"{a}"}}"#, Some("subscribe"), Some("u"), false, Effect::Read);
        check(r#"{"op":"orders.list","args":{"op":"x"}}"#, Some("orders.list"), None, false, Effect::Read);
        check(r#"42["chat message","hi"]"#, None, None, false, Effect::Write);
        check(r#"42["join",{"room":1}]"#, Some("join"), None, false, Effect::Write);
        check(r#"{"type":"ping","error":null}"#, Some("ping"), None, false, Effect::Control);
    }

    #[test]
    fn other_messages_say_nothing() {
        for text in ["", "hello", "17", "{", "[", "{\"op\":", "[1,2]", "{\"type\":7}", "{\"type\":\"a b\"}"] {
            check(text, None, None, false, Effect::Write);
        }
    }
}
