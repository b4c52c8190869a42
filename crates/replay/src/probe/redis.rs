//! A Redis server: `INFO`, and how long a `PING` takes (RESP, redis.io/docs/reference/protocol-spec).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::{Probe, ProbeKind, Sample, Setup};
use crate::clock::Clock;
use crate::limits::PROBE_BODY_BYTES_MAX;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "redis",
    syntax: "redis:[$PASSWORD@]HOST:PORT",
    about: "a Redis server's INFO and PING, the password taken from the environment",
    open: |argument, setup| Ok(Box::new(Redis::new(argument, setup)?)),
};

/// Members of `INFO` that are kept: name, unit, and whether it only grows.
const FIGURES: &[(&str, &str, bool)] = &[
    ("connected_clients", "", false),
    ("blocked_clients", "", false),
    ("used_memory", "bytes", false),
    ("maxmemory", "bytes", false),
    ("mem_fragmentation_ratio", "", false),
    ("total_commands_processed", "", true),
    ("total_connections_received", "", true),
    ("rejected_connections", "", false),
    ("keyspace_hits", "", true),
    ("keyspace_misses", "", true),
    ("expired_keys", "", true),
    ("evicted_keys", "", true),
    ("total_net_input_bytes", "bytes", true),
    ("total_net_output_bytes", "bytes", true),
    ("rdb_changes_since_last_save", "", false),
    ("connected_slaves", "", false),
    ("master_repl_offset", "bytes", false),
];

/// Bytes of a line of an answer.
const LINE_BYTES_MAX: u64 = 4096;

struct Redis {
    clock: Clock,
    address: SocketAddr,
    password: Option<String>,
    timeout: Duration,
    connection: Option<BufReader<TcpStream>>,
    /// The server's own name for this start of it.
    run_id: Option<String>,
}

impl Redis {
    fn new(argument: &str, setup: &Setup<'_>) -> Result<Self, String> {
        let (password, place) = match argument.rsplit_once('@') {
            Some((password, place)) => (Some(from_environment(password)?), place),
            None => (None, argument),
        };
        let mut addresses = place.to_socket_addrs().map_err(|e| format!("write HOST:PORT ({e})"))?;
        let address = addresses.next().ok_or("its name has no address")?;
        let (clock, timeout) = (setup.clock.clone(), setup.timeout);
        Ok(Self { clock, address, password, timeout, connection: None, run_id: None })
    }

    /// The connection there is, or a new one.
    fn connection(&mut self) -> Result<&mut BufReader<TcpStream>, String> {
        if self.connection.is_none() {
            let failed = |e: std::io::Error| e.to_string();
            let socket = TcpStream::connect_timeout(&self.address, self.timeout).map_err(failed)?;
            socket.set_nodelay(true).map_err(failed)?;
            // Two exchanges share the time one reading may take.
            socket.set_read_timeout(Some(self.timeout / 2)).map_err(failed)?;
            socket.set_write_timeout(Some(self.timeout / 2)).map_err(failed)?;
            let mut connection = BufReader::new(socket);
            if let Some(password) = &self.password {
                ask(&mut connection, &["AUTH", password])?;
            }
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("made above"))
    }

    fn read(&mut self, sample: &mut Sample) -> Result<(), String> {
        let clock = self.clock.clone();
        let connection = self.connection()?;
        let asked = clock.now();
        ask(connection, &["PING"])?;
        sample.gauge("ping_s", "s", (clock.now() - asked) as f64 / 1e9);
        let info = ask(connection, &["INFO"])?;
        self.follow(&info, sample);
        take(&info, sample);
        Ok(())
    }

    fn follow(&mut self, info: &str, sample: &mut Sample) {
        let Some(run_id) = member(info, "run_id").map(str::to_owned) else { return };
        if self.run_id.as_ref().is_some_and(|before| *before != run_id) {
            sample.event("restarted", "another Redis server answers than before".to_owned());
        }
        self.run_id = Some(run_id);
    }
}

impl Probe for Redis {
    fn sample(&mut self, sample: &mut Sample) -> Result<(), String> {
        let read = self.read(sample);
        if read.is_err() {
            self.connection = None;
        }
        read
    }
}

/// A password is never written down: `$NAME` names the variable that holds it.
fn from_environment(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('$').ok_or("write a password as the name of a variable that holds it: redis:$NAME@HOST:PORT")?;
    std::env::var(name).map_err(|_| format!("the environment has no variable {name}"))
}

/// Sends one command as an array of bulk strings and reads its answer, which is a simple or a bulk string.
fn ask(connection: &mut BufReader<TcpStream>, words: &[&str]) -> Result<String, String> {
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    let command = format!("*{}\r\n{}", words.len(), words.iter().map(bulk).collect::<String>());
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => e.to_string(),
    };
    connection.get_mut().write_all(command.as_bytes()).map_err(failed)?;
    let mut line = String::new();
    connection.by_ref().take(LINE_BYTES_MAX).read_line(&mut line).map_err(failed)?;
    let answer = line.trim_end();
    match (answer.chars().next(), answer.get(1..).unwrap_or_default()) {
        (Some('+'), text) => Ok(text.to_owned()),
        (Some('-'), text) => Err(format!("it answers {text}")),
        (Some('$'), length) => {
            let length: usize = length.parse().ok().filter(|n| *n <= PROBE_BODY_BYTES_MAX).ok_or("its answer has no length")?;
            let mut body = vec![0; length + 2];
            connection.read_exact(&mut body).map_err(failed)?;
            body.truncate(length);
            Ok(String::from_utf8_lossy(&body).into_owned())
        }
        (None, _) => Err("it closed the connection".to_owned()),
        _ => Err("it does not speak Redis' protocol".to_owned()),
    }
}

/// A member of `INFO`: a line `name:value`.
fn member<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn take(info: &str, sample: &mut Sample) {
    let number = |name: &str| member(info, name)?.trim().parse::<f64>().ok();
    for (name, unit, grows) in FIGURES {
        match number(name) {
            Some(value) if *grows => sample.counter(*name, unit, value),
            Some(value) => sample.gauge(*name, unit, value),
            None => {}
        }
    }
    if let (Some(user), Some(system)) = (number("used_cpu_user"), number("used_cpu_sys")) {
        sample.counter("cpu_s", "s", user + system);
    }
    if let Some(bytes) = number("used_memory_rss") {
        sample.gauge("rss_bytes", "bytes", bytes);
    }
    // `db0:keys=3,expires=0,avg_ttl=0`
    let keys = |line: &str| line.strip_prefix("db")?.split_once(":keys=")?.1.split(',').next()?.parse::<f64>().ok();
    sample.gauge("keys", "", info.lines().filter_map(keys).sum());
}
