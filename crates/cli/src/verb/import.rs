//! `rehearsal import`: capture files → trace.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use capture::dissect::{self, SessionBy};
use capture::import::{self, ImportOptions};
use capture::redact::Policy;
use clap::Args;
use trace::TraceMeta;
use trace::rules::Rules;

use super::Done;
use crate::failure::Failure;
use crate::{interrupt, output};

pub const EXAMPLE: &str = "Examples:
  rehearsal import captures/http1/curl-nginx/capture.pcap -o t.parquet
  tcpdump -i lo -w - port 8080 | rehearsal import - -o t.parquet";

/// Words of `import`.
#[derive(Args)]
pub struct Words {
    /// Capture files (pcap, pcapng; gzip or zstd compressed too), or - for standard input
    #[arg(required = true)]
    sources: Vec<PathBuf>,
    /// The trace [default: captures/NAME.parquet]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What is spoken at a server port, whatever the first bytes look like (may be repeated)
    #[arg(long, value_name = "PORT=PROTOCOL")]
    decode: Vec<String>,
    /// What makes requests those of one user: connection, address, header:NAME or cookie:NAME
    #[arg(long, value_name = "WHAT", default_value = "connection", value_parser = SessionBy::parse)]
    session_by: SessionBy,
    /// Keep the bodies of responses, too
    #[arg(long)]
    keep_responses: bool,
    /// Rules that find collection, operation and effect, in a JSON file; asked before the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// What is masked before anything is written: default, or off for nothing
    #[arg(long, value_name = "POLICY", default_value = "default", value_parser = policy)]
    redact: Policy,
    /// Key of the pseudonyms, 32 hexadecimal digits, for equal ones over several imports [default: made from the captures]
    #[arg(long, value_name = "HEX", value_parser = key, hide_env_values = true)]
    redact_key: Option<u128>,
    /// Print the footer as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let output = words.output.clone().unwrap_or_else(|| default_output(&words.sources[0]));
    if let Some(folder) = output.parent().filter(|_| words.output.is_none()) {
        std::fs::create_dir_all(folder)?;
    }
    let options = options(&words)?;
    let mut shown = output::Progress::new();
    let meta = import::import(&words.sources, &output, &options, &mut |progress| {
        if shown.is_terminal() {
            shown.show(&format!(
                "{} MB, {} packets, {} exchanges",
                progress.read_bytes >> 20,
                progress.packets,
                progress.exchanges
            ));
        }
    })?;
    shown.end();
    output::say(&if words.json { serde_json::to_string_pretty(&meta)? } else { account(&output, &meta) })?;
    let stopped = meta.issues.iter().any(|issue| issue.kind == import::STOPPED);
    Ok(if stopped { Done::Finding } else { Done::Fine })
}

fn default_output(source: &Path) -> PathBuf {
    let name = source.file_name().map_or_else(|| "stdin".into(), |name| name.to_string_lossy().into_owned());
    let stem = name.split(".pcap").next().filter(|stem| !stem.is_empty() && *stem != "-").unwrap_or("stdin");
    Path::new("captures").join(format!("{stem}.parquet"))
}

fn options(words: &Words) -> Result<ImportOptions, Failure> {
    let decode = words.decode.iter().map(|text| import::parse_decode(text)).collect::<Result<_, _>>()?;
    let rules = words.rules.as_deref().map_or_else(|| Ok(Rules::builtin()), |path| Rules::load(path).map(Arc::new))?;
    let dissect = dissect::Options { keep_responses: words.keep_responses, rules, ..dissect::Options::default() };
    let (session_by, redaction, redaction_key) = (words.session_by.clone(), words.redact, words.redact_key);
    Ok(ImportOptions { decode, session_by, dissect, redaction, redaction_key, stop: interrupt::flag()? })
}

fn policy(name: &str) -> Result<Policy, String> {
    Policy::parse(name).ok_or_else(|| format!("unknown policy `{name}`, known are default and off"))
}

fn key(text: &str) -> Result<u128, String> {
    u128::from_str_radix(text, 16).map_err(|_| "a key has up to 32 hexadecimal digits".to_owned())
}

/// What came out and what was lost, in a few lines.
fn account(output: &Path, meta: &TraceMeta) -> String {
    let path = output.display();
    let mut lines = vec![format!(
        "{path}: {} exchanges in {} sessions over {:.3} s",
        meta.exchanges,
        meta.sessions,
        meta.span_ns as f64 / 1e9
    )];
    if let Some(loss) = &meta.loss {
        let dropped: u64 = loss.packets_dropped.values().sum();
        lines.push(format!("packets: {} read, {} decoded, {dropped} not decoded", loss.packets_read, loss.packets_decoded));
        lines.push(format!(
            "bytes: {} put in order, {} missing, {} seen twice",
            loss.bytes_reassembled, loss.bytes_missing, loss.bytes_repeated
        ));
        let (incomplete, lost) = (loss.exchanges.incomplete, loss.exchanges.lost);
        let whole = meta.exchanges.saturating_sub(incomplete);
        lines.push(format!("exchanges: {whole} whole, {incomplete} incomplete, {lost} lost with their requests"));
        lines.extend(loss.undecoded.iter().map(|(what, lost)| {
            let (connections, packets) = (lost.connections, lost.packets);
            let (up, down) = (lost.client_bytes, lost.server_bytes);
            format!("not decoded: {what}: {connections} connections, {packets} packets, {up} bytes up, {down} bytes down")
        }));
    }
    lines.extend(meta.issues.iter().map(|issue| format!("{} × {} (first: {})", issue.count, issue.kind, issue.first)));
    lines.push(format!("next: rehearsal inspect {path}"));
    lines.join("\n")
}
