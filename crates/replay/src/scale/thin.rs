//! `thin`: each session stays with a probability, whole.

use super::{Arrival, Expected, Law, Method, Place, Plan, Scaler};
use crate::Result;

/// Its row of the table.
pub const METHOD: Method = Method {
    name: "thin",
    about: "each session stays with a probability",
    keeps: "sessions, span, the shape of the rate; chance weighs more beside a smaller rate",
    factors: (0.0, 1.0),
    by_collection: true,
    law,
    open,
};

/// Bernoulli thinning: I → 1 + p(I − 1) for any process; for renewal arrivals SCV → p·SCV + 1 − p.
fn law(law: &Law<'_>) -> Expected {
    let p = law.factor;
    let iat_cv = law.before.iat_scv.map(|scv| (p * scv + 1.0 - p).sqrt());
    law.same_span(iat_cv, |idc| 1.0 + p * (idc - 1.0))
}

fn open<'a>(plan: &'a Plan<'a>) -> Result<Box<dyn Scaler + 'a>> {
    Ok(Box::new(Thin(plan)))
}

struct Thin<'a>(&'a Plan<'a>);

impl Scaler for Thin<'_> {
    fn place(&mut self, arrival: &Arrival, places: &mut Vec<Place>) -> Result<()> {
        let census = self.0.census;
        if census.sessions[arrival.rank].draw < census.factor(arrival.rank, arrival.class) {
            places.push(Place { output: 0, copy: 0, at_ns: arrival.at_ns });
        }
        Ok(())
    }
}
