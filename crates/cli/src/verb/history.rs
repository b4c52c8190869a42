//! `rehearsal history`: the figures of many runs over time, and where their level changed.

use std::path::PathBuf;

use analysis::history::{FIGURES, History, HistoryOptions, KEYS, RECENT};
use clap::Args;
use stats::changepoint::{Settings, WINDOW_MAX};

use super::Done;
use crate::failure::Failure;
use crate::{output, parse};

pub const EXAMPLE: &str = "Examples:
  rehearsal history reports
  rehearsal history reports --figure p99 --recent 20 -o reports/history
  rehearsal history results.csv --time time --figure latency --otava-compat

Runs are of one history when trace, load and target are the same. Exit code 1 when the last
change of a figure is for the worse and among the newest points (--recent).";

/// Words of `history`.
#[derive(Args)]
pub struct Words {
    /// A folder with runs below it, or a table of results (CSV)
    source: PathBuf,
    #[arg(long, value_name = "NAME", value_delimiter = ',', help = figures())]
    figure: Vec<String>,
    #[arg(long, value_name = "NAME", value_delimiter = ',', help = keys())]
    by: Vec<String>,
    /// The column of a table that says when a result was made [default: the first]
    #[arg(long, value_name = "COLUMN", default_value = "", hide_default_value = true)]
    time: String,
    /// The figures of a table are better when they are higher
    #[arg(long)]
    higher_is_better: bool,
    /// A change for the worse counts while it is among so many of the newest points
    #[arg(long, value_name = "N", default_value_t = RECENT)]
    recent: usize,
    /// A change must be less likely by chance than this
    #[arg(long, value_name = "P", default_value_t = Settings::DEFAULT.p_max, value_parser = parse::share)]
    p_max: f64,
    /// A change must be larger than this [default: 5%, with --otava-compat 0]
    #[arg(long, value_name = "SHARE", value_parser = parse::share)]
    magnitude: Option<f64>,
    /// Points that are looked at at once
    #[arg(long, value_name = "N", default_value_t = Settings::DEFAULT.window as u64, value_parser = clap::value_parser!(u64).range(2..=WINDOW_MAX as u64))]
    window: u64,
    /// Find what Apache Otava finds: plain values, neighbours taken for independent, single points taken for levels
    #[arg(long)]
    otava_compat: bool,
    /// Write a page with a chart for each figure, history.md and history.json into this folder
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

fn figures() -> String {
    let names: Vec<&str> = FIGURES.iter().map(|known| known.name).collect();
    let usual: Vec<&str> = FIGURES.iter().filter(|known| known.usual).map(|known| known.name).collect();
    format!(
        "Figures of runs ({}), or columns of a table [default: {}; all columns of numbers]",
        names.join(", "),
        usual.join(", ")
    )
}

fn keys() -> String {
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    format!(
        "What tells histories of runs apart ({}), or columns of a table that do [default: trace, load, target]",
        names.join(", ")
    )
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let history = History::of(&words.source, &options(&words))?;
    let page = words.output.as_deref().map(|folder| history.write(folder)).transpose()?;
    if words.json {
        output::say(&serde_json::to_string_pretty(&history.json())?)?;
    } else {
        let page = page.map(|page| format!("report: {}\n", page.display())).unwrap_or_default();
        output::tell(&format!("{}{page}", history.terminal(output::columns())))?;
    }
    Ok(if history.news().next().is_some() { Done::Finding } else { Done::Fine })
}

fn options(words: &Words) -> HistoryOptions {
    let window = words.window as usize;
    let settings = if words.otava_compat {
        Settings::otava(window, words.p_max, words.magnitude.unwrap_or(0.0))
    } else {
        let magnitude_min = words.magnitude.unwrap_or(Settings::DEFAULT.magnitude_min);
        Settings { window, p_max: words.p_max, magnitude_min, ..Settings::DEFAULT }
    };
    HistoryOptions {
        figures: words.figure.clone(),
        by: words.by.clone(),
        time: words.time.clone(),
        higher_is_better: words.higher_is_better,
        settings,
        recent: words.recent,
    }
}
