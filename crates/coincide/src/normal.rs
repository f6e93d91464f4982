//! Φ, φ and their logarithms over whole slices, fast and with full relative precision in both tails.
//!
//! Φ(−x) = φ(x)·M(x) for x ≥ 0, where M is Mills' ratio. (x + 4)·M(x) is smooth in t = (x − 4)/(x + 4) ∈ [−1, 1] and equals a
//! polynomial of degree 23 to 6e-16, whose coefficients come from a Chebyshev expansion in 60-digit arithmetic (the map is
//! that of J. Schonfelder 1978, *Mathematics of Computation* 32, 1232). exp is a polynomial of degree 13 after the usual
//! reduction by ln 2. Every loop is free of branches, so that it runs in vector registers; [`pulp`] picks their width
//! when the program runs, and the digits do not depend on it.

use std::f64::consts::{LN_2, LOG2_E};

/// Slices are padded to a multiple of this many numbers.
pub(crate) const LANES: usize = 8;

/// ln √(2π).
pub(crate) const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

const MILLS: [f64; 24] = [
    1.893_219_063_308_485_3,
    -1.523_770_910_819_983_5,
    0.970_409_554_867_617_7,
    -0.467_540_962_998_332_5,
    0.151_391_762_311_047_4,
    -0.018_900_450_861_711_257,
    -0.008_722_295_248_200_037,
    0.004_087_855_681_200_072,
    0.000_334_244_364_939_136_5,
    -0.000_579_269_304_647_871_9,
    -4.781_834_677_436_329e-6,
    8.809_573_121_072_337e-5,
    1.791_241_962_139_693_8e-6,
    -1.484_327_767_908_029_4e-5,
    -1.566_530_143_477_551_2e-6,
    2.568_755_311_229_722e-6,
    6.635_890_483_495_518e-7,
    -4.004_939_292_511_71e-7,
    -1.974_812_079_272_745e-7,
    4.473_060_051_450_323e-8,
    4.027_496_644_667_924e-8,
    -1.472_299_892_374_630_7e-9,
    -4.232_837_128_668_023e-9,
    -3.007_397_967_239_876_6e-10,
];

/// Numbers that are computed together.
type Lanes = [f64; LANES];

/// A function of each lane, as a loop that becomes one vector instruction.
#[inline(always)]
fn each(f: impl Fn(usize) -> f64) -> Lanes {
    let mut out = [0.0; LANES];
    for (l, o) in out.iter_mut().enumerate() {
        *o = f(l);
    }
    out
}

/// A polynomial of each lane: four interleaved Horner schemes in t⁴, so that no step waits for the one before.
/// The number of coefficients is a multiple of four.
#[inline(always)]
fn polynomial(coefficients: &[f64], t: &Lanes) -> Lanes {
    let square = each(|l| t[l] * t[l]);
    let fourth = each(|l| square[l] * square[l]);
    let (rows, _) = coefficients.as_chunks::<4>();
    let mut sums = rows[rows.len() - 1].map(|c| [c; LANES]);
    for row in rows[..rows.len() - 1].iter().rev() {
        for (s, c) in sums.iter_mut().zip(row) {
            *s = each(|l| s[l].mul_add(fourth[l], *c));
        }
    }
    let [a, b, c, d] = &sums;
    each(|l| d[l].mul_add(t[l], c[l]).mul_add(square[l], b[l].mul_add(t[l], a[l])))
}

/// Mills' ratio (1 − Φ(x))/φ(x) for x ≥ 0, relative error below 1e-15.
#[inline(always)]
fn mills(x: &Lanes) -> Lanes {
    let r = each(|l| 1.0 / (x[l] + 4.0));
    // t = (x − 4)/(x + 4).
    let s = polynomial(&MILLS, &each(|l| r[l].mul_add(-8.0, 1.0)));
    each(|l| s[l] * r[l])
}

/// 1/n! for n = 0..=13, and zeros.
const INVERSE_FACTORIAL: [f64; 16] = [
    1.0,
    1.0,
    0.5,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5040.0,
    1.0 / 40320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
    0.0,
    0.0,
];

/// exp(x) for x ≤ 700; 0 below −708.
#[inline(always)]
fn exp(x: &Lanes) -> Lanes {
    // Adding 1.5·2⁵² leaves the rounded integer in the low bits.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    const LN_2_LOW: f64 = 2.319_046_813_846_3e-17;
    let clamped = each(|l| if x[l] > -708.0 { x[l] } else { -708.0 });
    let shifted = each(|l| clamped[l].mul_add(LOG2_E, SHIFT));
    let n = each(|l| shifted[l] - SHIFT);
    let s = polynomial(&INVERSE_FACTORIAL, &each(|l| n[l].mul_add(-LN_2_LOW, n[l].mul_add(-LN_2, clamped[l]))));
    let scale = each(|l| f64::from_bits(shifted[l].to_bits().wrapping_add(1023) << 52));
    each(|l| if x[l] < -708.0 { 0.0 } else { s[l] * scale[l] })
}

/// What probits need: Φ(x), Φ(−x), φ(x)/Φ(x) and φ(x)/Φ(−x).
#[inline(always)]
fn probit(x: &Lanes) -> [Lanes; 4] {
    let m = mills(&each(|l| x[l].abs()));
    let density = exp(&each(|l| (-0.5 * x[l]).mul_add(x[l], -LN_SQRT_2PI)));
    let tail = each(|l| density[l] * m[l]);
    let rest = each(|l| 1.0 - tail[l]);
    // One division for both hazards.
    let inverse = each(|l| 1.0 / (m[l] * rest[l]));
    let (steep, flat) = (each(|l| rest[l] * inverse[l]), each(|l| tail[l] * inverse[l]));
    // Bits, because a conditional becomes a gather from memory.
    let either = |low: &Lanes, high: &Lanes| {
        each(|l| {
            let negative = ((x[l].to_bits() as i64) >> 63) as u64;
            f64::from_bits(low[l].to_bits() & negative | high[l].to_bits() & !negative)
        })
    };
    [either(&tail, &rest), either(&rest, &tail), either(&steep, &flat), either(&flat, &steep)]
}

/// Runs a loop with the widest vector registers the machine has.
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Φ(x), Φ(−x) and the hazards φ/Φ(x), φ/Φ(−x) of every element.
///
/// All slices have one length, a multiple of [`LANES`].
pub(crate) fn probits(x: &[f64], p: &mut [f64], q: &mut [f64], hazard_p: &mut [f64], hazard_q: &mut [f64]) {
    vectorised(
        #[inline(always)]
        || {
            let rows = x.as_chunks::<LANES>().0.iter();
            let out = p.as_chunks_mut::<LANES>().0.iter_mut().zip(q.as_chunks_mut::<LANES>().0);
            let hazards = hazard_p.as_chunks_mut::<LANES>().0.iter_mut().zip(hazard_q.as_chunks_mut::<LANES>().0);
            for ((x, (p, q)), (h, g)) in rows.zip(out).zip(hazards) {
                [*p, *q, *h, *g] = probit(x);
            }
        },
    );
}

/// Σ a·b in eight partial sums; lengths are multiples of [`LANES`].
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for l in 0..LANES {
            sums[l] = a[l].mul_add(b[l], sums[l]);
        }
    }
    sums.iter().sum()
}

/// ln Φ(x), with full relative precision in the lower tail.
pub(crate) fn ln_normal_cdf(x: f64) -> f64 {
    let lanes = [x.abs(); LANES];
    let ln_tail = (-0.5 * x).mul_add(x, -LN_SQRT_2PI) + mills(&lanes)[0].ln();
    if x < 0.0 { ln_tail } else { (-ln_tail.exp()).ln_1p() }
}

/// ln Σ exp of a list; −∞ for an empty one.
pub(crate) fn ln_sum_exp(list: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = list.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + list.map(|x| (x - most).exp()).sum::<f64>().ln() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::normal_cdf;

    #[test]
    fn agrees_with_libm() {
        let near = |x: f64, got: f64, want: f64, tol: f64| assert!((got - want).abs() <= tol * want.abs(), "{x}: {got} against {want}");
        let x: Vec<f64> = (-3000..3000).map(|i| f64::from(i) * 0.0125 + 0.001).collect();
        let n = x.len();
        let (mut p, mut q, mut h, mut g) = (vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        probits(&x, &mut p, &mut q, &mut h, &mut g);
        for i in 0..n {
            let density = (-0.5 * x[i] * x[i] - LN_SQRT_2PI).exp();
            near(x[i], p[i], normal_cdf(x[i]), 3e-13);
            near(x[i], q[i], normal_cdf(-x[i]), 3e-13);
            near(x[i], h[i], density / normal_cdf(x[i]), 3e-13);
            near(x[i], g[i], density / normal_cdf(-x[i]), 3e-13);
            let ln = if x[i] > 0.0 { (-normal_cdf(-x[i])).ln_1p() } else { normal_cdf(x[i]).ln() };
            near(x[i], ln_normal_cdf(x[i]), ln, 1e-12);
            near(x[i], exp(&[x[i]; LANES])[0], x[i].exp(), 4e-16);
        }
    }

    #[test]
    fn tails_keep_their_logarithm_where_the_probability_underflows() {
        // ln Φ(−x) → −x²/2 − ln x − ln √(2π) − 1/x² …
        let x = 1e4f64;
        let want = -0.5 * x * x - x.ln() - LN_SQRT_2PI - 1.0 / (x * x);
        assert!((ln_normal_cdf(-x) - want).abs() < 1e-8);
        assert_eq!(exp(&[-800.0; LANES])[0], 0.0);
    }
}
