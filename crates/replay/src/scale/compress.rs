//! `compress`: the same sessions in less time (TraceSplitter's Tspan), or in more.

use super::{Arrival, Expected, FACTOR_MAX, Law, Method, Place, Plan, Scaler};
use crate::Result;

/// Its row of the table.
pub const METHOD: Method = Method {
    name: "compress",
    about: "the same sessions started in 1/factor of the time",
    keeps: "every session once, the variation of the gaps between starts; the rate changes faster",
    factors: (0.0, FACTOR_MAX),
    by_collection: false,
    law,
    open,
};

/// t → t/f: gaps keep their shape, and I at a window w becomes what it was at f·w. For sessions of one request each.
fn law(law: &Law<'_>) -> Expected {
    let after = law.compressed;
    Expected {
        rate_per_s: after.rate_per_s,
        span_ns: after.span_ns,
        iat_cv: after.iat_cv,
        idc: after.windows.map(|window| window.idc),
    }
}

fn open<'a>(plan: &'a Plan<'a>) -> Result<Box<dyn Scaler + 'a>> {
    Ok(Box::new(Compress(plan)))
}

struct Compress<'a>(&'a Plan<'a>);

impl Scaler for Compress<'_> {
    /// Starts are scaled, and cut to whole nanoseconds; what a session does after its start keeps its distance. As published, every
    /// instant is scaled.
    fn place(&mut self, arrival: &Arrival, places: &mut Vec<Place>) -> Result<()> {
        let paper_exact = self.0.options.paper_exact;
        let start_ns = if paper_exact { arrival.at_ns } else { self.0.census.sessions[arrival.rank].start_ns };
        let scaled_ns = (start_ns as f64 / self.0.options.factor) as i64;
        places.push(Place { output: 0, copy: 0, at_ns: scaled_ns + (arrival.at_ns - start_ns) });
        Ok(())
    }
}
