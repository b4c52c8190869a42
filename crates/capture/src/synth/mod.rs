//! Traces out of nothing but a seed: vector searches in Qdrant's REST requests.
//!
//! Several collections share the load, each with a query pattern of its own ([`Pattern`]). Most queries are *common* ones, which repeat
//! with Zipf popularity; some are *filtered* by payload; some are *rare*, far from everything, with large results. Vectors come from
//! clustered data, and [`points`] gives the data itself, so that a target can be filled with what the trace asks about. With a
//! [`Template`], sessions of dependent steps take the place of the mix. And [`resample`] draws what is asked out of a recorded trace.
//!
//! The same options give the same bytes.

mod content;
mod flow;
mod number;
mod options;
mod pattern;
mod points;
mod record;
mod resample;
mod template;
mod times;
mod vectors;

use std::path::Path;

use trace::rules::nearest;
use trace::{Redaction, Source, TraceMeta, TraceWriter};
use xxhash_rust::xxh3::xxh3_128;

pub use options::{Collection, FilterField, Length, Limits, METRIC, Mix, Options};
pub use pattern::Pattern;
pub use points::{Point, Points, points};
pub use resample::{Resample, When, resample};
pub use template::{Session, Step, Template};

use crate::{Error, Result};

/// Users of a trace, and sessions of a template that may go on at once.
pub const SESSIONS_MAX: u64 = 1 << 20;
/// Member of the footer's `origin` that holds the options.
const ORIGIN: &str = "synth";
/// Requests between two reports of progress.
const PROGRESS_EVERY: u64 = 4096;

/// Writes the trace of `options` to `path`. `progress` is told the number of requests written, now and then.
///
/// # Errors
/// [`Error::Option`] when an option cannot be, before anything is written; [`Error::Trace`] when the file cannot be written.
pub fn synthesize(path: &Path, options: &Options, mut progress: impl FnMut(u64)) -> Result<TraceMeta> {
    options.check().map_err(Error::Option)?;
    let requests = flow::requests(options).map_err(Error::Option)?;
    let mut recorder = record::Recorder::new();
    let mut writer = TraceWriter::create(path)?;
    for (number, placed) in (1..).zip(requests) {
        writer.push(&recorder.exchange(placed.map_err(Error::Option)?))?;
        if number % PROGRESS_EVERY == 0 {
            progress(number);
        }
    }
    Ok(writer.finish(meta(options))?)
}

/// `what` is not one of `known`: says so, with the nearest one or else all of them.
fn unknown(kind: &str, what: &str, known: &[&str]) -> String {
    match nearest(what, known) {
        Some(name) => format!("unknown {kind} `{what}`, did you mean `{name}`?"),
        None => format!("unknown {kind} `{what}`, known are {}", known.join(", ")),
    }
}

fn meta(options: &Options) -> TraceMeta {
    let described = serde_json::json!({ ORIGIN: options });
    let text = described.to_string();
    let source = Source { name: ORIGIN.to_owned(), bytes: 0, hash: format!("{:032x}", xxh3_128(text.as_bytes())) };
    // A synthesized request holds no secret: there was nothing to mask.
    let redaction = Redaction { policy: "default".to_owned(), ..Redaction::default() };
    TraceMeta { sources: vec![source], redaction, origin: Some(described), ..TraceMeta::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{Exchange, Names, TraceReader};

    /// Synthesizes into a folder of its own: the file's bytes, its footer, its rows.
    fn write(options: &Options) -> (Vec<u8>, TraceMeta, Vec<Exchange>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.parquet");
        let meta = synthesize(&path, options, |_| ()).expect("written");
        let (mut reader, mut names, mut rows) = (TraceReader::open(&path).expect("a trace"), Names::default(), Vec::new());
        assert_eq!(reader.metas(), std::slice::from_ref(&meta));
        while let Some(batch) = reader.next_batch().expect("whole") {
            rows.extend(batch.rows().map(|row| row.to_exchange(&mut names)));
        }
        (std::fs::read(&path).expect("written"), meta, rows)
    }

    fn small() -> Options {
        Options { dim: 4, length: Length::Requests(300), batch_share: 0.2, upsert_share: 0.1, ..Options::default() }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let first = write(&small()).0;
        assert!(first == write(&small()).0);
        assert!(first != write(&Options { seed: 2, ..small() }).0);
    }

    #[test]
    fn the_file_says_how_it_was_made() {
        let (_, meta, rows) = write(&small());
        assert_eq!((meta.exchanges, rows.len(), meta.span_ns), (300, 300, rows[299].at.ns()));
        assert_eq!(Options::of_trace(&meta), Some(small()));
        assert_eq!((meta.loss, meta.wall_start_unix_ns, meta.sources[0].name.as_str()), (None, None, "synth"));
    }

    #[test]
    fn rows_are_whole_requests() {
        let (_, _, rows) = write(&small());
        for row in &rows {
            let body: serde_json::Value = serde_json::from_slice(row.request.as_ref().expect("has one")).expect("JSON");
            let wanted = match (&*row.method, body.get("searches")) {
                ("PUT", _) => (trace::Effect::Write, 10, "PUT /collections/{}/points"),
                (_, Some(_)) => (trace::Effect::Read, 10, "POST /collections/{}/points/search/batch"),
                (_, None) if body.get("query").is_some() => (trace::Effect::Read, 1, "POST /collections/{}/points/query"),
                (_, None) => (trace::Effect::Read, 1, "POST /collections/{}/points/search"),
            };
            assert_eq!((row.effect, row.items, &*row.operation), wanted);
            assert!(row.target.starts_with(&format!("/collections/{}/", row.collection)));
        }
    }

    #[test]
    fn a_template_takes_the_place_of_the_mix() {
        let plan = r#"{"sessions":[{"name":"look","steps":[
            {"method":"GET","path":"/collections/{collection}"},{"method":"POST","path":"/collections/{collection}/points",
             "body":{"ids":["{id}"]},"think_ms":10}]}]}"#;
        let options = Options { template: Some(Template::parse(plan).expect("sound")), ..small() };
        let (bytes, meta, rows) = write(&options);
        assert_eq!((meta.exchanges, meta.sessions, Options::of_trace(&meta)), (300, 150, Some(options.clone())));
        assert!(
            rows.iter().all(|row| row.txn.as_ref().is_some_and(|txn| txn.name == *"look" && txn.id == *row.session.to_string()))
        );
        assert!(rows.iter().filter(|row| row.seq == 1).all(|row| row.items == 1));
        assert!(bytes == write(&options).0);
    }

    #[test]
    fn an_impossible_option_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.parquet");
        let error = synthesize(&path, &Options { dim: 0, ..small() }, |_| ()).expect_err("dimension 0");
        assert_eq!(error.to_string(), "the dimension must lie between 1 and 65536, not 0");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn progress_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut told = Vec::new();
        let options = Options { dim: 1, length: Length::Requests(2 * PROGRESS_EVERY + 1), ..Options::default() };
        synthesize(&folder.path().join("t.parquet"), &options, |requests| told.push(requests)).expect("written");
        assert_eq!(told, [PROGRESS_EVERY, 2 * PROGRESS_EVERY]);
    }

    #[test]
    fn the_nearest_known_name_is_named() {
        assert_eq!(unknown("key", "weigth", &["name", "weight"]), "unknown key `weigth`, did you mean `weight`?");
        assert_eq!(unknown("key", "zzz", &["name", "weight"]), "unknown key `zzz`, known are name, weight");
    }
}
