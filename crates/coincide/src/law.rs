//! A fitted model as a law: what it says about any pattern, set or structure, at its best parameters and draw by draw.

use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::fit::{FitOptions, central, prepare, quantile};
use crate::fitted::Fitted;
use crate::holdout::Folds;
use crate::layers::LayerSet;
use crate::likelihood::Likelihood;
use crate::model::{JointLaw, Kind, Mixture, choose, mixture};
use crate::outcome::{JointOutcomes, Label};
use crate::patterns::Patterns;
use crate::posterior::Draws;
use crate::quadrature::Accuracy;
use crate::sample::Sample;
use crate::structure::Structure;
use rayon::prelude::*;

/// A model fitted to a table.
pub struct FittedLaw {
    fitted: Fitted,
    draws: Vec<Draws>,
    level: f64,
}

impl std::fmt::Debug for FittedLaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FittedLaw").field("model", &self.fitted.choice.name()).field("draws", &self.draws()).finish_non_exhaustive()
    }
}

/// Fits one model and draws from its posterior; without priors there are no draws.
///
/// Fails with [`Error::NoTrials`] without attack rows, on a model that there is not, and with [`Error::Fit`] where it cannot be fitted;
/// `empirical` is not fitted and is refused.
///
/// ```
/// use coincide::{Columns, FitOptions, JointLaw, LayerSet, Outcome::{Failed, Held}, TableBuilder, TrialRow, fit_law};
/// let columns = Columns { layers: vec!["filter".into(), "judge".into(), "probe".into()], ..Columns::default() };
/// let mut b = TableBuilder::new(columns)?;
/// for (outcomes, n) in [([Failed, Failed, Failed], 12), ([Failed, Held, Held], 9), ([Held, Failed, Held], 8), ([Held, Held, Held], 171)] {
///     (0..n).for_each(|_| b.add(&TrialRow { outcomes: &outcomes, ..TrialRow::default() }));
/// }
/// let law = fit_law(&b.finish(), "factor", &FitOptions { draws: 400, ..FitOptions::default() })?;
/// let pair = law.co_failure(&LayerSet::of(3, &[0, 1]));
/// assert!(pair.interval.unwrap().contains(12.0 / 200.0));
/// // Anything else follows from the mixture: here, that at least two of three fail.
/// assert!(law.best().at_least(2) >= law.best().at_least(3));
/// # Ok::<(), coincide::Error>(())
/// ```
pub fn fit_law(table: &JointOutcomes, model: &str, options: &FitOptions) -> Result<FittedLaw> {
    let choice = choose(&[model.to_owned()], !table.strata().is_empty())?;
    let [choice] = choice[..] else { return Err(Error::Fit { model: model.to_owned(), why: "it is not one model".into() }) };
    if matches!(choice.model().kind, Kind::Empirical) {
        return Err(Error::Fit { model: model.to_owned(), why: "it is not fitted: it is the observed patterns".into() });
    }
    let sample = Sample::new(table, |c| c.label() == Label::Attack);
    let patterns = Patterns::new(&sample);
    if patterns.len() == 0 {
        return Err(Error::NoTrials);
    }
    let (folds, data) = (Folds::deal(&patterns, options.folds, options.seed), Likelihood::new(&patterns));
    let context = prepare(table, &patterns, &data, &folds, (&[], None), false, options)?;
    let fitted = context.fit(choice, &|_| {})?;
    let draws = if context.draws_are_wanted() { context.draw(&fitted, &|_| {})? } else { Vec::new() };
    Ok(FittedLaw { fitted, draws, level: options.level })
}

impl FittedLaw {
    /// The law at the best parameters.
    pub fn best(&self) -> Mixture {
        self.at(&self.fitted.parts.iter().map(|p| p.optimum.at.as_slice()).collect::<Vec<_>>(), Accuracy::REPORT)
    }
    /// Number of posterior draws.
    pub fn draws(&self) -> usize {
        self.draws.first().map_or(0, |d| d.all().count())
    }
    /// The law of one posterior draw, below [`Self::draws`].
    pub fn draw(&self, draw: usize) -> Mixture {
        let at: Vec<&[f64]> = self
            .draws
            .iter()
            .map(|d| {
                let each = d.chains[0].len();
                d.chains[draw / each][draw % each].as_slice()
            })
            .collect();
        self.at(&at, Accuracy::DRAW)
    }
    /// P(all layers of a set fail): posterior median and interval; the best value alone where there are no draws.
    pub fn co_failure(&self, set: &LayerSet) -> Figure {
        let mut list: Vec<f64> = (0..self.draws()).into_par_iter().map(|d| self.draw(d).ln_all_fail(set).exp()).collect();
        if list.is_empty() {
            return Figure::of(self.best().ln_all_fail(set).exp(), "");
        }
        let interval = central(&mut list, self.level);
        Figure::of(quantile(&mut list, 0.5), "").with(interval)
    }

    /// P(system failure): posterior median and interval; the best value alone where there are no draws. The structure is compiled once, and every draw's nodes go through its diagram together.
    ///
    /// Fails where the structure's diagram has no room.
    pub fn system_failure(&self, system: &Structure) -> Result<Figure> {
        let diagram = system.diagram()?;
        let one = |law: &Mixture| diagram.mean(law.nodes(), |z| law.ln_weight(z).exp(), |i, z| law.ln_fail(z)[i].exp());
        let mut list: Vec<f64> = (0..self.draws()).into_par_iter().map(|d| one(&self.draw(d))).collect();
        if list.is_empty() {
            return Ok(Figure::of(one(&self.best()), ""));
        }
        let interval = central(&mut list, self.level);
        Ok(Figure::of(quantile(&mut list, 0.5), "").with(interval))
    }

    fn at(&self, at: &[&[f64]], accuracy: Accuracy) -> Mixture {
        let parts: Vec<(f64, Mixture)> =
            self.fitted.parts.iter().zip(at).map(|(p, at)| (p.share, mixture(p.family.as_ref(), at, accuracy))).collect();
        Mixture::union(&parts)
    }
}
