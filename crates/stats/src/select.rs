//! Exact order statistics of many values without sorting them all: values are counted in buckets whose width grows with the value, and
//! only the buckets in which a wanted rank lies are gathered and sorted.

/// Bits of a value, after its first, that choose its bucket: a bucket is at most 1/128 of its values wide.
const FINE_BITS: u32 = 7;
/// Values below 2^(FINE_BITS + 1) have a bucket each; every power of two above that has 2^FINE_BITS.
const BUCKETS: usize = (64 - FINE_BITS as usize) << FINE_BITS;
/// Up to so many values, sorting them all is quicker than counting them in buckets.
const SORTED_MAX: usize = 4096;

/// Values whose order statistics can be asked for. They are given in parts, whose order and borders mean nothing.
#[derive(Debug)]
pub struct Ranked<'a> {
    parts: &'a [&'a [i64]],
    len: usize,
    sum: i128,
    lookup: Lookup,
}

#[derive(Debug)]
enum Lookup {
    /// All values, rising.
    Sorted(Vec<i64>),
    /// Values in lower buckets, for each bucket.
    Counted(Vec<usize>),
}

/// The bucket of a value. It never falls as values rise; what is below 0 shares the bucket of 0.
fn bucket(value: i64) -> usize {
    let value = value.max(0).unsigned_abs();
    let shift = (value | (1 << FINE_BITS)).ilog2() - FINE_BITS;
    ((shift as usize) << FINE_BITS) + (value >> shift) as usize
}

impl<'a> Ranked<'a> {
    /// One pass over the values.
    #[must_use]
    pub fn new(parts: &'a [&'a [i64]]) -> Self {
        let len = parts.iter().map(|part| part.len()).sum();
        let sum = parts.iter().flat_map(|part| part.chunks(1 << 16)).map(chunk_sum).sum();
        let lookup = if len <= SORTED_MAX {
            let mut values = parts.concat();
            values.sort_unstable();
            Lookup::Sorted(values)
        } else {
            Lookup::Counted(below(parts))
        };
        Self { parts, len, sum, lookup }
    }

    /// Values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The arithmetic mean; `None` of nothing.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.len > 0).then(|| self.sum as f64 / self.len as f64)
    }

    /// The values at `ranks`, each from 1 (the smallest) to [`Ranked::len`], in the order they are asked for: one more pass.
    ///
    /// # Panics
    /// For a rank that there is not.
    #[must_use]
    pub fn at(&self, ranks: &[usize]) -> Vec<i64> {
        match &self.lookup {
            Lookup::Sorted(sorted) => ranks.iter().map(|rank| sorted[rank - 1]).collect(),
            Lookup::Counted(below) => self.gather(below, ranks),
        }
    }

    fn gather(&self, below: &[usize], ranks: &[usize]) -> Vec<i64> {
        let bucket_of = |rank: usize| below.partition_point(|before| *before < rank) - 1;
        let mut wanted = vec![false; BUCKETS];
        ranks.iter().for_each(|rank| wanted[bucket_of(*rank)] = true);
        let mut values = Vec::new();
        for part in self.parts {
            values.extend(part.iter().copied().filter(|value| wanted[bucket(*value)]));
        }
        values.sort_unstable();
        let size = |bucket: usize| below.get(bucket + 1).copied().unwrap_or(self.len) - below[bucket];
        let mut gathered_below = vec![0; BUCKETS];
        for bucket in 1..BUCKETS {
            gathered_below[bucket] = gathered_below[bucket - 1] + if wanted[bucket - 1] { size(bucket - 1) } else { 0 };
        }
        let place = |rank: usize| gathered_below[bucket_of(rank)] + rank - 1 - below[bucket_of(rank)];
        ranks.iter().map(|rank| values[place(*rank)]).collect()
    }
}

/// A sum that cannot overflow: of up to 2¹⁶ values below 2⁴⁷ (39 hours in ns) in 64 bits, of larger ones in 128.
fn chunk_sum(values: &[i64]) -> i128 {
    let narrow = values.iter().fold(0, |bits, value| bits | value.unsigned_abs()) < 1 << 47;
    if narrow { values.iter().sum::<i64>().into() } else { values.iter().map(|value| i128::from(*value)).sum() }
}

/// How many values lie in the buckets below each.
fn below(parts: &[&[i64]]) -> Vec<usize> {
    let mut counts = vec![0_usize; BUCKETS];
    parts.iter().flat_map(|part| part.iter()).for_each(|value| counts[bucket(*value)] += 1);
    let mut before = 0;
    for count in &mut counts {
        before += std::mem::replace(count, before);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_rise_with_the_values_and_stay_within_their_number() {
        let edges = (0..63).flat_map(|bit| [(1_i64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let mut values: Vec<i64> = edges.chain([i64::MIN, -1, i64::MAX]).collect();
        values.sort_unstable();
        assert!(values.windows(2).all(|pair| bucket(pair[0]) <= bucket(pair[1])));
        assert_eq!((bucket(i64::MIN), bucket(0), bucket(255), bucket(256), bucket(i64::MAX)), (0, 0, 255, 256, BUCKETS - 1));
    }

    #[test]
    fn nothing_has_no_mean() {
        let none = Ranked::new(&[]);
        assert_eq!((none.len(), none.is_empty(), none.mean(), none.at(&[])), (0, true, None, Vec::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Against sorting, over the sizes at which values are sorted and at which they are counted.
        #[test]
        fn ranks_are_those_of_the_sorted_values(
            seed in 0_u64..1000, len in 1_usize..3 * SORTED_MAX, bits in 1_u32..63, cut in 0.0..1.0, low in -300_i64..2,
        ) {
            let mut rng = crate::Rng::stream(seed, "ranks");
            let values: Vec<i64> = (0..len).map(|_| low + rng.below(1 << bits).cast_signed()).collect();
            let parts = values.split_at((len as f64 * cut) as usize);
            let parts = [parts.0, parts.1];
            let ranked = Ranked::new(&parts);
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let ranks = [len, 1, len.div_ceil(2), len.div_ceil(100), len - len / 1000, 1];
            prop_assert_eq!(ranked.at(&ranks), ranks.map(|rank| sorted[rank - 1]));
            let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
            prop_assert_eq!((ranked.len(), ranked.mean()), (len, Some(sum as f64 / len as f64)));
        }
    }
}
