//! Bodies of answers as they come in, over the wire or out of a capture, and what they say: one normalization for both, so that the
//! digest of a recorded answer and that of a replayed one can be held against each other.
//!
//! What the digest ([`Answer::hash`]) holds: the body of a request that a rule names, with its content coding taken off; where the rule
//! names members that change from call to call, and the body is JSON, its value without them, so that neither the order of members nor
//! white space nor the way a number is written matters; every other body byte for byte as it was sent. Scores of a vector search are
//! numbers like any other: two machines that round differently give different digests, and then the ids of the answer decide.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use xxhash_rust::xxh3::Xxh3;

use crate::limits::{ANSWER_BYTES_MAX, ANSWER_DIGEST_BYTES_MAX};
use crate::rules::{Answer, RuleId, Rules};

/// How a body is coded (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    None,
    /// `gzip`.
    Gzip,
    /// `deflate`.
    Deflate,
    /// `zstd`.
    Zstd,
    /// One that cannot be taken off.
    Other,
}

impl Coding {
    /// What a `Content-Encoding` says; `None` where there is no such header.
    #[must_use]
    pub fn of(value: Option<&[u8]>) -> Self {
        match value.unwrap_or_default().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Self::None,
            b"gzip" | b"x-gzip" => Self::Gzip,
            b"deflate" => Self::Deflate,
            b"zstd" => Self::Zstd,
            _ => Self::Other,
        }
    }
}

/// How much of a body is gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Nothing of it is looked at.
    #[default]
    Nothing,
    /// A short one, [`ANSWER_DIGEST_BYTES_MAX`]; of a longer one there is only the digest.
    Digest,
    /// Up to [`ANSWER_BYTES_MAX`]; of a longer one there is only the digest.
    Whole,
}

impl Keep {
    const fn bytes_max(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Digest => ANSWER_DIGEST_BYTES_MAX,
            Self::Whole => ANSWER_BYTES_MAX,
        }
    }
}

/// The body of an answer under way.
pub struct AnswerBody {
    coding: Coding,
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Of a body that became longer than is gathered: what was gathered is in it.
    digest: Option<Box<Xxh3>>,
}

impl AnswerBody {
    /// Nothing yet of a body with this coding.
    #[must_use]
    pub fn new(coding: Coding, keep: Keep) -> Self {
        Self { coding, bytes: Vec::new(), bytes_max: keep.bytes_max(), digest: None }
    }

    /// Gathers it in the room that another body has left (see [`AnswerBody::into_room`]).
    #[must_use]
    pub fn in_room(self, room: Vec<u8>) -> Self {
        Self { bytes: room, ..self }
    }

    /// The empty room that it was gathered in, unless that is large.
    #[must_use]
    pub fn into_room(mut self) -> Vec<u8> {
        self.bytes.clear();
        if self.bytes.capacity() > 2 * ANSWER_DIGEST_BYTES_MAX { Vec::new() } else { self.bytes }
    }

    /// The next part.
    pub fn push(&mut self, part: &[u8]) {
        if let Some(digest) = &mut self.digest {
            return digest.update(part);
        }
        let kept = part.len().min(self.bytes_max - self.bytes.len());
        self.bytes.extend_from_slice(&part[..kept]);
        if kept < part.len() {
            let mut digest = Box::new(Xxh3::new());
            digest.update(&self.bytes);
            digest.update(&part[kept..]);
            self.digest = Some(digest);
        }
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether it has a content coding.
    #[must_use]
    pub fn is_coded(&self) -> bool {
        self.coding != Coding::None
    }

    /// What the body, which has come whole, says as the answer to a request of `rule`.
    #[must_use]
    pub fn read(&self, rule: Option<RuleId>, status: u16, rules: &Rules) -> Answer {
        if let Some(digest) = &self.digest {
            return Answer { ok: status < 400, hash: digest.digest(), ids: None, yields: Vec::new() };
        }
        match rules.reads_answer(rule).then(|| self.plain()).flatten() {
            Some(plain) => rules.answer(rule, status, &plain),
            None => rules.answer(None, status, &self.bytes),
        }
    }

    /// The body without its content coding, as far as it was gathered; `None` where the coding is unknown or broken, or hides more than
    /// [`ANSWER_BYTES_MAX`].
    #[must_use]
    pub fn plain(&self) -> Option<Cow<'_, [u8]>> {
        let body = self.bytes.as_slice();
        match self.coding {
            Coding::None => Some(Cow::Borrowed(body)),
            Coding::Gzip => unpack(MultiGzDecoder::new(body)),
            Coding::Deflate => unpack(ZlibDecoder::new(body)),
            Coding::Zstd => unpack(zstd::stream::read::Decoder::new(body).ok()?),
            Coding::Other => None,
        }
    }
}

impl AnswerBody {
    /// As [`AnswerBody::plain`], for good.
    #[must_use]
    pub fn into_plain(self) -> Option<Vec<u8>> {
        if self.coding == Coding::None { Some(self.bytes) } else { self.plain().map(Cow::into_owned) }
    }
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of an answer, {:?}", self.bytes.len(), self.coding)
    }
}

fn unpack(packed: impl Read) -> Option<Cow<'static, [u8]>> {
    let mut plain = Vec::new();
    packed.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= ANSWER_BYTES_MAX).then_some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    const SEARCH: &str = "/collections/a/points/search";

    fn read(body: &[u8], coding: Option<&[u8]>, target: &str) -> Answer {
        let rules = Rules::builtin();
        let rule = rules.rule_of("POST", target);
        let mut answer = AnswerBody::new(Coding::of(coding), if rule.is_some() { Keep::Whole } else { Keep::Digest });
        body.chunks(7).for_each(|part| answer.push(part));
        answer.read(rule, 200, &rules)
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(plain).and_then(|()| packer.finish()).unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(plain).and_then(|()| packer.finish()).unwrap()
    }

    #[test]
    fn a_coding_changes_nothing_of_what_is_said() {
        let plain = br#"{"result":[{"id":4,"score":0.5}],"time":1.0}"#;
        let said = read(plain, None, SEARCH);
        assert_eq!(said.ids, Some(vec!["4".to_owned()]));
        assert_eq!(read(&gzip(plain), Some(b"GZip"), SEARCH), said);
        assert_eq!(read(&zlib(plain), Some(b"deflate"), SEARCH), said);
        assert_eq!(read(&zstd::encode_all(&plain[..], 1).unwrap(), Some(b"zstd"), SEARCH), said);
        assert_ne!(read(&gzip(plain), Some(b"br"), SEARCH).hash, said.hash, "it cannot be taken off");
    }

    #[test]
    fn what_unpacks_to_more_than_the_limit_is_not_read() {
        let bomb = gzip(&vec![b' '; ANSWER_BYTES_MAX + 1]);
        assert!(bomb.len() < ANSWER_BYTES_MAX / 50);
        let mut body = AnswerBody::new(Coding::Gzip, Keep::Whole);
        body.push(&bomb);
        assert!(body.plain().is_none());
    }

    #[test]
    fn a_long_body_leaves_its_digest() {
        let body: Vec<u8> = (0..ANSWER_DIGEST_BYTES_MAX + 1000).map(|at| (at % 251) as u8).collect();
        assert_eq!(read(&body, None, "/no/rule").hash, xxh3_64(&body));
        let mut kept = AnswerBody::new(Coding::None, Keep::Digest);
        kept.push(&body);
        assert!(kept.held_bytes() <= 2 * ANSWER_DIGEST_BYTES_MAX);
    }

    fn value() -> impl Strategy<Value = Value> {
        let number = prop_oneof![any::<i64>().prop_map(Value::from), (-1e6_f64..1e6).prop_map(Value::from)];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            number,
            "[a-z\"\\\\é]{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-f]{1,2}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The same value with members in the opposite order.
    fn reversed(value: &Value) -> Value {
        match value {
            Value::Array(elements) => elements.iter().map(reversed).collect(),
            Value::Object(members) => members.iter().rev().map(|(name, member)| (name.clone(), reversed(member))).collect(),
            scalar => scalar.clone(),
        }
    }

    /// Every value that differs from `value` in one place.
    fn changed(value: &Value) -> Vec<Value> {
        let mut out: Vec<Value> = vec![json!(["another"])];
        match value {
            Value::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    let with = |element| [&elements[..at], &[element], &elements[at + 1..]].concat();
                    out.extend(changed(element).into_iter().map(|element| Value::from(with(element))));
                }
                out.push([elements.clone(), vec![Value::Null]].concat().into());
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let with = |member| members.clone().into_iter().chain([(name.clone(), member)]).collect();
                    out.extend(changed(member).into_iter().map(with));
                    out.push(Value::Object(
                        members.iter().filter(|(other, _)| *other != name).map(|(n, m)| (n.clone(), m.clone())).collect(),
                    ));
                }
            }
            Value::Bool(flag) => out.push(json!(!flag)),
            Value::String(text) => out.push(json!(format!("{text}x"))),
            Value::Number(number) => {
                out.push(number.as_i64().map_or_else(|| json!(number.as_f64().unwrap() + 0.5), |n| json!(n ^ 1)))
            }
            Value::Null => out.push(json!(false)),
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn the_digest_sees_values_and_nothing_else(result in value(), time in any::<u32>()) {
            let hash = |text: &str| read(text.as_bytes(), None, SEARCH).hash;
            let whole = json!({ "result": result, "status": "ok", "time": time });
            let said = hash(&whole.to_string());
            prop_assert_eq!(hash(&serde_json::to_string_pretty(&reversed(&whole)).unwrap()), said);
            prop_assert_eq!(hash(&json!({ "time": 0.25, "status": "ok", "result": result }).to_string()), said);
            for other in changed(&result).into_iter().filter(|other| *other != result) {
                prop_assert_ne!(hash(&json!({ "result": other, "status": "ok", "time": time }).to_string()), said, "{}", other);
            }
        }

        /// Whatever the bytes and wherever they are cut.
        #[test]
        fn no_body_makes_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..300), result in value(), cut in any::<prop::sample::Index>()) {
            let text = json!({ "result": result, "ids": result, "hits": { "hits": result }, "errors": result }).to_string();
            let cut = &text.as_bytes()[..cut.index(text.len() + 1)];
            for target in [SEARCH, "/a/_search", "/a/_bulk", "/graphql", "/api/v1/collections/a/query", "/v2/vectordb/entities/search", "/none"] {
                for coding in [None, Some(&b"gzip"[..]), Some(b"deflate"), Some(b"zstd"), Some(b"br")] {
                    let _ = (read(&bytes, coding, target), read(cut, coding, target));
                }
            }
        }
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let hash = |number: &str| read(format!(r#"{{"result":{number}}}"#).as_bytes(), None, SEARCH).hash;
        assert_eq!(hash("10"), hash("1e1"));
        assert_eq!(hash("-3"), hash("-3.0"));
        assert_eq!(hash("0"), hash("-0.0"));
        assert_ne!(hash("9007199254740993"), hash("9007199254740992.0"));
        assert_ne!(hash("0.5"), hash("0.25"));
    }
}
