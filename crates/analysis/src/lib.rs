//! From runs to findings and reports: percentiles, verdicts, charts.

pub mod agreement;
mod bins;
pub mod breakdown;
pub mod breaking;
pub mod capacity;
pub mod chart;
pub mod compare;
pub mod connects;
mod cores;
pub mod courses;
pub mod distribution;
pub mod endurance;
mod error;
pub mod errors;
pub mod finding;
pub mod heat;
pub mod histograms;
pub mod history;
pub mod index;
pub mod inspect;
pub mod issues;
pub mod junit;
pub mod latency;
mod load;
pub mod outage;
pub mod overview;
pub mod page;
pub mod phases;
pub mod rates;
pub mod recovery;
mod render;
mod report;
pub mod requests;
pub mod resources;
pub mod scope;
pub mod search;
pub mod section;
pub mod silence;
pub mod spread;
pub mod steps;
pub mod threshold;
pub mod timing;
pub mod totals;
pub mod transactions;
pub mod units;
pub mod variability;
pub mod watched;
mod yaml;

use breakdown::Measure;

pub use error::{Error, Result};
pub use load::Run;
pub use render::{folded, terminal_table};
pub use report::{Report, ReportOptions, report};
pub use search::search_info;

/// What the report's finest table tells requests apart by.
const BREAKDOWN_BY: [&str; 4] = ["phase", "target", "collection", "operation"];

/// Everything computed from one run; charts, findings and sections are views of it.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The run's own description.
    pub info: trace::RunInfo,
    /// Numbers of the parts of its outcomes that are missing.
    pub missing_parts: Vec<std::ops::RangeInclusive<u32>>,
    /// Its phases, as it was asked for.
    pub phases: phases::Phases,
    /// Counts and sums with the warm-up, which all else leaves out, but for what shows the course of time.
    pub whole: totals::Totals,
    /// Counts and sums.
    pub totals: totals::Totals,
    /// Response and service time.
    pub latency: latency::Latency,
    /// Response and service time by phase, target, collection and operation.
    pub breakdown: breakdown::Breakdown,
    /// How long connecting took.
    pub connects: connects::Connects,
    /// Units of work of several requests, by name.
    pub transactions: Vec<transactions::Transactions>,
    /// How evenly good answers came; `None` for a short run.
    pub variability: Option<variability::Variability>,
    /// The figures of each phase, where there are several.
    pub by_phase: Vec<phases::Phase>,
    /// Every answer by time and response time.
    pub heat: heat::Heat,
    /// Throughput over time.
    pub rates: rates::Rates,
    /// How the largest collections fared over time.
    pub courses: courses::Courses,
    /// Failures by kind, the most frequent first.
    pub failures: Vec<errors::Failure>,
    /// The same over time.
    pub errors_over_time: errors::OverTime,
    /// What was out of the ordinary, and what was noted about it.
    pub issues: issues::Issues,
    /// Requests to look at one by one.
    pub requests: requests::Requests,
    /// How answers agree with the recorded ones.
    pub agreement: agreement::Agreement,
    /// Whether the timing was kept.
    pub timing: timing::Timing,
    /// What probes saw; `None` where nothing was watched.
    pub resources: Option<resources::Resources>,
    /// Whether the target held over time; `None` where the run is too short to say anything of that.
    pub endurance: Option<endurance::Endurance>,
    /// How the run stands to its thresholds, where [`Analysis::held`] was asked.
    pub thresholds: Vec<threshold::Judged>,
    /// Levels of load, where it varied.
    pub steps: steps::Steps,
    /// Where the target breaks; `None` where the load did not vary.
    pub breaking: Option<breaking::Breaking>,
    /// How long the target needed after each disturbance.
    pub recoveries: Vec<recovery::Recovery>,
    /// The longest time without a good answer.
    pub silence: Option<silence::Silence>,
    /// What the target can bear; `None` where the load did not vary and nothing was asked.
    pub capacity: Option<capacity::Capacity>,
}

impl Analysis {
    /// Computes everything, one scan of few columns after another.
    ///
    /// # Errors
    /// [`Error::Empty`] when the run has no outcomes, [`Error::Outcomes`] when a part is damaged.
    pub fn new(run: &Run) -> Result<Self> {
        let phases = phases::Phases::of(&run.info);
        let totals = totals::Totals::load(run)?;
        // First, while the heap is empty: it needs the largest piece of memory in one.
        let timing = timing::Timing::load(run, &totals)?;
        let mut latency = latency::Latency::load(run, &totals)?;
        let (mut everything, mut whole) = (run.clone(), totals.clone());
        if phases.has_warmup() {
            everything = run.whole();
            whole = totals::Totals::load(&everything)?;
            latency.over_time = courses::Course::load(&everything, &whole)?;
        }
        let rates = rates::Rates::load(&everything, &whole)?;
        let failures = errors::load(run)?;
        let resources = resources::Resources::load(run, &whole)?;
        let (closed_loop, watched) = (timing.closed_loop, resources.as_ref());
        let material = endurance::Material {
            phases: &phases,
            whole: &whole,
            latency: &latency,
            rates: &rates,
            resources: watched,
            closed_loop,
        };
        let endurance = endurance::Endurance::new(&material);
        let mut analysis = Self {
            info: run.info.clone(),
            missing_parts: run.missing_parts(),
            breakdown: breakdown::Breakdown::load(run, &BREAKDOWN_BY, &[Measure::Response, Measure::Service])?,
            connects: connects::Connects::load(run, &totals)?,
            transactions: transactions::load(run, &totals)?,
            variability: variability::Variability::load(run, &totals)?,
            by_phase: phases.load(run, &totals)?,
            heat: heat::Heat::load(&everything, &whole)?,
            courses: courses::Courses::load(&everything, &whole)?,
            errors_over_time: errors::OverTime::load(&everything, &failures, &rates)?,
            failures,
            issues: issues::Issues::default(),
            requests: requests::Requests::load(run)?,
            agreement: agreement::Agreement::load(run, &rates)?,
            steps: steps::Steps::default(),
            breaking: None,
            recoveries: recovery::Recovery::load(run, &phases, &totals)?,
            silence: silence::Silence::load(run, &totals, &latency)?,
            rates,
            timing,
            resources,
            endurance,
            thresholds: Vec::new(),
            phases,
            latency,
            capacity: None,
            totals,
            whole,
        };
        analysis.steps = steps::Steps::of_run(run, &analysis)?;
        analysis.breaking = breaking::Breaking::of_run(&analysis, &[]);
        analysis.issues = issues::Issues::of(&analysis, &run.events);
        Ok(analysis)
    }

    /// The same with the run held against thresholds, and breaking points looked for within them and these limits.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged, [`Error::Asked`] where the run cannot be held against one of the limits.
    pub fn held(self, run: &Run, thresholds: &threshold::Thresholds, limits: &[breaking::Asked]) -> Result<Self> {
        let judged = thresholds.judge(run, &self)?;
        let of_scope = |scope: &scope::Scope| steps::Steps::of_scope(run, &self, scope);
        let mut all = breaking::limits_of(thresholds, &self.steps, Some(&self), of_scope)?;
        let refused = |reason| Error::Asked { option: "--limit", reason };
        for limit in limits {
            all.push(limit.limit(&self).map_err(refused)?);
        }
        Ok(Self { thresholds: judged, breaking: breaking::Breaking::of_run(&self, &all), ..self })
    }
}
