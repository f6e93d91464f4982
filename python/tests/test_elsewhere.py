"""Counting on other engines gives the local count exactly."""

from __future__ import annotations

import os
from pathlib import Path

import coincide as co
import ibis
import numpy as np
import pandas as pd
import polars as pl
import pytest

REASONS = ["1", "0", "failed", "held", "true", "false", "", "error", "abstain", "unparsed", "not_run", "censored_by:guard", None]


def trials(n: int, seed: int = 1) -> pl.DataFrame:
    """Trials of every kind of column that holds outcomes."""
    rng = np.random.default_rng(seed)
    guard = rng.random(n) < 0.3
    score = rng.random(n)
    return pl.DataFrame(
        {
            "guard": guard,
            "judge": np.where(rng.random(n) < 0.4, 1, 0),
            "filter": pl.Series([REASONS[i] for i in rng.integers(0, len(REASONS), n)], dtype=pl.String),
            "monitor": pl.Series([None if missing else x for missing, x in zip(rng.random(n) < 0.1, score)], dtype=pl.Float64),
            "open": np.where(rng.random(n) < 0.8, 1, 0),
            "goal": rng.integers(0, 40, n),
            "suite": rng.choice(["x", "y", "z"], n),
            "kind": np.where(rng.random(n) < 0.9, "attack", "benign"),
            "times": rng.integers(1, 4, n),
        }
    )


ASKED = {
    "layers": ["guard", "judge", "filter", "monitor"],
    "cluster": "goal",
    "strata": ["suite"],
    "thresholds": {"monitor": 0.7},
    "fails_when": "below",
    "baseline": "open",
    "weight": "times",
    "label": "kind",
}


def test_duckdb(tmp_path: Path) -> None:
    frame = trials(20_000)
    con = ibis.duckdb.connect()
    table = con.create_table("trials", frame.to_arrow())
    here, there = co.JointOutcomes.from_frame(frame, **ASKED), co.count(table, **ASKED)
    assert there == here
    assert there.inputs == here.inputs
    # An order that all censored outcomes agree with there is none: without them.
    frame = frame.with_columns(pl.col("filter").replace("censored_by:guard", "error"))
    table = con.create_table("uncensored", frame.to_arrow())
    here, there = co.JointOutcomes.from_frame(frame, **ASKED), co.count(table, **ASKED)
    one, two = co.analyze(here, replicates=200).to_dict(), co.analyze(there, replicates=200).to_dict()
    one.pop("notes"), two.pop("notes")
    assert one == two


def test_the_same_counts_file(tmp_path: Path) -> None:
    frame = trials(5000).select("guard", "judge", "suite")
    asked = {"layers": ["guard", "judge"], "strata": "suite"}
    table = ibis.duckdb.connect().create_table("t", frame.to_arrow())
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    co.JointOutcomes.from_frame(frame, **asked).save(here)
    co.count(table, **asked).save(there)
    assert here.read_bytes() == there.read_bytes()


def test_nulls_everywhere() -> None:
    truth = [True, None, False, True]
    frame = pl.DataFrame({"a": [1, 0, None, 1], "b": truth, "g": [3, 1, None, 3], "s": truth, "n": [1.0, float("nan"), None, 0.0]})
    table = ibis.duckdb.connect().create_table("t", frame.to_arrow())
    asked = {"layers": ["a", "b", "n"], "strata": ["g", "s"]}
    assert co.count(table, **asked) == co.JointOutcomes.from_frame(frame, **asked)
    asked = {"layers": ["a", "n"], "thresholds": {"n": 0.5}, "fails_when": "above", "baseline": "b"}
    assert co.count(table, **asked) == co.JointOutcomes.from_frame(frame, **asked)


def test_more_layers_than_bits() -> None:
    rng = np.random.default_rng(3)
    names = [f"l{i}" for i in range(150)]
    frame = pl.DataFrame({n: rng.random(500) < 0.1 for n in names})
    table = ibis.duckdb.connect().create_table("t", frame.to_arrow())
    assert co.count(table, layers=names) == co.JointOutcomes.from_frame(frame, layers=names)
    texts = frame.select(pl.all().cast(pl.Int8).cast(pl.String).replace("0", "error"))
    table = ibis.duckdb.connect().create_table("t", texts.to_arrow())
    assert co.count(table, layers=names) == co.JointOutcomes.from_frame(texts, layers=names)


def test_wrong_cells_and_columns() -> None:
    frame = pd.DataFrame({"a": [0, 1, 2, 5], "b": [0, 1, 1, 0], "when": pd.to_datetime(["2026"] * 4), "goal": ["g", None, "h", "i"]})
    table = ibis.memtable(frame)
    with pytest.raises(co.InputError, match="2 cells of layer `a` are no outcomes"):
        co.count(table, layers=["a", "b"])
    with pytest.raises(co.OptionError, match="there is no column `c`"):
        co.count(table, layers=["c"])
    with pytest.raises(co.OptionError, match="no layers are named"):
        co.count(table, layers=[])
    with pytest.raises(co.OptionError, match="has cells of type timestamp"):
        co.count(table, layers=["when"])
    with pytest.raises(co.OptionError, match="cannot name strata or clusters"):
        co.count(table, layers=["b"], strata="when")
    with pytest.raises(co.InputError, match="without a cluster in the column `goal`"):
        co.count(table, layers=["b"], cluster="goal")
    with pytest.raises(co.OptionError, match="has two parts"):
        co.count(table, layers=["a", "b"], baseline="b")
    with pytest.raises(co.OptionError, match="which side of it fails"):
        co.count(table, layers=["a"], thresholds={"a": 0.5})


@pytest.mark.parametrize("dialect", ["duckdb", "bigquery", "snowflake", "trino", "clickhouse", "pyspark", "postgres"])
def test_sql_of_any_dialect(dialect: str) -> None:
    sql = co.count_sql(dialect, layers=["guard", "judge"], strata=["suite"], cluster="goal")
    assert "GROUP BY" in sql and "goal" in sql
    with pytest.raises(co.OptionError, match="no option `stratum`"):
        co.count_sql(dialect, layers=["guard"], stratum="suite")


@pytest.fixture(scope="module")
def spark():
    """A Spark Connect session on several workers of a local cluster."""
    os.environ |= {"SAIL_MODE": "local-cluster", "SAIL_CLUSTER__WORKER_INITIAL_COUNT": "3", "SAIL_CLUSTER__WORKER_MAX_COUNT": "3"}
    pysail = pytest.importorskip("pysail.spark")
    sql = pytest.importorskip("pyspark.sql")
    server = pysail.SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    session = sql.SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    yield session
    session.stop()
    server.stop()


def test_spark_on_a_local_cluster(spark, tmp_path: Path) -> None:
    frame = trials(1_000_000)
    for i in range(4):
        frame[i * 250_000 : (i + 1) * 250_000].write_parquet(tmp_path / f"part-{i}.parquet")
    table = ibis.pyspark.connect(spark).read_parquet(str(tmp_path))
    assert co.count(table, **ASKED) == co.JointOutcomes.from_frame(frame, **ASKED)


def test_parts_by_name_are_the_frames() -> None:
    frame = pd.DataFrame(
        {"a": [1, 0, 1, 0], "b": [1, 1, 0, 0], "goal": ["x", "x", "y", "y"], "label": ["attack", "benign"] * 2, "weight": [1.0, 2.0, 1.0, 0.5]}
    )
    table = ibis.memtable(frame)
    near = co.JointOutcomes.from_frame(frame, layers=["a", "b"])
    far = co.count(table, layers=["a", "b"])
    assert far == near and far.clusters == {"goal": 2} and any("goal" in note for note in far.notes)


@pytest.mark.parametrize("weight", [0.0, -1.0, None, float("inf")])
def test_weights_are_positive_everywhere(weight: float | None) -> None:
    frame = pd.DataFrame({"a": [1, 1, 1, 0], "b": [1, 1, 1, 0], "w": pd.array([1.0, weight, 0.5, 1.0], dtype="Float64")})
    with pytest.raises(co.InputError, match="not a positive number"):
        co.JointOutcomes.from_frame(frame, layers=["a", "b"], weight="w")
    with pytest.raises(co.InputError, match="1 weights in column `w`"):
        co.count(ibis.memtable(frame), layers=["a", "b"], weight="w")


def test_scores_are_finite_and_sides_belong_to_thresholds() -> None:
    table = ibis.memtable(pd.DataFrame({"a": [float("inf"), 0.2, 0.4], "b": [1, 0, 1]}))
    with pytest.raises(co.InputError, match="1 cells of layer `a`"):
        co.count(table, layers=["a", "b"], thresholds={"a": 0.3}, fails_when="above")
    with pytest.raises(co.OptionError, match="`b`, which has no threshold"):
        co.count(table, layers=["a", "b"], thresholds={"a": 0.3}, fails_when={"a": "above", "b": "below"})
    with pytest.raises(co.OptionError, match="counted first"):
        co.analyze(table)


def test_a_boolean_with_a_threshold_is_a_score() -> None:
    frame = pl.DataFrame({"a": [True, False, True], "b": [1, 0, 1]})
    asked = {"layers": ["a", "b"], "thresholds": {"a": 0.5}, "fails_when": "below"}
    assert co.count(ibis.memtable(frame), **asked) == co.JointOutcomes.from_frame(frame, **asked)


def test_trials_with_epochs_are_clusters() -> None:
    frame = pd.DataFrame({"a": [1, 1, 0, 0] * 25, "b": [1, 1, 0, 0] * 25, "trial": [i // 2 for i in range(100)], "epoch": [1, 2] * 50})
    far, near = co.count(ibis.memtable(frame), layers=["a", "b"]), co.JointOutcomes.from_frame(frame, layers=["a", "b"])
    assert far == near and far.clusters == {"trial": 50}
