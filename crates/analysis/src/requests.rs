//! The requests that a reader wants to see one by one: the slowest, and some that failed, with what they asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use polars::prelude::{DataFrame, IntoLazy, JoinArgs, JoinType, NamedFrom, PolarsResult, Series, col};
use serde::Serialize;

use crate::errors::kind;
use crate::load::{Run, integers};
use crate::totals::answered;
use crate::{Error, Result};

/// Requests of each list.
pub const SHOWN_MAX: usize = 20;
/// Bytes of a body that are shown.
const BODY_SHOWN_MAX: usize = 160;
/// Kinds of failure that are told apart while looking for examples.
const KINDS_MAX: usize = 100;

/// A request of the run and what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The exchange's id in the trace.
    pub id: u64,
    /// Which copy of it.
    pub copy: u32,
    /// When it was due, ns since run start.
    pub due_ns: i64,
    /// From then until its last byte, or until it failed, ns; `None` where it was never sent.
    pub response_ns: Option<i64>,
    /// From the send on, likewise.
    pub service_ns: Option<i64>,
    /// What was addressed.
    pub collection: String,
    /// The normalized verb.
    pub operation: String,
    /// The error class or status of a failed one.
    pub failure: Option<String>,
    /// Method, target and the beginning of the body, out of the trace; `None` where the trace is not at hand.
    pub content: Option<String>,
}

/// Requests to look at one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Those with the longest response times, the slowest first.
    pub slowest: Vec<Request>,
    /// The first of each kind of failure, by due instant.
    pub failed: Vec<Request>,
    /// Why no content is shown; `None` where it is.
    pub no_content: Option<String>,
}

/// What finds a request again in the outcomes.
type Key = (u64, u32);

impl Requests {
    /// Two passes over numbers, and one for the texts of those that were picked.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run) -> Result<Self> {
        let failed = |e| Error::outcomes(&run.dir, e);
        let slowest = slowest(run)?;
        let failures = first_failures(run)?;
        let keys: Vec<Key> = slowest.iter().chain(&failures).copied().collect::<BTreeSet<Key>>().into_iter().collect();
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let mut found: HashMap<Key, Request> = HashMap::new();
        let wanted = keys_frame(&keys).map_err(failed)?.lazy();
        let columns = ["id", "copy", "due_ns", "sent_ns", "done_ns", "collection", "operation", "error", "status", "ok"];
        let on = [col("id"), col("copy")];
        for batch in
            run.scan(|outcomes| outcomes.select(columns.map(col)).join(wanted, on.clone(), on, JoinArgs::new(JoinType::Inner)))?
        {
            read(&batch?, &mut found).map_err(failed)?;
        }
        let no_content = add_content(Path::new(&run.info.trace), &mut found);
        let take = |keys: &[Key]| keys.iter().filter_map(|key| found.get(key).cloned()).collect();
        Ok(Self { slowest: take(&slowest), failed: take(&failures), no_content })
    }
}

/// The answered requests with the longest response times; of equal ones the earlier in the trace.
fn slowest(run: &Run) -> Result<Vec<Key>> {
    let mut top: Vec<(i64, Key)> = Vec::new();
    let columns = [col("id"), col("copy"), (col("done_ns") - col("due_ns")).alias("response_ns")];
    for batch in run.scan(|outcomes| outcomes.filter(answered()).select(columns))? {
        let batch = batch?;
        take_slowest(&batch, &mut top).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    Ok(top.into_iter().map(|(_, key)| key).collect())
}

fn take_slowest(batch: &DataFrame, top: &mut Vec<(i64, Key)>) -> PolarsResult<()> {
    let least = if top.len() < SHOWN_MAX { i64::MIN } else { top[SHOWN_MAX - 1].0 };
    let slow = integers(batch, "response_ns")?.zip(keys(batch)?).filter(|(response_ns, _)| *response_ns >= least);
    top.extend(slow);
    top.sort_unstable_by_key(|(response_ns, key)| (std::cmp::Reverse(*response_ns), *key));
    top.truncate(SHOWN_MAX);
    Ok(())
}

fn keys(batch: &DataFrame) -> PolarsResult<impl Iterator<Item = Key> + '_> {
    let (ids, copies) = (batch.column("id")?.u64()?, batch.column("copy")?.u32()?);
    Ok(ids.iter().zip(copies.iter()).map(|(id, copy)| (id.unwrap_or_default(), copy.unwrap_or_default())))
}

/// The first failures of each kind by due instant, so many of each that [`SHOWN_MAX`] are shown.
fn first_failures(run: &Run) -> Result<Vec<Key>> {
    let mut kinds: BTreeMap<String, Vec<(i64, Key)>> = BTreeMap::new();
    let columns = ["id", "copy", "due_ns", "error", "status"].map(col);
    for batch in run.scan(|outcomes| outcomes.filter(col("ok").not()).select(columns))? {
        take_failures(&batch?, &mut kinds).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    let mut shown: Vec<(i64, Key)> = Vec::new();
    for round in 0..SHOWN_MAX {
        let room = SHOWN_MAX - shown.len();
        shown.extend(kinds.values().filter_map(|first| first.get(round)).take(room).copied());
    }
    shown.sort_unstable();
    Ok(shown.into_iter().map(|(_, key)| key).collect())
}

fn take_failures(batch: &DataFrame, kinds: &mut BTreeMap<String, Vec<(i64, Key)>>) -> PolarsResult<()> {
    let (errors, statuses) = (batch.column("error")?.str()?, batch.column("status")?.str()?);
    let rows = integers(batch, "due_ns")?.zip(keys(batch)?).zip(errors.iter().zip(statuses.iter()));
    for ((due_ns, key), (error, status)) in rows {
        let kind = kind(error, status);
        if !kinds.contains_key(&kind) && kinds.len() >= KINDS_MAX {
            continue;
        }
        let first = kinds.entry(kind).or_default();
        if first.len() < SHOWN_MAX || first[SHOWN_MAX - 1] > (due_ns, key) {
            first.insert(first.partition_point(|other| *other < (due_ns, key)), (due_ns, key));
            first.truncate(SHOWN_MAX);
        }
    }
    Ok(())
}

fn keys_frame(keys: &[Key]) -> PolarsResult<DataFrame> {
    let ids: Vec<u64> = keys.iter().map(|key| key.0).collect();
    let copies: Vec<u32> = keys.iter().map(|key| key.1).collect();
    DataFrame::new(keys.len(), vec![Series::new("id".into(), ids).into(), Series::new("copy".into(), copies).into()])
}

fn read(batch: &DataFrame, found: &mut HashMap<Key, Request>) -> PolarsResult<()> {
    let instants = |name| batch.column(name)?.i64();
    let texts = |name| batch.column(name)?.str();
    let (due, sent, done) = (instants("due_ns")?, instants("sent_ns")?, instants("done_ns")?);
    let (collections, operations) = (texts("collection")?, texts("operation")?);
    let (errors, statuses, ok) = (texts("error")?, texts("status")?, batch.column("ok")?.bool()?);
    for (row, (id, copy)) in keys(batch)?.enumerate() {
        let due_ns = due.get(row).unwrap_or_default();
        let done_ns = sent.get(row).and(done.get(row));
        let request = Request {
            id,
            copy,
            due_ns,
            response_ns: done_ns.map(|done_ns| done_ns - due_ns),
            service_ns: done_ns.zip(sent.get(row)).map(|(done_ns, sent_ns)| done_ns - sent_ns),
            collection: collections.get(row).unwrap_or_default().to_owned(),
            operation: operations.get(row).unwrap_or_default().to_owned(),
            failure: (ok.get(row) == Some(false)).then(|| kind(errors.get(row), statuses.get(row))),
            content: None,
        };
        found.insert((id, copy), request);
    }
    Ok(())
}

/// Fills in what the requests asked for; says why not where the trace is gone or another one.
fn add_content(trace: &Path, found: &mut HashMap<Key, Request>) -> Option<String> {
    let ids: Vec<u64> = found.keys().map(|key| key.0).collect();
    let columns = ["collection", "operation", "method", "target", "request"];
    let exchanges = match trace::exchanges_of(trace, &ids, &columns) {
        Ok(exchanges) => exchanges,
        Err(error) => return Some(format!("What they asked for is not shown: {error}.")),
    };
    let by_id: HashMap<u64, &trace::Exchange> = exchanges.iter().map(|exchange| (exchange.id, exchange)).collect();
    let same = |request: &Request| {
        let exchange = by_id.get(&request.id)?;
        (*exchange.collection == *request.collection && *exchange.operation == *request.operation).then_some(*exchange)
    };
    if found.values().any(|request| same(request).is_none()) {
        return Some(format!("What they asked for is not shown: {} is no longer the trace that was replayed.", trace.display()));
    }
    let contents: Vec<(Key, String)> = found.iter().filter_map(|(key, request)| Some((*key, content(same(request)?)))).collect();
    for (key, content) in contents {
        found.entry(key).and_modify(|request| request.content = Some(content));
    }
    None
}

/// Method, target and the beginning of the body, in one line.
fn content(exchange: &trace::Exchange) -> String {
    let body = exchange.request.as_deref().unwrap_or_default();
    let shown = String::from_utf8_lossy(&body[..body.len().min(BODY_SHOWN_MAX)]);
    let shown: String = shown.chars().map(|c| if c.is_control() || c == '\u{fffd}' { '·' } else { c }).collect();
    let more = if body.len() > BODY_SHOWN_MAX { "…" } else { "" };
    format!("{} {} {shown}{more}", exchange.method, exchange.target).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_shown_in_one_line_and_cut() {
        let exchange = |body: &'static [u8]| trace::Exchange {
            method: "POST".into(),
            target: "/a?b=1".into(),
            request: Some(body.into()),
            ..trace::Exchange::default()
        };
        assert_eq!(content(&exchange(b"{\n\"a\": 1}")), "POST /a?b=1 {·\"a\": 1}");
        assert_eq!(content(&exchange(&[0xff, b'x'])), "POST /a?b=1 ·x");
        assert_eq!(content(&trace::Exchange { request: None, ..exchange(b"") }), "POST /a?b=1");
        assert!(content(&exchange(&[b'x'; 1000])).ends_with("x…"));
    }
}
