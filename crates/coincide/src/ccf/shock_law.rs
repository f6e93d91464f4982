//! How probable it is that exactly these members of a group fail, where every set of them has an independent shock and shocks of equally many members are equally likely (Marshall and Olkin 1967): the
//! likelihood that factors of common causes are learned by.
//!
//! In hazards, −ln(1 − q): member j has one of its own, μ_j, and every set of k ≥ 2 members has λ_k. Let F be the f failed of o observed members. Shocks reach observed members as shocks of fewer members
//! do: a set of k of them is what λ'_k = Σ_i C(m − o, i) λ_{k+i} takes. With c(u) the chance that shocks of two and more inside a set of u members leave none of it out, and E(v) = Σ_{k≥2} C(v, k) λ'_k,
//!
//! P = Π_{j held} e^{−μ'_j} · e^{−(E(o) − E(f))} · Σ_u e_{f−u}(x_F) c(u) e^{−(E(f) − E(u))},   x_j = 1 − e^{−μ'_j},   c(u) = 1 − Σ_{v<u} C(u, v) c(v) e^{−(E(u) − E(v))}
//!
//! where e_n are the elementary symmetric polynomials: no sum over the sets of members, and every term is positive.

use coincide_structure::choose;

/// Trials with one outcome of a group, members as bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pattern {
    pub failed: u32,
    pub observed: u32,
    pub trials: f64,
}

/// Hazards of shocks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hazards {
    /// Of each member alone.
    pub own: Vec<f64>,
    /// Of one specific set of k members, for k from 2 on.
    pub shared: Vec<f64>,
}

impl Hazards {
    fn of(&self, k: usize) -> f64 {
        if k < 2 { 0.0 } else { self.shared.get(k - 2).copied().unwrap_or(0.0) }
    }

    /// By shocks of two and more members, of a member.
    pub(super) fn common(&self) -> f64 {
        let m = self.own.len();
        (2..=m).map(|k| choose(m - 1, k - 1) * self.of(k)).sum()
    }

    /// Each member's failure rate.
    pub(super) fn rates(&self) -> Vec<f64> {
        let common = self.common();
        self.own.iter().map(|own| -(-(own + common)).exp_m1()).collect()
    }

    /// Chance of a pattern.
    pub(super) fn probability(&self, failed: u32, observed: u32) -> f64 {
        let seen = Seen::new(self, observed.count_ones() as usize);
        seen.ln_probability(self, failed, observed, None).exp()
    }
}

/// Derivatives of a log-likelihood.
#[derive(Debug, Clone, Default)]
pub(super) struct Slopes {
    pub own: Vec<f64>,
    pub shared: Vec<f64>,
}

/// What is common to all patterns with so many observed members.
struct Seen {
    members: usize,
    observed: usize,
    /// λ'_k of sets of observed members, for k from 0 on; the one of single members comes on top of their own hazard.
    hazard: Vec<f64>,
    /// E(v) for v from 0 on.
    within: Vec<f64>,
    /// c(u), and its derivative by λ'_k.
    all: Vec<f64>,
    slope: Vec<Vec<f64>>,
}

impl Seen {
    fn new(h: &Hazards, observed: usize) -> Seen {
        let members = h.own.len();
        let missing = members - observed;
        let hazard: Vec<f64> =
            (0..=observed).map(|k| if k == 0 { 0.0 } else { (0..=missing).map(|i| choose(missing, i) * h.of(k + i)).sum() }).collect();
        let within: Vec<f64> = (0..=observed).map(|v| (2..=v).map(|k| choose(v, k) * hazard[k]).sum()).collect();
        let mut all = vec![1.0];
        let mut slope = vec![vec![0.0; observed + 1]];
        for u in 1..=observed {
            // v = 0 is the first term.
            let mut sum = -(-within[u]).exp_m1();
            let mut d: Vec<f64> = (0..=observed).map(|k| if k >= 2 { choose(u, k) * (-within[u]).exp() } else { 0.0 }).collect();
            for v in 2..u {
                let held = choose(u, v) * (within[v] - within[u]).exp();
                sum -= held * all[v];
                for (k, d) in d.iter_mut().enumerate().skip(2) {
                    *d -= held * (slope[v][k] - all[v] * (choose(u, k) - choose(v, k)));
                }
            }
            // Of a single member there is none, and rounding leaves no chance below 0.
            all.push(if u == 1 { 0.0 } else { sum.max(0.0) });
            slope.push(d);
        }
        Seen { members, observed, hazard, within, all, slope }
    }

    /// ln P of a pattern; `add` takes its derivatives, each times so much.
    fn ln_probability(&self, h: &Hazards, failed: u32, observed: u32, add: Option<(&mut Slopes, f64)>) -> f64 {
        let (o, f) = (self.observed, failed.count_ones() as usize);
        let single = self.hazard.get(1).copied().unwrap_or(0.0);
        let own = |j: usize| h.own[j] + single;
        let members = |set: u32| (0..self.members).filter(move |j| set >> j & 1 == 1);
        let held: f64 = members(observed & !failed).map(own).sum();
        let list: Vec<usize> = members(failed).collect();
        let x: Vec<f64> = list.iter().map(|&j| -(-own(j)).exp_m1()).collect();
        // e_n of the first i members, for every i.
        let mut e = vec![vec![0.0; f + 1]; f + 1];
        e[0][0] = 1.0;
        for i in 1..=f {
            for n in 0..=i {
                e[i][n] = e[i - 1][n] + if n > 0 { x[i - 1] * e[i - 1][n - 1] } else { 0.0 };
            }
        }
        let outside: Vec<f64> = (0..=f).map(|u| (self.within[u] - self.within[f]).exp()).collect();
        let sum: f64 = (0..=f).map(|u| e[f][f - u] * self.all[u] * outside[u]).sum();
        let Some((slopes, times)) = add else { return sum.ln() - held - (self.within[o] - self.within[f]) };
        let per = times / sum;
        let mut by_single = 0.0;
        for j in members(observed & !failed) {
            slopes.own[j] -= times;
            by_single -= times;
        }
        // From the last member back: what the sum gains by each e_n of the members before.
        let mut gain: Vec<f64> = (0..=f).map(|n| self.all[f - n] * outside[f - n]).collect();
        for i in (1..=f).rev() {
            let by_x: f64 = (1..=i).map(|n| gain[n] * e[i - 1][n - 1]).sum();
            let slope = per * by_x * (1.0 - x[i - 1]);
            slopes.own[list[i - 1]] += slope;
            by_single += slope;
            for n in 0..i {
                gain[n] += x[i - 1] * gain[n + 1];
            }
        }
        let mut by_hazard = vec![0.0; o + 1];
        if o >= 1 {
            by_hazard[1] = by_single;
        }
        for (k, by) in by_hazard.iter_mut().enumerate().skip(2) {
            let inner: f64 = (0..=f).map(|u| e[f][f - u] * outside[u] * (self.slope[u][k] - self.all[u] * (choose(f, k) - choose(u, k)))).sum();
            *by = per * inner - times * (choose(o, k) - choose(f, k));
        }
        let missing = self.members - o;
        for (k, by) in by_hazard.iter().enumerate().skip(1) {
            for i in 0..=missing {
                if let Some(slope) = (k + i).checked_sub(2).and_then(|at| slopes.shared.get_mut(at)) {
                    *slope += by * choose(missing, i);
                }
            }
        }
        sum.ln() - held - (self.within[o] - self.within[f])
    }
}

/// ln likelihood of patterns, with its derivatives.
pub(super) fn ln_likelihood(h: &Hazards, patterns: &[Pattern], slopes: &mut Slopes) -> f64 {
    slopes.own = vec![0.0; h.own.len()];
    slopes.shared = vec![0.0; h.shared.len()];
    let mut seen: Vec<Option<Seen>> = (0..=h.own.len()).map(|_| None).collect();
    let mut sum = 0.0;
    for p in patterns {
        let o = p.observed.count_ones() as usize;
        let s = seen[o].get_or_insert_with(|| Seen::new(h, o));
        sum += p.trials * s.ln_probability(h, p.failed, p.observed, Some((slopes, p.trials)));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand::Rng;

    /// Every shock on its own: happens or not.
    fn by_shocks(h: &Hazards) -> Vec<f64> {
        let m = h.own.len();
        let mut p = vec![0.0; 1 << m];
        p[0] = 1.0;
        for set in 1usize..1 << m {
            let k = set.count_ones() as usize;
            let hazard = if k == 1 { h.own[set.trailing_zeros() as usize] } else { h.of(k) };
            let happens = -(-hazard).exp_m1();
            let mut next = vec![0.0; 1 << m];
            for (failed, p) in p.iter().enumerate() {
                next[failed | set] += p * happens;
                next[failed] += p * (1.0 - happens);
            }
            p = next;
        }
        p
    }

    fn random(rng: &mut impl Rng, m: usize, scale: f64) -> Hazards {
        Hazards { own: (0..m).map(|_| scale * rng.random::<f64>()).collect(), shared: (2..=m).map(|_| scale * rng.random::<f64>()).collect() }
    }

    #[test]
    fn chances_are_sums_over_all_shocks() {
        let mut rng = Seed(3).stream(Purpose::Simulation, 0);
        for round in 0..40 {
            let m = rng.random_range(2..=6);
            let h = random(&mut rng, m, [1.0, 0.1, 1e-3, 1e-5][round % 4]);
            let p = by_shocks(&h);
            for observed in 1u32..1 << m {
                for failed in (0u32..1 << m).filter(|f| f & !observed == 0) {
                    let whole: f64 = (0..1usize << m).filter(|y| *y as u32 & observed == failed).map(|y| p[y]).sum();
                    let got = h.probability(failed, observed);
                    assert!((got - whole).abs() <= 1e-13 * whole.max(1e-3), "{h:?} {failed:b} of {observed:b}: {got} {whole}");
                }
            }
            for (j, rate) in h.rates().iter().enumerate() {
                let whole: f64 = (0..1usize << m).filter(|y| y >> j & 1 == 1).map(|y| p[y]).sum();
                assert!((rate - whole).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn slopes_are_those_of_small_steps() {
        let mut rng = Seed(4).stream(Purpose::Simulation, 0);
        for _ in 0..20 {
            let m = rng.random_range(2..=5);
            let h = random(&mut rng, m, 0.5);
            let patterns: Vec<Pattern> = (0..8)
                .map(|_| {
                    let observed = rng.random_range(1u32..1 << m);
                    Pattern { failed: rng.random_range(0u32..1 << m) & observed, observed, trials: rng.random_range(1..9).into() }
                })
                .collect();
            let mut slopes = Slopes::default();
            ln_likelihood(&h, &patterns, &mut slopes);
            let value = |h: &Hazards| ln_likelihood(h, &patterns, &mut Slopes::default());
            let step = 1e-6;
            let near = |got: f64, up: Hazards, down: Hazards| {
                let want = (value(&up) - value(&down)) / (2.0 * step);
                assert!((got - want).abs() < 1e-5 * want.abs().max(1.0), "{got} {want}");
            };
            for j in 0..m {
                let to = |d: f64| Hazards { own: (0..m).map(|i| h.own[i] + if i == j { d } else { 0.0 }).collect(), ..h.clone() };
                near(slopes.own[j], to(step), to(-step));
            }
            for k in 0..m - 1 {
                let to = |d: f64| Hazards { shared: (0..m - 1).map(|i| h.shared[i] + if i == k { d } else { 0.0 }).collect(), ..h.clone() };
                near(slopes.shared[k], to(step), to(-step));
            }
        }
    }
}
