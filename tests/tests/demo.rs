//! The demo: everything once, reports to look at, and nothing left running.

use rehearsal_tests::{finish, json, rehearsal};

#[test]
fn the_demo_reports_everything_and_leaves_nothing_running() {
    let dir = tempfile::tempdir().unwrap();
    let finished = finish(rehearsal::<&str>(&["demo"]).current_dir(dir.path())).expect_done();
    for figure in ["Response p50", "Response p99", "Achieved rate", "Failed requests", "Lateness p99"] {
        assert!(finished.out.matches(figure).count() >= 3, "{figure}: {}", finished.out);
    }
    let folder = dir.path().join("reports/demo-001");
    for made in ["x1", "x4", "x4-again", "capacity"] {
        assert!(folder.join(made).join("report.html").exists(), "{made}: {}", finished.out);
    }
    assert!(folder.join("compared/compare.html").exists() || finished.out.contains("not compared: "), "{}", finished.out);
    let ending = &json(&folder.join("capacity/search.json"))["found"]["ending"];
    assert!(ending.is_string(), "the search has to come to an end: {ending}");
    let addresses: Vec<&str> =
        finished.out.split("listening on http://").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
    assert_eq!(addresses.len(), 2, "{}", finished.out);
    for address in addresses {
        assert!(std::net::TcpStream::connect(address).is_err(), "somebody still listens on {address}");
    }
}
