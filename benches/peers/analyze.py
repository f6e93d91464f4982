"""One stack with clusters: `coincide analyze` against NumPy.

Usage: analyze.py [CLUSTERS]     (COINCIDE names the program; 50,000 clusters unless said otherwise)

The table: 20 trials in each of 50,000 clusters, 20 layers. Clusters differ in difficulty (a beta distribution), so layers
fail together within them, and a rare shock that favours hard clusters makes all 20 fail on about 0.05 % of trials. Rows
stand in random order. Everything gives intervals from 2,000 bootstrap replicates that draw whole clusters.

Whole processes are timed, reading the Parquet file included:

* A, `coincide analyze`: the whole results document.
* B1, NumPy as one would write it first, with care: every replicate draws clusters, weights the trials and sums over the
  trial table. 20 replicates are run and their time is multiplied by 100; reading is counted once.
* B2, NumPy at its best: sums per cluster once, then blocks of replicates, one matrix product a block (counts of clusters
  times sums of clusters), and statistics for a whole block at a time. All 2,000 replicates are run, blocks on all cores.

Both give the rates, β, the gap to independence, dependence efficiency, effective layers, the co-failure curve, β without
each layer, and for all 190 pairs lift, φ, odds ratio, Yule's Q and κ, each with a percentile interval.

The work is not equal. Only coincide computes tetrachoric correlations (190 in every replicate), BCa intervals (by
leaving out each of the 50,000 clusters), cluster-robust intervals of rates and tests of pairs, Shapley shares, total
correlation with its permutation baseline, bounds from pairs, and the SHA-256 of the input. Only NumPy resamples β without
each layer, for which coincide has those intervals of rates. Most of that is the same for any number of replicates, so what
one more replicate costs is given as well.

B1 and B2 must agree with coincide to a relative 1e-9 in every estimate they share, and the ends of B2's interval of the
logarithm of the gap must be within 10 % of its width of coincide's: two sets of 2,000 random replicates differ by some 2 %.
"""

import json
import math
import os
import sys
import time
from pathlib import Path
from statistics import median

from measure import cache, coincide, machine, ratio, run, table

K = 20
TRIALS = 20  # in each cluster
REPLICATES = 2000
FEW = 20  # replicates of B1
BLOCK = 100  # replicates in one matrix product of B2
LEAST = 100  # the fewest replicates that coincide accepts
RUNS = 3
PAIRS = [(i, j) for i in range(K) for j in range(i + 1, K)]


def make(file, clusters):
    """Writes the data."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(20240502)
    goal = rng.permutation(np.repeat(np.arange(clusters), TRIALS))
    difficulty = rng.beta(2, 5, clusters)[goal]  # mean 2/7
    shock = rng.random(len(goal)) < 0.0005 * difficulty / (2 / 7)
    columns = {}
    for i, rate in enumerate(np.linspace(0.08, 0.40, K)):
        columns[f"layer_{i:02}"] = ((rng.random(len(goal)) < rate * difficulty / (2 / 7)) | shock).astype(np.int8)
    columns["goal"] = pa.array([f"goal-{c:05}" for c in range(clusters)]).take(pa.array(goal))
    part = Path(f"{file}.part")
    pq.write_table(pa.table(columns), part)
    part.rename(file)


def read(file):
    """Outcomes, a column a layer; each trial's cluster as a number; and the number of clusters."""
    import numpy as np
    import pyarrow.parquet as pq

    data = pq.read_table(file)
    y = np.stack([data[f"layer_{i:02}"].to_numpy() for i in range(K)])
    goal = data["goal"].combine_chunks().dictionary_encode()
    return y, goal.indices.to_numpy(), len(goal.dictionary)


def measures(p, h, without, both):
    """All statistics of many weighted tables at once, given as rates.

    p: failure rates (tables × K); h: share of trials with f failures (tables × K+1); without: share on which all but layer j
    failed and j held (tables × K); both: share on which both of a pair failed (tables × pairs).
    """
    import numpy as np

    i, j = np.array(PAIRS).T
    beta, ln_product = h[:, K], np.log(p).sum(axis=1)
    share = np.array([[math.comb(f, m) / math.comb(K, m) for m in range(1, K + 1)] for f in range(K + 1)])
    a, b = p[:, i], p[:, j]
    a_only, b_only, neither = a - both, b - both, 1 - a - b + both
    chance = a * b + (1 - a) * (1 - b)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = both * neither / (a_only * b_only)
        return {
            "rate": p,
            "beta": beta,
            "gap": np.exp(np.log(beta) - ln_product),
            "efficiency": np.log(beta) / ln_product,
            "effective_layers": np.log(beta) / ln_product * (p < 1).sum(axis=1),
            "curve": h @ share,
            "beta_without": without + beta[:, None],
            "lift": both / (a * b),
            "phi": (both - a * b) / np.sqrt(a * (1 - a) * b * (1 - b)),
            "odds_ratio": odds,
            "yules_q": (odds - 1) / (odds + 1),
            "kappa": (both + neither - chance) / (1 - chance),
        }


def intervals(replicates):
    """95 % percentile intervals of every statistic."""
    import numpy as np

    return {name: np.percentile(values, [2.5, 97.5], axis=0) for name, values in replicates.items()}


def straightforward(file):
    """B1: every replicate sums over the trial table."""
    import numpy as np

    begin = time.perf_counter()
    rng = np.random.default_rng(1)
    y, cluster, clusters = read(file)
    failures = y.sum(axis=0)
    # The layer that held, on trials where exactly one did.
    almost = np.flatnonzero(failures == K - 1)
    held = y[:, almost].argmin(axis=0)
    i, j = np.array(PAIRS).T
    # Single precision is exact here: all sums are whole numbers below 2^24.
    y = y.astype(np.float32)

    def one(w):
        table = (y * w) @ y.T
        n = w.sum(dtype=np.float64)
        h = np.bincount(failures, weights=w, minlength=K + 1)
        without = np.bincount(held, weights=w[almost], minlength=K)
        return measures(*(np.asarray(x, np.float64)[None] / n for x in (table.diagonal(), h, without, table[i, j])))

    point = one(np.ones(len(cluster), np.float32))
    fixed = time.perf_counter() - begin
    begin = time.perf_counter()
    drawn = []
    for _ in range(FEW):
        times = np.bincount(rng.integers(0, clusters, clusters), minlength=clusters)
        drawn.append(one(times.astype(np.float32)[cluster]))
    resampling = time.perf_counter() - begin
    intervals({name: np.concatenate([r[name] for r in drawn]) for name in point})
    report(point, fixed=fixed, resampling=resampling)


def cleverest(file):
    """B2: sums per cluster, then a matrix product a block of replicates."""
    from concurrent.futures import ThreadPoolExecutor

    # The blocks run side by side; a product that is spread over the cores as well would only get in their way.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
    import numpy as np

    begin = time.perf_counter()
    y, cluster, clusters = read(file)
    order = np.argsort(cluster, kind="stable")
    y, cluster = y[:, order].astype(bool), cluster[order]
    starts = np.flatnonzero(np.diff(cluster, prepend=-1))
    failures = y.sum(axis=0, dtype=np.int8)
    almost = failures == K - 1
    columns = [*y, *(failures == f for f in range(K + 1)), *(almost & ~row for row in y), *(y[i] & y[j] for i, j in PAIRS)]
    # Single precision is exact here: all sums are whole numbers below 2^24. Column 0 counts trials.
    sums = np.empty((1 + len(columns), clusters), np.float32)
    sums[0] = np.diff(starts, append=len(cluster))
    for out, column in zip(sums[1:], columns):
        out[:] = np.add.reduceat(column, starts, dtype=np.int32)
    parts = np.cumsum([K, K + 1, K])

    def block(seed):
        rng = np.random.default_rng([1, seed])
        times = np.empty((BLOCK, clusters), np.float32)
        for row in times:
            row[:] = np.bincount(rng.integers(0, clusters, clusters, dtype=np.int32), minlength=clusters)
        total = (times @ sums.T).astype(np.float64)
        return measures(*np.split(total[:, 1:] / total[:, :1], parts, axis=1))

    total = sums.sum(axis=1, dtype=np.float64)[None]
    point = measures(*np.split(total[:, 1:] / total[:, :1], parts, axis=1))
    fixed = time.perf_counter() - begin
    begin = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(pool.map(block, range(REPLICATES // BLOCK)))
    found = intervals({name: np.concatenate([b[name] for b in blocks]) for name in point})
    resampling = time.perf_counter() - begin
    report(point, fixed=fixed, resampling=resampling, gap_interval=found["gap"].tolist())


def report(point, **more):
    """Estimates and times, for the process that compares them."""
    print(json.dumps({"point": {name: values[0].tolist() for name, values in point.items()}, **more}))


def check(name, out, document):
    """Stops unless estimates agree with coincide's to 1e-9."""
    a = document["analysis"]

    def value(section, field):
        return [row[field]["value"] for row in a[section]["content"]]

    ours = {field: a["joint"]["content"][field]["value"] for field in ("beta", "gap", "efficiency", "effective_layers")}
    ours |= {"rate": value("layers", "rate"), "curve": value("curve", "rate"), "beta_without": value("contributions", "beta_without")}
    ours |= {field: value("pairs", field) for field in ("lift", "phi", "odds_ratio", "yules_q", "kappa")}
    compared, worst = 0, 0.0
    for field, theirs in out["point"].items():
        pair = (x if isinstance(x, list) else [x] for x in (ours[field], theirs))
        for x, z in zip(*pair, strict=True):
            compared, worst = compared + 1, max(worst, abs(x - z) / abs(x))
    print(f"{name}: {compared} estimates agree with coincide's to {worst:.0e} of their size")
    if not worst < 1e-9:
        sys.exit("the estimates disagree")


def main(clusters):
    here, program = Path(__file__), coincide()
    folder = cache(400 * clusters + 10_000_000)
    data, document = folder / f"analyze-{clusters}.parquet", folder / "analyze.json"
    if not data.exists():
        run(sys.executable, here, "make", data, clusters)
    ours = [program, "analyze", data, "--cluster", "goal", "--json", document, "--quiet", "--replicates"]
    print(f"\nAnalysing {clusters * TRIALS:,} trials in {clusters:,} clusters, {K} layers, {REPLICATES:,} replicates")
    machine()
    run(*ours, LEAST)
    least, a, b2 = [], [], []
    for _ in range(RUNS):
        least.append(run(*ours, LEAST))
        a.append(run(*ours, REPLICATES))
        b2.append(run(sys.executable, here, "cleverest", data))
    b1 = run(sys.executable, here, "straightforward", data)

    results = json.loads(document.read_text())
    first, best = json.loads(b1.out), json.loads(b2[-1].out)
    check("B1", first, results)
    check("B2", best, results)
    interval = results["analysis"]["joint"]["content"]["gap"]["interval"]
    mine = [math.log(interval[end]) for end in ("low", "high")]
    off = [100 * (math.log(x) - m) / (mine[1] - mine[0]) for x, m in zip(best["gap_interval"], mine)]
    print(f"ln gap, 95 %: coincide {mine[0]:.4f} to {mine[1]:.4f}; B2's ends are off by {off[0]:+.1f} % and {off[1]:+.1f} % of the width")
    if max(map(abs, off)) > 10:
        sys.exit("the intervals disagree")

    rows = [("A   coincide analyze", a), (f"    the same, {LEAST} replicates", least)]
    table([*rows, ("B2  NumPy, sums per cluster", b2), (f"B1  NumPy, {FEW} replicates only", [b1])])
    extrapolated = b1.wall - first["resampling"] + first["resampling"] * REPLICATES / FEW
    print(f"B1 extrapolated, not run, to {REPLICATES:,} replicates: {extrapolated:.0f} s ({first['resampling'] / FEW:.3f} s a replicate)")
    more = median(x.wall - y.wall for x, y in zip(a, least)) / (REPLICATES - LEAST)
    each = median(json.loads(r.out)["resampling"] for r in b2) / REPLICATES
    print(f"One more replicate: coincide {1000 * more:.2f} ms, with tetrachoric correlations; B2 {1000 * each:.2f} ms, without")
    ratio("B2 / A", [r.wall for r in b2], [r.wall for r in a])
    ratio("B1 extrapolated / A", [extrapolated] * RUNS, [r.wall for r in a])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", file, clusters]:
            make(file, int(clusters))
        case ["straightforward", file]:
            straightforward(file)
        case ["cleverest", file]:
            cleverest(file)
        case [*clusters]:
            main(int(clusters[0]) if clusters else 50_000)
