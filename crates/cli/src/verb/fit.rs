//! `rehearsal fit`: a trace → a model of its arrivals, and how near it comes.

use std::path::PathBuf;

use analysis::units;
use capture::fit::{Fitted, fit};
use clap::Args;
use stats::fit::{LOG_IDC_MAX, NW1_MAX, Residual};

use super::Done;
use crate::failure::Failure;
use crate::output;

pub const EXAMPLE: &str = "Example:
  rehearsal synth -o nine.parquet --rate 20 --duration 10m --arrivals mmpp2:idc=20,r=0.01
  rehearsal fit nine.parquet -o model.json
  rehearsal synth -o more.parquet --model model.json --rate 60 --duration 20m

A model keeps the count of every stretch of time, and draws the places within a stretch from the
recorded gaps. It is judged by a trace drawn from it: exit code 1 when that is not near enough.";

/// Words of `fit`.
#[derive(Args)]
pub struct Words {
    /// The trace: a file, or a folder of files
    trace: PathBuf,
    /// The model
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Draw places within a stretch from Poisson, gamma or Weibull gaps, whichever fits best, in place of the recorded gaps
    #[arg(long)]
    parametric: bool,
    /// Seed of the trace that the model is judged by
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the model and the judgement as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let fitted = fit(&words.trace, words.parametric, words.seed)?;
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
    let gaps = match &model.residual {
        Residual::Table { correlation: 0.0, .. } => "recorded gaps".to_owned(),
        Residual::Table { correlation, .. } => format!("recorded gaps, neighbours related by {correlation:.2}"),
        Residual::Arrivals(name) => name.clone(),
    };
    let (count, rate) = (units::count(model.arrivals), units::per_s(model.rate_per_s()));
    let (span, width) = (units::duration(model.span_ns as f64), units::round_duration(model.width_ns as f64));
    let mut lines = vec![format!("{path}: {count} arrivals at {rate} over {span}, counted every {width}; {gaps}")];
    lines.extend(
        model
            .quantum_ns
            .map(|step_ns| format!("instants were recorded in steps of {}: spread over them", units::duration(step_ns as f64))),
    );
    lines.push(String::new());
    lines.extend(table(fitted));
    lines.push(String::new());
    lines.extend(fitted.two_states.iter().map(|text| format!("rate, dispersion and CV alone: synth --arrivals {text}")));
    let verdict =
        if fitted.acceptance.is_accepted() { "accepted" } else { "not accepted: bursts of this kind are lost in the model" };
    lines.push(format!("{verdict}; next: rehearsal synth --model {path}"));
    lines.join("\n")
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
