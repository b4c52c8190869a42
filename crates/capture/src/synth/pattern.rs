//! What kind of questions a collection is asked.

use serde::{Deserialize, Serialize};

use super::FilterField;

/// A query pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Which things are like this one.
    Similarity,
    /// Where is code like this: precise search, weak hits cut off, few payload fields.
    Code,
    /// What is known about this question: through the query interface, one of several topics.
    General,
}

/// What a pattern means for the requests.
pub(super) struct Traits {
    pub pattern: Pattern,
    pub name: &'static str,
    /// Last part of the path, and the member that holds the vector.
    pub path: &'static str,
    pub vector_key: &'static str,
    /// Members that come after vector and limit, as they are written.
    pub tuning: &'static str,
    /// Keyword fields of the points, with how many different values each has.
    pub fields: &'static [(&'static str, u32)],
    pub filter: FilterShape,
}

/// How conditions are put together. A condition matches one value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterShape {
    /// One condition must hold.
    One,
    /// One condition must hold, and the year lie in the later part of the range.
    OneAndYear,
    /// One of two values of a field, and not one value of another.
    AnyButNot,
}

pub(super) const PATTERNS: &[Traits] = &[
    Traits {
        pattern: Pattern::Similarity,
        name: "similarity",
        path: "search",
        vector_key: "vector",
        tuning: r#""with_payload":true"#,
        fields: &[("category", 20), ("brand", 50)],
        filter: FilterShape::One,
    },
    Traits {
        pattern: Pattern::Code,
        name: "code",
        path: "search",
        vector_key: "vector",
        // 0.3 lies between the cosines inside a cluster and those across: only hits of the query's own cluster remain.
        tuning: r#""with_payload":{"include":["language","title"]},"params":{"hnsw_ef":256},"score_threshold":0.3"#,
        fields: &[("language", 12), ("license", 6)],
        filter: FilterShape::OneAndYear,
    },
    Traits {
        pattern: Pattern::General,
        name: "general",
        path: "query",
        vector_key: "query",
        tuning: r#""with_payload":["title"],"params":{"hnsw_ef":64}"#,
        fields: &[("topic", 30), ("source", 8)],
        filter: FilterShape::AnyButNot,
    },
];

impl Pattern {
    pub(super) fn traits(self) -> &'static Traits {
        PATTERNS.iter().find(|row| row.pattern == self).expect("the table has a row for each pattern")
    }

    /// The keyword fields of a collection with this pattern.
    #[must_use]
    pub fn fields(self) -> Vec<FilterField> {
        self.traits().fields.iter().map(|(name, values)| FilterField { name: (*name).to_owned(), values: *values }).collect()
    }

    /// The pattern of that name.
    ///
    /// # Errors
    /// A sentence that names the nearest known one.
    pub fn parse(name: &str) -> Result<Self, String> {
        let names: Vec<&str> = PATTERNS.iter().map(|row| row.name).collect();
        let row = PATTERNS.iter().find(|row| row.name == name);
        row.map(|row| row.pattern).ok_or_else(|| super::unknown("pattern", name, &names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_has_its_row_and_its_name() {
        for row in PATTERNS {
            assert_eq!(Pattern::parse(row.name), Ok(row.pattern));
            assert_eq!(serde_json::to_value(row.pattern).expect("a name"), row.name);
            assert!(serde_json::from_str::<serde_json::Value>(&format!("{{{}}}", row.tuning)).is_ok());
        }
        assert_eq!(Pattern::parse("similarty"), Err("unknown pattern `similarty`, did you mean `similarity`?".to_owned()));
    }
}
