//! What `search` does between and during its trials: pause, reset, replay.

use std::process::{Command, Stdio};
use std::time::Duration;

use analysis::search::{Asked, SearchInfo};
use analysis::threshold::Thresholds;
use replay::{Arrivals, Pace, Pacing, Preflight, ReplayOptions, Stop};
use stats::search::{Found, Plan};
use trace::{ErrorClass, RunStatus, schema};

use super::replay as replaying;
use crate::failure::Failure;

/// The probe: so many connections, as fast as they are answered, for so long.
const PROBE_CONNECTIONS: usize = 8;
const PROBE_TIME: Duration = Duration::from_secs(3);
/// The search begins at this share of what the probe got through.
const START_SHARE: f64 = 0.1;
/// Of a trial, this is its warm-up where none is asked for.
const WARMUP_SHARE: f64 = 0.1;
/// After a trial in which requests timed out the target may still be at work for them: so many times the usual pause.
const PAUSES_AFTER_TIMEOUTS: u32 = 10;

/// What is done between trials.
pub struct Between {
    /// The pause.
    pub cool_down: Duration,
    /// A command for `sh -c`.
    pub command: Option<String>,
}

/// Makes one trial after the other.
pub struct Trials {
    /// Of every trial but for its folder, pace, length, warm-up and seed.
    options: ReplayOptions,
    preflight: Preflight,
    between: Between,
    stop: Stop,
    /// Before the next trial.
    pause: Duration,
}

impl Trials {
    /// Makes sure that trials can be made, and makes the folder they go to.
    ///
    /// # Errors
    /// One sentence for what is in the way.
    pub fn prepare(options: ReplayOptions, between: Between, stop: Stop) -> Result<Self, Failure> {
        let preflight = replay::preflight(&options)?;
        preflight.check(&options)?;
        preflight.check_targets(&options, &stop)?;
        replay::make_folder(&options.out)?;
        // What was made sure of once need not be asked before every trial.
        let options = ReplayOptions { check_collections: false, ..options };
        Ok(Self { options, preflight, between, stop, pause: Duration::ZERO })
    }

    /// Searches to the end, or until the user has had enough; `told` sees the search after every trial.
    ///
    /// # Errors
    /// As [`analysis::search::search`] and one sentence for a trial that cannot be made.
    pub fn search(
        &mut self,
        plan: Plan,
        thresholds: &Thresholds,
        told: impl FnMut(&SearchInfo) -> Result<(), Failure>,
    ) -> Result<SearchInfo, Failure> {
        self.options.thresholds = thresholds.words();
        let mut info = self.describe(plan);
        let out = self.options.out.clone();
        analysis::search::search(&mut info, &out, thresholds, |asked| self.make(asked), told)?;
        Ok(info)
    }

    /// The rate to begin with: a share of what a few connections get through. `None` when the user has had enough.
    ///
    /// # Errors
    /// When the target answers nothing well.
    pub fn probe(&mut self) -> Result<Option<f64>, Failure> {
        let options = ReplayOptions {
            out: self.options.out.join("probe"),
            label: "probe".to_owned(),
            pace: Pace::Max,
            pacing: Pacing::Open,
            arrivals: Arrivals::Recorded,
            think_speed: None,
            connections_max: PROBE_CONNECTIONS,
            duration: Some(PROBE_TIME),
            warmup: None,
            ..self.options.clone()
        };
        if !self.run(&options, "probe: ")? {
            return Ok(None);
        }
        let answered = analysis::totals::Totals::load(&analysis::Run::open(&options.out)?)?;
        let good_per_s = answered.amount_per_s(answered.ok).filter(|per_s| *per_s > 0.0);
        let start = good_per_s.ok_or_else(|| {
            let folder = options.out.display();
            Failure::new(format!("the target gave no good answer to a probe; `rehearsal report {folder}` shows what it said"))
        })?;
        Ok(Some(start * START_SHARE))
    }

    /// Makes a trial; says whether it came to its end.
    ///
    /// # Errors
    /// One sentence when the command between trials fails, the target is gone, or the replay cannot be made.
    fn make(&mut self, asked: Asked<'_>) -> Result<bool, Failure> {
        let length = Duration::from_secs_f64(asked.trial.length_s);
        let options = ReplayOptions {
            out: self.options.out.join(asked.folder),
            label: format!("{} {}", self.options.label, asked.folder),
            pace: Pace::rate(asked.trial.per_s)?,
            duration: Some(length),
            warmup: Some(self.options.warmup.unwrap_or_else(|| length.mul_f64(WARMUP_SHARE))),
            seed: asked.seed,
            ..self.options.clone()
        };
        self.run(&options, &format!("{}, {:.1}/s for {:.1} s: ", asked.folder, asked.trial.per_s, asked.trial.length_s))
    }

    fn run(&mut self, options: &ReplayOptions, front: &str) -> Result<bool, Failure> {
        if self.stop.asked_within(self.pause) {
            return Ok(false);
        }
        self.between.command.as_deref().map_or(Ok(()), reset)?;
        let plan = self.preflight.paced(options)?;
        plan.check(options)?;
        plan.check_targets(options, &self.stop)?;
        let summary = replaying::replay_with_progress(options, &plan, &self.stop.child(), front)?;
        let timed_out = summary.counts.errors_of(ErrorClass::Timeout) > 0;
        self.pause = self.between.cool_down * if timed_out { PAUSES_AFTER_TIMEOUTS } else { 1 };
        Ok(!self.stop.asked())
    }

    /// The description of a search that is about to begin.
    fn describe(&self, plan: Plan) -> SearchInfo {
        let options = &self.options;
        SearchInfo {
            version: schema::VERSION,
            tool: format!("rehearsal {}", env!("CARGO_PKG_VERSION")),
            label: options.label.clone(),
            note: options.note.clone(),
            status: RunStatus::Running,
            command: options.command_without_secrets(),
            trace: options.trace.display().to_string(),
            trace_hash: self.preflight.trace_hash.clone(),
            targets: self.preflight.targets_by_collection(),
            seed: options.seed,
            thresholds: options.thresholds.clone(),
            plan,
            trials: Vec::new(),
            found: Found { ending: None, lower: None, upper: None, trials: 0 },
            capacity_per_s: None,
        }
    }
}

/// Runs a command of the user's to its end; what it prints is shown when it fails.
fn reset(command: &str) -> Result<(), Failure> {
    let failed = |why: &str| Failure::new(format!("--before-trial `{command}` {why}"));
    let done = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output();
    let done = done.map_err(|error| failed(&format!("cannot be run: {error}")))?;
    if done.status.success() {
        return Ok(());
    }
    let said: String = [done.stdout, done.stderr].iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    Err(failed(&format!("ended with {}: {}", done.status, said.trim())))
}
