//! The report as a browser sees it: no error in the console, no request to anywhere, marks in every chart.

use std::path::Path;
use std::process::Command;

use rehearsal_tests::{Finished, Server, finish, guarded, missing, run, text};

/// The report of a short run over the nine collections.
fn report(dir: &Path) -> std::path::PathBuf {
    let (trace, out) = (dir.join("t.parquet"), dir.join("run"));
    let _ = run(&["synth", "-o", text(&trace), "--requests", "800", "--rate", "400", "--dim", "8"]).expect_code(0);
    let server = Server::testbed(&["vectors"]);
    let _ = run(&["setup", text(&trace), "--target", &server.url(), "--points", "30"]).expect_code(0);
    let _ = run(&["replay", text(&trace), "--target", &server.url(), "-o", text(&out)]).expect_done();
    let _ = run(&["report", text(&out)]).expect_done();
    out.join("report.html")
}

/// Headless Chromium on `page`: its document as text, its console on standard error.
fn browse(dir: &Path, page: &Path) -> Finished {
    let mut command = guarded(Path::new("chromium"));
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--enable-logging=stderr", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", dir.join("profile").display()));
    finish(command.arg(format!("file://{}", page.display())))
}

/// What a browser would fetch for this document.
fn fetched(document: &str) -> Vec<&str> {
    let after = |mark| document.split(mark).skip(1).filter_map(|rest: &str| rest.split(['"', ')', '\'']).next());
    ["src=\"", "srcset=\"", "<link href=\"", "url(", "@import \""]
        .into_iter()
        .flat_map(after)
        .filter(|url| !url.starts_with("data:"))
        .collect()
}

#[test]
fn the_page_is_whole_and_silent() {
    let chromium = Command::new("chromium").arg("--version").output().is_ok_and(|output| output.status.success());
    if missing("chromium", chromium) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let page = report(dir.path());
    let finished = browse(dir.path(), &page);
    assert_eq!(finished.code, Some(0), "{}", finished.err);

    // The page forbids itself every fetch, so that an attempt would be an error in the console.
    assert!(finished.out.contains("default-src 'none'"), "the page has no content security policy");
    assert_eq!(fetched(&finished.out), Vec::<&str>::new(), "the page would fetch something");
    let console: Vec<&str> = finished.err.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "the console speaks: {console:?}");

    let charts: Vec<&str> = finished.out.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect();
    assert!(charts.len() >= 4, "only {} charts", charts.len());
    for chart in charts {
        let marks = ["<polyline", "<path", "<rect", "<circle", "<polygon", "<line"]
            .iter()
            .map(|mark| chart.matches(mark).count())
            .sum::<usize>();
        assert!(marks >= 5, "a chart with {marks} marks: {}", &chart[..chart.len().min(300)]);
    }
}
