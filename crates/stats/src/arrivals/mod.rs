//! When things start, freed of rate: unit-rate point processes, one file a model.
//!
//! A model is written as its name and what differs from its defaults: `poisson`, `gamma:cv=3`, `mmpp2:idc=20,r=0.01`.

mod gamma;
mod h2;
mod hawkes;
mod mmpp2;
mod onoff_pareto;
mod poisson;
mod uniform;
mod weibull;

use std::fmt;

pub use mmpp2::Mmpp2;
pub use weibull::{weibull_cv, weibull_shape};

use crate::Rng;

/// A seeded point process of rate 1. A rate is put on it outside: a start is due at Λ⁻¹(u), where u is the running sum of the gaps
/// and Λ the cumulative rate.
pub trait Arrivals: Send {
    /// The gap to the next arrival, in units of the mean gap: never negative, 1 on average.
    fn next_gap(&mut self) -> f64;
}

/// A number that a model takes. Times are in units of the mean gap.
pub struct Parameter {
    /// What people write: `cv`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// What it is where nothing is said.
    pub default: f64,
    /// The smallest it can be.
    pub low: f64,
    /// The largest it can be.
    pub high: f64,
}

/// Starts a process from one value for each parameter, in their order; or says in one sentence why these do not go together.
type Open = fn(&[f64], Rng) -> Result<Box<dyn Arrivals>, String>;

/// One row of the table of models.
pub struct Model {
    /// What people write: `poisson`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The numbers it takes.
    pub parameters: &'static [Parameter],
    open: Open,
}

/// Every model there is.
pub const MODELS: &[Model] =
    &[poisson::MODEL, uniform::MODEL, gamma::MODEL, weibull::MODEL, h2::MODEL, mmpp2::MODEL, onoff_pareto::MODEL, hawkes::MODEL];

/// Why a model cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A name that is not known.
    Unknown {
        /// What it would be the name of.
        kind: &'static str,
        /// The name as written.
        what: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// One sentence on a value.
    Value(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { kind, what, known } => write!(f, "unknown {kind} `{what}`, known are {}", known.join(", ")),
            Self::Value(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Refusal {}

/// Starts the process that `text` names, `NAME` or `NAME:PARAMETER=VALUE,…`.
///
/// # Errors
/// [`Refusal`] for an unknown model or parameter, and for values that cannot be.
pub fn open(text: &str, rng: Rng) -> Result<Box<dyn Arrivals>, Refusal> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let model = MODELS.iter().find(|model| model.name == name).ok_or_else(|| Refusal::Unknown {
        kind: "arrival model",
        what: name.to_owned(),
        known: MODELS.iter().map(|model| model.name).collect(),
    })?;
    (model.open)(&model.values(rest)?, rng).map_err(|reason| Refusal::Value(format!("{text}: {reason}")))
}

impl Model {
    /// One value for each parameter, from `a=1,b=2`.
    fn values(&self, text: &str) -> Result<Vec<f64>, Refusal> {
        let mut values: Vec<f64> = self.parameters.iter().map(|parameter| parameter.default).collect();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| Refusal::Value(format!("`{pair}` is not of the form PARAMETER=VALUE: {}", self.usage())))?;
            let place = self.parameters.iter().position(|parameter| parameter.name == name).ok_or_else(|| self.unknown(name))?;
            values[place] = self.parameters[place].value(value)?;
        }
        Ok(values)
    }

    fn unknown(&self, name: &str) -> Refusal {
        if self.parameters.is_empty() {
            return Refusal::Value(format!("the arrival model {} takes no parameter, not `{name}`", self.name));
        }
        let known = self.parameters.iter().map(|parameter| parameter.name).collect();
        Refusal::Unknown { kind: "parameter", what: name.to_owned(), known }
    }

    /// How it is written with all it takes: `gamma:cv=2`.
    #[must_use]
    pub fn usage(&self) -> String {
        let values: Vec<String> = self.parameters.iter().map(|one| format!("{}={}", one.name, one.default)).collect();
        if values.is_empty() { self.name.to_owned() } else { format!("{}:{}", self.name, values.join(",")) }
    }
}

impl Parameter {
    fn value(&self, text: &str) -> Result<f64, Refusal> {
        let Self { name, low, high, .. } = self;
        let value = text.parse().unwrap_or(f64::NAN);
        if (*low..=*high).contains(&value) {
            return Ok(value);
        }
        Err(Refusal::Value(format!("{name} must be a number from {low} to {high}, not `{text}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn process(text: &str, seed: u64) -> Box<dyn Arrivals> {
        open(text, Rng::stream(seed, "arrivals")).expect("sound")
    }

    /// Mean and standard error over `seeds` of a figure of the process.
    pub(super) fn over_seeds(seeds: u64, figure: impl Fn(u64) -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..seeds).map(figure).collect();
        let n = seeds as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, (variance / n).sqrt())
    }

    /// Counts of `bins` windows, each `width` mean gaps wide.
    pub(super) fn counts(process: &mut dyn Arrivals, width: f64, bins: usize) -> Vec<f64> {
        let mut counts = vec![0.0; bins];
        let mut at = process.next_gap();
        while at < width * bins as f64 {
            counts[(at / width) as usize] += 1.0;
            at += process.next_gap();
        }
        counts
    }

    /// Variance over mean.
    pub(super) fn dispersion(counts: &[f64]) -> f64 {
        let n = counts.len() as f64;
        let mean = counts.iter().sum::<f64>() / n;
        counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / n / mean
    }

    /// Population CV of `n` gaps.
    pub(super) fn gap_cv(process: &mut dyn Arrivals, n: usize) -> f64 {
        let gaps: Vec<f64> = (0..n).map(|_| process.next_gap()).collect();
        let mean = gaps.iter().sum::<f64>() / n as f64;
        (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n as f64).sqrt() / mean
    }

    /// Every row must keep the promise of the trait: rate 1, within 5 standard errors over 12 seeds.
    #[test]
    fn every_model_has_unit_rate() {
        for row in MODELS {
            let (mean, error) =
                over_seeds(12, |seed| counts(&mut *process(row.name, seed), 4000.0, 1).iter().sum::<f64>() / 4000.0);
            assert!((mean - 1.0).abs() < 5.0 * error + 5e-4 && error < 0.1, "{}: {mean} ± {error}", row.name);
        }
    }

    #[test]
    fn every_model_opens_as_its_usage_says() {
        for row in MODELS {
            let (mut plain, mut spelled) = (process(row.name, 4), process(&row.usage(), 4));
            assert!((0..100).all(|_| plain.next_gap() == spelled.next_gap()), "{}", row.usage());
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, says) in [
            ("poison", "unknown arrival model `poison`, known are poisson, uniform, gamma"),
            ("gamma:vc=3", "unknown parameter `vc`, known are cv"),
            ("gamma:cv", "`cv` is not of the form PARAMETER=VALUE: gamma:cv=2"),
            ("gamma:cv=much", "cv must be a number from 0.1 to 20, not `much`"),
            ("weibull:cv=nan", "not `nan`"),
            ("poisson:cv=1", "takes no parameter"),
            ("mmpp2:idc=100,r=10,q=0.9", "mmpp2:idc=100,r=10,q=0.9: the quiet state would need a rate below 0"),
        ] {
            let refusal = open(text, Rng::stream(1, "arrivals")).err().expect(text).to_string();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }
}
