//! What a user can ask of a replay, as plain data.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stats::fidelity::LatenessLimit;
use trace::rules::Rules;
use trace::whole_ns;

use crate::abort::Condition;
use crate::answer::Comparison;
use crate::arrivals::Arrivals;
use crate::content::ContentOptions;
use crate::limits::{CONDITIONS_MAX, CONNECTIONS_MAX, IN_FLIGHT_MAX, QUEUED_BYTES_MAX};
use crate::pacing::Pacing;
use crate::probe::{self, Derived, Spec};
use crate::profile::Unit;
use crate::schedule::Pace;
use crate::{Error, Result};

/// What is asked of a replay. [`ReplayOptions::default`] with a trace, a target and a folder replays at the recorded rate.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// The trace, a file or a folder.
    pub trace: PathBuf,
    /// Which part of it, and how often.
    pub content: ContentOptions,
    /// Where requests go, `http://host:port[/path]`.
    pub target: Option<String>,
    /// Where requests of single collections go.
    pub map: Vec<(String, String)>,
    /// `Name: value` added to every request, `$NAME` taken from the environment.
    pub headers: Vec<String>,
    /// The folder of the run; it must be new or empty.
    pub out: PathBuf,
    /// A name for tables and charts.
    pub label: String,
    /// Free text.
    pub note: String,
    /// The command line, for `run.json`. Values of headers are taken out.
    pub command: Vec<String>,
    /// How fast.
    pub pace: Pace,
    /// Where arrivals come from.
    pub arrivals: Arrivals,
    /// What is due earlier is sent, and left out of every figure.
    pub warmup: Option<Duration>,
    /// What requests of a session wait for.
    pub pacing: Pacing,
    /// Keeps the recorded gaps inside sessions, divided by this, and maps only session starts. Without it every request is mapped in
    /// open pacing, and 1 is taken in the others, where it may be infinite: nobody thinks.
    pub think_speed: Option<f64>,
    /// Requests due later are not sent.
    pub duration: Option<Duration>,
    /// Refused when the peak of the schedule is above this, requests per second.
    pub rate_max_per_s: Option<f64>,
    /// Says which answers are failures though their status is good, and what is compared of the others.
    pub rules: Arc<Rules>,
    /// Holds answers against the recorded ones.
    pub comparison: Option<Comparison>,
    /// Sends rows that change the target, too.
    pub allow_writes: bool,
    /// Any of these ends the run; at most [`CONDITIONS_MAX`].
    pub abort_when: Vec<Condition>,
    /// What the run has to hold, as it is written after `--threshold`: kept for whoever judges it.
    pub thresholds: Vec<String>,
    /// From being taken up to the whole answer.
    pub timeout: Duration,
    /// The most that its own lateness may be at the 99th percentile; `None` for the default of [`LatenessLimit`].
    pub lateness_max: Option<Duration>,
    /// Waits until the targets answer.
    pub wait_ready: Option<Duration>,
    /// Asks the targets whether they have the collections that the trace addresses.
    pub check_collections: bool,
    /// Threads that send; `None` for one a core.
    pub workers: Option<usize>,
    /// See [`CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// Connections opened before the run starts.
    pub open_connections: usize,
    /// See [`IN_FLIGHT_MAX`].
    pub in_flight_max: usize,
    /// See [`QUEUED_BYTES_MAX`].
    pub queued_bytes_max: usize,
    /// What is watched besides the generator and the host.
    pub probes: Vec<Spec>,
    /// From one reading of the probes to the next.
    pub probe_every: Duration,
    /// Series computed from those of the probes.
    pub derived: Vec<Derived>,
    /// The seed of every random choice.
    pub seed: u64,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            trace: PathBuf::new(),
            content: ContentOptions::default(),
            target: None,
            map: Vec::new(),
            headers: Vec::new(),
            out: PathBuf::new(),
            label: String::new(),
            note: String::new(),
            command: Vec::new(),
            pace: Pace::default(),
            arrivals: Arrivals::default(),
            warmup: None,
            pacing: Pacing::Open,
            think_speed: None,
            duration: None,
            rate_max_per_s: None,
            rules: Rules::builtin(),
            comparison: None,
            allow_writes: false,
            abort_when: Vec::new(),
            thresholds: Vec::new(),
            timeout: Duration::from_secs(30),
            lateness_max: None,
            wait_ready: None,
            check_collections: true,
            workers: None,
            connections_max: CONNECTIONS_MAX,
            open_connections: 0,
            in_flight_max: IN_FLIGHT_MAX,
            queued_bytes_max: QUEUED_BYTES_MAX,
            probes: Vec::new(),
            probe_every: Duration::from_secs(1),
            derived: Vec::new(),
            seed: 0,
        }
    }
}

impl ReplayOptions {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// [`Error::Option`] for the first of them.
    pub fn check(&self) -> Result<()> {
        let positive = |option, value: f64| {
            let fine = value.is_finite() && value > 0.0;
            if fine { Ok(()) } else { Err(Error::option(option, format!("wanted a number above 0, found {value}"))) }
        };
        self.content.check()?;
        if self.abort_when.len() > CONDITIONS_MAX {
            return Err(Error::option("--abort-when", format!("{CONDITIONS_MAX} conditions are the most")));
        }
        self.arrivals.open(self.seed)?;
        positive("--warmup", self.warmup.unwrap_or(Duration::MAX).as_secs_f64())?;
        let nobody_thinks = self.pacing != Pacing::Open && self.think_speed == Some(f64::INFINITY);
        positive("--think-speed", self.think_speed.filter(|_| !nobody_thinks).unwrap_or(1.0))?;
        self.check_pacing()?;
        probe::check_asked(&self.probes, self.probe_every, &self.derived)?;
        positive("--max-rate", self.rate_max_per_s.unwrap_or(1.0))?;
        let (tolerance, recall_at) = self.comparison.as_ref().map_or((None, None), |asked| (asked.tolerance, asked.recall_at));
        positive("--tolerance", tolerance.unwrap_or(1.0))?;
        positive("--recall", recall_at.unwrap_or(1) as f64)?;
        positive("--timeout", self.timeout.as_secs_f64())?;
        positive("--duration", self.duration.unwrap_or(Duration::MAX).as_secs_f64())?;
        positive("--workers", self.workers.unwrap_or(1) as f64)?;
        positive("--max-connections", self.connections_max as f64)?;
        positive("--max-in-flight", self.in_flight_max as f64)
    }

    /// Refuses what contradicts the pacing.
    fn check_pacing(&self) -> Result<()> {
        let refused = |option, reason: String| Err(Error::option(option, reason));
        if self.open_connections > self.connections_max {
            let (more, most) = (self.open_connections, self.connections_max);
            return refused("--open-connections", format!("{more} are more than --max-connections {most} allows"));
        }
        if self.pacing != Pacing::Open && self.pace == Pace::Max {
            let reason =
                "`max` is paced by connections that are free, not by sessions or users; --think-speed max leaves out think times";
            return refused("--speed", reason.to_owned());
        }
        let users_profile = if let Pace::Profile(profile) = &self.pace { Some(profile) } else { None };
        let in_users = users_profile.is_some_and(|profile| profile.unit() == Unit::Users);
        let Some(users) = self.pacing.users() else {
            let reason = || format!("a load in users needs --pacing closed, and this is {}", self.pacing.as_str());
            return if in_users { refused("--profile", reason()) } else { Ok(()) };
        };
        let most = users.most();
        if !in_users {
            return refused("--pacing", "a closed loop is paced by its users: give --users or a --profile in users".to_owned());
        }
        if self.arrivals != Arrivals::Recorded {
            return refused(
                "--arrivals",
                "users arrive as --users, --spawn-rate or --profile say, and sessions as users are free".to_owned(),
            );
        }
        let limits = [("--max-connections", self.connections_max), ("--max-in-flight", self.in_flight_max)];
        let short = limits.into_iter().find(|(_, limit)| *limit < most as usize);
        short.map_or(Ok(()), |(option, limit)| refused(option, format!("{most} users need as many, and it allows {limit}")))
    }

    /// By what the recorded gaps inside sessions are divided, where they are kept.
    #[must_use]
    pub fn think_speed(&self) -> Option<f64> {
        if self.pacing == Pacing::Open { self.think_speed } else { Some(self.think_speed.unwrap_or(1.0)) }
    }

    /// How late requests may leave by the generator's own doing.
    #[must_use]
    pub fn lateness_limit(&self) -> LatenessLimit {
        LatenessLimit::new(self.lateness_max.map(whole_ns))
    }

    /// Threads that send for each kind of driver: never more than connections or users.
    #[must_use]
    pub fn workers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let users = self.pacing.users().map_or(usize::MAX, |users| users.most() as usize);
        self.workers.unwrap_or(cores).clamp(1, self.connections_max.min(users).max(1))
    }

    /// The command line without values of headers, which may be secret; those that only name a variable stay.
    #[must_use]
    pub fn command_without_secrets(&self) -> Vec<String> {
        let mut is_header = false;
        let mask = |argument: &String| {
            let value = if is_header { Some(argument.as_str()) } else { argument.strip_prefix("--header=") };
            let front = if is_header { "" } else { "--header=" };
            let shown = value.map_or_else(|| argument.clone(), |value| format!("{front}{}", header_without_value(value)));
            is_header = !is_header && argument == "--header";
            shown
        };
        self.command.iter().map(mask).collect()
    }
}

/// `Name: …`, or the whole of it where the value is the name of a variable and nothing else.
fn header_without_value(text: &str) -> String {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    let variable = value.trim().strip_prefix('$').is_some_and(|name| name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()));
    if variable { text.to_owned() } else { format!("{name}: …") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_headers_reach_no_file() {
        let command =
            ["rehearsal", "replay", "t.parquet", "--header", "Authorization: Bearer s3cret", "--header=api-key: s3cret"];
        let more = ["--header", "Authorization: $TOKEN", "--target", "http://a"];
        let command = command.iter().chain(&more).map(|argument| (*argument).to_owned()).collect();
        let shown = ReplayOptions { command, ..ReplayOptions::default() }.command_without_secrets().join(" ");
        assert_eq!(
            shown,
            "rehearsal replay t.parquet --header Authorization: … --header=api-key: … --header Authorization: $TOKEN --target http://a"
        );
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let cases = [
            (ReplayOptions { timeout: Duration::ZERO, ..ReplayOptions::default() }, "--timeout"),
            (ReplayOptions { connections_max: 0, ..ReplayOptions::default() }, "--max-connections"),
        ];
        for (options, name) in cases {
            assert!(options.check().unwrap_err().to_string().contains(name));
        }
        assert!(ReplayOptions::default().check().is_ok());
        assert!(Pace::speed(0.0).unwrap_err().to_string().contains("--speed: wanted a number above 0, found 0"));
        assert!(Pace::rate(f64::NAN).unwrap_err().to_string().contains("--rate: wanted a number above 0, found NaN"));
    }
}
