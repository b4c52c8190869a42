//! `rehearsal fit`: a trace → a model of its arrivals, and how near it comes.

use std::path::PathBuf;

use analysis::units;
use capture::fit::{BY, By, FitOptions, Fitted, fit};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use stats::fit::{LOG_IDC_MAX, Model, NW1_MAX, Residual};

use super::Done;
use crate::failure::Failure;
use crate::output;

pub const EXAMPLE: &str = "Example:
  rehearsal synth -o nine.parquet --rate 20 --duration 10m --arrivals mmpp2:idc=20,r=0.01
  rehearsal fit nine.parquet -o model.json
  rehearsal synth -o more.parquet --model model.json --rate 60 --duration 20m

A model keeps the count of every stretch of time, and draws the places within a stretch from the
recorded gaps. It is judged by a trace drawn from it: exit code 1 when that is not near enough.

Unless --by says otherwise, each collection with 500 requests gets a model of its own and the others
share one, where together they come near enough and no unit of work is broken up. Then sessions drawn
from it are kept within a collection; with --by none they are kept whole.";

/// Words of `fit`.
#[derive(Args)]
pub struct Words {
    /// The trace: a file, or a folder of files
    trace: PathBuf,
    /// The model
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Draw places within a stretch from Poisson, gamma, Weibull or two-phase hyperexponential gaps, whichever fits best, in place of
    /// the recorded gaps
    #[arg(long)]
    parametric: bool,
    /// What is fitted apart: collections, operations or nothing [default: collections, if that comes near enough]
    #[arg(long, value_name = "WHAT", value_parser = PossibleValuesParser::new(BY.iter().map(|row| row.1)).map(|name| By::parse(&name).unwrap_or(By::None)))]
    by: Option<By>,
    /// Seed of the trace that the model is judged by
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the model and the judgement as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let options = FitOptions { parametric: words.parametric, by: words.by, seed: words.seed };
    let fitted = fit(&words.trace, &options)?;
    fitted.save(&words.output)?;
    output::say(&if words.json {
        serde_json::to_string_pretty(&fitted)?
    } else {
        account(&words.output.display().to_string(), &fitted)
    })?;
    Ok(if fitted.acceptance.is_accepted() { Done::Fine } else { Done::Finding })
}

fn account(path: &str, fitted: &Fitted) -> String {
    let model = &fitted.model;
    let (count, rate) = (units::count(model.arrivals), units::per_s(model.rate_per_s()));
    let mut lines = vec![format!("{path}: {count} arrivals at {rate} over {}", units::duration(model.span_ns as f64))];
    if fitted.kinds.is_empty() {
        lines.push(format!("fitted as one: {}", curve_of(model)));
    }
    lines.extend(fitted.kinds.iter().map(|kind| {
        let name = kind.name.as_deref().unwrap_or("all others");
        format!("{name}: {} arrivals, {}", units::count(kind.model.arrivals), curve_of(&kind.model))
    }));
    let steps = fitted.quantum_ns.map(|step_ns| units::duration(step_ns as f64));
    lines.extend(steps.map(|step| format!("instants were recorded in steps of {step}: spread over them")));
    lines.push(String::new());
    lines.extend(table(fitted));
    lines.push(String::new());
    let ranked: Vec<String> = fitted.candidates.iter().map(|one| format!("{} ({:.0})", one.arrivals, one.aic)).collect();
    lines.push(format!("gaps on the curve's clock, by AIC: {}", ranked.join(", ")));
    lines.extend(fitted.two_states.iter().map(|text| format!("rate, dispersion and CV alone: synth --arrivals {text}")));
    lines.extend(model.daily.iter().map(|daily| format!("course of the day: synth --diurnal {daily}")));
    let verdict =
        if fitted.acceptance.is_accepted() { "accepted" } else { "not accepted: bursts of this kind are lost in the model" };
    lines.push(format!("{verdict}; next: rehearsal synth --model {path}"));
    lines.join("\n")
}

/// How arrivals were counted, and how they lie within a stretch.
fn curve_of(model: &Model) -> String {
    let gaps = match &model.residual {
        Residual::Table { correlation: 0.0, .. } => "recorded gaps".to_owned(),
        Residual::Table { correlation, .. } => format!("recorded gaps, neighbours related by {correlation:.2}"),
        Residual::Arrivals(name) => name.clone(),
    };
    format!("counted every {}; {gaps}", units::round_duration(model.width_ns as f64))
}

/// One line a figure: recorded, generated, how far apart, and how far they may be.
fn table(fitted: &Fitted) -> Vec<String> {
    let acceptance = &fitted.acceptance;
    let optional = |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| "–".to_owned(), show);
    let plain = |value: f64| format!("{value:.2}");
    let signed = |value: f64| format!("{value:+.3}").replace('-', "−");
    let line =
        |label: &str, cells: [String; 4]| format!("{label:<22}{:>12}{:>12}{:>12}{:>12}", cells[0], cells[1], cells[2], cells[3]);
    let mut lines = vec![line("", ["recorded", "generated", "apart", "at most"].map(str::to_owned))];
    let (recorded, generated) = (&acceptance.recorded, &acceptance.generated);
    let [before, after] = [recorded, generated].map(|figures| optional(figures.iat_cv, plain));
    lines.push(line("CV of the gaps", [before, after, String::new(), String::new()]));
    let nw1 = format!("{:.3}", acceptance.nw1);
    lines.push(line("gaps, W1 / mean", [String::new(), String::new(), nw1, NW1_MAX.to_string()]));
    for (i, window) in recorded.windows.iter().enumerate() {
        let label = format!("dispersion, {}", units::round_duration(window.window_ns as f64));
        let [before, after] = [window.idc, generated.windows[i].idc].map(|idc| optional(idc, plain));
        lines.push(line(&label, [before, after, optional(acceptance.log_idc[i], signed), LOG_IDC_MAX.to_string()]));
    }
    lines
}
