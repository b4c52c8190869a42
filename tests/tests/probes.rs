//! Probes on real processes and servers, against what independent readers say of them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rehearsal_tests::{Finished, Server, finish, free_port, guarded, missing, python, python_says, run, text};
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A trace of `GET /work` for the queue server, evenly spread.
fn trace_of(dir: &Path, requests: u32, rate: u32) -> PathBuf {
    let template = dir.join("plan.json");
    std::fs::write(&template, r#"{"sessions":[{"name":"s","steps":[{"method":"GET","path":"/work"}]}]}"#).unwrap();
    let trace = dir.join("t.parquet");
    let (requests, rate) = (requests.to_string(), rate.to_string());
    let words = ["synth", "-o", text(&trace), "--template", text(&template), "--requests", &requests, "--rate", &rate];
    let _ = run(&[&words[..], &["--arrivals", "uniform"]].concat()).expect_code(0);
    trace
}

/// Replays against the queue server with these words more, and hands on what was said and the run's folder.
fn replayed(dir: &Path, trace: &Path, server: &Server, more: &[&str]) -> (Finished, PathBuf) {
    let out = dir.join("run");
    let words = ["replay", text(trace), "--target", &server.url(), "--no-check", "-o", text(&out), "--probe-every", "200ms"];
    (run(&[&words[..], more].concat()).expect_done(), out)
}

/// Rows of a run's resources, read with DuckDB.
fn resources(python: &Path, run: &Path) -> Vec<Value> {
    let script = "
import duckdb, json, sys
rows = duckdb.sql(f\"select * from '{sys.argv[1]}/resources-*.parquet' order by run_ns\").fetchall()
names = ['run_ns', 'wall_ns', 'source', 'series', 'unit', 'value']
print(json.dumps([dict(zip(names, row)) for row in rows]))
";
    serde_json::from_str(&python_says(python, script, &[text(run)])).expect("JSON")
}

/// Instant (s since run start) and value of each reading of one series.
fn series(rows: &[Value], source: &str, name: &str) -> Vec<(f64, f64)> {
    let wanted = rows.iter().filter(|row| row["source"] == source && row["series"] == name);
    wanted.map(|row| (row["run_ns"].as_f64().unwrap() / 1e9, row["value"].as_f64().unwrap())).collect()
}

fn kinds(run: &Path, source: &str) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    events.iter().filter(|event| event["source"] == source).map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

/// A Python process that is stopped with this; it prints lines.
struct Script(Child, BufReader<ChildStdout>);

impl Script {
    fn start(python: &Path, script: &str, words: &[&str]) -> Self {
        let mut command = guarded(python);
        command.arg("-c").arg(script).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python starts");
        let out = BufReader::new(child.stdout.take().expect("piped above"));
        Self(child, out)
    }

    /// Gives it a line to read.
    fn tell(&mut self) {
        std::io::Write::write_all(self.0.stdin.as_mut().expect("piped above"), b"\n").expect("it reads");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.1.read_line(&mut line).expect("text");
        line.trim().to_owned()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Burns and rests in turn, holds 64 MB, 20 files, a listening socket and a connection to it, in 3 threads; says at the end of its input
/// what `getrusage` has for it.
const BURNER: &str = "
import os, resource, socket, sys, threading, time
held = bytearray(os.urandom(1 << 20) * 64)
files = [open('/dev/null') for _ in range(20)]
listening = socket.socket(); listening.bind(('127.0.0.1', 0)); listening.listen()
client = socket.create_connection(listening.getsockname()); server, _ = listening.accept()
over = threading.Event()
threading.Thread(target=over.wait).start()
def burn():
    while not over.is_set():
        until = time.monotonic() + 0.03
        while time.monotonic() < until: pass
        time.sleep(0.03)
threading.Thread(target=burn).start()
print(os.getpid(), flush=True)
sys.stdin.readline()
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, len(os.listdir('/proc/self/fd')) - 1, flush=True)
over.set()
";

#[test]
fn a_process_is_seen_as_the_system_sees_it() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = trace_of(dir.path(), 150, 50);
    let server = Server::testbed(&["queue"]);
    let mut burner = Script::start(&python, BURNER, &[]);
    let pid = burner.line();
    let source = format!("pid:{pid}");
    let (_, out) = replayed(dir.path(), &trace, &server, &["--probe", &source]);
    burner.tell();
    let said = burner.line();
    let (cpu_s, descriptors) = said.split_once(' ').expect("two figures");

    let rows = resources(&python, &out);
    let last = |name: &str| series(&rows, &source, name).last().unwrap_or_else(|| panic!("no {name}")).1;
    let cpu_s: f64 = cpu_s.parse().unwrap();
    let seen = last("cpu_s");
    assert!(seen <= cpu_s + 0.011 && seen > 0.5 * cpu_s, "the probe saw {seen} s, getrusage says {cpu_s} s a moment later");
    let cores: Vec<f64> = series(&rows, &source, "cpu_cores").into_iter().map(|(_, cores)| cores).collect();
    let ends = series(&rows, &source, "cpu_s");
    let mean = (ends[ends.len() - 1].1 - ends[0].1) / (ends[ends.len() - 1].0 - ends[0].0);
    let mean_of_rates = cores.iter().sum::<f64>() / cores.len() as f64;
    assert!((mean - mean_of_rates).abs() < 0.1, "{mean} cores by the counter, {mean_of_rates} by the rates");
    assert_eq!(last("threads"), 3.0);
    assert_eq!(last("descriptors"), descriptors.parse::<f64>().unwrap());
    assert_eq!(last("sockets{state=\"listen\"}"), 1.0);
    assert_eq!(last("sockets{state=\"established\"}"), 2.0);
    assert!((64e6..200e6).contains(&last("rss_bytes")), "{}", last("rss_bytes"));
    assert!(kinds(&out, &source).is_empty());
}

/// A control group of its own, removed with this.
struct Group(PathBuf);

impl Group {
    /// `None` where this user may not make one, which is said aloud.
    fn new() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?.split(' ').nth(1)?;
        let folder = Path::new(mount).join(format!("rehearsal-test-{}", std::process::id()));
        let made = std::fs::create_dir(&folder).is_ok();
        made.then_some(Self(folder))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel removes it when its last process has been waited for, which may be a moment later than that.
        while std::fs::remove_dir(&self.0).is_err_and(|error| error.kind() == std::io::ErrorKind::ResourceBusy) {}
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "what is left out is said aloud")]
fn a_control_group_is_seen_as_its_only_process_sees_itself() {
    let Some(python) = python() else { return };
    let Some(group) = Group::new() else {
        println!("SKIPPED: this user may make no control group of version 2");
        return;
    };
    let dir = folder();
    let trace = trace_of(dir.path(), 100, 50);
    let server = Server::testbed(&["queue"]);
    let mut burner = Script::start(&python, BURNER, &[]);
    std::fs::write(group.0.join("cgroup.procs"), burner.line()).unwrap();
    let name = group.0.file_name().unwrap().to_str().unwrap();
    let source = format!("cgroup:/{name}");
    let (_, out) = replayed(dir.path(), &trace, &server, &["--probe", &source]);
    burner.tell();
    let said = burner.line();
    let cpu_s: f64 = said.split(' ').next().unwrap().parse().unwrap();
    let seen = series(&resources(&python, &out), &source, "cpu_s");
    let last = seen[seen.len() - 1].1;
    assert!(last <= cpu_s + 0.011 && last > 0.5 * cpu_s, "the probe saw {last} s, getrusage says {cpu_s} s a moment later");
    drop(burner);
    let never = dir.path().join("never");
    let absent = ["replay", text(&trace), "--target", &server.url(), "--no-check", "-o", text(&never)];
    let absent = [&absent[..], &["--probe", "cgroup:/no-such-group"]].concat();
    run(&absent).expect_sentence(2, &["cgroup:/no-such-group", "cpu.stat"]);
}

/// At each line of its input a process under a name of its own begins, and the one before it ends: first one, then none, then another.
const NAMED: &str = "
import ctypes, os, sys, time
def child():
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
        ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
        os.write(1, b'named\\n')
        time.sleep(600)
    return pid
first = child()
sys.stdin.readline()
os.kill(first, 9); os.waitpid(first, 0)
sys.stdin.readline()
second = child()
sys.stdin.readline()
os.kill(second, 9)
";

/// Waits until `done`, looking every few milliseconds by way of a short-lived process, two minutes at the most.
fn wait_for(mut done: impl FnMut() -> bool) {
    for _ in 0..2400 {
        if done() {
            return;
        }
        let _ = Command::new("sleep").arg("0.05").status();
    }
    panic!("what was waited for never came");
}

/// How many requests a server has answered at an endpoint, by its own count.
fn answered(server: &Server, endpoint: &str) -> f64 {
    let (_, page) = rehearsal_tests::http(server.addr, "GET", "/metrics", "");
    let of_endpoint =
        |line: &&str| line.starts_with("rest_responses_total{") && line.contains(&format!("endpoint=\"{endpoint}\""));
    page.lines().filter(of_endpoint).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn a_restart_of_a_command_is_noticed_and_the_run_goes_on() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = trace_of(dir.path(), 600, 50);
    let server = Server::testbed(&["queue"]);
    let name = format!("rh{}", std::process::id());
    let mut script = Script::start(&python, NAMED, &[&name]);
    assert_eq!(script.line(), "named");
    let source = format!("command:{name}");
    let mut replay = started(dir.path(), &trace, &server, &source);
    let out = dir.path().join("run");
    wait_for(|| answered(&server, "/{path}") > 20.0);
    script.tell();
    wait_for(|| kinds(&out, &source).contains(&"failed".to_owned()));
    script.tell();
    assert_eq!(script.line(), "named");
    wait_for(|| kinds(&out, &source).contains(&"recovered".to_owned()));
    assert!(matches!(replay.0.wait().unwrap().code(), Some(0 | 1)));
    assert_eq!(kinds(&out, &source), ["ended", "failed", "restarted", "recovered"]);
    let figures = figures(&out);
    assert_eq!(figures["watched"]["restarts"][&source], 1);
    assert!(figures["watched"]["failures"][&source].as_u64().unwrap() >= 1);
    assert_eq!(figures["counts"]["ok"], 600);
    let log = std::fs::read_to_string(out.join("run.log")).unwrap();
    assert!(log.contains(&format!("{source} restarted")), "{log}");
}

fn figures(run: &Path) -> Value {
    let info: Value = serde_json::from_str(&std::fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    info["figures"].clone()
}

/// A replay that goes on by itself, read every 100 ms.
fn started(dir: &Path, trace: &Path, server: &Server, probe: &str) -> Stopped {
    let out = dir.join("run");
    let words = ["replay", text(trace), "--target", &server.url(), "--no-check", "-o", text(&out), "--probe-every", "100ms"];
    let mut replay = rehearsal_tests::rehearsal(&[&words[..], &["--probe", probe]].concat());
    Stopped(replay.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[test]
fn a_prometheus_page_is_read_and_its_counters_are_those_of_the_run() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = trace_of(dir.path(), 200, 50);
    let server = Server::testbed(&["queue"]);
    // The counter has no sample before the first answer.
    let _ = rehearsal_tests::http(server.addr, "GET", "/work", "");
    let source =
        format!("prometheus:{}/metrics,metric=rest_responses_total,metric=rest_responses_duration_seconds", server.url());
    let words = [
        "--probe",
        &source,
        "--derive",
        "rate=rate(rest_responses_total{endpoint=\"/{path}\"})",
        "--derive",
        "p50=histogram_quantile(0.5,rest_responses_duration_seconds)",
    ];
    let (_, out) = replayed(dir.path(), &trace, &server, &words);
    let rows = resources(&python, &out);
    let of_work = rows.iter().filter(|row| row["series"].as_str().unwrap().starts_with("rest_responses_total{"));
    let name = of_work.map(|row| row["series"].as_str().unwrap()).find(|name| name.contains("\"/{path}\"")).expect("the counter");
    let counter = series(&rows, &source, name);
    assert_eq!(counter[counter.len() - 1].1, 201.0, "one request before the run and 200 in it");
    let rates = series(&rows, "derived", "rate");
    // The rates, each over its own interval, add up to the counter's growth.
    let mut before = counter[0].0;
    let mut added = 0.0;
    for (at, rate) in &rates {
        let read = counter.iter().rfind(|(then, _)| then <= at).unwrap().0;
        added += rate * (read - before);
        before = read;
    }
    let grown = counter.iter().rfind(|(at, _)| *at <= before).unwrap().1 - counter[0].1;
    assert!((added - grown).abs() < 0.5, "{added} by the rates, {grown} by the counter");
    assert!(grown > 150.0);
    assert!(!series(&rows, "derived", "p50").is_empty());
    assert!(!series(&rows, &source, "cpu_s").is_empty(), "what every client library says of its own process");
    assert!(series(&rows, &source, "process_open_fds").is_empty(), "a metric that was not asked for");

    let _ = run(&["report", text(&out)]).expect_done();
    let findings: Value = serde_json::from_str(&std::fs::read_to_string(out.join("findings.json")).unwrap()).unwrap();
    let answered = findings["resources"]["target_cpu"]["answered"].as_u64().unwrap();
    assert!((150..=200).contains(&answered), "{answered}: all but those before the first reading");
    assert!(out.join("charts/cpu-over-time.svg").exists());
}

#[test]
fn numbers_of_a_json_document_are_read_by_pointer() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = trace_of(dir.path(), 60, 60);
    let server = Server::testbed(&["queue"]);
    let source = format!("json:{}/telemetry#/result/connections,/result/requests", server.url());
    let (_, out) = replayed(dir.path(), &trace, &server, &["--probe", &source]);
    let rows = resources(&python, &out);
    let (_, answered) =
        *series(&rows, &source, "/result/requests/rest/responses/GET ~1{path}/200/count").last().expect("a pointer of its own");
    assert_eq!(answered, 60.0);
    assert!(series(&rows, &source, "/result/connections").last().unwrap().1 >= 1.0);
}

#[test]
fn the_host_is_seen_as_another_reader_sees_it() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = trace_of(dir.path(), 100, 50);
    let server = Server::testbed(&["queue"]);
    let script = "
import os
cpu = [int(x) for x in open('/proc/stat').readline().split()[1:]]
memory = {line.split(':')[0]: int(line.split()[1]) for line in open('/proc/meminfo')}
lo = [line.split(':')[1].split() for line in open('/proc/net/dev') if line.strip().startswith('lo:')][0]
print((cpu[0] + cpu[1] + cpu[2] + cpu[5] + cpu[6]) / os.sysconf('SC_CLK_TCK'), memory['MemTotal'] * 1024, lo[0])
for disk in sorted(os.listdir('/sys/block')):
    print(int(open('/sys/block/' + disk + '/stat').read().split()[9]) / 1e3)
";
    let look =
        || -> Vec<f64> { python_says(&python, script, &[]).split_whitespace().map(|figure| figure.parse().unwrap()).collect() };
    let before = look();
    let (_, out) = replayed(dir.path(), &trace, &server, &[]);
    let after = look();
    let rows = resources(&python, &out);
    let seen = |name: &str| series(&rows, "host", name);
    for (place, name) in [(0, "cpu_s"), (2, "network_received_bytes{interface=\"lo\"}")] {
        let values = seen(name);
        assert!(values.len() > 5, "{name} was read {} times", values.len());
        assert!(values.is_sorted_by(|a, b| a.1 <= b.1), "{name} falls");
        let (first, last) = (values[0].1, values[values.len() - 1].1);
        assert!(before[place] <= first && last <= after[place] && last > first, "{name}: {before:?} {first} {last} {after:?}");
    }
    assert_eq!(seen("memory_bytes")[0].1, after[1]);
    let mut disks: Vec<String> =
        std::fs::read_dir("/sys/block").unwrap().map(|disk| disk.unwrap().file_name().into_string().unwrap()).collect();
    disks.sort();
    for (place, disk) in (3..).zip(&disks) {
        let Some((_, busy_s)) = seen(&format!("disk_busy_s{{disk=\"{disk}\"}}")).last().copied() else { continue };
        assert!(before[place] <= busy_s && busy_s <= after[place], "{disk}: {before:?} {busy_s} {after:?}");
        let shares = seen(&format!("disk_busy_share{{disk=\"{disk}\"}}"));
        // The kernel counts in its own ticks, so that a share may pass 1 by one of them.
        assert!(shares.len() > 4 && shares.iter().all(|(_, share)| (0.0..1.1).contains(share)), "{disk}: {shares:?}");
    }
    let own = series(&rows, "generator", "cpu_s");
    assert!(own.len() > 5 && own[own.len() - 1].1 < 60.0);
    // Ticks are absolute: none of them drifts from its multiple of the interval.
    let ticks: Vec<f64> = own[..own.len() - 1].iter().map(|(at, _)| at / 0.2).collect();
    assert!(ticks.iter().all(|tick| tick.fract() < 0.9), "{ticks:?}");
    let wall = |row: &Value| (row["wall_ns"].as_i64().unwrap() - row["run_ns"].as_i64().unwrap()) as f64 / 1e9;
    assert!((wall(&rows[0]) - wall(&rows[rows.len() - 1])).abs() < 1.0, "both clocks go on together");
}

#[test]
fn a_redis_server_is_asked_for_its_figures() {
    let Some(python) = python() else { return };
    let has = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    if missing("redis-server", has) {
        return;
    }
    let dir = folder();
    let trace = trace_of(dir.path(), 100, 50);
    let server = Server::testbed(&["queue"]);
    let port = free_port().to_string();
    let mut command = guarded(Path::new("redis-server"));
    command.args([
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--requirepass",
        "s3cret-word",
        "--dir",
        text(dir.path()),
    ]);
    let redis = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("redis-server starts");
    let _redis = Stopped(redis);
    let ask = |words: &[&str]| {
        let said = finish(Command::new("redis-cli").args(["-p", &port, "-a", "s3cret-word", "--no-auth-warning"]).args(words));
        said.out.trim().to_owned()
    };
    let source = format!("redis:$REHEARSAL_TEST_REDIS@127.0.0.1:{port}");
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", &server.url(), "--no-check", "-o", text(&out), "--wait-ready", "20s"];
    let more = [
        "--probe",
        &source,
        "--probe-every",
        "200ms",
        "--derive",
        "hit_rate=ratio(keyspace_hits,sum(keyspace_hits,keyspace_misses))",
    ];
    // It may not listen yet: --wait-ready waits for probes, too.
    let mut replay = rehearsal_tests::rehearsal(&[&words[..], &more[..]].concat());
    replay.env("REHEARSAL_TEST_REDIS", "s3cret-word").stdout(Stdio::null()).stderr(Stdio::null());
    let mut replay = replay.spawn().unwrap();
    while ask(&["SET", "k", "v"]) != "OK" {}
    let _ = (ask(&["GET", "k"]), ask(&["GET", "k"]), ask(&["GET", "k"]), ask(&["GET", "nothing"]));
    assert!(matches!(replay.wait().unwrap().code(), Some(0 | 1)));
    let rows = resources(&python, &out);
    let last = |source: &str, name: &str| series(&rows, source, name).last().unwrap_or_else(|| panic!("no {name}")).1;
    assert_eq!((last(&source, "keyspace_hits"), last(&source, "keyspace_misses"), last(&source, "keys")), (3.0, 1.0, 1.0));
    assert_eq!(last("derived", "hit_rate"), 0.75);
    assert!((0.0..1.0).contains(&last(&source, "ping_s")) && last(&source, "used_memory") > 1e5);
    for file in std::fs::read_dir(&out).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"s3cret-word"), "{:?} holds the password", file.path());
    }
}

/// A PostgreSQL server of its own that is stopped with this.
struct Postgres {
    server: Stopped,
    serve: Command,
    port: String,
    tools: PathBuf,
}

const PG_PASSWORD: &str = "s3cret-word";

impl Postgres {
    /// `None` where PostgreSQL is not installed, which is said aloud. It refuses to run as root, so then it runs as the user `postgres`.
    fn start(dir: &Path) -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let tools = versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("postgres").exists()).max();
        if missing("postgresql", tools.is_some()) {
            return None;
        }
        let (tools, data, port) = (tools?, dir.join("data"), free_port().to_string());
        std::fs::create_dir(&data).unwrap();
        std::fs::write(dir.join("password"), PG_PASSWORD).unwrap();
        let root = rustix::process::getuid().is_root();
        if root {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(dir, open).unwrap();
            assert!(Command::new("chown").arg("postgres").arg(&data).status().unwrap().success());
        }
        let as_user = |tool: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL"]);
            if root {
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            }
            command.arg("--").arg(tools.join(tool)).arg("-D").arg(&data).current_dir("/").stdin(Stdio::null());
            command
        };
        let mut make = as_user("initdb");
        make.args(["-U", "rehearsal", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C"]);
        let _ = finish(make.arg(format!("--pwfile={}", text(&dir.join("password"))))).expect_code(0);
        let mut serve = as_user("postgres");
        serve.args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "unix_socket_directories="]);
        let server = Stopped(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let postgres = Self { server, serve, port, tools };
        wait_for(|| postgres.says("select 1").0 == Some(0));
        Some(postgres)
    }

    /// Stops it at once and starts it again on its data.
    fn start_again(&mut self) {
        let stop = rustix::process::Pid::from_child(&self.server.0);
        rustix::process::kill_process(stop, rustix::process::Signal::INT).unwrap();
        self.server.0.wait().unwrap();
        self.server = Stopped(self.serve.spawn().unwrap());
        wait_for(|| self.says("select 1").0 == Some(0));
    }

    /// Exit code and output of `psql`.
    fn says(&self, question: &str) -> (Option<i32>, String) {
        let mut psql = Command::new(self.tools.join("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &self.port, "-U", "rehearsal", "-d", "postgres", "-Atc", question]);
        let finished = finish(psql.env("PGPASSWORD", PG_PASSWORD).stdin(Stdio::null()));
        (finished.code, finished.out.trim().to_owned())
    }
}

#[test]
fn a_postgresql_server_is_asked_for_its_statistics() {
    let Some(python) = python() else { return };
    let dir = folder();
    let Some(postgres) = Postgres::start(dir.path()) else { return };
    let trace = trace_of(dir.path(), 150, 50);
    let server = Server::testbed(&["queue"]);
    assert_eq!(postgres.says("create table t as select generate_series(1, 1000) as n").0, Some(0));
    let source = format!("postgres://rehearsal@127.0.0.1:{}/postgres", postgres.port);
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", &server.url(), "--no-check", "-o", text(&out), "--probe", &source];
    let more = ["--probe-every", "200ms", "--derive", "hits=ratio(blks_hit,sum(blks_hit,blks_read))"];
    let words = [&words[..], &more[..]].concat();
    // Without the password nothing is sent.
    run(&words).expect_sentence(2, &["--probe", &source, "password"]);
    let mut replay = rehearsal_tests::rehearsal(&words);
    let mut replay = replay.env("PGPASSWORD", PG_PASSWORD).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (_, committed) = postgres.says("select xact_commit from pg_stat_database where datname = 'postgres'");
    assert!(matches!(replay.wait().unwrap().code(), Some(0 | 1)));
    let rows = resources(&python, &out);
    let seen = |name: &str| series(&rows, &source, name);
    let last = |name: &str| seen(name).last().unwrap_or_else(|| panic!("no {name}")).1;
    let (_, inserted) = postgres.says("select tup_inserted from pg_stat_database where datname = 'postgres'");
    assert_eq!(last("tup_inserted"), inserted.parse::<f64>().unwrap(), "nothing was inserted since");
    assert!(last("tup_inserted") >= 1000.0);
    let commits = seen("xact_commit");
    assert!(commits.is_sorted_by(|a, b| a.1 <= b.1) && commits[commits.len() - 1].1 >= committed.parse::<f64>().unwrap());
    assert_eq!(last("connections_limit"), 100.0);
    assert!(last("connections") >= 1.0 && last("ping_s") < 1.0 && last("checkpoints_timed") >= 0.0);
    assert!(seen("xact_commit_per_s").len() > 5, "counters have rates");
    let hits = series(&rows, "derived", "hits").last().expect("a share").1;
    assert!((0.5..=1.0).contains(&hits), "{hits}");
    for file in std::fs::read_dir(&out).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(11).any(|window| window == PG_PASSWORD.as_bytes()), "{:?} holds the password", file.path());
    }
}

#[test]
fn a_postgresql_server_that_is_started_again_is_noticed_and_asked_on() {
    let Some(python) = python() else { return };
    let dir = folder();
    let Some(mut postgres) = Postgres::start(dir.path()) else { return };
    let trace = trace_of(dir.path(), 600, 50);
    let server = Server::testbed(&["queue"]);
    let source = format!("postgres://rehearsal@127.0.0.1:{}/postgres", postgres.port);
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", &server.url(), "--no-check", "-o", text(&out), "--probe", &source];
    let mut replay = rehearsal_tests::rehearsal(&[&words[..], &["--probe-every", "200ms"]].concat());
    let replay = replay.env("PGPASSWORD", PG_PASSWORD).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut replay = Stopped(replay);
    wait_for(|| answered(&server, "/{path}") > 20.0);
    postgres.start_again();
    wait_for(|| kinds(&out, &source).contains(&"restarted".to_owned()));
    let at = answered(&server, "/{path}");
    wait_for(|| answered(&server, "/{path}") > at + 50.0);
    assert!(matches!(replay.0.wait().unwrap().code(), Some(0 | 1)));
    let events = kinds(&out, &source);
    assert_eq!(events.iter().filter(|kind| *kind == "restarted").count(), 1, "{events:?}");
    let pings = series(&resources(&python, &out), &source, "ping_s").len();
    assert!(pings > 20, "{pings} readings of about 60: it is asked on");
}

/// A child that ends with this.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_cannot_be_watched_is_said_before_the_run() {
    let dir = folder();
    let trace = trace_of(dir.path(), 5, 50);
    let server = Server::testbed(&["queue"]);
    let refused = |more: &[&str], words: &[&str]| {
        let out = dir.path().join("never");
        let all = ["replay", text(&trace), "--target", &server.url(), "--no-check", "-o", text(&out)];
        run(&[&all[..], more].concat()).expect_sentence(2, words);
        assert!(!out.exists(), "{more:?} left a run");
    };
    refused(&["--probe", "prometeus:http://a"], &["did you mean `prometheus`"]);
    let nobody = format!("prometheus:http://127.0.0.1:{}/metrics", free_port());
    refused(&["--probe", &nobody], &["--probe", &nobody, "refused", "--wait-ready"]);
    refused(&["--probe", &nobody, "--wait-ready", "300ms"], &[&nobody, "refused"]);
    refused(&["--probe", &format!("prometheus:{}/work", server.url())], &["Prometheus' text format"]);
    refused(&["--probe", &format!("json:{}/telemetry#/result/nothing", server.url())], &["/result/nothing"]);
    refused(&["--probe", "pid:2147483647"], &["no process 2147483647"]);
    refused(&["--probe", "postgres://u:hunter2@127.0.0.1:1/d"], &["PGPASSWORD"]);
    refused(&["--probe", &format!("postgres://u@127.0.0.1:{}/d", free_port())], &["refused"]);
    refused(&["--probe", "redis:hunter2@127.0.0.1:1"], &["$NAME"]);
    refused(&["--probe", "host", "--derive", "x=rat(a)"], &["did you mean `rate`"]);
    refused(&["--derive", "x=rate(a)"], &["--probe"]);
    refused(&["--probe-every", "10ms"], &["--probe-every", "100ms"]);
}

#[test]
fn a_server_that_dies_is_counted_and_the_run_goes_on() {
    let dir = folder();
    let trace = trace_of(dir.path(), 200, 50);
    let server = Server::testbed(&["queue"]);
    let watched = Server::testbed(&["queue"]);
    let source = format!("prometheus:{}/metrics", watched.url());
    let mut replay = started(dir.path(), &trace, &server, &source);
    let out = dir.path().join("run");
    wait_for(|| answered(&server, "/{path}") > 20.0);
    drop(watched);
    assert!(matches!(replay.0.wait().unwrap().code(), Some(0 | 1)));
    assert_eq!(kinds(&out, &source), ["failed"]);
    let figures = figures(&out);
    assert!(figures["watched"]["failures"][&source].as_u64().unwrap() >= 5, "{}", figures["watched"]);
    assert_eq!(figures["counts"]["ok"], 200);
}
