//! A run held against thresholds. Exact, from the rows of each threshold's scope.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use polars::prelude::{DataType, Expr, col, lit};
use serde::Serialize;
use stats::{Interval, batch_means, order, share};
use trace::{Match, Unit};

use super::metric::Time;
use super::{Threshold, Thresholds, shown, shown_interval};
use crate::distribution::CONFIDENCE;
use crate::finding::Verdict;
use crate::load::integers;
use crate::recovery::Recovery;
use crate::resources::target_peak;
use crate::scope::Scope;
use crate::totals::{Totals, answered};
use crate::{Analysis, Error, Result, Run};

const S: i64 = 1_000_000_000;

/// Where a value lies among the bands of a threshold that has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// Within the stricter limit.
    Good,
    /// Between the two.
    Acceptable,
    /// Beyond both.
    Poor,
}

impl Band {
    /// The name as written to files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Acceptable => "acceptable",
            Self::Poor => "poor",
        }
    }
}

/// How a run stands to one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// What it was held against.
    pub threshold: Threshold,
    /// In what value and limits are.
    pub unit: Unit,
    /// What separates pass from fail.
    pub limit: f64,
    /// What was measured; `null` where that could not be done.
    pub value: Option<f64>,
    /// Its interval of 95 %, where it has one.
    pub interval: Option<Interval>,
    /// Requests, readings or seconds behind it.
    pub samples: u64,
    /// `pass`, `fail`, `insufficient` for too few samples, `invalid` where the generator spoilt the run.
    pub verdict: Verdict,
    /// Where the value lies among its bands.
    pub band: Option<Band>,
    /// Whether the interval has the limit in it, so that another run might turn out otherwise.
    pub close: bool,
    /// What is to be read with it; may be empty.
    pub note: String,
    /// What it is computed from.
    pub evidence: &'static str,
}

impl Judged {
    /// The value as it is shown.
    #[must_use]
    pub fn shown(&self) -> String {
        match (self.value, self.verdict) {
            (Some(value), _) => shown(self.unit, value),
            (None, Verdict::Invalid) => "–".to_owned(),
            (None, Verdict::Fail) => "no request".to_owned(),
            (None, _) => crate::section::INSUFFICIENT.to_owned(),
        }
    }

    /// Value, interval and samples, and what they are computed from.
    #[must_use]
    pub fn figures(&self) -> String {
        let interval = self.interval.map(|ends| format!(", 95 % interval {}", shown_interval(self.unit, ends.low, ends.high)));
        let note = if self.note.is_empty() { String::new() } else { format!("; {}", self.note) };
        format!("{}{}, from {} ({}){note}", self.shown(), interval.unwrap_or_default(), self.samples, self.evidence)
    }

    /// A sentence that says what was wanted and what was found.
    #[must_use]
    pub fn sentence(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!(" ({})", self.note) };
        match (self.verdict, self.value) {
            (Verdict::Pass, _) => format!("`{}` holds: it is {}{note}.", self.threshold, self.shown()),
            (Verdict::Fail, Some(_)) => format!("`{}` is missed: it is {}{note}.", self.threshold, self.shown()),
            (Verdict::Fail, None) => format!("`{}` is missed: {}.", self.threshold, self.note),
            _ => format!("`{}` is not judged{note}.", self.threshold),
        }
    }
}

/// A figure as it was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    value: Option<f64>,
    interval: Option<Interval>,
    samples: u64,
    /// Whether the truth may be larger: it was still growing when the run ended.
    at_least: bool,
    /// Why there is no value, or no interval.
    note: String,
}

impl Measured {
    fn new(value: Option<f64>, samples: u64) -> Self {
        Self { value, samples, ..Self::default() }
    }

    fn with(interval: Option<Interval>, samples: u64) -> Self {
        Self { value: interval.map(|interval| interval.value), interval, samples, ..Self::default() }
    }

    fn insufficient(samples: u64, note: String) -> Self {
        Self { samples, note, ..Self::default() }
    }
}

/// The requests of one scope.
pub(super) struct Within<'a> {
    run: Run,
    analysis: &'a Analysis,
    /// `None` where no request is of the scope.
    totals: Option<Totals>,
    /// What was read of each time.
    samples: RefCell<HashMap<&'static str, Rc<Sample>>>,
}

/// The values of a time.
struct Sample {
    observed: Vec<i64>,
    sorted: Vec<i64>,
}

impl Thresholds {
    /// How the run stands to each of them, in their order. A run that the generator spoilt is not judged.
    ///
    /// A scope without a request fails its threshold: what nobody sent was not held.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn judge(&self, run: &Run, analysis: &Analysis) -> Result<Vec<Judged>> {
        if analysis.timing.fidelity.generator_limited {
            let why = "the generator, not the target, was at its limit";
            return Ok(self.iter().map(|threshold| not_judged(threshold, why)).collect());
        }
        let mut scopes: Vec<&Scope> = self.iter().map(|threshold| &threshold.scope).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let mut judged: BTreeMap<usize, Judged> = BTreeMap::new();
        for scope in scopes {
            let within = Within::new(run, analysis, scope)?;
            for (place, threshold) in self.iter().enumerate().filter(|(_, threshold)| threshold.scope == *scope) {
                judged.insert(place, judge(threshold, &within, run)?);
            }
        }
        Ok(judged.into_values().collect())
    }
}

fn not_judged(threshold: &Threshold, why: &str) -> Judged {
    let measured = Measured::insufficient(0, why.to_owned());
    Judged { verdict: Verdict::Invalid, ..decided(threshold, measured) }
}

fn judge(threshold: &Threshold, within: &Within<'_>, run: &Run) -> Result<Judged> {
    if within.totals.is_none() {
        let measured = Measured::insufficient(0, threshold.scope.what_there_is(run)?);
        return Ok(Judged { verdict: Verdict::Fail, ..decided(threshold, measured) });
    }
    Ok(decided(threshold, threshold.metric.measure(within)?))
}

/// The verdict on what was measured.
fn decided(threshold: &Threshold, measured: Measured) -> Judged {
    let Measured { value, interval, samples, at_least, mut note } = measured;
    let holds = |value: f64, limit: f64| threshold.comparator.holds(value, limit);
    // What may still grow misses a ceiling for certain once it is above it, and says nothing before.
    let value = value.filter(|value| !(at_least && threshold.comparator.is_ceiling() && holds(*value, threshold.limit)));
    let unit = threshold.metric.unit();
    let close = interval.is_some_and(|ends| holds(ends.low, threshold.limit) != holds(ends.high, threshold.limit));
    if let Some(ends) = interval.filter(|_| close) {
        note = format!("too close to call: the 95 % interval is {}", shown_interval(unit, ends.low, ends.high));
    }
    let passes = value.map(|value| holds(value, threshold.limit));
    let band = threshold.good.zip(value).zip(passes).map(|((good, value), passes)| match passes {
        true if holds(value, good) => Band::Good,
        true => Band::Acceptable,
        false => Band::Poor,
    });
    let verdict = passes.map_or(Verdict::Insufficient, |passes| if passes { Verdict::Pass } else { Verdict::Fail });
    Judged {
        threshold: threshold.clone(),
        unit,
        limit: threshold.limit,
        value,
        interval,
        samples,
        verdict,
        band,
        close,
        note,
        evidence: threshold.metric.evidence(),
    }
}

impl<'a> Within<'a> {
    fn new(run: &Run, analysis: &'a Analysis, scope: &Scope) -> Result<Self> {
        let run = run.within(scope);
        let totals = match Totals::load(&run) {
            Ok(totals) => Some(totals),
            Err(Error::Empty { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { run, analysis, totals, samples: RefCell::default() })
    }

    fn totals(&self) -> &Totals {
        self.totals.as_ref().expect("a scope without requests is judged before anything is measured")
    }

    /// One column of integers, in the order of the outcomes.
    fn read(&self, of: Expr, value: Expr) -> Result<Vec<i64>> {
        let mut values = Vec::new();
        for batch in self.run.scan(|rows| rows.filter(of).select([value.cast(DataType::Int64).alias("value")]))? {
            let batch = batch?;
            values.extend(integers(&batch, "value").map_err(|e| Error::outcomes(&self.run.dir, e))?);
        }
        Ok(values)
    }

    /// The values of a time; read and sorted once.
    fn sample(&self, time: &'static Time) -> Result<Rc<Sample>> {
        if let Some(known) = self.samples.borrow().get(time.prefix) {
            return Ok(Rc::clone(known));
        }
        let observed = self.read((time.of)(), (time.ns)())?;
        let mut sorted = observed.clone();
        sorted.sort_unstable();
        let sample = Rc::new(Sample { observed, sorted });
        self.samples.borrow_mut().insert(time.prefix, Rc::clone(&sample));
        Ok(sample)
    }
}

pub(super) fn quantile(within: &Within<'_>, time: &'static Time, p: f64) -> Result<Measured> {
    let sample = within.sample(time)?;
    let n = sample.sorted.len();
    let Some((value, ends)) = order::estimate_dependent(&sample.observed, &sample.sorted, p, CONFIDENCE) else {
        let least = order::samples_min_two_sided(p, CONFIDENCE);
        return Ok(Measured::insufficient(n as u64, format!("{n} values; this percentile needs {least}")));
    };
    let value = value as f64;
    let interval = ends.map(|(low, high)| Interval { value, low: low as f64, high: high as f64 });
    let note = if ends.is_none() { "its values are too few, or depend on one another too much, for an interval" } else { "" };
    Ok(Measured { value: Some(value), interval, samples: n as u64, note: note.to_owned(), ..Measured::default() })
}

pub(super) fn mean(within: &Within<'_>, time: &'static Time) -> Result<Measured> {
    let values: Vec<f64> = within.sample(time)?.observed.iter().map(|ns| *ns as f64).collect();
    Ok(mean_of(&values))
}

fn mean_of(values: &[f64]) -> Measured {
    let (value, interval) = batch_means::batch_means(values, CONFIDENCE).unzip();
    Measured { value, interval: interval.flatten(), samples: values.len() as u64, ..Measured::default() }
}

pub(super) fn max(within: &Within<'_>, time: &'static Time) -> Result<Measured> {
    let sample = within.sample(time)?;
    Ok(Measured::new(sample.sorted.last().map(|ns| *ns as f64), sample.sorted.len() as u64))
}

fn share_of(observed: &[i64]) -> Measured {
    Measured::with(share::of_dependent(observed, CONFIDENCE), observed.len() as u64)
}

pub(super) fn error_rate(within: &Within<'_>) -> Result<Measured> {
    Ok(share_of(&within.read(lit(true), col("ok").not())?))
}

/// A rate over the whole of the scope's time, with Student's interval of the rates in twenty equal parts of it.
fn rate(per_s: Option<f64>, at_ns: &[i64], from_ns: i64, to_ns: i64) -> Measured {
    const PARTS: i128 = batch_means::BATCHES as i128;
    let span_ns = i128::from(to_ns - from_ns).max(1);
    let mut counts = [0_u32; batch_means::BATCHES];
    for at in at_ns {
        let part = i128::from(at - from_ns) * PARTS / span_ns;
        counts[part.clamp(0, PARTS - 1) as usize] += 1;
    }
    let rates = counts.map(|count| f64::from(count) * PARTS as f64 * 1e9 / span_ns as f64);
    let interval = per_s.filter(|_| at_ns.len() >= 10 * batch_means::BATCHES);
    let interval = interval.map(|per_s| batch_means::around(per_s, &rates, CONFIDENCE));
    Measured { value: per_s, interval, samples: at_ns.len() as u64, ..Measured::default() }
}

/// Answers that come per second, of those for which a column holds.
fn answers_per_s(within: &Within<'_>, of: Expr, count: u64) -> Result<Measured> {
    let totals = within.totals();
    let done = within.read(of.and(col("done_ns").is_not_null()), col("done_ns"))?;
    let to_ns = totals.last_done_ns.unwrap_or(totals.first_due_ns);
    Ok(rate(totals.amount_per_s(count), &done, totals.first_due_ns, to_ns))
}

pub(super) fn throughput(within: &Within<'_>) -> Result<Measured> {
    answers_per_s(within, answered(), within.totals().answered)
}

pub(super) fn goodput(within: &Within<'_>) -> Result<Measured> {
    answers_per_s(within, col("ok"), within.totals().ok)
}

pub(super) fn achieved(within: &Within<'_>) -> Result<Measured> {
    let totals = within.totals();
    let sent = within.read(col("sent_ns").is_not_null(), col("sent_ns"))?;
    let (from_ns, to_ns) = (totals.first_sent_ns.unwrap_or_default(), totals.last_sent_ns.unwrap_or_default());
    Ok(rate(totals.achieved_per_s(), &sent, from_ns, to_ns))
}

pub(super) fn count(within: &Within<'_>) -> Result<Measured> {
    let requests = within.totals().requests;
    Ok(Measured::new(Some(requests as f64), requests))
}

pub(super) fn availability(within: &Within<'_>) -> Result<Measured> {
    let mut seconds: BTreeMap<i64, bool> = BTreeMap::new();
    for (ok, due_ns) in [(true, within.read(col("ok"), col("due_ns"))?), (false, within.read(col("ok").not(), col("due_ns"))?)] {
        due_ns.into_iter().for_each(|due_ns| *seconds.entry(due_ns.div_euclid(S)).or_default() |= ok);
    }
    Ok(share_of(&seconds.into_values().map(i64::from).collect::<Vec<_>>()))
}

pub(super) fn recovery_time(within: &Within<'_>) -> Result<Measured> {
    if within.run.is_narrowed() {
        return Ok(Measured::insufficient(0, "recovery is of the whole run; leave the scope out".to_owned()));
    }
    Ok(longest_recovery(&within.analysis.recoveries))
}

/// The longest; of a target that never recovered, how long that was watched, which is the least it can be.
fn longest_recovery(all: &[Recovery]) -> Measured {
    let known: Vec<&Recovery> = all.iter().filter(|one| one.baseline.is_some()).collect();
    let worse = |a: &Recovery, b: &Recovery| {
        a.recovered_s.is_none().cmp(&b.recovered_s.is_none()).then(lasted_s(a).total_cmp(&lasted_s(b)))
    };
    let Some(longest) = known.iter().max_by(|a, b| worse(a, b)) else {
        return Measured::insufficient(0, "nothing disturbed the run that it could recover from".to_owned());
    };
    let lasted = crate::units::duration(lasted_s(longest) * 1e9);
    let note = match longest.recovered_s {
        Some(_) => format!("after {}", longest.after),
        None => format!("after {} it had not recovered for as long as that was watched ({lasted})", longest.after),
    };
    let at_least = longest.recovered_s.is_none();
    Measured { note, at_least, ..Measured::new(Some(lasted_s(longest) * 1e9), known.len() as u64) }
}

fn lasted_s(one: &Recovery) -> f64 {
    one.recovered_s.unwrap_or(one.watched_s)
}

pub(super) fn recall(within: &Within<'_>) -> Result<Measured> {
    // In billionths, so that one reader serves all columns; recalls are kept as single precision.
    let billionths = col("recall").cast(DataType::Float64) * lit(1e9);
    let recalls: Vec<f64> =
        within.read(col("recall").is_not_null(), billionths)?.into_iter().map(|recall| recall as f64 / 1e9).collect();
    let none = recalls.is_empty().then(|| "no answer's ids were compared".to_owned());
    Ok(Measured { note: none.unwrap_or_default(), ..mean_of(&recalls) })
}

pub(super) fn match_rate(within: &Within<'_>) -> Result<Measured> {
    let any = |of: fn(Match) -> bool| {
        let names = Match::ALL.iter().filter(move |one| of(**one)).map(|one| col("match").eq(lit(one.as_str())));
        names.reduce(Expr::or).unwrap_or_else(|| lit(false)).fill_null(lit(false))
    };
    let compared = within.read(any(|one| one.agrees() || one.differs()), any(Match::agrees))?;
    let none = compared.is_empty().then(|| "no answer was compared with the recorded one".to_owned());
    Ok(Measured { note: none.unwrap_or_default(), ..share_of(&compared) })
}

/// The most of a series, added over the processes of the target, while requests of the scope were under way.
fn peak(within: &Within<'_>, series: &str, whole: Option<f64>) -> Result<Measured> {
    let totals = within.totals();
    let to_ns = totals.last_done_ns.unwrap_or(totals.last_due_ns);
    let found = target_peak(&within.run, series, totals.first_due_ns, to_ns)?;
    Ok(found.map_or_else(
        || Measured::insufficient(0, "no probe watched the target; replay with --probe pid:NUMBER or command:NAME".to_owned()),
        |(peak, readings)| Measured::new(Some(peak / whole.unwrap_or(1.0)), readings),
    ))
}

pub(super) fn cpu(within: &Within<'_>) -> Result<Measured> {
    peak(within, "cpu_cores", None)
}

pub(super) fn memory(within: &Within<'_>) -> Result<Measured> {
    peak(within, "rss_bytes", None)
}

/// The same as a share of what the machine has.
fn peak_share(within: &Within<'_>, series: &str, fact: &str, whole: impl Fn(&str) -> Option<f64>) -> Result<Measured> {
    match within.analysis.info.host.get(fact).and_then(|text| whole(text)).filter(|whole| *whole > 0.0) {
        Some(whole) => peak(within, series, Some(whole)),
        None => Ok(Measured::insufficient(0, format!("run.json does not say how much the machine has (host.{fact})"))),
    }
}

pub(super) fn cpu_share(within: &Within<'_>) -> Result<Measured> {
    peak_share(within, "cpu_cores", "cores", |text| text.parse().ok())
}

pub(super) fn memory_share(within: &Within<'_>) -> Result<Measured> {
    // As the kernel writes it, in kB of 1024 bytes.
    let bytes = |text: &str| text.strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0);
    peak_share(within, "rss_bytes", "memory", bytes)
}

#[cfg(test)]
mod tests {
    use stats::recovery::Baseline;

    use super::*;

    #[test]
    fn what_never_recovered_misses_its_limit_once_it_was_watched_that_long() {
        let after = |name: &str, recovered_s, watched_s| Recovery {
            after: name.to_owned(),
            over_ns: 0,
            recovered_s,
            watched_s,
            backlog: 0.0,
            baseline: Some(Baseline { p99_max: 1.0, in_flight_max: 1.0 }),
        };
        let judged = |all: &[Recovery]| {
            let threshold: Threshold = "recovery_time<10s".parse().expect("a threshold");
            let found = decided(&threshold, longest_recovery(all));
            (found.verdict, found.value, found.note)
        };
        let (spike, restart) = (after("spike", Some(4.0), 30.0), after("restart", Some(12.0), 30.0));
        assert_eq!(judged(std::slice::from_ref(&spike)), (Verdict::Pass, Some(4e9), "after spike".to_owned()));
        assert_eq!(judged(&[spike.clone(), restart.clone()]), (Verdict::Fail, Some(12e9), "after restart".to_owned()));
        assert_eq!(judged(&[restart.clone(), after("stress", None, 11.0)]).1, Some(11e9), "what never recovered is the worst");
        let (verdict, value, note) = judged(&[spike, after("stress", None, 8.0)]);
        assert_eq!((verdict, value), (Verdict::Insufficient, None));
        assert!(note.starts_with("after stress it had not recovered"), "{note}");
        assert_eq!(judged(&[]).0, Verdict::Insufficient);
        assert_eq!(judged(&[Recovery { baseline: None, ..restart }]).0, Verdict::Insufficient);
    }
}
