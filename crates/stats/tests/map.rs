//! Markovian arrival processes by their matrices, as a second opinion: against published figures, then on the two-state model's closed
//! forms, and drawn from, on what is measured of traffic.
//!
//! A process has rates D₀ of changes without and D₁ of changes with an arrival. With θ(D₀ + D₁) = 0, θ1 = 1 the rate is λ = θD₁1; an
//! arrival finds π = θD₁/λ; P = (−D₀)⁻¹D₁ leads from one arrival to the next (Neuts 1979, J. Appl. Probab. 16(4)).

use stats::Rng;
use stats::arrivals::Mmpp2;
use stats::traffic::Traffic;

type Matrix = Vec<Vec<f64>>;

struct Map {
    d0: Matrix,
    d1: Matrix,
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let columns = 0..b[0].len();
    a.iter().map(|row| columns.clone().map(|j| row.iter().zip(b).map(|(x, other)| x * other[j]).sum()).collect()).collect()
}

fn combined(a: &Matrix, b: &Matrix, of: impl Fn(f64, f64) -> f64) -> Matrix {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(x, y)| of(*x, *y)).collect()).collect()
}

fn identity(n: usize) -> Matrix {
    (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect()
}

/// By Gauss and Jordan's elimination, with pivots.
fn inverse(matrix: &Matrix) -> Matrix {
    let n = matrix.len();
    let (mut left, mut right) = (matrix.clone(), identity(n));
    for column in 0..n {
        let pivot = (column..n).max_by(|a, b| left[*a][column].abs().total_cmp(&left[*b][column].abs())).expect("not empty");
        left.swap(column, pivot);
        right.swap(column, pivot);
        let by = left[column][column];
        for side in [&mut left, &mut right] {
            side[column].iter_mut().for_each(|value| *value /= by);
        }
        for row in (0..n).filter(|row| *row != column) {
            let factor = left[row][column];
            for side in [&mut left, &mut right] {
                let above = side[column].clone();
                side[row].iter_mut().zip(above).for_each(|(value, above)| *value -= factor * above);
            }
        }
    }
    right
}

/// e^A: its Taylor series at A/2^k, squared k times.
fn exponential(matrix: &Matrix) -> Matrix {
    let most = matrix.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
    let halvings = (most * matrix.len() as f64).log2().ceil().max(0.0) as i32 + 4;
    let small = combined(matrix, matrix, |value, _| value / 2.0_f64.powi(halvings));
    let (mut sum, mut term) = (identity(matrix.len()), identity(matrix.len()));
    for k in 1..20 {
        term = combined(&product(&term, &small), &small, |value, _| value / f64::from(k));
        sum = combined(&sum, &term, |x, y| x + y);
    }
    (0..halvings).fold(sum, |power, _| product(&power, &power))
}

impl Map {
    fn sum(&self) -> Matrix {
        combined(&self.d0, &self.d1, |a, b| a + b)
    }

    /// θ, from θQ = 0 with one equation replaced by θ1 = 1.
    fn stationary(&self) -> Matrix {
        let mut equations = self.sum();
        let last = equations.len() - 1;
        equations.iter_mut().for_each(|row| row[last] = 1.0);
        let wanted = vec![(0..=last).map(|i| f64::from(u8::from(i == last))).collect()];
        product(&wanted, &inverse(&equations))
    }

    fn ones(&self) -> Matrix {
        vec![vec![1.0]; self.d0.len()]
    }

    fn rate(&self) -> f64 {
        product(&product(&self.stationary(), &self.d1), &self.ones())[0][0]
    }

    /// (−D₀)⁻¹.
    fn stay(&self) -> Matrix {
        inverse(&combined(&self.d0, &self.d0, |value, _| -value))
    }

    fn met(&self) -> Matrix {
        let rate = self.rate();
        product(&self.stationary(), &self.d1).iter().map(|row| row.iter().map(|value| value / rate).collect()).collect()
    }

    /// E Xᵏ = k!·π(−D₀)⁻ᵏ1.
    fn moment(&self, k: u32) -> f64 {
        let power = (0..k).fold(self.met(), |row, _| product(&row, &self.stay()));
        product(&power, &self.ones())[0][0] * (1..=k).map(f64::from).product::<f64>()
    }

    /// Correlation of gaps k apart: (π(−D₀)⁻¹Pᵏ(−D₀)⁻¹1 − m₁²)/(m₂ − m₁²).
    fn correlation(&self, k: u32) -> f64 {
        let step = product(&self.stay(), &self.d1);
        let row = (0..k).fold(product(&self.met(), &self.stay()), |row, _| product(&row, &step));
        let joint = product(&product(&row, &self.stay()), &self.ones())[0][0];
        let mean = self.moment(1);
        (joint - mean * mean) / (self.moment(2) - mean * mean)
    }

    /// Var N(t)/E N(t) = 1 − 2λ + (2/λ)·θD₁(1θ − Q)⁻¹D₁1 − (2/(λt))·θD₁(I − e^(Qt))(1θ − Q)⁻²D₁1 (Neuts 1979, §5; t = ∞ without the
    /// last term).
    fn idc(&self, t: f64) -> f64 {
        let (rate, theta, n) = (self.rate(), self.stationary(), self.d0.len());
        let recurrent = product(&self.ones(), &theta);
        let deviation = inverse(&combined(&recurrent, &self.sum(), |a, b| a - b));
        let (into, out) = (product(&theta, &self.d1), product(&self.d1, &self.ones()));
        let long = product(&product(&into, &deviation), &out)[0][0];
        let mut idc = 1.0 - 2.0 * rate + 2.0 / rate * long;
        if t.is_finite() {
            let moved = exponential(&combined(&self.sum(), &recurrent, |value, _| value * t));
            let rest = combined(&identity(n), &moved, |a, b| a - b);
            let twice = product(&deviation, &deviation);
            idc -= 2.0 / (rate * t) * product(&product(&product(&into, &rest), &twice), &out)[0][0];
        }
        idc
    }

    /// Draws `n` arrivals, ns, from the state that an arrival finds.
    fn arrivals_ns(&self, n: usize, rng: &mut Rng) -> Vec<i64> {
        let pick = |weights: &[f64], rng: &mut Rng| stats::Weights::new(weights.iter().copied()).expect("rates").pick(rng);
        let (mut state, mut at_s) = (pick(&self.met()[0], rng), 0.0);
        let mut arrivals = Vec::with_capacity(n);
        while arrivals.len() < n {
            at_s += rng.exponential() / -self.d0[state][state];
            let silent = self.d0[state].iter().enumerate().map(|(next, rate)| if next == state { 0.0 } else { *rate });
            let weights: Vec<f64> = silent.chain(self.d1[state].iter().copied()).collect();
            let next = pick(&weights, rng);
            if next >= self.d0.len() {
                arrivals.push((at_s * 1e9) as i64);
            }
            state = next % self.d0.len();
        }
        arrivals
    }
}

fn near(found: f64, expected: f64, relative: f64) {
    assert!((found / expected - 1.0).abs() < relative, "{found} instead of {expected}");
}

/// The example in the documentation of BuTools' `MarginalMomentsFromMAP` and `LagCorrelationsFromMAP` (Horváth & Telek).
fn three_states() -> Map {
    Map {
        d0: vec![vec![-18.0, 1.0, 4.0], vec![2.0, -18.0, 7.0], vec![1.0, 3.0, -32.0]],
        d1: vec![vec![12.0, 1.0, 0.0], vec![1.0, 8.0, 0.0], vec![2.0, 1.0, 25.0]],
    }
}

/// Moments and correlations as published; dispersion as computed with another program.
#[test]
fn matrices_give_the_published_figures() {
    let map = three_states();
    for (k, moment) in [(1, 0.054_123_711_34), (2, 0.006_422_964_83), (3, 0.001_205_146_48)] {
        near(map.moment(k), moment, 1e-7);
    }
    for (k, acf) in [(1, 0.041_288_385_5), (2, 0.021_962_312_6), (3, 0.012_084_710_3), (4, 0.006_832_495)] {
        near(map.correlation(k), acf, 1e-6);
    }
    for (t, idc) in [(f64::INFINITY, 1.411_654_24), (0.1, 1.178_650_36), (1.0, 1.378_495_55)] {
        near(map.idc(t), idc, 1e-7);
    }
}

/// The two-state model's closed forms are those of its matrices, for any of its parameters; (100, 10, 1, 1) has its known figures.
#[test]
fn two_states_are_a_case_of_the_matrices() {
    let matrices = |law: &Mmpp2| Map {
        d0: vec![vec![-law.busy - law.leave_busy, law.leave_busy], vec![law.leave_quiet, -law.quiet - law.leave_quiet]],
        d1: vec![vec![law.busy, 0.0], vec![0.0, law.quiet]],
    };
    let known = Mmpp2 { busy: 100.0, quiet: 10.0, leave_busy: 1.0, leave_quiet: 1.0 };
    for (k, acf) in [(1, 0.353_55), (2, 0.318_51), (3, 0.286_95)] {
        near(matrices(&known).correlation(k), acf, 2e-5);
    }
    let mut rng = Rng::stream(1, "laws");
    for _ in 0..200 {
        let mut draw = |low: f64, high: f64| low * (high / low).powf(rng.uniform());
        let law = Mmpp2 {
            busy: draw(10.0, 1000.0),
            quiet: draw(0.1, 10.0),
            leave_busy: draw(0.01, 10.0),
            leave_quiet: draw(0.01, 10.0),
        };
        let map = matrices(&law);
        near(law.rate(), map.rate(), 1e-9);
        near(law.gap_scv() + 1.0, map.moment(2) / map.moment(1).powi(2), 1e-9);
        for t in [0.01, 0.3, 7.0] {
            near(law.idc(t), map.idc(t), 1e-6);
        }
        near(law.idc_limit(), map.idc(f64::INFINITY), 1e-9);
    }
}

/// What is measured of arrivals drawn from the matrices is what the matrices say, within five standard errors over 16 seeds.
#[test]
fn traffic_figures_are_those_of_the_process() {
    let map = three_states();
    let measured: Vec<[f64; 4]> = (0..16)
        .map(|seed| {
            let mut traffic = Traffic::new();
            for at_ns in map.arrivals_ns(20_000, &mut Rng::stream(seed, "map")) {
                traffic.push(at_ns);
            }
            let figures = traffic.figures();
            let idc = |i: usize| figures.windows[i].idc.expect("enough windows");
            [figures.iat_scv.expect("gaps"), figures.memory.expect("gaps"), idc(0), idc(1)]
        })
        .collect();
    let scv = map.moment(2) / map.moment(1).powi(2) - 1.0;
    for (i, expected) in [scv, map.correlation(1), map.idc(0.1), map.idc(1.0)].into_iter().enumerate() {
        let mean = measured.iter().map(|row| row[i]).sum::<f64>() / 16.0;
        let variance = measured.iter().map(|row| (row[i] - mean).powi(2)).sum::<f64>() / 15.0;
        let error = (variance / 16.0).sqrt();
        assert!(
            (mean - expected).abs() < 5.0 * error && error < 0.1 * expected.max(0.1),
            "{i}: {mean} ± {error}, not {expected}"
        );
    }
}
