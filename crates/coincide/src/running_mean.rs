//! An interval for rates that change while one looks: what attacks that learn from earlier results can be watched by.
//!
//! Of values x_i in [0, 1] with conditional means μ_i = E(x_i | all before), whatever they depend on, it bounds the running mean μ̄_n = Σμ_i/n, at every n at once. For a fixed r > −1 the product
//! ∏ (1 + r)^{x_i}/(1 + rμ_i) is a supermartingale, because (1 + r)^x ≤ 1 + rx; and ∏(1 + rμ_i) ≤ (1 + rμ̄_n)^n, because the logarithm is concave. So (1 + r)^{Σx}/(1 + rμ̄_n)^n, averaged over
//! fixed r of one sign, exceeds 2/(1 − c) ever with probability at most (1 − c)/2 (Ville 1939; the time-uniform bounds of Howard, Ramdas, McAuliffe and Sekhon 2021). r > 0 bounds from below, r < 0 from above.

use crate::figure::{Interval, IntervalMethod};

/// What is averaged over: from near 0, for many events, to the far end, for few.
const ABOVE: [f64; 32] = [
    0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0,
    1.3e3, 2.6e3, 5.2e3, 1e4, 3e4, 1e5, 3e5, 1e6,
];
const BELOW: [f64; 16] = [-0.001, -0.002, -0.004, -0.008, -0.015, -0.03, -0.06, -0.1, -0.15, -0.25, -0.4, -0.55, -0.7, -0.85, -0.95, -1.0];

/// Anytime-valid interval for the running mean of the conditional rates of `n` trials whose values, from 0 to 1, sum to `x`.
///
/// ```
/// use coincide::{confidence_sequence, running_mean_sequence};
/// let i = running_mean_sequence(12.0, 1000.0, 0.95);
/// assert!(i.low.unwrap() > 0.003 && i.high.unwrap() < 0.035);
/// // No trials say nothing.
/// assert_eq!(running_mean_sequence(0.0, 0.0, 0.95).high, Some(1.0));
/// ```
pub fn running_mean_sequence(x: f64, n: f64, confidence: f64) -> Interval {
    let outside = |grid: &[f64], m: f64| is_outside(grid, x, n, m, confidence);
    let seen = if n > 0.0 { (x / n).clamp(0.0, 1.0) } else { 0.5 };
    // The average is monotone in m on either side, and at most 1 at what was seen.
    let edge = |grid: &[f64], mut far: f64| {
        if !outside(grid, far) {
            return far;
        }
        let mut near = seen;
        for _ in 0..60 {
            let m = 0.5 * (near + far);
            if outside(grid, m) { far = m } else { near = m }
        }
        near
    };
    Interval { low: Some(edge(&ABOVE, 0.0)), high: Some(edge(&BELOW, 1.0)), level: confidence, method: IntervalMethod::AnytimeValid }
}

/// Whether a mean lies beyond the interval's end on the side of `grid`.
fn is_outside(grid: &[f64], x: f64, n: f64, mean: f64, confidence: f64) -> bool {
    let part = |&r: &f64| match x > 0.0 {
        // 0^x: whatever the mean is.
        true if r <= -1.0 => f64::NEG_INFINITY,
        true => x * r.ln_1p() - n * (r * mean).ln_1p(),
        false => -n * (r * mean).ln_1p(),
    };
    let most = grid.iter().map(part).fold(f64::NEG_INFINITY, f64::max);
    let average = || most + grid.iter().map(|r| (part(r) - most).exp()).sum::<f64>().ln() - (grid.len() as f64).ln();
    most == f64::INFINITY || average() > (2.0 / (1.0 - confidence)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::confidence_sequence;
    use crate::random::{Purpose, Seed};
    use rand::Rng;

    /// An attacker who learns: every success raises the rate of what comes next, every failure lowers it. Watched after every query, the interval holds the running mean of the true rates.
    #[test]
    fn it_holds_at_every_look_while_the_attacker_learns() {
        const RUNS: u64 = 300;
        for start in [0.5, 0.02] {
            let missed = (0..RUNS)
                .filter(|&run| {
                    let mut rng = Seed(5).stream(Purpose::Simulation, run);
                    let (mut rate, mut x, mut sum): (f64, f64, f64) = (start, 0.0, 0.0);
                    (1..=400).any(|n| {
                        sum += rate;
                        let beaten = rng.random_bool(rate);
                        x += f64::from(u8::from(beaten));
                        rate = if beaten { (rate * 1.5).min(0.9) } else { (rate * 0.98).max(0.005) };
                        let mean = sum / f64::from(n);
                        [&ABOVE[..], &BELOW[..]].iter().any(|grid| is_outside(grid, x, f64::from(n), mean, 0.95))
                    })
                })
                .count();
            println!("from {start}: missed in {missed} of {RUNS} runs");
            assert!(missed as f64 <= 0.05 * RUNS as f64 + 2.0 * (0.05 * 0.95 * RUNS as f64).sqrt(), "from {start}: {missed} of {RUNS}");
        }
    }

    /// What it costs to hold for rates that change: next to nothing beside the sequence for one rate.
    #[test]
    fn it_is_about_as_wide_as_for_one_rate() {
        for (x, n) in [(0.0, 100.0), (0.0, 1e5), (3.0, 1000.0), (40.0, 1000.0), (500.0, 1000.0), (1e4, 1e5), (20.0, 1e6)] {
            let (i, one) = (running_mean_sequence(x, n, 0.95), confidence_sequence(x, n, 0.95));
            let width = |i: &Interval| i.high.unwrap() - i.low.unwrap();
            assert!(i.contains(x / n) && width(&i) < 1.35 * width(&one), "{x} of {n}: {i:?} {one:?}");
        }
        assert_eq!(running_mean_sequence(50.0, 50.0, 0.95).high, Some(1.0));
    }
}
