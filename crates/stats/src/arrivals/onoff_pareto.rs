//! Users that are busy and idle by turns, for times of infinite variance: bursts at every scale. Law: sixteen sources, on half of the
//! time, each Poisson of rate 1/8 while on; on and off times are Pareto of shape α = 3 − 2H and equal means. Counts are then long-range
//! dependent with Hurst parameter H (Willinger, Taqqu, Sherman & Wilson 1997, IEEE/ACM Trans. Netw. 5(1)).

use super::{Arrivals, Model, Parameter};
use crate::Rng;

/// Sources that are added up.
const SOURCES: usize = 16;

pub(super) const MODEL: Model = Model {
    name: "onoff-pareto",
    about: "users busy and idle by turns, bursts at every scale",
    parameters: &[
        Parameter { name: "h", about: "Hurst parameter", default: 0.8, low: 0.55, high: 0.95 },
        Parameter { name: "period", about: "mean time on, and off, in mean gaps", default: 50.0, low: 1e-3, high: 1e9 },
    ],
    open: |values, rng| Ok(Box::new(OnOffPareto::new(values[0], values[1], rng))),
};

struct OnOffPareto {
    /// Shape and smallest value of the times.
    shape: f64,
    shortest: f64,
    now: f64,
    /// Whether each source is on, and until when it stays as it is.
    sources: [(bool, f64); SOURCES],
    rng: Rng,
}

impl OnOffPareto {
    /// Starts in the steady state: a time in progress has the equilibrium distribution of its remainder.
    fn new(h: f64, period: f64, mut rng: Rng) -> Self {
        let shape = 3.0 - 2.0 * h;
        let shortest = period * (shape - 1.0) / shape;
        let sources = std::array::from_fn(|_| (rng.chance(0.5), remainder(shape, shortest, &mut rng)));
        Self { shape, shortest, now: 0.0, sources, rng }
    }

    /// The source that turns next, and when.
    fn next_turn(&self) -> (usize, f64) {
        let turns = self.sources.iter().map(|source| source.1).enumerate();
        turns.fold((0, f64::INFINITY), |first, turn| if turn.1 < first.1 { turn } else { first })
    }

    fn turn(&mut self, source: usize) {
        let time = self.shortest * libm::pow(1.0 - self.rng.uniform(), -1.0 / self.shape);
        let (on, until) = self.sources[source];
        self.sources[source] = (!on, until + time);
    }
}

/// The rest of a Pareto time that is met in progress: density (1 − F(x))/mean (Cox 1962, *Renewal Theory*, §5.1).
fn remainder(shape: f64, shortest: f64, rng: &mut Rng) -> f64 {
    let u = 1.0 - rng.uniform();
    if rng.chance((shape - 1.0) / shape) { shortest * u } else { shortest * libm::pow(u, -1.0 / (shape - 1.0)) }
}

impl Arrivals for OnOffPareto {
    fn next_gap(&mut self) -> f64 {
        let start = self.now;
        // What the Poisson clock of rate 1 still has to run, spent at the rate of those that are on.
        let mut left = self.rng.exponential();
        loop {
            let on = self.sources.iter().filter(|source| source.0).count() as f64;
            let rate = on * 2.0 / SOURCES as f64;
            let (source, until) = self.next_turn();
            if rate * (until - self.now) > left {
                self.now += left / rate;
                return self.now - start;
            }
            left -= rate * (until - self.now);
            self.now = until;
            self.turn(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counts, process};

    /// Beyond the Poisson part w, Var N(w) grows like w^2H. The mean is known, 1 a gap: taking it out of the sample would hide the
    /// slowest part. (Towards H = ½ the law is reached at ever wider windows only, too wide for a test.)
    #[test]
    fn variance_grows_with_the_hurst_parameter() {
        let spread = |counts: &[f64], width: f64| {
            counts.iter().map(|count| (count - width).powi(2)).sum::<f64>() / counts.len() as f64 - width
        };
        for h in [0.75, 0.9] {
            let (mut fine_sum, mut coarse_sum) = (0.0, 0.0);
            for seed in 0..20 {
                let fine = counts(&mut *process(&format!("onoff-pareto:h={h},period=2"), seed), 64.0, 512);
                let coarse: Vec<f64> = fine.chunks(8).map(|chunk| chunk.iter().sum()).collect();
                (fine_sum, coarse_sum) = (fine_sum + spread(&fine, 64.0), coarse_sum + spread(&coarse, 512.0));
            }
            let found = (coarse_sum / fine_sum).log2() / 6.0;
            assert!((found - h).abs() < 0.06, "{h}: {found}");
        }
    }
}
