//! The demo: everything once, reports to look at, and nothing left running.

use rehearsal_tests::{finish, rehearsal};

#[test]
fn the_demo_reports_both_replays_and_leaves_nothing_running() {
    let dir = tempfile::tempdir().unwrap();
    let finished = finish(rehearsal::<&str>(&["demo"]).current_dir(dir.path())).expect_done();
    for figure in ["Response p50", "Response p99", "Achieved rate", "Failed requests", "Lateness p99"] {
        assert_eq!(finished.out.matches(figure).count(), 2, "{figure}: {}", finished.out);
    }
    for speed in ["x1", "x4"] {
        assert!(dir.path().join("reports/demo-001").join(speed).join("report.html").exists(), "{}", finished.out);
    }
    let address =
        finished.out.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address is said");
    assert!(std::net::TcpStream::connect(address).is_err(), "somebody still listens on {address}");
}
