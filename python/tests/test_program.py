"""Python and the program give the same documents for the same inputs."""

from __future__ import annotations

import json
from pathlib import Path

import coincide as co
import pytest
from conftest import COMMAND, LOGS, OPTIONS

FILE = "examples/agentdojo/outcomes.csv"
STUDY = "examples/alignment/study.toml"


def test_analyze(coincide) -> None:
    python = co.analyze(co.read(FILE, **OPTIONS), replicates=200, attempts=[2, 10], goal="user_task", groups={"filters": ["tool_filter"]})
    printed = coincide(
        "analyze", FILE, *COMMAND, "--replicates", "200", "--attempts", "2,10", "--goal", "user_task", "--group", "filters=tool_filter", "--json", "-"
    )
    assert python.to_json() == printed


def test_fit(coincide) -> None:
    claims = ["beta<=1e-2@0.95", "beta(tool_filter,repeat_user_prompt)<=0.2@0.9"]
    python = co.fit(
        co.read(FILE, **OPTIONS),
        ["independent", "factor"],
        draws=400,
        refits=20,
        replicates=200,
        claims=claims,
        confidences="beta<=1e-2@0.5",
    )
    printed = coincide(
        "fit", FILE, *COMMAND, "--models", "independent,factor", "--draws", "400", "--refits", "20", "--replicates", "200",
        "--claim", claims[0], "--claim", claims[1], "--confidence", "beta<=1e-2@0.5", "--json", "-",
    )  # fmt: skip
    assert python.to_json() == printed


def test_thresholds_and_sides(coincide, tmp_path: Path) -> None:
    scores = tmp_path / "s.csv"
    scores.write_text("filter,judge,success\n0.9,0,0.1\n0.2,1,0.9\n0.1,1,0.8\n0.7,0,0.2\n")
    python = co.analyze(
        co.read(scores, thresholds={"filter": 0.5, "success": 0.5}, fails_when={"filter": "below", "success": "above"}), replicates=200
    )
    printed = coincide(
        "analyze", str(scores), "--threshold", "filter=0.5", "--threshold", "success=0.5", "--fails-when", "filter=below", "--fails-when",
        "success=above", "--replicates", "200", "--json", "-",
    )  # fmt: skip
    assert python.to_json() == printed


def test_logs(coincide) -> None:
    log = str(LOGS / "garak/full.report.jsonl")
    assert co.analyze(co.from_garak(log), replicates=200).to_json() == coincide("analyze", log, "--replicates", "200", "--json", "-")


def test_studies(coincide) -> None:
    assert co.run(STUDY).to_json() == coincide("run", STUDY, "--json", "-")
    assert co.impact("examples/impact/study.toml").to_json() == coincide("impact", "examples/impact/study.toml", "--json", "-")
    assert co.modes(study=STUDY).to_json() == coincide("modes", STUDY, "--json", "-")
    assert co.modes().to_json() == coincide("modes", "--json", "-")


def test_claims(coincide) -> None:
    python = co.check(STUDY)
    verdicts = {claim.verdict for claim in python.claims.claims}
    code = 1 if "refuted" in verdicts else 3 if "undecidable" in verdicts else 0
    assert json.loads(coincide("check", STUDY, "--json", "-", code=code)) == python.to_dict()


def test_renderings(coincide, tmp_path: Path) -> None:
    t = co.read(FILE, **OPTIONS)
    r = co.analyze(t, replicates=200)
    document = r.save(tmp_path / "r.json")
    assert coincide("report", str(document), "--markdown") == r.to_markdown()
    assert co.report(document).to_text(80) == r.to_text(80)
    assert coincide("verify", str(document)).endswith("nothing differs\n")


def test_counts_files(coincide, tmp_path: Path) -> None:
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    co.read(FILE, **OPTIONS).save(here)
    coincide("count", FILE, *COMMAND, "-o", str(there))
    assert here.read_bytes() == there.read_bytes()
    halves = [tmp_path / f"{i}.parquet" for i in (1, 2)]
    for i, half in enumerate(halves):
        coincide("count", FILE, *COMMAND, "-o", str(half), "--shard", f"{i + 1}/2")
    assert co.merge(halves) == co.read(here)


@pytest.mark.parametrize("tool", ["inspect", "garak", "llm-guard", "nemo", "deepteam"])
def test_imports(coincide, tmp_path: Path, tool: str) -> None:
    log = {
        "inspect": "inspect/killed.eval",
        "garak": "garak/full.report.jsonl",
        "llm-guard": "llm_guard/raw.jsonl",
        "nemo": "nemo/generation.jsonl",
        "deepteam": "deepteam/guards.jsonl",
    }[tool]
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    logs = co.import_logs(tool, LOGS / log)
    logs.save(here)
    coincide("import", tool, str(LOGS / log), "-o", str(there))
    assert here.read_bytes() == there.read_bytes()
    assert logs.tool == tool and logs.trials > 0
