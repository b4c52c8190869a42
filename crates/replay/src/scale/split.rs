//! `split-rr`, `split-rrr`, `split-lwl`: the trace as one of several servers behind a load balancer would see it (TraceSplitter).
//!
//! For the share p, sessions are dealt to n = ⌊1/p⌋ servers. Where 1/p is no whole number, a fractional server X takes part too: a session
//! goes to X alone with probability p_x = 1 − np, and is copied to X with probability p_r = (p − p_x)/(1 − p_x) otherwise. Each server then
//! gets (1 − p_x)/n = p, and X gets p_x + (1 − p_x)·p_r = p of the sessions. (The published code never makes X.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use stats::Rng;

use super::{Arrival, Expected, Law, Method, Place, Plan, Scaler, Session};
use crate::Result;

/// Servers that a trace is split for, X not counted.
const SERVERS_MAX: u32 = 64;
/// Below this share the fractional server is rounding.
const ROUNDING: f64 = 1e-9;
/// Dealing in turn evens out what arrives within a few turns; from this window on, counts are those of the trace, divided.
const DIVIDED_FROM_NS: i64 = 10_000_000_000;

const KEEPS: &str = "sessions, span, the shape of the rate over long windows; gaps become more even";
const FACTORS: (f64, f64) = (1.0 / SERVERS_MAX as f64, 1.0);

/// In turn.
pub const RR: Method = Method {
    name: "split-rr",
    about: "sessions dealt in turn to 1/factor outputs NAME-1, NAME-2, … (NAME-x where that is no whole number)",
    keeps: KEEPS,
    factors: FACTORS,
    by_collection: false,
    law,
    open: |plan| Split::open(plan, |servers| Box::new(InTurn { next: 0, servers })),
};

/// In turn, in another order each round.
pub const RRR: Method = Method {
    name: "split-rrr",
    about: "the same in another order each round",
    open: |plan| {
        let rng = Rng::stream(plan.seed, "rounds");
        Split::open(plan, |servers| Box::new(Rounds { rng, order: (0..servers).collect(), dealt: servers as usize }))
    },
    ..RR
};

/// To whom has least.
pub const LWL: Method = Method {
    name: "split-lwl",
    about: "the same to whichever has the least bytes",
    open: |plan| Split::open(plan, |servers| Box::new(LeastWork((0..servers).map(|server| Reverse((0, server))).collect()))),
    ..RR
};

/// Counts in long windows are divided: I → p·I.
fn law(law: &Law<'_>) -> Expected {
    let mut expected = law.same_span(None, |idc| law.factor * idc);
    for (idc, window) in expected.idc.iter_mut().zip(&law.before.windows) {
        *idc = idc.filter(|_| window.window_ns >= DIVIDED_FROM_NS);
    }
    expected
}

/// Chooses one of the servers for each session, in the order of their starts.
trait Deal {
    fn next(&mut self, session: &Session) -> u32;
}

struct InTurn {
    next: u32,
    servers: u32,
}

impl Deal for InTurn {
    fn next(&mut self, _: &Session) -> u32 {
        let server = self.next;
        self.next = (server + 1) % self.servers;
        server
    }
}

struct Rounds {
    rng: Rng,
    order: Vec<u32>,
    dealt: usize,
}

impl Deal for Rounds {
    fn next(&mut self, _: &Session) -> u32 {
        if self.dealt == self.order.len() {
            // Fisher and Yates, as Durstenfeld does it (1964, CACM 7(7), algorithm 235).
            (1..self.order.len()).rev().for_each(|last| self.order.swap(last, self.rng.below(last as u64 + 1) as usize));
            self.dealt = 0;
        }
        self.dealt += 1;
        self.order[self.dealt - 1]
    }
}

/// Servers by the work they have; equal ones by number.
struct LeastWork(BinaryHeap<Reverse<(u64, u32)>>);

impl Deal for LeastWork {
    fn next(&mut self, session: &Session) -> u32 {
        let mut least = self.0.peek_mut().expect("there is at least one server");
        let Reverse((work, server)) = *least;
        *least = Reverse((work.saturating_add(session.bytes.max(1)), server));
        server
    }
}

/// Where a session goes: to a server, to X, or to both.
#[derive(Clone, Copy)]
struct Home {
    server: Option<u32>,
    fractional: bool,
}

struct Split {
    servers: u32,
    fractional: bool,
    /// By rank.
    homes: Vec<Home>,
}

impl Split {
    fn open<'a>(plan: &'a Plan<'a>, deal: impl FnOnce(u32) -> Box<dyn Deal>) -> Result<Box<dyn Scaler + 'a>> {
        let p = plan.options.factor;
        let servers = ((1.0 / p + ROUNDING) as u32).clamp(1, SERVERS_MAX);
        let alone = 1.0 - p * f64::from(servers);
        let fractional = alone > ROUNDING;
        plan.census.check_copies(if fractional { 2.0 } else { 1.0 })?;
        let (alone, copied) = if fractional { (alone, (p - alone) / (1.0 - alone)) } else { (0.0, 0.0) };
        let (mut rng, mut deal) = (Rng::stream(plan.seed, "fractional"), deal(servers));
        let home = |session| {
            if rng.chance(alone) {
                return Home { server: None, fractional: true };
            }
            Home { server: Some(deal.next(session)), fractional: rng.chance(copied) }
        };
        Ok(Box::new(Self { servers, fractional, homes: plan.census.sessions.iter().map(home).collect() }))
    }
}

impl Scaler for Split {
    fn place(&mut self, arrival: &Arrival, places: &mut Vec<Place>) -> Result<()> {
        let Home { server, fractional } = self.homes[arrival.rank];
        let at_ns = arrival.at_ns;
        places.extend(server.map(|server| Place { output: server as usize, copy: 0, at_ns }));
        if fractional {
            // A copy only where the session itself is in another output.
            places.push(Place { output: self.servers as usize, copy: u32::from(server.is_some()), at_ns });
        }
        Ok(())
    }

    fn outputs(&self) -> Vec<String> {
        let fractional = self.fractional.then(|| "-x".to_owned());
        (1..=self.servers).map(|server| format!("-{server}")).chain(fractional).collect()
    }
}
