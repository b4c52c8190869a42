//! What a synthesized trace is made of. The options are written into the trace's footer, so that a target can be filled to match.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use stats::daily::Daily;
use stats::fit::{Longer, Model};
use trace::{TraceMeta, TraceNs};

use super::pattern::Pattern;
use super::template::Template;
use super::{times, unknown};

/// Collections, fields and sessions of one trace: more than this is a slip of the keyboard.
const COLLECTIONS_MAX: usize = 10_000;
/// The widest vector.
const DIM_MAX: usize = 65_536;
/// Searches of a batch, points of an upsert, hits asked for.
const PER_REQUEST_MAX: u32 = 10_000;

/// The distance that the vectors are made for; they all have length 1.
pub const METRIC: &str = "Cosine";

/// Everything that can be chosen. [`Options::default`] is the nine-collection trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Where all random choices come from.
    pub seed: u64,
    /// What is asked, and how much of the load each takes.
    pub collections: Vec<Collection>,
    /// Kinds of query.
    pub mix: Mix,
    /// Different common queries of each collection.
    pub pool: u64,
    /// Exponent of their popularity: the k-th most popular is asked in proportion to k^−zipf.
    pub zipf: f64,
    /// Hits asked for.
    pub limits: Limits,
    /// Keyword fields of the points, which filters look at; empty means each pattern's own.
    pub filters: Vec<FilterField>,
    /// Share of the queries' requests that are batches.
    pub batch_share: f64,
    /// Queries of a batch.
    pub batch_size: u32,
    /// Share of all requests that write points.
    pub upsert_share: f64,
    /// Points of such a request.
    pub upsert_size: u32,
    /// Components of a vector.
    pub dim: usize,
    /// Distance for which the collections are to be made: [`METRIC`].
    pub metric: String,
    /// Points with which each collection is to be filled.
    pub points: u64,
    /// Mean requests per second.
    pub rate_per_s: f64,
    /// How long the trace is.
    pub length: Length,
    /// Users among whom the requests are dealt out; with a template, each run of it is a session of its own.
    pub sessions: u64,
    /// The arrival model, as [`stats::arrivals::open`] reads it.
    pub arrivals: String,
    /// How the rate changes over the day.
    pub diurnal: Option<Daily>,
    /// A fitted model, in place of the arrival model and the day.
    pub model: Option<Model>,
    /// How its curve goes on.
    pub longer: Longer,
    /// Sessions of dependent steps, in place of the mix.
    pub template: Option<Template>,
}

/// How long a trace is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// So many requests. With a template the last session is finished.
    Requests(u64),
    /// Requests (or sessions of a template) start within so many seconds.
    DurationS(f64),
}

impl Length {
    /// Whether one more may start.
    pub(super) fn goes_on(self, at: TraceNs, requests: u64) -> bool {
        match self {
            Self::Requests(most) => requests < most,
            Self::DurationS(seconds) => (at.ns() as f64) < seconds * 1e9,
        }
    }

    pub(super) fn check(self) -> Result<(), String> {
        match self {
            Self::Requests(requests) => within("the number of requests", requests as f64, 1.0, 1e12),
            Self::DurationS(seconds) => within("the duration in seconds", seconds, 1e-9, 1e9),
        }
    }
}

/// Refuses a rate that cannot be.
pub(super) fn check_rate(per_s: f64) -> Result<(), String> {
    within("the rate per second", per_s, 1e-6, 1e8)
}

fn within(what: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    let ok = (low..=high).contains(&value);
    if ok { Ok(()) } else { Err(format!("{what} must lie between {low} and {high}, not {value}")) }
}

/// A collection and its load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// Letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Share of the load, in any unit.
    pub weight: f64,
    /// What it is asked.
    pub pattern: Pattern,
}

/// Weights of the kinds of query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// From the pool, the popular ones more often.
    pub common: f64,
    /// A new vector, with conditions on the payload.
    pub filtered: f64,
    /// A vector far from everything, with a large result that includes vectors.
    pub rare: f64,
}

/// Hits asked for by each kind of query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of a common query.
    pub common: u32,
    /// Of a filtered query.
    pub filtered: u32,
    /// Of a rare query.
    pub rare: u32,
}

/// A keyword field of the points: its values are `NAME-0`, `NAME-1` … all equally frequent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterField {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// How many different values it has; a match keeps one point in so many.
    pub values: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            collections: default_collections(),
            mix: Mix { common: 70.0, filtered: 20.0, rare: 10.0 },
            pool: 1000,
            zipf: 1.0,
            limits: Limits { common: 10, filtered: 10, rare: 100 },
            filters: Vec::new(),
            batch_share: 0.0,
            batch_size: 10,
            upsert_share: 0.0,
            upsert_size: 10,
            dim: 64,
            metric: METRIC.to_owned(),
            points: 1000,
            rate_per_s: 100.0,
            length: Length::DurationS(60.0),
            sessions: 64,
            arrivals: "poisson".to_owned(),
            diurnal: None,
            model: None,
            longer: Longer::Repeat,
            template: None,
        }
    }
}

/// The nine collections of a model zoo's vector store.
fn default_collections() -> Vec<Collection> {
    use Pattern::{Code, General, Similarity};
    let row = |(name, weight, pattern): (&str, f64, Pattern)| Collection { name: name.to_owned(), weight, pattern };
    [
        ("mixtral", 20.0, Similarity),
        ("hermes", 15.0, General),
        ("openchat", 15.0, General),
        ("phi3", 10.0, Similarity),
        ("yi34b", 10.0, Similarity),
        ("deepcoder", 10.0, Code),
        ("imp", 5.0, Similarity),
        ("deepseek", 10.0, Code),
        ("general", 5.0, General),
    ]
    .map(row)
    .into()
}

impl Options {
    /// The options a trace was synthesized with; `None` for any other trace.
    #[must_use]
    pub fn of_trace(meta: &TraceMeta) -> Option<Self> {
        serde_json::from_value(meta.origin.as_ref()?.get(super::ORIGIN)?.clone()).ok()
    }

    /// The keyword fields of a collection's points.
    #[must_use]
    pub fn fields(&self, collection: &Collection) -> Vec<FilterField> {
        if self.filters.is_empty() { collection.pattern.fields() } else { self.filters.clone() }
    }

    /// One sentence on the first option that cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_collections()?;
        self.check_numbers()?;
        times::open(&self.arrivals, self.seed)?;
        if let Some(model) = &self.model {
            model.check()?;
        }
        if let Some(field) = self.filters.iter().find(|field| field.values == 0 || !is_plain(&field.name)) {
            return Err(format!(
                "the filter field `{}` needs a name of letters, digits, _ and -, and at least one value",
                field.name
            ));
        }
        Ok(())
    }

    fn check_collections(&self) -> Result<(), String> {
        if self.collections.is_empty() || self.collections.len() > COLLECTIONS_MAX {
            return Err(format!("a trace needs 1 to {COLLECTIONS_MAX} collections, not {}", self.collections.len()));
        }
        let mut names: Vec<&str> = self.collections.iter().map(|collection| collection.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("the collection `{}` is given twice", twice[0]));
        }
        if let Some(name) = names.iter().find(|name| !is_plain(name)) {
            return Err(format!("the collection name `{name}` may hold letters, digits, _, - and . only"));
        }
        weights("collection", self.collections.iter().map(|collection| collection.weight))?;
        weights("kind of query", [self.mix.common, self.mix.filtered, self.mix.rare])
    }

    fn check_numbers(&self) -> Result<(), String> {
        within("the batch share", self.batch_share, 0.0, 1.0)?;
        within("the upsert share", self.upsert_share, 0.0, 1.0)?;
        within("the Zipf exponent", self.zipf, 0.0, 20.0)?;
        check_rate(self.rate_per_s)?;
        within("the dimension", self.dim as f64, 1.0, DIM_MAX as f64)?;
        within("the pool of common queries", self.pool as f64, 1.0, 1e12)?;
        self.diurnal.as_ref().map_or(Ok(()), Daily::check)?;
        within("the number of sessions", self.sessions as f64, 1.0, super::SESSIONS_MAX as f64)?;
        let most = f64::from(PER_REQUEST_MAX);
        for (what, value) in [
            ("the batch size", self.batch_size),
            ("the upsert size", self.upsert_size),
            ("the limit of common queries", self.limits.common),
            ("the limit of filtered queries", self.limits.filtered),
            ("the limit of rare queries", self.limits.rare),
        ] {
            within(what, f64::from(value), 1.0, most)?;
        }
        self.length.check()
    }
}

/// Letters, digits, `_`, `-` and `.`: what needs no escape in a path or in JSON.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

pub(super) fn weights(what: &str, weights: impl IntoIterator<Item = f64>) -> Result<(), String> {
    let sound = stats::Weights::new(weights).is_some();
    if sound { Ok(()) } else { Err(format!("the weights of each {what} must be numbers from 0 up, and one of them above 0")) }
}

/// The parts of `a=1,b=2`.
fn pairs(text: &str) -> impl Iterator<Item = Result<(&str, &str), String>> {
    text.split(',').map(|part| part.split_once('=').ok_or_else(|| format!("`{part}` is not of the form name=value")))
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a number that {name} can be"))
}

/// `name=weight` or `name=weight:pattern`; the pattern is `similarity` unless given.
impl FromStr for Collection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form name=weight:pattern"))?;
        let (weight, pattern) = rest.split_once(':').unwrap_or((rest, "similarity"));
        Ok(Self { name: name.to_owned(), weight: number("a weight", weight)?, pattern: Pattern::parse(pattern)? })
    }
}

/// `common=70,filtered=20,rare=10`; what is not named has no share.
impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Self { common: 0.0, filtered: 0.0, rare: 0.0 };
        for pair in pairs(text) {
            let (name, value) = pair?;
            *kind(name, &mut mix.common, &mut mix.filtered, &mut mix.rare)? = number("a share", value)?;
        }
        Ok(mix)
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "common={},filtered={},rare={}", self.common, self.filtered, self.rare)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "common={},filtered={},rare={}", self.common, self.filtered, self.rare)
    }
}

/// `common=10,rare=100`; what is not named keeps its default.
impl FromStr for Limits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut limits = Options::default().limits;
        for pair in pairs(text) {
            let (name, value) = pair?;
            *kind(name, &mut limits.common, &mut limits.filtered, &mut limits.rare)? = number("a limit", value)?;
        }
        Ok(limits)
    }
}

fn kind<'a, T>(name: &str, common: &'a mut T, filtered: &'a mut T, rare: &'a mut T) -> Result<&'a mut T, String> {
    match name {
        "common" => Ok(common),
        "filtered" => Ok(filtered),
        "rare" => Ok(rare),
        other => Err(unknown("kind of query", other, &["common", "filtered", "rare"])),
    }
}

impl FilterField {
    /// `tenant=100,language=12`: fields with the number of their values.
    ///
    /// # Errors
    /// One sentence on what is not of that form.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let field = |pair: Result<(&str, &str), String>| {
            let (name, values) = pair?;
            Ok(Self { name: name.to_owned(), values: number("a number of values", values)? })
        };
        pairs(text).map(field).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_nine_collection_trace() {
        let options = Options::default();
        assert_eq!(options.check(), Ok(()));
        let load: Vec<(&str, f64)> = options.collections.iter().map(|c| (c.name.as_str(), c.weight)).collect();
        assert_eq!(
            load,
            [
                ("mixtral", 20.0),
                ("hermes", 15.0),
                ("openchat", 15.0),
                ("phi3", 10.0),
                ("yi34b", 10.0),
                ("deepcoder", 10.0),
                ("imp", 5.0),
                ("deepseek", 10.0),
                ("general", 5.0)
            ]
        );
        assert_eq!(load.iter().map(|row| row.1).sum::<f64>(), 100.0);
    }

    #[test]
    fn options_are_read_as_typed() {
        let collection = Collection { name: "docs".to_owned(), weight: 2.5, pattern: Pattern::Code };
        assert_eq!("docs=2.5:code".parse(), Ok(collection));
        assert_eq!("docs=1".parse::<Collection>().map(|c| c.pattern), Ok(Pattern::Similarity));
        assert_eq!("rare=1,common=3".parse(), Ok(Mix { common: 3.0, filtered: 0.0, rare: 1.0 }));
        assert_eq!("rare=50".parse(), Ok(Limits { common: 10, filtered: 10, rare: 50 }));
        let Options { mix, limits, .. } = Options::default();
        assert_eq!((mix.to_string().parse(), limits.to_string().parse()), (Ok(mix), Ok(limits)));
        let fields = FilterField::parse_list("tenant=100,lang=12").expect("well formed");
        assert_eq!(fields.iter().map(|f| (f.name.as_str(), f.values)).collect::<Vec<_>>(), [("tenant", 100), ("lang", 12)]);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |result: Result<(), String>| result.expect_err("a mistake");
        assert!(error("docs".parse::<Collection>().map(drop)).contains("name=weight:pattern"));
        assert!(error("docs=x".parse::<Collection>().map(drop)).contains("`x` is not a number"));
        assert!(error("docs=1:cod".parse::<Collection>().map(drop)).contains("did you mean `code`"));
        assert!(error("comon=1".parse::<Mix>().map(drop)).contains("did you mean `common`"));
        assert!(error("common".parse::<Limits>().map(drop)).contains("name=value"));
        assert!(error(FilterField::parse_list("a=-1").map(drop)).contains("`-1`"));
    }

    /// A change that makes options impossible, and what is said about it.
    type Refusal = (fn(&mut Options), &'static str);

    #[test]
    fn options_that_cannot_be_are_refused() {
        let changes: &[Refusal] = &[
            (|o| o.collections.clear(), "1 to 10000 collections"),
            (|o| o.collections[1].name = "mixtral".to_owned(), "`mixtral` is given twice"),
            (|o| o.collections[1].name = "a/b".to_owned(), "`a/b`"),
            (|o| o.collections.iter_mut().for_each(|c| c.weight = 0.0), "weights of each collection"),
            (|o| o.mix.rare = -1.0, "weights of each kind of query"),
            (|o| o.rate_per_s = f64::NAN, "rate per second"),
            (|o| o.dim = 0, "dimension"),
            (|o| o.limits.rare = 0, "limit of rare queries"),
            (|o| o.upsert_share = 1.5, "upsert share"),
            (|o| o.length = Length::Requests(0), "number of requests"),
            (|o| o.length = Length::DurationS(-1.0), "duration"),
            (|o| o.arrivals = "poison".to_owned(), "did you mean `poisson`"),
            (|o| o.arrivals = "hawkes:bet=1".to_owned(), "did you mean `beta`"),
            (|o| o.arrivals = "gamma:cv=0".to_owned(), "cv must be a number from 0.1 to 20, not `0`"),
            (|o| o.diurnal = Some(Daily { day_s: 60.0, waves: Vec::new() }), "1 to 3 waves"),
            (|o| o.filters = vec![FilterField { name: "t".to_owned(), values: 0 }], "`t`"),
        ];
        for (change, says) in changes {
            let mut options = Options::default();
            change(&mut options);
            let error = options.check().expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn options_come_back_from_a_footer() {
        let options = Options { seed: 9, dim: 8, length: Length::Requests(5), ..Options::default() };
        let meta = TraceMeta { origin: Some(serde_json::json!({ super::super::ORIGIN: options })), ..TraceMeta::default() };
        assert_eq!(Options::of_trace(&meta), Some(options));
        assert_eq!(Options::of_trace(&TraceMeta::default()), None);
    }
}
