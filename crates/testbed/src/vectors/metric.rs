//! Distances between vectors.

use serde::{Deserialize, Serialize};

/// How near two vectors are, under Qdrant's names and with its scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metric {
    /// Cosine of the angle; vectors are normalized when they are stored. Larger is nearer.
    Cosine,
    /// Inner product. Larger is nearer.
    Dot,
    /// √Σ(a−b)². Smaller is nearer.
    Euclid,
    /// Σ|a−b|. Smaller is nearer.
    Manhattan,
}

/// Sums that run side by side, so that the compiler can keep them in vector registers.
const LANES: usize = 16;

impl Metric {
    /// The score of two vectors of one length. Both are as [`Metric::prepare`] left them.
    #[must_use]
    pub fn score(self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            Self::Cosine | Self::Dot => sum(a, b, |x, y| x * y),
            Self::Euclid => sum(a, b, |x, y| (x - y) * (x - y)).sqrt(),
            Self::Manhattan => sum(a, b, |x, y| (x - y).abs()),
        }
    }

    /// The score as a figure of which the larger is the nearer, whatever the metric.
    #[must_use]
    pub fn nearness(self, score: f32) -> f32 {
        match self {
            Self::Cosine | Self::Dot => score,
            Self::Euclid | Self::Manhattan => -score,
        }
    }

    /// Makes a vector ready to be stored or sought: for [`Metric::Cosine`], of length 1 (a vector of zeros stays as it is).
    pub fn prepare(self, vector: &mut [f32]) {
        if self != Self::Cosine {
            return;
        }
        let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        if norm > 0.0 {
            vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
        }
    }
}

#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| term(*x, *y)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_definitions() {
        let a: Vec<f32> = (1..=19).map(|x| x as f32).collect();
        let b: Vec<f32> = (1..=19).map(|x| (20 - x) as f32).collect();
        // Σ x(20−x) = 1330; Σ (2x−20)² = 2280; Σ |2x−20| = 180.
        assert_eq!(Metric::Dot.score(&a, &b), 1330.0);
        assert!((Metric::Euclid.score(&a, &b) - 2280_f32.sqrt()).abs() < 1e-5);
        assert_eq!(Metric::Manhattan.score(&a, &b), 180.0);
        let (mut a, mut b) = (a, b);
        Metric::Cosine.prepare(&mut a);
        Metric::Cosine.prepare(&mut b);
        // Σ x² = 2470.
        assert!((Metric::Cosine.score(&a, &b) - 1330.0 / 2470.0).abs() < 1e-6);
    }

    #[test]
    fn a_vector_of_zeros_has_no_direction_and_no_nan() {
        let mut zeros = [0.0; 3];
        Metric::Cosine.prepare(&mut zeros);
        assert_eq!(Metric::Cosine.score(&zeros, &[1.0, 0.0, 0.0]), 0.0);
    }
}
