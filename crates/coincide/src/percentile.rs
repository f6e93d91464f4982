//! Intervals from bootstrap replicates.
//!
//! Percentiles are *expanded* (Hesterberg 2015, *The American Statistician* 69, 371, §5): with n clusters the tails
//! are cut at Φ(−√(n/(n−1))·t_{n−1}) instead of at 2.5 %, which undoes the narrowness of the plain percentile
//! interval with few clusters. A replicate in which the statistic does not exist opens both ends; one that is
//! infinite opens its end. None is dropped.

use crate::figure::{Interval, IntervalMethod};
use crate::special::{normal_cdf, normal_quantile, student_quantile};

/// The expanded percentile interval; `clusters` is the number of clusters resampled.
pub(crate) fn percentile(replicates: &mut [f64], clusters: f64, level: f64) -> Option<Interval> {
    if clusters < 2.0 {
        // One cluster drawn again and again never varies; that says nothing about another one.
        return Interval::new(f64::NEG_INFINITY, f64::INFINITY, level, IntervalMethod::BootstrapPercentile);
    }
    let n = clusters;
    let t = student_quantile(0.5 + 0.5 * level, n - 1.0);
    let tail = normal_cdf(-(n / (n - 1.0)).sqrt() * t);
    let low = order_statistic(replicates, tail, f64::NEG_INFINITY);
    let high = order_statistic(replicates, 1.0 - tail, f64::INFINITY);
    Interval::new(low, high, level, IntervalMethod::BootstrapPercentile)
}

/// The bias-corrected and accelerated interval (Efron 1987) around `estimate`.
pub(crate) fn bca(replicates: &mut [f64], estimate: f64, acceleration: f64, level: f64) -> Option<Interval> {
    let below = replicates
        .iter()
        .map(|&x| {
            if x < estimate {
                1.0
            } else if x > estimate {
                0.0
            } else {
                0.5
            }
        })
        .sum::<f64>();
    let bias = normal_quantile(below / replicates.len() as f64);
    if !bias.is_finite() {
        return None;
    }
    let tail = |p: f64| {
        let z = bias + normal_quantile(p);
        normal_cdf(bias + z / (1.0 - acceleration * z))
    };
    let (a, b) = (tail(0.5 * (1.0 - level)), tail(0.5 * (1.0 + level)));
    let low = order_statistic(replicates, a, f64::NEG_INFINITY);
    let high = order_statistic(replicates, b, f64::INFINITY);
    Interval::new(low, high, level, IntervalMethod::Bca)
}

/// The order statistic at `p`, rounded outwards; `open` stands for replicates that do not exist.
fn order_statistic(replicates: &mut [f64], p: f64, open: f64) -> f64 {
    let many = replicates.len();
    if many == 0 {
        return open;
    }
    let at = p * (many as f64 + 1.0);
    let rank = if open < 0.0 { at.floor() } else { at.ceil() }.clamp(1.0, many as f64) as usize;
    let value = |x: &f64| if x.is_nan() { open } else { *x };
    let (_, found, _) = replicates.select_nth_unstable_by(rank - 1, |a, b| value(a).total_cmp(&value(b)));
    value(found)
}
