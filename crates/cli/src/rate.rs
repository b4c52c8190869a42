//! The words that say how fast, and how arrivals come.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use capture::fit::Fitted;
use clap::Args;
use replay::profile::{PROFILES, Profile, usage};
use replay::{Arrivals, Pace};

use crate::failure::Failure;
use crate::parse;

/// Rate over time.
#[derive(Args)]
pub struct RateWords {
    /// How much faster than recorded: any number above 0, or `max` for as fast as the target answers
    #[arg(long, value_name = "X|max", default_value = "1", allow_hyphen_values = true, conflicts_with_all = ["rate", "profile"])]
    speed: Speed,
    /// Requests per second on average, with the recorded burstiness around it
    #[arg(long, value_name = "PER_SECOND", allow_hyphen_values = true, conflicts_with = "profile")]
    rate: Option<f64>,
    /// Load over time: one of the profiles below, several joined by +, or @FILE with one on each line
    #[arg(long, value_name = "PROFILE|@FILE")]
    profile: Option<String>,
}

/// Arrivals, and a warm-up.
#[derive(Args)]
pub struct ArrivalWords {
    /// Where arrivals come from: `trace`, a model that `synth --arrivals` knows, or a .json file that `fit` made
    #[arg(long, value_name = "trace|MODEL|FILE", default_value = "trace")]
    arrivals: String,
    /// Leave what is due before this out of every figure; it is sent, and recorded as phase `warmup`
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    pub warmup: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Speed {
    Times(f64),
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        text.parse().map(Self::Times).map_err(|_| "write a number above 0 such as 0.5 or 4, or `max`".to_owned())
    }
}

impl RateWords {
    /// How fast.
    ///
    /// # Errors
    /// One sentence for a value or a profile that makes no sense, or a file that cannot be read.
    pub fn pace(&self) -> Result<Pace, Failure> {
        if let Some(text) = &self.profile {
            return profile(text).map(Pace::Profile);
        }
        match (self.rate, self.speed) {
            (Some(per_s), _) => Ok(Pace::rate(per_s)?),
            (None, Speed::Times(times)) => Ok(Pace::speed(times)?),
            (None, Speed::Max) => Ok(Pace::Max),
        }
    }
}

impl ArrivalWords {
    /// Where arrivals come from.
    ///
    /// # Errors
    /// One sentence for a file that cannot be read or holds no model.
    pub fn arrivals(&self) -> Result<Arrivals, Failure> {
        let is_file = Path::new(&self.arrivals).extension().is_some_and(|extension| extension == "json");
        match self.arrivals.as_str() {
            "trace" => Ok(Arrivals::Recorded),
            path if is_file => Ok(Arrivals::Fitted(Box::new(Fitted::load(Path::new(path))?.model))),
            name => Ok(Arrivals::Named(name.to_owned())),
        }
    }
}

fn profile(text: &str) -> Result<Profile, Failure> {
    let from = |text: &str, place: &str| text.parse().map_err(|reason| Failure::new(format!("--profile: {place}{reason}")));
    let Some(path) = text.strip_prefix('@') else { return from(text, "") };
    let content =
        std::fs::read_to_string(path).map_err(|error| Failure::new(format!("--profile: cannot read {path}: {error}")))?;
    from(&content, &format!("{path}: "))
}

/// The profiles there are, for help.
pub fn profiles() -> String {
    let rows = PROFILES.iter().map(|kind| format!("  {}\n      {}\n", usage(kind), kind.about));
    let head =
        "Profiles (--profile); UNIT is rate (requests/s), x (of recorded) or users; V a value in it, T a time such as 30s:\n";
    head.to_owned() + &rows.collect::<String>()
}
