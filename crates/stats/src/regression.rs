//! Linear regression on several columns, with the condition of its matrix: whether the columns can be told apart at all.

use crate::sample::mean;

/// Sweeps over all pairs of columns; a few are enough.
const SWEEPS_MAX: usize = 60;
/// Columns whose cosine is below this are orthogonal.
const ORTHOGONAL: f64 = 1e-14;

/// A linear law y = Σ bₖxₖ, fitted by least squares.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    /// bₖ, one for each column.
    pub coefficients: Vec<f64>,
    /// Their covariances.
    pub covariance: Vec<Vec<f64>>,
    /// Rows less columns.
    pub degrees: f64,
    /// Share of the variance of y that the law explains.
    pub explained: f64,
}

/// Why there is no regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refusal {
    /// Not more rows than columns.
    TooFew,
    /// The columns can hardly be told apart: the largest singular value over the smallest, columns scaled to equal length.
    Alike(f64),
}

/// Above this condition coefficients are not to be told apart (Belsley, Kuh & Welsch 1980, *Regression Diagnostics*, §3.2: 30 and more are
/// strong dependencies).
pub const CONDITION_MAX: f64 = 30.0;

impl Regression {
    /// Fits `y` to `rows`, all of the same length; a law with a constant has a column of ones. By the singular values of the matrix (one-sided
    /// Jacobi rotations: Hestenes 1958, J. SIAM 6(1)).
    ///
    /// # Errors
    /// A [`Refusal`] for too few rows, or columns that cannot be told apart.
    pub fn fit(rows: &[Vec<f64>], y: &[f64]) -> Result<Self, Refusal> {
        let wide = rows.first().map_or(0, Vec::len);
        if wide == 0 || rows.len() <= wide {
            return Err(Refusal::TooFew);
        }
        let mut columns: Vec<Vec<f64>> = (0..wide).map(|k| rows.iter().map(|row| row[k]).collect()).collect();
        let lengths: Vec<f64> = columns.iter().map(|column| length(column)).collect();
        if lengths.iter().any(|length| *length <= 0.0) {
            return Err(Refusal::Alike(f64::INFINITY));
        }
        columns.iter_mut().zip(&lengths).for_each(|(column, length)| column.iter_mut().for_each(|x| *x /= length));
        let turned = orthogonalize(&mut columns);
        let singular: Vec<f64> = columns.iter().map(|column| length(column)).collect();
        let (least, most) = singular.iter().fold((f64::MAX, 0.0_f64), |(least, most), s| (least.min(*s), most.max(*s)));
        let condition = most / least;
        if condition.is_nan() || condition > CONDITION_MAX {
            return Err(Refusal::Alike(condition));
        }
        let along: Vec<f64> = columns.iter().zip(&singular).map(|(column, s)| dot(column, y) / (s * s)).collect();
        let coefficients: Vec<f64> = (0..wide).map(|k| dot(&turned[k], &along) / lengths[k]).collect();
        let off: Vec<f64> = rows.iter().zip(y).map(|(row, y)| y - dot(row, &coefficients)).collect();
        let degrees = (rows.len() - wide) as f64;
        let variance = dot(&off, &off) / degrees;
        let between = |i: usize, j: usize| {
            let sum: f64 = (0..wide).map(|k| turned[i][k] * turned[j][k] / (singular[k] * singular[k])).sum();
            variance * sum / (lengths[i] * lengths[j])
        };
        let covariance = (0..wide).map(|i| (0..wide).map(|j| between(i, j)).collect()).collect();
        let around: Vec<f64> = y.iter().map(|one| one - mean(y)).collect();
        let explained = 1.0 - dot(&off, &off) / dot(&around, &around).max(f64::MIN_POSITIVE);
        Ok(Self { coefficients, covariance, degrees, explained })
    }

    /// gᵀCg: the variance of a function of the coefficients whose derivatives are g.
    #[must_use]
    pub fn variance(&self, gradient: &[f64]) -> f64 {
        gradient.iter().zip(&self.covariance).map(|(g, row)| g * dot(row, gradient)).sum::<f64>().max(0.0)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn length(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Turns the columns until they are orthogonal; returns V of A·V = U·Σ, row by row.
fn orthogonalize(columns: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    let wide = columns.len();
    let mut turned: Vec<Vec<f64>> = (0..wide).map(|i| (0..wide).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..SWEEPS_MAX {
        let mut quiet = true;
        for i in 0..wide {
            for j in i + 1..wide {
                let (a, b, across) =
                    (dot(&columns[i], &columns[i]), dot(&columns[j], &columns[j]), dot(&columns[i], &columns[j]));
                if across.abs() <= ORTHOGONAL * (a * b).sqrt() {
                    continue;
                }
                quiet = false;
                let half = (b - a) / (2.0 * across);
                let tangent = half.signum() / (half.abs() + half.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let (sine, (head, tail)) = (cosine * tangent, columns.split_at_mut(j));
                let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                head[i].iter_mut().zip(&mut tail[0]).for_each(|(x, y)| turn(x, y));
                for row in &mut turned {
                    let (left, right) = row.split_at_mut(j);
                    turn(&mut left[i], &mut right[0]);
                }
            }
        }
        if quiet {
            break;
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::probability::student_two_sided_quantile;
    use proptest::prelude::*;

    /// Longley 1967, J. Am. Stat. Assoc. 62, as in NIST's Statistical Reference Datasets would be too ill-conditioned for us; Draper & Smith
    /// 1998, *Applied Regression Analysis*, has no covariances. A straight line is known in closed form: b = Sxy/Sxx, Var b = s²/Sxx.
    #[test]
    fn a_line_has_its_closed_form() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0];
        let y = [2.1, 3.9, 6.2, 7.8, 10.1];
        let rows: Vec<Vec<f64>> = x.iter().map(|x| vec![1.0, *x]).collect();
        let found = Regression::fit(&rows, &y).unwrap();
        // Sxx = 10, Sxy = 19.9, ȳ = 6.02; residuals −.05 …: s² = (Syy − b·Sxy)/3 = (39.708 − 39.601)/3.
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} instead of {wanted}");
        near(found.coefficients[1], 1.99);
        near(found.coefficients[0], 6.02 - 1.99 * 3.0);
        let variance = (39.708 - 1.99 * 19.9) / 3.0;
        near(found.covariance[1][1], variance / 10.0);
        near(found.covariance[0][0], variance * (0.2 + 9.0 / 10.0));
        near(found.covariance[0][1], -variance * 3.0 / 10.0);
        near(found.explained, 1.0 - (39.708 - 1.99 * 19.9) / 39.708);
    }

    #[test]
    fn columns_that_rise_together_are_refused() {
        let rows: Vec<Vec<f64>> = (1..20).map(|i| vec![f64::from(i), 2.0 * f64::from(i) + 1e-3 * f64::from(i % 3)]).collect();
        assert!(matches!(Regression::fit(&rows, &[1.0; 19]), Err(Refusal::Alike(condition)) if condition > 1000.0));
        assert_eq!(Regression::fit(&rows[..2], &[1.0; 2]), Err(Refusal::TooFew));
        let zero: Vec<Vec<f64>> = (0..5).map(|i| vec![f64::from(i), 0.0]).collect();
        assert_eq!(Regression::fit(&zero, &[1.0; 5]), Err(Refusal::Alike(f64::INFINITY)));
    }

    /// Intervals of 95 % hold a sum of coefficients in 92 to 98 of a hundred noisy fits.
    #[test]
    fn intervals_hold_the_truth() {
        let truth = [0.3, 0.002, 0.005];
        let held = (0..400).filter(|seed| {
            let mut rng = Rng::stream(*seed, "regression");
            let rows: Vec<Vec<f64>> = (0..10).map(|_| vec![1.0, 100.0 * rng.uniform(), 100.0 * rng.uniform()]).collect();
            let y: Vec<f64> = rows.iter().map(|row| dot(row, &truth) + 0.05 * rng.normal()).collect();
            let Ok(found) = Regression::fit(&rows, &y) else { return true };
            let gradient = [0.0, 0.5, 0.5];
            let half = student_two_sided_quantile(0.95, found.degrees) * found.variance(&gradient).sqrt();
            (dot(&found.coefficients, &gradient) - dot(&truth, &gradient)).abs() <= half
        });
        let held = held.count() as f64 / 400.0;
        assert!((0.92..=0.98).contains(&held), "{held}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_law_without_noise_comes_back(b in prop::collection::vec(-9.0..9.0_f64, 4), seed in 0_u64..1000) {
            let mut rng = Rng::stream(seed, "rows");
            let rows: Vec<Vec<f64>> = (0..12).map(|_| (0..4).map(|_| rng.normal()).collect()).collect();
            let y: Vec<f64> = rows.iter().map(|row| dot(row, &b)).collect();
            if let Ok(found) = Regression::fit(&rows, &y) {
                prop_assert!(found.coefficients.iter().zip(&b).all(|(found, b)| (found - b).abs() < 1e-9));
            }
        }
    }
}
