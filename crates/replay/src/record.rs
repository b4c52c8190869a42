//! The one thread that writes: outcomes and latency slices to files, sends to the judge of timing, live figures to whoever looks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use hdrhistogram::Histogram;
use serde::Serialize;
use stats::fidelity::FidelityMeter;
use trace::{DifferenceRow, ErrorClass, Match, OutcomeRow, OutcomeWriter, RunNs, write_differences};

use crate::Result;
use crate::abort::{Aborted, Over, Watch};
use crate::answer::{Judge, Verdict};
use crate::clock::Clock;
use crate::limits::{DIFFERENCES_EACH_MAX, DIFFERENCES_MAX};
use crate::outcome::{Outcome, Report, Send};
use crate::phases::Phases;
use crate::progress::Progress;
use crate::request::{Label, Labels};
use crate::slices::{Measured, Slices, VALUE_NS_MAX};
use crate::stop::Stop;
use crate::target::Targets;
use crate::text::Text;

/// A part of the outcomes is closed after so many ns: about what a kill can lose.
const PART_NS: i64 = 5_000_000_000;
/// Between two updates of the live figures, ns.
const INTERVAL_NS: i64 = 500_000_000;

/// What the recorder counted over the whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Requests with an outcome, which is all that fell due.
    pub outcomes: u64,
    /// Requests sent.
    pub sent: u64,
    /// Good answers.
    pub ok: u64,
    /// Answers with a bad status.
    pub bad_status: u64,
    /// Requests without an answer, by class.
    pub errors: BTreeMap<&'static str, u64>,
    /// Requests that could be sent and never were, by class.
    pub unsent: BTreeMap<&'static str, u64>,
    /// Requests that waited because `--max-connections` was reached.
    pub limited: u64,
    /// Requests that waited for their own session's earlier answer.
    pub blocked: u64,
    /// Connections opened.
    pub connections: u64,
    /// Of those opened beforehand, the ones that were open at run start.
    pub open_at_start: u64,
    /// Most requests in flight at once, as seen at each report.
    pub in_flight_max: u64,
    /// Bytes of requests sent.
    pub request_bytes: u64,
    /// Bytes of answers received.
    pub response_bytes: u64,
    /// The first and last due instant, ns since run start.
    pub due_ns: Option<(i64, i64)>,
    /// The first and last send.
    pub sent_ns: Option<(i64, i64)>,
    /// When the last request was over.
    pub done_ns: i64,
    /// Answers held against the recorded ones.
    #[serde(skip_serializing_if = "Compared::is_empty")]
    pub compared: Compared,
}

/// How answers agree with the recorded ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Compared {
    /// Requests by agreement ([`Match`]).
    pub matches: BTreeMap<&'static str, u64>,
    /// Answers whose ids could be held against recorded ones.
    pub recalls: u64,
    /// The mean share of recorded ids that were found again.
    pub recall_mean: f64,
    /// The least.
    pub recall_min: Option<f64>,
}

impl Compared {
    fn is_empty(&self) -> bool {
        self.matches.is_empty()
    }

    fn add(&mut self, verdict: &Verdict) {
        if let Some(matched) = verdict.matched {
            *self.matches.entry(matched.as_str()).or_default() += 1;
        }
        if let Some(recall) = verdict.recall {
            self.recalls += 1;
            self.recall_mean += (recall - self.recall_mean) / self.recalls as f64;
            self.recall_min = Some(self.recall_min.map_or(recall, |least| least.min(recall)));
        }
    }

    /// Requests for which `which` holds.
    #[must_use]
    pub fn count(&self, which: fn(Match) -> bool) -> u64 {
        let wanted = |name: &str| Match::parse(name).is_some_and(which);
        self.matches.iter().filter(|(name, _)| wanted(name)).map(|(_, count)| count).sum()
    }
}

/// The first examples of each kind of difference.
struct Differences {
    dir: PathBuf,
    rows: Vec<DifferenceRow>,
    seen: BTreeMap<(u32, Match), usize>,
}

impl Differences {
    fn add(&mut self, outcome: &Outcome, label: &Label, verdict: Verdict) {
        let (Some(matched), Some(difference)) = (verdict.matched, verdict.difference) else { return };
        let seen = self.seen.entry((outcome.label, matched)).or_default();
        if *seen >= DIFFERENCES_EACH_MAX || self.rows.len() >= DIFFERENCES_MAX {
            return;
        }
        *seen += 1;
        let (collection, operation) = (label.collection.clone(), label.operation.clone());
        let (id, copy, matched) = (outcome.id, outcome.copy, matched.as_str().to_owned());
        self.rows.push(DifferenceRow { id, copy, collection, operation, r#match: matched, difference });
    }

    /// Written in the order of the trace, whichever worker was first.
    fn finish(mut self) -> Result<()> {
        self.rows.sort_by_key(|row| (row.id, row.copy));
        if self.rows.is_empty() { Ok(()) } else { Ok(write_differences(&self.dir, &self.rows)?) }
    }
}

impl Counts {
    fn add(&mut self, outcome: &Outcome, verdict: &Verdict) {
        self.compared.add(verdict);
        self.outcomes += 1;
        self.sent += u64::from(outcome.sent.is_some());
        self.ok += u64::from(outcome.ok());
        self.bad_status += u64::from(outcome.error.is_none() && !outcome.ok());
        self.limited += u64::from(outcome.limited);
        self.blocked += u64::from(outcome.blocked_ns > 0);
        if let Some(class) = outcome.error {
            *self.errors.entry(class.as_str()).or_default() += 1;
            if outcome.sent.is_none() && class != ErrorClass::Unreplayable {
                *self.unsent.entry(class.as_str()).or_default() += 1;
            }
        }
        if outcome.sent.is_some() {
            self.request_bytes += outcome.request_bytes;
        }
        self.response_bytes += outcome.response_bytes;
        widen(&mut self.due_ns, outcome.due);
        outcome.sent.iter().for_each(|sent| widen(&mut self.sent_ns, *sent));
        self.done_ns = self.done_ns.max(outcome.done.ns());
    }

    /// Requests that failed with `class`.
    #[must_use]
    pub fn errors_of(&self, class: ErrorClass) -> u64 {
        self.errors.get(class.as_str()).copied().unwrap_or(0)
    }
}

fn widen(range: &mut Option<(i64, i64)>, at: RunNs) {
    let (first, last) = range.unwrap_or((at.ns(), at.ns()));
    *range = Some((first.min(at.ns()), last.max(at.ns())));
}

/// What the recorder leaves behind besides files.
pub struct Recorded {
    /// Counts over the run, without the warm-up.
    pub counts: Counts,
    /// Counts over the warm-up.
    pub warmup: Counts,
    /// Every send, as the judge of timing saw it.
    pub meter: FidelityMeter,
    /// Response times of answered requests, ns.
    pub response_ns: Histogram<u64>,
    /// What ended the run early.
    pub aborted: Option<Aborted>,
}

/// Figures of the interval under way.
struct Interval {
    since: RunNs,
    sent: u64,
    response_ns: Histogram<u64>,
    lateness_ns: Histogram<u64>,
}

impl Interval {
    fn begin(since: RunNs) -> Self {
        Self { since, sent: 0, response_ns: histogram(2), lateness_ns: histogram(2) }
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    // Bounded from the start: one that grows by itself does not do so for `saturating_record`.
    Histogram::new_with_bounds(1, VALUE_NS_MAX, digits).expect("bounds and digits are within what the crate allows")
}

/// Writes a run's files.
pub struct Recorder<'a> {
    clock: Clock,
    phases: Phases,
    targets: Arc<Targets>,
    progress: &'a Progress,
    labels: Arc<Labels>,
    /// Labels seen so far, each with the number of its latency series by phase, where it has one.
    known: Vec<(Arc<Label>, Vec<Option<usize>>)>,
    writer: OutcomeWriter,
    rolled: RunNs,
    slices: Slices,
    recorded: Recorded,
    /// In flight, connections and those open at the start, by worker.
    workers: Vec<[u64; 3]>,
    interval: Interval,
    watch: Watch,
    stop: Stop,
    judge: Judge,
    differences: Differences,
}

impl<'a> Recorder<'a> {
    /// Nothing recorded yet, for the run in `dir`. What `watch` sees coming true makes it ask to `stop`.
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own, wired together once")]
    #[must_use]
    pub fn new(
        dir: &Path,
        phases: Phases,
        clock: Clock,
        targets: Arc<Targets>,
        labels: Arc<Labels>,
        progress: &'a Progress,
        watch: Watch,
        stop: Stop,
        judge: Judge,
    ) -> Self {
        Self {
            clock,
            phases,
            targets,
            progress,
            labels,
            known: Vec::new(),
            writer: OutcomeWriter::new(dir),
            rolled: RunNs(0),
            slices: Slices::new(dir),
            recorded: Recorded {
                counts: Counts::default(),
                warmup: Counts::default(),
                meter: FidelityMeter::new(),
                response_ns: histogram(3),
                aborted: None,
            },
            workers: Vec::new(),
            interval: Interval::begin(RunNs(0)),
            watch,
            stop,
            judge,
            differences: Differences { dir: dir.to_owned(), rows: Vec::new(), seen: BTreeMap::new() },
        }
    }

    /// Records until every worker is done.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the disk is full; the parts closed before stay readable.
    pub fn run(mut self, reports: &Receiver<Report>) -> Result<Recorded> {
        while let Ok(report) = reports.recv() {
            self.take(report)?;
            let now = self.clock.now();
            if now - self.interval.since >= INTERVAL_NS {
                self.slices.write_until(now)?;
                self.show(now);
            }
            if now - self.rolled >= PART_NS {
                self.writer.roll()?;
                self.rolled = now;
            }
        }
        self.show(self.clock.now());
        self.writer.finish()?;
        self.differences.finish()?;
        self.slices.finish()?;
        Ok(self.recorded)
    }

    fn take(&mut self, report: Report) -> Result<()> {
        self.interval.sent += report.sent;
        report.sends.iter().for_each(|send| self.take_send(*send));
        for mut outcome in report.outcomes {
            let phase = self.phases.of(outcome.due);
            let warmup = self.phases.is_warmup(outcome.due);
            let series = self.series(outcome.label, phase);
            let verdict = self.judge.judge(self.known[outcome.label as usize].0.rule, &outcome);
            if verdict.failed {
                outcome.error = Some(ErrorClass::Answer);
            }
            if warmup { &mut self.recorded.warmup } else { &mut self.recorded.counts }.add(&outcome, &verdict);
            self.measure(&outcome, series, warmup);
            self.write(report.worker, &outcome, phase, &verdict)?;
            self.differences.add(&outcome, &self.known[outcome.label as usize].0, verdict);
        }
        let worker = report.worker as usize;
        if worker >= self.workers.len() {
            self.workers.resize(worker + 1, [0; 3]);
        }
        self.workers[worker] = [report.in_flight as u64, report.connections, report.open_at_start];
        let [in_flight, connections, open_at_start] = [0, 1, 2].map(|figure| self.over_workers(figure));
        let counts = &mut self.recorded.counts;
        (counts.connections, counts.open_at_start) = (connections, open_at_start);
        counts.in_flight_max = counts.in_flight_max.max(in_flight);
        if self.recorded.aborted.is_none()
            && let Some(aborted) = self.watch.told(worker, report.until, report.in_flight as u64)
        {
            self.recorded.aborted = Some(aborted);
            self.stop.ask();
        }
        Ok(())
    }

    fn over_workers(&self, figure: usize) -> u64 {
        self.workers.iter().map(|figures| figures[figure]).sum()
    }

    fn take_send(&mut self, send: Send) {
        if !self.phases.is_warmup(send.due) {
            self.recorded.meter.push(send.due.ns(), send.own.ns());
        }
        self.interval.lateness_ns.saturating_record((send.own - send.due).unsigned_abs());
    }

    fn measure(&mut self, outcome: &Outcome, series: usize, warmup: bool) {
        let answered = outcome.answered();
        let response_ns = answered.then_some(outcome.done - outcome.due);
        let service_ns = outcome.sent.filter(|_| answered).map(|sent| outcome.done - sent);
        let lateness_ns = outcome.sent.map(|sent| sent - outcome.due - outcome.blocked_ns - outcome.queued_ns);
        if let Some(response_ns) = response_ns {
            self.interval.response_ns.saturating_record(response_ns.unsigned_abs());
            if !warmup {
                self.recorded.response_ns.saturating_record(response_ns.unsigned_abs());
            }
        }
        if outcome.error != Some(ErrorClass::Unreplayable) {
            let shed = outcome.error.is_some_and(ErrorClass::is_shed);
            self.watch.over(&Over { at: outcome.done, ok: outcome.ok(), shed, response_ns, lateness_ns });
        }
        self.slices.add(outcome.due, series, Measured { values_ns: [response_ns, service_ns, lateness_ns] });
    }

    /// The latency series of a label in a phase. Both are known from then on.
    fn series(&mut self, number: u32, phase: usize) -> usize {
        if number as usize >= self.known.len() {
            self.known.extend(self.labels.since(self.known.len()).into_iter().map(|label| (label, Vec::new())));
        }
        let (label, by_phase) = &mut self.known[number as usize];
        if phase >= by_phase.len() {
            by_phase.resize(phase + 1, None);
        }
        let name = self.phases.name(phase);
        *by_phase[phase].get_or_insert_with(|| self.slices.series(&label.collection, &label.operation, name))
    }

    fn write(&mut self, worker: u32, outcome: &Outcome, phase: usize, verdict: &Verdict) -> Result<()> {
        let (label, _) = &self.known[outcome.label as usize];
        let mut digits = [0; 3];
        let row = OutcomeRow {
            id: outcome.id,
            copy: outcome.copy,
            phase: self.phases.name(phase),
            worker,
            session: outcome.session,
            stream: outcome.stream,
            conn: outcome.conn,
            kind: label.kind,
            effect: label.effect,
            txn: label.txn.as_deref().zip(outcome.txn.as_ref().map(Text::as_str)),
            protocol: &label.protocol,
            collection: &label.collection,
            operation: &label.operation,
            target: &self.targets.list()[label.target].origin,
            due: outcome.due,
            blocked_ns: outcome.blocked_ns,
            queued_ns: outcome.queued_ns,
            sent: outcome.sent,
            first_byte: outcome.first_byte,
            done: Some(outcome.done),
            connect_ns: outcome.connect_ns,
            status: status_text(outcome.status, &mut digits),
            ok: outcome.ok(),
            error: outcome.error,
            items: outcome.items,
            request_bytes: outcome.request_bytes,
            response_bytes: outcome.response_bytes,
            matched: verdict.matched,
            recall: verdict.recall.map(|share| share as f32),
            rank_correlation: verdict.rank_correlation.map(|rho| rho as f32),
        };
        Ok(self.writer.push(&row)?)
    }

    /// Brings the live figures up to date and begins a new interval.
    fn show(&mut self, now: RunNs) {
        let interval = std::mem::replace(&mut self.interval, Interval::begin(now));
        let seconds = (now - interval.since).max(1) as f64 / 1e9;
        let quantile = |histogram: &Histogram<u64>, q| (!histogram.is_empty()).then(|| histogram.value_at_quantile(q));
        let both = [&self.recorded.warmup, &self.recorded.counts];
        let shed_of =
            |counts: &Counts| ErrorClass::ALL.iter().filter(|class| class.is_shed()).map(|class| counts.errors_of(*class)).sum();
        let sum = |of: &dyn Fn(&Counts) -> u64| both.iter().map(|counts| of(counts)).sum();
        let (over, ok, shed): (u64, u64, u64) = (sum(&|counts| counts.outcomes), sum(&|counts| counts.ok), sum(&shed_of));
        let in_flight = self.over_workers(0);
        self.progress.update(|live| {
            (live.at, live.in_flight, live.shed) = (now, in_flight, shed);
            live.sent += interval.sent;
            (live.over, live.failed) = (over, over - ok);
            live.rate_per_s = interval.sent as f64 / seconds;
            live.p50_ns = quantile(&interval.response_ns, 0.5);
            live.p99_ns = quantile(&interval.response_ns, 0.99);
            live.lateness_p99_ns = quantile(&interval.lateness_ns, 0.99);
        });
    }
}

/// The three digits of a status; `None` for none.
fn status_text(status: u16, digits: &mut [u8; 3]) -> Option<&str> {
    if status == 0 {
        return None;
    }
    *digits = [status / 100 % 10, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
    std::str::from_utf8(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_three_digits() {
        let mut digits = [0; 3];
        assert_eq!(status_text(404, &mut digits), Some("404"));
        assert_eq!(status_text(99, &mut digits), Some("099"));
        assert_eq!(status_text(0, &mut digits), None);
    }
}
