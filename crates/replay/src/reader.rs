//! The one thread that reads the trace: rows become prepared requests with due instants, in blocks, ahead of time but not far.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use serde::Serialize;
use trace::{Row, RunNs, TraceNs};

use crate::answer;
use crate::content::{Content, Place};
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_ROWS_MAX, BLOCK_SPAN_NS, REORDER_BYTES_MAX};
use crate::request::{Block, Budget, Planned, Preparer};
use crate::schedule::{Reorder, Schedule};
use crate::spool::{self, ChainOf, Spool, SpoolWriter, Spooled};
use crate::stop::Stop;
use crate::target::Targets;
use crate::{Error, Result};

/// The columns a replay needs.
const COLUMNS: &[&str] = &[
    "stream",
    "kind",
    "effect",
    "txn",
    "protocol",
    "collection",
    "operation",
    "method",
    "target",
    "headers",
    "request",
    "items",
    "flags",
    "latency_ns",
];

/// How long the reader sleeps at most while it is far enough ahead.
const PATIENCE: Duration = Duration::from_millis(50);

/// Which worker takes what: one group of workers for each driver in use, sessions spread over the group in turn.
#[derive(Debug, Clone)]
pub struct Routes {
    group_of_target: Vec<usize>,
    workers_of_group: usize,
}

impl Routes {
    /// Routes to `workers_of_group` workers for each group; `groups` gives the group of each target.
    #[must_use]
    pub fn new(groups: Vec<usize>, workers_of_group: usize) -> Self {
        Self { group_of_target: groups, workers_of_group }
    }

    fn lane(&self, target: usize, session: u64) -> usize {
        self.group_of_target[target] * self.workers_of_group + (session % self.workers_of_group as u64) as usize
    }
}

/// What the reader counted.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ReaderFigures {
    /// Rows handed to workers.
    pub scheduled: u64,
    /// Rows due after the end of the run.
    pub beyond_end: u64,
    /// Rows that a session's recorded gaps put before rows that had already been handed on; they are sent late.
    pub reorder_overrun: u64,
    /// Sessions whose start was forgotten, since there were too many.
    pub sessions_forgotten: u64,
    /// Rows whose collection and operation are called `other`, since there were too many different ones.
    pub labels_merged: u64,
}

/// Reads, prepares, hands on.
pub struct Reader {
    content: Content,
    /// Rows of all passes; `None` where only something else ends the run.
    rows: Option<u64>,
    targets: Arc<Targets>,
    schedule: Schedule,
    preparer: Preparer,
    routes: Routes,
    lanes: Vec<Lane>,
    budget: Arc<Budget>,
    reorder: Reorder<(usize, Planned, Box<[u8]>)>,
    gathering: Option<Gathering>,
    /// Whether workers may be done before the content is.
    users_leave: bool,
    /// Whether one of them is.
    is_deserted: bool,
    /// When the run ends, whatever the trace still holds.
    end: RunNs,
    stop: Stop,
    /// Told once, when workers have all they can have before they begin.
    primed: Option<Sender<()>>,
    /// The earliest instant in a block that is not handed on.
    oldest: Option<RunNs>,
    figures: ReaderFigures,
}

/// How sessions are gathered, where the requests of one are sent only after each other.
#[derive(Debug, Clone)]
pub struct Gathering {
    /// Where they are kept.
    pub spool: Arc<Spool>,
    /// What is sent one after the other.
    pub chain: ChainOf,
    /// Gaps are divided by this.
    pub think_speed: f64,
}

struct Lane {
    block: Block,
    outbox: Sender<Block>,
}

impl Reader {
    /// Has read nothing yet of `content`, which has so many `rows` over all passes.
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own, wired together once")]
    #[must_use]
    pub fn new(
        content: Content,
        rows: Option<u64>,
        targets: Arc<Targets>,
        schedule: Schedule,
        preparer: Preparer,
        routes: Routes,
        outboxes: Vec<Sender<Block>>,
        end: RunNs,
        stop: Stop,
        primed: Sender<()>,
        gathering: Option<Gathering>,
    ) -> Self {
        Self {
            content,
            rows,
            targets,
            schedule,
            preparer,
            routes,
            lanes: outboxes.into_iter().map(|outbox| Lane { block: Block::default(), outbox }).collect(),
            budget: Arc::new(Budget::default()),
            reorder: Reorder::new(REORDER_BYTES_MAX),
            users_leave: gathering.as_ref().is_some_and(|gathering| gathering.chain == ChainOf::Session),
            is_deserted: false,
            gathering,
            end,
            stop,
            primed: Some(primed),
            oldest: None,
            figures: ReaderFigures::default(),
        }
    }

    /// Reads to the end of the content, or until it is to stop.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when a page is damaged; what was read before is replayed.
    pub fn run(mut self) -> Result<ReaderFigures> {
        if let Some(gathering) = self.gathering.take() {
            return self.run_by_answers(&gathering);
        }
        let (content, rows) = (self.content.clone(), self.rows);
        let taken = content.each(&self.columns(), |row, place| self.take(row, place))?.requests;
        let figures = self.finish();
        Ok(match rows {
            Some(rows) => ReaderFigures { beyond_end: figures.beyond_end + rows.saturating_sub(taken), ..figures },
            // Of what goes on for ever, nothing is left out by ending it.
            None => ReaderFigures { beyond_end: 0, ..figures },
        })
    }

    fn columns(&self) -> Vec<&'static str> {
        [COLUMNS, if self.preparer.compares() { answer::COLUMNS } else { &[] }].concat()
    }

    /// Gathers sessions, then hands on the first request of each chain, which has the rest fetched by whoever sends it.
    fn run_by_answers(mut self, gathering: &Gathering) -> Result<ReaderFigures> {
        let spooled = self.gather(gathering)?;
        self.figures.sessions_forgotten = spooled.forgotten;
        for pass in 0..self.content.passes_max() {
            if !self.hand_on_chains(gathering, spooled.first, pass)? {
                break;
            }
        }
        let (rows, figures) = (self.rows, self.finish());
        // How many of them fall due depends on the answers.
        Ok(ReaderFigures { scheduled: rows.unwrap_or(u64::MAX), beyond_end: 0, ..figures })
    }

    /// Writes all requests of one pass to disk, where each leads to the next of its chain.
    fn gather(&mut self, gathering: &Gathering) -> Result<Spooled> {
        let failed = |source| Error::io("gather sessions in", "the run's folder".as_ref(), source);
        let mut writer = SpoolWriter::new(gathering.spool.clone(), gathering.chain, gathering.think_speed);
        let (mut bytes, mut written) = (Vec::new(), Ok(()));
        let columns = self.columns();
        self.content.once().each(&columns, |row, place| {
            bytes.clear();
            let target = self.targets.of(row.collection());
            let planned = self.preparer.prepare(row, place, target, RunNs(0), &mut bytes);
            written = writer.push(place.at, row.latency_ns(), &planned, &bytes);
            written.is_ok() && !self.stop.asked()
        })?;
        written.and_then(|()| writer.finish()).map_err(failed)
    }

    /// Hands on the first request of each chain of one pass. False where no later one will be needed.
    fn hand_on_chains(&mut self, gathering: &Gathering, first: Option<spool::Place>, pass: u64) -> Result<bool> {
        let failed = |source| Error::io("read sessions from", "the run's folder".as_ref(), source);
        let mut buffer = Vec::new();
        let mut next = first;
        while let Some(place) = next {
            if self.stop.asked() || self.is_deserted {
                return Ok(false);
            }
            let record = gathering.spool.read(place, pass, &mut buffer).map_err(failed)?;
            next = record.next_chain;
            let Planned { session, target, .. } = record.planned;
            let lane = self.routes.lane(target as usize, session);
            if gathering.chain == ChainOf::Session {
                // Users take them in this order, whenever they are free.
                self.push(lane, RunNs(0), record.planned, record.request);
            } else {
                let due = self.schedule.due(record.at, session);
                if !self.put_in_order(record.at, due, lane, Planned { due, ..record.planned }, record.request.into()) {
                    return Ok(false);
                }
            }
        }
        Ok(first.is_some())
    }

    /// Takes one row. False where no later one will be needed.
    fn take(&mut self, row: &Row<'_>, place: Place) -> bool {
        if self.stop.asked() {
            return false;
        }
        let target = self.targets.of(row.collection());
        let lane = self.routes.lane(target.unwrap_or(0), place.session);
        let due = self.schedule.due(place.at, place.session);
        if !self.schedule.reorders() {
            if due >= self.end {
                self.figures.beyond_end += 1;
                return false;
            }
            let preparer = &mut self.preparer;
            self.lanes[lane].block.push(|bytes| preparer.prepare(row, place, target, due, bytes));
            self.added(lane, due);
            return true;
        }
        let mut bytes = Vec::new();
        let planned = self.preparer.prepare(row, place, target, due, &mut bytes);
        self.put_in_order(place.at, due, lane, planned, bytes.into())
    }

    /// Holds a request recorded at `at` until nothing is due before it any more. False where all that follows is due after the end.
    fn put_in_order(&mut self, at: TraceNs, due: RunNs, lane: usize, planned: Planned, bytes: Box<[u8]>) -> bool {
        let weight_bytes = bytes.len() + size_of::<Planned>() + planned.expected_bytes();
        self.reorder.push(due, weight_bytes, (lane, planned, bytes));
        let frontier = self.schedule.frontier(at);
        self.release(frontier);
        frontier < self.end
    }

    /// Hands on what nothing is due before any more.
    fn release(&mut self, frontier: RunNs) {
        while let Some((due, (lane, planned, bytes))) = self.reorder.pop(frontier) {
            if due >= self.end {
                self.figures.beyond_end += 1;
                continue;
            }
            self.push(lane, due, planned, &bytes);
        }
    }

    fn push(&mut self, lane: usize, due: RunNs, planned: Planned, bytes: &[u8]) {
        self.lanes[lane].block.push(|all| {
            all.extend_from_slice(bytes);
            planned
        });
        self.added(lane, due);
    }

    /// A request due at `due` was added to the lane's block: hands on what is full or old enough.
    fn added(&mut self, lane: usize, due: RunNs) {
        self.figures.scheduled += 1;
        let block = &self.lanes[lane].block;
        let full = block.len() >= BLOCK_ROWS_MAX || block.bytes() >= BLOCK_BYTES_MAX;
        let oldest = *self.oldest.get_or_insert(due);
        if due - oldest >= BLOCK_SPAN_NS {
            self.hand_on_all();
        } else if full {
            self.hand_on(lane);
        } else {
            return;
        }
        if self.budget.exhausted() {
            self.hand_on_all();
            self.rest();
        }
    }

    fn hand_on(&mut self, lane: usize) {
        let Lane { block, outbox } = &mut self.lanes[lane];
        if block.is_empty() {
            return;
        }
        let room = Block::with_room_of(block);
        let mut block = std::mem::replace(block, room);
        self.budget.book(&mut block);
        if outbox.send(block).is_err() {
            // A worker whose users have left takes no more. One that is gone otherwise has said why; without it the run is over.
            if self.users_leave {
                self.is_deserted = true;
            } else {
                self.stop.ask();
            }
        }
    }

    fn hand_on_all(&mut self) {
        (0..self.lanes.len()).for_each(|lane| self.hand_on(lane));
        self.oldest = None;
    }

    /// Waits until workers need more.
    fn rest(&mut self) {
        self.say_primed();
        while !self.stop.asked() && !self.is_deserted && !self.budget.wait(PATIENCE) {}
    }

    fn say_primed(&mut self) {
        if let Some(primed) = self.primed.take() {
            // Whoever waited for it may have given up.
            let _ = primed.send(());
        }
    }

    fn finish(mut self) -> ReaderFigures {
        if !self.stop.asked() {
            self.release(RunNs(i64::MAX));
        }
        self.hand_on_all();
        self.say_primed();
        self.figures.reorder_overrun = self.reorder.overrun();
        self.figures.sessions_forgotten += self.schedule.forgotten();
        self.figures.labels_merged = self.preparer.merged();
        self.figures
    }
}
