"""Two models fitted on one thread, and with a Ray worker of one thread beside it: python benches/peers/spread.py

Needs the package with Ray. The table: 6,000 trials of 10 layers that share a hidden difficulty, in 100 goals.
"""

from __future__ import annotations

import os
import time

os.environ |= {"RAYON_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}

import coincide as co
import numpy as np
import ray

TRIALS, LAYERS, GOALS = 6_000, 10, 100
MODELS = ["factor", "student-factor"]


def table() -> co.JointOutcomes:
    rng = np.random.default_rng(1)
    difficulty = rng.standard_normal(TRIALS)[:, None]
    failed = 0.8 * difficulty + 0.6 * rng.standard_normal((TRIALS, LAYERS)) > 1.0
    columns = {f"layer {i}": failed[:, i] for i in range(LAYERS)} | {"goal": rng.integers(0, GOALS, TRIALS)}
    return co.JointOutcomes.from_columns(columns)


def main() -> None:
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    outcomes = table()
    print(outcomes)
    began = time.perf_counter()
    alone = co.fit(outcomes, MODELS)
    one = time.perf_counter() - began
    print(f"one thread: {one:.1f} s")
    for what in ("a worker that has to be started", "a worker that is there"):
        began = time.perf_counter()
        together = co.ray.spread(co.fit, workers=1)(outcomes, MODELS)
        two = time.perf_counter() - began
        print(f"with {what}: {two:.1f} s, {one / two:.2f} times as fast, the same document: {together == alone}")


if __name__ == "__main__":
    main()
