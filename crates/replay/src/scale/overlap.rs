//! `overlap`: copies of all sessions, each copy shifted as a whole and laid over the trace.

use stats::Rng;

use super::{Arrival, Expected, FACTOR_MAX, Law, Method, Place, Plan, Scaler};
use crate::Result;

/// The default shift: between the correlation time of single requests and the time in which the rate changes.
pub const SHIFT_NS: i64 = 30_000_000_000;

/// Its row of the table.
pub const METHOD: Method = Method {
    name: "overlap",
    about: "copies of whole sessions, each copy shifted in time",
    keeps: "sessions, span, dispersion as of more users of the same kind; evens out peaks shorter than the shift",
    factors: (0.0, FACTOR_MAX),
    by_collection: true,
    law,
    open,
};

/// For f independent users where there was one, with the same rate over time (a Cox process): I → 1 + f(I − 1), the inverse of thinning.
fn law(law: &Law<'_>) -> Expected {
    law.same_span(None, |idc| 1.0 + law.factor * (idc - 1.0))
}

fn open<'a>(plan: &'a Plan<'a>) -> Result<Box<dyn Scaler + 'a>> {
    let copies = plan.census.factors.max().ceil();
    plan.census.check_copies(copies)?;
    let shift = |copy| {
        let mut rng = Rng::substream(plan.seed, "shift", copy);
        ((2.0 * rng.uniform() - 1.0) * plan.shift_ns as f64) as i64
    };
    // Copy 0 is the trace itself.
    let shifts_ns = std::iter::once(0).chain((1..copies as u64).map(shift)).collect();
    Ok(Box::new(Overlap { plan, shifts_ns }))
}

struct Overlap<'a> {
    plan: &'a Plan<'a>,
    /// One for each copy.
    shifts_ns: Vec<i64>,
}

impl Scaler for Overlap<'_> {
    /// A start wraps around within the room its session has: from 0 to where the session would end with the trace. So the span stays,
    /// and no session is cut; for sessions of one request each it is the whole span.
    fn place(&mut self, arrival: &Arrival, places: &mut Vec<Place>) -> Result<()> {
        let census = self.plan.census;
        let (session, factor) = (&census.sessions[arrival.rank], census.factor(arrival.rank, arrival.class));
        let room_ns = census.span_ns - (session.end_ns - session.start_ns) + 1;
        for (copy, shift_ns) in (0..).zip(&self.shifts_ns) {
            if f64::from(copy) + session.draw >= factor {
                break;
            }
            let start_ns = (session.start_ns + shift_ns % room_ns).rem_euclid(room_ns);
            places.push(Place { output: 0, copy, at_ns: start_ns + (arrival.at_ns - session.start_ns) });
        }
        Ok(())
    }
}
