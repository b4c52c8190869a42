//! Fixtures shared by the whole-tool tests: the binary under test, servers that stop whatever happens, tools that may be missing.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The root of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests live one folder below the root").to_owned()
}

/// The `rehearsal` binary of the profile these tests were built with.
///
/// # Panics
/// When it has not been built: `tests/run` does that first.
#[must_use]
pub fn binary() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has a path");
    let folder = exe.ancestors().nth(2).expect("test binaries live two folders below the profile's");
    let binary = folder.join("rehearsal");
    assert!(binary.exists(), "{} is missing: run `cargo build` first, or `tests/run`", binary.display());
    binary
}

/// A call of `rehearsal` with these words, free of the caller's `REHEARSAL_*` variables.
#[must_use]
pub fn rehearsal<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> Command {
    let mut command = Command::new(binary());
    command.args(words).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REHEARSAL_") {
            command.env_remove(name);
        }
    }
    command
}

/// What a finished call left: exit code, standard output, standard error.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs `rehearsal` with these words to its end.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> Finished {
    finish(&mut rehearsal(words))
}

/// Runs any command to its end.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn finish(command: &mut Command) -> Finished {
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: status.code(), out: text(stdout), err: text(stderr) }
}

impl Finished {
    /// Asserts the exit code and hands itself on.
    ///
    /// # Panics
    /// When the code is another; the message holds all that was printed.
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        self
    }

    /// Asserts that the verb did its work, whether or not it found something (a busy machine makes an invalid run).
    ///
    /// # Panics
    /// When it did not; the message holds all that was printed.
    #[must_use]
    pub fn expect_done(self) -> Self {
        assert!(matches!(self.code, Some(0 | 1)), "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        self
    }

    /// Asserts that the call failed with `code` and one clear sentence on standard error that holds all of `words`.
    ///
    /// # Panics
    /// When it did not.
    pub fn expect_sentence(self, code: i32, words: &[&str]) {
        let this = self.expect_code(code);
        let lines: Vec<&str> = this.err.lines().filter(|line| !line.trim().is_empty()).collect();
        assert!(!this.err.contains("panicked"), "a panic is not a sentence:\n{}", this.err);
        for word in words {
            assert!(this.err.contains(word), "standard error does not say {word:?}:\n{}", this.err);
        }
        assert!(!lines.is_empty() && lines.len() <= 4, "one clear sentence was wanted:\n{}", this.err);
    }
}

/// A server on a free loopback port, killed with the fixture or with the test process, whichever goes first.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    _out: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `rehearsal serve …` on a free port and waits until it says where it listens.
    ///
    /// # Panics
    /// When it ends before that.
    #[must_use]
    pub fn testbed(words: &[&str]) -> Self {
        let mut command = guarded(&binary());
        command.arg("serve").args(words).args(["--listen", "127.0.0.1:0"]);
        Self::start(command)
    }

    /// Starts a command that prints `… http://ADDRESS …` once it listens.
    ///
    /// # Panics
    /// When it ends before that.
    #[must_use]
    #[expect(clippy::zombie_processes, reason = "a server that listens is killed and waited for when the fixture is dropped")]
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped above"));
        let mut line = String::new();
        loop {
            line.clear();
            let read = out.read_line(&mut line).expect("the server's output is text");
            assert!(read > 0, "the server ended before it listened: {:?}", child.wait());
            let address =
                line.split("http://").nth(1).and_then(|rest| rest.split(|c: char| c.is_whitespace() || c == '/').next());
            if let Some(addr) = address.and_then(|address| address.parse().ok()) {
                return Self { child, addr, _out: out };
            }
        }
    }

    /// `http://ADDRESS`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command whose process is killed by the kernel when this test process dies (parent-death signal).
#[must_use]
pub fn guarded(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A port of the loopback interface on which nobody listens.
///
/// # Panics
/// When no port is free.
#[must_use]
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port is free").port()
}

/// Whether a test that needs `what` must be left out, which is said aloud. In CI nothing installable may be missing.
///
/// # Panics
/// When `CI=true` and it is missing.
#[must_use]
#[expect(clippy::print_stdout, reason = "whoever runs the tests is to see what was left out")]
pub fn missing(what: &str, present: bool) -> bool {
    assert!(present || std::env::var("CI").as_deref() != Ok("true"), "{what} is missing, and CI may leave nothing out");
    if !present {
        println!("SKIPPED: {what} is missing (tests/run installs it where it may)");
    }
    !present
}

/// A path as a word of a command line.
///
/// # Panics
/// When it is not UTF-8.
#[must_use]
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// The content of a JSON file.
///
/// # Panics
/// When it is not there or no JSON.
#[must_use]
pub fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("the file is there")).expect("the file is JSON")
}

/// A folder with a synthesized trace of the nine collections in it.
///
/// # Panics
/// When `synth` fails.
#[must_use]
pub fn synthesized(requests: u32, rate: u32) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let trace = dir.path().join("nine.parquet");
    let (requests, rate) = (requests.to_string(), rate.to_string());
    let words = ["synth", "-o", text(&trace), "--requests", &requests, "--rate", &rate, "--dim", "8", "--seed", "7"];
    let _ = run(&words).expect_code(0);
    (dir, trace)
}

/// Records what is said to `server` while `trace` is replayed to it, imports that with the words `import`, and cuts out of it what the words
/// `cut` say. `None` where packets cannot be captured.
///
/// # Panics
/// When a verb fails.
#[must_use]
pub fn recorded(dir: &Path, trace: &Path, server: &Server, import: &[&str], cut: &[&str]) -> Option<PathBuf> {
    let capture = dir.join("capture.pcap");
    let filter = format!("tcp port {}", server.addr.port());
    let mut tcpdump = Command::new("tcpdump");
    tcpdump.args(["-i", "lo", "-U", "-s", "0", "-B", "16384", "-Z", "root", "-w", text(&capture), &filter]);
    let started = tcpdump.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    if missing("tcpdump", started.is_ok()) {
        return None;
    }
    let mut tcpdump = started.expect("asked above");
    let mut said = BufReader::new(tcpdump.stderr.take().expect("piped above")).lines().map_while(Result::ok);
    if missing("the right to capture packets", said.any(|line| line.contains("listening on"))) {
        let _ = tcpdump.wait();
        return None;
    }
    let out = dir.join("recording");
    let _ = run(&["replay", text(trace), "--target", &server.url(), "--no-check", "-o", text(&out)]).expect_done();
    // A last packet of our own: what is in the file before it is everything.
    let _ = http(server.addr, "GET", "/last", "");
    while !std::fs::read(&capture).is_ok_and(|bytes| bytes.windows(9).any(|window| window == b"GET /last")) {
        std::thread::yield_now();
    }
    let end = Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status();
    assert!(end.is_ok_and(|end| end.success()) && tcpdump.wait().is_ok());
    let (all, trace) = (dir.join("all.parquet"), dir.join("answered.parquet"));
    let _ = run(&[&["import", text(&capture), "-o", text(&all)], import].concat()).expect_code(0);
    let _ = run(&[&["cut", text(&all), "-o", text(&trace)], cut].concat()).expect_code(0);
    Some(trace)
}

/// The folder of captures and traces that this project did not make, where the caller names one.
#[must_use]
pub fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("REHEARSAL_CORPUS").map(PathBuf::from);
    let folder = folder.map(|folder| if folder.is_relative() { root().join(folder) } else { folder });
    if missing("REHEARSAL_CORPUS", folder.as_ref().is_some_and(|folder| folder.is_dir())) { None } else { folder }
}

/// The Python of the virtual environment that `tests/run` makes.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let python = root().join(".venv/bin/python");
    if missing("the Python environment .venv", python.exists()) { None } else { Some(python) }
}

/// Runs a Python script given as text with these words; its standard output.
///
/// # Panics
/// When it fails.
#[must_use]
pub fn python_says(python: &Path, script: &str, words: &[&str]) -> String {
    let finished = finish(Command::new(python).arg("-c").arg(script).args(words));
    finished.expect_code(0).out
}

/// Sends one plain HTTP request and returns status and body.
///
/// # Panics
/// When the server does not answer in HTTP.
#[must_use]
pub fn http(addr: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    use std::io::Write;
    let mut socket = std::net::TcpStream::connect(addr).expect("the server listens");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes())).expect("the server reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the answer is text");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// Waits until `done`, looking every few milliseconds by way of a short-lived process, two minutes at the most.
///
/// # Panics
/// When it never comes.
pub fn wait_for(mut done: impl FnMut() -> bool) {
    for _ in 0..2400 {
        if done() {
            return;
        }
        let _ = Command::new("sleep").arg("0.05").status();
    }
    panic!("what was waited for never came");
}
