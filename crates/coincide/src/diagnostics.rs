//! Whether chains have mixed: rank-normalised split R-hat, bulk and tail effective sample size (Vehtari, Gelman, Simpson,
//! Carpenter and Bürkner 2021, *Bayesian Analysis* 16, 667), and E-BFMI (Betancourt 2016).

use crate::special::normal_quantile;

/// Diagnostics of one quantity over several chains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mixing {
    /// The larger of the R-hats of ranks and of folded ranks; 1 when mixed.
    pub r_hat: f64,
    /// Effective draws for the centre of the distribution.
    pub ess_bulk: f64,
    /// Effective draws for its 5% and 95% quantiles, the smaller.
    pub ess_tail: f64,
}

/// Diagnostics of equally long chains. A quantity that never moves is mixed.
pub(crate) fn mixing(chains: &[Vec<f64>]) -> Mixing {
    let halves: Vec<Vec<f64>> = chains.iter().flat_map(|c| [c[..c.len() / 2].to_vec(), c[c.len() - c.len() / 2..].to_vec()]).collect();
    let total = halves.iter().map(Vec::len).sum::<usize>() as f64;
    let (least, most) = halves.iter().flatten().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
    if most <= least {
        return Mixing { r_hat: 1.0, ess_bulk: total, ess_tail: total };
    }
    let mut sorted: Vec<f64> = halves.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let quantile = |p: f64| sorted[((p * (total - 1.0)).round() as usize).min(sorted.len() - 1)];
    let median = 0.5 * (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]);
    let bulk = ranked(&halves);
    let folded = ranked(&halves.iter().map(|c| c.iter().map(|x| (x - median).abs()).collect()).collect::<Vec<_>>());
    let tail = |p: f64| {
        let cut = quantile(p);
        let below: Vec<Vec<f64>> = halves.iter().map(|c| c.iter().map(|&x| f64::from(u8::from(x <= cut))).collect()).collect();
        ess(&below)
    };
    Mixing { r_hat: r_hat(&bulk).max(r_hat(&folded)), ess_bulk: ess(&bulk), ess_tail: tail(0.05).min(tail(0.95)) }
}

/// Ranks over all chains (ties get their mean), turned into normal scores.
fn ranked(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let flat: Vec<f64> = chains.iter().flatten().copied().collect();
    let mut order: Vec<usize> = (0..flat.len()).collect();
    order.sort_by(|&a, &b| flat[a].total_cmp(&flat[b]));
    let mut score = vec![0.0; flat.len()];
    let n = flat.len() as f64;
    for tied in order.chunk_by(|&a, &b| flat[a].to_bits() == flat[b].to_bits()).scan(0usize, |from, g| {
        let at = *from;
        *from += g.len();
        Some((at, g))
    }) {
        let rank = tied.0 as f64 + 0.5 * (tied.1.len() as f64 + 1.0);
        let z = normal_quantile((rank - 0.375) / (n + 0.25));
        tied.1.iter().for_each(|&i| score[i] = z);
    }
    let mut out = Vec::with_capacity(chains.len());
    let mut from = 0;
    for c in chains {
        out.push(score[from..from + c.len()].to_vec());
        from += c.len();
    }
    out
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}
fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / (x.len() as f64 - 1.0)
}

fn r_hat(chains: &[Vec<f64>]) -> f64 {
    let n = chains[0].len() as f64;
    let within = mean(&chains.iter().map(|c| variance(c)).collect::<Vec<_>>());
    let between = variance(&chains.iter().map(|c| mean(c)).collect::<Vec<_>>());
    if within <= 0.0 {
        return if between > 0.0 { f64::INFINITY } else { 1.0 };
    }
    ((n - 1.0) / n + between / within).sqrt()
}

/// Effective sample size from autocorrelations, cut by Geyer's initial monotone sequence.
fn ess(chains: &[Vec<f64>]) -> f64 {
    let (m, n) = (chains.len() as f64, chains[0].len());
    let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
    let within = mean(&chains.iter().map(|c| variance(c)).collect::<Vec<_>>());
    if within <= 0.0 {
        return m * n as f64;
    }
    let plus = within * (n as f64 - 1.0) / n as f64 + if m > 1.0 { variance(&means) } else { 0.0 };
    let autocovariance = |lag: usize| {
        let one = |(c, mu): (&Vec<f64>, &f64)| c[lag..].iter().zip(c).map(|(a, b)| (a - mu) * (b - mu)).sum::<f64>() / n as f64;
        chains.iter().zip(&means).map(one).sum::<f64>() / m
    };
    let rho = |lag: usize| 1.0 - (within - autocovariance(lag) * n as f64 / (n as f64 - 1.0)) / plus;
    let (mut sum, mut last, mut lag) = (0.0, f64::INFINITY, 0);
    while lag + 1 < n {
        let pair = rho(lag) + rho(lag + 1);
        if pair <= 0.0 {
            break;
        }
        last = pair.min(last);
        sum += last;
        lag += 2;
    }
    let tau = (2.0 * sum - 1.0).max(1.0 / (m * n as f64).log10());
    m * n as f64 / tau
}

/// Energy Bayesian fraction of missing information of one chain: below 0.3 the sampler explores the tails badly.
pub(crate) fn e_bfmi(energy: &[f64]) -> f64 {
    let steps: f64 = energy.windows(2).map(|w| (w[1] - w[0]) * (w[1] - w[0])).sum();
    let spread = variance(energy) * (energy.len() as f64 - 1.0);
    if spread > 0.0 { steps / spread } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand_distr::{Distribution, StandardNormal};

    /// AR(1) chains with coefficient r have n(1 − r)/(1 + r) effective draws.
    fn chains(r: f64, shift: f64) -> Vec<Vec<f64>> {
        (0..4)
            .map(|c| {
                let mut rng = Seed(3).stream(Purpose::Simulation, c);
                let mut x = 0.0;
                (0..2000)
                    .map(|_| {
                        let e: f64 = StandardNormal.sample(&mut rng);
                        x = r * x + (1.0 - r * r).sqrt() * e;
                        x + shift * c as f64
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn autoregressive_chains_have_the_effective_size_of_theory() {
        for r in [0.0, 0.5, 0.9] {
            let m = mixing(&chains(r, 0.0));
            let want = 8000.0 * (1.0 - r) / (1.0 + r);
            assert!((m.ess_bulk / want - 1.0).abs() < 0.2, "{r}: {m:?} against {want}");
            assert!(m.r_hat < 1.02 && m.ess_tail > 0.5 * want, "{m:?}");
        }
    }

    #[test]
    fn chains_that_disagree_are_found_out() {
        let m = mixing(&chains(0.0, 0.5));
        assert!(m.r_hat > 1.1 && m.ess_bulk < 100.0, "{m:?}");
        // Same centre, different spread: only folded ranks see it.
        let mut spread = chains(0.0, 0.0);
        spread[0].iter_mut().for_each(|x| *x *= 3.0);
        assert!(mixing(&spread).r_hat > 1.05);
        assert_eq!(mixing(&[vec![1.0; 50], vec![1.0; 50]]), Mixing { r_hat: 1.0, ess_bulk: 100.0, ess_tail: 100.0 });
    }

    #[test]
    fn independent_energies_have_a_fraction_of_two() {
        let e = &chains(0.0, 0.0)[0];
        assert!((e_bfmi(e) - 2.0).abs() < 0.15);
    }
}
