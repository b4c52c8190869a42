//! Traces made from traces: what they came from, and what was done to them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use trace::{Issues, Redaction, Source, TraceMeta, TraceReader, trace_files};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{Error, Result};

/// Member of a footer's `origin` that lists what was done to the trace, the first step first.
const STEPS: &str = "steps";

/// The files of a trace, each with the hash of its bytes.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] when one cannot be read.
pub fn files_of(trace: &Path) -> Result<Vec<Source>> {
    trace_files(trace)?.iter().map(|file| source(file)).collect()
}

fn source(file: &Path) -> Result<Source> {
    let mut hash = Xxh3::new();
    let bytes = hash_file(file, &mut hash)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Source { name, bytes, hash: format!("{:032x}", hash.digest128()) })
}

/// Adds the bytes of a file to a hash, and says how many there were.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn hash_file(file: &Path, hash: &mut Xxh3) -> Result<u64> {
    let failed = |error| Error::io("read", file, error);
    let mut input = File::open(file).map_err(failed)?;
    let (mut bytes, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match input.read(&mut buffer).map_err(failed)? {
            0 => return Ok(bytes),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// The seed of what is drawn for these files: two steps with one seed on different traces draw independently of each other, so
/// that halving a trace twice leaves a quarter.
#[must_use]
pub fn seed_for(seed: u64, files: &[Source]) -> u64 {
    let hashes: Vec<&str> = files.iter().map(|file| file.hash.as_str()).collect();
    seed ^ xxh3_64(hashes.join(" ").as_bytes())
}

/// Refuses to write over what is being read.
///
/// # Errors
/// [`Error::Option`] when `output` is one of the inputs' files.
pub fn refuse_overwriting(output: &Path, inputs: &[PathBuf]) -> Result<()> {
    let Ok(output_is) = output.canonicalize() else { return Ok(()) };
    for input in inputs {
        let files = trace_files(input)?;
        if files.iter().any(|file| file.canonicalize().is_ok_and(|file| file == output_is)) {
            let reason = format!("{} is also the input; give another name", output.display());
            return Err(Error::option("--output", reason));
        }
    }
    Ok(())
}

/// The footer of a trace made from `readers`: their sources, losses, issues and maskings together, and `step` as the last of the
/// steps. Of their origins, the first one's is kept.
#[must_use]
pub fn footer<'a>(readers: impl IntoIterator<Item = &'a TraceReader>, step: &Value) -> TraceMeta {
    let mut all = TraceMeta::default();
    let mut issues = Issues::default();
    for meta in readers.into_iter().flat_map(TraceReader::metas) {
        all.sources.extend(meta.sources.iter().filter(|source| !all.sources.contains(source)).cloned().collect::<Vec<_>>());
        meta.issues.iter().for_each(|issue| issues.add_many(&issue.kind, issue.count, || issue.first.clone()));
        if let Some(loss) = &meta.loss {
            all.loss.get_or_insert_default().add(loss);
        }
        add_redaction(&mut all.redaction, &meta.redaction);
        all.wall_start_unix_ns = all.wall_start_unix_ns.into_iter().chain(meta.wall_start_unix_ns).min();
        all.origin = all.origin.or_else(|| meta.origin.clone());
    }
    all.issues = issues.list();
    all.origin = Some(with_step(all.origin, step));
    all
}

fn add_redaction(all: &mut Redaction, more: &Redaction) {
    if !all.policy.split(", ").any(|policy| policy == more.policy) {
        all.policy = if all.policy.is_empty() { more.policy.clone() } else { format!("{}, {}", all.policy, more.policy) };
    }
    more.masked.iter().for_each(|(kind, count)| *all.masked.entry(kind.clone()).or_default() += count);
}

fn with_step(origin: Option<Value>, step: &Value) -> Value {
    let mut origin = match origin {
        Some(Value::Object(origin)) => origin,
        Some(other) => Map::from_iter([("origin".to_owned(), other)]),
        None => Map::new(),
    };
    match origin.get_mut(STEPS) {
        Some(Value::Array(steps)) => steps.push(step.clone()),
        _ => drop(origin.insert(STEPS.to_owned(), json!([step]))),
    }
    Value::Object(origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::Loss;

    #[test]
    fn steps_are_listed_and_the_rest_is_kept() {
        let made = with_step(Some(json!({ "synth": 1 })), &json!({ "cut": 2 }));
        let made = with_step(Some(made), &json!({ "scale": 3 }));
        assert_eq!(made, json!({ "synth": 1, "steps": [{ "cut": 2 }, { "scale": 3 }] }));
        assert_eq!(with_step(None, &json!({ "cut": 2 })), json!({ "steps": [{ "cut": 2 }] }));
    }

    #[test]
    fn losses_and_maskings_of_files_are_added_up() {
        let one = Loss { packets_read: 2, packets_dropped: [("cut".to_owned(), 1)].into(), ..Loss::default() };
        let mut all = one.clone();
        all.add(&one);
        assert_eq!((all.packets_read, all.packets_dropped["cut"]), (4, 2));
        let mut masked = Redaction::default();
        let default = Redaction { policy: "default".to_owned(), masked: [("cookie".to_owned(), 3)].into() };
        let off = Redaction { policy: "off".to_owned(), ..Redaction::default() };
        [&default, &off, &default].into_iter().for_each(|more| add_redaction(&mut masked, more));
        assert_eq!((masked.policy.as_str(), masked.masked["cookie"]), ("default, off", 6));
    }

    #[test]
    fn another_trace_draws_other_numbers() {
        let file = |hash: &str| Source { hash: hash.to_owned(), ..Source::default() };
        assert_eq!(seed_for(1, &[file("a")]), seed_for(1, &[file("a")]));
        assert_ne!(seed_for(1, &[file("a")]), seed_for(1, &[file("b")]));
        assert_ne!(seed_for(1, &[file("a")]), seed_for(2, &[file("a")]));
    }
}
