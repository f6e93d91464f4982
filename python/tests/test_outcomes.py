"""Frames of every kind become the same table."""

from __future__ import annotations

import datetime
import io
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import coincide as co
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from coincide import _coincide
from conftest import AGENTDOJO, OPTIONS

ROWS = {
    "guard": [1, 0, 1, None, 0, 1],
    "judge": ["1", "held", "error", "", "censored_by:guard", "failed"],
    "goal": ["a", "a", "b", "b", "c", "c"],
    "suite": ["x", "x", "y", "y", "x", "y"],
}
ASKED = {"layers": ["guard", "judge"], "cluster": "goal", "strata": ["suite"]}


def want() -> co.JointOutcomes:
    return co.JointOutcomes.from_frame(pa.table(ROWS), **ASKED)


@pytest.mark.parametrize(
    "make",
    [
        pl.DataFrame,
        lambda rows: pl.DataFrame(rows).lazy().collect(),
        lambda rows: pl.concat([pl.DataFrame(rows)[:2], pl.DataFrame(rows)[2:]], rechunk=False),
        lambda rows: pl.DataFrame(rows).with_columns(pl.col("goal", "suite").cast(pl.Categorical), pl.col("guard").cast(pl.Float64)),
        lambda rows: pd.DataFrame(rows).astype({"guard": "Int8"}),
        lambda rows: pd.DataFrame(rows).astype({"guard": "boolean", "suite": "category"}),
        lambda rows: pd.DataFrame(rows, index=[7, 1, 0, 1, 0, 2]),
        lambda rows: pa.concat_tables([pa.table(rows).slice(0, 1), pa.table(rows).slice(1)]),
        lambda rows: pa.table(rows).to_batches()[0],
        lambda rows: pa.table(rows).to_reader(max_chunksize=2),
        dict,
        lambda rows: {name: pl.Series(values) for name, values in rows.items()},
        lambda rows: rows | {"guard": pa.chunked_array([rows["guard"][:4], rows["guard"][4:]])},
    ],
)
def test_frames(make) -> None:
    assert co.JointOutcomes.from_frame(make(ROWS), **ASKED) == want()


def test_numpy_matrices() -> None:
    rng = np.random.default_rng(1)
    outcomes = rng.random((1000, 3)) < [0.1, 0.2, 0.3]
    names = ["a", "b", "c"]
    table = co.JointOutcomes.from_frame(outcomes, layers=names)
    for other in (outcomes.astype(np.int8), outcomes.astype(float), np.asfortranarray(outcomes.astype(np.int64)), outcomes[::-1]):
        assert co.JointOutcomes.from_frame(other, layers=names) == table
    assert co.JointOutcomes.from_columns(dict(zip(names, outcomes.T, strict=True))) == table
    assert co.analyze(table, replicates=100).layers[0].failed == outcomes[:, 0].sum()
    with pytest.raises(co.OptionError, match="has 3 columns, and layers names 2"):
        co.JointOutcomes.from_frame(outcomes, layers=["a", "b"])


def test_long_frames_and_runs() -> None:
    long = pl.DataFrame({"trial": [1, 1, 2, 2], "layer": ["a", "b", "a", "b"], "outcome": [1, 0, 0, 1]})
    wide = pl.DataFrame({"trial": [1, 2], "a": [1, 0], "b": [0, 1]})
    assert co.JointOutcomes.from_frame(long) == co.JointOutcomes.from_frame(wide)
    repeated = pl.DataFrame({"trial": [1, 1, 1], "model": ["a", "a", "b"], "outcome": [1, 0, 1]})
    runs = co.JointOutcomes.from_frame(repeated, layer_from="model", join="trial")
    assert runs.trials == 1
    assert co.analyze(runs, replicates=100).beta.estimate == 0.5


def test_a_frame_is_its_file() -> None:
    frame = pl.read_csv(AGENTDOJO, null_values=["none"])
    table = co.JointOutcomes.from_frame(frame, **OPTIONS)
    file = co.read(AGENTDOJO, **OPTIONS)
    assert table == file
    mine, theirs = co.analyze(table, replicates=200).to_dict(), co.analyze(file, replicates=200).to_dict()
    for document in (mine, theirs):
        del document["provenance"]["inputs"]
    assert mine == theirs


def test_counts_go_round() -> None:
    table = want()
    assert co.JointOutcomes.from_frame(table) == table
    assert table.to_polars()["coincide.n"].sum() == 6
    assert table.to_pandas()["coincide.n"].sum() == 6
    assert table.to_dict()["clusters"] == {"goal": 3}
    assert "6 trials in" in repr(table)


def test_what_is_hashed_does_not_depend_on_the_order_of_rows() -> None:
    rows = pa.table(ROWS)
    turned = rows.take(list(reversed(range(6))))
    assert co.JointOutcomes.from_frame(turned, **ASKED).inputs == want().inputs


def test_wrong_cells_are_named() -> None:
    with pytest.raises(co.InputError) as e:
        co.JointOutcomes.from_frame(pl.DataFrame({"a": [1, 0, 2], "b": [0, 0, 0]}), layers=["a", "b"])
    assert (e.value.line, e.value.column, e.value.file) == (3, "a", "<frame>")
    assert e.value.hint
    with pytest.raises(co.InputError, match="no column `c`"):
        co.JointOutcomes.from_frame(pl.DataFrame({"a": [1], "b": [0]}), layers=["a", "c"])
    with pytest.raises(co.OptionError, match="is no frame"):
        co.JointOutcomes.from_frame(7)
    with pytest.raises(co.OptionError, match="has 1 rows"):
        co.JointOutcomes.from_columns({"a": [1, 0], "b": [0]})
    with pytest.raises(co.MissingFileError):
        co.read("nowhere.csv")
    assert issubclass(co.MissingFileError, FileNotFoundError)


def test_hints_name_arguments_of_python() -> None:
    with pytest.raises(co.OptionError) as e:
        co.JointOutcomes.from_frame(pl.DataFrame({"a": [0.3], "b": [0]}), layers=["a", "b"], thresholds={"a": 0.5})
    assert "fails_when below" in str(e.value) and "--" not in str(e.value)


def test_progress_is_reported_and_its_exceptions_end_the_work() -> None:
    frame = pl.DataFrame({"a": [0, 1] * 500_000, "b": [1, 0] * 500_000, "goal": [str(i) for i in range(1_000_000)]})
    seen: list[tuple[str, int, int]] = []
    co.JointOutcomes.from_frame(frame, progress=lambda *p: seen.append(p))
    table = co.JointOutcomes.from_frame(frame.head(20_000), progress=False)

    def stop(step: str, done: int, total: int) -> None:
        seen.append((step, done, total))
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        co.analyze(table, replicates=100_000, progress=stop)
    assert seen


def test_ctrl_c_ends_the_work() -> None:
    import _thread

    table = co.JointOutcomes.from_frame({"a": [0, 1, 1, 0] * 5000, "b": [1, 0, 1, 0] * 5000, "goal": [str(i) for i in range(20_000)]})
    threading.Timer(0.5, _thread.interrupt_main).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        co.analyze(table, replicates=1_000_000, progress=False)
    assert time.monotonic() - begun < 5


def test_other_threads_run_meanwhile() -> None:
    table = co.JointOutcomes.from_frame({"a": [0, 1, 1, 0] * 2000, "b": [1, 0, 1, 0] * 2000, "goal": [str(i) for i in range(8000)]})
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.01)

    thread = threading.Thread(target=tick)
    thread.start()
    begun = time.monotonic()
    co.analyze(table, replicates=5000, progress=False)
    took = time.monotonic() - begun
    done.set()
    thread.join()
    during = [t for t in ticks if t < begun + took]
    assert len(during) > took / 0.01 / 4


def test_half_precision_is_read() -> None:
    halves = {"a": np.array([1, 0, 1], dtype=np.float16), "b": np.array([0.2, 0.7, 0.9], dtype=np.float16)}
    cut = co.JointOutcomes.from_frame(halves, thresholds={"b": 0.5}, fails_when="below")
    assert cut == co.JointOutcomes.from_frame({"a": [1, 0, 1], "b": [1, 0, 0]})


def test_what_cannot_be_read_says_what_to_do() -> None:
    days = pl.DataFrame({"a": [1, 0], "b": [0, 1], "day": [datetime.date(2026, 1, 1)] * 2})
    with pytest.raises(co.InputError, match="`day` of type Date32") as wrong:
        co.JointOutcomes.from_frame(days, layers=["a", "b"], cluster="day")
    assert wrong.value.hint and "texts" in wrong.value.hint
    with pytest.raises(co.InputError, match="cannot be read as Arrow") as wrong:
        co.JointOutcomes.from_frame(pd.DataFrame([[1, 0], [0, 1]], columns=["a", "a"]))
    assert wrong.value.__cause__ is not None and wrong.value.hint
    with pytest.raises(co.InputError, match="column `a` holds a list"):
        co.JointOutcomes.from_frame(pd.DataFrame({"a": [1, [0]], "b": [1, 0]}))
    with pytest.raises(co.InputError, match="column `day` holds a date"):
        co.JointOutcomes.from_frame({"a": [1, 0], "b": [1, 0], "day": [datetime.date(2026, 1, 1)] * 2})


def test_what_is_masked_or_na_is_missing() -> None:
    want = co.JointOutcomes.from_frame({"a": [1, 0, None, None], "b": [1, 0, 1, 0]})
    masked = np.ma.array([1, 0, 1, 0], mask=[False, False, True, True])
    for a in (masked, pd.array([1, 0, None, None], dtype="Int64"), np.array([1, 0, pd.NA, None], dtype=object), [1, 0, pd.NA, float("nan")]):
        assert co.JointOutcomes.from_frame({"a": a, "b": [1, 0, 1, 0]}) == want
    empty = pl.DataFrame({"a": [1, 0, None, None], "b": [1, 0, 1, 0], "note": [None] * 4})
    assert co.JointOutcomes.from_frame(empty, layers=["a", "b"]) == want


def test_bytes_in_another_order_are_the_same_numbers() -> None:
    asked = {"layers": ["score", "judge"], "thresholds": {"score": 0.5}, "fails_when": "above"}
    score = np.array([0.9, 0.1, 0.8, 0.2])
    want = co.JointOutcomes.from_frame({"score": score, "judge": [1, 0, 1, 0]}, **asked)
    for kind in (">f8", ">f4", "longdouble"):
        assert co.JointOutcomes.from_frame({"score": score.astype(kind), "judge": [1, 0, 1, 0]}, **asked) == want
    assert co.JointOutcomes.from_frame({"a": np.array([1, 0], dtype=">i4"), "b": [1, 0]}) == co.JointOutcomes.from_frame({"a": [1, 0], "b": [1, 0]})


def test_numbers_of_numpy_are_options() -> None:
    table = co.JointOutcomes.from_frame({"a": [1, 0] * 9, "b": [1, 0, 0] * 6})
    want = co.analyze(table, seed=2, replicates=100, level=0.5)
    assert co.analyze(table, seed=np.arange(3)[2], replicates=np.int64(100), level=np.float32(0.5)) == want
    stopped = co.JointOutcomes.from_frame({"a": [1, 0] * 9, "b": [1, None] * 9})
    assert co.analyze(stopped, replicates=100, order=np.array(["a", "b"])) == co.analyze(stopped, replicates=100, order=["a", "b"])
    with pytest.raises(co.OptionError, match="layers names none"):
        co.JointOutcomes.from_frame({"a": [1, 0], "b": [1, 0]}, layers=[])


def test_a_forked_process_says_so_instead_of_waiting() -> None:
    script = """
import multiprocessing, coincide as co
table = co.JointOutcomes.from_frame({"a": [1, 0] * 9, "b": [1, 0, 0] * 6})
def beta(_):
    try:
        return co.analyze(table, replicates=100).beta.estimate
    except co.OptionError as e:
        return e.hint
print(multiprocessing.get_context("fork").Pool(1).map(beta, [0])[0])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "spawn" in done.stdout


def test_a_named_index_of_pandas_is_no_layer() -> None:
    frame = pd.DataFrame(ROWS)
    numbered = frame[["guard", "judge"]].assign(number=[1, 0, 1, 0, 1, 0]).set_index("number")
    assert co.JointOutcomes.from_frame(numbered).layers == ["guard", "judge"]
    # One that is named, or plays a part by its name, stays.
    assert co.JointOutcomes.from_frame(frame.set_index("suite"), **ASKED) == want()
    assert co.JointOutcomes.from_frame(frame.set_index("goal")[["guard", "judge"]]).clusters == {"goal": 3}
    objects = frame.assign(judge=pd.Series([1, 0, "error", None, "censored_by:guard", 1], dtype="object"))
    assert co.JointOutcomes.from_frame(objects.set_index("goal"), layers=["guard", "judge"], strata=["suite"]) == want()
    long = pd.DataFrame({"trial": [1, 1, 2, 2], "layer": ["a", "b", "a", "b"], "outcome": [1, 0, 0, 1]})
    assert co.JointOutcomes.from_frame(long.set_index(["trial", "layer"])) == co.JointOutcomes.from_frame(long)


def test_objects_of_pandas_may_mix_numbers_and_reasons() -> None:
    rows = ROWS | {"judge": [1, 0, "error", None, "censored_by:guard", 1.0]}
    assert co.JointOutcomes.from_frame(pd.DataFrame(rows).astype({"judge": "object"}), **ASKED) == want()
    assert co.JointOutcomes.from_columns({name: pd.Series(values, dtype="object") for name, values in rows.items()}, **ASKED) == want()


def test_layers_of_a_frame_may_be_named_in_a_column_called_file() -> None:
    runs = pl.DataFrame({"trial": [1, 1, 2, 2], "file": ["a", "b", "a", "b"], "outcome": [1, 0, 0, 1]})
    assert co.JointOutcomes.from_frame(runs, layer_from="file", join="trial").layers == ["a", "b"]


def test_pickles(tmp_path: Path) -> None:
    table = co.read(AGENTDOJO, **OPTIONS)
    again = pickle.loads(pickle.dumps(table))
    assert again == table and again.to_dict() == table.to_dict()
    report = co.fit(co.read(AGENTDOJO, cluster="user_task"), ["independent", "factor"], draws=4000, refits=20, replicates=200)
    same = pickle.loads(pickle.dumps(report))
    assert same == report and same.to_html() == report.to_html()
    assert same.co_failure("tool_filter") == report.co_failure(["tool_filter"])
    assert co.analyze(again, replicates=200).to_json() == co.analyze(table, replicates=200).to_json()
    # On another machine the files may not be there: what is read from them is left out.
    alone = tmp_path / "outcomes.csv"
    alone.write_text("a,b\n1,0\n0,0\n1,1\n")
    gone = pickle.dumps(co.read(alone))
    alone.unlink()
    assert co.analyze(pickle.loads(gone), replicates=100).analysis.data.attack_trials == 3
    header, outcomes = co.JointOutcomes.from_frame(ROWS, **ASKED)._inner.pickled()
    version = co.__version__
    with pytest.raises(co.OptionError, match=r"pickled by Coincide 0\.0\.1"):
        _coincide.unpickle(header.replace(f'"version":"{version}"', '"version":"0.0.1"'), outcomes)
    with pytest.raises(co.OptionError, match="is damaged"):
        _coincide.unpickle(header, outcomes[:-3])


def test_a_stratum_may_be_the_cluster(tmp_path: Path) -> None:
    both = co.JointOutcomes.from_frame(ROWS, layers=["guard", "judge"], cluster="goal", strata=["goal"])
    assert co.read(both.save(tmp_path / "counts.parquet")) == both
    assert co.JointOutcomes.from_frame(both) == both


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: co.count(ROWS, **ASKED, thresholds=0.5), "thresholds is 0.5"),
        (lambda: co.count(ROWS, **ASKED, thresholds={"guard": float("nan")}), "threshold of layer `guard` is nan"),
        (lambda: co.count(ROWS, **ASKED, fails_when=["above"]), r"fails_when is \['above'\]"),
        (lambda: co.analyze(want(), groups=["guard"]), r"groups is \['guard'\]"),
        (lambda: co.analyze(want(), seed=-1), "seed is -1"),
        (lambda: co.read(io.StringIO("a,b")), "an open file is no path"),
        (lambda: co.count(pl.DataFrame(ROWS).lazy()), "LazyFrame holds no rows yet"),
        (lambda: co.report("/proc/nowhere/report.json"), "no such file"),
        (lambda: co.report("/"), "cannot be read"),
        (lambda: co.analyze(AGENTDOJO, replicates=100).save("/proc/nowhere/report.json"), "cannot be written"),
        (lambda: co.merge(AGENTDOJO), "is not a counts file"),
        (lambda: co.verify(co.analyze(AGENTDOJO, replicates=100), want(), inputs="x.csv"), "both given"),
        (lambda: co.count_sql("nonsense", layers=["a"]), "cannot write `nonsense`"),
    ],
)
def test_errors_say_what_was_given(call, says: str) -> None:
    with pytest.raises(co.CoincideError, match=says):
        call()
