use super::super::{Options, Template, synthesize};
use super::*;
use crate::fit::{By, FitOptions, fit};
use std::collections::HashSet;

fn rows_of(path: &Path) -> (TraceMeta, Vec<Exchange>) {
    let (mut reader, mut names, mut rows) = (TraceReader::open(path).expect("a trace"), Names::default(), Vec::new());
    while let Some(batch) = reader.next_batch().expect("whole") {
        rows.extend(batch.rows().map(|row| row.to_exchange(&mut names)));
    }
    (reader.metas()[0].clone(), rows)
}

/// A trace of sessions of two steps, and where it lies.
fn recorded(folder: &Path, requests: u64) -> PathBuf {
    let path = folder.join("recorded.parquet");
    let plan = r#"{"sessions":[{"name":"look","steps":[
        {"method":"POST","path":"/collections/{collection}/points/search","body":{"vector":"{vector}","limit":3}},
        {"method":"GET","path":"/collections/{collection}/points/{id}","think_ms":400}]}]}"#;
    let template = Some(Template::parse(plan).expect("sound"));
    let options = Options { dim: 4, rate_per_s: 50.0, length: Length::Requests(requests), template, ..Options::default() };
    synthesize(&path, &options, |_| ()).expect("written");
    path
}

fn poisson(content: &Path, rate_per_s: f64, requests: u64) -> Resample {
    let when = When::Process { arrivals: "poisson".to_owned(), diurnal: None };
    Resample { content: content.to_owned(), when, rate_per_s, length: Length::Requests(requests), seed: 3 }
}

/// What an exchange says, without its place.
fn said(row: &Exchange) -> (String, String, String, Option<Vec<u8>>, u64) {
    let body = row.request.as_ref().map(|body| body.to_vec());
    (row.collection.to_string(), row.operation.to_string(), row.target.to_string(), body, row.request_bytes)
}

/// Every row is one of the recording, word for word; each session is one of the recording, in order and from its first row; and in each
/// pass every recorded session comes once.
#[test]
fn whole_exchanges_come_in_whole_sessions() {
    let folder = tempfile::tempdir().expect("a folder");
    let (content, path) = (recorded(folder.path(), 1000), folder.path().join("more.parquet"));
    resample(&path, &poisson(&content, 100.0, 2500), |_| ()).expect("written");
    let ((_, before), (meta, after)) = (rows_of(&content), rows_of(&path));
    assert_eq!((after.len(), meta.exchanges), (2500, 2500));
    let (mut sessions, mut first_pass) = (HashMap::<u64, Vec<&Exchange>>::new(), HashSet::new());
    for row in &after {
        let was = &before[row.origin as usize];
        assert_eq!(said(row), said(was));
        let so_far = sessions.entry(row.session).or_default();
        assert_eq!((row.seq as usize, was.seq as usize), (so_far.len(), so_far.len()), "in order, from the first");
        assert!(so_far.iter().all(|other| before[other.origin as usize].session == was.session && other.copy == row.copy));
        so_far.push(row);
        assert!(row.copy > 0 || first_pass.insert(row.origin), "once in a pass");
        let id = row.txn.as_ref().expect("a unit of work").id.to_string();
        let expected = was.txn.as_ref().expect("a unit of work").id.to_string();
        assert_eq!(id, if row.copy == 0 { expected } else { format!("{expected}#{}", row.copy) });
    }
    assert!(after.iter().any(|row| row.copy == 2) && after.iter().all(|row| row.copy <= 3));
}

/// At twice the rate twice as many sessions go on at once, as Little's law has it: 50/s of sessions of two steps, 0.4 s apart, are 10.
#[test]
fn sessions_go_on_at_once_as_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let (content, path) = (recorded(folder.path(), 4000), folder.path().join("more.parquet"));
    for (factor, expected) in [(1.0, 10.0), (2.0, 20.0)] {
        resample(&path, &poisson(&content, 50.0 * factor, 8000), |_| ()).expect("written");
        let (_, rows) = rows_of(&path);
        let mut ends: HashMap<u64, (TraceNs, TraceNs)> = HashMap::new();
        rows.iter().for_each(|row| ends.entry(row.session).or_insert((row.at, row.at)).1 = row.at);
        let lasting: i64 = ends.values().map(|(first, last)| *last - *first).sum();
        let going_on = lasting as f64 / rows[rows.len() - 1].at.ns() as f64;
        assert!((going_on / expected - 1.0).abs() < 0.15, "{going_on}, expected {expected}");
    }
}

/// The same options give the same bytes; another seed gives others; the footer keeps what the content was made of.
#[test]
fn it_is_reproducible_and_says_how_it_was_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let (content, path) = (recorded(folder.path(), 500), folder.path().join("more.parquet"));
    let bytes = |seed| {
        let meta = resample(&path, &Resample { seed, ..poisson(&content, 10.0, 700) }, |_| ()).expect("written");
        assert_eq!(Options::of_trace(&meta).expect("made by synth").dim, 4);
        let step = &meta.origin.expect("made")["steps"][0]["resample"];
        assert_eq!((&step["when"]["arrivals"], &step["content_share"]), (&json!("poisson"), &json!(1.0)));
        std::fs::read(&path).expect("written")
    };
    assert!(bytes(1) == bytes(1) && bytes(1) != bytes(2));
}

/// Content that does not fit is sampled by whole sessions, and sessions go on as before.
#[test]
fn too_much_content_is_sampled() {
    let folder = tempfile::tempdir().expect("a folder");
    let (content, path) = (recorded(folder.path(), 4000), folder.path().join("more.parquet"));
    let bytes = Content::read(&content, usize::MAX, |_| Some(0)).expect("readable").kinds[&0]
        .iter()
        .flatten()
        .map(Exchange::weight_bytes)
        .sum::<usize>();
    let meta = resample_within(&path, &poisson(&content, 50.0, 4000), bytes / 3, |_| ()).expect("written");
    let share = meta.origin.expect("made")["steps"][0]["resample"]["content_share"].as_f64().expect("a number");
    assert!(share == 0.25, "{share}");
    let origins: HashSet<u64> = rows_of(&path).1.iter().map(|row| row.origin).collect();
    assert!((origins.len() as f64 / 4000.0 - 0.25).abs() < 0.06, "{}", origins.len());
    let refused = resample_within(&path, &poisson(&content, 50.0, 100), 10, |_| ()).expect_err("no session fits");
    assert!(refused.to_string().contains("too large to draw from"), "{refused}");
}

/// By collection: the second half of the recording asks another collection than the first, and so does what is drawn from its model.
#[test]
fn kinds_come_at_their_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let [content, path] = ["t.parquet", "more.parquet"].map(|name| folder.path().join(name));
    let mut writer = TraceWriter::create(&content).expect("created");
    for i in 0..6000_u32 {
        let collection = trace::Name::from(if i < 3000 { "early" } else { "late" });
        let at = TraceNs(i64::from(i) * 100_000_000);
        writer
            .push(&Exchange { at, session: u64::from(i % 7), seq: i / 7, collection, ..Exchange::default() })
            .expect("in order");
    }
    writer.finish(TraceMeta::default()).expect("written");
    let fitted = fit(&content, &FitOptions { parametric: false, by: None, seed: 1 }).expect("enough");
    assert_eq!(fitted.by, By::Collection);
    let model_of = |fitted| When::Model { fitted: Box::new(fitted), longer: Longer::Repeat };
    let options = Resample { when: model_of(fitted.clone()), length: Length::DurationS(600.0), ..poisson(&content, 20.0, 1) };
    resample(&path, &options, |_| ()).expect("written");
    let (_, rows) = rows_of(&path);
    assert!((11_990..=12_000).contains(&rows.len()), "{}", rows.len());
    assert!(rows.iter().all(|row| (&*row.collection == "early") == (row.at < TraceNs(300_000_000_000))));

    let mut other = fitted;
    other.kinds[1].name = Some("later".to_owned());
    let refused = resample(&path, &Resample { when: model_of(other), ..options }, |_| ()).expect_err("no such content");
    assert!(refused.to_string().contains("has no requests of `later`, which the model asks for"), "{refused}");
}

/// What the server sent follows the request that it followed.
#[test]
fn pushes_follow_their_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let [content, path] = ["t.parquet", "more.parquet"].map(|name| folder.path().join(name));
    let mut writer = TraceWriter::create(&content).expect("created");
    for (seq, kind) in [Kind::Push, Kind::Open, Kind::Push, Kind::Push, Kind::Message, Kind::Push].into_iter().enumerate() {
        let at = TraceNs(seq as i64 * 1_000_000_000);
        writer.push(&Exchange { at, seq: seq as u32, kind, ..Exchange::default() }).expect("in order");
    }
    writer.finish(TraceMeta::default()).expect("written");
    resample(&path, &poisson(&content, 1.0, 4), |_| ()).expect("written");
    let kinds: Vec<Kind> = rows_of(&path).1.iter().map(|row| row.kind).collect();
    let session = [Kind::Open, Kind::Push, Kind::Push, Kind::Message, Kind::Push];
    assert_eq!(kinds, [session, session].concat());
}
