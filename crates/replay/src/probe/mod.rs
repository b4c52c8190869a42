//! Watching while a run goes on: the target, the host, and the generator itself.
//!
//! A probe is a source that is read at every tick and says what it sees; that it cannot be read is a value, counted and told, and never
//! ends a run. One thread reads all of them ([`sampler`]). A new kind of probe is one file, one `mod` line and one row in [`PROBES`].

mod cgroup;
pub mod derive;
mod exposition;
mod fetch;
mod host;
mod json;
mod postgres;
mod process;
mod procfs;
mod prometheus;
mod redis;
pub(crate) mod sampler;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use trace::rules::nearest;
use trace::whole_ns;

use crate::clock::{Clock, pause};
use crate::limits::{PROBE_EVERY_NS_MIN, PROBE_SERIES_MAX, PROBES_MAX};
use crate::preflight::Header;
use crate::stop::Stop;
use crate::target::Targets;
use crate::{Error, Result};

pub use derive::Derived;
pub use sampler::Watched;

/// A source that can be read again and again.
pub trait Probe: Send {
    /// Reads it once.
    ///
    /// # Errors
    /// Why it could not be read, in a few words.
    fn sample(&mut self, sample: &mut Sample) -> std::result::Result<(), String>;
}

/// What one reading of a probe found.
#[derive(Debug, Default)]
pub struct Sample {
    readings: Vec<Reading>,
    /// What happened since the last one: kind and sentence.
    events: Vec<(&'static str, String)>,
    /// Series beyond [`PROBE_SERIES_MAX`].
    left_out: u64,
}

/// The value of one series.
#[derive(Debug, Clone, PartialEq)]
struct Reading {
    series: Cow<'static, str>,
    /// Empty where the source does not say.
    unit: &'static str,
    value: f64,
    /// Whether it only grows: its growth per second is a series, too ([`trace::rate_of`]).
    counter: bool,
}

impl Sample {
    /// A value that goes up and down.
    fn gauge(&mut self, series: impl Into<Cow<'static, str>>, unit: &'static str, value: f64) {
        self.push(Reading { series: series.into(), unit, value, counter: false });
    }

    /// A value that only grows, unless what counts starts anew.
    fn counter(&mut self, series: impl Into<Cow<'static, str>>, unit: &'static str, value: f64) {
        self.push(Reading { series: series.into(), unit, value, counter: true });
    }

    fn push(&mut self, reading: Reading) {
        match self.readings.len() {
            PROBE_SERIES_MAX => self.left_out += 1,
            _ if reading.value.is_finite() => self.readings.push(reading),
            _ => {}
        }
    }

    fn event(&mut self, kind: &'static str, detail: String) {
        self.events.push((kind, detail));
    }
}

/// What a probe is opened with.
pub struct Setup<'a> {
    /// For measuring how long an answer takes.
    pub clock: &'a Clock,
    /// How long one reading may take.
    pub timeout: Duration,
    /// Where requests go: probes of the same servers send the same added headers.
    targets: &'a Targets,
    added: &'a [Header],
}

/// One kind of probe.
pub struct ProbeKind {
    /// What its specification begins with.
    pub name: &'static str,
    /// How it is written.
    pub syntax: &'static str,
    /// What it watches.
    pub about: &'static str,
    /// Makes one of what follows the colon. It reads nothing yet.
    open: fn(&str, &Setup<'_>) -> Opened,
}

/// A probe, or why its argument makes no sense.
type Opened = std::result::Result<Box<dyn Probe>, String>;

/// Every kind of probe there is.
pub const PROBES: &[ProbeKind] =
    &[process::PID, process::COMMAND, cgroup::KIND, host::KIND, prometheus::KIND, json::KIND, redis::KIND, postgres::KIND];

/// Every kind of probe in one paragraph, for the help of an option.
#[must_use]
pub fn help() -> String {
    let kinds: Vec<String> = PROBES.iter().map(|kind| format!("{} ({})", kind.syntax, kind.about)).collect();
    format!("Watch this while the run goes on: {} (may be repeated)", kinds.join(", "))
}

/// What is to be watched: a kind of probe and its argument.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(into = "String")]
pub struct Spec {
    /// Its number in [`PROBES`].
    kind: usize,
    /// As it was written.
    text: String,
}

impl Spec {
    fn argument(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, argument)| argument)
    }

    fn open(&self, setup: &Setup<'_>) -> Result<Box<dyn Probe>> {
        (PROBES[self.kind].open)(self.argument(), setup).map_err(|reason| self.error(&reason))
    }

    fn error(&self, reason: &str) -> Error {
        Error::option("--probe", format!("{self}: {reason}"))
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Spec> for String {
    fn from(spec: Spec) -> Self {
        spec.text
    }
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        let names: Vec<&str> = PROBES.iter().map(|kind| kind.name).collect();
        let Some(kind) = names.iter().position(|known| *known == name) else {
            let meant = nearest(name, &names).map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            return Err(format!("`{name}` is no kind of probe, there are {}{meant}", names.join(", ")));
        };
        let ProbeKind { syntax, .. } = PROBES[kind];
        if argument.is_empty() == syntax.contains(':') {
            return Err(format!("write {syntax}"));
        }
        Ok(Self { kind, text: text.to_owned() })
    }
}

/// Refuses what makes no sense before anything is opened.
///
/// # Errors
/// [`Error::Option`] for the first of it.
pub(crate) fn check_asked(specs: &[Spec], every: Duration, derived: &[Derived]) -> Result<()> {
    if every < Duration::from_nanos(PROBE_EVERY_NS_MIN) {
        return Err(Error::option("--probe-every", "the shortest time between two readings is 100ms"));
    }
    if specs.len().max(derived.len()) > PROBES_MAX {
        return Err(Error::option("--probe", format!("{PROBES_MAX} probes and as many derived series are the most")));
    }
    match derived.first().filter(|_| specs.is_empty()) {
        Some(derived) => Err(Error::option("--derive", format!("{} needs a --probe to compute from", derived.name))),
        None => Ok(()),
    }
}

/// Takes every probe's first reading, so that a run does not begin blind. With `patience` one that cannot be read is tried again,
/// until it is to `stop`.
///
/// # Errors
/// [`Error::Option`] for the first that cannot be read.
pub(crate) fn check(
    specs: &[Spec],
    every: Duration,
    targets: &Targets,
    added: &[Header],
    patience: Option<Duration>,
    stop: &Stop,
) -> Result<()> {
    let clock = Clock::starting_in(0);
    let give_up_ns = patience.map_or(0, whole_ns);
    let timeout = timeout_of(specs, every).max(CHECK_TIMEOUT);
    for spec in specs {
        let mut probe = spec.open(&Setup { clock: &clock, timeout, targets, added })?;
        while let Err(reason) = probe.sample(&mut Sample::default()) {
            if clock.now().ns() >= give_up_ns || stop.asked() {
                let waits = if patience.is_some() { "" } else { "; --wait-ready 60s waits for it" };
                return Err(spec.error(&format!("{reason}{waits}")));
            }
            pause(CHECK_PAUSE);
        }
    }
    Ok(())
}

/// Between two looks whether a probe can be read.
const CHECK_PAUSE: Duration = Duration::from_millis(100);
/// How long the first reading may take at least.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Four fifths of the interval, in equal parts: when all of them fail to answer, the next tick is still kept.
fn timeout_of(specs: &[Spec], every: Duration) -> Duration {
    every.mul_f64(0.8) / u32::try_from(specs.len()).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_probe_is_refused_and_the_nearest_named() {
        let refused = |text: &str| text.parse::<Spec>().unwrap_err();
        assert!(refused("prometeus:http://a").ends_with("did you mean `prometheus`?"));
        assert!(refused("zebra:1").contains("pid, command, cgroup, host, prometheus, json, redis, postgres"));
        assert_eq!(refused("pid"), "write pid:NUMBER");
        assert_eq!(refused("host:x"), "write host");
        assert_eq!("redis:h:1".parse::<Spec>().unwrap().argument(), "h:1");
    }

    #[test]
    fn a_sample_has_a_limit_and_no_values_that_are_none() {
        let mut sample = Sample::default();
        sample.gauge("a", "", f64::NAN);
        assert!(sample.readings.is_empty());
        (0..PROBE_SERIES_MAX + 3).for_each(|number| sample.gauge(format!("s{number}"), "", 1.0));
        assert_eq!((sample.readings.len(), sample.left_out), (PROBE_SERIES_MAX, 3));
    }

    #[test]
    fn all_probes_together_leave_room_before_the_next_tick() {
        let specs: Vec<Spec> = (0..4).map(|pid| format!("pid:{pid}").parse().unwrap()).collect();
        assert_eq!(timeout_of(&specs, Duration::from_secs(1)), Duration::from_millis(200));
    }
}
