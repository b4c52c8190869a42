//! `rehearsal setup`: creates and fills the collections a trace needs, or removes them.

use std::path::{Path, PathBuf};

use capture::synth;
use clap::Args;
use replay::setup::{CollectionPlan, Filled, Plan, Point};
use replay::target::Target;
use trace::TraceReader;

use super::Done;
use crate::failure::Failure;
use crate::{output, parse};

pub const EXAMPLE: &str = "Examples:
  rehearsal setup nine.parquet --target http://127.0.0.1:6333
  rehearsal setup nine.parquet --target http://127.0.0.1:6333 --drop
  rehearsal setup --collection mixtral=384 --points 10000 --target http://127.0.0.1:6333";

/// Words of `setup`.
#[derive(Args)]
pub struct Words {
    /// The trace whose collections are meant
    #[arg(required_unless_present = "collection")]
    trace: Option<PathBuf>,
    /// The Qdrant-compatible server, http:// or https://HOST:PORT
    #[arg(long, value_name = "URL")]
    target: String,
    /// A collection and the dimension of its vectors, in place of or besides those of the trace (may be repeated)
    #[arg(long, value_name = "NAME=DIM", value_parser = collection)]
    collection: Vec<(String, usize)>,
    /// Points of each collection [default: what the trace was made for, else 1000]
    #[arg(long, value_name = "N")]
    points: Option<u64>,
    /// Seed of the points where the trace does not say
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Remove the collections instead
    #[arg(long)]
    drop: bool,
    /// Add a header to every request, $NAME taken from the environment (may be repeated)
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn collection(text: &str) -> Result<(String, usize), String> {
    let (name, dimension) = parse::assignment(text)?;
    let dimension = dimension.parse().map_err(|_| format!("`{dimension}` is no dimension; write {name}=384"))?;
    Ok((name, dimension))
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let target = Target::parse(&words.target)?;
    let headers = replay::setup::headers(&words.header)?;
    let (plan, made_for) = plan(&words)?;
    if words.drop {
        let names: Vec<String> = plan.collections.iter().map(|c| c.name.clone()).chain(plan.unknown.iter().cloned()).collect();
        let dropped = replay::setup::drop_collections(&target, &headers, &names)?;
        let text = format!("{} of {} collections were there and are removed", dropped.len(), names.len());
        output::say(&if words.json { serde_json::to_string_pretty(&dropped)? } else { text })?;
        return Ok(Done::Fine);
    }
    refuse_unknown(&plan)?;
    let total: u64 = plan.collections.iter().map(|collection| collection.points).sum();
    let mut shown = output::Progress::new();
    let points = |collection: &CollectionPlan| points_of(collection, made_for.as_ref(), words.seed);
    let filled = replay::setup::setup(&target, &headers, &plan, points, |written| {
        if shown.is_terminal() {
            shown.show(&format!("{written} of {total} points"));
        }
    })?;
    shown.end();
    output::say(&if words.json { serde_json::to_string_pretty(&filled)? } else { account(&filled) })?;
    Ok(Done::Fine)
}

/// What is to be there: the trace's collections, and those named besides.
fn plan(words: &Words) -> Result<(Plan, Option<synth::Options>), Failure> {
    let (mut plan, made_for) = words.trace.as_deref().map_or(Ok(Default::default()), plan_of_trace)?;
    for (name, dimension) in &words.collection {
        plan.unknown.retain(|unknown| unknown != name);
        plan.collections.retain(|known| known.name != *name);
        let (name, dimension, metric) = (name.clone(), *dimension, synth::METRIC.to_owned());
        plan.collections.push(CollectionPlan { name, dimension, metric, points: replay::setup::POINTS_DEFAULT });
    }
    for collection in &mut plan.collections {
        collection.points = words.points.unwrap_or(collection.points);
    }
    Ok((plan, made_for))
}

/// What a trace needs, and the options of the synthesizer where it is its work.
pub(super) fn plan_of_trace(trace: &Path) -> Result<(Plan, Option<synth::Options>), Failure> {
    let plan = replay::setup::plan_from_trace(trace)?;
    let reader = TraceReader::open_columns(trace, Some(&[]))?;
    Ok((plan, reader.metas().iter().find_map(synth::Options::of_trace)))
}

fn refuse_unknown(plan: &Plan) -> Result<(), Failure> {
    let Some(first) = plan.unknown.first() else { return Ok(()) };
    let all = plan.unknown.join(", ");
    Err(Failure::new(format!(
        "the trace holds no vector of {all}, so their dimension is unknown: give it, for example --collection {first}=384"
    )))
}

/// The points a trace asks about where it was synthesized, clustered points of the right dimension elsewhere.
pub(super) fn points_of(
    plan: &CollectionPlan,
    made_for: Option<&synth::Options>,
    seed: u64,
) -> impl Iterator<Item = Point> + use<> {
    let known = made_for.and_then(|options| Some((options, options.collections.iter().find(|known| known.name == plan.name)?)));
    let (options, collection) = match known {
        Some((options, collection)) => (options.clone(), collection.clone()),
        None => {
            let options = synth::Options { seed, ..synth::Options::default() };
            let collection = synth::Collection { name: plan.name.clone(), ..options.collections[0].clone() };
            (options, collection)
        }
    };
    let options = synth::Options { dim: plan.dimension, ..options };
    let point = |synth::Point { id, vector, payload }| Point { id, vector, payload };
    synth::points(&options, &collection, plan.points).map(point)
}

fn account(filled: &[Filled]) -> String {
    let line = |collection: &Filled| {
        let how = if collection.created { "created" } else { "was there" };
        format!("{}: {how}, {} points written", collection.name, collection.points)
    };
    filled.iter().map(line).collect::<Vec<_>>().join("\n")
}
