//! Small systems of linear equations.

/// Solves `matrix`·x = `right` by elimination with partial pivoting; `None` where the matrix is singular to working precision.
pub(crate) fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    let largest = matrix.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
    for column in 0..N {
        let pivot = (column..N).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() <= 1e-14 * largest {
            return None;
        }
        for row in column + 1..N {
            let factor = matrix[row][column] / matrix[column][column];
            (column..N).for_each(|k| matrix[row][k] -= factor * matrix[column][k]);
            right[row] -= factor * right[column];
        }
    }
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|k| matrix[row][k] * right[k]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_singular_system_has_no_solution() {
        assert_eq!(solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 1.0]), None);
        assert_eq!(solve([[0.0]], [1.0]), None);
        assert_eq!(solve([[0.0, 2.0], [4.0, 0.0]], [2.0, 4.0]), Some([1.0, 1.0]), "it needs a pivot");
    }

    proptest! {
        #[test]
        fn the_solution_solves(values in proptest::collection::vec(-9.0..9.0_f64, 20)) {
            // A dominant diagonal keeps it regular.
            let matrix: [[f64; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| values[4 * i + j] + if i == j { 40.0 } else { 0.0 }));
            let right: [f64; 4] = std::array::from_fn(|i| values[16 + i]);
            let found = solve(matrix, right).expect("regular");
            for i in 0..4 {
                let sum: f64 = (0..4).map(|j| matrix[i][j] * found[j]).sum();
                prop_assert!((sum - right[i]).abs() < 1e-12);
            }
        }
    }
}
