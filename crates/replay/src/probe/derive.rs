//! Series computed from those of probes: `hit_rate=ratio(rate(hits),sum(rate(hits),rate(misses)))`. Pure.
//!
//! A name stands for every series of that name over all labels and probes, summed; labels in braces narrow that down. What has no
//! value at a tick (a probe that failed, nothing over nothing) has none then.

use std::fmt;
use std::str::FromStr;

use trace::rules::nearest;

use super::exposition;

/// A series with a name of the user's own.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(into = "String")]
pub struct Derived {
    /// What it is called.
    pub name: String,
    expression: Expression,
    text: String,
}

/// Parentheses may stand inside each other so deep.
const DEPTH_MAX: usize = 16;

/// How a value is computed.
#[derive(Debug, Clone, PartialEq)]
enum Expression {
    /// The last value.
    Value(Selector),
    /// Growth per second since the reading before; a counter that starts anew has grown by what it shows, as in Prometheus' `rate`.
    Rate(Selector),
    /// The first by the second.
    Ratio(Box<[Expression; 2]>),
    Sum(Vec<Expression>),
    /// A quantile of what a histogram counted since the reading before.
    HistogramQuantile(f64, Selector),
}

/// Which series are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Selector {
    name: String,
    labels: Vec<(String, String)>,
}

/// What is known of a series at a tick.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observation<'a> {
    pub series: &'a str,
    pub value: f64,
    /// How much it has grown since the reading before and how long ago that was, ns.
    pub growth: Option<(f64, i64)>,
}

impl Derived {
    /// Its value, if it has one.
    pub(super) fn value(&self, seen: &[Observation<'_>]) -> Option<f64> {
        self.expression.value(seen).filter(|value| value.is_finite())
    }

    /// The first name it needs that no series has.
    pub(super) fn missing(&self, seen: &[Observation<'_>]) -> Option<String> {
        self.expression.names().into_iter().find(|name| !seen.iter().any(|one| is_called(one.series, name)))
    }
}

impl Expression {
    fn value(&self, seen: &[Observation<'_>]) -> Option<f64> {
        match self {
            Self::Value(selector) => summed(selector.among(seen).map(|one| Some(one.value))),
            Self::Rate(selector) => summed(selector.among(seen).map(|one| one.growth.map(per_s))),
            Self::Ratio(parts) => Some(parts[0].value(seen)? / parts[1].value(seen)?),
            Self::Sum(parts) => summed(parts.iter().map(|part| part.value(seen))),
            Self::HistogramQuantile(q, selector) => quantile(*q, buckets(selector, seen)?),
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Value(selector) | Self::Rate(selector) => vec![selector.name.clone()],
            Self::HistogramQuantile(_, selector) => vec![format!("{}_bucket", selector.name)],
            Self::Ratio(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Sum(parts) => parts.iter().flat_map(Self::names).collect(),
        }
    }
}

fn per_s((growth, over_ns): (f64, i64)) -> f64 {
    growth / (over_ns as f64 / 1e9)
}

/// The sum, where there is something to add and all of it has a value.
fn summed(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut sum = None;
    for value in values {
        sum = Some(sum.unwrap_or(0.0) + value?);
    }
    sum
}

fn is_called(series: &str, name: &str) -> bool {
    series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
}

/// The labels of a series' name.
fn labels_of(series: &str) -> Vec<(&str, std::borrow::Cow<'_, str>)> {
    let labels = series.split_once('{').and_then(|(_, rest)| exposition::labels(rest));
    labels.map(|(labels, _)| labels).unwrap_or_default()
}

impl Selector {
    fn among<'a>(&'a self, seen: &'a [Observation<'a>]) -> impl Iterator<Item = &'a Observation<'a>> {
        seen.iter().filter(|one| is_called(one.series, &self.name) && self.fits(one.series))
    }

    fn fits(&self, series: &str) -> bool {
        if self.labels.is_empty() {
            return true;
        }
        let labels = labels_of(series);
        self.labels.iter().all(|(name, value)| labels.iter().any(|(known, it)| known == name && it == value))
    }
}

/// Upper bounds and how many fell at or below each since the reading before, rising, summed over all other labels.
fn buckets(selector: &Selector, seen: &[Observation<'_>]) -> Option<Vec<(f64, f64)>> {
    let bucket = Selector { name: format!("{}_bucket", selector.name), labels: selector.labels.clone() };
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    for one in bucket.among(seen) {
        let labels = labels_of(one.series);
        let bound: f64 = labels.iter().find(|(name, _)| *name == "le")?.1.parse().ok()?;
        let (growth, _) = one.growth?;
        match buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, count)) => *count += growth,
            None => buckets.push((bound, growth)),
        }
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(buckets)
}

/// The quantile of a histogram of cumulative buckets, on a straight line within the one it falls into: from 0 in the lowest where that
/// ends above 0, and the second highest bound where it falls into the highest, which ends at infinity. As defined for
/// `histogram_quantile` (prometheus.io, *Query functions*; `bucketQuantile` of its source).
fn quantile(q: f64, buckets: Vec<(f64, f64)>) -> Option<f64> {
    let [(lowest, _), .., (highest, total)] = buckets[..] else { return None };
    if highest != f64::INFINITY || total <= 0.0 {
        return None;
    }
    let rank = q * total;
    let place = buckets[..buckets.len() - 1].iter().position(|(_, count)| *count >= rank);
    let Some(place) = place else { return Some(buckets[buckets.len() - 2].0) };
    let (end, count) = buckets[place];
    if place == 0 && lowest <= 0.0 {
        return Some(lowest);
    }
    let (start, below) = if place == 0 { (0.0, 0.0) } else { buckets[place - 1] };
    Some(start + (end - start) * ((rank - below) / (count - below)))
}

impl fmt::Display for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Derived> for String {
    fn from(derived: Derived) -> Self {
        derived.text
    }
}

impl FromStr for Derived {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, expression) = text.split_once('=').unwrap_or_default();
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_:.-".contains(c)) {
            return Err("write NAME=EXPRESSION, for example hit_rate=ratio(rate(hits),rate(requests))".to_owned());
        }
        Ok(Self { name: name.to_owned(), expression: parse(expression, 0)?, text: text.to_owned() })
    }
}

const FUNCTIONS: [&str; 4] = ["rate", "ratio", "sum", "histogram_quantile"];

fn parse(text: &str, depth: usize) -> Result<Expression, String> {
    let text = text.trim();
    if depth > DEPTH_MAX {
        return Err(format!("parentheses stand more than {DEPTH_MAX} deep"));
    }
    let Some((function, rest)) = text.split_once('(').filter(|(function, _)| !function.contains('{')) else {
        return selector(text).map(Expression::Value);
    };
    let inside = rest.strip_suffix(')').ok_or_else(|| format!("`{text}` has no closing parenthesis"))?;
    let words = arguments(inside);
    let part = |word: &&str| parse(word, depth + 1);
    match (function.trim(), &words[..]) {
        ("rate", [name]) => Ok(Expression::Rate(selector(name)?)),
        ("ratio", [above, below]) => Ok(Expression::Ratio(Box::new([part(above)?, part(below)?]))),
        ("sum", _) => Ok(Expression::Sum(words.iter().map(part).collect::<Result<_, _>>()?)),
        ("histogram_quantile", [q, name]) => Ok(Expression::HistogramQuantile(share(q)?, selector(name)?)),
        ("rate", _) => Err(format!("rate takes the name of one series, found `{inside}`")),
        ("ratio", _) => Err(format!("ratio takes two arguments, found `{inside}`")),
        ("histogram_quantile", _) => Err(format!("histogram_quantile takes a quantile and a name, found `{inside}`")),
        (other, _) => {
            let meant = nearest(other, &FUNCTIONS).map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            Err(format!("`{other}` is no function, there are {}{meant}", FUNCTIONS.join(", ")))
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let q = text.trim().parse().unwrap_or(f64::NAN);
    if (0.0..=1.0).contains(&q) { Ok(q) } else { Err(format!("`{}` is no quantile, write 0.99", text.trim())) }
}

/// Cuts at commas that stand in no parentheses, braces or quotes.
fn arguments(text: &str) -> Vec<&str> {
    let (mut words, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, false);
    for (place, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' | '{' if !quoted => depth += 1,
            ')' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                words.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words
}

fn selector(text: &str) -> Result<Selector, String> {
    let text = text.trim();
    let wrong = || format!("`{text}` is no name of a series, write NAME or NAME{{label=\"value\"}}");
    let (name, rest) = text.split_once('{').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let labels = match rest.map(|rest| exposition::labels(rest).ok_or_else(wrong)).transpose()? {
        Some((labels, "")) => labels.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect(),
        Some(_) => return Err(wrong()),
        None => Vec::new(),
    };
    if name.is_empty() || name.contains(['(', ')', '}', '"', ',', '=']) {
        return Err(wrong());
    }
    Ok(Selector { name: name.to_owned(), labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn seen(series: &str, value: f64, growth: Option<f64>) -> Observation<'_> {
        Observation { series, value, growth: growth.map(|growth| (growth, 2 * S)) }
    }

    fn value(text: &str, seen: &[Observation<'_>]) -> Option<f64> {
        text.parse::<Derived>().unwrap().value(seen)
    }

    #[test]
    fn series_are_summed_rated_and_divided() {
        let seen = [
            seen("hits{db=\"0\"}", 90.0, Some(30.0)),
            seen("hits{db=\"1\"}", 10.0, Some(6.0)),
            seen("misses", 50.0, Some(4.0)),
            seen("hits_total", 1.0, None),
        ];
        assert_eq!(value("x=hits", &seen), Some(100.0));
        assert_eq!(value("x=hits{db=\"1\"}", &seen), Some(10.0));
        assert_eq!(value("x=rate(hits)", &seen), Some(18.0), "36 in two seconds");
        assert_eq!(value("x=ratio(rate(hits), sum(rate(hits), rate(misses)))", &seen), Some(0.9), "36 of 40");
        assert_eq!(value("x=rate(hits_total)", &seen), None, "no reading before");
        assert_eq!(value("x=nothing", &seen), None);
        assert_eq!(value("x=ratio(hits,sum(hits_total,nothing))", &seen), None);
        let zero = [Observation { series: "a", value: 0.0, growth: None }];
        assert_eq!(value("x=ratio(a,a)", &zero), None, "nothing over nothing");
    }

    /// The bounds and ranks by hand: 20 values, 10 of them in (0.1, 0.2], 5 in (0.2, 0.5], 5 above 1.
    #[test]
    fn quantiles_lie_on_a_line_within_their_bucket() {
        let bucket = |le: &str, route: &str| format!("t_bucket{{route=\"{route}\",le=\"{le}\"}}");
        let names: Vec<(String, f64)> = [("0.1", 0.0), ("0.2", 6.0), ("0.5", 9.0), ("1", 9.0), ("+Inf", 12.0)]
            .iter()
            .map(|(le, growth)| (bucket(le, "a"), *growth))
            .chain(
                [("0.1", 0.0), ("0.2", 4.0), ("0.5", 6.0), ("1", 6.0), ("+Inf", 8.0)].iter().map(|(le, g)| (bucket(le, "b"), *g)),
            )
            .collect();
        let seen: Vec<_> = names.iter().map(|(name, growth)| seen(name, 0.0, Some(*growth))).collect();
        let near = |text: &str, expected: f64| {
            let found = value(text, &seen).unwrap();
            assert!((found - expected).abs() < 1e-12, "{text}: {found}, not {expected}");
        };
        near("x=histogram_quantile(0.25,t)", 0.15);
        near("x=histogram_quantile(0.5,t)", 0.2);
        near("x=histogram_quantile(0.6,t)", 0.2 + 0.3 * 2.0 / 5.0);
        near("x=histogram_quantile(0.99,t)", 1.0);
        near("x=histogram_quantile(0.25,t{route=\"b\"})", 0.1 + 0.1 * 2.0 / 4.0);
    }

    #[test]
    fn quantiles_at_the_edges_are_those_of_the_definition() {
        let inf = f64::INFINITY;
        assert_eq!(quantile(0.5, vec![(1.0, 10.0), (inf, 10.0)]), Some(0.5), "the lowest bucket begins at 0");
        assert_eq!(quantile(0.5, vec![(-1.0, 10.0), (inf, 10.0)]), Some(-1.0), "unless it ends below");
        assert_eq!(quantile(0.5, vec![(1.0, 10.0), (2.0, 20.0)]), None, "no bucket without end");
        assert_eq!(quantile(0.5, vec![(inf, 10.0)]), None, "one bucket");
        assert_eq!(quantile(0.5, vec![(1.0, 0.0), (inf, 0.0)]), None, "nothing counted");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        let refused = |text: &str| text.parse::<Derived>().unwrap_err();
        assert!(refused("hits").contains("NAME=EXPRESSION"));
        assert!(refused("x=rat(hits)").contains("did you mean `rate`?"));
        assert!(refused("x=ratio(a)").contains("two arguments"));
        assert!(refused("x=rate(rate(a))").contains("no name"));
        assert!(refused("x=histogram_quantile(99,a)").contains("0.99"));
        assert!(refused("x=rate(a").contains("closing"));
        assert!(refused("x=a{b=c}").contains("label"));
        assert!(refused(&format!("x={}a{}", "sum(".repeat(40), ")".repeat(40))).contains("deep"));
        assert_eq!("x=rate(a)".parse::<Derived>().unwrap().missing(&[]).as_deref(), Some("a"));
    }
}
