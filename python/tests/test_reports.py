"""Reports: their numbers, tables and renderings."""

from __future__ import annotations

import json
from pathlib import Path

import coincide as co
import pandas as pd
import polars as pl
import pytest
from conftest import LOGS, OPTIONS

FILE = "examples/agentdojo/outcomes.csv"


@pytest.fixture(scope="module")
def outcomes() -> co.JointOutcomes:
    import os

    from conftest import REPOSITORY

    os.chdir(REPOSITORY)
    return co.read(FILE, **OPTIONS)


@pytest.fixture(scope="module")
def r(outcomes: co.JointOutcomes) -> co.Report:
    return co.analyze(outcomes, replicates=200)


def test_figures(r: co.Report) -> None:
    document = r.to_dict()["analysis"]["joint"]["content"]
    assert r.gap.estimate == document["gap"]["value"]
    assert list(r.gap.interval) == [document["gap"]["interval"]["low"], document["gap"]["interval"]["high"]]
    assert float(r.beta) in r.beta.interval
    assert r.beta.interval.method == "korn-graubard"
    assert repr(r.gap).startswith("Figure(15.15, [")
    assert r.effective_layers.estimate > 1 > r.efficiency.estimate


def test_sections(r: co.Report) -> None:
    assert r.layers[0].layer == "repeat_user_prompt"
    assert [row.layers for row in r.curve] == [1, 2, 3, 4]
    assert r.joint.all_failed == 6
    assert r.data.design.kind == "complete"
    assert "gap" in dir(r.joint) and "pairs" in dir(r)
    with pytest.raises(AttributeError, match="no `scenarios`; it has: data, layers"):
        _ = r.scenarios
    with pytest.raises(AttributeError, match="no models: they were not asked for"):
        _ = r.models


def test_tables(r: co.Report) -> None:
    pairs = r.pairs.to_polars()
    assert pairs.shape[0] == 6 and pairs.schema["lift"] == pl.Float64
    assert {"a", "b", "lift", "lift_low", "lift_high", "p_value"} <= set(pairs.columns)
    assert pairs.equals(pl.from_pandas(r.pairs.to_pandas()), null_equal=True)
    assert isinstance(r.to_pandas(), pd.DataFrame)
    figures = r.to_polars()
    assert figures.filter(pl.col("figure") == "analysis.joint.gap")["estimate"].item() == r.gap.estimate
    assert "<table>" in r.pairs._repr_html_()
    assert len(r.pairs[:2]) == 2 and repr(r.pairs[:2]).count("\n") == 2


def test_renderings(r: co.Report, tmp_path: Path) -> None:
    assert "All layers failing together" in repr(r)
    assert max(len(line) for line in r.to_text(80).splitlines()) <= 80
    for name in ("r.json", "r.html", "r.md", "r.txt"):
        assert r.save(tmp_path / name).stat().st_size > 1000
    assert co.report(tmp_path / "r.json") == r
    assert r._repr_html_().startswith("<iframe")
    with pytest.raises(co.OptionError, match="does not say what to write"):
        r.save(tmp_path / "r.doc")
    with pytest.raises(co.OptionError, match="no claims to draw"):
        r.save(tmp_path / "r.svg")


def test_verification(outcomes: co.JointOutcomes, r: co.Report) -> None:
    assert co.verify(r) == []
    other = co.JointOutcomes.from_frame({"a": [1, 0, 1, 0] * 10, "b": [1, 1, 0, 0] * 10})
    own = co.analyze(other, replicates=200)
    assert co.verify(own, other) == []
    with pytest.raises(co.OptionError, match="never was a file"):
        co.verify(own)
    changed = co.JointOutcomes.from_frame({"a": [1, 0, 1, 1] * 10, "b": [1, 1, 0, 0] * 10})
    assert any("/analysis" in line for line in co.verify(own, changed))


def test_models(outcomes: co.JointOutcomes) -> None:
    m = co.fit(outcomes, ["independent", "factor"], refits=20, replicates=200, claims="beta<=1e-3@0.9")
    assert [row.model for row in m.models] == ["independent", "factor"]
    assert m.models.to_polars().shape[0] == 2
    pair, all_of_them = m.co_failure(["tool_filter", "repeat_user_prompt"]), m.co_failure()
    assert 0 < all_of_them.estimate < pair.estimate < 1
    assert pair.interval.low < pair.estimate < pair.interval.high
    with pytest.raises(co.OptionError, match="no layer `tool_fliter`"):
        m.co_failure(["tool_fliter"])
    with pytest.raises(co.OptionError, match="no model says"):
        co.analyze(outcomes, replicates=200).co_failure()
    with pytest.raises(co.OptionError, match="write claims as"):
        co.fit(outcomes, claims="beta<0.1")
    with pytest.raises(co.CoincideError, match="no-such-model"):
        co.fit(outcomes, "no-such-model", replicates=200)


def test_options_are_checked() -> None:
    for wrong in ({"level": 1.5}, {"replicates": 5}):
        with pytest.raises(co.OptionError):
            co.analyze(FILE, **wrong)
    with pytest.raises(co.OptionError, match="draws is 5"):
        co.fit(FILE, draws=5)
    with pytest.raises(co.CoincideError):
        co.analyze(FILE, order=["nobody"], replicates=200)


def test_logs_of_other_tools() -> None:
    logs = co.import_logs(None, LOGS / "garak/full.report.jsonl")
    assert logs.tool == "garak"
    assert logs.layers.to_dict()["name"] == ["any.AnyOutput", "goodside.RileyIsnt", "mitigation.MitigationBypass"]
    assert logs.to_polars().shape == (20, 7) and logs.to_pandas().shape[0] == 20
    assert "logs of garak: 20 trials" in repr(logs) and logs.to_dict()["trials"] == 20
    with pytest.raises(co.InputError, match="is a garak report, not an Inspect log"):
        co.from_inspect(LOGS / "garak/full.report.jsonl")
    with pytest.raises(co.OptionError, match="is no tool"):
        co.import_logs("garack", LOGS / "garak/full.report.jsonl")
    joined = co.from_inspect(sorted((LOGS / "inspect/runs").glob("*.eval")), layer_from="task", join="sample.id")
    assert joined.layers == ["filter", "monitor", "plain"]


def test_schema_holds(r: co.Report) -> None:
    schema = co.schema()
    assert schema["title"] == "Coincide results"
    assert set(json.loads(r.to_json())) <= set(schema["properties"])


def test_logs_in_memory() -> None:
    inspect = pytest.importorskip("inspect_ai.log")
    file = LOGS / "inspect/joint.json"
    asked = {"thresholds": {"graded": 0.75, "monitors.mon_b": 0.5}, "cluster": "attack_id", "label": "label"}
    log = inspect.read_eval_log(str(file))
    table = co.from_inspect(log, **asked)
    assert table == co.from_inspect(file, **asked)
    assert [i["path"] for i in table.inputs] == ["<EvalLog 1>"]
    assert not any("/tmp" in note for note in table.notes)
    r = co.analyze(table, replicates=200)
    assert co.verify(r, table) == []
    with pytest.raises(co.OptionError, match="never was a file"):
        co.verify(r)
    runs = sorted((LOGS / "inspect/runs").glob("*.eval"))
    joined = co.from_inspect([inspect.read_eval_log(str(run)) for run in runs], layer_from="task", join="sample.id")
    assert joined == co.from_inspect(runs, layer_from="task", join="sample.id")
    with pytest.raises(co.InputError, match="<EvalLog 1> has no samples"):
        co.from_inspect(inspect.read_eval_log(str(file), header_only=True), **asked)
    with pytest.raises(co.CoincideError) as wrong:
        co.from_inspect(log, cluster="nobody")
    assert "/tmp" not in str(wrong.value), wrong.value
