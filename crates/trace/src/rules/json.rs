//! Reads chosen places of a JSON text in one pass, without building the whole value: bodies may be large and hostile.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Pointers that one reading may follow: they are kept as the bits of one word.
pub(super) const POINTERS_MAX: usize = 32;

/// A JSON pointer (RFC 6901) whose `*` steps stand for every element of an array and every member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<Box<str>>);

impl Pointer {
    /// `None` where the text is not a pointer to something inside a document.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let steps = text.strip_prefix('/')?.split('/');
        Some(Self(steps.map(|step| step.replace("~1", "/").replace("~0", "~").into()).collect()))
    }

    /// Whether it points to what is reached by these steps.
    #[must_use]
    pub fn leads_to<S: AsRef<str>>(&self, path: &[S]) -> bool {
        let fits = |(step, taken): (&str, &S)| step == "*" || step == taken.as_ref();
        self.0.len() == path.len() && self.0.iter().map(|step| &**step).zip(path).all(fits)
    }
}

impl std::fmt::Display for Pointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

/// What stands at a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A string's content, or another scalar as JSON writes it.
    Scalar(String),
    /// An array of so many elements.
    Array(usize),
    /// An object.
    Object,
}

impl Found {
    /// Short text to compare with.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Scalar(text) => text,
            Self::Array(0) => "[]",
            Self::Array(_) => "[...]",
            Self::Object => "{...}",
        }
    }
}

/// What a reading gave.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The places found, in the order of the text, each with the index of its pointer.
    pub(super) found: Vec<(usize, Found)>,
    /// Digest of the value, the same for any order of an object's members; places named by `without` are left out.
    pub(super) hash: u64,
}

/// What is asked of a reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// Places to report, then places to leave out of the digest: at most [`POINTERS_MAX`] together, the rest is not looked at.
    pub(super) pointers: &'a [Pointer],
    /// The index of the first pointer that is left out of the digest instead of reported.
    pub(super) without_from: usize,
    /// Whether the digest is wanted; if not, what no pointer leads to is skipped over.
    pub(super) hash: bool,
}

/// Reads `text`; `None` where it is not one JSON value.
pub(super) fn read(text: &[u8], ask: Ask<'_>) -> Option<Reading> {
    let mut reading = Reading::default();
    let count = ask.pointers.len().min(POINTERS_MAX);
    let live = u32::try_from((1_u64 << count) - 1).unwrap_or(u32::MAX);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    reading.hash = Walk { ask, found: &mut reading.found, live, depth: 0 }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(reading)
}

/// One value on the way; `live` are the pointers whose first `depth` steps lead here.
struct Walk<'a> {
    ask: Ask<'a>,
    found: &'a mut Vec<(usize, Found)>,
    live: u32,
    depth: usize,
}

/// Tags that keep values of different kinds apart in the digest.
mod tag {
    pub(super) const NULL: u64 = 1;
    pub(super) const BOOL: u64 = 2;
    pub(super) const NUMBER: u64 = 3;
    pub(super) const TEXT: u64 = 4;
    pub(super) const ARRAY: u64 = 5;
    pub(super) const OBJECT: u64 = 6;
}

fn mix(seed: u64, value: u64) -> u64 {
    xxh3_64_with_seed(&value.to_le_bytes(), seed)
}

/// The pointers among `live` that `fit`, as bits.
fn choose(ask: Ask<'_>, live: u32, fit: impl Fn(&[Box<str>]) -> bool) -> u32 {
    if live == 0 {
        return 0;
    }
    let fits = |index: &usize| live & (1 << index) != 0 && fit(&ask.pointers[*index].0);
    (0..ask.pointers.len().min(POINTERS_MAX)).filter(fits).fold(0, |chosen, index| chosen | (1 << index))
}

/// The live pointers whose next step is a fitting one.
fn follow(ask: Ask<'_>, live: u32, depth: usize, fits: impl Fn(&str) -> bool) -> u32 {
    choose(ask, live, |steps| steps.get(depth).is_some_and(|step| fits(step)))
}

impl Walk<'_> {
    fn child(&mut self, live: u32) -> Walk<'_> {
        Walk { ask: self.ask, found: self.found, live, depth: self.depth + 1 }
    }

    /// The pointers that end here.
    fn ends(&self) -> u32 {
        choose(self.ask, self.live, |steps| steps.len() == self.depth)
    }

    fn left_out(&self) -> bool {
        u64::from(self.ends()) >> self.ask.without_from != 0
    }

    fn report(&mut self, what: impl Fn() -> Found) {
        let ends = self.ends();
        let ended = (0..self.ask.without_from).filter(|index| u64::from(ends) & (1 << index) != 0);
        self.found.extend(ended.map(|index| (index, what())));
    }

    fn scalar(mut self, tag: u64, value: u64, text: impl Fn() -> String) -> u64 {
        self.report(|| Found::Scalar(text()));
        mix(tag, value)
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        if (self.live == 0 && !self.ask.hash) || self.left_out() {
            deserializer.deserialize_ignored_any(IgnoredAny).map(|_| 0)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(self.scalar(tag::NULL, 0, || "null".to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<u64, E> {
        Ok(self.scalar(tag::BOOL, u64::from(value), || value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<u64, E> {
        Ok(self.scalar(tag::NUMBER, value.cast_unsigned(), || value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        Ok(self.scalar(tag::NUMBER, value, || value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        // A whole number is the same number however it is written; beyond this, not every whole number has a float.
        let whole = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
        let bits = if whole { (value as i64).cast_unsigned() } else { value.to_bits() };
        Ok(self.scalar(tag::NUMBER, bits, || value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<u64, E> {
        Ok(self.scalar(tag::TEXT, xxh3_64(value.as_bytes()), || value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<u64, A::Error> {
        let (mut hash, mut count) = (tag::ARRAY, 0_usize);
        loop {
            let live = follow(self.ask, self.live, self.depth, |step| step == "*" || step.parse() == Ok(count));
            let Some(element) = elements.next_element_seed(self.child(live))? else { break };
            hash = mix(hash, element);
            count += 1;
        }
        self.report(|| Found::Array(count));
        Ok(hash)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<u64, A::Error> {
        let mut hash = tag::OBJECT;
        while let Some((name, live)) = members.next_key_seed(MemberName { ask: self.ask, live: self.live, depth: self.depth })? {
            let child = self.child(live);
            let left_out = child.left_out();
            let member = members.next_value_seed(child)?;
            if !left_out {
                hash = hash.wrapping_add(mix(name, member));
            }
        }
        self.report(|| Found::Object);
        Ok(hash)
    }
}

/// The name of a member: its digest, and the pointers that lead on through it.
struct MemberName<'a> {
    ask: Ask<'a>,
    live: u32,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for MemberName<'_> {
    type Value = (u64, u32);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(u64, u32), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for MemberName<'_> {
    type Value = (u64, u32);

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(u64, u32), E> {
        Ok((xxh3_64(name.as_bytes()), follow(self.ask, self.live, self.depth, |step| step == "*" || step == name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str, pointers: &[&str], without: &[&str]) -> Reading {
        let all: Vec<_> = pointers.iter().chain(without).map(|text| Pointer::parse(text).expect("a pointer")).collect();
        read(text.as_bytes(), Ask { pointers: &all, without_from: pointers.len(), hash: true }).expect("JSON")
    }

    #[test]
    fn places_are_found_in_the_order_of_the_text() {
        let text = r#"{"result":[{"id":7,"p":{"id":0}},{"id":"a/b"}],"n":[[1],[2,3]],"a/b":null,"id":1}"#;
        let found = reading(text, &["/result/*/id", "/n/1", "/a~1b"], &[]).found;
        let scalar = |index, text: &str| (index, Found::Scalar(text.into()));
        assert_eq!(found, [scalar(0, "7"), scalar(0, "a/b"), (1, Found::Array(2)), scalar(2, "null")]);
    }

    #[test]
    fn the_digest_knows_values_and_not_the_order_of_members() {
        let hash = |text: &str| reading(text, &[], &["/time", "/r/*/t"]).hash;
        assert_eq!(hash(r#"{"a":1,"time":0.5,"b":[1,2]}"#), hash(r#"{ "b" : [1,2], "a":1, "time":0.75}"#));
        assert_eq!(hash(r#"{"r":[{"t":1,"x":2}]}"#), hash(r#"{"r":[{"t":9,"x":2}]}"#));
        assert_ne!(hash(r#"{"a":1}"#), hash(r#"{"a":2}"#));
        assert_ne!(hash(r#"{"a":"1"}"#), hash(r#"{"a":1}"#));
        assert_ne!(hash("[1,2]"), hash("[2,1]"));
        assert_ne!(hash(r#"{"a":{"time":1}}"#), hash(r#"{"a":{"time":2}}"#));
    }

    #[test]
    fn what_is_not_json_gives_nothing() {
        for text in ["", "{", "{} x", "\u{feff}{}"] {
            assert!(read(text.as_bytes(), Ask { pointers: &[], without_from: 0, hash: true }).is_none(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes(), Ask { pointers: &[], without_from: 0, hash: true }).is_none());
    }
}
