//! `rehearsal synth`: a trace out of a seed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use capture::fit::Fitted;
use capture::synth::{self, Collection, FilterField, Length, Limits, Mix, Options, Resample, Template, When};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use stats::fit::Longer;
use trace::TraceMeta;

use super::Done;
use crate::failure::Failure;
use crate::{output, parse};

pub const EXAMPLE: &str = "Examples:
  rehearsal synth -o nine.parquet --rate 200 --duration 60s
  rehearsal synth -o two.parquet --collection docs=80:similarity --collection code=20:code --mix common=50,filtered=40,rare=10 \\
      --zipf 1.1 --limit common=10,rare=200 --dim 384 --requests 10000
  rehearsal synth -o bursts.parquet --arrivals mmpp2:idc=50,r=0.01 --diurnal 50% --day 60s
  rehearsal fit nine.parquet -o model.json && rehearsal synth -o more.parquet --model model.json --rate 600 --duration 5m

Content (--content) is what is asked: `synthetic` vector searches, or whole exchanges and sessions drawn from a recorded trace,
each session once before any comes twice. With --model it is the trace that the model was fitted on.

Arrivals (--arrivals), each with its defaults; times are in mean gaps:
  poisson                       independent exponential gaps
  uniform                       equal gaps
  gamma:cv=2                    independent gamma gaps
  weibull:cv=2                  independent Weibull gaps
  h2:p=0.1,m=5                  mostly short gaps, and a share p of mean m
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
    /// How far the rate rises and falls over a day, as a share of its mean, and when it peaks: 50%, or up to three waves, the second
    /// twice a day, the third thrice: 52%@14h,10%@3h
    #[arg(long, value_name = "WAVES")]
    diurnal: Option<String>,
    /// Length of such a day
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse::duration, requires = "diurnal")]
    day: Duration,
    /// Arrivals as in the trace that `fit` made this model of, multiplied if more
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arrivals", "diurnal"])]
    model: Option<PathBuf>,
    /// How a model's rate goes on: the same again, half hours of it at random, or the smooth course of the day
    #[arg(long, value_name = "HOW", requires = "model", default_value_t = Longer::Repeat,
          value_parser = PossibleValuesParser::new(Longer::names()).map(|name| Longer::parse(&name).unwrap_or_default()))]
    longer: Longer,
    /// What is asked: `synthetic`, or a trace to draw from [default: synthetic, or the trace of --model]
    #[arg(long, value_name = "TRACE", conflicts_with = "template")]
    content: Option<PathBuf>,
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

/// The word for content that is made up.
const SYNTHETIC: &str = "synthetic";

pub fn run(words: Words) -> Result<Done, Failure> {
    let output = words.output.clone().unwrap_or_else(|| Path::new("captures").join("synth.parquet"));
    if let Some(folder) = output.parent().filter(|_| words.output.is_none()) {
        std::fs::create_dir_all(folder)?;
    }
    let json = words.json;
    let fitted = words.model.as_deref().map(Fitted::load).transpose()?;
    let content = content(&words, fitted.as_ref());
    let options = options(words, fitted.as_ref())?;
    let mut shown = output::Progress::new();
    let progress = |requests| {
        if shown.is_terminal() {
            shown.show(&format!("{requests} requests"));
        }
    };
    let meta = match content {
        None => synth::synthesize(&output, &options, progress)?,
        Some(content) => synth::resample(&output, &resampling(content, options, fitted, &output)?, progress)?,
    };
    shown.end();
    output::say(&if json { serde_json::to_string_pretty(&meta)? } else { account(&output, &meta) })?;
    Ok(Done::Fine)
}

/// The trace that content is drawn from; `None` where it is made up.
fn content(words: &Words, fitted: Option<&Fitted>) -> Option<PathBuf> {
    let made_up = words.template.is_some() || words.content.as_deref() == Some(Path::new(SYNTHETIC));
    let named = || words.content.clone().or_else(|| fitted.map(|fitted| PathBuf::from(&fitted.trace)));
    if made_up { None } else { named() }
}

/// What is drawn from recorded content. Options that shape made-up content have no say in it, and are refused.
fn resampling(content: PathBuf, options: Options, fitted: Option<Fitted>, output: &Path) -> Result<Resample, Failure> {
    let (shown, plain) = (content.display(), Options::default());
    let shaping = [
        ("--collection", options.collections != plain.collections),
        ("--mix", options.mix != plain.mix),
        ("--zipf", options.zipf != plain.zipf),
        ("--pool", options.pool != plain.pool),
        ("--filters", options.filters != plain.filters),
        ("--limit", options.limits != plain.limits),
        ("--batch", options.batch_share != plain.batch_share),
        ("--batch-size", options.batch_size != plain.batch_size),
        ("--upsert", options.upsert_share != plain.upsert_share),
        ("--upsert-size", options.upsert_size != plain.upsert_size),
        ("--dim", options.dim != plain.dim),
        ("--points", options.points != plain.points),
        ("--sessions", options.sessions != plain.sessions),
    ];
    if let Some((name, _)) = shaping.iter().find(|(_, given)| *given) {
        return Err(Failure::new(format!(
            "{name} shapes synthetic content, and content is drawn from {shown}: leave it out, or say --content {SYNTHETIC}"
        )));
    }
    if !content.exists() {
        return Err(Failure::new(format!(
            "there is no trace {shown} to draw content from: name one with --content, or say --content {SYNTHETIC}"
        )));
    }
    if output.canonicalize().is_ok_and(|output| content.canonicalize().is_ok_and(|content| content == output)) {
        return Err(Failure::new(format!("{shown} is what content is drawn from: give the trace another name with -o")));
    }
    let when = match fitted {
        Some(fitted) => When::Model { fitted: Box::new(fitted), longer: options.longer },
        None => When::Process { arrivals: options.arrivals, diurnal: options.diurnal },
    };
    Ok(Resample { content, when, rate_per_s: options.rate_per_s, length: options.length, seed: options.seed })
}

fn options(words: Words, fitted: Option<&Fitted>) -> Result<Options, Failure> {
    let defaults = Options::default();
    let filters = words.filters.as_deref().map_or(Ok(Vec::new()), FilterField::parse_list);
    let model = fitted.map(|fitted| fitted.model.clone());
    let length = match (words.requests, words.duration, &model) {
        (Some(requests), ..) => Length::Requests(requests),
        (None, Some(duration), _) => Length::DurationS(duration.as_secs_f64()),
        (None, None, Some(model)) => Length::DurationS(model.span_ns as f64 / 1e9),
        (None, None, None) => defaults.length,
    };
    let diurnal = words.diurnal.as_deref().map(|text| parse::daily(text, words.day.as_secs_f64())).transpose();
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
        rate_per_s: words.rate.unwrap_or(model.as_ref().map_or(defaults.rate_per_s, stats::fit::Model::rate_per_s)),
        length,
        sessions: words.sessions,
        arrivals: words.arrivals,
        diurnal: diurnal.map_err(|reason| Failure::new(format!("--diurnal: {reason}")))?,
        model,
        longer: words.longer,
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
