//! What the whole run comes to: counts, sizes, and the instants it spans.

use polars::prelude::{DataFrame, DataType, Expr, PolarsResult, col, len, lit};
use serde::Serialize;
use stats::fidelity::Completeness;
use trace::ErrorClass;

use crate::load::Run;
use crate::{Error, Result};

/// Why there is nothing to say of a run whose files are there.
pub(crate) const NO_ROWS: &str = "the run's outcomes hold no rows outside a warm-up; nothing was due";

/// Counts and sums over all outcomes. Instants are ns since run start, sizes bytes on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Outcomes, one a request of the schedule.
    pub requests: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that got a whole answer, good or bad.
    pub answered: u64,
    /// Good answers.
    pub ok: u64,
    /// Requests that never left because a limit was reached.
    pub shed: u64,
    /// Those of them that the generator itself is to blame for: queued bytes or descriptors ran out.
    pub shed_by_generator: u64,
    /// Requests not sent because they cannot be replayed.
    pub unreplayable: u64,
    /// Requests not sent because the run ended before.
    pub aborted: u64,
    /// Requests neither sent nor given a reason: always 0 in a sound run.
    pub unexplained: u64,
    /// Sent requests that had waited for a connection to be free (not for a new one to be made) or for a limit of the generator.
    pub queued: u64,
    /// Sent requests that had waited for their own session's earlier answer.
    pub blocked: u64,
    /// Records, vectors or rows in requests with a good answer.
    pub items_ok: u64,
    /// Bytes of the requests that were sent.
    pub request_bytes: u64,
    /// Bytes of all answers.
    pub response_bytes: u64,
    /// When the first request was due.
    pub first_due_ns: i64,
    /// When the last request was due.
    pub last_due_ns: i64,
    /// When the first request was sent; `None` where none was.
    pub first_sent_ns: Option<i64>,
    /// When the last request was sent.
    pub last_sent_ns: Option<i64>,
    /// When the last answer or failure came; `None` where none did.
    pub last_done_ns: Option<i64>,
}

/// True for rows with a whole answer: good or bad, but received.
pub(crate) fn answered() -> Expr {
    let named = ErrorClass::ALL.iter().filter(|class| class.is_answered()).map(|class| col("error").eq(lit(class.as_str())));
    let whole = named.fold(col("error").is_null(), |any, class| any.or(class.fill_null(lit(false))));
    whole.and(col("sent_ns").is_not_null()).and(col("done_ns").is_not_null())
}

/// True for rows of requests that a limit kept from being sent.
pub(crate) fn is_shed() -> Expr {
    unsent_rows(ErrorClass::is_shed)
}

/// How many rows hold.
fn hits(condition: Expr) -> Expr {
    condition.cast(DataType::UInt64).sum()
}

/// How many rows were not sent for one of the classes.
fn unsent(of: impl Fn(ErrorClass) -> bool) -> Expr {
    hits(unsent_rows(of))
}

/// True for rows that were not sent for one of the classes.
fn unsent_rows(of: impl Fn(ErrorClass) -> bool) -> Expr {
    let named = ErrorClass::ALL.iter().filter(|class| of(**class)).map(|class| col("error").eq(lit(class.as_str())));
    col("sent_ns").is_null().and(named.reduce(Expr::or).unwrap_or_else(|| lit(false)).fill_null(lit(false)))
}

/// Sheds at the in-flight and connection limits are overload of the target; these are the generator's own.
fn is_generators(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::ShedQueuedBytes | ErrorClass::ShedDescriptors)
}

/// A sum over the rows that hold.
fn sum_where(column: &str, condition: Expr) -> Expr {
    (col(column).cast(DataType::UInt64) * condition.cast(DataType::UInt64)).sum()
}

impl Totals {
    /// One pass over the run.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged, [`Error::Empty`] when the parts hold no rows.
    pub fn load(run: &Run) -> Result<Self> {
        let failed = |e| Error::outcomes(&run.dir, e);
        for batch in run.scan(|outcomes| outcomes.select(Self::expressions()))? {
            let totals = Self::read(&batch?).map_err(failed)?;
            if totals.requests > 0 {
                return Ok(totals);
            }
        }
        Err(Error::Empty { path: run.dir.clone(), reason: NO_ROWS.to_owned() })
    }

    fn expressions() -> Vec<Expr> {
        let sent = || col("sent_ns").is_not_null();
        vec![
            len().cast(DataType::UInt64).alias("requests"),
            hits(sent()).alias("sent"),
            hits(answered()).alias("answered"),
            hits(col("ok")).alias("ok"),
            unsent(ErrorClass::is_shed).alias("shed"),
            unsent(is_generators).alias("shed_by_generator"),
            unsent(|class| class == ErrorClass::Unreplayable).alias("unreplayable"),
            unsent(|class| class == ErrorClass::Aborted).alias("aborted"),
            hits(sent().not().and(col("error").is_null())).alias("unexplained"),
            hits(sent().and(col("queued_ns").gt(lit(0))).and(col("connect_ns").is_null())).alias("queued"),
            hits(sent().and(col("blocked_ns").gt(lit(0)))).alias("blocked"),
            sum_where("items", col("ok")).alias("items_ok"),
            sum_where("request_bytes", sent()).alias("request_bytes"),
            col("response_bytes").sum(),
            col("due_ns").min().alias("first_due_ns"),
            col("due_ns").max().alias("last_due_ns"),
            col("sent_ns").min().alias("first_sent_ns"),
            col("sent_ns").max().alias("last_sent_ns"),
            col("done_ns").max().alias("last_done_ns"),
        ]
    }

    fn read(row: &DataFrame) -> PolarsResult<Self> {
        let count = |name: &str| PolarsResult::Ok(row.column(name)?.u64()?.get(0).unwrap_or_default());
        let instant = |name: &str| PolarsResult::Ok(row.column(name)?.i64()?.get(0));
        Ok(Self {
            requests: count("requests")?,
            sent: count("sent")?,
            answered: count("answered")?,
            ok: count("ok")?,
            shed: count("shed")?,
            shed_by_generator: count("shed_by_generator")?,
            unreplayable: count("unreplayable")?,
            aborted: count("aborted")?,
            unexplained: count("unexplained")?,
            queued: count("queued")?,
            blocked: count("blocked")?,
            items_ok: count("items_ok")?,
            request_bytes: count("request_bytes")?,
            response_bytes: count("response_bytes")?,
            first_due_ns: instant("first_due_ns")?.unwrap_or_default(),
            last_due_ns: instant("last_due_ns")?.unwrap_or_default(),
            first_sent_ns: instant("first_sent_ns")?,
            last_sent_ns: instant("last_sent_ns")?,
            last_done_ns: instant("last_done_ns")?,
        })
    }

    /// Requests due per second: intervals between due instants over the time they cover. `None` for fewer than two requests.
    #[must_use]
    pub fn offered_per_s(&self) -> Option<f64> {
        intervals_per_s(self.requests, Some(self.first_due_ns), Some(self.last_due_ns))
    }

    /// Requests sent per second, likewise.
    #[must_use]
    pub fn achieved_per_s(&self) -> Option<f64> {
        intervals_per_s(self.sent, self.first_sent_ns, self.last_sent_ns)
    }

    /// From the first due instant to the last answer or failure, in seconds; `None` where nothing came back, or there was but one request.
    #[must_use]
    pub fn duration_s(&self) -> Option<f64> {
        let duration_ns = self.last_done_ns? - self.first_due_ns;
        (duration_ns > 0 && self.requests > 1).then_some(duration_ns as f64 / 1e9)
    }

    /// An amount per second of [`Totals::duration_s`].
    #[must_use]
    pub fn amount_per_s(&self, amount: u64) -> Option<f64> {
        Some(amount as f64 / self.duration_s()?)
    }

    /// Requests without a good answer, whoever is to blame.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.requests - self.ok
    }

    /// What the timing's completeness is judged by.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        let scheduled = self.requests - self.unreplayable - self.aborted;
        Completeness {
            scheduled,
            missed_by_generator: self.shed_by_generator,
            missed_by_target: scheduled - self.sent - self.shed_by_generator - self.unexplained,
        }
    }

    /// `part` as a share of all requests.
    #[must_use]
    pub fn share(&self, part: u64) -> f64 {
        part as f64 / self.requests as f64
    }
}

fn intervals_per_s(events: u64, first_ns: Option<i64>, last_ns: Option<i64>) -> Option<f64> {
    let span_ns = last_ns? - first_ns?;
    (events > 1 && span_ns > 0).then(|| (events - 1) as f64 * 1e9 / span_ns as f64)
}
