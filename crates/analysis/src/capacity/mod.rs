//! What a target can bear, read from a few measured levels of load: the laws they follow, how far the recorded peak is from the limit, and
//! how many nodes, until when, at what price. Every figure comes with what it assumes; what the data do not bear is refused in a sentence.

mod calendar;
mod growth;
mod headroom;
mod law;
mod mix;
mod nodes;
mod peak;
mod question;
mod show;

use serde::Serialize;

use crate::breaking::mean_between;
use crate::steps::{Step, Steps};
use crate::{Analysis, Error, Run};

pub use self::growth::Reached;
pub use self::headroom::{Headroom, Safe};
pub use self::law::{Laws, LeftOut, LoadPoint};
pub use self::mix::{CostBasis, Mixed};
pub use self::nodes::{Plan, Scaling};
pub use self::peak::{Peak, Peaks};
pub use self::question::{Growth, Mix, Nodes, Price, Question, Rate};
pub use self::show::{blocks, sentences, terminal};

/// A figure, or one sentence that says why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Told<T> {
    /// It is known.
    Known(T),
    /// It is not.
    Refused {
        /// Why.
        refused: String,
    },
}

impl<T> Told<T> {
    /// The figure.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(figure) => Some(figure),
            Self::Refused { .. } => None,
        }
    }

    /// The figure, or why there is none.
    ///
    /// # Errors
    /// The sentence.
    pub fn get(&self) -> Result<&T, String> {
        match self {
            Self::Known(figure) => Ok(figure),
            Self::Refused { refused } => Err(refused.clone()),
        }
    }

    /// Why there is none.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Refused { refused } => Some(refused),
        }
    }
}

impl<T> From<Result<T, String>> for Told<T> {
    fn from(told: Result<T, String>) -> Self {
        told.map_or_else(|refused| Self::Refused { refused }, Self::Known)
    }
}

/// Said where a figure needs a rate that is borne.
pub(crate) const NO_SAFE_RATE: &str =
    "No rate is known to be borne: measure several loads of which the smallest holds every threshold, or use `rehearsal search`.";
/// Said where the generator was the limit.
pub(crate) const GENERATOR_LIMITED: &str =
    "The generator, not the target, was at its limit, so that nothing is known of what the target bears.";

/// What was measured of a target: by one run over several loads, by a series, or by a search.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// The levels of load.
    pub steps: &'a Steps,
    /// Cores in use by the target in each step of all collections; `None` where nobody looked.
    pub cores: &'a [Option<f64>],
    /// The largest rate that is known to be borne.
    pub safe: &'a Told<Safe>,
    /// When it was measured, ns since the Unix epoch.
    pub at_unix_ns: Option<i64>,
    /// Requests answered for each second of the target's processor time.
    pub answered_per_cpu_s: Option<f64>,
}

/// What a target can bear. Rates are per second, times ns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// The laws that the levels of load follow.
    pub laws: Laws,
    /// The largest rate that is known to be borne.
    pub safe: Told<Safe>,
    /// The recorded peak against it: of all collections first, then of each. Empty where no trace was given.
    pub headroom: Vec<Headroom>,
    /// Requests answered for each second of the target's processor time.
    pub answered_per_cpu_s: Option<f64>,
    /// Nodes for the demand.
    pub nodes: Option<Told<Plan>>,
    /// When growing demand reaches what is borne.
    pub reached: Option<Told<Reached>>,
    /// What is borne of another mix of collections.
    pub mix: Option<Told<Mixed>>,
    /// Cost of a million requests where the measured nodes bear all that they can.
    pub cost_per_million: Option<Told<Cost>>,
}

/// What requests cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// For a million requests, in the currency of the price.
    pub per_million: f64,
    /// The currency, where the price named one.
    pub currency: String,
    /// What the figure rests on.
    pub assumes: Vec<String>,
}

impl Capacity {
    /// What a run shows of its target. Where the generator was the limit, nothing is known of the target's.
    ///
    /// # Errors
    /// [`Error::Asked`] for a question that does not fit the run.
    pub fn of_run(analysis: &Analysis, question: &Question) -> crate::Result<Option<Self>> {
        let generator_limited = analysis.timing.fidelity.generator_limited;
        let steps = &analysis.steps;
        let cores: Vec<Option<f64>> = steps.all.iter().map(|step| cores(analysis, step)).collect();
        let borne = analysis.breaking.as_ref().and_then(|breaking| Safe::of_breaking(breaking, steps));
        let refused = if generator_limited { GENERATOR_LIMITED } else { NO_SAFE_RATE };
        let safe = borne.ok_or_else(|| refused.to_owned()).into();
        let nothing = Steps::default();
        let measured = Measured {
            steps: if generator_limited { &nothing } else { steps },
            cores: &cores,
            safe: &safe,
            at_unix_ns: analysis.info.clocks.first().map(|clock| clock.unix_ns),
            answered_per_cpu_s: analysis.resources.as_ref().and_then(|seen| seen.target_cpu.as_ref()?.answered_per_cpu_s),
        };
        Self::new(&measured, question).map_err(|reason| Error::Asked { option: "--mix", reason })
    }

    /// What several runs that the generator did not spoil, such as the trials of a search, show of their target: `steps` has one for each of them.
    ///
    /// # Errors
    /// As [`Capacity::of_run`].
    pub fn of_runs(
        sound: &[&(Run, Analysis)],
        steps: &Steps,
        safe: &Told<Safe>,
        question: &Question,
    ) -> crate::Result<Option<Self>> {
        let cores: Vec<Option<f64>> = steps.all.iter().zip(sound).map(|(step, (_, analysis))| cores(analysis, step)).collect();
        let clock = sound.first().and_then(|(run, _)| run.info.clocks.first());
        let per_cpu = |(_, analysis): &&(Run, Analysis)| analysis.resources.as_ref()?.target_cpu.as_ref()?.answered_per_cpu_s;
        let measured = Measured {
            steps,
            cores: &cores,
            safe,
            at_unix_ns: clock.map(|clock| clock.unix_ns),
            answered_per_cpu_s: sound.iter().filter_map(per_cpu).reduce(f64::max),
        };
        Self::new(&measured, question).map_err(|reason| Error::Asked { option: "--mix", reason })
    }

    /// Answers the question. `None` where there is one level of load at most and nothing was asked.
    ///
    /// # Errors
    /// One sentence for a question that does not fit what was measured, such as a mix of unknown collections.
    pub fn new(measured: &Measured<'_>, question: &Question) -> Result<Option<Self>, String> {
        if measured.steps.all.len() < 2 && measured.safe.known().is_none() && question.is_empty() {
            return Ok(None);
        }
        if let Some(mix) = question.mix.as_ref().filter(|_| !measured.steps.all.is_empty()) {
            mix.check(measured.steps)?;
        }
        let headroom = headroom::headroom(measured.safe, question.peaks.as_ref());
        let demand = nodes::demand(question);
        let plan = demand.as_ref().map(|demand| nodes::plan(demand, measured.safe, question));
        Ok(Some(Self {
            laws: Laws::of(&measured.steps.all),
            reached: question.growth.map(|growth| growth::reached(growth, demand.as_ref(), measured).into()),
            mix: question.mix.as_ref().map(|mix| mix::mixed(mix, measured).into()),
            cost_per_million: question.price.as_ref().map(|price| nodes::cost(price, measured.safe, &question.nodes).into()),
            nodes: plan.map(Told::from),
            answered_per_cpu_s: measured.answered_per_cpu_s,
            safe: measured.safe.clone(),
            headroom,
        }))
    }
}

/// Cores in use by the target during a step, on average.
fn cores(analysis: &Analysis, step: &Step) -> Option<f64> {
    mean_between(&analysis.resources.as_ref()?.target("cpu_cores"), step.from_ns, step.to_ns)
}

#[cfg(test)]
mod tests;
