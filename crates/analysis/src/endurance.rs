//! Endurance: whether the target's resources and its answers held over a long run, or grew.
//!
//! Each series is judged by [`stats::trend::growth`] over the longest stretch of level load, without what [`stats::warmup::mser5`] finds to
//! be warm-up. Under a load that rises, growth says nothing of the target.

use serde::Serialize;
use stats::trend::{BINS, Growth, GrowthKind, GrowthLimits, growth};
use stats::warmup::{WarmUp, mser5};

use crate::bins::Bins;
use crate::latency::Latency;
use crate::phases::{Phases, WARMUP};
use crate::rates::Rates;
use crate::resources::{GENERATOR, Read, Resources};
use crate::totals::Totals;

/// Shorter stretches say nothing of endurance.
const SPAN_S_MIN: f64 = 20.0;
/// From here on growth is a verdict; before, it may well be the beginning of a run: caches that fill, heaps that settle.
pub const TRUSTED_S_MIN: f64 = 600.0;
/// What the rest of a run differs from its beginning by, as a share, where that was a warm-up.
const WARM_UP_SHARE_MIN: f64 = 0.05;
/// Readings to each of the stretches that a trend goes through.
const READINGS_MIN: usize = 3;
/// Where fewer of the bins have a quantile, nothing is said of it.
const FILLED_SHARE_MIN: f64 = 0.9;
/// The load counts as level while it drifts by less.
const LOAD_DRIFT_SHARE_MAX: f64 = 0.05;
/// A share of failures that rises by less does not matter.
const FAILED_SHARE_RISE_MIN: f64 = 0.001;

/// Instants (s since run start) and values.
type Points = Vec<(f64, f64)>;

/// Who a series is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// What the target uses.
    Target,
    /// What the generator uses.
    Generator,
    /// What the target's answers were like.
    Answers,
}

/// A figure over time, judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// Who it is of.
    pub whose: Whose,
    /// The probe; empty for answers.
    pub source: String,
    /// What it is.
    pub series: String,
    /// Its unit, as that of probes.
    pub unit: String,
    /// Values.
    pub count: usize,
    /// The verdict with its figures.
    #[serde(flatten)]
    pub growth: Growth,
    /// What must not be reached, where that is known.
    pub limit: Option<Limit>,
    /// Whether growing is bad, or falling.
    #[serde(skip)]
    pub bad: Bad,
    /// Instant (s since run start) and value, for the chart.
    #[serde(skip)]
    pub points: Vec<(f64, f64)>,
}

/// Which way is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Upwards.
    Growing,
    /// Downwards.
    Falling,
}

/// A value that a series must not reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// The value.
    pub at: f64,
    /// Whose limit it is.
    pub of: String,
}

impl Judged {
    /// Whether it goes the bad way, or may.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        match self.growth.kind {
            GrowthKind::Growing | GrowthKind::SuspectGrowing => self.bad == Bad::Growing,
            GrowthKind::Falling | GrowthKind::SuspectFalling => self.bad == Bad::Falling,
            GrowthKind::Stepped => self.growth.step.is_some_and(|step| (step.after > step.before) == (self.bad == Bad::Growing)),
            GrowthKind::Steady | GrowthKind::Sawtooth => false,
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn title(&self) -> &str {
        match self.series.as_str() {
            "rss_bytes" => "Resident memory",
            "descriptors" => "Open descriptors",
            "threads" => "Threads",
            other => other,
        }
    }

    /// What it is, and of whom.
    #[must_use]
    pub fn name(&self) -> String {
        if self.source.is_empty() { self.title().to_owned() } else { format!("{} of {}", self.title(), self.source) }
    }

    /// An instant of the verdict, which counts from the first point on, in s since run start.
    #[must_use]
    pub fn at_s(&self, at_s: f64) -> f64 {
        self.points.first().map_or(0.0, |(first_s, _)| first_s + at_s)
    }

    /// What the verdict takes the series for at an instant, in s since run start: a step, or a line.
    #[must_use]
    pub fn trend_at(&self, at_s: f64) -> f64 {
        if let Some(step) = self.growth.step {
            return if at_s < self.at_s(step.at_s) { step.before } else { step.after };
        }
        self.growth.start + self.growth.per_hour.value / 3600.0 * (at_s - self.at_s(0.0))
    }

    /// Whether there is no doubt about it: one trend all along, in stretches that do not depend on one another.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        matches!(self.growth.kind, GrowthKind::Growing | GrowthKind::Falling)
    }
}

/// What a run says of endurance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Endurance {
    /// What was judged begins here, ns since run start.
    pub from_ns: i64,
    /// And ends here.
    pub to_ns: i64,
    /// What was cut off before it as warm-up, ns.
    pub trimmed_ns: i64,
    /// The figures: those of the target first, then of its answers, then of the generator.
    pub figures: Vec<Judged>,
    /// Why nothing is judged, where that is so.
    pub insufficient: Option<String>,
}

/// What endurance is judged from.
pub(crate) struct Material<'a> {
    pub phases: &'a Phases,
    pub whole: &'a Totals,
    pub latency: &'a Latency,
    pub rates: &'a Rates,
    pub resources: Option<&'a Resources>,
    /// Users wait for their answers, so that the load follows the target.
    pub closed_loop: bool,
}

impl Endurance {
    /// `None` where the run has no level stretch that is long enough to speak of.
    pub(crate) fn new(of: &Material<'_>) -> Option<Self> {
        let (from_ns, to_ns) = longest(of.phases, of.whole);
        if seconds(from_ns, to_ns) < SPAN_S_MIN {
            return None;
        }
        let trimmed_ns = warmup_ns(of, from_ns, to_ns);
        let mut all = Self { from_ns: from_ns + trimmed_ns, to_ns, trimmed_ns, figures: Vec::new(), insufficient: None };
        all.insufficient = if of.closed_loop { None } else { all.uneven(of) };
        if all.insufficient.is_none() {
            all.figures = [all.resources(of, false), all.answers(of), all.resources(of, true)].concat();
            let reason = || {
                let (least, span) = (BINS * READINGS_MIN, crate::units::duration(all.seconds() * 1e9));
                format!("No series has the {least} readings that a trend needs, nor answers for {BINS} medians, within {span}.")
            };
            let nothing = all.figures.is_empty().then(reason);
            all.insufficient = nothing;
        }
        Some(all)
    }

    /// How long the stretch is, s.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        seconds(self.from_ns, self.to_ns)
    }

    /// Whether growth is a verdict here.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.seconds() >= TRUSTED_S_MIN
    }

    /// Figures that go the bad way, or may, the clear ones first.
    pub fn bad(&self, whose: Whose) -> Vec<&Judged> {
        let mut bad: Vec<&Judged> = self.figures.iter().filter(|one| one.whose == whose && one.is_bad()).collect();
        bad.sort_by_key(|one| !one.is_clear());
        bad
    }

    /// Why the load does not let growth be told, where it does not.
    fn uneven(&self, of: &Material<'_>) -> Option<String> {
        let limits = GrowthLimits { drift_share_min: LOAD_DRIFT_SHARE_MAX, ceiling: None, per_bin_min: 1 };
        let offered = self.bins(&of.rates.bins, &of.rates.bins.per_s(&of.rates.due))?;
        let load = judge(&offered, &limits)?;
        let level = matches!(load.kind, GrowthKind::Steady | GrowthKind::Sawtooth);
        let drift = crate::units::share(load.drift_share.abs());
        let way = if load.drift_share > 0.0 { "rose" } else { "fell" };
        (!level).then(|| {
            format!(
                "The load itself {way} by {drift} over the longest stretch of the run, so that growth of the target cannot be told from it; \
                 a phase of level load, such as a soak, can tell."
            )
        })
    }

    fn answers(&self, of: &Material<'_>) -> Vec<Judged> {
        let (over_time, rates) = (&of.latency.over_time, of.rates);
        let ns = |values: &[Option<i64>]| values.iter().map(|ns| ns.map(|ns| ns as f64 / 1e9)).collect::<Vec<_>>();
        let came: Vec<u64> = rates.ok.iter().zip(&rates.failed).map(|(ok, failed)| ok + failed).collect();
        let share = |(failed, came): (&u64, &u64)| (*came > 0).then(|| *failed as f64 / *came as f64);
        let failed: Vec<Option<f64>> = rates.failed.iter().zip(&came).map(share).collect();
        let good = rates.bins.per_s(&rates.ok);
        let series = [
            ("Response p50", "s", 0.05, Bad::Growing, self.bins(&over_time.bins, &ns(&over_time.p50_ns))),
            ("Response p99", "s", 0.1, Bad::Growing, self.bins(&over_time.bins, &ns(&over_time.p99_ns))),
            ("Failed requests", "share", 0.1, Bad::Growing, self.bins(&rates.bins, &failed)),
            ("Good answers", "/s", 0.05, Bad::Falling, self.bins(&rates.bins, &good)),
        ];
        let judged = |(name, unit, least, bad, points): (&str, &'static str, f64, Bad, Option<Points>)| {
            let points = points?;
            let growth = judge(&points, &GrowthLimits { drift_share_min: least, ceiling: None, per_bin_min: 1 })?;
            let slight = unit == "share" && growth.per_hour.value.abs() * self.seconds() / 3600.0 < FAILED_SHARE_RISE_MIN;
            let growth = if slight { Growth { kind: GrowthKind::Steady, step: None, ..growth } } else { growth };
            let (source, unit, count) = (String::new(), unit.to_owned(), points.len());
            Some(Judged { whose: Whose::Answers, source, series: name.to_owned(), unit, count, growth, limit: None, bad, points })
        };
        series.into_iter().filter_map(judged).collect()
    }

    fn resources(&self, of: &Material<'_>, own: bool) -> Vec<Judged> {
        let Some(resources) = of.resources else { return Vec::new() };
        let inside = |reading: &&Read| own == (reading.source == GENERATOR);
        resources.growing().filter(inside).filter_map(|reading| self.resource(reading, resources, own)).collect()
    }

    fn resource(&self, reading: &Read, resources: &Resources, own: bool) -> Option<Judged> {
        let within = |(at_ns, _): &&(i64, f64)| (self.from_ns..=self.to_ns).contains(at_ns);
        let points: Vec<(f64, f64)> =
            reading.points.iter().filter(within).map(|(at_ns, value)| (*at_ns as f64 / 1e9, *value)).collect();
        let limit = resources.limit_of(reading);
        let ceiling = limit.as_ref().map(|limit| limit.at);
        let limits = GrowthLimits { drift_share_min: 0.05, ceiling, per_bin_min: READINGS_MIN };
        let growth = judge(&points, &limits)?;
        Some(Judged {
            whose: if own { Whose::Generator } else { Whose::Target },
            source: reading.source.clone(),
            series: reading.series.clone(),
            unit: reading.unit.clone(),
            count: points.len(),
            growth,
            limit,
            bad: Bad::Growing,
            points,
        })
    }

    /// The bins that lie in the stretch with their middles; `None` where too few of them have a value.
    fn bins(&self, bins: &Bins, values: &[Option<f64>]) -> Option<Points> {
        within(bins, values, self.from_ns, self.to_ns)
    }
}

fn seconds(from_ns: i64, to_ns: i64) -> f64 {
    (to_ns - from_ns) as f64 / 1e9
}

/// The longest phase but a warm-up; of a run without phases, all of it.
fn longest(phases: &Phases, whole: &Totals) -> (i64, i64) {
    let ends = phases.begins.iter().skip(1).map(|begin| begin.from_ns).chain([i64::MAX]);
    let spans = phases.begins.iter().zip(ends).filter(|(begin, _)| begin.name != WARMUP);
    let span = |from_ns: i64, to_ns: i64| (from_ns.max(whole.first_due_ns), to_ns.min(whole.last_due_ns));
    let spans = spans.map(|(begin, end_ns)| span(begin.from_ns, end_ns));
    let all = span(phases.warmup_ns.unwrap_or(i64::MIN), i64::MAX);
    spans.max_by_key(|(from_ns, to_ns)| to_ns - from_ns).unwrap_or(all)
}

/// What latency and throughput have for warm-up at the beginning of a stretch; nothing where they never settle, since that is for the
/// verdict to say, or where it was like the rest.
fn warmup_ns(of: &Material<'_>, from_ns: i64, to_ns: i64) -> i64 {
    let over_time = &of.latency.over_time;
    let p50: Vec<Option<f64>> = over_time.p50_ns.iter().map(|ns| ns.map(|ns| ns as f64)).collect();
    let series = [
        within(&over_time.bins, &p50, from_ns, to_ns),
        within(&of.rates.bins, &of.rates.bins.per_s(&of.rates.ok), from_ns, to_ns),
    ];
    let cut = |points: Points| {
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let WarmUp::Values(count) = mser5(&values)? else { return None };
        let (before, after) = values.split_at(count);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let differs = count > 0 && (mean(before) - mean(after)).abs() >= WARM_UP_SHARE_MIN * mean(after).abs();
        differs.then(|| ((points[count].0 - points[0].0) * 1e9) as i64)
    };
    series.into_iter().flatten().filter_map(cut).max().unwrap_or(0)
}

fn within(bins: &Bins, values: &[Option<f64>], from_ns: i64, to_ns: i64) -> Option<Points> {
    let begins = |bin: usize| bins.start_ns + bin as i64 * bins.width_ns;
    let inside: Vec<usize> = (0..bins.count).filter(|bin| begins(*bin) >= from_ns && begins(bin + 1) <= to_ns).collect();
    let start_s = bins.start_ns as f64 / 1e9;
    let filled: Vec<(f64, f64)> = inside.iter().filter_map(|bin| Some((start_s + bins.middle_s(*bin), values[*bin]?))).collect();
    (filled.len() as f64 >= FILLED_SHARE_MIN * inside.len() as f64 && !filled.is_empty()).then_some(filled)
}

/// The verdict on points that are about equally far apart.
fn judge(points: &[(f64, f64)], limits: &GrowthLimits) -> Option<Growth> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    growth(&values, (last - first) / (points.len() - 1).max(1) as f64, limits)
}
