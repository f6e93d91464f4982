//! An operational profile over sequences of operators: how long sequences are, and how often each operator is in them.
//!
//! A sequence of length L is drawn without putting anything back: each place takes one of the operators that are left, with chances in proportion to their weights there (successive
//! sampling; Plackett 1975). So every sequence has a probability that can be written down, which is what importance sampling needs.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Weights of lengths and of operators at each place.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Probability of each length, from 0.
    pub(crate) lengths: Vec<f64>,
    /// For each place, innermost first, the weight of each operator.
    pub(crate) places: Vec<Vec<f64>>,
}

impl Profile {
    /// Lengths from 1 to `depth` alike, and all operators alike: what random composition draws.
    pub fn even(operators: usize, depth: usize) -> Profile {
        Profile::new(&Profile::even_lengths(depth), vec![1.0; operators])
    }

    /// Weights of lengths, from 0, of which all from 1 to `depth` are alike.
    pub(crate) fn even_lengths(depth: usize) -> Vec<f64> {
        (0..=depth).map(|length| f64::from(u8::from(length > 0))).collect()
    }

    /// From weights of lengths, from 0, and of operators, wherever they stand. Lengths that cannot be drawn, because too few operators have a weight, are left out.
    pub fn new(lengths: &[f64], operators: Vec<f64>) -> Profile {
        let usable = operators.iter().filter(|w| **w > 0.0).count();
        let longest = (lengths.len() - 1).min(usable);
        let sum: f64 = lengths[..=longest].iter().sum();
        Profile { lengths: lengths[..=longest].iter().map(|l| l / sum).collect(), places: vec![operators; longest] }
    }

    /// A sequence.
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let possible =
            |weights: &[f64], without: &[usize]| -> Vec<usize> { (0..weights.len()).filter(|i| weights[*i] > 0.0 && !without.contains(i)).collect() };
        let length = pick(&possible(&self.lengths, &[]), |l| self.lengths[l], rng);
        let mut chain = Vec::with_capacity(length);
        for place in &self.places[..length] {
            let next = pick(&possible(place, &chain), |o| place[o], rng);
            chain.push(next);
        }
        chain
    }

    /// Its probability.
    pub(crate) fn probability(&self, chain: &[usize]) -> f64 {
        let Some(&length) = self.lengths.get(chain.len()) else { return 0.0 };
        let place = |(at, &o): (usize, &usize)| {
            let place = &self.places[at];
            let left: f64 = (0..place.len()).filter(|i| !chain[..at].contains(i)).map(|i| place[i]).sum();
            if left > 0.0 { place[o] / left } else { 0.0 }
        };
        length * chain.iter().enumerate().map(place).product::<f64>()
    }
}

/// One of `free`, which is not empty, in proportion to weights above 0.
pub(super) fn pick(free: &[usize], weight: impl Fn(usize) -> f64, rng: &mut ChaCha8Rng) -> usize {
    let total: f64 = free.iter().map(|&i| weight(i)).sum();
    let mut at = rng.random_range(0.0..total);
    for &i in free {
        at -= weight(i);
        if at < 0.0 {
            return i;
        }
    }
    free[free.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use coincide::{Purpose, Seed};
    use std::collections::BTreeMap;

    /// Probabilities sum to one, and are what is drawn.
    #[test]
    fn probabilities_are_those_of_the_draws() {
        let mut uneven = Profile::new(&[0.1, 0.3, 0.6], vec![1.0, 2.0, 0.0, 4.0]);
        uneven.places[1] = vec![3.0, 1.0, 0.0, 1.0];
        for profile in [Profile::even(4, 2), uneven] {
            let mut rng = Seed(1).stream(Purpose::Simulation, 0);
            const DRAWS: u32 = 200_000;
            let mut seen: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
            (0..DRAWS).for_each(|_| *seen.entry(profile.draw(&mut rng)).or_default() += 1);
            let total: f64 = seen.keys().map(|c| profile.probability(c)).sum();
            assert!((total - 1.0).abs() < 1e-12, "{total}");
            for (chain, n) in seen {
                let (p, got) = (profile.probability(&chain), f64::from(n) / f64::from(DRAWS));
                assert!((p - got).abs() < 5.0 * (p / f64::from(DRAWS)).sqrt(), "{chain:?}: {p} {got}");
            }
        }
        // What no operator is left for is not drawn.
        assert_eq!(Profile::new(&[0.0, 1.0, 1.0, 1.0], vec![1.0, 0.0, 1.0]).lengths, [0.0, 0.5, 0.5]);
    }
}
