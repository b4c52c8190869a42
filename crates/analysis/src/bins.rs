//! Time cut into bins of a round width.

/// Bins on a time axis, at most.
pub const BINS_MAX: usize = 240;

/// Bins are not made wider for the sake of fuller ones than leaves about this many.
const BINS_MIN: i64 = 20;

const MS: i64 = 1_000_000;
const S: i64 = 1000 * MS;
const MIN: i64 = 60 * S;
const H: i64 = 60 * MIN;

/// Widths that people count in, ns.
const WIDTHS_NS: &[i64] = &[
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    S,
    2 * S,
    5 * S,
    10 * S,
    15 * S,
    30 * S,
    MIN,
    2 * MIN,
    5 * MIN,
    10 * MIN,
    15 * MIN,
    30 * MIN,
    H,
    2 * H,
    6 * H,
    12 * H,
    24 * H,
];

/// Bins of equal width from the first due instant on. Instants are ns since run start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bins {
    /// Where the first bin begins.
    pub start_ns: i64,
    /// Where the last bin is cut off.
    pub end_ns: i64,
    /// Width of a bin.
    pub width_ns: i64,
    /// How many there are, 1 at least.
    pub count: usize,
}

impl Bins {
    /// The narrowest round bins that are at least `width_min_ns` wide and at most [`BINS_MAX`] many.
    #[must_use]
    pub fn new(start_ns: i64, end_ns: i64, width_min_ns: i64) -> Self {
        let span_ns = (end_ns - start_ns).max(0) + 1;
        let wanted_ns = width_min_ns.max(div_up(span_ns, BINS_MAX as i64));
        let round = WIDTHS_NS.iter().copied().find(|width| *width >= wanted_ns);
        let width_ns = round.unwrap_or_else(|| div_up(wanted_ns, 24 * H) * 24 * H);
        Self { start_ns, end_ns, width_ns, count: div_up(span_ns, width_ns) as usize }
    }

    /// The narrowest bins that hold `per_bin` of `values` on average, or [`BINS_MIN`] bins where that would leave fewer.
    #[must_use]
    pub fn of_values(start_ns: i64, end_ns: i64, values: u64, per_bin: u64) -> Self {
        let span_ns = end_ns - start_ns;
        let wanted_ns = i128::from(span_ns) * i128::from(per_bin) / i128::from(values.max(1));
        Self::new(start_ns, end_ns, wanted_ns.min(i128::from(span_ns / BINS_MIN)) as i64)
    }

    /// As many bins as that, or fewer of 1 ns, whatever their width.
    #[must_use]
    pub fn exactly(start_ns: i64, end_ns: i64, count: i64) -> Self {
        let span_ns = (end_ns - start_ns).max(0) + 1;
        let width_ns = div_up(span_ns, count.max(1));
        Self { start_ns, end_ns, width_ns, count: div_up(span_ns, width_ns) as usize }
    }

    /// The bin of an instant; what lies outside goes to the first or last.
    #[must_use]
    pub fn place(&self, at_ns: i64) -> usize {
        (((at_ns - self.start_ns).max(0) / self.width_ns) as usize).min(self.count - 1)
    }

    /// Where a bin begins.
    #[must_use]
    pub fn since_ns(&self, bin: usize) -> i64 {
        self.start_ns + bin as i64 * self.width_ns
    }

    /// Where a bin ends, or is cut off.
    #[must_use]
    pub fn until_ns(&self, bin: usize) -> i64 {
        (self.since_ns(bin) + self.width_ns).min(self.end_ns)
    }

    /// The middle of a bin, in seconds after the start.
    #[must_use]
    pub fn middle_s(&self, bin: usize) -> f64 {
        (bin as f64 + 0.5) * self.width_ns as f64 / 1e9
    }

    /// How much of a bin the run covers, in seconds.
    #[must_use]
    pub fn covered_s(&self, bin: usize) -> f64 {
        (self.until_ns(bin) - self.since_ns(bin)) as f64 / 1e9
    }

    /// Counts as rates; `None` where the run covers less than half of the bin, and so too little to tell.
    #[must_use]
    pub fn per_s(&self, counts: &[u64]) -> Vec<Option<f64>> {
        let rate = |(bin, count): (usize, &u64)| {
            let covered_s = self.covered_s(bin);
            (covered_s >= self.width_s() / 2.0).then(|| *count as f64 / covered_s)
        };
        counts.iter().enumerate().map(rate).collect()
    }

    /// The mean of what was read in each bin, from instants and values; `None` where nothing was. What lies outside is left out.
    #[must_use]
    pub fn means(&self, points: &[(i64, f64)]) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0_u32); self.count];
        for (at_ns, value) in points.iter().filter(|(at_ns, _)| (self.start_ns..=self.end_ns).contains(at_ns)) {
            let (sum, count) = &mut sums[self.place(*at_ns)];
            (*sum, *count) = (*sum + value, *count + 1);
        }
        sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))).collect()
    }

    /// The width in seconds.
    #[must_use]
    pub fn width_s(&self) -> f64 {
        self.width_ns as f64 / 1e9
    }
}

/// Rounded up, for positive numbers.
fn div_up(value: i64, by: i64) -> i64 {
    value / by + i64::from(value % by > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_round_and_bins_are_few() {
        for span_s in [0, 1, 10, 60, 239, 240, 241, 3600, 86_400, 100 * 86_400] {
            let bins = Bins::new(7, 7 + span_s * S, 0);
            assert!(bins.count <= BINS_MAX && bins.count >= 1, "{bins:?}");
            assert!(WIDTHS_NS.contains(&bins.width_ns), "{bins:?}");
            assert_eq!(bins.place(7), 0);
            assert_eq!(bins.place(7 + span_s * S), bins.count - 1);
        }
    }

    #[test]
    fn bins_are_full_enough_but_never_too_few() {
        let width = |values| Bins::of_values(0, 60 * S, values, 200).width_ns;
        assert_eq!(width(60_000), S / 2, "1000/s: 200 values come in 0.2 s, and 240 bins are enough");
        assert_eq!(width(600), 5 * S, "10/s would need 20 s for 200 values: 3 s instead, rounded");
        assert_eq!(width(0), 5 * S);
    }

    #[test]
    fn every_instant_falls_into_the_bin_that_covers_it() {
        let bins = Bins::new(0, 10 * S, S);
        assert_eq!((bins.width_ns, bins.count), (S, 11));
        assert_eq!((bins.place(S - 1), bins.place(S), bins.place(-5), bins.place(99 * S)), (0, 1, 0, 10));
        assert!((bins.covered_s(3) - 1.0).abs() < 1e-12 && bins.covered_s(10).abs() < 1e-12);
    }
}
