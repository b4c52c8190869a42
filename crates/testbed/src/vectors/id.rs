//! Ids of points: an unsigned integer or a UUID.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Serialize, Serializer};

/// The id of a point. Numbers come before UUIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointId {
    /// A number.
    Number(u64),
    /// A UUID's 128 bits.
    Uuid(u128),
}

/// A UUID as 32 hexadecimal digits, or with hyphens at the places of RFC 9562 section 4.
fn parse_uuid(text: &str) -> Option<u128> {
    let hyphens = [8, 13, 18, 23];
    let digits: String = match text.len() {
        32 => text.into(),
        36 if hyphens.iter().all(|at| text.as_bytes()[*at] == b'-') => text.chars().filter(|c| *c != '-').collect(),
        _ => return None,
    };
    let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u128::from_str_radix(&digits, 16).ok()).flatten()
}

fn bad_id(text: impl fmt::Display) -> String {
    format!("value {text} is not a valid point ID, valid values are either an unsigned integer or a UUID")
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Uuid(bits) => {
                let (a, b, c) = (bits >> 96, (bits >> 80) & 0xFFFF, (bits >> 64) & 0xFFFF);
                write!(f, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", (bits >> 48) & 0xFFFF, bits & 0xFFFF_FFFF_FFFF)
            }
        }
    }
}

/// As it stands in a path.
impl FromStr for PointId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().map(Self::Number);
        number.or_else(|| parse_uuid(text).map(Self::Uuid)).ok_or_else(|| bad_id(text))
    }
}

impl Serialize for PointId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Uuid(_) => serializer.collect_str(self),
        }
    }
}

/// As it stands in JSON: a number, or a UUID as a string.
impl<'de> Deserialize<'de> for PointId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Id;
        impl Visitor<'_> for Id {
            type Value = PointId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an unsigned integer or a UUID")
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<PointId, E> {
                Ok(PointId::Number(number))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<PointId, E> {
                Err(E::custom(bad_id(number)))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PointId, E> {
                parse_uuid(text).map(PointId::Uuid).ok_or_else(|| E::custom(bad_id(text)))
            }
        }
        deserializer.deserialize_any(Id).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_and_write_themselves() {
        for (json, text) in [("7", "7"), ("18446744073709551615", "18446744073709551615")] {
            let id: PointId = serde_json::from_str(json).unwrap();
            assert_eq!((id.to_string().as_str(), id.to_string().parse()), (text, Ok(id)));
        }
        let hyphened = "550e8400-e29b-41d4-a716-446655440000";
        for text in [hyphened, "550E8400e29b41d4a716446655440000"] {
            let id: PointId = serde_json::from_value(text.into()).unwrap();
            assert_eq!(id, PointId::Uuid(0x550e_8400_e29b_41d4_a716_4466_5544_0000));
            assert_eq!(serde_json::to_value(id).unwrap(), hyphened);
        }
        assert!(PointId::Number(u64::MAX) < PointId::Uuid(0));
    }

    #[test]
    fn what_is_no_id_is_refused_in_qdrants_words() {
        for json in
            ["-1", "\"7\"", "\"abc\"", "\"550e8400-e29b-41d4-a716-44665544000g\"", "\"550e8400-e29b-41d4-a716-4466554400é\""]
        {
            let error = serde_json::from_str::<PointId>(json).unwrap_err().to_string();
            assert!(error.contains("is not a valid point ID"), "{json}: {error}");
        }
        assert!(serde_json::from_str::<PointId>("1.5").is_err());
    }
}
