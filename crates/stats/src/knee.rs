//! Where a curve bends (Kneedle: Satopää, Albrecht, Irwin & Raghavan 2011, *Finding a "Kneedle" in a Haystack*, ICDCSW, §III).
//!
//! A knee is a mark on the picture, not a limit of the target: pushed to 90 % of its capacity, an M/M/1 queue has its knee at 70 %
//! load; pushed to 99 %, at 90 %. Whatever shows a knee has to say over which range it was looked for.

/// Which way a curve runs and bends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bend {
    /// Rises ever less: throughput over load.
    RisingConcave,
    /// Rises ever more: latency over load.
    RisingConvex,
    /// Falls ever more.
    FallingConcave,
    /// Falls ever less.
    FallingConvex,
}

/// The sensitivity S that the paper calls balanced: how far, in mean steps of x, the curve must fall back below its bend.
pub const SENSITIVITY: f64 = 1.0;

/// The place (from 0) of the first knee of a curve, x rising strictly. `None` where there is none, for fewer than three points, or where
/// the curve does not vary.
#[must_use]
pub fn knee(x: &[f64], y: &[f64], bend: Bend, sensitivity: f64) -> Option<usize> {
    let n = x.len();
    if n < 3 || y.len() != n || !x.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let (mut difference, mean_step) = (difference(x, y, bend)?, 1.0 / (n - 1) as f64);
    let mirrored = matches!(bend, Bend::RisingConvex | Bend::FallingConcave);
    if mirrored {
        difference.reverse();
    }
    let found = first_knee(&difference, sensitivity * mean_step)?;
    Some(if mirrored { n - 1 - found } else { found })
}

/// How far the curve, in its unit square and turned so that it rises and is concave, lies above the diagonal. A convex curve is turned
/// by half: its points come in reverse.
fn difference(x: &[f64], y: &[f64], bend: Bend) -> Option<Vec<f64>> {
    let unit = |values: &[f64]| {
        let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        let width = high - low;
        (width > 0.0 && width.is_finite()).then(|| values.iter().map(|v| (v - low) / width).collect::<Vec<f64>>())
    };
    let above = |(x, y): (f64, f64)| match bend {
        Bend::RisingConcave => y - x,
        Bend::RisingConvex => x - y,
        Bend::FallingConcave => y - (1.0 - x),
        Bend::FallingConvex => (1.0 - y) - x,
    };
    Some(unit(x)?.into_iter().zip(unit(y)?).map(above).collect())
}

/// The first local maximum that the difference falls from by more than `fall` before it passes through a local minimum.
fn first_knee(difference: &[f64], fall: f64) -> Option<usize> {
    let mut candidate = None;
    for i in 1..difference.len() {
        let (before, here) = (difference[i - 1], difference[i]);
        if candidate.is_some_and(|top: usize| here < difference[top] - fall) {
            return candidate;
        }
        let next = difference.get(i + 1)?;
        match () {
            () if here >= before && here >= *next => candidate = Some(i),
            () if here <= before && here <= *next => candidate = None,
            () => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(n: usize) -> Vec<f64> {
        (0..n).map(|i| i as f64).collect()
    }

    /// The example of the paper's figure 2, as in the tests of the Python package kneed: knee at x = 2/9, where y = 1.897.
    #[test]
    fn the_papers_example_has_its_knee() {
        let x: Vec<f64> = (0..10).map(|i| f64::from(i) / 9.0).collect();
        let y: Vec<f64> = x.iter().map(|x| 5.0 - 1.0 / (x + 0.1)).collect();
        let found = knee(&x, &y, Bend::RisingConcave, SENSITIVITY).expect("bends");
        assert!((x[found] - 0.2222).abs() < 1e-4 && (y[found] - 1.897).abs() < 1e-3);
    }

    /// The four shapes of kneed's tests/test_sample.py.
    #[test]
    fn every_shape_has_its_knee() {
        let concave = [0.0, 60.0, 80.0, 85.0, 90.0, 95.0, 96.0, 97.0, 98.0, 99.0];
        let convex = [1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 15.0, 20.0, 40.0, 100.0];
        let reverse = |y: [f64; 10]| y.into_iter().rev().collect::<Vec<f64>>();
        for (y, bend, place) in [
            (concave.to_vec(), Bend::RisingConcave, 2),
            (reverse(concave), Bend::FallingConcave, 7),
            (convex.to_vec(), Bend::RisingConvex, 7),
            (reverse(convex), Bend::FallingConvex, 2),
        ] {
            assert_eq!(knee(&steps(10), &y, bend, SENSITIVITY), Some(place), "{bend:?}");
        }
    }

    /// Latency of an M/M/1 queue, 1/(1 − ρ): the knee moves with the range, from about 0.7 to about 0.9.
    #[test]
    fn the_knee_of_a_queue_moves_with_the_range() {
        let at = |top: f64| {
            let x: Vec<f64> = (0..200).map(|i| top * f64::from(i) / 199.0).collect();
            let y: Vec<f64> = x.iter().map(|x| 1.0 / (1.0 - x)).collect();
            x[knee(&x, &y, Bend::RisingConvex, SENSITIVITY).expect("bends")]
        };
        let (near, far) = (at(0.9), at(0.99));
        assert!((0.66..0.74).contains(&near) && (0.87..0.92).contains(&far), "{near} {far}");
    }

    #[test]
    fn a_line_and_nonsense_have_no_knee() {
        assert_eq!(knee(&steps(10), &steps(10), Bend::RisingConcave, SENSITIVITY), None);
        assert_eq!(knee(&steps(10), &[1.0; 10], Bend::RisingConcave, SENSITIVITY), None);
        assert_eq!(knee(&[1.0, 1.0, 2.0], &[1.0, 2.0, 3.0], Bend::RisingConcave, SENSITIVITY), None);
        assert_eq!(knee(&[1.0, 2.0], &[1.0, 2.0], Bend::RisingConcave, SENSITIVITY), None);
    }

    proptest! {
        /// Units do not matter.
        #[test]
        fn scaling_moves_no_knee(scale in 0.01..100.0_f64, shift in -50.0..50.0_f64, y in proptest::collection::vec(0.0..9.0_f64, 3..30)) {
            let x = steps(y.len());
            let moved: Vec<f64> = y.iter().map(|y| (y * 1024.0).round() / 1024.0 * 4.0).collect();
            let scaled: Vec<f64> = x.iter().map(|x| x * scale + shift).collect();
            let plain = knee(&x, &moved, Bend::RisingConcave, 1.3);
            prop_assert_eq!(plain, knee(&scaled, &moved, Bend::RisingConcave, 1.3));
        }
    }
}
