//! Where vectors come from: a mixture of Gaussians on the unit sphere, one for each collection, so that nearest neighbours mean
//! something: points and queries of one cluster are each other's neighbours.

use stats::Rng;

use super::number::on_grid;

/// Clusters of one collection.
const CLUSTERS: usize = 64;
/// Length of the noise around a centre of length 1. Two vectors of one cluster then have a cosine of about 1/(1 + 0.7²) = 0.67;
/// of different clusters, 0 ± 1/√dim.
const SPREAD: f64 = 0.7;

/// The mixture of one collection.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    dim: usize,
    /// CLUSTERS × dim.
    centres: Vec<f64>,
}

impl Mixture {
    /// The mixture of that name; centres are uniform on the sphere.
    pub fn new(seed: u64, collection: &str, dim: usize) -> Self {
        let mut rng = Rng::stream(seed, &format!("centres of {collection}"));
        let mut centres: Vec<f64> = (0..CLUSTERS * dim).map(|_| rng.normal()).collect();
        centres.chunks_exact_mut(dim).for_each(normalize);
        Self { dim, centres }
    }

    /// A vector of a random cluster.
    pub fn near_a_cluster(&self, rng: &mut Rng) -> Vec<f32> {
        let start = rng.below(CLUSTERS as u64) as usize * self.dim;
        let scale = SPREAD / (self.dim as f64).sqrt();
        finish(self.centres[start..start + self.dim].iter().map(|centre| centre + scale * rng.normal()).collect())
    }

    /// A vector in any direction: most likely far from every cluster.
    pub fn anywhere(&self, rng: &mut Rng) -> Vec<f32> {
        finish((0..self.dim).map(|_| rng.normal()).collect())
    }
}

fn finish(mut vector: Vec<f64>) -> Vec<f32> {
    normalize(&mut vector);
    vector.into_iter().map(on_grid).collect()
}

fn normalize(vector: &mut [f64]) {
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    }

    #[test]
    fn vectors_have_unit_length() {
        let (mixture, mut rng) = (Mixture::new(1, "a", 48), Rng::stream(1, "vectors"));
        for _ in 0..50 {
            for vector in [mixture.near_a_cluster(&mut rng), mixture.anywhere(&mut rng)] {
                assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-4);
            }
        }
    }

    /// Cosines of pairs are either those of one cluster, around 0.67, or those of two, around 0; the first make up 1 in CLUSTERS.
    #[test]
    fn neighbours_share_a_cluster() {
        let (mixture, mut rng) = (Mixture::new(1, "a", 256), Rng::stream(1, "vectors"));
        let vectors: Vec<Vec<f32>> = (0..400).map(|_| mixture.near_a_cluster(&mut rng)).collect();
        let cosines: Vec<f64> =
            (0..400).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| cosine(&vectors[i], &vectors[j])).collect();
        let near: Vec<f64> = cosines.iter().copied().filter(|cosine| *cosine > 0.4).collect();
        let mean = near.iter().sum::<f64>() / near.len() as f64;
        assert!((mean - 1.0 / (1.0 + SPREAD * SPREAD)).abs() < 0.02, "mean {mean}");
        let share = near.len() as f64 / cosines.len() as f64;
        assert!((share * CLUSTERS as f64 - 1.0).abs() < 0.2, "share {share}");
        assert!(cosines.iter().all(|cosine| *cosine > 0.4 || cosine.abs() < 0.4));
        let apart = mixture.anywhere(&mut rng);
        assert!(vectors.iter().all(|vector| cosine(vector, &apart) < 0.4));
    }

    #[test]
    fn collections_differ_and_repeat() {
        let first = |seed, name| Mixture::new(seed, name, 8).centres;
        assert!(first(1, "a") == first(1, "a") && first(1, "a") != first(1, "b") && first(1, "a") != first(2, "a"));
    }
}
