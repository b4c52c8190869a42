//! Distributions of service time.

use std::fmt;
use std::str::FromStr;

use stats::Rng;

use crate::error::Error;

/// How long a worker needs for a request. Written `exp:5ms`, `const:800us`, `lognormal:5ms,cv=1.5`, `hyperexp:5ms,cv=3`.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    text: String,
    mean_ns: f64,
    /// Squared coefficient of variation, variance / mean².
    scv: f64,
    shape: Shape,
}

/// The parameters from which values are drawn.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Constant,
    Exponential,
    /// exp(μ + σN), N standard normal.
    Lognormal {
        mu: f64,
        sigma: f64,
    },
    /// Exponential of mean m/2p with probability p, of mean m/2(1−p) otherwise.
    HyperExponential {
        p: f64,
    },
}

/// One law: its name, what it is, how its parameters follow from the mean (ns) and the coefficient of variation, if it takes one.
struct Row {
    name: &'static str,
    usage: &'static str,
    shape: Builder,
}

enum Builder {
    /// Its coefficient of variation is given by its kind.
    Fixed { scv: f64, shape: Shape },
    /// It takes `cv=`, at least so much.
    Free { cv_min: f64, shape: fn(mean_ns: f64, scv: f64) -> Shape },
}

const LAWS: &[Row] = &[
    Row { name: "const", usage: "const:MEAN", shape: Builder::Fixed { scv: 0.0, shape: Shape::Constant } },
    Row { name: "exp", usage: "exp:MEAN", shape: Builder::Fixed { scv: 1.0, shape: Shape::Exponential } },
    Row { name: "lognormal", usage: "lognormal:MEAN,cv=CV", shape: Builder::Free { cv_min: 0.0, shape: lognormal } },
    Row { name: "hyperexp", usage: "hyperexp:MEAN,cv=CV (CV at least 1)", shape: Builder::Free { cv_min: 1.0, shape: hyperexp } },
];

/// σ² = ln(1 + c²), μ = ln m − σ²/2: mean m and squared coefficient of variation c² of a lognormal, solved for μ and σ.
fn lognormal(mean_ns: f64, scv: f64) -> Shape {
    let variance = scv.ln_1p();
    Shape::Lognormal { mu: mean_ns.ln() - variance / 2.0, sigma: variance.sqrt() }
}

/// Two exponential branches with balanced means, p = (1 + √((c²−1)/(c²+1))) / 2 (Tijms, A First Course in Stochastic Models,
/// appendix B).
fn hyperexp(_mean_ns: f64, scv: f64) -> Shape {
    Shape::HyperExponential { p: (1.0 + ((scv - 1.0) / (scv + 1.0)).sqrt()) / 2.0 }
}

impl Law {
    /// The mean, in nanoseconds.
    #[must_use]
    pub fn mean_ns(&self) -> f64 {
        self.mean_ns
    }

    /// The squared coefficient of variation.
    #[must_use]
    pub fn scv(&self) -> f64 {
        self.scv
    }

    /// Draws a service time in nanoseconds.
    pub fn draw_ns(&self, rng: &mut Rng) -> i64 {
        let ns = match self.shape {
            Shape::Constant => self.mean_ns,
            Shape::Exponential => self.mean_ns * rng.exponential(),
            Shape::Lognormal { mu, sigma } => (mu + sigma * rng.normal()).exp(),
            Shape::HyperExponential { p } => {
                let share = if rng.chance(p) { p } else { 1.0 - p };
                self.mean_ns / (2.0 * share) * rng.exponential()
            }
        };
        ns.round() as i64
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Law {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
        let row = LAWS.iter().find(|row| row.name == name).ok_or_else(|| {
            let usages: Vec<_> = LAWS.iter().map(|row| row.usage).collect();
            Error::option(format!("`{text}` is not a law of service times; choose {}", usages.join(", ")))
        })?;
        let wrong = |what: &str| Error::option(format!("`{text}`: {what}; write {}, with MEAN such as 5ms", row.usage));
        let (mean, cv) = parameters.split_once(',').map_or((parameters, None), |(mean, cv)| (mean, Some(cv)));
        let mean_ns = parse_ns(mean).ok_or_else(|| wrong("the mean is not a time between 1ns and 1h"))?;
        let cv = cv.map(|cv| cv.strip_prefix("cv=").and_then(|cv| cv.parse::<f64>().ok()).ok_or(cv));
        let (scv, shape) = match (&row.shape, cv) {
            (Builder::Fixed { scv, shape }, None) => (*scv, shape.clone()),
            (Builder::Fixed { .. }, Some(_)) => return Err(wrong("it takes nothing but a mean")),
            (Builder::Free { cv_min, shape }, Some(Ok(cv))) if (*cv_min..=CV_MAX).contains(&cv) => {
                (cv * cv, shape(mean_ns, cv * cv))
            }
            (Builder::Free { .. }, _) => return Err(wrong(&format!("it wants a coefficient of variation, up to {CV_MAX}"))),
        };
        Ok(Self { text: text.into(), mean_ns, scv, shape })
    }
}

/// The largest coefficient of variation taken.
const CV_MAX: f64 = 100.0;

/// A time between 1 ns and 1 h with its unit, in nanoseconds.
fn parse_ns(text: &str) -> Option<f64> {
    const UNITS_NS: [(&str, f64); 4] = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];
    let (number, unit_ns) = UNITS_NS.iter().find_map(|(unit, ns)| Some((text.strip_suffix(unit)?, *ns)))?;
    let ns = number.parse::<f64>().ok()? * unit_ns;
    (1.0..=3.6e12).contains(&ns).then_some(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_times_have_the_mean_and_variation_that_were_asked_for() {
        for (text, scv) in [
            ("const:5ms", 0.0),
            ("exp:5ms", 1.0),
            ("lognormal:5ms,cv=0.5", 0.25),
            ("hyperexp:5ms,cv=2", 4.0),
            ("hyperexp:5ms,cv=1", 1.0),
        ] {
            let law: Law = text.parse().unwrap();
            assert_eq!((law.mean_ns(), law.scv(), law.to_string().as_str()), (5e6, scv, text));
            let mut rng = Rng::stream(11, text);
            let draws: Vec<f64> = (0..200_000).map(|_| law.draw_ns(&mut rng) as f64 / 5e6).collect();
            check_mean(text, &draws, 1.0);
            check_mean(text, &draws.iter().map(|x| x * x).collect::<Vec<_>>(), 1.0 + scv);
        }
    }

    /// Within five standard errors of the sample, or of the nanosecond to which times are rounded.
    fn check_mean(what: &str, values: &[f64], expected: f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((mean - expected).abs() <= 5.0 * (variance / n).sqrt() + 1e-6, "{what}: {mean} for {expected}");
    }

    #[test]
    fn what_is_no_law_is_refused_with_what_is() {
        for (text, said) in [
            ("expo:5ms", "choose const:MEAN, exp:MEAN"),
            ("exp", "the mean"),
            ("exp:5", "the mean"),
            ("exp:-5ms", "the mean"),
            ("exp:nanms", "the mean"),
            ("exp:5ms,cv=1", "nothing but a mean"),
            ("lognormal:5ms", "coefficient of variation"),
            ("hyperexp:5ms,cv=0.5", "CV at least 1"),
            ("lognormal:5ms,cv=inf", "up to 100"),
        ] {
            let error = text.parse::<Law>().unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
