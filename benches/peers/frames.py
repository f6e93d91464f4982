"""Counting frames of 10 million trials by 12 layers: `JointOutcomes.from_frame` against pandas' and polars' group-by on the same frame, and the memory it takes.

    python benches/peers/frames.py [MILLIONS]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import polars as pl
import pyarrow as pa

import coincide as co

LAYERS = [f"layer_{i}" for i in range(12)]


def trials(rows: int) -> pl.DataFrame:
    """Layers that share a difficulty: a few hundred patterns are common, all are possible."""
    rng = np.random.default_rng(1)
    hard = rng.random(rows) < 0.05
    return pl.DataFrame({name: rng.random(rows) < np.where(hard, 0.6, 0.04 + 0.01 * i) for i, name in enumerate(LAYERS)})


def best(f: Callable[[], object], times: int = 5) -> float:
    """The shortest of some runs, in seconds."""
    out = []
    for _ in range(times):
        begun = time.perf_counter()
        f()
        out.append(time.perf_counter() - begun)
    return min(out)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rust(table: pa.Table) -> float:
    """The same table, in the same batches, counted by the library without Python."""
    with tempfile.NamedTemporaryFile(suffix=".arrow") as file:
        with pa.ipc.new_file(file.name, table.schema) as writer:
            writer.write_table(table)
        command = ["cargo", "run", "--release", "--quiet", "-p", "coincide-io", "--example", "memory", "--", file.name, *LAYERS]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    rows = int(float(sys.argv[1] if len(sys.argv) > 1 else 10) * 1e6)
    frame = trials(rows)
    before = peak()
    table = co.JointOutcomes.from_frame(frame, layers=LAYERS)
    print(f"{rows:,} trials, {table.cells:,} patterns; frame {frame.estimated_size() / 1e6:.0f} MB; peak memory grew by {peak() - before:.1f} MB")
    coincide = best(lambda: co.JointOutcomes.from_frame(frame, layers=LAYERS))
    polars = best(lambda: frame.group_by(LAYERS).len())
    assert frame.group_by(LAYERS).len().height == table.cells
    pandas_frame = frame.to_pandas()
    pandas = best(lambda: pandas_frame.groupby(LAYERS, observed=True).size(), 2)
    arrow = frame.to_arrow()
    whole = best(lambda: co.JointOutcomes.from_frame(arrow, layers=LAYERS))
    own = best(lambda: co.JointOutcomes.from_frame(pandas_frame, layers=LAYERS), 2)
    numbers = pa.table({n: arrow[n].cast("int64") for n in LAYERS})
    whole_numbers = best(lambda: co.JointOutcomes.from_frame(numbers, layers=LAYERS), 2)
    own_frame = rust(arrow)
    for name, seconds in (
        ("Rust, the same pyarrow table", own_frame), ("coincide, polars frame", coincide), ("coincide, pyarrow table", whole), ("coincide, int64 columns", whole_numbers),
        ("coincide, pandas frame", own), ("polars group_by", polars), ("pandas groupby", pandas),
    ):  # fmt: skip
        print(f"{name:30} {seconds:7.3f} s   {seconds / coincide:6.1f} x")


main()
