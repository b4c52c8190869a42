//! `rehearsal scale`: a trace → more or less traffic of the same character.

use std::path::PathBuf;
use std::time::Duration;

use analysis::units;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use replay::scale::{self, Figures, METHODS, ScaleOptions, Scaled};

use super::Done;
use crate::failure::Failure;
use crate::{output, parse};

pub const EXAMPLE: &str = "Examples:
  rehearsal synth -o nine.parquet --duration 10m
  rehearsal scale nine.parquet -o four.parquet --factor 4
  rehearsal scale nine.parquet -o third.parquet --factor 1/3
  rehearsal scale nine.parquet -o one.parquet --factor 0.25 --method split-lwl";

/// Words of `scale`.
#[derive(Args)]
pub struct Words {
    /// The trace: a file, or a folder of files
    trace: PathBuf,
    /// The scaled trace
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How many times as much traffic: 4, 2.5, 1/3 or 25%
    #[arg(long, value_name = "X", value_parser = parse::factor)]
    factor: f64,
    /// How [default: overlap upwards, thin downwards]
    #[arg(long, value_name = "METHOD", value_parser = methods())]
    method: Option<String>,
    /// Copies are shifted by up to this, overlap only [default: 30s, or the median session if that is longer]
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    shift: Option<Duration>,
    /// As published: replicate places single requests and stops after as many as there were; compress scales think times, too
    #[arg(long)]
    paper_exact: bool,
    /// A collection with another factor, overlap and thin only (may be repeated)
    #[arg(long, value_name = "NAME=X", value_parser = collection)]
    collection: Vec<(String, f64)>,
    /// Seed of every random choice: the same seed and trace give the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the figures before and after as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let options = ScaleOptions {
        input: words.trace,
        output: words.output,
        factor: words.factor,
        collections: words.collection,
        method: words.method,
        shift: words.shift,
        paper_exact: words.paper_exact,
        seed: words.seed,
    };
    let mut shown = output::Progress::new();
    let scaled = scale::scale(&options, |rows| {
        if shown.is_terminal() {
            shown.show(&format!("{rows} exchanges"));
        }
    })?;
    shown.end();
    output::say(&if words.json { serde_json::to_string_pretty(&scaled)? } else { account(&scaled) })?;
    Ok(Done::Fine)
}

fn methods() -> PossibleValuesParser {
    METHODS.iter().map(|method| PossibleValue::new(method.name).help(method.about)).into()
}

fn collection(text: &str) -> Result<(String, f64), String> {
    let (name, factor) = parse::assignment(text)?;
    Ok((name, parse::factor(&factor)?))
}

/// The figures before and after, side by side, and what was written.
fn account(scaled: &Scaled) -> String {
    let shift = scaled
        .shift_ns
        .map_or(String::new(), |shift_ns| format!(", starts shifted by up to {}", units::duration(shift_ns as f64)));
    let mut lines = vec![
        format!("{} × {}{shift}, seed {}", scaled.method, units::number(scaled.factor), scaled.seed),
        format!("keeps {}", scaled.keeps),
        String::new(),
    ];
    lines.extend(table(scaled));
    lines.push(String::new());
    lines.extend(scaled.outputs.iter().map(|output| {
        let Figures { traffic, sessions, .. } = &output.figures;
        format!("{}: {} requests in {}", output.path.display(), units::count(traffic.count), units::counted(*sessions, "session"))
    }));
    lines.extend(scaled.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}

/// One line a figure: before, what the method's closed form promises, and the first output.
fn table(scaled: &Scaled) -> Vec<String> {
    let (before, expected, after) = (&scaled.before, &scaled.expected, &scaled.outputs[0].figures);
    let ratio = |value: Option<f64>| optional(value, ratio);
    let share = |value: Option<f64>| optional(value, units::share);
    let rate = |value: Option<f64>| optional(value, units::per_s);
    let span = |ns: i64| units::duration(ns as f64);
    let both = |label: &str, value: &dyn Fn(&Figures) -> String| line(label, &value(before), "", &value(after));
    let mut lines = vec![
        line("", "before", "expected", "after"),
        both("requests", &|figures| units::count(figures.traffic.count)),
        both("sessions", &|figures| units::count(figures.sessions)),
        both("sessions broken", &|figures| units::count(figures.sessions_broken)),
        line("rate", &rate(before.traffic.rate_per_s), &rate(expected.rate_per_s), &rate(after.traffic.rate_per_s)),
        line("span", &span(before.traffic.span_ns), &span(expected.span_ns), &span(after.traffic.span_ns)),
        line("CV of the gaps", &ratio(before.traffic.iat_cv), &ratio(expected.iat_cv), &ratio(after.traffic.iat_cv)),
        both("memory of the gaps", &|figures| ratio(figures.traffic.memory)),
        both("gaps of 0", &|figures| share(figures.traffic.zero_gap_share)),
    ];
    for (i, window) in before.traffic.windows.iter().enumerate() {
        let label = format!("dispersion, {}", units::round_duration(window.window_ns as f64));
        lines.push(line(&label, &ratio(window.idc), &ratio(expected.idc[i]), &ratio(after.traffic.windows[i].idc)));
    }
    for (i, window) in before.traffic.windows.iter().enumerate() {
        let label = format!("peak to mean, {}", units::round_duration(window.window_ns as f64));
        lines.push(both(&label, &|figures| ratio(figures.traffic.windows[i].peak_to_mean)));
    }
    lines.push(both("repeated requests", &|figures| share(figures.repeated_share)));
    lines
}

fn line(label: &str, before: &str, expected: &str, after: &str) -> String {
    format!("{label:<20}{before:>12}{expected:>12}{after:>12}")
}

/// Two decimals, with a true minus.
fn ratio(value: f64) -> String {
    let text = format!("{:.2}", value.abs());
    if value < 0.0 && text != "0.00" { format!("−{text}") } else { text }
}

/// A dash where there are too few values to say.
fn optional(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}
