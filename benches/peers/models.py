"""Models of joint failure against StepMix, NumPyro and nutpie, on the same data in the same run.

Usage: models.py [latent|posterior]     (COINCIDE_TESTS names the test program of the crate `coincide`; run.sh builds it)

* Latent classes: EM for three classes from five random starts, to a gain below 1e-10 a trial and step, 100,000 trials × 10 layers, once
  as rows and once as weighted patterns. Both must end at the same log-likelihood to 1e-6 a trial. Counting the rows is part of our time.
* Posterior of the one-factor model, six layers, 10³ to 10⁶ trials: four chains, 500 draws of tuning and 1,000 kept, the same priors and
  the same kind of quadrature with as many nodes (32 equal steps). Peers get the trials as rows, and in a second run our pattern
  counts as weights. What is compared is the effective number of draws of ln β (ArviZ, bulk) per second of sampling, tuning included
  and the peers' compilation left out (it is printed). Where rows would take hours, 10,000 trials and more, the cost of a gradient is
  timed on the rows and multiplied by the gradients that the run on patterns took: the posterior is the same.
"""

import json
import os
import subprocess
import sys
import time
import warnings

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
warnings.filterwarnings("ignore")

import numpy as np
from scipy.special import log_ndtr, logsumexp

from measure import cache, machine

K = 6
NODES = 32
REACH = 6.5
Z = np.linspace(-REACH, REACH, NODES)
W = np.exp(-0.5 * Z**2)
LN_W = np.log(W / W.sum())


def ours(test, file):
    """Runs one of the crate's benchmarks and reads the lines it prints."""
    out = subprocess.run(
        [os.environ["COINCIDE_TESTS"], "--ignored", "--exact", f"benchmarks::{test}", "--nocapture"],
        env={**os.environ, "COINCIDE_PATTERNS": str(file)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [json.loads(line[7:]) for line in out.splitlines() if line.startswith("RESULT ")]


def patterns(rows):
    """Distinct rows and their counts."""
    return np.unique(rows, axis=0, return_counts=True)


def write(file, distinct, counts):
    np.savetxt(file, np.column_stack([counts, distinct]), fmt="%d", delimiter=",")
    return file


def latent(folder):
    from stepmix.stepmix import StepMix

    rng = np.random.default_rng(3)
    n, k = 100_000, 10
    kind = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    rates = np.array([np.full(k, 0.08), np.linspace(0.2, 0.6, k), np.linspace(0.9, 0.6, k)])
    rows = (rng.random((n, k)) < rates[kind]).astype(int)
    distinct, counts = patterns(rows)
    mine = ours("benchmark_latent_class", write(folder / "latent.csv", distinct, counts))
    print(f"\nLatent classes: {n:,} trials, {k} layers, {len(counts):,} patterns, 3 classes")
    for name, data, weight in [("rows", rows, None), ("patterns", distinct, counts.astype(float))]:
        own = [m for m in mine if m["kind"] == name]
        peer = []
        for seed in range(5):
            model = StepMix(n_components=3, measurement="binary", n_init=1, max_iter=10_000, abs_tol=1e-10, rel_tol=0, random_state=seed, progress_bar=0)
            begin = time.perf_counter()
            model.fit(data, sample_weight=weight)
            seconds = time.perf_counter() - begin
            peer.append((seconds, model.n_iter_, model.score(data, sample_weight=weight)))
        best = max(m["ln_likelihood"] for m in own) / n
        best_peer = max(p[2] for p in peer)
        same = [m for m in own if abs(m["ln_likelihood"] / n - best) < 1e-6]
        same_peer = [p for p in peer if abs(p[2] - best_peer) < 1e-6]
        agree = abs(best - best_peer)
        t, u = np.median([m["seconds"] for m in same]), np.median([p[0] for p in same_peer])
        i, j = np.median([m["iterations"] for m in same]), np.median([p[1] for p in same_peer])
        print(
            f"{name:9} coincide {t * 1e3:8.2f} ms ({i:.0f} steps), StepMix {u * 1e3:9.1f} ms ({j:.0f} steps): {u / t:6.0f} times; a step {u / j / (t / i):6.0f} times; "
            f"ln likelihood a trial {best:.9f} and {best_peer:.9f}, {agree:.1e} apart"
        )
        assert agree < 1e-6, "the log-likelihoods differ"


def ln_beta(tau, angle):
    """ln P(all fail) of draws (..., K)."""
    x = (tau[..., None] + np.sin(angle)[..., None] * Z) / np.abs(np.cos(angle))[..., None]
    return logsumexp(log_ndtr(x).sum(-2) + LN_W, axis=-1)


def effective(draws):
    """Effective draws of chains × draws."""
    import arviz as az

    return float(az.ess(np.asarray(draws), method="bulk"))


def numpyro_model(y, n):
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from jax.scipy.special import log_ndtr, logsumexp

    def model():
        tau = numpyro.sample("tau", dist.Normal(-1.0, 1.5).expand([K]))
        angle = numpyro.sample("angle", dist.Normal(0.0, 0.7).expand([K]))
        x = (tau[:, None] + jnp.sin(angle)[:, None] * Z) / jnp.abs(jnp.cos(angle))[:, None]
        ln = y @ log_ndtr(x) + (1 - y) @ log_ndtr(-x) + LN_W
        numpyro.factor("likelihood", jnp.sum(n * logsumexp(ln, axis=1)))

    return model


def run_numpyro(y, n):
    """Seconds of sampling, seconds of compiling, ln β, gradients."""
    import jax
    import numpyro
    from numpyro.infer import MCMC, NUTS

    numpyro.enable_x64()
    y, n = jax.numpy.asarray(y, dtype=float), jax.numpy.asarray(n, dtype=float)
    mcmc = MCMC(NUTS(numpyro_model(y, n)), num_warmup=500, num_samples=1000, num_chains=4, chain_method="vectorized", progress_bar=False)
    begin = time.perf_counter()
    mcmc.run(jax.random.PRNGKey(0), extra_fields=("num_steps",))
    jax.block_until_ready(mcmc.get_samples())
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    mcmc.run(jax.random.PRNGKey(1), extra_fields=("num_steps",))
    s = mcmc.get_samples(group_by_chain=True)
    jax.block_until_ready(s)
    second = time.perf_counter() - begin
    steps = np.asarray(mcmc.get_extra_fields(group_by_chain=True)["num_steps"])
    # Vectorised chains step together, so a draw costs as many gradients as its longest trajectory; tuning is counted at the same rate.
    gradients = steps.max(axis=0).sum() * 1.5
    return second, max(first - second, 0), ln_beta(np.asarray(s["tau"]), np.asarray(s["angle"])), gradients


def numpyro_gradient(y, n):
    """Seconds of one gradient for four chains at once."""
    import jax
    import numpyro
    from numpyro.infer.util import initialize_model

    numpyro.enable_x64()
    y, n = jax.numpy.asarray(y, dtype=float), jax.numpy.asarray(n, dtype=float)
    info = initialize_model(jax.random.PRNGKey(0), numpyro_model(y, n))
    gradient = jax.jit(jax.vmap(jax.value_and_grad(info.potential_fn)))
    at = jax.tree_util.tree_map(lambda x: jax.numpy.stack([x] * 4) * 0 + 0.1, info.param_info.z)
    jax.block_until_ready(gradient(at))
    begin = time.perf_counter()
    jax.block_until_ready(gradient(at))
    return time.perf_counter() - begin


def pymc_model(y, n):
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        tau = pm.Normal("tau", -1.0, 1.5, shape=K)
        angle = pm.Normal("angle", 0.0, 0.7, shape=K)
        x = (tau[:, None] + pt.sin(angle)[:, None] * Z) / pt.abs(pt.cos(angle))[:, None]
        ln_p = pm.logcdf(pm.Normal.dist(), x)
        ln_q = pm.logcdf(pm.Normal.dist(), -x)
        data, weight = pm.Data("y", y.astype(float)), pm.Data("n", n.astype(float))
        ln = pt.dot(data, ln_p) + pt.dot(1 - data, ln_q) + LN_W
        pm.Potential("likelihood", pt.sum(weight * pt.logsumexp(ln, axis=1)))
    return model


def nutpie_gradient(y, n):
    """Seconds of one gradient of one chain, compiled by Numba as nutpie does."""
    f = pymc_model(y, n).logp_dlogp_function(ravel_inputs=True, mode="NUMBA")
    f.set_extra_values({})
    at = np.full(2 * K, 0.1)
    f(at)
    begin = time.perf_counter()
    f(at)
    return time.perf_counter() - begin


def run_nutpie(y, n):
    """Seconds of sampling, seconds of compiling, ln β, gradients."""
    import nutpie

    begin = time.perf_counter()
    compiled = nutpie.compile_pymc_model(pymc_model(y, n))
    compiling = time.perf_counter() - begin
    # The first run loads compiled code.
    nutpie.sample(compiled, draws=5, tune=5, chains=4, cores=2, seed=9, progress_bar=False)
    begin = time.perf_counter()
    trace = nutpie.sample(compiled, draws=1000, tune=500, chains=4, cores=2, seed=1, progress_bar=False, save_warmup=True)
    seconds = time.perf_counter() - begin
    stats = [trace.sample_stats] + ([trace.warmup_sample_stats] if hasattr(trace, "warmup_sample_stats") else [])
    gradients = sum(float(s["n_steps"].sum()) for s in stats)
    return seconds, compiling, ln_beta(trace.posterior["tau"].values, trace.posterior["angle"].values), gradients


def posterior(folder):
    rng = np.random.default_rng(5)
    loads, rates = np.array([0.7, 0.6, 0.5, 0.8, 0.4, 0.6]), np.array([0.1, 0.2, 0.15, 0.08, 0.3, 0.12])
    from scipy.special import ndtri

    print(f"\nPosterior of one factor, {K} layers, effective draws of ln β per second (4 chains, 500 + 1,000 draws, 2 cores)")
    for n in [1_000, 10_000, 100_000, 1_000_000]:
        z = rng.standard_normal((n, 1))
        rows = ((ndtri(rates) + loads * z) / np.sqrt(1 - loads**2) > rng.standard_normal((n, K))).astype(int)
        distinct, counts = patterns(rows)
        result = ours("benchmark_factor_posterior", write(folder / "factor.csv", distinct, counts))[0]
        own = effective(result["ln_beta"]) / result["seconds"]
        means = {"coincide": np.mean(result["ln_beta"])}
        ones = np.ones(n)
        line = f"{n:9,} trials, {len(counts)} patterns: coincide {own:10,.0f}"
        for name, sampler, gradient, at_once in [("NumPyro", run_numpyro, numpyro_gradient, 1), ("nutpie", run_nutpie, nutpie_gradient, 2)]:
            seconds, compiling, draws, gradients = sampler(distinct, counts)
            weighted = effective(draws) / seconds
            means[name] = np.mean(draws)
            how = ""
            if n <= 1_000:
                seconds, _, draws, _ = sampler(rows, ones)
                by_rows = effective(draws) / seconds
            else:
                # nutpie's chains run on two cores at once; NumPyro's gradient is that of all four.
                by_rows = effective(draws) / (gradient(rows, ones) * gradients / at_once)
                how = "*"
            line += f" | {name} patterns {weighted:8,.0f} ({own / weighted:6.1f} times less), rows {by_rows:8.2g}{how} ({own / by_rows:8,.0f} times), compiled in {compiling:.0f} s"
        print(line, flush=True)
        spread = max(means.values()) - min(means.values())
        assert spread < 0.05, f"the posteriors differ: {means}"
        print(f"          mean ln β: {', '.join(f'{k} {v:.4f}' for k, v in means.items())}", flush=True)
    print("          * from the cost of a gradient on rows and the gradients of the run on patterns")


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "both"
    machine()
    folder = cache(1e8)
    if what != "posterior":
        latent(folder)
    if what != "latent":
        posterior(folder)
