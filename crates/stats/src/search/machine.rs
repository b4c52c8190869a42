//! Coarse by factors of two, then by halves of the logarithm, then confirmed: the search as a machine without clock or target.

use serde::{Deserialize, Serialize};

use super::{Class, Goal, Tally};

/// Trials that the generator may spoil at one load, one after the other, after which it counts as the generator's limit.
const SPOILT_MAX: usize = 3;
/// Short trials halve the bracket until it is this many widths wide; full ones go on.
const SHORT_WIDTHS: f64 = 4.0;
/// The first step when a bound turned out wrong, in widths; doubled with every further one.
const WIDEN_WIDTHS: f64 = 2.0;
/// Loads nearer than this share are one.
const SAME_LOAD: f64 = 1e-9;

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Where to begin, per second: a tenth of what is expected.
    pub start_per_s: f64,
    /// The least rate worth knowing.
    pub min_per_s: f64,
    /// The largest rate to try.
    pub max_per_s: f64,
    /// The bounds end up at most this share apart: 0.02.
    pub width: f64,
    /// Length of a short trial, below the goal's full one: 10 s.
    pub short_s: f64,
    /// What a load has to stand.
    pub goal: Goal,
    /// The most trials of a search.
    pub trials_max: usize,
}

impl Plan {
    /// From a rate to begin with: trials of 10 s and 30 s, 2 % width, 60 trials at most, from a hundredth to a thousand times the start.
    #[must_use]
    pub fn from_start(start_per_s: f64) -> Self {
        Self {
            start_per_s,
            min_per_s: start_per_s * 0.01,
            max_per_s: start_per_s * 1000.0,
            width: 0.02,
            short_s: 10.0,
            goal: Goal::DEFAULT,
            trials_max: 60,
        }
    }

    fn sound(&self) -> bool {
        let rates = self.min_per_s > 0.0 && self.min_per_s <= self.max_per_s && self.max_per_s.is_finite();
        let goal = (0.0..1.0).contains(&self.goal.exceed) && self.goal.sum_s >= self.goal.full_s;
        rates && goal && self.width > 0.0 && self.short_s > 0.0 && self.short_s <= self.goal.full_s && self.start_per_s > 0.0
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Offered rate.
    pub per_s: f64,
    /// For how long.
    pub length_s: f64,
}

/// What a trial showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every threshold held.
    Good,
    /// One was missed, or the target fell behind the load.
    Bad,
    /// The generator, not the target, was at its limit: the trial says nothing.
    Spoilt,
}

/// A load with what speaks for its class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The load.
    pub per_s: f64,
    /// Trials at it, spoilt ones left out.
    pub trials: usize,
    /// How many of them were bad.
    pub bad: usize,
    /// Whether its trials reach the goal; otherwise it rests on short ones.
    pub confirmed: bool,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Both bounds are confirmed and within the width: the lower one is the answer, the upper one shows the failure above it.
    Found,
    /// The largest rate allowed was borne.
    AboveMax,
    /// Not even the smallest rate was borne.
    BelowMin,
    /// The generator gives out before the target does: the answer is a lower bound.
    GeneratorLimited,
    /// The trials are used up.
    TrialsUsedUp,
}

/// What a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Why it ended; `None` while it goes on.
    pub ending: Option<Ending>,
    /// The largest load that is borne, below every load that is not.
    pub lower: Option<Bound>,
    /// The smallest load that is not.
    pub upper: Option<Bound>,
    /// Trials so far, spoilt ones too.
    pub trials: usize,
}

/// One load that was tried.
#[derive(Debug, Clone, Copy)]
struct Load {
    per_s: f64,
    tally: Tally,
    trials: usize,
    bad: usize,
    spoilt: usize,
}

impl Load {
    /// What full trials say; before they say anything, what most of the time of all trials says.
    fn class(&self, goal: &Goal) -> Class {
        let (good_s, bad_s) = (self.tally.full_good_s + self.tally.short_good_s, self.tally.full_bad_s + self.tally.short_bad_s);
        match self.tally.class(goal) {
            Class::Undecided if good_s > bad_s => Class::Lower,
            Class::Undecided if bad_s > good_s => Class::Upper,
            class => class,
        }
    }

    fn confirmed(&self, goal: &Goal) -> bool {
        self.tally.class(goal) != Class::Undecided && self.tally.full_good_s + self.tally.full_bad_s > 0.0
    }
}

/// The search. Ask for the [`Search::next`] trial, run it, [`Search::record`] its verdict, until there is none.
#[derive(Debug, Clone)]
pub struct Search {
    plan: Plan,
    /// By rising rate.
    loads: Vec<Load>,
    trials: usize,
    widen: f64,
}

impl Search {
    /// `None` for a plan whose rates, lengths or width are not numbers above 0 in their order, or whose goal allows all to be bad.
    #[must_use]
    pub fn new(plan: Plan) -> Option<Self> {
        plan.sound().then(|| Self { plan, loads: Vec::new(), trials: 0, widen: WIDEN_WIDTHS })
    }

    /// The next trial; `None` when the search has ended.
    #[must_use]
    pub fn next(&self) -> Option<Trial> {
        self.decide().ok()
    }

    /// Takes in what the trial that [`Search::next`] named has shown.
    pub fn record(&mut self, trial: Trial, verdict: Verdict) {
        self.trials += 1;
        let goal = self.plan.goal;
        let at = self.loads.iter().position(|load| same(load.per_s, trial.per_s)).unwrap_or_else(|| {
            let at = self.loads.partition_point(|load| load.per_s < trial.per_s);
            self.loads.insert(at, Load { per_s: trial.per_s, tally: Tally::default(), trials: 0, bad: 0, spoilt: 0 });
            at
        });
        let load = &mut self.loads[at];
        let before = load.class(&goal);
        if verdict == Verdict::Spoilt {
            load.spoilt += 1;
            return;
        }
        // What it managed once it can manage again.
        load.spoilt = 0;
        load.trials += 1;
        load.bad += usize::from(verdict == Verdict::Bad);
        load.tally.add(&goal, trial.length_s, verdict == Verdict::Good);
        let turned = matches!((before, load.class(&goal)), (Class::Lower, Class::Upper) | (Class::Upper, Class::Lower));
        if turned {
            self.widen *= 2.0;
        }
    }

    /// What is known so far.
    #[must_use]
    pub fn found(&self) -> Found {
        let goal = &self.plan.goal;
        let bound =
            |load: &Load| Bound { per_s: load.per_s, trials: load.trials, bad: load.bad, confirmed: load.confirmed(goal) };
        let (lower, upper) = self.bracket();
        Found { ending: self.decide().err(), lower: lower.map(bound), upper: upper.map(bound), trials: self.trials }
    }

    /// The smallest load that is not borne, and the largest borne one below it.
    fn bracket(&self) -> (Option<&Load>, Option<&Load>) {
        let is = |load: &&Load, class| load.class(&self.plan.goal) == class;
        let upper = self.loads.iter().find(|load| is(load, Class::Upper));
        let below = |load: &&Load| upper.is_none_or(|upper| load.per_s < upper.per_s);
        (self.loads.iter().rev().filter(below).find(|load| is(load, Class::Lower)), upper)
    }

    /// The next trial, or why there is none. A search that the generator ends still confirms what it has.
    fn decide(&self) -> Result<Trial, Ending> {
        match (self.step(), self.bracket().0) {
            (Err(Ending::GeneratorLimited), Some(lower)) if !lower.confirmed(&self.plan.goal) => {
                let confirming = self.full(lower.per_s);
                confirming.map_err(|_| Ending::GeneratorLimited)
            }
            (step, _) => step,
        }
    }

    fn step(&self) -> Result<Trial, Ending> {
        let plan = &self.plan;
        if let Some(torn) = self.loads.iter().find(|load| load.trials > 0 && load.class(&plan.goal) == Class::Undecided) {
            return self.full(torn.per_s);
        }
        let (lower, upper) = (self.bracket().0.copied(), self.bracket().1.copied());
        let confirmed = |load: &Load| load.confirmed(&plan.goal);
        match (lower, upper) {
            (None, None) => self.short(plan.start_per_s.clamp(plan.min_per_s, plan.max_per_s)),
            (Some(lower), None) if same(lower.per_s, plan.max_per_s) => {
                if confirmed(&lower) {
                    Err(Ending::AboveMax)
                } else {
                    self.full(lower.per_s)
                }
            }
            (Some(lower), None) => self.short((lower.per_s * self.coarse(&lower)).min(plan.max_per_s)),
            (None, Some(upper)) if same(upper.per_s, plan.min_per_s) => {
                if confirmed(&upper) {
                    Err(Ending::BelowMin)
                } else {
                    self.full(upper.per_s)
                }
            }
            (None, Some(upper)) => self.short((upper.per_s / self.coarse(&upper)).max(plan.min_per_s)),
            (Some(lower), Some(upper)) => self.narrow(&lower, &upper),
        }
    }

    /// The factor to the next load where one side is still open: 2, or a few widths from a load that full trials have turned over.
    fn coarse(&self, from: &Load) -> f64 {
        if from.confirmed(&self.plan.goal) { (1.0 + self.widen * self.plan.width).min(2.0) } else { 2.0 }
    }

    fn narrow(&self, lower: &Load, upper: &Load) -> Result<Trial, Ending> {
        let (plan, ratio) = (&self.plan, upper.per_s / lower.per_s);
        let middle = (lower.per_s * upper.per_s).sqrt();
        match () {
            () if ratio > 1.0 + SHORT_WIDTHS * plan.width => self.short(middle),
            () if ratio > (1.0 + plan.width) * (1.0 + SAME_LOAD) => self.full(middle),
            () if !lower.confirmed(&plan.goal) => self.full(lower.per_s),
            () if !upper.confirmed(&plan.goal) => self.full(upper.per_s),
            () => Err(Ending::Found),
        }
    }

    fn short(&self, per_s: f64) -> Result<Trial, Ending> {
        self.trial(per_s, self.plan.short_s)
    }

    fn full(&self, per_s: f64) -> Result<Trial, Ending> {
        self.trial(per_s, self.plan.goal.full_s)
    }

    fn trial(&self, per_s: f64, length_s: f64) -> Result<Trial, Ending> {
        let spoilt = |load: &&Load| load.spoilt >= SPOILT_MAX && load.per_s <= per_s * (1.0 + SAME_LOAD);
        match () {
            () if self.loads.iter().any(|load| spoilt(&load)) => Err(Ending::GeneratorLimited),
            () if self.trials >= self.plan.trials_max => Err(Ending::TrialsUsedUp),
            () => Ok(Trial { per_s, length_s }),
        }
    }
}

fn same(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() <= SAME_LOAD
}
