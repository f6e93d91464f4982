//! What is known of a chance, for Thompson sampling: a Beta posterior.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

/// What an arm has seen: successes and failures, in parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arm {
    good: f64,
    bad: f64,
}

impl Arm {
    /// Knows nothing yet.
    pub(super) const NEW: Arm = Arm { good: 1.0, bad: 1.0 };

    /// A draw of its chance.
    pub(super) fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        Beta::new(self.good, self.bad).map_or(0.5, |b| b.sample(rng))
    }

    /// Takes a trial into account that succeeded by this share.
    pub(super) fn see(&mut self, share: f64) {
        self.good += share;
        self.bad += 1.0 - share;
    }
}

/// Places of the largest draws, the largest first.
pub(super) fn largest(arms: &[Arm], many: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut drawn: Vec<(f64, usize)> = arms.iter().enumerate().map(|(i, a)| (a.draw(rng), i)).collect();
    drawn.sort_by(|a, b| b.0.total_cmp(&a.0));
    drawn.into_iter().take(many).map(|d| d.1).collect()
}
