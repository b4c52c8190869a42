//! Units of work that are several requests: how many, how long from the first due instant to the last byte, and whether all went well.

use std::collections::BTreeMap;

use polars::prelude::{DataFrame, DataType, Expr, LazyFrame, PolarsResult, col, len};
use serde::Serialize;

use crate::distribution::Distribution;
use crate::latency::{GROUPS_MAX, OTHER};
use crate::load::integers;
use crate::totals::Totals;
use crate::{Error, Result, Run};

/// All transactions of one name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Transactions {
    /// Their name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// Those of which every request got a good answer.
    pub ok: u64,
    /// Requests they are made of.
    pub requests: u64,
    /// Good ones per second of the run.
    pub ok_per_s: Option<f64>,
    /// From the due instant of the first request to the last byte of the last answer, of the good ones.
    pub duration: Distribution,
}

/// What is gathered of one name: good ones as (first due instant, duration).
#[derive(Default)]
struct Gathered {
    count: u64,
    requests: u64,
    good_ns: Vec<(i64, i64)>,
}

/// The transactions of a run by name, the most frequent first; empty where there are none.
///
/// # Errors
/// [`Error::Outcomes`] when a part is damaged.
pub fn load(run: &Run, totals: &Totals) -> Result<Vec<Transactions>> {
    let mut names: BTreeMap<String, Gathered> = BTreeMap::new();
    for batch in run.scan(by_transaction)? {
        take(&batch?, &mut names).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    let mut all: Vec<Transactions> = names.into_iter().map(|(name, gathered)| gathered.measured(name, totals)).collect();
    all.sort_by_key(|transactions| std::cmp::Reverse(transactions.count));
    Ok(all)
}

/// One row a transaction: what has the same name, id, session and copy belongs to one.
fn by_transaction(outcomes: LazyFrame) -> LazyFrame {
    let member = |name: &str| col("txn").struct_().field_by_name(name);
    let count = |values: Expr, name: &str| values.cast(DataType::Int64).alias(name);
    let keys = [member("name").alias("name"), member("id").alias("id"), col("session"), col("copy")];
    let figures = [
        count(len(), "requests"),
        count(col("ok").cast(DataType::Int64).sum(), "good"),
        col("due_ns").min().alias("from_ns"),
        col("done_ns").max().alias("to_ns"),
    ];
    outcomes.filter(col("txn").is_not_null()).group_by(keys).agg(figures)
}

fn take(batch: &DataFrame, names: &mut BTreeMap<String, Gathered>) -> PolarsResult<()> {
    let counts = integers(batch, "requests")?.zip(integers(batch, "good")?);
    let instants = integers(batch, "from_ns")?.zip(batch.column("to_ns")?.i64()?.iter());
    let rows = batch.column("name")?.str()?.iter().zip(counts).zip(instants);
    for ((name, (requests, good)), (from_ns, to_ns)) in rows {
        let name = name.unwrap_or_default();
        let name = if names.len() >= GROUPS_MAX && !names.contains_key(name) { OTHER } else { name };
        let gathered = names.entry(name.to_owned()).or_default();
        gathered.count += 1;
        gathered.requests += requests.unsigned_abs();
        gathered.good_ns.extend(to_ns.filter(|_| good == requests).map(|to_ns| (from_ns, to_ns - from_ns)));
    }
    Ok(())
}

impl Gathered {
    fn measured(mut self, name: String, totals: &Totals) -> Transactions {
        self.good_ns.sort_unstable();
        let durations_ns: Vec<i64> = self.good_ns.iter().map(|(_, duration_ns)| *duration_ns).collect();
        let ok = durations_ns.len() as u64;
        let (count, requests) = (self.count, self.requests);
        Transactions {
            name,
            count,
            ok,
            requests,
            ok_per_s: totals.amount_per_s(ok),
            duration: Distribution::of(&[&durations_ns]),
        }
    }
}
