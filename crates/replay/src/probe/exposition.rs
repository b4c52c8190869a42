//! Prometheus' text format, version 0.0.4 (prometheus.io, *Exposition formats*), read apart. Pure.

use std::borrow::Cow;
use std::fmt::Write;

/// One sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line<'a> {
    pub name: &'a str,
    /// In the order of the page, unescaped.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    pub value: f64,
}

impl Line<'_> {
    /// `name{label="value",…}`, without braces where it has no labels.
    pub fn series(&self) -> String {
        let mut text = self.name.to_owned();
        for (place, (name, value)) in self.labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let front = if place == 0 { '{' } else { ',' };
            write!(text, "{front}{name}=\"{value}\"").expect("a string takes every character");
        }
        if !self.labels.is_empty() {
            text.push('}');
        }
        text
    }
}

/// What a line of a page is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parsed<'a> {
    Sample(Line<'a>),
    /// A comment, a help text, a type, nothing.
    Other,
    /// Not of this format.
    Bad,
}

/// Every line of a page.
pub(super) fn lines(page: &str) -> impl Iterator<Item = Parsed<'_>> {
    page.lines().map(|line| {
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() || line.starts_with('#') { Parsed::Other } else { sample(line).map_or(Parsed::Bad, Parsed::Sample) }
    })
}

/// A name, labels in braces where there are some, a value, and a time stamp that is of no use here.
pub(super) fn sample(line: &str) -> Option<Line<'_>> {
    let (name, rest) = name(line)?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let (labels, rest) = if let Some(rest) = rest.strip_prefix('{') { labels(rest)? } else { (Vec::new(), rest) };
    let mut words = rest.split_ascii_whitespace();
    let value = number(words.next()?)?;
    let stamp_is_fine = words.next().is_none_or(|stamp| stamp.parse::<i64>().is_ok());
    (stamp_is_fine && words.next().is_none()).then_some(Line { name, labels, value })
}

/// A name at the beginning, and what follows it: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some((name, rest))
}

type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// What stands after an opening brace, and what follows the closing one.
pub(super) fn labels(text: &str) -> Option<(Labels<'_>, &str)> {
    let (mut labels, mut text) = (Vec::new(), text.trim_start());
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = name(text)?;
        let rest = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        let (value, rest) = quoted(rest)?;
        labels.push((name, value));
        text = rest.trim_start();
        text = match text.strip_prefix(',') {
            Some(rest) => rest.trim_start(),
            None if text.starts_with('}') => text,
            None => return None,
        };
    }
}

/// What stands before the closing quote, unescaped, and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let (raw, rest) = (&text[..end], &text[end + 1..]);
    if !raw.contains('\\') {
        return Some((raw.into(), rest));
    }
    let (mut value, mut letters) = (String::with_capacity(raw.len()), raw.chars());
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, false) => value.push(letter),
            (_, true) => match letters.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
        }
    }
    Some((value.into(), rest))
}

/// A number as Go reads it: also `+Inf`, `-Inf`, `NaN`.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the format's own description.
    const EXAMPLE: &str = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045
"#;

    #[test]
    fn the_formats_own_example_is_read() {
        let read: Vec<_> = lines(EXAMPLE)
            .filter_map(|line| match line {
                Parsed::Sample(line) => Some((line.series(), line.value)),
                Parsed::Bad => panic!("a bad line"),
                Parsed::Other => None,
            })
            .collect();
        let expected = [
            (r#"http_requests_total{method="post",code="200"}"#, 1027.0),
            (r#"http_requests_total{method="post",code="400"}"#, 3.0),
            (
                r#"msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""}"#,
                1.458_255_915e9,
            ),
            ("metric_without_timestamp_and_labels", 12.47),
            (r#"something_weird{problem="division by zero"}"#, f64::INFINITY),
        ];
        assert_eq!(read, expected.map(|(series, value)| (series.to_owned(), value)));
        let file = sample(r#"a{p="C:\\x\n\"y\""} NaN"#).unwrap();
        assert_eq!(file.labels[0].1, "C:\\x\n\"y\"");
        assert!(file.value.is_nan());
    }

    #[test]
    fn what_is_not_of_the_format_is_told_from_what_is() {
        for bad in ["{a=\"b\"} 1", "1a 2", "a", "a x", "a{b=\"c} 1", "a{b=c} 1", "a 1 2 3", "<html>", "a{b=\"c\" d=\"e\"} 1"] {
            assert_eq!(sample(bad), None, "{bad}");
        }
        assert_eq!(sample("a{b=\"c\",} 1").unwrap().labels.len(), 1, "a comma after the last label is allowed");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
            labels in prop::collection::vec(("[a-zA-Z_][a-zA-Z0-9_]{0,4}", "\\PC{0,6}|[\\\\\"\n]{0,4}"), 0..4),
            value in prop::num::f64::ANY,
        ) {
            let line = Line {
                name: &name,
                labels: labels.iter().map(|(name, value)| (name.as_str(), Cow::from(value.as_str()))).collect(),
                value,
            };
            let text = format!("{} {value:?}", line.series());
            let read = sample(&text).unwrap();
            prop_assert_eq!((read.name, &read.labels), (line.name, &line.labels));
            prop_assert!(read.value == value || value.is_nan() && read.value.is_nan());
        }

        #[test]
        fn no_page_is_too_strange(page in "\\PC{0,300}|[a-z{}=\",\\\\ \n0-9#]{0,300}") {
            prop_assert!(lines(&page).count() <= page.lines().count());
        }
    }
}
