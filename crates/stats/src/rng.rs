//! The one random generator: seeded, with named streams that do not disturb each other.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng as _, SeedableRng};

/// A seeded generator (PCG XSL-RR 128/64, O'Neill 2014). The same seed and stream name give the same numbers on every machine:
/// only integer arithmetic, IEEE 754 basic operations and `libm`'s own logarithm are used.
#[derive(Debug, Clone)]
pub struct Rng {
    pcg: Pcg64,
    spare_normal: Option<f64>,
}

impl Rng {
    /// The stream `name` of `seed`. Streams of different names are independent of each other, so that drawing more from one
    /// (another vector, say) leaves the others (the arrivals) as they were.
    #[must_use]
    pub fn stream(seed: u64, name: &str) -> Self {
        Self::substream(seed, name, 0)
    }

    /// The `number`-th of many streams of one name: for things that are made again whenever they are needed, in any order.
    #[must_use]
    pub fn substream(seed: u64, name: &str, number: u64) -> Self {
        let named = SplitMix(seed).next() ^ fnv1a(name.as_bytes());
        let mut mixer = SplitMix(SplitMix(named).next() ^ number);
        let mut key = [0; 32];
        for word in key.chunks_exact_mut(8) {
            word.copy_from_slice(&mixer.next().to_le_bytes());
        }
        Self { pcg: Pcg64::from_seed(key), spare_normal: None }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.pcg.next_u64()
    }

    /// Uniform on [0, 1), in steps of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform on 0..`n`, without bias (Lemire 2019, ACM TOMACS 29(1), algorithm 5). `n` = 0 counts as 1.
    pub fn below(&mut self, n: u64) -> u64 {
        let n = n.max(1);
        let biased_below = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            if product as u64 >= biased_below {
                return (product >> 64) as u64;
            }
        }
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Exponential with mean 1, by inversion.
    pub fn exponential(&mut self) -> f64 {
        -libm::log1p(-self.uniform())
    }

    /// Normal with mean 0 and variance 1 (Marsaglia & Bray 1964, polar method).
    pub fn normal(&mut self) -> f64 {
        if let Some(value) = self.spare_normal.take() {
            return value;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = u * u + v * v;
            if square < 1.0 && square > 0.0 {
                let scale = (-2.0 * libm::log(square) / square).sqrt();
                self.spare_normal = Some(v * scale);
                return u * scale;
            }
        }
    }
}

/// Steele, Lea & Flood 2014: spreads a small seed over all bits.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// FNV-1a, 64 bits: names of streams to numbers.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean of `n` draws and its standard error.
    fn mean(n: u32, mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..n).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(n);
        (mean, (variance / f64::from(n)).sqrt())
    }

    #[test]
    fn split_mix_and_fnv_give_their_published_values() {
        let mut mixer = SplitMix(1_234_567);
        assert_eq!([mixer.next(), mixer.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert_eq!(fnv1a(b"a"), 0xAF63_DC4C_8601_EC8C);
    }

    #[test]
    fn a_stream_repeats_and_streams_differ() {
        let draw = |seed, name| {
            std::iter::repeat_with({
                let mut rng = Rng::stream(seed, name);
                move || rng.bits()
            })
            .take(8)
            .collect::<Vec<_>>()
        };
        assert_eq!(draw(1, "arrivals"), draw(1, "arrivals"));
        assert_ne!(draw(1, "arrivals"), draw(1, "vectors"));
        assert_ne!(draw(1, "arrivals"), draw(2, "arrivals"));
        let bits = |number| Rng::substream(1, "points", number).bits();
        assert!(bits(3) == bits(3) && bits(3) != bits(4) && bits(0) == Rng::stream(1, "points").bits());
    }

    #[test]
    fn streams_of_one_seed_are_uncorrelated() {
        let (mut a, mut b) = (Rng::stream(5, "a"), Rng::stream(5, "b"));
        let (mean, error) = mean(20_000, || (a.uniform() - 0.5) * (b.uniform() - 0.5));
        assert!(mean.abs() < 4.0 * error, "{mean} ± {error}");
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::stream(7, "moments");
        let mut check = |what, expected: f64, draw: fn(&mut Rng) -> f64| {
            let (mean, error) = mean(40_000, || draw(&mut rng));
            assert!((mean - expected).abs() < 4.0 * error, "{what}: {mean} ± {error}, expected {expected}");
        };
        check("uniform mean", 0.5, Rng::uniform);
        check("uniform square", 1.0 / 3.0, |r| r.uniform().powi(2));
        check("exponential mean", 1.0, Rng::exponential);
        check("exponential square", 2.0, |r| r.exponential().powi(2));
        check("normal mean", 0.0, Rng::normal);
        check("normal square", 1.0, |r| r.normal().powi(2));
        check("normal fourth", 3.0, |r| r.normal().powi(4));
        check("below 3", 1.0, |r| r.below(3) as f64);
        check("chance", 0.25, |r| f64::from(u8::from(r.chance(0.25))));
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::stream(1, "below");
        for n in [0, 1, 2, 3, 1 << 40, u64::MAX] {
            assert!((0..100).all(|_| rng.below(n) < n.max(1)));
        }
    }
}
