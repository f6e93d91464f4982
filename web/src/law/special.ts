/** Distribution functions, as `crates/coincide/src/special.rs` has them: normal, Student, beta. Sources stand there. */

const LANCZOS = [
  0.99999999999999709182, 57.156235665862923517, -59.597960355475491248, 14.136097974741747174, -0.49191381609762019978, 0.33994649984811888699e-4,
  0.46523628927048575665e-4, -0.98374475304879564677e-4, 0.15808870322491248884e-3, -0.21026444172410488319e-3, 0.2174396181152126432e-3,
  -0.16431810653676389022e-3, 0.84418223983852743293e-4, -0.2619083840158140867e-4, 0.36899182659531622704e-5,
];

/** ln Γ(x) for x > 0 (Lanczos, g = 607/128). */
export function lnGamma(x: number): number {
  let sum = LANCZOS[0]!;
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (x - 1 + i);
  const t = x - 1 + 607 / 128 + 0.5;
  return (x - 0.5) * Math.log(t) - t + Math.log(Math.sqrt(2 * Math.PI) * sum);
}

/** erfc(x): the incomplete gamma function's series near 0, its continued fraction elsewhere. */
function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 200; n++) {
      term *= -(x * x) / n;
      const next = sum + term / (2 * n + 1);
      if (next === sum) break;
      sum = next;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 120; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/** Φ(x). */
export function normalCdf(x: number): number {
  return 0.5 * erfc(-x * Math.SQRT1_2);
}

/** Φ⁻¹(p) by bisection and Newton's steps. */
export function normalQuantile(p: number): number {
  if (p <= 0) return -Infinity;
  if (p >= 1) return Infinity;
  let low = -39;
  let high = 39;
  for (let i = 0; i < 30; i++) {
    const mid = 0.5 * (low + high);
    if (normalCdf(mid) < p) low = mid;
    else high = mid;
  }
  let x = 0.5 * (low + high);
  for (let i = 0; i < 4; i++) {
    const density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
    if (density > 0) x -= (normalCdf(x) - p) / density;
  }
  return x;
}

export function logistic(t: number): number {
  return t >= 0 ? 1 / (1 + Math.exp(-t)) : Math.exp(t) / (1 + Math.exp(t));
}

function stirlingError(n: number): number {
  if (n < 16) return lnGamma(n + 1) - (n + 0.5) * Math.log(n) + n - 0.5 * Math.log(2 * Math.PI);
  const n2 = n * n;
  return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / n2) / n2) / n2) / n;
}

function deviance(x: number, m: number): number {
  const d = x - m;
  if (Math.abs(d) < 0.1 * (x + m)) {
    const v = d / (x + m);
    let sum = d * v;
    let term = 2 * x * v;
    for (let j = 1; j < 1000; j++) {
      term *= v * v;
      const next = sum + term / (2 * j + 1);
      if (next === sum) break;
      sum = next;
    }
    return sum;
  }
  return x > 0 ? x * Math.log(x / m) + m - x : m;
}

function lnBinomialPmf(x: number, n: number, p: number, q: number): number {
  if (p <= 0) return x <= 0 ? 0 : -Infinity;
  if (q <= 0) return x >= n ? 0 : -Infinity;
  if (x <= 0) return p < 0.5 ? n * Math.log1p(-p) : n * Math.log(q);
  if (x >= n) return q < 0.5 ? n * Math.log1p(-q) : n * Math.log(p);
  const lc = stirlingError(n) - stirlingError(x) - stirlingError(n - x) - deviance(x, n * p) - deviance(n - x, n * q);
  return lc + 0.5 * Math.log(n / (2 * Math.PI * x * (n - x)));
}

function betaFraction(x: number, y: number, a: number, b: number): number {
  const lambda = a > b ? (a + b) * y - b : a - (a + b) * x;
  const c = 1 + lambda;
  const c0 = b / a;
  const c1 = 1 + 1 / a;
  const y1 = y + 1;
  let p = 1;
  let s = a + 1;
  let n0 = 0;
  let n1 = 1;
  let d0 = 1;
  let d1 = c / c1;
  let ratio = c1 / c;
  for (let n = 1; n < 200_000; n++) {
    const t = n / a;
    const w = n * (b - n) * x;
    const e = a / s;
    const alpha = p * (p + c0) * e * e * (w * x);
    const beta = n + w / s + ((1 + t) / (c1 + t + t)) * (c + n * y1);
    p = 1 + t;
    s += 2;
    [n0, n1] = [n1, alpha * n0 + beta * n1];
    [d0, d1] = [d1, alpha * d0 + beta * d1];
    const before = ratio;
    ratio = n1 / d1;
    if (Math.abs(ratio - before) <= 1e-16 * ratio) break;
    const scale = 1 / d1;
    n0 *= scale;
    n1 = ratio;
    d0 *= scale;
    d1 = 1;
  }
  return ratio;
}

function betaTail(x: number, y: number, a: number, b: number): number {
  return Math.exp(lnBinomialPmf(a, a + b, x, y) + Math.log((a * b) / (a + b))) * betaFraction(x, y, a, b);
}

/** I_x(a, b), with y = 1 − x given to its own precision. */
export function betaCdf(x: number, y: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  return x > (a + 1) / (a + b + 2) ? 1 - betaTail(y, x, b, a) : betaTail(x, y, a, b);
}

/** The p-quantile of Beta(a, b): Newton's method on the logit inside a bracket. */
export function betaQuantile(p: number, a: number, b: number): number {
  if (a <= 0 || p <= 0) return 0;
  if (b <= 0 || p >= 1) return 1;
  let low = -745;
  let high = 745;
  let t = Math.min(700, Math.max(-700, Math.log(a / b) + normalQuantile(p) * Math.sqrt(1 / a + 1 / b)));
  for (let i = 0; i < 200; i++) {
    const x = logistic(t);
    const y = logistic(-t);
    const f = betaCdf(x, y, a, b) - p;
    if (f < 0) low = t;
    else high = t;
    const lnDensity = lnBinomialPmf(a, a + b, x, y) + Math.log((a * b) / (a + b));
    const step = t - f / Math.exp(lnDensity);
    const next = step > low && step < high ? step : 0.5 * (low + high);
    const small = Math.max(1, Math.abs(t));
    if (Math.abs(next - t) <= 2e-16 * small || high - low <= 4e-16 * small) return logistic(next);
    t = next;
  }
  return logistic(t);
}

/** The p-quantile of Student's t, p ≥ ½. */
export function studentQuantile(p: number, df: number): number {
  if (df > 1e7) return normalQuantile(p);
  const tail = 2 * (1 - p);
  let low = -40;
  let high = 40;
  for (let i = 0; i < 100; i++) {
    const mid = 0.5 * (low + high);
    const t = Math.exp(mid);
    const two = betaCdf(df / (df + t * t), (t * t) / (df + t * t), 0.5 * df, 0.5);
    if (tail - two < 0) low = mid;
    else high = mid;
  }
  return Math.exp(0.5 * (low + high));
}
