//! `replicate`: every start several times over, with the sessions in their order laid onto the starts (TraceUpscaler).

use stats::Rng;
use trace::TraceReader;

use super::{Arrival, Expected, FACTOR_MAX, Law, Method, Place, Plan, Scaler};
use crate::Result;

/// Its row of the table.
pub const METHOD: Method = Method {
    name: "replicate",
    about: "every start several times at once, sessions in their order laid onto them",
    keeps: "sessions and their order, every edge of the rate; multiplies chance at every scale",
    factors: (1.0, FACTOR_MAX),
    by_collection: false,
    law,
    open,
};

/// Each arrival m times, where m is ⌊f⌋, or one more with probability q = frac(f): SCV → f(SCV + 1) − 1, I → f·I + q(1 − q)/f.
/// As published, only the span is known beforehand, roughly.
fn law(law: &Law<'_>) -> Expected {
    if law.paper_exact {
        let span_ns = (law.before.span_ns as f64 / law.factor) as i64;
        return Expected { rate_per_s: None, span_ns, iat_cv: None, idc: Default::default() };
    }
    let (f, q) = (law.factor, law.factor.fract());
    let iat_cv = law.before.iat_scv.map(|scv| (f * (scv + 1.0) - 1.0).sqrt());
    law.same_span(iat_cv, |idc| f * idc + q * (1.0 - q) / f)
}

fn open<'a>(plan: &'a Plan<'a>) -> Result<Box<dyn Scaler + 'a>> {
    if plan.options.paper_exact {
        return Ok(Box::new(PaperExact::open(plan)?));
    }
    plan.census.check_copies(plan.options.factor)?;
    let mut slots = 0;
    let ends = plan.census.sessions.iter().map(|session| {
        slots += times(plan.options.factor, session.draw);
        slots
    });
    Ok(Box::new(Replicate { plan, ends: ends.collect() }))
}

/// How often an instant is used: ⌊f⌋ times, and once more with probability frac(f). `factor` is at least 1.
fn times(factor: f64, draw: f64) -> u64 {
    ((factor - draw).ceil() as u64).max(1)
}

/// Start i makes the slots up to `ends[i]`. Slot s is taken by session s mod n, in its copy s div n.
struct Replicate<'a> {
    plan: &'a Plan<'a>,
    ends: Vec<u64>,
}

impl Scaler for Replicate<'_> {
    fn place(&mut self, arrival: &Arrival, places: &mut Vec<Place>) -> Result<()> {
        let sessions = &self.plan.census.sessions;
        let (count, slots) = (sessions.len() as u64, self.ends.last().copied().unwrap_or(0));
        let own = (arrival.rank as u64..slots).step_by(sessions.len());
        for slot in own {
            let start_ns = sessions[self.ends.partition_point(|end| *end <= slot)].start_ns;
            let at_ns = start_ns + (arrival.at_ns - sessions[arrival.rank].start_ns);
            places.push(Place { output: 0, copy: (slot / count) as u32, at_ns });
        }
        Ok(())
    }
}

/// As published (TraceUpscaler.java): row i takes the i-th of the multiplied instants, and there are no more rows than there were, so
/// that only the first 1/f of the time is covered. Think times are not kept.
struct PaperExact {
    factor: f64,
    rng: Rng,
    /// The instants, read a second time beside the rows.
    reader: TraceReader,
    instants_ns: std::vec::IntoIter<i64>,
    current_ns: i64,
    /// How often the current instant is still to be used.
    left: u64,
}

impl PaperExact {
    fn open(plan: &Plan<'_>) -> Result<Self> {
        Ok(Self {
            factor: plan.options.factor,
            rng: Rng::stream(plan.seed, "replicate"),
            reader: TraceReader::open_columns(&plan.options.input, Some(&[]))?,
            instants_ns: Vec::new().into_iter(),
            current_ns: 0,
            left: 0,
        })
    }

    /// The next recorded instant. Rows never run out of them: each is used at least once.
    fn next_instant(&mut self) -> Result<i64> {
        loop {
            if let Some(at_ns) = self.instants_ns.next() {
                return Ok(at_ns);
            }
            let Some(batch) = self.reader.next_batch()? else { return Ok(self.current_ns) };
            self.instants_ns = batch.rows().map(|row| row.at().ns()).collect::<Vec<_>>().into_iter();
        }
    }
}

impl Scaler for PaperExact {
    fn place(&mut self, _: &Arrival, places: &mut Vec<Place>) -> Result<()> {
        if self.left == 0 {
            self.current_ns = self.next_instant()?;
            self.left = times(self.factor, self.rng.uniform());
        }
        self.left -= 1;
        places.push(Place { output: 0, copy: 0, at_ns: self.current_ns });
        Ok(())
    }
}
