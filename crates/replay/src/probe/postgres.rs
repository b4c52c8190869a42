//! A PostgreSQL server: its cumulative statistics (PostgreSQL documentation, chapter *Monitoring Database Activity*).

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::{Probe, ProbeKind, Sample, Setup};
use crate::clock::{Clock, within};
use crate::driver::https::runtime;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "postgres",
    syntax: "postgres://USER@HOST:PORT/DATABASE",
    about: "a PostgreSQL server's pg_stat_* of a database, connections by state, locks and replication lag, the password from PGPASSWORD \
            or PGPASSFILE",
    open: |argument, setup| Ok(Box::new(Postgres::new(argument, setup)?)),
};

/// Columns of `pg_stat_database`, `pg_stat_bgwriter` and `pg_stat_checkpointer` that are kept: name, name of the series, unit, what one
/// of it is of that unit, and whether it only grows.
const FIGURES: &[(&str, &str, &str, f64, bool)] = &[
    ("numbackends", "connections", "", 1.0, false),
    ("xact_commit", "xact_commit", "", 1.0, true),
    ("xact_rollback", "xact_rollback", "", 1.0, true),
    ("blks_read", "blks_read", "", 1.0, true),
    ("blks_hit", "blks_hit", "", 1.0, true),
    ("tup_returned", "tup_returned", "", 1.0, true),
    ("tup_fetched", "tup_fetched", "", 1.0, true),
    ("tup_inserted", "tup_inserted", "", 1.0, true),
    ("tup_updated", "tup_updated", "", 1.0, true),
    ("tup_deleted", "tup_deleted", "", 1.0, true),
    ("conflicts", "conflicts", "", 1.0, true),
    ("deadlocks", "deadlocks", "", 1.0, true),
    ("temp_files", "temp_files", "", 1.0, true),
    ("temp_bytes", "temp_bytes", "bytes", 1.0, true),
    ("blk_read_time", "blk_read_s", "s", 1e-3, true),
    ("blk_write_time", "blk_write_s", "s", 1e-3, true),
    ("active_time", "active_s", "s", 1e-3, true),
    ("sessions", "sessions", "", 1.0, true),
    // Up to version 16, pg_stat_bgwriter.
    ("checkpoints_timed", "checkpoints_timed", "", 1.0, true),
    ("checkpoints_req", "checkpoints_requested", "", 1.0, true),
    ("checkpoint_write_time", "checkpoint_write_s", "s", 1e-3, true),
    ("checkpoint_sync_time", "checkpoint_sync_s", "s", 1e-3, true),
    ("buffers_checkpoint", "buffers_checkpoint", "", 1.0, true),
    ("buffers_clean", "buffers_clean", "", 1.0, true),
    ("buffers_backend", "buffers_backend", "", 1.0, true),
    ("buffers_alloc", "buffers_alloc", "", 1.0, true),
    // From version 17 on, pg_stat_checkpointer.
    ("num_timed", "checkpoints_timed", "", 1.0, true),
    ("num_requested", "checkpoints_requested", "", 1.0, true),
    ("write_time", "checkpoint_write_s", "s", 1e-3, true),
    ("sync_time", "checkpoint_sync_s", "s", 1e-3, true),
    ("buffers_written", "buffers_checkpoint", "", 1.0, true),
];

/// Everything in one question: a kind, a name and a value to each line. Columns become lines, so that those of any version can be read.
const QUESTION: &str = "
select 'column', key, value from pg_stat_database of, jsonb_each_text(to_jsonb(of)) where datname = current_database()
union all select 'column', key, value from pg_stat_bgwriter of, jsonb_each_text(to_jsonb(of))
union all select 'state', coalesce(state, 'other'), count(*)::text from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid() group by 2
union all select 'waiting', '', count(*)::text from pg_stat_activity where wait_event_type = 'Lock'
union all select 'locks', '', count(*)::text from pg_locks where pid <> pg_backend_pid()
union all select 'longest', '', coalesce(extract(epoch from max(now() - xact_start)), 0)::text from pg_stat_activity
    where pid <> pg_backend_pid() and backend_type = 'client backend'
union all select 'limit', '', current_setting('max_connections')
union all select 'lag', '', extract(epoch from now() - pg_last_xact_replay_timestamp())::text where pg_is_in_recovery()
union all select 'replica', application_name, pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn()
    else pg_current_wal_lsn() end, replay_lsn)::text from pg_stat_replication
union all select 'start', '', extract(epoch from pg_postmaster_start_time())::text";

/// The view that has the checkpoints from this version on.
const CHECKPOINTER_SINCE: u32 = 170_000;
const CHECKPOINTER: &str = "
union all select 'column', key, value from pg_stat_checkpointer of, jsonb_each_text(to_jsonb(of))";

struct Postgres {
    clock: Clock,
    config: Config,
    timeout: Duration,
    runtime: Runtime,
    connection: Option<(Client, String)>,
    /// When the server says it was started.
    started: Option<String>,
}

impl Postgres {
    fn new(argument: &str, setup: &Setup<'_>) -> Result<Self, String> {
        let url = if argument.starts_with("//") { format!("postgres:{argument}") } else { argument.to_owned() };
        let mut config: Config = url.parse().map_err(|e| format!("write {} ({})", KIND.syntax, reason(&e)))?;
        if config.get_password().is_some() {
            return Err("a password does not belong into a URL; PGPASSWORD or PGPASSFILE has it".to_owned());
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err("connections with TLS are not made; watch the server from its own network".to_owned());
        }
        config.application_name("rehearsal").connect_timeout(setup.timeout).ssl_mode(SslMode::Disable);
        if let Some(password) = password(&config) {
            config.password(password);
        }
        let (clock, timeout) = (setup.clock.clone(), setup.timeout);
        let runtime = runtime().map_err(|e| format!("no runtime can be started ({e})"))?;
        Ok(Self { clock, config, timeout, runtime, connection: None, started: None })
    }

    /// Connects where there is no connection, and asks.
    async fn ask(
        config: &Config,
        known: &mut Option<(Client, String)>,
        clock: &Clock,
    ) -> Result<(i64, Vec<Line>), tokio_postgres::Error> {
        if known.is_none() {
            let (client, connection) = config.connect(NoTls).await?;
            // It ends by itself with its client.
            drop(tokio::spawn(connection));
            let version = lines(&client.simple_query("select '', '', current_setting('server_version_num')").await?);
            let version: u32 = version.first().and_then(|line| line.value.parse().ok()).unwrap_or(0);
            let more = if version >= CHECKPOINTER_SINCE { CHECKPOINTER } else { "" };
            *known = Some((client, format!("{QUESTION}{more}")));
        }
        let (client, question) = known.as_ref().expect("made above");
        let asked = clock.now();
        client.simple_query("select").await?;
        let ping_ns = clock.now() - asked;
        Ok((ping_ns, lines(&client.simple_query(question).await?)))
    }
}

impl Probe for Postgres {
    fn sample(&mut self, sample: &mut Sample) -> Result<(), String> {
        let Self { clock, config, timeout, runtime, connection, .. } = self;
        let answer = runtime.block_on(within(*timeout, Self::ask(config, connection, clock)));
        let late = || format!("no answer within {} ms", timeout.as_millis());
        let answer = answer.ok_or_else(late).and_then(|answer| answer.map_err(|e| reason(&e)));
        if answer.is_err() {
            self.connection = None;
        }
        let (ping_ns, lines) = answer?;
        sample.gauge("ping_s", "s", ping_ns as f64 / 1e9);
        let started = lines.iter().find(|line| line.kind == "start").map(|line| line.value.clone());
        if self.started.is_some() && started.is_some() && self.started != started {
            sample.event("restarted", "the PostgreSQL server was started again".to_owned());
        }
        self.started = started.or(self.started.take());
        take(&lines, sample);
        Ok(())
    }
}

/// A line of the answer.
struct Line {
    kind: String,
    name: String,
    value: String,
}

/// The lines that have a value.
fn lines(messages: &[SimpleQueryMessage]) -> Vec<Line> {
    let line = |message: &SimpleQueryMessage| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        let text = |column| row.get(column).map(str::to_owned);
        Some(Line { kind: text(0)?, name: text(1)?, value: text(2)? })
    };
    messages.iter().filter_map(line).collect()
}

fn take(lines: &[Line], sample: &mut Sample) {
    for Line { kind, name, value } in lines {
        let Ok(value) = value.parse::<f64>() else { continue };
        match kind.as_str() {
            "column" => column(name, value, sample),
            "state" => sample.gauge(format!("connections{{state=\"{name}\"}}"), "", value),
            "waiting" => sample.gauge("waiting_for_locks", "", value),
            "locks" => sample.gauge("locks", "", value),
            "longest" => sample.gauge("longest_transaction_s", "s", value),
            "limit" => sample.gauge("connections_limit", "", value),
            "lag" => sample.gauge("replication_lag_s", "s", value),
            "replica" => sample.gauge(format!("replication_lag_bytes{{replica=\"{name}\"}}"), "bytes", value),
            _ => {}
        }
    }
}

fn column(name: &str, value: f64, sample: &mut Sample) {
    let Some((_, series, unit, one, grows)) = FIGURES.iter().find(|(column, ..)| *column == name) else { return };
    if *grows { sample.counter(*series, unit, value * one) } else { sample.gauge(*series, unit, value * one) }
}

/// As libpq has it (*The Password File*): the variable, or else the first line of the file that fits.
fn password(config: &Config) -> Option<String> {
    if let Ok(password) = std::env::var("PGPASSWORD") {
        return Some(password);
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
    let path = std::env::var_os("PGPASSFILE").map(PathBuf::from).or_else(home)?;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.as_str(),
        _ => "localhost",
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    let place = [host, &port, config.get_dbname().unwrap_or(user), user];
    std::fs::read_to_string(path).ok()?.lines().find_map(|line| fitting(line, &place))
}

/// The password of a line `host:port:database:user:password`, where `*` stands for anything and `\` before a colon for that.
fn fitting(line: &str, place: &[&str; 4]) -> Option<String> {
    let (mut fields, mut chars) = (vec![String::new()], line.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => fields.last_mut()?.extend(chars.next()),
            ':' if fields.len() <= place.len() => fields.push(String::new()),
            _ => fields.last_mut()?.push(c),
        }
    }
    let fits = !line.starts_with('#') && fields.len() == place.len() + 1;
    (fits && fields.iter().zip(place).all(|(field, is)| field == "*" || field == is)).then(|| fields.pop()).flatten()
}

/// What the server said, else the deepest cause.
fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("it answers {}", said.message());
    }
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_series_with_units() {
        let line = |kind: &str, name: &str, value: &str| Line { kind: kind.into(), name: name.into(), value: value.into() };
        let mut sample = Sample::default();
        let lines = [
            line("column", "xact_commit", "12"),
            line("column", "blk_read_time", "1500"),
            line("column", "datname", "app"),
            line("column", "num_timed", "3"),
            line("state", "idle in transaction", "2"),
            line("replica", "standby", "8192"),
        ];
        take(&lines, &mut sample);
        let found: Vec<_> = sample.readings.iter().map(|one| (one.series.as_ref(), one.unit, one.value, one.counter)).collect();
        let expected = [
            ("xact_commit", "", 12.0, true),
            ("blk_read_s", "s", 1.5, true),
            ("checkpoints_timed", "", 3.0, true),
            ("connections{state=\"idle in transaction\"}", "", 2.0, false),
            ("replication_lag_bytes{replica=\"standby\"}", "bytes", 8192.0, false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let place = ["db.example", "5432", "app", "me"];
        assert_eq!(fitting("db.example:5432:*:me:pass\\:word", &place).as_deref(), Some("pass:word"));
        assert_eq!(fitting("*:*:*:*:a:b", &place).as_deref(), Some("a:b"));
        assert_eq!(fitting("other:*:*:*:no", &place), None);
        assert_eq!(fitting("#*:*:*:*:no", &place), None);
        assert_eq!(fitting("too:short", &place), None);
    }
}
