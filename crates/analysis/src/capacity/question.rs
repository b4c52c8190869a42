//! What is asked about capacity, as it is written on the command line.

use std::collections::BTreeMap;
use std::str::FromStr;

use trace::rules::nearest;

use super::peak::Peaks;
use crate::steps::Steps;

/// Hours of a month: a twelfth of 365.25 days.
const MONTH_H: f64 = 730.5;
/// Shares of a mix may miss a whole by this.
const WHOLE_TOLERANCE: f64 = 0.005;

/// What is asked. The default asks nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Question {
    /// The recorded peaks that the target has to bear.
    pub peaks: Option<Peaks>,
    /// Requests per second that are wanted.
    pub demand: Option<Rate>,
    /// Nodes that may fail while the demand is still borne.
    pub reserve: u32,
    /// How many nodes were measured.
    pub nodes: Nodes,
    /// How fast demand grows.
    pub growth: Option<Growth>,
    /// Another mix of collections.
    pub mix: Option<Mix>,
    /// What a node costs.
    pub price: Option<Price>,
}

impl Question {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Requests per second, above 0: `5000`, `5000/s`, `300000/min`, `2e9/day`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(pub f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is no rate; write 5000/s, 300000/min, 2e7/h or 5e8/day");
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let per =
            [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("day", 86_400.0)].into_iter().find(|(name, _)| *name == unit.trim());
        let number = positive(number).ok_or_else(shape)?;
        per.map(|(_, seconds)| Self(number / seconds)).ok_or_else(shape)
    }
}

/// A finite number above 0.
fn positive(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite())
}

/// How many nodes the target had: `3`; or what was borne by several numbers of them: `1=812,2=1580,4=2900`.
#[derive(Debug, Clone, PartialEq)]
pub enum Nodes {
    /// So many in the run itself.
    Measured(u32),
    /// Nodes, and the requests per second that they bore.
    Scaling(Vec<(u32, f64)>),
}

impl Default for Nodes {
    fn default() -> Self {
        Self::Measured(1)
    }
}

impl FromStr for Nodes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape =
            || format!("`{text}` is no number of nodes; write 3, or what several numbers of them bore: 1=812,2=1580,4=2900");
        let count = |text: &str| text.trim().parse().ok().filter(|count: &u32| *count > 0);
        if !text.contains('=') {
            return count(text).map(Self::Measured).ok_or_else(shape);
        }
        let one = |pair: &str| {
            let (nodes, per_s) = pair.split_once('=')?;
            Some((count(nodes)?, per_s.parse::<Rate>().ok()?.0))
        };
        text.split(',').map(one).collect::<Option<_>>().map(Self::Scaling).ok_or_else(shape)
    }
}

/// Growth of demand, compounded: `8%/month` or `50%/year`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Demand after a month over that before; above 1.
    pub monthly: f64,
}

impl FromStr for Growth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is no growth; write 8%/month or 50%/year, above 0");
        let (share, unit) = text.split_once('/').ok_or_else(shape)?;
        let share = share.trim().strip_suffix('%').and_then(positive).ok_or_else(shape)? / 100.0;
        match unit.trim() {
            "month" => Ok(Self { monthly: 1.0 + share }),
            "year" => Ok(Self { monthly: libm::exp(libm::log1p(share) / 12.0) }),
            _ => Err(shape()),
        }
    }
}

/// What a node costs: `0.40/h`, `0.40 EUR/h`, `290 EUR/month`.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// For an hour.
    pub per_h: f64,
    /// The currency, where one was named.
    pub currency: String,
}

impl FromStr for Price {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is no price of a node; write 0.40/h, 9.60 EUR/day or 290 EUR/month");
        let (amount, unit) = text.rsplit_once('/').ok_or_else(shape)?;
        let hours = [("h", 1.0), ("day", 24.0), ("month", MONTH_H)].into_iter().find(|(name, _)| *name == unit.trim());
        let (_, hours) = hours.ok_or_else(shape)?;
        let (number, currency) = amount.trim().split_once(' ').unwrap_or((amount, ""));
        let number = positive(number).ok_or_else(shape)?;
        Ok(Self { per_h: number / hours, currency: currency.trim().to_owned() })
    }
}

/// The share of the requests that each collection has: `products=60%,users=40%`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// Between 0 and 1, 1 together.
    pub shares: BTreeMap<String, f64>,
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is no mix; write products=60%,users=40%");
        let one = |pair: &str| {
            let (name, share) = pair.rsplit_once('=')?;
            let (number, whole) = share.trim().strip_suffix('%').map_or((share, 1.0), |number| (number, 100.0));
            let share = number.trim().parse::<f64>().ok().filter(|share| (0.0..=whole).contains(share))? / whole;
            Some((name.trim().to_owned(), share))
        };
        let pairs: Vec<(String, f64)> = text.split(',').map(one).collect::<Option<_>>().ok_or_else(shape)?;
        let shares: BTreeMap<String, f64> = pairs.iter().cloned().collect();
        let whole: f64 = shares.values().sum();
        if shares.len() < pairs.len() {
            return Err(format!("a collection stands twice in `{text}`"));
        }
        if (whole - 1.0).abs() > WHOLE_TOLERANCE {
            return Err(format!("the shares of `{text}` make {} together instead of 100 %", crate::units::share(whole)));
        }
        Ok(Self { shares: shares.into_iter().map(|(name, share)| (name, share / whole)).collect() })
    }
}

impl Mix {
    /// Refuses collections that were not measured.
    pub(super) fn check(&self, steps: &Steps) -> Result<(), String> {
        let known: Vec<&str> = steps.collections.keys().map(String::as_str).collect();
        let Some(unknown) = self.shares.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
        if known.is_empty() {
            return Err("--mix needs requests to two collections or more, and several loads; the run has not".to_owned());
        }
        let meant = nearest(unknown, &known).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        Err(format!("--mix: no request went to collection `{unknown}`{meant}; there are {}", known.join(", ")))
    }
}
