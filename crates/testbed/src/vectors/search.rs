//! Exact nearest neighbours: every vector is looked at.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::filter::Filter;
use super::id::PointId;
use super::store::Collection;

/// What is sought.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Most hits given.
    pub limit: usize,
    /// Nearest hits left out.
    pub offset: usize,
    /// What a point must meet.
    pub filter: Option<&'a Filter>,
    /// The farthest score that is still a hit.
    pub score_threshold: Option<f32>,
    /// A point that is no hit: the one whose neighbours are sought.
    pub except: Option<PointId>,
}

/// A point that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Where it is.
    pub slot: usize,
    /// Its score under the collection's metric.
    pub score: f32,
}

/// A hit as the heap orders it: the worst is the greatest, so that it can be thrown out.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ranked {
    nearness: f32,
    id: PointId,
    hit: Hit,
}

impl Eq for Ranked {}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.nearness.total_cmp(&self.nearness).then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The nearest points to `query` (of the collection's dimension and prepared by its metric), nearest first; of equal scores, the
/// smaller id. Filters are asked only about points that are near enough to count.
#[must_use]
pub fn nearest(collection: &Collection, query: &[f32], wanted: &Wanted<'_>) -> Vec<Hit> {
    let metric = collection.metric;
    let kept_max = wanted.limit.saturating_add(wanted.offset).min(collection.count());
    let farthest = wanted.score_threshold.map(|score| metric.nearness(score));
    let mut kept: BinaryHeap<Ranked> = BinaryHeap::with_capacity(kept_max + 1);
    for (slot, vector) in collection.vectors().enumerate() {
        let score = metric.score(query, vector);
        let nearness = metric.nearness(score);
        let full = kept.len() >= kept_max;
        if full && kept.peek().is_none_or(|worst| nearness < worst.nearness) {
            continue;
        }
        let ranked = Ranked { nearness, id: collection.point(slot).id, hit: Hit { slot, score } };
        if (full && kept.peek().is_some_and(|worst| ranked >= *worst))
            || farthest.is_some_and(|farthest| nearness < farthest)
            || !admits(collection, slot, wanted)
        {
            continue;
        }
        if full {
            kept.pop();
        }
        kept.push(ranked);
    }
    kept.into_sorted_vec().into_iter().skip(wanted.offset).map(|ranked| ranked.hit).collect()
}

fn admits(collection: &Collection, slot: usize, wanted: &Wanted<'_>) -> bool {
    let point = collection.point(slot);
    wanted.except != Some(point.id) && wanted.filter.is_none_or(|filter| filter.admits(point.id, &point.payload))
}

#[cfg(test)]
mod tests {
    use super::super::metric::Metric;
    use super::super::store::NewPoint;
    use super::*;
    use proptest::prelude::*;

    const METRICS: [Metric; 4] = [Metric::Cosine, Metric::Dot, Metric::Euclid, Metric::Manhattan];

    /// The score in double precision, from the definition alone.
    fn exact_score(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
        let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
        let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        match metric {
            Metric::Cosine => pairs().map(|(x, y)| x * y).sum::<f64>() / (norm(a) * norm(b)),
            Metric::Dot => pairs().map(|(x, y)| x * y).sum(),
            Metric::Euclid => pairs().map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt(),
            Metric::Manhattan => pairs().map(|(x, y)| (x - y).abs()).sum(),
        }
    }

    fn filled(metric: Metric, vectors: &[Vec<f32>]) -> Collection {
        let mut collection = Collection::new(metric, vectors[0].len());
        let point = |(id, vector): (usize, &Vec<f32>)| NewPoint {
            id: PointId::Number(id as u64),
            vector: vector.clone(),
            payload: serde_json::from_value(serde_json::json!({ "even": id % 2 == 0 })).unwrap(),
        };
        collection.upsert(vectors.iter().enumerate().map(point).collect());
        collection
    }

    fn ids(collection: &Collection, query: &[f32], wanted: &Wanted<'_>) -> Vec<u64> {
        let mut query = query.to_vec();
        collection.metric.prepare(&mut query);
        let id = |hit: Hit| match collection.point(hit.slot).id {
            PointId::Number(id) => id,
            PointId::Uuid(_) => unreachable!("the test writes numbers"),
        };
        nearest(collection, &query, wanted).into_iter().map(id).collect()
    }

    /// A vector whose components are integers of at most 100 has exact scores in single precision too, except the cosine.
    fn vectors(dimension: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
        let component = (-100_i8..=100).prop_map(f32::from);
        prop::collection::vec(prop::collection::vec(component, dimension), 2..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn finds_what_a_full_sort_in_double_precision_finds(
            vectors in (1_usize..40).prop_flat_map(vectors),
            limit in 1_usize..20,
            offset in 0_usize..5,
        ) {
            let even: Filter = serde_json::from_str(r#"{"must": [{"key": "even", "match": {"value": true}}]}"#).unwrap();
            let (query, vectors) = vectors.split_last().unwrap();
            for metric in METRICS {
                if metric == Metric::Cosine && vectors.iter().chain([query]).any(|v| v.iter().all(|x| *x == 0.0)) {
                    continue; // no direction, no angle
                }
                let collection = filled(metric, vectors);
                for filter in [None, Some(&even)] {
                    let wanted = Wanted { limit, offset, filter, ..Wanted::default() };
                    let found = ids(&collection, query, &wanted);
                    let far = |id: u64| {
                        let score = exact_score(metric, query, &vectors[id as usize]);
                        if matches!(metric, Metric::Cosine | Metric::Dot) { -score } else { score }
                    };
                    let mut sorted: Vec<u64> = (0..vectors.len() as u64).filter(|id| filter.is_none() || id % 2 == 0).collect();
                    sorted.sort_by(|a, b| far(*a).total_cmp(&far(*b)).then(a.cmp(b)));
                    let expected: Vec<u64> = sorted.into_iter().skip(offset).take(limit).collect();
                    if metric == Metric::Cosine {
                        // Rounding may swap angles that are equal to seven digits; each place has the right angle all the same.
                        prop_assert_eq!(found.len(), expected.len());
                        for (found, expected) in found.iter().zip(&expected) {
                            prop_assert!((far(*found) - far(*expected)).abs() < 1e-6);
                        }
                    } else {
                        prop_assert_eq!(&found, &expected, "{:?}", metric);
                    }
                }
            }
        }
    }

    #[test]
    fn recall_is_one_where_scores_are_distinct() {
        let mut rng = stats::Rng::stream(3, "vectors");
        let mut vector = || (0..64).map(|_| rng.normal() as f32).collect::<Vec<_>>();
        let vectors: Vec<_> = (0..2000).map(|_| vector()).collect();
        for metric in METRICS {
            let collection = filled(metric, &vectors);
            for _ in 0..10 {
                let query = vector();
                let found = ids(&collection, &query, &Wanted { limit: 10, ..Wanted::default() });
                let mut scored: Vec<(f64, u64)> =
                    vectors.iter().enumerate().map(|(id, v)| (exact_score(metric, &query, v), id as u64)).collect();
                scored.sort_by(|a, b| if metric.nearness(1.0) > 0.0 { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
                assert_eq!(found, scored[..10].iter().map(|(_, id)| *id).collect::<Vec<_>>(), "{metric:?}");
            }
        }
    }

    #[test]
    fn ties_go_to_the_smaller_id_whatever_the_slot() {
        let mut collection = Collection::new(Metric::Dot, 1);
        for id in [5, 3, 9, 1] {
            collection.upsert(vec![NewPoint { id: PointId::Number(id), vector: vec![1.0], payload: Default::default() }]);
        }
        assert_eq!(ids(&collection, &[1.0], &Wanted { limit: 2, ..Wanted::default() }), [1, 3]);
        assert_eq!(ids(&collection, &[1.0], &Wanted { limit: 2, offset: 3, ..Wanted::default() }), [9]);
        let except = Some(PointId::Number(1));
        assert_eq!(ids(&collection, &[1.0], &Wanted { limit: 2, except, ..Wanted::default() }), [3, 5]);
        assert_eq!(ids(&collection, &[1.0], &Wanted { limit: 0, ..Wanted::default() }), [0_u64; 0]);
        assert_eq!(ids(&collection, &[1.0], &Wanted { limit: usize::MAX, offset: 1, ..Wanted::default() }), [3, 5, 9]);
    }

    #[test]
    fn a_threshold_holds_what_is_near_enough() {
        let vectors = [vec![1.0], vec![2.0], vec![3.0]];
        let within = |metric, score| {
            ids(&filled(metric, &vectors), &[1.0], &Wanted { limit: 9, score_threshold: Some(score), ..Wanted::default() })
        };
        assert_eq!(within(Metric::Dot, 2.0), [2, 1]);
        assert_eq!(within(Metric::Euclid, 1.0), [0, 1]);
        assert_eq!(within(Metric::Manhattan, 0.5), [0]);
    }
}
