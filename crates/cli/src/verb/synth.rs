//! `rehearsal synth`: a trace out of a seed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use capture::fit::Fitted;
use capture::synth::{self, Collection, Diurnal, FilterField, Length, Limits, Mix, Options, Template};
use clap::Args;
use stats::fit::Model;
use trace::TraceMeta;

use super::Done;
use crate::failure::Failure;
use crate::{output, parse};

pub const EXAMPLE: &str = "Examples:
  rehearsal synth -o nine.parquet --rate 200 --duration 60s
  rehearsal synth -o two.parquet --collection docs=80:similarity --collection code=20:code --mix common=50,filtered=40,rare=10 \\
      --zipf 1.1 --limit common=10,rare=200 --dim 384 --requests 10000
  rehearsal synth -o bursts.parquet --arrivals mmpp2:idc=50,r=0.01 --diurnal 50% --day 60s

Arrivals (--arrivals), each with its defaults; times are in mean gaps:
  poisson                       independent exponential gaps
  uniform                       equal gaps
  gamma:cv=2                    independent gamma gaps
  weibull:cv=2                  independent Weibull gaps
  mmpp2:idc=10,r=0.05,q=0.1     busy and quiet spells: dispersion, forgetting, share busy
  onoff-pareto:h=0.8,period=50  users busy and idle by turns, bursts at every scale
  hawkes:n=0.5,beta=1           each arrival brings about others: how many, fading

A template (--template FILE) is JSON; `{name}` stands for a value that is the same in all steps of a session:
  { \"vars\": { \"lang\": [\"rust\", \"go\"] },
    \"sessions\": [ { \"name\": \"ask\", \"weight\": 3, \"steps\": [
      { \"method\": \"POST\", \"path\": \"/collections/{collection}/points/search\", \"body\": { \"vector\": \"{vector}\", \"limit\": 5 } },
      { \"method\": \"GET\", \"path\": \"/collections/{collection}/points/{id}\", \"think_ms\": 250 } ] } ] }";

/// Words of `synth`.
#[derive(Args)]
pub struct Words {
    /// The trace [default: captures/synth.parquet]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A collection, its share of the load and its query pattern: similarity, code or general (may be repeated; replaces the nine)
    #[arg(long, value_name = "NAME=WEIGHT:PATTERN")]
    collection: Vec<Collection>,
    /// Shares of the kinds of query
    #[arg(long, value_name = "LIST", default_value_t = Options::default().mix)]
    mix: Mix,
    /// Exponent of the common queries' popularity
    #[arg(long, value_name = "S", default_value_t = Options::default().zipf)]
    zipf: f64,
    /// Different common queries of each collection
    #[arg(long, value_name = "N", default_value_t = Options::default().pool)]
    pool: u64,
    /// Payload fields that filters look at, with the number of their values [default: each pattern's own]
    #[arg(long, value_name = "FIELD=VALUES,…")]
    filters: Option<String>,
    /// Hits asked for by each kind of query
    #[arg(long, value_name = "LIST", default_value_t = Options::default().limits)]
    limit: Limits,
    /// Share of the queries' requests that are batches: 0.1 or 10%
    #[arg(long, value_name = "SHARE", default_value_t = Options::default().batch_share, value_parser = parse::share)]
    batch: f64,
    /// Queries of a batch
    #[arg(long, value_name = "N", default_value_t = Options::default().batch_size)]
    batch_size: u32,
    /// Share of all requests that write points: 0.1 or 10%
    #[arg(long, value_name = "SHARE", default_value_t = Options::default().upsert_share, value_parser = parse::share)]
    upsert: f64,
    /// Points of such a request
    #[arg(long, value_name = "N", default_value_t = Options::default().upsert_size)]
    upsert_size: u32,
    /// Components of a vector
    #[arg(long, value_name = "N", default_value_t = Options::default().dim)]
    dim: usize,
    /// Points with which `setup` is to fill each collection
    #[arg(long, value_name = "N", default_value_t = Options::default().points)]
    points: u64,
    /// Mean requests per second [default: 100, or the model's]
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Length of the trace in time [default: 60s, or the model's]
    #[arg(long, value_name = "TIME", value_parser = parse::duration, conflicts_with = "requests")]
    duration: Option<Duration>,
    /// Length of the trace in requests
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// Users among whom the requests are dealt out
    #[arg(long, value_name = "N", default_value_t = Options::default().sessions)]
    sessions: u64,
    /// Model of the arrivals, with what differs from its defaults (see below)
    #[arg(long, value_name = "MODEL", default_value_t = Options::default().arrivals)]
    arrivals: String,
    /// How far the rate rises and falls over a day, as a share of its mean: 0.5 or 50%
    #[arg(long, value_name = "SHARE", value_parser = parse::share)]
    diurnal: Option<f64>,
    /// Length of such a day
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse::duration, requires = "diurnal")]
    day: Duration,
    /// Arrivals as in the trace that `fit` made this model of: repeated if longer, multiplied if more
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arrivals", "diurnal"])]
    model: Option<PathBuf>,
    /// Sessions of dependent steps from a JSON file, in place of the mix
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Seed of every random choice: the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the footer as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let output = words.output.clone().unwrap_or_else(|| Path::new("captures").join("synth.parquet"));
    if let Some(folder) = output.parent().filter(|_| words.output.is_none()) {
        std::fs::create_dir_all(folder)?;
    }
    let json = words.json;
    let options = options(words)?;
    let mut shown = output::Progress::new();
    let meta = synth::synthesize(&output, &options, |requests| {
        if shown.is_terminal() {
            shown.show(&format!("{requests} requests"));
        }
    })?;
    shown.end();
    output::say(&if json { serde_json::to_string_pretty(&meta)? } else { account(&output, &meta) })?;
    Ok(Done::Fine)
}

fn options(words: Words) -> Result<Options, Failure> {
    let defaults = Options::default();
    let filters = words.filters.as_deref().map_or(Ok(Vec::new()), FilterField::parse_list);
    let model = words.model.as_deref().map(|path| Fitted::load(path).map(|fitted| fitted.model)).transpose()?;
    let length = match (words.requests, words.duration, &model) {
        (Some(requests), ..) => Length::Requests(requests),
        (None, Some(duration), _) => Length::DurationS(duration.as_secs_f64()),
        (None, None, Some(model)) => Length::DurationS(model.span_ns as f64 / 1e9),
        (None, None, None) => defaults.length,
    };
    Ok(Options {
        seed: words.seed,
        collections: if words.collection.is_empty() { defaults.collections } else { words.collection },
        mix: words.mix,
        pool: words.pool,
        zipf: words.zipf,
        limits: words.limit,
        filters: filters.map_err(|reason| Failure::new(format!("--filters: {reason}")))?,
        batch_share: words.batch,
        batch_size: words.batch_size,
        upsert_share: words.upsert,
        upsert_size: words.upsert_size,
        dim: words.dim,
        metric: defaults.metric,
        points: words.points,
        rate_per_s: words.rate.unwrap_or(model.as_ref().map_or(defaults.rate_per_s, Model::rate_per_s)),
        length,
        sessions: words.sessions,
        arrivals: words.arrivals,
        diurnal: words.diurnal.map(|amplitude| Diurnal { amplitude, day_s: words.day.as_secs_f64() }),
        model,
        template: words.template.as_deref().map(Template::load).transpose()?,
    })
}

fn account(output: &Path, meta: &TraceMeta) -> String {
    let span_s = meta.span_ns as f64 / 1e9;
    let path = output.display();
    format!(
        "{path}: {} requests in {} sessions over {span_s:.1} s; next: rehearsal inspect {path}",
        meta.exchanges, meta.sessions
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The help says what the table of models says.
    #[test]
    fn help_lists_every_arrival_model() {
        for model in stats::arrivals::MODELS {
            let line = EXAMPLE.lines().find(|line| line.trim_start().starts_with(&format!("{} ", model.usage())));
            assert!(line.is_some_and(|line| line.contains(model.about)), "{}: {line:?}", model.usage());
        }
    }
}
