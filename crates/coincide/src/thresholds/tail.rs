//! How unusual a score is among benign trials, as a continuous share, so that thresholds of all layers can be raised and lowered together.

/// The share of benign trials that score at least as high, between scores interpolated and beyond them going on.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    /// Distinct benign scores, descending, with the share of trials at or above each.
    knots: Vec<(f64, f64)>,
    /// How fast the share falls beyond the highest score, and rises below the lowest.
    scale: f64,
}

impl Tail {
    /// Of scores with weights. Without any, every score is as unusual as can be.
    pub fn new(scores: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut list: Vec<(f64, f64)> = scores.collect();
        list.sort_by(|a, b| b.0.total_cmp(&a.0));
        let total: f64 = list.iter().map(|s| s.1).sum();
        // One trial more than there are: the next one may lie beyond all of them.
        let whole = total + total / list.len().max(1) as f64;
        let mut knots: Vec<(f64, f64)> = Vec::new();
        let mut sum = 0.0;
        for (s, w) in &list {
            sum += w;
            match knots.last_mut() {
                Some(last) if last.0.to_bits() == s.to_bits() => last.1 = sum / whole,
                _ => knots.push((*s, sum / whole)),
            }
        }
        let spread = match (knots.first(), knots.get(knots.len() / 2), knots.last()) {
            (Some(high), Some(middle), Some(low)) if high.0 > middle.0 || high.0 > low.0 => (high.0 - middle.0).max(0.5 * (high.0 - low.0)),
            (Some(high), ..) => high.0.abs().max(1.0),
            _ => 1.0,
        };
        Tail { knots, scale: spread }
    }

    /// The share at a score: falls strictly as the score rises.
    pub fn at(&self, score: f64) -> f64 {
        let Some((&first, &last)) = self.knots.first().zip(self.knots.last()) else { return (-score).exp().min(f64::MAX) };
        if score >= first.0 {
            return first.1 * (-(score - first.0) / self.scale).exp();
        }
        if score <= last.0 {
            return last.1 + (last.0 - score) / self.scale;
        }
        let below = self.knots.partition_point(|k| k.0 > score);
        let (above, below) = (self.knots[below - 1], self.knots[below]);
        below.1 + (above.1 - below.1) * (score - below.0) / (above.0 - below.0)
    }

    /// The score with this share.
    pub fn score(&self, share: f64) -> f64 {
        let Some((&first, &last)) = self.knots.first().zip(self.knots.last()) else { return -share.ln() };
        if share <= first.1 {
            return first.0 - self.scale * (share / first.1).ln();
        }
        if share >= last.1 {
            return last.0 - (share - last.1) * self.scale;
        }
        let below = self.knots.partition_point(|k| k.1 < share);
        let (above, below) = (self.knots[below - 1], self.knots[below]);
        below.0 + (above.0 - below.0) * (share - below.1) / (above.1 - below.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fall_with_scores_and_scores_come_back() {
        let t = Tail::new([0.1, 0.4, 0.4, 0.9].into_iter().map(|s| (s, 1.0)));
        assert!((t.at(0.9) - 0.2).abs() < 1e-15 && (t.at(0.4) - 0.6).abs() < 1e-15 && (t.at(0.1) - 0.8).abs() < 1e-15);
        let mut before = f64::INFINITY;
        for i in -20..40 {
            let s = f64::from(i) / 20.0;
            let share = t.at(s);
            assert!(share < before && share > 0.0, "{s}");
            assert!((t.score(share) - s).abs() < 1e-9, "{s}");
            before = share;
        }
    }

    #[test]
    fn one_score_for_all_is_no_trouble() {
        let t = Tail::new([(3.0, 1.0), (3.0, 1.0)].into_iter());
        assert!(t.at(3.0) > t.at(3.5) && t.at(2.0) > t.at(3.0) && t.at(1e300).is_finite());
        assert!((t.score(t.at(2.5)) - 2.5).abs() < 1e-9);
    }
}
