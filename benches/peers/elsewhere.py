"""Counting where the data is: Spark Connect on a local cluster of workers against `coincide.read` of the same Parquet files; time, and the bytes that come back.

    python benches/peers/elsewhere.py FOLDER [MILLIONS ...]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

WORKERS = 4
# Before the server's library is loaded: it reads its settings once.
os.environ |= {
    "SAIL_MODE": "local-cluster",
    "SAIL_CLUSTER__WORKER_INITIAL_COUNT": str(WORKERS),
    "SAIL_CLUSTER__WORKER_MAX_COUNT": str(WORKERS),
    "SAIL_EXECUTION__DEFAULT_PARALLELISM": str(WORKERS),
}

import ibis  # noqa: E402
import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from pysail.spark import SparkConnectServer  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

import coincide as co  # noqa: E402
from coincide import elsewhere  # noqa: E402

LAYERS = [f"layer_{i}" for i in range(12)]
ASKED = {"layers": LAYERS, "strata": ["suite"]}
NOTHING = dict.fromkeys(("cluster", "thresholds", "fails_when", "baseline", "weight", "label"))
PART = 10_000_000


def crossed() -> int:
    """Bytes that the loopback interface has received: between client, server and workers."""
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[0])


def part(seed: int) -> pl.DataFrame:
    """Ten million trials of layers that share a difficulty, in four suites."""
    rng = np.random.default_rng(seed)
    hard = rng.random(PART, dtype=np.float32) < 0.05
    columns = {}
    for i, name in enumerate(LAYERS):
        columns[name] = (rng.random(PART, dtype=np.float32) < np.where(hard, 0.6, 0.04 + 0.01 * i)).astype(np.int8)
    columns["suite"] = np.array(["a", "b", "c", "d"])[rng.integers(0, 4, PART)]
    return pl.DataFrame(columns)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    sizes = [int(m) for m in sys.argv[2:]] or [10, 50, 200]
    for i in range(max(sizes) // 10):
        if not (folder / f"part-{i:03}.parquet").exists():
            part(i).write_parquet(folder / f"part-{i:03}.parquet")
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
    backend = ibis.pyspark.connect(session)
    for millions in sizes:
        files = [str(folder / f"part-{i:03}.parquet") for i in range(millions // 10)]
        bytes_read = sum(os.path.getsize(f) for f in files)
        chosen = folder / f"first-{millions}"
        chosen.mkdir(exist_ok=True)
        for f in files:
            (chosen / Path(f).name).unlink(missing_ok=True)
            (chosen / Path(f).name).hardlink_to(f)
        table = backend.read_parquet(str(chosen))
        groups = elsewhere._expression(table, **ASKED, **NOTHING)[0].to_pyarrow()
        before = crossed()
        begun = time.perf_counter()
        far = co.count(table, **ASKED)
        middle = time.perf_counter()
        moved = crossed() - before
        near = co.read(files, **ASKED, progress=False)
        ended = time.perf_counter()
        assert far == near, "the tables differ"
        print(
            f"{millions} million rows, {bytes_read / 1e6:.0f} MB of Parquet, {far.cells:,} cells: cluster of {WORKERS} {middle - begun:.2f} s, "
            f"of whose bytes {moved / 1e6:.2f} MB crossed sockets and {groups.nbytes / 1e6:.2f} MB are the groups; local {ended - middle:.2f} s",
            flush=True,
        )
    session.stop()
    server.stop()


if __name__ == "__main__":
    main()
