"""Counting trials into distinct rows: `coincide count` against DuckDB's GROUP BY ALL.

Usage: counting.py [ROWS]     (COINCIDE names the program; 100,000,000 rows unless said otherwise)

Both read the same Parquet file, as PyArrow writes it by default (Snappy, dictionaries, 1,048,576 rows a group): 12 layers
of 0 and 1 that share a hidden difficulty, and 3 text columns of strata. Both give every distinct row and how often it
occurs; the two results are compared and must be equal. Runs alternate, three pairs after one warm-up each, so the file lies
in memory for both. What is timed is the whole process:

* coincide reads, counts, computes the SHA-256 of the input beside that, and writes the counts as Parquet;
* DuckDB (all cores) runs in a fresh Python and hands the result over as an Arrow table in memory. It hashes nothing and
  writes nothing. The time of its query alone, without starting Python and importing, is given too.
"""

import hashlib
import os
import sys
import time
from pathlib import Path
from statistics import NormalDist

from measure import cache, coincide, machine, ratio, run, table

LAYERS = [f"layer_{i:02}" for i in range(12)]
STRATA = {
    "family": ["persona", "encoding", "crescendo", "many-shot", "suffix", "injection", "translation", "roleplay"],
    "language": ["en", "de", "zh", "ar", "sw"],
    "tier": ["low", "medium", "high"],
}
PAIRS = 3
GROUP = 1 << 20


def make(file, rows):
    """Writes the data, one row group at a time."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(20240501)
    # A layer fails where its own noise and the hidden difficulty together pass a cut: rates 5 % to 40 %.
    cuts = [NormalDist().inv_cdf(1 - p) for p in np.linspace(0.05, 0.40, len(LAYERS))]
    share = rng.uniform(0.25, 0.6, len(LAYERS))
    levels = {name: pa.array(words) for name, words in STRATA.items()}
    part = Path(f"{file}.part")
    writer = None
    for start in range(0, rows, GROUP):
        n = min(GROUP, rows - start)
        columns = {}
        drawn = {name: rng.integers(0, len(words), n) for name, words in STRATA.items()}
        # Some families are harder; the variance of the difficulty stays 1.
        shift = np.linspace(-0.5, 0.5, len(STRATA["family"]))
        spread = np.sqrt(1 - shift.var())
        difficulty = spread * rng.standard_normal(n, dtype=np.float32) + shift[drawn["family"]].astype(np.float32)
        for name, cut, s in zip(LAYERS, cuts, share):
            noise = rng.standard_normal(n, dtype=np.float32)
            columns[name] = (np.float32(s**0.5) * difficulty + np.float32((1 - s) ** 0.5) * noise > cut).astype(np.int8)
        columns |= {name: levels[name].take(pa.array(codes)) for name, codes in drawn.items()}
        batch = pa.table(columns)
        writer = writer or pq.ParquetWriter(part, batch.schema)
        writer.write_table(batch)
    writer.close()
    part.rename(file)


def group_by(file, save=None):
    """One query in this process; prints its seconds."""
    import duckdb
    import pyarrow.parquet as pq

    columns = ", ".join([*STRATA, *LAYERS])
    with duckdb.connect(config={"threads": os.cpu_count()}) as connection:
        begin = time.perf_counter()
        result = connection.sql(f"SELECT {columns}, count(*) AS n FROM '{file}' GROUP BY ALL").to_arrow_table()
        print(time.perf_counter() - begin)
    if save:
        pq.write_table(result, save)


def check(counts, saved):
    """Stops unless the two results are equal."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = [*STRATA, *LAYERS]
    schema = pa.schema([(n, pa.string()) for n in STRATA] + [(n, pa.int8()) for n in LAYERS] + [("n", pa.int64())])
    ours = pq.read_table(counts, columns=[*names, "coincide.n"]).rename_columns([*names, "n"])
    theirs = pq.read_table(saved)
    ours, theirs = (t.cast(schema).sort_by([(n, "ascending") for n in names]).combine_chunks() for t in (ours, theirs))
    if not ours.equals(theirs):
        sys.exit("coincide and DuckDB disagree")
    print(f"equal: {ours.num_rows:,} distinct rows, {pc.sum(ours['n']).as_py():,} trials")


def main(rows):
    here, program = Path(__file__), coincide()
    folder = cache(3 * rows)
    data = folder / f"counting-{rows}.parquet"
    if not data.exists():
        made = run(sys.executable, here, "make", data, rows)
        print(f"made the data in {made.wall:.0f} s, peak memory {made.peak / 1e6:.0f} MB")
    counts, saved = folder / "counts.parquet", folder / "duckdb.parquet"
    strata = [word for name in STRATA for word in ("--stratum", name)]
    ours = [program, "count", data, "-o", counts, "--layers", ",".join(LAYERS), *strata, "--quiet"]
    theirs = [sys.executable, here, "group", data]

    print(f"\nCounting {rows:,} trials, {len(LAYERS)} layers, {len(STRATA)} strata columns; {data.stat().st_size / 1e6:.0f} MB of Parquet")
    machine()
    run(*ours)
    run(*theirs, saved)
    print(run(sys.executable, here, "check", counts, saved).out.strip())
    a, b = [], []
    for _ in range(PAIRS):
        a.append(run(*ours))
        b.append(run(*theirs))
    begin = time.perf_counter()
    with data.open("rb") as f:
        hashlib.file_digest(f, "sha256")
    hashing = time.perf_counter() - begin
    query = [float(r.out) for r in b]

    table([("coincide count, with SHA-256", a), ("DuckDB, whole process", b)])
    print(f"{'DuckDB, query alone':34}{sorted(query)[PAIRS // 2]:12.2f} s{', '.join(f'{q:.2f}' for q in query):>28}")
    print(f"{'SHA-256 alone, in Python':34}{hashing:12.2f} s   (coincide's time includes its own)")
    ratio("DuckDB / coincide, whole processes", [r.wall for r in b], [r.wall for r in a])
    ratio("DuckDB's query alone / coincide", query, [r.wall for r in a])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", file, rows]:
            make(file, int(rows))
        case ["group", file, *save]:
            group_by(file, *save)
        case ["check", counts, saved]:
            check(counts, saved)
        case [*rows]:
            main(int(rows[0]) if rows else 100_000_000)
