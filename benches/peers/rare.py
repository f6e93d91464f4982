"""Rare orthants beside SciPy and OpenTURNS in one run: error against the exact value, and time.

    pip install numpy scipy openturns
    cargo build --release -p coincide --example rare
    python benches/peers/rare.py [PROGRAM]

The correlation matrices are those of one hidden factor, equal or random loadings, so the exact value is an integral over one variable.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
from scipy.stats import multivariate_normal, norm

try:
    import openturns as ot
except ImportError:
    ot = None

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/examples/rare")
SEEDS = 50


def exact(p: float, loadings: np.ndarray) -> float:
    """ln P(all fail)."""
    z = np.linspace(-16, 16, 60_001)
    t = norm.ppf(p)
    terms = norm.logpdf(z) + sum(norm.logcdf((t - a * z) / np.sqrt(1 - a * a)) for a in loadings)
    top = terms.max()
    return float(top + np.log(np.exp(terms - top).sum() * (z[1] - z[0])))


def ours(p: float, matrix: np.ndarray) -> list[tuple[float, float]]:
    numbers = " ".join(repr(float(x)) for x in matrix.ravel())
    text = "".join(f"{seed} {p!r} {numbers}\n" for seed in range(SEEDS))
    done = subprocess.run([PROGRAM], input=text, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(float(ln), float(seconds)) for ln, _, seconds in rows]


def scipys(p: float, matrix: np.ndarray) -> list[tuple[float, float]]:
    k = len(matrix)
    out = []
    for seed in range(SEEDS):
        began = time.perf_counter()
        value = multivariate_normal.cdf(np.full(k, norm.ppf(p)), mean=np.zeros(k), cov=matrix, rng=seed)
        out.append((float(np.log(value)) if value > 0 else -np.inf, time.perf_counter() - began))
    return out


def openturns(p: float, matrix: np.ndarray) -> list[tuple[float, float]]:
    if ot is None or p < 0.01 or len(matrix) > 20:
        return []  # Plain sampling there: a hundred million draws, half a minute, and 0 as the answer.
    k = len(matrix)
    law = ot.Normal([0.0] * k, ot.CovarianceMatrix(k, matrix.ravel().tolist()))
    began = time.perf_counter()
    value = law.computeCDF([float(norm.ppf(p))] * k)
    return [(float(np.log(value)) if value > 0 else -np.inf, time.perf_counter() - began)]


def main() -> None:
    rng = np.random.default_rng(7)
    print(f"{'p':>6} {'k':>3} {'correlation':>12} {'exact':>10} | median relative error, median seconds: coincide, SciPy, OpenTURNS")
    for p in (0.1, 0.001):
        for k in (10, 20, 50):
            for name, loadings in (("0.3", np.full(k, np.sqrt(0.3))), ("random", rng.uniform(0.2, 0.9, k))):
                matrix = np.outer(loadings, loadings)
                np.fill_diagonal(matrix, 1.0)
                want = exact(p, loadings)
                cells = []
                for run in (ours, scipys, openturns):
                    rows = run(p, matrix)
                    if rows:
                        errors = [abs(np.expm1(ln - want)) for ln, _ in rows]
                        cells.append(f"{np.median(errors):9.1e} {np.median([s for _, s in rows]):8.4f}s")
                print(f"{p:6} {k:3} {name:>12} {np.exp(want):10.3e} | " + " | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
