"""Choosing layers beside HiGHS in one run: the same choice as a mixed-integer programme over the distinct outcomes.

    pip install numpy highspy
    cargo build --release -p coincide --example select_speed
    python benches/peers/choosing.py [PROGRAM]

Minimise the share of attacks that every chosen layer lets through, under a budget: y_z >= 1 - (number of chosen layers that hold on attack z), y_z >= 0, one binary variable a layer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import highspy
import numpy as np

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/examples/select_speed")


def instance(rng: np.random.Generator, layers: int, trials: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Distinct failure patterns with their shares, costs, and a budget of a fifth of all: layers of different strength, attacks of different difficulty and kind."""
    strength = rng.uniform(-2.5, 0.5, layers)
    kind = rng.normal(0, 1, (layers, 3))
    logit = strength[None, :] + rng.normal(0, 1, (trials, 1)) + rng.normal(0, 1, (trials, 3)) @ kind.T
    failed = rng.random((trials, layers)) < 1 / (1 + np.exp(-logit))
    patterns, counts = np.unique(failed, axis=0, return_counts=True)
    cost = rng.integers(1, 10, layers).astype(float)
    return patterns, counts / trials, cost, float(round(0.2 * cost.sum()))


def ours(patterns: np.ndarray, share: np.ndarray, cost: np.ndarray, budget: float) -> tuple[float, float, bool]:
    rows = "".join(f"{float(w)!r} {' '.join('1' if f else '0' for f in p)}\n" for p, w in zip(patterns, share))
    text = f"{budget!r} {' '.join(map(repr, map(float, cost)))}\n{rows}"
    done = subprocess.run([PROGRAM], input=text, capture_output=True, text=True, check=True)
    value, proven, seconds = done.stdout.split()
    return float(value), float(seconds), proven == "true"


def highs(patterns: np.ndarray, share: np.ndarray, cost: np.ndarray, budget: float) -> tuple[float, float]:
    n, k = patterns.shape
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    h.setOptionValue("threads", 1)
    h.setOptionValue("mip_rel_gap", 0.0)
    h.setOptionValue("mip_abs_gap", 1e-9)
    h.setOptionValue("time_limit", 60.0)
    x = [h.addBinary() for _ in range(k)]
    y = [h.addVariable(lb=0.0, ub=1.0) for _ in range(n)]
    h.addConstr(sum(float(c) * v for c, v in zip(cost, x)) <= budget)
    for z in range(n):
        holds = [x[j] for j in range(k) if not patterns[z, j]]
        h.addConstr(sum(holds) + y[z] >= 1 if holds else y[z] >= 1)
    began = time.perf_counter()
    h.minimize(sum(float(w) * v for w, v in zip(share, y)))
    return h.getInfo().objective_function_value, time.perf_counter() - began


def main() -> None:
    rng = np.random.default_rng(11)
    print(f"{'layers':>6} {'trials':>6} {'patterns':>8} | coincide: value, proven, seconds | HiGHS {highspy.Highs().version()}: value, seconds | times", flush=True)
    for layers, trials in ((10, 1000), (20, 1000), (20, 4000), (30, 2000), (40, 2000)):
        for _ in range(3):
            problem = instance(rng, layers, trials)
            mine, seconds, proven = ours(*problem)
            theirs, slow = highs(*problem)
            same = "same" if abs(mine - theirs) < 1e-7 else "DIFFERENT"
            print(f"{layers:6} {trials:6} {len(problem[1]):8} | {mine:.6f} {proven} {seconds:.4f} | {theirs:.6f} {slow:.3f} | {slow / seconds:.1f} {same}", flush=True)


if __name__ == "__main__":
    main()
