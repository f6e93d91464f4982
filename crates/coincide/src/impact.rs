//! How much a research problem matters: four scores, weighted, with ranges and what each of them moves.
//!
//! impact = 0.35·severity + 0.25·tractability + 0.25·neglectedness + 0.15·urgency by default. A stated score takes precedence over the mean of its
//! sub-scores, and the difference is part of the result.

use crate::error::{Error, Result};
use crate::random::{Purpose, Seed};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A score: a number, or a range from least to most with the likeliest value between.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, [least, most] or [least, likeliest, most]")]
pub enum Score {
    /// A number from 0 to 10.
    Value(f64),
    /// Least and most.
    Range([f64; 2]),
    /// Least, likeliest, most.
    Triangle([f64; 3]),
}

impl Score {
    fn ends(&self) -> (f64, f64, f64) {
        match *self {
            Score::Value(x) => (x, x, x),
            Score::Range([a, b]) => (a, 0.5 * (a + b), b),
            Score::Triangle([a, m, b]) => (a, m, b),
        }
    }
    /// The number that stands for it: itself, the middle of a range, the likeliest of three.
    pub fn middle(&self) -> f64 {
        self.ends().1
    }
    fn check(&self) -> Result<()> {
        let (a, m, b) = self.ends();
        if [a, m, b].iter().any(|x| !(0.0..=10.0).contains(x)) {
            return Err(Error::OutOfRange { what: "a score", expected: "between 0 and 10", got: if (0.0..=10.0).contains(&a) { b } else { a } });
        }
        if a <= m && m <= b { Ok(()) } else { Err(Error::Stated(format!("a range of scores must rise: {a}, {m}, {b}"))) }
    }
    fn draw(&self, rng: &mut impl Rng) -> f64 {
        let (a, m, b) = self.ends();
        let u: f64 = rng.random();
        match self {
            Score::Value(_) => m,
            Score::Range(_) => a + u * (b - a),
            Score::Triangle(_) if b <= a => m,
            // Inverse of the triangular distribution function.
            Score::Triangle(_) => {
                let turn = (m - a) / (b - a);
                if u < turn { a + (u * (b - a) * (m - a)).sqrt() } else { b - ((1.0 - u) * (b - a) * (b - m)).sqrt() }
            }
        }
    }
}

/// One of the four parts of a problem's impact.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImpactPart {
    /// The score as it was stated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stated: Option<Score>,
    /// Sub-scores by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub sub_scores: BTreeMap<String, Score>,
}

/// A problem with its scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Name.
    pub name: String,
    /// How bad it is if nobody solves it.
    pub severity: ImpactPart,
    /// How far work can get.
    pub tractability: ImpactPart,
    /// How little is being done.
    pub neglectedness: ImpactPart,
    /// How soon it matters.
    pub urgency: ImpactPart,
}

/// Weights of the four parts; they are scaled to sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImpactWeights {
    /// Of severity.
    pub severity: f64,
    /// Of tractability.
    pub tractability: f64,
    /// Of neglectedness.
    pub neglectedness: f64,
    /// Of urgency.
    pub urgency: f64,
}

impl Default for ImpactWeights {
    fn default() -> Self {
        ImpactWeights { severity: 0.35, tractability: 0.25, neglectedness: 0.25, urgency: 0.15 }
    }
}

/// One part of the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImpactLine {
    /// `severity`, `tractability`, `neglectedness` or `urgency`.
    pub part: String,
    /// Its weight, of 1.
    pub weight: f64,
    /// The score that counts.
    pub score: f64,
    /// The stated score, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stated: Option<f64>,
    /// Mean of the sub-scores, where there are any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mean_of_sub_scores: Option<f64>,
    /// Impact when this part alone is at its least and most; equal where it is no range.
    pub swing: [f64; 2],
}

/// The impact of one problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Impact {
    /// The problem.
    pub problem: String,
    /// Weighted score, stated scores before means of sub-scores.
    pub score: f64,
    /// The same from the means of sub-scores wherever there are any; absent without sub-scores.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from_sub_scores: Option<f64>,
    /// Parts, the one that moves the score most first.
    pub parts: Vec<ImpactLine>,
    /// 5%, 50% and 95% of the score where scores are ranges, drawn independently.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub distribution: Option<[f64; 3]>,
}

const DRAWS: u64 = 20_000;

/// Scores one problem. Fails on a part without any score, scores outside 0 to 10, ranges that fall and weights that are not positive in sum.
///
/// ```
/// use coincide::{ImpactPart, ImpactWeights, Problem, Score, Seed, impact};
/// let part = |x: f64| ImpactPart { stated: Some(Score::Value(x)), ..ImpactPart::default() };
/// let p = Problem { name: "correlated failures".into(), severity: part(8.0), tractability: part(5.0), neglectedness: part(6.0), urgency: part(8.0) };
/// assert_eq!(impact(&p, ImpactWeights::default(), Seed(1))?.score, 6.75);
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn impact(problem: &Problem, weights: ImpactWeights, seed: Seed) -> Result<Impact> {
    let list = [
        ("severity", &problem.severity, weights.severity),
        ("tractability", &problem.tractability, weights.tractability),
        ("neglectedness", &problem.neglectedness, weights.neglectedness),
        ("urgency", &problem.urgency, weights.urgency),
    ];
    let total: f64 = list.iter().map(|l| l.2).sum();
    if list.iter().any(|l| l.2.is_nan() || l.2 < 0.0) || total <= 0.0 || !total.is_finite() {
        return Err(Error::OutOfRange { what: "the weights of impact", expected: "at least 0 and positive in sum", got: total });
    }
    /// The scores a part is the mean of, and what stands beside it.
    struct Read<'a> {
        scores: Vec<&'a Score>,
        stated: Option<f64>,
        sub: Option<f64>,
    }
    let mean = |s: &[&Score], of: &dyn Fn(&Score) -> f64| s.iter().map(|x| of(x)).sum::<f64>() / s.len() as f64;
    let read: Vec<Read<'_>> = list
        .iter()
        .map(|(name, part, _)| {
            let sub: Vec<&Score> = part.sub_scores.values().collect();
            let scores: Vec<&Score> = part.stated.as_ref().map_or(sub.clone(), |s| vec![s]);
            if scores.is_empty() {
                return Err(Error::Stated(format!("there is no score for {name}: state one, or give sub-scores")).within("problem", &problem.name));
            }
            for s in scores.iter().chain(&sub) {
                s.check().map_err(|e| Error::Stated(format!("{name}: {e}")).within("problem", &problem.name))?;
            }
            Ok(Read { scores, stated: part.stated.as_ref().map(Score::middle), sub: (!sub.is_empty()).then(|| mean(&sub, &Score::middle)) })
        })
        .collect::<Result<_>>()?;
    let weight = |i: usize| list[i].2 / total;
    let middle: Vec<f64> = read.iter().map(|r| mean(&r.scores, &Score::middle)).collect();
    let sum = |scores: &[f64]| -> f64 { scores.iter().zip(&list).map(|(s, l)| l.2 * s).sum::<f64>() / total };
    let score = sum(&middle);
    let mut parts: Vec<ImpactLine> = (0..4)
        .map(|i| {
            let at = |x: f64| score + weight(i) * (x - middle[i]);
            ImpactLine {
                part: list[i].0.to_owned(),
                weight: weight(i),
                score: middle[i],
                stated: read[i].stated,
                mean_of_sub_scores: read[i].sub,
                swing: [at(mean(&read[i].scores, &|s| s.ends().0)), at(mean(&read[i].scores, &|s| s.ends().2))],
            }
        })
        .collect();
    parts.sort_by(|a, b| (b.swing[1] - b.swing[0]).total_cmp(&(a.swing[1] - a.swing[0])));
    let from_sub_scores = read.iter().any(|r| r.sub.is_some()).then(|| sum(&(0..4).map(|i| read[i].sub.unwrap_or(middle[i])).collect::<Vec<_>>()));
    let ranged = read.iter().any(|r| r.scores.iter().any(|s| s.ends().2 > s.ends().0));
    let distribution = ranged.then(|| {
        let mut rng = seed.stream(Purpose::Beliefs, 0);
        let mut draws: Vec<f64> = (0..DRAWS)
            .map(|_| sum(&read.iter().map(|r| r.scores.iter().map(|s| s.draw(&mut rng)).sum::<f64>() / r.scores.len() as f64).collect::<Vec<_>>()))
            .collect();
        [0.05, 0.5, 0.95].map(|p| crate::fit::quantile(&mut draws, p))
    });
    Ok(Impact { problem: problem.name.clone(), score, from_sub_scores, parts, distribution })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(stated: f64, sub: &[f64]) -> ImpactPart {
        ImpactPart {
            stated: Some(Score::Value(stated)),
            sub_scores: sub.iter().enumerate().map(|(i, &s)| (format!("s{i}"), Score::Value(s))).collect(),
        }
    }

    #[test]
    fn the_published_scores_and_their_sub_scores() {
        let p = Problem {
            name: "correlated failures".into(),
            severity: part(8.0, &[9.0, 8.0, 7.0, 7.0]),
            tractability: part(5.0, &[5.0, 4.0, 6.0, 5.0]),
            neglectedness: part(6.0, &[5.0, 6.0, 5.0, 4.0]),
            urgency: part(8.0, &[8.0]),
        };
        let i = impact(&p, ImpactWeights::default(), Seed(1)).unwrap();
        assert!((i.score - 6.75).abs() < 1e-12 && (i.from_sub_scores.unwrap() - 6.4125).abs() < 1e-12);
        assert!(i.distribution.is_none() && i.parts.iter().all(|p| p.swing[0] == p.swing[1]));
    }

    #[test]
    fn ranges_give_a_tornado_and_a_distribution() {
        let p = Problem {
            name: "x".into(),
            severity: ImpactPart { stated: Some(Score::Triangle([2.0, 8.0, 9.0])), ..ImpactPart::default() },
            tractability: ImpactPart { stated: Some(Score::Range([4.0, 6.0])), ..ImpactPart::default() },
            neglectedness: part(6.0, &[]),
            urgency: part(8.0, &[]),
        };
        let i = impact(&p, ImpactWeights::default(), Seed(1)).unwrap();
        assert_eq!(i.parts[0].part, "severity");
        assert!((i.parts[0].swing[1] - i.parts[0].swing[0] - 0.35 * 7.0).abs() < 1e-12);
        let [low, median, high] = i.distribution.unwrap();
        assert!(low < median && median < high && low > 4.65 && high < 7.4, "{low} {median} {high}");
        let none = Problem { urgency: ImpactPart::default(), ..p.clone() };
        assert!(impact(&none, ImpactWeights::default(), Seed(1)).unwrap_err().to_string().contains("urgency"));
        let high = Problem { urgency: part(11.0, &[]), ..p };
        assert!(impact(&high, ImpactWeights::default(), Seed(1)).unwrap_err().to_string().contains("between 0 and 10"));
    }
}
