//! Reports on small runs that the tests write themselves, against formulas, goldens and the rules of a page.
//!
//! The goldens are updated with `REHEARSAL_BLESS=1 cargo test -p rehearsal-analysis`; look at the difference before committing it.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod sample;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use analysis::breakdown::{Breakdown, Measure};
use analysis::finding::{self, Finding, Verdict};
use analysis::inspect::run::inspect_run;
use analysis::overview::Overview;
use analysis::scope::Scope;
use analysis::{Analysis, Report, ReportOptions, Run, report, section};
use sample::{MS, REQUESTS, US, info, is_timeout, outcome, sample_run, service_ns, write_resources, write_run};
use serde_json::Value;
use trace::{ClockPair, Difference, DifferenceRow, ErrorClass, Match, OutcomeRow, OutcomeWriter, RunInfo, RunNs, RunStatus};

fn report_in(dir: &Path) -> Report {
    report(dir, &ReportOptions::default()).expect("a readable run")
}

/// The report of the sample run, made once for all tests.
fn sample() -> &'static (tempfile::TempDir, Report) {
    static SAMPLE: OnceLock<(tempfile::TempDir, Report)> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        sample_run(dir.path());
        let report = report_in(dir.path());
        (dir, report)
    })
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn findings(dir: &Path) -> Value {
    serde_json::from_str(&read(dir, "findings.json")).expect("JSON")
}

/// Overview and findings of the run in `dir`, without the pictures.
fn judged(dir: &Path) -> (Overview, Vec<Finding>) {
    let analysis = Analysis::new(&Run::open(dir).expect("a run")).expect("outcomes");
    let found = finding::findings(&analysis);
    (Overview::new(&analysis, &found), found)
}

fn verdict_in(findings: &[Finding], id: &str) -> Verdict {
    findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("no finding {id}")).verdict
}

fn verdict_of<'a>(findings: &'a Value, id: &str) -> &'a str {
    let all = findings["findings"].as_array().expect("a list");
    let found = all.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no finding {id}"));
    found["verdict"].as_str().expect("text")
}

fn check_golden(name: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let found = read(sample().0.path(), name);
    if std::env::var_os("REHEARSAL_BLESS").is_some() {
        std::fs::write(&golden, &found).expect("a writable checkout");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(found == expected, "{name} differs from {}; REHEARSAL_BLESS=1 takes it over", golden.display());
}

#[test]
fn markdown_is_the_golden() {
    check_golden("report.md");
}

#[test]
fn findings_are_the_golden() {
    check_golden("findings.json");
}

/// The nearest rank ⌈pn⌉ by the definition, of values made anew from their formula.
#[test]
fn figures_are_those_of_the_formula() {
    let findings = findings(sample().0.path());
    for (group, wanted) in [("overall", None), ("mixtral", Some(false)), ("phi3", Some(true))] {
        let ids = (0..REQUESTS).filter(|id| wanted.is_none_or(|phi3| id.is_multiple_of(4) == phi3));
        let mut service: Vec<i64> = ids.filter(|id| !is_timeout(*id)).map(service_ns).collect();
        service.sort_unstable();
        let times = if wanted.is_none() {
            &findings["latency"]["overall"]
        } else {
            let groups = findings["latency"]["groups"].as_array().expect("a list");
            groups.iter().find(|one| one["collection"] == group).expect("the collection")
        };
        assert_eq!(times["service"]["count"], service.len());
        for (name, thousandths) in [("p50", 500), ("p90", 900), ("p95", 950), ("p99", 990)] {
            let exact = service[(service.len() * thousandths).div_ceil(1000) - 1];
            let sufficient = name != "p99" || service.len() >= 368;
            let expected = |ns: i64| if sufficient { Value::from(ns) } else { Value::Null };
            assert_eq!(times["service"][name]["value_ns"], expected(exact), "{group} {name}");
            assert_eq!(times["response"][name]["value_ns"], expected(exact + 20 * US), "{group} {name}");
        }
        assert_eq!(times["response"]["p99.9"]["value_ns"], Value::Null, "p99.9 needs 3688 answers");
        assert_eq!(times["response"]["max_ns"], service[service.len() - 1] + 20 * US);
    }
    assert_eq!(findings["throughput"]["offered_per_s"], 1000.0);
    assert_eq!(findings["throughput"]["achieved_per_s"], 1000.0);
    let errors: Vec<_> = findings["errors"].as_array().expect("a list").iter().map(|e| (&e["kind"], &e["count"])).collect();
    assert_eq!(errors, [(&"status 503".into(), &8.into()), (&"timeout".into(), &4.into())]);
    assert_eq!(findings["errors"][1]["first_ns"], 499 * MS);
    assert_eq!(findings["errors"][1]["last_ns"], 1999 * MS);
}

#[test]
fn what_probes_saw_is_summed_up_by_formula() {
    let resources = &findings(sample().0.path())["resources"];
    // 11 steps of 0.05 s before the restart, nothing across it, 9 steps after it; the nearest rank ⌈0.95 · 22⌉ is the 21st.
    let cpu = &resources["target_cpu"];
    assert!((cpu["cpu_s"].as_f64().expect("a number") - 20.0 * 0.05).abs() < 1e-9, "{cpu}");
    assert_eq!((&cpu["sources"][0], &cpu["answered"]), (&"pid:7".into(), &1996.into()));
    assert!((cpu["answered_per_cpu_s"].as_f64().expect("a number") - 1996.0).abs() < 1e-6, "{cpu}");
    let all = resources["series"].as_array().expect("a list");
    let rss = all.iter().find(|one| one["series"] == "rss_bytes").expect("the series");
    let figures = ["count", "first", "last", "min", "mean", "p95", "max"].map(|name| rss[name].as_f64().expect("a number"));
    assert_eq!(figures, [22.0, 1e8, 1.21e8, 1e8, 1.105e8, 1.2e8, 1.21e8]);
    assert_eq!(
        (resources["events"][0]["kind"].as_str(), &resources["events"][0]["run_ns"]),
        (Some("restarted"), &(1200 * MS).into())
    );
    let page = read(sample().0.path(), "report.html");
    assert!(page.contains("hit_rate") && page.contains("process 7 gave way to process 8"));
    assert!(!page.contains("cpu_s<"), "a counter stands where its rate says more");
}

#[test]
fn the_warm_up_is_part_of_no_figure_of_the_resources() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let asked = serde_json::json!({ "warmup_ns": 1300 * MS });
    write_run(dir.path(), &RunInfo { asked, ..info(REQUESTS, RunStatus::Complete) }, (0..REQUESTS).map(outcome));
    write_resources(dir.path());
    report_in(dir.path());
    let resources = &findings(dir.path())["resources"];
    let series = resources["series"].as_array().expect("a list").iter().find(|one| one["series"] == "rss_bytes").expect("it");
    assert_eq!((&series["count"], &series["first"]), (&9.into(), &1.13e8.into()));
    // Readings from 1.3 s to 2.1 s: 8 steps of 0.05 s.
    let cpu = &resources["target_cpu"];
    assert!((cpu["cpu_s"].as_f64().expect("a number") - 8.0 * 0.05).abs() < 1e-9, "{cpu}");
    let done_later =
        (0..REQUESTS).filter(|id| !is_timeout(*id) && *id as i64 * MS + 20 * US + service_ns(*id) >= 1300 * MS).count();
    assert_eq!(cpu["answered"], done_later);
}

#[test]
fn a_run_that_watched_nothing_shows_nothing_of_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write_run(dir.path(), &info(REQUESTS, RunStatus::Complete), (0..REQUESTS).map(outcome));
    report_in(dir.path());
    assert_eq!(findings(dir.path())["resources"], Value::Null);
    for name in ["report.html", "report.md"] {
        assert!(!read(dir.path(), name).contains("Resources"), "{name}");
    }
    assert!(!dir.path().join("charts/cpu-over-time.svg").exists());
}

#[test]
fn the_verdict_of_a_healthy_run_is_pass() {
    let (dir, report) = sample();
    assert_eq!((report.overview.word.as_str(), report.overview.exit_code()), ("PASS", 0));
    let findings = findings(dir.path());
    for (id, verdict) in
        [("complete", "pass"), ("generator", "pass"), ("timing", "pass"), ("answers", "warn"), ("limits", "pass")]
    {
        assert_eq!(verdict_of(&findings, id), verdict, "{id}");
    }
    let lines = report.overview.terminal();
    assert_eq!(lines.lines().count(), 6, "a verdict and five figures:\n{lines}");
}

#[test]
fn the_same_run_gives_the_same_findings_and_charts() {
    let again = tempfile::tempdir().expect("a temporary folder");
    sample_run(again.path());
    report_in(again.path());
    for name in ["findings.json", "report.md", "report.html", "charts/percentiles.svg", "charts/inter-arrivals.svg"] {
        assert!(read(again.path(), name) == read(sample().0.path(), name), "{name} differs");
    }
}

/// Tags of the page that have no end.
const VOID: &[&str] = &["meta", "circle", "line", "polyline", "polygon", "rect", "br"];

/// Every tag that is opened is closed, in order; texts hold no stray angle brackets.
fn check_nesting(html: &str) {
    let body = html.strip_prefix("<!doctype html>").expect("a doctype");
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
        } else if name == "script" || name == "style" {
            let close = format!("</{name}>");
            rest = &rest[rest.find(&close).expect("it ends") + close.len()..];
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

#[test]
fn the_page_is_well_formed_and_fetches_nothing() {
    let html = read(sample().0.path(), "report.html");
    check_nesting(&html);
    assert!(html.contains("sample &lt;run&gt; &amp; more"), "the label is escaped");
    for fetching in ["<link", "src=", "url(", "@import", "fetch(", "XMLHttpRequest", "xlink", "import("] {
        assert!(!html.contains(fetching), "{fetching} in the page");
    }
    for (place, _) in html.match_indices("href=\"") {
        let target = html[place + 6..].split('"').next().unwrap_or_default();
        let id = target.strip_prefix('#').unwrap_or_else(|| panic!("a link leaves the page: {target}"));
        assert!(html.contains(&format!("id=\"{id}\"")), "a link to nowhere: {target}");
    }
    assert!(html.contains("default-src 'none'"), "the page's policy forbids what the tests may have missed");
}

/// The charts of a run at one rate whose answers were not compared, and of which few failed.
const PLAIN: [&str; 11] = [
    "percentiles",
    "latency-over-time",
    "heat",
    "throughput-over-time",
    "in-flight-over-time",
    "rate-by-collection",
    "latency-by-collection",
    "slowest-operations",
    "inter-arrivals",
    "cpu-over-time",
    "memory-over-time",
];

/// What is drawn.
const MARKS: [&str; 5] = ["<polyline", "<rect", "<circle", "<polygon", "<line"];

/// The names of the figures of a page, each of which must be whole: drawn for screens and for phones, told in words, with the figures behind it
/// and where each of them stands, and as SVG and PNG beside the page.
fn check_figures(dir: &Path) -> Vec<String> {
    let html = read(dir, "report.html");
    let figure = |figure: &str| {
        let (name, rest) = figure.split_once('"').expect("a name");
        let body = rest.split("</figure>").next().unwrap_or_default();
        let drawings: Vec<&str> = body.split("<svg ").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect();
        assert_eq!(drawings.len(), 2, "{name}: one for screens, one for phones");
        for drawing in drawings {
            let marks: usize = MARKS.iter().map(|mark| drawing.matches(mark).count()).sum();
            assert!(marks >= 5, "{name} has {marks} marks");
            let attribute = |of: &str| drawing.split(&format!("{of}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            assert!(attribute("aria-label").is_some_and(|text| text.len() > 20), "{name} is not told in words");
            assert_eq!(attribute("role"), Some("img"), "{name}");
            let frames = attribute("data-frames").unwrap_or_default().split(',').collect::<Vec<_>>();
            let inside =
                |frame: &&str| frame.split(' ').filter_map(|end| end.parse::<f64>().ok()).all(|end| (0.0..=1.0).contains(&end));
            assert!(frames.iter().all(|frame| frame.split(' ').count() == 4 && inside(frame)), "{name}: {frames:?}");
            let panels = drawing.split("data-panel=\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse::<usize>().ok());
            assert!(panels.max().unwrap_or(0) < frames.len(), "{name} has figures of a panel that there is not");
            assert!(!drawing.contains("#000000"), "{name} has a colour that does not follow the page");
        }
        assert!(body.contains("<figcaption><b>") && body.contains("<details>"), "{name} has no caption, or no table");
        let rows = body.split("<tbody>").nth(1).unwrap_or_default().matches("<tr").count();
        assert!(rows >= 1 && body.matches("<tr data-").count() == rows, "{name}: {rows} rows, not all with a place");
        assert!(read(dir, &format!("charts/{name}.svg")).contains("<title "), "{name}");
        let png = std::fs::read(dir.join(format!("charts/{name}.png"))).expect("a picture");
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        name.to_owned()
    };
    html.split("<figure id=\"chart-").skip(1).map(figure).collect()
}

#[test]
fn every_chart_of_a_healthy_run_is_whole() {
    let mut names = check_figures(sample().0.path());
    names.sort_unstable();
    let mut wanted = PLAIN;
    wanted.sort_unstable();
    assert_eq!(names, wanted);
}

#[test]
fn sections_name_charts_that_there_are() {
    let analysis = Analysis::new(&Run::open(sample().0.path()).expect("a run")).expect("outcomes");
    let parts = section::parts(section::Material { analysis: &analysis, findings: &[] });
    let named = parts.into_iter().flat_map(|part| part.blocks);
    let mut named: Vec<String> =
        named.filter_map(|block| if let section::Block::Chart(name) = block { Some(name) } else { None }).collect();
    assert!(named.iter().all(|name| analysis::chart::CHARTS.iter().any(|chart| chart.name == name)), "{named:?}");
    let mut charts = [&PLAIN[..], &["errors-over-time"]].concat();
    named.sort_unstable();
    charts.sort_unstable();
    assert_eq!(named, charts);
}

/// Each bin of each collection, counted and ranked again from the formulas of the sample run.
#[test]
fn small_charts_hold_the_figures_of_each_collection() {
    let courses = Analysis::new(&Run::open(sample().0.path()).expect("a run")).expect("outcomes").courses;
    assert_eq!(courses.shown.iter().map(|course| course.collection.as_str()).collect::<Vec<_>>(), ["mixtral", "phi3"]);
    assert!(courses.others.is_empty());
    for one in &courses.shown {
        let course = &one.course;
        assert_eq!((course.bins.width_ns, course.bins.count), (50 * MS, 40));
        for bin in 0..40 {
            let of_bin = || (bin * 50..(bin + 1) * 50).map(outcome).filter(|row| row.collection == one.collection);
            let mut answered: Vec<i64> =
                of_bin().filter(|row| !is_timeout(row.id)).map(|row| 20 * US + service_ns(row.id)).collect();
            answered.sort_unstable();
            let median = answered[answered.len().div_ceil(2) - 1];
            let found = (course.due[bin as usize], course.p50_ns[bin as usize], course.p99_ns[bin as usize]);
            assert_eq!(found, (of_bin().count() as u64, Some(median), None), "{} in bin {bin}", one.collection);
        }
    }
}

/// 200 collections: the largest have small charts, the others are named, and the page stays small.
#[test]
fn many_collections_stay_readable() {
    const NAMES: usize = 200;
    let names: Vec<&'static str> = (0..NAMES).map(|number| &*format!("c{number:03}").leak()).collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Thirty of each, and 2k + 1 of every 300 more for the k-th of the first 18.
    let of = |id: u64| if id < 6000 { (id as usize) % NAMES } else { (id as usize % 300).isqrt() };
    let row = |id| OutcomeRow { collection: names[of(id)], ..outcome(id) };
    write_run(dir.path(), &info(16_000, RunStatus::Complete), (0..16_000).map(row));
    let report = report_in(dir.path());
    let mut counts = vec![0; NAMES];
    (0..16_000).for_each(|id| counts[of(id)] += 1);
    let mut order: Vec<usize> = (0..NAMES).collect();
    order.sort_by_key(|number| (std::cmp::Reverse(counts[*number]), *number));
    let html = read(dir.path(), "report.html");
    assert!(html.len() < 3_000_000, "{} bytes", html.len());
    assert!(check_figures(dir.path()).contains(&"latency-by-collection".to_owned()));
    let rate =
        html.split("id=\"chart-rate-by-collection\"").nth(1).and_then(|rest| rest.split("</figure>").next()).expect("a chart");
    let panel = |number: &usize| {
        rate.matches(&format!(">{}</text>", names[*number])).count()
            + rate.matches(&format!("\n{}\n</text>", names[*number])).count()
    };
    assert!(order[..24].iter().all(|number| panel(number) == 2), "each of the largest has a panel in both drawings");
    assert!(order[24..].iter().all(|number| panel(number) == 0), "and no other");
    assert!(html.contains("Beyond the 24 with the most requests, which have small charts: 176 collections"));
    assert_eq!(report.spread.len(), 201, "all, and each of one operation");
}

#[test]
fn issues_are_listed_and_notes_on_them_are_kept() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    sample_run(dir.path());
    let noted = |notes: &[&str]| {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        report(dir.path(), &ReportOptions { notes, ..ReportOptions::default() })
    };
    noted(&["restart-1: a deploy | of ours", "with <b> the new index"]).expect("a run");
    let wanted = |resolution: Value| {
        let what = "pid:7 was another process than before: it had been restarted.";
        serde_json::json!([{ "key": "restart-1", "from_ns": 1200 * MS, "to_ns": null, "what": what, "resolution": resolution }])
    };
    assert_eq!(findings(dir.path())["issues"], wanted("a deploy | of ours".into()));
    let html = read(dir.path(), "report.html");
    assert!(html.contains("a deploy | of ours") && html.contains("Noted: with &lt;b&gt; the new index"));
    assert!(read(dir.path(), "report.md").contains("a deploy \\| of ours"));
    let refused = noted(&["restart-2: what?"]).expect_err("there is none").to_string();
    assert!(refused.contains("`restart-2`") && refused.contains("did you mean `restart-1`?"), "{refused}");
    noted(&["restart-1:"]).expect("a run");
    assert_eq!(findings(dir.path())["issues"], wanted(Value::Null), "taken back");
    assert_eq!(findings(dir.path())["notes"]["free"], serde_json::json!(["with <b> the new index"]), "kept");
}

#[test]
fn labels_of_charts_lie_inside_their_picture() {
    let dir = sample().0.path();
    for name in PLAIN {
        let svg = read(dir, &format!("charts/{name}.svg"));
        let size =
            svg.split("viewBox=\"0 0 ").nth(1).and_then(|rest| rest.split('"').next()).and_then(|size| size.split_once(' '));
        let height: f64 = size.and_then(|(_, height)| height.parse().ok()).expect("a height");
        for text in svg.split("<text ").skip(1) {
            let attribute = |of: &str| {
                let value = text.split(&format!("{of}=\"")).nth(1).and_then(|rest| rest.split('"').next());
                value.unwrap_or_else(|| panic!("{of} in {text}"))
            };
            let number = |of: &str| attribute(of).parse::<f64>().expect("a number");
            let label = text.split(['>', '<']).nth(1).unwrap_or_default().trim();
            // A letter is about half an em wide.
            let width = label.chars().count() as f64 * number("font-size") * 0.55;
            let left = match attribute("text-anchor") {
                "start" => number("x"),
                "middle" => number("x") - width / 2.0,
                _ => number("x") - width,
            };
            assert!(left >= 0.0 && left + width <= 9200.0, "{name}: {label:?} is cut off");
            assert!(number("y") > 0.0 && number("y") < height, "{name}: {label:?} is cut off");
        }
    }
}

#[test]
fn a_run_that_nobody_answered_fails_without_charts_of_nonsense() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let refused = |id| OutcomeRow {
        sent: None,
        first_byte: None,
        status: None,
        ok: false,
        error: Some(ErrorClass::Refused),
        conn: 0,
        ..outcome(id)
    };
    std::fs::create_dir(dir.path().join("charts")).expect("a folder");
    std::fs::write(dir.path().join("charts/percentiles.svg"), "of an earlier report").expect("a file");
    write_run(dir.path(), &info(100, RunStatus::Complete), (0..100).map(refused));
    let report = report_in(dir.path());
    assert_eq!((report.overview.word.as_str(), report.overview.exit_code()), ("FAIL", 1));
    let findings = findings(dir.path());
    assert_eq!((verdict_of(&findings, "answers"), verdict_of(&findings, "latency")), ("fail", "insufficient"));
    assert_eq!(findings["latency"]["overall"]["response"]["p50"]["value_ns"], Value::Null);
    assert!(!dir.path().join("charts/percentiles.svg").exists(), "a chart of an earlier report is left");
    check_nesting(&read(dir.path(), "report.html"));
    assert_eq!(check_figures(dir.path()), ["throughput-over-time", "rate-by-collection", "errors-over-time"]);
    assert!(report.spread.is_empty(), "nothing was answered");
    let issue = &findings["issues"][0];
    assert_eq!(
        (&issue["key"], &issue["what"]),
        (&"errors-1".into(), &"100 requests failed, 100 % of those due meanwhile: refused.".into())
    );
}

#[test]
fn a_generator_that_cannot_keep_up_makes_the_run_invalid() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    sample::late_run(dir.path());
    let (overview, findings) = judged(dir.path());
    assert_eq!((overview.word.as_str(), overview.exit_code()), ("INVALID", 1));
    assert_eq!(verdict_in(&findings, "generator"), Verdict::Invalid);
}

#[test]
fn waiting_for_the_target_is_not_held_against_the_generator() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let blocked = |id: u64| {
        let row = outcome(id);
        let blocked_ns = id as i64 * 100 * US;
        let sent = row.due + (20 * US + blocked_ns);
        OutcomeRow { blocked_ns, sent: Some(sent), done: Some(sent + MS), error: None, status: Some("200"), ok: true, ..row }
    };
    write_run(dir.path(), &info(400, RunStatus::Complete), (0..400).map(blocked));
    let (overview, findings) = judged(dir.path());
    assert_eq!(overview.word, "PASS");
    assert_eq!((verdict_in(&findings, "timing"), verdict_in(&findings, "waiting")), (Verdict::Pass, Verdict::Warn));
    let generator = findings.iter().find(|finding| finding.id == "generator").expect("a finding");
    assert_eq!(generator.figures["lateness_p99_ns"], 20 * US);
}

#[test]
fn a_killed_run_is_reported_with_what_is_there() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write_run(dir.path(), &info(REQUESTS, RunStatus::Running), (0..10).map(outcome));
    std::fs::write(dir.path().join("outcomes-000001-000001.parquet.partial"), "being written").expect("a file");
    let report = report_in(dir.path());
    assert_eq!(report.overview.exit_code(), 0);
    let findings = findings(dir.path());
    assert_eq!((verdict_of(&findings, "complete"), &findings["totals"]["requests"]), ("warn", &10.into()));
    let md = read(dir.path(), "report.md");
    assert!(md.contains("A percentile curve needs 20 answers; the run has 10."), "{md}");
}

#[test]
fn a_single_request_has_a_report() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write_run(dir.path(), &info(1, RunStatus::Complete), (0..1).map(outcome));
    assert_eq!(report_in(dir.path()).overview.word, "PASS");
    assert_eq!(findings(dir.path())["throughput"]["offered_per_s"], Value::Null);
}

fn error_of(dir: &Path) -> String {
    let error = report(dir, &ReportOptions::default()).expect_err("an unreadable run");
    let text = error.to_string();
    assert!(!text.contains('\n') && !dir.join("report.html").exists(), "{text}");
    text
}

fn damaged(how: impl FnOnce(PathBuf)) -> String {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write_run(dir.path(), &info(10, RunStatus::Complete), (0..10).map(outcome));
    how(dir.path().join("outcomes-000000-000000.parquet"));
    error_of(dir.path())
}

#[test]
fn what_cannot_be_read_is_said_in_one_sentence() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    assert!(error_of(dir.path()).contains("run.json"));
    trace::write_run_info(dir.path(), &info(10, RunStatus::Running)).expect("room on the disk");
    assert!(error_of(dir.path()).contains("no outcomes yet"));
    let other = RunInfo { version: 99, ..info(10, RunStatus::Running) };
    trace::write_run_info(dir.path(), &other).expect("room on the disk");
    assert!(error_of(dir.path()).contains("version 99"));

    let garbage = damaged(|part| std::fs::write(part, "not Parquet").expect("a file"));
    assert!(garbage.contains("outcomes-000000-000000.parquet"), "{garbage}");
    let cut = damaged(|part| {
        let bytes = std::fs::read(&part).expect("a file");
        std::fs::write(&part, &bytes[..bytes.len() / 2]).expect("a file");
    });
    assert!(cut.contains("outcomes-000000-000000.parquet"), "{cut}");
    let foreign = damaged(|part| {
        let trace = part.with_file_name("trace.parquet");
        trace::TraceWriter::create(&trace).and_then(|writer| writer.finish(trace::TraceMeta::default())).expect("a trace");
        std::fs::rename(trace, part).expect("a file");
    });
    assert!(foreign.contains("trace file") && foreign.contains("outcomes file"), "names both: {foreign}");
}

#[test]
fn answers_that_were_compared_are_told_by_collection_with_examples() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Every tenth differs, with 0.8 and then 0.9 of its ids found again; every hundredth answer says that it failed.
    let row = |id: u64| {
        let (differs, failed) = (id % 10 == 3, id % 100 == 7);
        OutcomeRow {
            error: failed.then_some(ErrorClass::Answer),
            status: Some("200"),
            ok: !failed,
            sent: Some(RunNs(id as i64 * MS)),
            done: Some(RunNs(id as i64 * MS + MS)),
            matched: Some(match (differs, failed) {
                (true, _) => Match::DiffersBody,
                (_, true) => Match::DiffersStatus,
                _ => Match::Same,
            }),
            recall: (!failed).then_some(if !differs {
                1.0
            } else if id % 20 == 3 {
                0.8
            } else {
                0.9
            }),
            rank_correlation: (!failed).then_some(if differs { -0.5 } else { 1.0 }),
            ..outcome(id)
        }
    };
    write_run(dir.path(), &info(REQUESTS, RunStatus::Complete), (0..REQUESTS).map(row));
    let difference = Difference { at: "/result/<0>".into(), recorded: "7".into(), replayed: "8".into() };
    let (collection, operation) = ("phi3".to_owned(), "POST".to_owned());
    let example = DifferenceRow { id: 3, copy: 0, collection, operation, r#match: "differs-body".into(), difference };
    trace::write_differences(dir.path(), &[example]).expect("room on the disk");
    let report = report_in(dir.path());
    let finding = report.findings.iter().find(|finding| finding.id == "agreement").expect("it is always there");
    assert_eq!(finding.verdict, Verdict::Warn);
    let figure = |name: &str| finding.figures[name].as_f64().expect("a number");
    assert_eq!((figure("compared"), figure("differs_body"), figure("differs_status")), (2000.0, 200.0, 20.0));
    // Of 1980 recalls the 198th is among the 200 that are below 1; the mean is (1780 + 0.8 · 100 + 0.9 · 100) / 1980.
    assert!((figure("recall_p10") - 0.9).abs() < 1e-6 && (figure("recall_min") - 0.8).abs() < 1e-6);
    assert!((figure("recall_mean") - 1950.0 / 1980.0).abs() < 1e-6);
    // By stretches of time they are the same recalls.
    let by_rate = self::findings(dir.path());
    let by_rate = by_rate["agreement"]["by_rate"].as_array().expect("stretches");
    let sums = by_rate.iter().map(|at| {
        let count = at["recalls"].as_f64().expect("a count");
        (at["recall_mean"].as_f64().expect("a mean") * count, count)
    });
    let (sum, count) = sums.fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    assert!((sum / count - 1950.0 / 1980.0).abs() < 1e-3 && by_rate.len() >= 10, "{by_rate:?}");
    assert!(by_rate.windows(2).all(|pair| pair[0]["per_s"].as_f64() <= pair[1]["per_s"].as_f64()));
    assert!(dir.path().join("charts/recall-against-rate.svg").exists());
    assert!((figure("rank_correlation_mean") - 1680.0 / 1980.0).abs() < 1e-6);
    let analysis = Analysis::new(&Run::open(dir.path()).expect("a run")).expect("outcomes");
    assert_eq!((analysis.totals.answered, analysis.totals.ok), (2000, 1980), "an answer that failed came all the same");
    let page = read(dir.path(), "report.md");
    assert!(page.contains("## Answers against the recording") && page.contains("differs-body"), "{page}");
    let findings: Value = serde_json::from_str(&read(dir.path(), "findings.json")).expect("JSON");
    assert_eq!(findings["agreement"]["examples"][0]["at"], "/result/<0>");
    assert_eq!(findings["agreement"]["groups"].as_array().map(Vec::len), Some(2));
    assert!(read(dir.path(), "report.html").contains("/result/&lt;0&gt;"));
}

/// Selection by row groups on several threads against the report's own sorting.
#[test]
fn requests_told_apart_by_names_have_the_figures_of_the_report() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut writer = OutcomeWriter::new(dir.path());
    let phase = |id: u64| if id < 50_000 { "calm" } else { "stress" };
    let txn = |id: u64| id.is_multiple_of(3).then_some(("login", "1"));
    for id in 0..80_000 {
        // 80 000 requests are three row groups; service times rise with the permutation of the sample run.
        let row = OutcomeRow { phase: phase(id), txn: txn(id), ..outcome(id) };
        writer.push(&row).expect("room on the disk");
    }
    writer.finish().expect("room on the disk");
    trace::write_run_info(dir.path(), &info(80_000, RunStatus::Complete)).expect("room on the disk");
    let run = Run::open(dir.path()).expect("a run");
    let by = |run: &Run, by: &[&'static str]| Breakdown::load(run, by, &[Measure::Response, Measure::Service]).expect("outcomes");

    let found = by(&run, &["collection", "operation"]).groups;
    let expected = Analysis::new(&run).expect("outcomes").latency;
    assert_eq!(found.len(), expected.groups.len());
    for (found, group) in found.iter().zip(&expected.groups) {
        assert_eq!(found.names, [group.collection.as_str(), &group.operation]);
        assert_eq!((found.requests, found.ok), (group.requests, group.ok));
        assert_eq!(found.times, [group.times.response.clone(), group.times.service.clone()]);
    }
    let all = by(&run, &[]);
    assert_eq!((all.outcomes, all.groups.len()), (80_000, 1));
    assert_eq!(all.groups[0].times[0], expected.overall.response);

    let names = |found: &Breakdown| found.groups.iter().map(|g| (g.names.concat(), g.requests)).collect::<Vec<_>>();
    let counted = |of: [(&str, u64); 2]| of.map(|(name, requests)| (name.to_owned(), requests)).to_vec();
    assert_eq!(names(&by(&run, &["phase"])), counted([("calm", 50_000), ("stress", 30_000)]));
    assert_eq!(names(&by(&run, &["transaction"])), counted([("", 53_333), ("login", 26_667)]));
    let within = run.within(&"{collection=phi3,transaction=login,phase=stress}".parse::<Scope>().expect("a scope"));
    // Multiples of 12 from 50 000 on, below 80 000.
    assert_eq!(by(&within, &["collection"]).groups[0].requests, 79_999 / 12 - 49_999 / 12);
    assert_eq!(by(&within, &["collection"]).groups.len(), 1);
}

/// A hundred units of two requests each, 5 ms from the first due instant to the last byte; in every tenth the second request fails.
#[test]
fn transactions_are_measured_from_first_due_to_last_byte() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let names: Vec<String> = (0..100).map(|unit| unit.to_string()).collect();
    let mut writer = OutcomeWriter::new(dir.path());
    for id in 0..200 {
        let (unit, second) = (id / 2, id % 2 == 1);
        let due_ns = unit as i64 * 10 * MS + if second { 3 * MS } else { 0 };
        let ok = !(second && unit % 10 == 0);
        let (due, sent, done) = (RunNs(due_ns), Some(RunNs(due_ns)), Some(RunNs(due_ns + 2 * MS)));
        let txn = Some(("checkout", names[unit as usize].as_str()));
        let status = Some(if ok { "200" } else { "500" });
        writer.push(&OutcomeRow { session: unit, txn, due, sent, done, ok, status, error: None, ..outcome(1) }).expect("room");
    }
    writer.finish().expect("room on the disk");
    trace::write_run_info(dir.path(), &info(200, RunStatus::Complete)).expect("room on the disk");
    let found = Analysis::new(&Run::open(dir.path()).expect("a run")).expect("outcomes").transactions;
    let [checkout] = found.as_slice() else { panic!("one name: {found:?}") };
    assert_eq!((checkout.name.as_str(), checkout.count, checkout.ok, checkout.requests), ("checkout", 100, 90, 200));
    assert_eq!((checkout.duration.count, checkout.duration.min_ns, checkout.duration.max_ns), (90, Some(5 * MS), Some(5 * MS)));
    // The run lasts from 0 to the end of the last unit, 995 ms.
    assert!((checkout.ok_per_s.expect("a rate") - 90.0 / 0.995).abs() < 1e-9);
    let _ = report_in(dir.path());
    assert!(read(dir.path(), "report.md").contains("## Transactions"));
}

#[test]
fn connecting_that_takes_longer_is_a_warning() {
    let connecting = |second_half_ns: i64| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let time_ns = |id: u64| if id < REQUESTS / 2 { MS } else { second_half_ns } + (id * 7919 % 1000) as i64;
        let connect_ns = |id: u64| id.is_multiple_of(10).then(|| time_ns(id));
        write_run(
            dir.path(),
            &info(REQUESTS, RunStatus::Complete),
            (0..REQUESTS).map(|id| OutcomeRow { connect_ns: connect_ns(id), ..outcome(id) }),
        );
        report_in(dir.path()).findings.into_iter().find(|finding| finding.id == "connecting").expect("connections were made")
    };
    let (steady, rising) = (connecting(MS), connecting(3 * MS));
    assert_eq!((steady.verdict, rising.verdict), (Verdict::Info, Verdict::Warn));
    assert_eq!(steady.figures["connections"], 200);
    assert!(rising.title.contains("1.00 ms in its first half, 3.00 ms in its second"), "{}", rising.title);
    assert!(findings(sample().0.path()).get("connecting").is_none(), "the sample run made no connections");
}

/// One request in two hundred waits 50 ms, which the whole run's p99 does not show.
#[test]
fn an_operation_that_waits_is_named_though_the_whole_does_not() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let row = |id: u64| {
        let waits = id.is_multiple_of(200);
        let sent_ns = id as i64 * MS + if waits { 50 * MS } else { 20 * US };
        let (sent, done) = (Some(RunNs(sent_ns)), Some(RunNs(sent_ns + service_ns(id))));
        OutcomeRow {
            collection: if waits { "rare" } else { "phi3" },
            sent,
            done,
            error: None,
            status: Some("200"),
            ok: true,
            ..outcome(id)
        }
    };
    write_run(dir.path(), &info(80_000, RunStatus::Complete), (0..80_000).map(row));
    let report = report_in(dir.path());
    let waiting = report.findings.iter().find(|finding| finding.id == "waiting").expect("it is always there");
    assert_eq!(waiting.verdict, Verdict::Warn);
    assert!(waiting.title.contains("most of all rare POST /collections/{}/points/search"), "{}", waiting.title);
    assert_eq!(waiting.figures["groups"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_missing_part_is_named_and_fails_the_run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut writer = OutcomeWriter::new(dir.path());
    for id in 0..40 {
        writer.push(&outcome(id)).expect("room on the disk");
        if id % 10 == 9 {
            writer.roll().expect("room on the disk");
        }
    }
    drop(writer);
    trace::write_run_info(dir.path(), &info(40, RunStatus::Complete)).expect("room on the disk");
    let complete = |dir: &Path| {
        let finding = report_in(dir).findings.swap_remove(0);
        (finding.id, finding.verdict, finding.title)
    };
    assert_eq!(complete(dir.path()).1, Verdict::Pass);
    for part in ["outcomes-000001-000001.parquet", "outcomes-000002-000002.parquet"] {
        std::fs::remove_file(dir.path().join(part)).expect("a part");
    }
    let (id, verdict, title) = complete(dir.path());
    assert_eq!((id, verdict), ("complete", Verdict::Fail));
    assert!(title.contains("20 of 40 requests") && title.contains("parts 000001 to 000002"), "{title}");
    let summary = inspect_run(dir.path(), &[], &Scope::ALL).expect("a run");
    assert_eq!((summary.outcomes, summary.exit_code()), (20, 1));
    assert!(summary.sentence.contains("000001 to 000002"), "{}", summary.sentence);
}

#[test]
fn a_wall_clock_that_was_set_is_told() {
    let clocks = |at_s: [(i64, i64); 3]| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let pairs = at_s.map(|(run_ms, unix_ms)| ClockPair { run_ns: run_ms * MS, unix_ns: unix_ms * MS }).to_vec();
        write_run(dir.path(), &RunInfo { clocks: pairs, ..info(10, RunStatus::Complete) }, (0..10).map(outcome));
        report_in(dir.path()).findings.into_iter().find(|finding| finding.id == "clocks")
    };
    // 30 ms in a minute is 500 ppm, as a clock that is being set right may run.
    assert_eq!(clocks([(0, 1000), (60_000, 61_030), (120_000, 121_060)]), None);
    let back = clocks([(0, 1000), (60_000, 61_000), (120_000, 118_000)]).expect("set back by 3 s");
    assert_eq!((back.verdict, back.figures["largest_ns"].as_f64()), (Verdict::Warn, Some(-3e9)));
    assert!(back.title.contains("back by 3.00 s"), "{}", back.title);
}

#[test]
fn a_scope_holds_the_requests_that_have_all_its_values() {
    let run = Run::open(sample().0.path()).expect("a run");
    let count = |text: &str| {
        let run = run.within(&text.parse::<Scope>().expect(text));
        analysis::totals::Totals::load(&run).map(|totals| totals.requests).unwrap_or(0)
    };
    assert_eq!(count("{collection=phi3}"), REQUESTS / 4);
    assert_eq!(count("{collection=mixtral,effect=read,target=http://127.0.0.1:6333}"), REQUESTS * 3 / 4);
    assert_eq!(count("{operation=POST /collections/{}/points/search}"), REQUESTS);
    assert_eq!((count("{collection=phi3,effect=write}"), count("{transaction=login}")), (0, 0));
    let said = |text: &str| text.parse::<Scope>().expect(text).what_there_is(&run).expect("a sound run");
    assert_eq!(
        said("{collection=phi,effect=read}"),
        "no request of the run has collection `phi` (did you mean `phi3`?); there are mixtral, phi3"
    );
    assert_eq!(said("{transaction=login}"), "the run's requests have no transaction, so none has `login`");
}
