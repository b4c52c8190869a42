//! Words of every verb that sends a trace to a target: what is sent, where to, and within which limits.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use replay::limits::{CONNECTIONS_MAX, IN_FLIGHT_MAX};
use replay::{ContentOptions, Pace, Pacing, Passes, ReplayOptions, probe};

use crate::comparison::ComparisonWords;
use crate::failure::Failure;
use crate::parse;
use crate::rate::ArrivalWords;
use crate::selection::SelectionWords;

/// What is sent, where to, and within which limits.
#[derive(Args)]
pub struct TrafficWords {
    /// The trace: a file, or a folder of files
    pub trace: PathBuf,
    /// Where requests go, http:// or https://HOST:PORT; a replay never goes to the recorded address by itself
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Where requests of one collection go (may be repeated)
    #[arg(long, value_name = "COLLECTION=URL", value_parser = parse::assignment)]
    map: Vec<(String, String)>,
    #[command(flatten)]
    arrivals: ArrivalWords,
    /// What a request waits for besides its instant: nothing; the earlier answers of its session, plus the recorded think time; or a user
    /// of a closed loop who is free
    #[arg(long, value_name = "KIND", value_enum)]
    pub pacing: Option<Kind>,
    /// Keep the recorded gaps inside sessions, divided by this, and let the rate move only session starts; `max` for no think times
    /// where sessions wait for answers
    #[arg(long, value_name = "X|max", allow_hyphen_values = true)]
    think_speed: Option<ThinkSpeed>,
    #[command(flatten)]
    selection: SelectionWords,
    /// Only the first so many sessions
    #[arg(long, value_name = "N")]
    sessions: Option<u64>,
    /// Only the first so many requests of each pass
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// Shorten idle gaps of the whole trace to this
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    max_gap: Option<Duration>,
    /// Add a header to every request, $NAME taken from the environment (may be repeated)
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Wait so long for the targets to answer before starting
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    wait_ready: Option<Duration>,
    /// Longest time for one request
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse::duration)]
    timeout: Duration,
    /// Call the run INVALID where more than one request in a hundred left later than this by the generator's own doing; for a target so slow
    /// that more does not matter, or one so fast that less does [default: 1ms, or 5 % of the mean gap]
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    max_lateness: Option<Duration>,
    #[arg(long, value_name = "PROBE", help = probe::help())]
    probe: Vec<probe::Spec>,
    /// From one reading of the probes to the next, 100ms at least
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::duration)]
    probe_every: Duration,
    /// Compute a series from those of the probes, with rate(NAME), ratio(A,B), sum(A,B…) and histogram_quantile(Q,NAME), for example
    /// 'hit_rate=ratio(rate(hits),rate(requests))' (may be repeated)
    #[arg(long, value_name = "NAME=EXPRESSION")]
    derive: Vec<probe::Derived>,
    #[command(flatten)]
    comparison: ComparisonWords,
    /// Send requests that change the target, too
    #[arg(long)]
    allow_writes: bool,
    /// Do not ask the target whether it has the trace's collections
    #[arg(long)]
    no_check: bool,
    /// Connections open at once [default: 1024, or as many as users]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// Open so many connections before the run starts
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    open_connections: usize,
    /// Requests due and not yet answered at once; past it requests are shed, and counted [default: 10000, or as many as users]
    #[arg(long, value_name = "N")]
    max_in_flight: Option<usize>,
    /// Bytes of requests that wait for a connection; past it requests are shed, and counted
    #[arg(long, value_name = "BYTES", default_value_t = replay::limits::QUEUED_BYTES_MAX)]
    max_queued_bytes: usize,
    /// Threads that send [default: one a core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A name for tables and charts [default: the folder's]
    #[arg(long, default_value = "", hide_default_value = true)]
    label: String,
    /// Free text to keep with the result
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
}

/// The kinds of [`Pacing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Open,
    Session,
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct ThinkSpeed(f64);

impl FromStr for ThinkSpeed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let speed = if text == "max" { Ok(f64::INFINITY) } else { text.parse() };
        speed.map(Self).map_err(|_| "write a number above 0 such as 0.5 or 4, or `max`".to_owned())
    }
}

impl TrafficWords {
    /// The words as the engine takes them, at this pace, with a run in `out`.
    ///
    /// # Errors
    /// One sentence for what cannot be read or makes no sense.
    pub fn options(self, pace: Pace, pacing: Pacing, passes: Passes, out: PathBuf) -> Result<ReplayOptions, Failure> {
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let users = pacing.users().map_or(0, |users| users.most() as usize);
        let (rules, comparison) = self.comparison.taken()?;
        Ok(ReplayOptions {
            content: ContentOptions {
                selection: self.selection.selection()?,
                sessions: self.sessions,
                requests: self.requests,
                gap_max: self.max_gap,
                passes,
            },
            trace: self.trace,
            target: self.target,
            map: self.map,
            headers: self.header,
            label: if self.label.is_empty() { name } else { self.label },
            out,
            note: self.note,
            command: std::env::args().collect(),
            pace,
            arrivals: self.arrivals.arrivals()?,
            warmup: self.arrivals.warmup,
            pacing,
            think_speed: self.think_speed.map(|speed| speed.0),
            rules,
            comparison,
            allow_writes: self.allow_writes,
            timeout: self.timeout,
            lateness_max: self.max_lateness,
            wait_ready: self.wait_ready,
            check_collections: !self.no_check,
            workers: self.workers,
            connections_max: self.max_connections.unwrap_or(CONNECTIONS_MAX.max(users)),
            open_connections: self.open_connections,
            in_flight_max: self.max_in_flight.unwrap_or(IN_FLIGHT_MAX.max(users)),
            queued_bytes_max: self.max_queued_bytes,
            probes: self.probe,
            probe_every: self.probe_every,
            derived: self.derive,
            seed: self.seed,
            ..ReplayOptions::default()
        })
    }
}
