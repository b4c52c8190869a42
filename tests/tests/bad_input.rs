//! Bad input gets one clear sentence, the right exit code, and leaves nothing half-written.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use rehearsal_tests::{Server, binary, finish, free_port, root, run, text};
use tempfile::TempDir;

struct Case {
    dir: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn trace(&self) -> PathBuf {
        let path = self.path("t.parquet");
        let words = ["synth", "-o", text(&path), "--requests", "40", "--rate", "400", "--dim", "4", "--upsert", "0"];
        let _ = run(&words).expect_code(0);
        path
    }
}

#[test]
fn a_file_that_is_no_capture_is_refused() {
    let case = Case::new();
    let out = case.path("o.parquet");
    for (name, content) in [("text", &b"this is no capture, it is a letter to nobody in particular"[..]), ("empty", b"")] {
        let input = case.file(name, content);
        run(&["import", text(&input), "-o", text(&out)]).expect_sentence(2, &[name]);
        assert!(!out.exists(), "{name}: something was written");
    }
    run(&["import", text(&case.path("nowhere")), "-o", text(&out)]).expect_sentence(2, &["nowhere"]);
    run(&["import", text(case.dir.path()), "-o", text(&out)]).expect_sentence(2, &[]);
    // Nothing but a file is replaced, and no folder is made.
    let capture = root().join("captures/http1/curl-nginx/capture.pcap");
    let elsewhere = Case::new();
    let socket = elsewhere.path("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).expect("a socket in a temporary folder");
    run(&["import", text(&capture), "-o", text(case.dir.path())]).expect_sentence(2, &["not a file"]);
    run(&["import", text(&capture), "-o", text(&socket)]).expect_sentence(2, &["socket", "not a file"]);
    run(&["import", text(&capture), "-o", text(&case.path("none/t.parquet"))]).expect_sentence(2, &["none/t.parquet"]);
    assert_eq!(std::fs::read_dir(case.dir.path()).unwrap().count(), 2, "leftovers");
}

/// A little-endian microsecond pcap header of link type Ethernet.
fn pcap_header() -> Vec<u8> {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    bytes.extend([0; 8]);
    bytes.extend(65_535u32.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes
}

#[test]
fn a_capture_without_requests_makes_a_trace_that_cannot_be_replayed() {
    let case = Case::new();
    let input = case.file("quiet.pcap", &pcap_header());
    let out = case.path("o.parquet");
    let _ = run(&["import", text(&input), "-o", text(&out)]);
    if out.exists() {
        run(&["replay", text(&out), "--target", "http://127.0.0.1:1"]).expect_sentence(2, &["no requests"]);
        let _ = run(&["inspect", text(&out)]).expect_code(0);
    }
}

#[test]
fn a_cut_capture_says_so_and_keeps_what_came_before() {
    let case = Case::new();
    let mut bytes = pcap_header();
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0, 1, 2, 3]);
    let input = case.file("cut.pcap", &bytes);
    let out = case.path("o.parquet");
    let finished = run(&["import", text(&input), "-o", text(&out)]).expect_code(0);
    assert!(finished.err.contains("cut") || finished.out.contains("cut"), "{finished:?}");
}

#[test]
fn traces_of_another_kind_are_refused() {
    let case = Case::new();
    let input = case.file("letter.parquet", b"dear reader");
    for words in [&["inspect", text(&input)][..], &["replay", text(&input), "--target", "http://127.0.0.1:1"]] {
        run(words).expect_sentence(2, &["letter.parquet", "Parquet"]);
    }
    run(&["report", text(case.dir.path())]).expect_sentence(2, &["run.json"]);
}

#[test]
fn unknown_words_name_the_nearest_known_one() {
    let case = Case::new();
    let trace = case.trace();
    let finished = run(&["inspekt", text(&trace)]).expect_code(2);
    assert!(finished.err.contains("inspect"), "{}", finished.err);
    let finished = run(&["replay", text(&trace), "--sped", "2"]).expect_code(2);
    assert!(finished.err.contains("--speed"), "{}", finished.err);
    let finished = run(&["synth", "-o", text(&case.path("x.parquet")), "--collection", "a=1:similarty"]).expect_code(2);
    assert!(finished.err.contains("similarity"), "{}", finished.err);
    let finished = run(&["synth", "-o", text(&case.path("x.parquet")), "--mix", "comon=70,filtered=20,rare=10"]).expect_code(2);
    assert!(finished.err.contains("common"), "{}", finished.err);
    assert!(!case.path("x.parquet").exists());
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let case = Case::new();
    let trace = case.trace();
    for words in
        [["--speed", "0"], ["--speed", "-1"], ["--speed", "fast"], ["--rate", "0"], ["--duration", "soon"], ["--timeout", "0s"]]
    {
        let finished = run(&["replay", text(&trace), "--target", "http://127.0.0.1:1", words[0], words[1]]).expect_code(2);
        assert!(finished.err.contains(words[0]) || finished.err.contains(words[1]), "{words:?}: {}", finished.err);
    }
    run(&["replay", text(&trace), "--target", "nonsense"]).expect_sentence(2, &["nonsense"]);
    run(&["replay", text(&trace), "--target", "ftp://127.0.0.1"]).expect_sentence(2, &["ftp"]);
    let finished = run(&["replay", text(&trace)]).expect_code(2);
    assert!(finished.err.contains("--target"), "{}", finished.err);
}

#[test]
fn an_unreachable_target_is_said_in_one_sentence() {
    let case = Case::new();
    let trace = case.trace();
    let url = format!("http://127.0.0.1:{}", free_port());
    let run_dir = case.path("run");
    run(&["replay", text(&trace), "--target", &url, "-o", text(&run_dir)]).expect_sentence(2, &[&url]);
    run(&["replay", text(&trace), "--target", "http://no-such-host.invalid", "-o", text(&run_dir)])
        .expect_sentence(2, &["no-such-host.invalid"]);
    run(&["replay", text(&trace), "--target", &url, "--wait-ready", "300ms", "-o", text(&run_dir)]).expect_sentence(2, &[&url]);
}

#[test]
fn a_target_that_refuses_connections_is_said_whatever_the_trace() {
    let case = Case::new();
    let trace = plain_trace(&case);
    let url = format!("http://127.0.0.1:{}", free_port());
    run(&["replay", text(&trace), "--target", &url, "-o", text(&case.path("run"))]).expect_sentence(2, &[&url, "--wait-ready"]);
    assert!(!case.path("run").exists());
}

#[test]
fn a_missing_collection_stops_the_replay_before_it_starts() {
    let case = Case::new();
    let trace = case.trace();
    let server = Server::testbed(&["vectors"]);
    let run_dir = case.path("run");
    run(&["replay", text(&trace), "--target", &server.url(), "-o", text(&run_dir)])
        .expect_sentence(2, &["collection", "rehearsal setup"]);
    assert!(!run_dir.exists());
}

#[test]
fn writes_need_permission() {
    let case = Case::new();
    let trace = case.path("w.parquet");
    let _ = run(&["synth", "-o", text(&trace), "--requests", "50", "--dim", "4", "--upsert", "50%"]).expect_code(0);
    let server = Server::testbed(&["vectors"]);
    let _ = run(&["setup", text(&trace), "--target", &server.url(), "--points", "5"]).expect_code(0);
    run(&["replay", text(&trace), "--target", &server.url(), "-o", text(&case.path("run"))])
        .expect_sentence(2, &["--allow-writes"]);
}

/// A server that treats every connection as `behave` says, for as long as the test runs.
fn rude_server(behave: fn(std::net::TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || behave(socket));
        }
    });
    addr
}

/// A trace of plain requests: no collection has to exist.
fn plain_trace(case: &Case) -> PathBuf {
    let template = case.file(
        "t.json",
        br#"{"sessions":[{"name":"s","weight":1,"steps":[{"method":"GET","path":"/a"},{"method":"GET","path":"/b"}]}]}"#,
    );
    let trace = case.path("t.parquet");
    let _ =
        run(&["synth", "-o", text(&trace), "--template", text(&template), "--requests", "20", "--rate", "200"]).expect_code(0);
    trace
}

fn replay_against(addr: SocketAddr) -> (rehearsal_tests::Finished, String) {
    let case = Case::new();
    let trace = plain_trace(&case);
    let run_dir = case.path("run");
    let url = format!("http://{addr}");
    let finished = run(&["replay", text(&trace), "--target", &url, "--timeout", "2s", "-o", text(&run_dir)]);
    let report = run(&["report", text(&run_dir)]);
    assert!(!report.err.contains("panicked"), "{}", report.err);
    let findings = std::fs::read_to_string(run_dir.join("findings.json")).unwrap_or_default();
    (finished, findings)
}

#[test]
fn a_target_that_closes_at_once_is_reported_as_such() {
    let (finished, findings) = replay_against(rude_server(drop));
    assert!(!finished.err.contains("panicked"), "{}", finished.err);
    assert!(findings.contains("\"closed\"") || findings.contains("\"reset\""), "{finished:?} {findings}");
}

#[test]
fn garbage_instead_of_http_is_reported_as_such() {
    let behave = |mut socket: std::net::TcpStream| {
        let mut request = [0; 4096];
        if socket.read(&mut request).is_ok() {
            // The client may have gone already; the test looks at what it recorded.
            let _ = socket.write_all(b"\x16\x03\x01 I speak no protocol you know\r\n\r\n");
        }
    };
    let (finished, findings) = replay_against(rude_server(behave));
    assert!(!finished.err.contains("panicked"), "{}", finished.err);
    assert!(findings.contains("\"protocol\""), "{finished:?} {findings}");
}

#[test]
fn output_that_cannot_be_written_is_said() {
    let case = Case::new();
    let nowhere = case.path("no/such/folder/o.parquet");
    run(&["synth", "-o", text(&nowhere), "--requests", "10"]).expect_sentence(2, &["no/such/folder"]);
    run(&["synth", "-o", "/proc/nothing.parquet", "--requests", "10"]).expect_sentence(2, &["/proc/nothing.parquet"]);
}

/// Runs `rehearsal` with `words` in a mount namespace of its own where `folder` is a file system of 1 MiB, then lists it.
fn on_a_small_disk(folder: &Path, words: &[&str]) -> rehearsal_tests::Finished {
    let script = r#"mount -t tmpfs -o size=1m none "$1" && shift && cd "$1" && shift && { "$@"; code=$?; ls; exit $code; }"#;
    finish(Command::new("unshare").args(["-rm", "sh", "-c", script, "sh"]).arg(folder).arg(folder).arg(binary()).args(words))
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let case = Case::new();
    let disk = case.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let probe = finish(Command::new("unshare").args(["-rm", "true"]));
    if rehearsal_tests::missing("unshare with user namespaces", probe.code == Some(0)) {
        return;
    }
    let finished = on_a_small_disk(&disk, &["synth", "-o", "big.parquet", "--requests", "50000", "--dim", "64"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.err.contains("big.parquet") && finished.err.contains("space"), "{finished:?}");
    assert!(!finished.out.contains("big.parquet"), "a half-written trace was left: {finished:?}");
    assert!(!finished.err.contains("panicked"), "{finished:?}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let case = Case::new();
    let trace = case.trace();
    let script = r#""$0" inspect "$1" | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"#;
    let finished = finish(Command::new("bash").args(["-c", script]).arg(binary()).arg(&trace)).expect_code(0);
    assert_eq!(finished.err, "");
}

#[test]
fn without_words_the_help_is_shown() {
    let finished = run::<&str>(&[]).expect_code(2);
    assert!(finished.err.contains("Usage") && finished.err.contains("replay"), "{finished:?}");
    for verb in ["import", "inspect", "synth", "setup", "replay", "report", "serve", "demo"] {
        let finished = run(&["help", verb]).expect_code(0);
        assert!(finished.out.contains("rehearsal "), "help of {verb} shows no example: {}", finished.out);
    }
}
