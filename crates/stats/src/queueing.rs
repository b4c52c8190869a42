//! Waiting and response times of queues that are known in closed form: what a measured queue is held against.

/// The probability that an arrival has to wait with `servers` servers and `load` = λ/μ erlangs offered (Erlang C), by the recursion
/// of Erlang B: B₀ = 1, Bₖ = aBₖ₋₁/(k + aBₖ₋₁), C = cB/(c − a(1 − B)). 1 where the load is at or above the servers.
#[must_use]
pub fn erlang_c(servers: u32, load: f64) -> f64 {
    let c = f64::from(servers);
    if load >= c {
        return 1.0;
    }
    let blocked = (1..=servers).fold(1.0, |blocked, k| load * blocked / (f64::from(k) + load * blocked));
    c * blocked / (c - load * (1.0 - blocked))
}

/// A stable M/M/c queue, first come first served: Poisson arrivals, exponential service, c servers. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmc {
    /// Service completions of one busy server per second, μ.
    service_per_s: f64,
    /// Rate at which the waiting line drains, θ = cμ − λ.
    drain_per_s: f64,
    /// Probability of waiting, C.
    wait_probability: f64,
}

impl Mmc {
    /// `None` unless both rates are positive and λ < cμ.
    #[must_use]
    pub fn new(servers: u32, arrivals_per_s: f64, service_per_s: f64) -> Option<Self> {
        let drain_per_s = f64::from(servers) * service_per_s - arrivals_per_s;
        let sound = arrivals_per_s > 0.0 && service_per_s > 0.0 && drain_per_s > 0.0 && drain_per_s.is_finite();
        let wait_probability = erlang_c(servers, arrivals_per_s / service_per_s);
        sound.then_some(Self { service_per_s, drain_per_s, wait_probability })
    }

    /// Probability that an arrival waits.
    #[must_use]
    pub fn wait_probability(&self) -> f64 {
        self.wait_probability
    }

    /// Mean wait before service, Wq = C/(cμ − λ).
    #[must_use]
    pub fn wait_mean_s(&self) -> f64 {
        self.wait_probability / self.drain_per_s
    }

    /// Mean time in the system, wait and service.
    #[must_use]
    pub fn sojourn_mean_s(&self) -> f64 {
        self.wait_mean_s() + 1.0 / self.service_per_s
    }

    /// P(wait > t) = C·e^(−θt).
    #[must_use]
    pub fn wait_exceeds(&self, t_s: f64) -> f64 {
        self.wait_probability * libm::exp(-self.drain_per_s * t_s)
    }

    /// P(wait + service > t): with probability 1 − C an exponential of rate μ, else the sum of one of rate θ and one of rate μ.
    #[must_use]
    pub fn sojourn_exceeds(&self, t_s: f64) -> f64 {
        let (service, drain) = (self.service_per_s, self.drain_per_s);
        let served = libm::exp(-service * t_s);
        let apart = drain - service;
        // Where the rates are (nearly) equal the sum is Erlang-2.
        let both = if apart.abs() < 1e-9 * service {
            served * (1.0 + service * t_s)
        } else {
            (drain * served - service * libm::exp(-drain * t_s)) / apart
        };
        (1.0 - self.wait_probability) * served + self.wait_probability * both
    }

    /// The p-quantile of the wait; 0 where at least the share p does not wait.
    #[must_use]
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        (libm::log(self.wait_probability / (1.0 - p)) / self.drain_per_s).max(0.0)
    }

    /// The p-quantile of wait + service, by bisection.
    #[must_use]
    pub fn sojourn_quantile_s(&self, p: f64) -> f64 {
        let (mut low, mut high) = (0.0, self.sojourn_mean_s());
        while self.sojourn_exceeds(high) > 1.0 - p && high.is_finite() {
            high *= 2.0;
        }
        for _ in 0..80 {
            let middle = f64::midpoint(low, high);
            if self.sojourn_exceeds(middle) > 1.0 - p { low = middle } else { high = middle }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, digits: i32) {
        assert!((found - expected).abs() <= 0.5001 * 10_f64.powi(-digits), "{found} instead of {expected}");
    }

    fn queue(servers: u32, utilization: f64) -> Mmc {
        Mmc::new(servers, utilization * f64::from(servers), 1.0).expect("stable")
    }

    /// As Erlang's recursion gives it in Python: (servers, utilization, probability of waiting, mean wait at μ = 1).
    #[test]
    fn erlang_c_is_that_of_the_oracle() {
        for (servers, utilization, probability, wait) in [
            (1, 0.8, 0.8, 4.0),
            (2, 0.8, 0.711_111, 1.777_778),
            (4, 0.8, 0.596_432, 0.745_541),
            (10, 0.8, 0.409_180, 0.204_590),
            (16, 0.9, 0.591_343, 0.369_590),
            (100, 0.95, 0.506_457, 0.101_291),
        ] {
            near(erlang_c(servers, utilization * f64::from(servers)), probability, 6);
            near(queue(servers, utilization).wait_mean_s(), wait, 6);
        }
    }

    /// The closed form of one server: the sojourn is exponential with rate μ − λ.
    #[test]
    fn one_server_has_exponential_sojourn() {
        let queue = queue(1, 0.8);
        near(queue.sojourn_quantile_s(0.5), 3.465_736, 6);
        near(queue.sojourn_quantile_s(0.99), 23.025_851, 6);
        near(queue.sojourn_mean_s(), 5.0, 9);
        for t in [0.0, 0.1, 1.0, 7.0, 40.0] {
            near(queue.sojourn_exceeds(t), (-0.2 * t).exp(), 9);
        }
    }

    /// The mean is the integral of the tail; where θ = μ the limit is met without a jump.
    #[test]
    fn tails_integrate_to_the_means() {
        for (servers, utilization) in [(1, 0.5), (2, 0.5), (3, 2.0 / 3.0), (3, 0.666_666_667), (8, 0.9)] {
            let queue = queue(servers, utilization);
            let (step, mut sojourn, mut wait) = (1e-3, 0.0, 0.0);
            for i in 0..200_000 {
                let t = (f64::from(i) + 0.5) * step;
                sojourn += queue.sojourn_exceeds(t) * step;
                wait += queue.wait_exceeds(t) * step;
            }
            near(sojourn, queue.sojourn_mean_s(), 5);
            near(wait, queue.wait_mean_s(), 5);
        }
    }

    #[test]
    fn quantiles_invert_the_tails() {
        let queue = queue(4, 0.8);
        for p in [0.5, 0.9, 0.99, 0.999] {
            near(queue.wait_exceeds(queue.wait_quantile_s(p)), 1.0 - p, 9);
            near(queue.sojourn_exceeds(queue.sojourn_quantile_s(p)), 1.0 - p, 9);
        }
        assert_eq!(queue.wait_quantile_s(0.3), 0.0);
    }

    #[test]
    fn an_unstable_queue_is_none() {
        assert!(Mmc::new(2, 2.0, 1.0).is_none() && Mmc::new(0, 1.0, 1.0).is_none() && Mmc::new(1, f64::NAN, 1.0).is_none());
        assert_eq!(erlang_c(2, 2.0), 1.0);
    }
}
