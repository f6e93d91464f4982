//! The correlation matrix nearest to a symmetric one that is none, for example of pairwise estimates (Higham 2002, *IMA Journal of Numerical Analysis* 22, 329): projections in turn onto matrices
//! without negative eigenvalues and onto those with a diagonal of ones, the first with Dykstra's correction.

use crate::error::{Error, Result};
use faer::{Mat, Side};

/// Rounds at most.
const MOST_ROUNDS: usize = 2000;
/// Eigenvalues are kept above this, so that the result has a Cholesky factor.
const LEAST: f64 = 1e-8;

/// The nearest correlation matrix of `k` rows in the Frobenius norm, row by row, and the largest change of an entry: 0 where the matrix was one already.
///
/// Fails with [`Error::OutOfRange`] where the matrix is not of `k` rows and columns, has an entry outside of −1 to 1, is not symmetric or has a diagonal that is not 1.
///
/// ```
/// // Three layers of which two pairs always fail together and the third pair never: no vector is so.
/// let (near, moved) = coincide::rare::nearest_correlation(&[1.0, 0.9, 0.9, 0.9, 1.0, -0.9, 0.9, -0.9, 1.0], 3)?;
/// assert!(moved > 0.1 && near[1] < 0.9 && near[5] > -0.9);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn nearest_correlation(matrix: &[f64], k: usize) -> Result<(Vec<f64>, f64)> {
    if matrix.len() != k * k {
        return Err(Error::OutOfRange {
            what: "the number of entries of a correlation matrix",
            expected: "that of the layers, squared",
            got: matrix.len() as f64,
        });
    }
    if let Some(&got) = matrix.iter().find(|r| !(-1.0..=1.0).contains(*r)) {
        return Err(Error::OutOfRange { what: "a correlation", expected: "between -1 and 1", got });
    }
    let at = |i: usize, j: usize| matrix[i * k + j];
    if let Some(i) = (0..k).find(|&i| (at(i, i) - 1.0).abs() > 1e-9) {
        return Err(Error::OutOfRange { what: "the diagonal of a correlation matrix", expected: "1", got: at(i, i) });
    }
    if let Some((i, j)) = (0..k).flat_map(|i| (0..i).map(move |j| (i, j))).find(|&(i, j)| (at(i, j) - at(j, i)).abs() > 1e-9) {
        return Err(Error::OutOfRange { what: "a correlation", expected: "the same in both triangles of its matrix", got: at(i, j) });
    }
    let given = Mat::from_fn(k, k, at);
    let mut now = given.clone();
    let mut correction = Mat::<f64>::zeros(k, k);
    for _ in 0..MOST_ROUNDS {
        let wanted = &now - &correction;
        let positive = without_negative_eigenvalues(&wanted)?;
        correction = &positive - &wanted;
        let mut next = positive;
        (0..k).for_each(|i| next[(i, i)] = 1.0);
        let change = (&next - &now).norm_max();
        now = next;
        if change < 1e-12 {
            break;
        }
    }
    // What the last projection onto the diagonal left below zero is lifted, and the diagonal scaled back.
    let lifted = without_negative_eigenvalues(&now)?;
    let scale: Vec<f64> = (0..k).map(|i| lifted[(i, i)].sqrt()).collect();
    let out: Vec<f64> = (0..k * k).map(|e| if e / k == e % k { 1.0 } else { lifted[(e / k, e % k)] / (scale[e / k] * scale[e % k]) }).collect();
    let moved = out.iter().zip(matrix).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // A matrix that was one is left as it was.
    if moved < 1e-9 { Ok((matrix.to_vec(), 0.0)) } else { Ok((out, moved)) }
}

fn without_negative_eigenvalues(m: &Mat<f64>) -> Result<Mat<f64>> {
    let eigen = m.self_adjoint_eigen(Side::Lower).map_err(|_| Error::Stated("the eigenvalues of the correlation matrix cannot be found".into()))?;
    let (vectors, values) = (eigen.U(), eigen.S().column_vector());
    if (0..m.nrows()).all(|i| values[i] >= LEAST) {
        return Ok(m.clone());
    }
    let scaled = Mat::from_fn(m.nrows(), m.ncols(), |i, j| vectors[(i, j)] * values[j].max(LEAST));
    Ok(&scaled * vectors.transpose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_matrix_stays_and_the_nearest_is_nearest() {
        let own = [1.0, 0.3, -0.2, 0.3, 1.0, 0.5, -0.2, 0.5, 1.0];
        assert_eq!(nearest_correlation(&own, 3).unwrap(), (own.to_vec(), 0.0));
        // Higham's example (2002, section 4): the nearest to this matrix, to four digits.
        let (near, _) = nearest_correlation(&[1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0], 3).unwrap();
        assert!((near[1] - 0.7607).abs() < 1e-4 && (near[2] - 0.1573).abs() < 1e-4 && (near[5] - 0.7607).abs() < 1e-4, "{near:?}");
    }

    #[test]
    fn what_is_no_matrix_of_correlations_is_refused() {
        for (m, k) in [(vec![1.0, 0.5, 0.4, 1.0], 2), (vec![0.9, 0.5, 0.5, 1.0], 2), (vec![1.0, 1.5, 1.5, 1.0], 2), (vec![1.0], 2)] {
            assert!(nearest_correlation(&m, k).is_err(), "{m:?}");
        }
    }
}
