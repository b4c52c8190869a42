//! When requests or sessions start.

use stats::Rng;
use stats::arrivals::{self, Arrivals, Refusal};
use stats::daily::Daily;
use stats::fit::Longer;
use trace::TraceNs;

use super::{Options, unknown};
use crate::fit::Fitted;

/// Instants of arrivals at a rate, each with the number of its kind. No two are the same: one that would be moves on by 1 ns, so that
/// the order of time is the order of a trace whatever session a request is dealt to.
pub(super) struct Times {
    /// Where the process puts them, ns; they have no end.
    instants: Box<dyn Iterator<Item = (i64, usize)>>,
    /// The earliest the next one may be, ns.
    free_ns: i64,
}

impl Times {
    /// Those that `options` ask for, but at `rate_per_s`; all of one kind.
    pub fn of(options: &Options, rate_per_s: f64) -> Result<Self, String> {
        match &options.model {
            Some(model) => {
                let instants = model.instants(rate_per_s / model.rate_per_s(), options.longer, options.seed)?;
                Ok(Self::new(instants.map(|at_ns| (at_ns, 0))))
            }
            None => Self::process(&options.arrivals, options.diurnal.as_ref(), rate_per_s, options.seed),
        }
    }

    /// Those of a fitted model, by kinds.
    pub fn fitted(fitted: &Fitted, longer: Longer, rate_per_s: f64, seed: u64) -> Result<Self, String> {
        Ok(Self::new(fitted.instants(rate_per_s / fitted.model.rate_per_s(), longer, seed)?))
    }

    /// Those of a named process, the first at 0, over the course of a day where there is one; all of one kind.
    pub fn process(name: &str, diurnal: Option<&Daily>, rate_per_s: f64, seed: u64) -> Result<Self, String> {
        let mut process = open(name, seed)?;
        let day = diurnal.map(Daily::cumulative);
        // Time so far, in mean gaps.
        let mut elapsed = 0.0;
        Ok(Self::new(std::iter::repeat_with(move || {
            let at_ns = match &day {
                None => elapsed * (1e9 / rate_per_s),
                Some(day) => day.time_s(elapsed / rate_per_s) * 1e9,
            };
            elapsed += process.next_gap();
            (at_ns.round() as i64, 0)
        })))
    }

    fn new(instants: impl Iterator<Item = (i64, usize)> + 'static) -> Self {
        Self { instants: Box::new(instants), free_ns: 0 }
    }
}

impl Iterator for Times {
    type Item = (TraceNs, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (at_ns, kind) = self.instants.next()?;
        let at_ns = at_ns.max(self.free_ns);
        self.free_ns = at_ns + 1;
        Some((TraceNs(at_ns), kind))
    }
}

/// The named arrival process, from its beginning.
pub(super) fn open(name: &str, seed: u64) -> Result<Box<dyn Arrivals>, String> {
    arrivals::open(name, Rng::stream(seed, "arrivals")).map_err(|refusal| match refusal {
        Refusal::Unknown { kind, what, known } => unknown(kind, &what, &known),
        Refusal::Value(sentence) => sentence,
    })
}
