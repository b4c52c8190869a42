//! How well two ranked answers agree: lists of identifiers, the best first.

use std::collections::HashMap;
use std::hash::Hash;

/// recall@k: the share of the first `k` of `wanted` that are among the first `k` of `found`; without `k`, of all among all. An identifier
/// that stands several times counts as often. `None` where nothing is wanted.
///
/// Manning, Raghavan and Schütze, *Introduction to Information Retrieval* (2008), §8.4, with the recorded answer as what is relevant;
/// for nearest neighbours Aumüller, Bernhardsson and Faithfull, *ANN-Benchmarks* (2020), §2.2.
#[must_use]
pub fn recall<T: Eq + Hash>(wanted: &[T], found: &[T], k: Option<usize>) -> Option<f64> {
    let k = k.unwrap_or(usize::MAX);
    let (wanted, found) = (&wanted[..k.min(wanted.len())], &found[..k.min(found.len())]);
    let mut left: HashMap<&T, usize> = HashMap::with_capacity(wanted.len());
    wanted.iter().for_each(|id| *left.entry(id).or_default() += 1);
    let hits = found.iter().filter(|id| match left.get_mut(id) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    });
    (!wanted.is_empty()).then(|| hits.count() as f64 / wanted.len() as f64)
}

/// Spearman's rank correlation of the identifiers that both lists hold, −1 (opposite order) to 1 (same order), ranks counted among those
/// alone and of repeated identifiers the first; `None` for fewer than two.
///
/// Spearman, *The Proof and Measurement of Association between Two Things* (1904); without ties it is 1 − 6 Σd² / (n³ − n).
#[must_use]
pub fn spearman<T: Eq + Hash>(one: &[T], other: &[T]) -> Option<f64> {
    let first_places = |list: &[T]| -> Vec<usize> {
        let mut seen = std::collections::HashSet::with_capacity(list.len());
        (0..list.len()).filter(|at| seen.insert(&list[*at])).collect()
    };
    let in_other: HashMap<&T, usize> = first_places(other).into_iter().map(|at| (&other[at], at)).collect();
    let places: Vec<usize> = first_places(one).into_iter().filter_map(|at| in_other.get(&one[at]).copied()).collect();
    let mut by_other: Vec<usize> = (0..places.len()).collect();
    by_other.sort_unstable_by_key(|rank| places[*rank]);
    let squares: f64 = by_other.iter().enumerate().map(|(there, here)| (there as f64 - *here as f64).powi(2)).sum();
    let n = places.len() as f64;
    (places.len() > 1).then(|| 1.0 - 6.0 * squares / (n * n * n - n))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn recall_is_what_is_counted_by_hand() {
        assert_eq!(recall(&[1, 2, 3, 4], &[4, 9, 1, 8], None), Some(0.5));
        assert_eq!(recall(&[1, 2, 3, 4], &[4, 9, 1, 8], Some(2)), Some(0.0));
        assert_eq!(recall(&[1, 2, 3, 4], &[2, 1, 9, 8], Some(2)), Some(1.0));
        assert_eq!(recall(&[1, 2], &[2, 1, 9, 8], Some(10)), Some(1.0));
        assert_eq!(recall(&[1, 2], &[9, 8, 1], None), Some(0.5));
        assert_eq!(recall(&[1, 2], &[9, 8, 1], Some(2)), Some(0.0));
        assert_eq!(recall(&[1, 2, 3], &[], None), Some(0.0));
        assert_eq!(recall::<u8>(&[], &[1], None), None);
        assert_eq!(recall(&["a", "a", "b"], &["a", "b", "b"], None), Some(2.0 / 3.0));
    }

    #[test]
    fn rank_correlation_is_what_is_computed_by_hand() {
        assert_eq!(spearman(&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]), Some(1.0));
        assert_eq!(spearman(&[1, 2, 3, 4, 5], &[5, 4, 3, 2, 1]), Some(-1.0));
        // d = (1, −1, 1, −1, 0): 1 − 6·4/120.
        assert_eq!(spearman(&[1, 2, 3, 4, 5], &[2, 1, 4, 3, 5]), Some(0.8));
        // Common are 1, 3, 5 in the orders 1 3 5 and 5 1 3: d = (1, 1, −2), 1 − 6·6/24.
        assert_eq!(spearman(&[1, 2, 3, 5], &[5, 7, 1, 3]), Some(-0.5));
        assert_eq!(spearman(&[1, 1, 2], &[2, 1, 2]), Some(-1.0));
        assert_eq!(spearman(&[1, 2], &[1, 3]), None);
    }

    /// Pearson's correlation of the ranks, which is how it is defined.
    fn by_definition(one: &[u32], other: &[u32]) -> f64 {
        let common: Vec<u32> = one.iter().copied().filter(|id| other.contains(id)).collect();
        let of: Vec<u32> = other.iter().copied().filter(|id| one.contains(id)).collect();
        let mean = (common.len() - 1) as f64 / 2.0;
        let pairs = common.iter().enumerate().map(|(x, id)| (x as f64, of.iter().position(|other| other == id).unwrap() as f64));
        let (covariance, variance) =
            pairs.fold((0.0, 0.0), |(c, v), (x, y)| (c + (x - mean) * (y - mean), v + (x - mean) * (x - mean)));
        covariance / variance
    }

    proptest! {
        #[test]
        fn rank_correlation_is_pearsons_of_the_ranks(one in prop::collection::hash_set(0_u32..40, 0..30), other in prop::collection::hash_set(0_u32..40, 0..30)) {
            let (one, other): (Vec<u32>, Vec<u32>) = (one.into_iter().collect(), other.into_iter().collect());
            let found = spearman(&one, &other);
            let common = one.iter().filter(|id| other.contains(id)).count();
            prop_assert_eq!(found.is_some(), common > 1);
            if let Some(found) = found {
                prop_assert!((found - by_definition(&one, &other)).abs() < 1e-12);
                prop_assert!((found - spearman(&other, &one).unwrap()).abs() < 1e-12);
            }
        }
    }
}
