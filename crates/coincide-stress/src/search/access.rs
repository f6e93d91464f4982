//! What an attacker gets to see of the layers' answers.

use crate::watch::Joint;
use coincide::FailsWhen;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much an attacker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sees {
    /// Verdicts, and the scores behind them.
    Scores,
    /// Verdicts.
    #[default]
    Verdicts,
    /// Whether the query was blocked, and not by what.
    Block,
    /// Nothing: attacks are sent blindly.
    Nothing,
}

/// An access tier: how much an attacker is told, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// How much is told; `verdicts`.
    pub sees: Sees,
    /// Whether every layer answers by itself. Otherwise only the pipeline does, which stops at the first layer that holds: whoever sees its verdicts sees which one that was, and nothing of
    /// the layers behind it.
    pub separable: bool,
}

/// What one layer really said.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Answer {
    /// Whether it failed; `None` without an outcome.
    pub failed: Option<bool>,
    /// Its score, on its own scale.
    pub score: Option<f64>,
}

/// What came of one query.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Heard {
    /// Layer by layer.
    pub answers: Vec<Answer>,
    /// What the target said.
    pub response: Option<String>,
    /// The target refused.
    pub refused: bool,
}

/// What an attacker sees of one query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// Whether it got through everything; `None` where that is not shown, or not known.
    pub through: Option<bool>,
    /// Layer by layer; nothing in it where it is not shown.
    pub layers: Vec<Answer>,
}

impl Access {
    /// Whether the target's answer is shown: it is what gets through the layers `others`, of which these failed. A refusal is an answer too.
    pub(crate) fn shows_answers(self, mut others: impl Iterator<Item = Option<bool>>) -> bool {
        self.sees != Sees::Nothing && (self.separable || others.all(|failed| failed != Some(false)))
    }

    /// What is shown of the layers' answers, which are in the order of the pipeline.
    ///
    /// ```
    /// use coincide_stress::{Access, Answer, Sees};
    /// let said = |failed| Answer { failed: Some(failed), score: Some(0.3) };
    /// let answers = [said(true), said(false), said(true)];
    /// let pipeline = Access { sees: Sees::Verdicts, separable: false }.view(&answers);
    /// // It got through the first layer and was stopped by the second. The third was not asked, as far as anybody can tell.
    /// assert_eq!(pipeline.through, Some(false));
    /// assert_eq!(pipeline.layers.iter().map(|l| l.failed).collect::<Vec<_>>(), [Some(true), Some(false), None]);
    /// assert!(pipeline.layers.iter().all(|l| l.score.is_none()));
    /// let blind = Access { sees: Sees::Block, separable: false }.view(&answers);
    /// assert!(blind.through == Some(false) && blind.layers.iter().all(|l| l.failed.is_none()));
    /// ```
    pub fn view(self, answers: &[Answer]) -> View {
        let held = answers.iter().position(|a| a.failed == Some(false));
        let through = Joint::of(answers.iter().map(|a| a.failed)).failed();
        let hidden = vec![Answer::default(); answers.len()];
        let shown = |answers: &[Answer]| -> Vec<Answer> {
            let score = |a: &Answer| a.score.filter(|_| self.sees == Sees::Scores);
            answers.iter().map(|a| Answer { failed: a.failed, score: score(a) }).collect()
        };
        match (self.sees, self.separable) {
            (Sees::Nothing, _) => View { through: None, layers: hidden },
            // A layer that can be asked alone shows its verdict by blocking.
            (_, true) => View { through, layers: shown(answers) },
            (Sees::Block, false) => View { through, layers: hidden },
            (_, false) => {
                let reached = held.map_or(answers.len(), |h| h + 1);
                let mut layers = shown(&answers[..reached]);
                layers.resize(answers.len(), Answer::default());
                View { through, layers }
            }
        }
    }
}

/// Turns what is seen into how near a query came: 1 for all layers, in between the share of layers that are seen to have failed, with scores as the last digit.
#[derive(Debug, Clone)]
pub(crate) struct Nearness {
    sides: Vec<Option<FailsWhen>>,
    /// Smallest and largest score that each layer has shown.
    range: Vec<(f64, f64)>,
}

impl Nearness {
    /// `sides`: which scores of each layer fail, where that is known.
    pub(crate) fn new(sides: Vec<Option<FailsWhen>>) -> Self {
        let range = vec![(f64::INFINITY, f64::NEG_INFINITY); sides.len()];
        Nearness { sides, range }
    }

    /// Takes the scores of a view into account, and says how near it came.
    pub(crate) fn of(&mut self, view: &View) -> f64 {
        self.see(view);
        self.near(view)
    }

    /// Takes the scores of a view into account.
    pub(crate) fn see(&mut self, view: &View) {
        for ((a, side), (low, high)) in view.layers.iter().zip(&self.sides).zip(&mut self.range) {
            if let (Some(_), Some(score)) = (side, a.score) {
                (*low, *high) = (low.min(score), high.max(score));
            }
        }
    }

    /// How near a query came, among those whose scores were taken into account.
    pub(crate) fn near(&self, view: &View) -> f64 {
        if view.through == Some(true) {
            return 1.0;
        }
        let layers = view.layers.len() as f64;
        let mut near = 0.0;
        for (i, a) in view.layers.iter().enumerate() {
            if a.failed == Some(true) {
                near += 1.0;
            }
            let (Some(side), Some(score)) = (self.sides[i], a.score) else { continue };
            let (low, high) = self.range[i];
            if a.failed == Some(false) && high > low {
                let up = (score - low) / (high - low);
                near += 0.9 * if side == FailsWhen::Below { 1.0 - up } else { up };
            }
        }
        // What has not got through is never as good as what has.
        (near / (layers + 1.0)).min(0.999)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(failed: bool, score: f64) -> Answer {
        Answer { failed: Some(failed), score: Some(score) }
    }

    #[test]
    fn every_tier_shows_what_it_says() {
        let answers = [said(true, 0.1), said(false, 0.9), said(false, 0.6)];
        let view = |sees, separable| Access { sees, separable }.view(&answers);
        let all = view(Sees::Scores, true);
        assert_eq!(all.layers, answers);
        assert!(view(Sees::Verdicts, true).layers.iter().zip(&answers).all(|(v, a)| v.failed == a.failed && v.score.is_none()));
        assert_eq!(view(Sees::Block, true), view(Sees::Verdicts, true));
        let pipeline = view(Sees::Scores, false);
        assert_eq!(pipeline.layers, [answers[0], answers[1], Answer::default()]);
        for separable in [true, false] {
            assert_eq!(view(Sees::Nothing, separable), View { through: None, layers: vec![Answer::default(); 3] });
        }
        let got_through = Access { sees: Sees::Block, separable: false }.view(&[said(true, 0.0), said(true, 0.0)]);
        assert_eq!(got_through.through, Some(true));
        // An error is no failure: whether it got through is open.
        let open = Access::default().view(&[said(true, 0.0), Answer::default()]);
        assert_eq!(open.through, None);
    }

    #[test]
    fn nearness_counts_layers_first_and_scores_last() {
        let mut near = Nearness::new(vec![Some(FailsWhen::Below), None]);
        let view = |a: Answer, b: Answer| Access { sees: Sees::Scores, separable: true }.view(&[a, b]);
        let far = near.of(&view(said(false, 0.9), said(false, 0.9)));
        let nearer = near.of(&view(said(false, 0.6), said(false, 0.1)));
        let one = near.of(&view(said(true, 0.2), said(false, 0.9)));
        let all = near.of(&view(said(true, 0.2), said(true, 0.2)));
        assert!(far < nearer && nearer < one && one < all, "{far} {nearer} {one} {all}");
        assert_eq!(all, 1.0);
    }
}
