"""Stress campaigns from Python: functions as layers, plans, Ctrl-C and going on."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import coincide as co
import pytest

ATTACKS = [f"attack number {i}" for i in range(12)]


def campaign(folder: Path, layers: str, attacks: list[str] = ATTACKS, more: str = "") -> Path:
    rows = "".join(f"{a},g{i % 4},\n" for i, a in enumerate(attacks))
    (folder / "attacks.csv").write_text("prompt,goal,response\n" + rows)
    file = folder / "campaign.toml"
    file.write_text(f'name = "test"\n{more}\n[attacks]\nfiles = ["attacks.csv"]\n{layers}')
    return file


def function(name: str = "mine", more: str = "") -> str:
    return f'[[layers]]\nname = "{name}"\nkind = "function"\n{more}\n'


RULES = '[[layers]]\nname = "rules"\nkind = "rules"\npatterns = ["number 1"]\n'


def outcomes(report: co.Report) -> dict[str, list[str]]:
    polars = pytest.importorskip("polars")
    table = polars.read_parquet(report.folder + "/outcomes.parquet")
    return {name: table[name].cast(polars.String).to_list() for name in table.columns}


def test_a_function_is_a_layer(tmp_path: Path) -> None:
    seen: list[str] = []

    def mine(prompt: str) -> str:
        seen.append(prompt)
        return "held" if prompt.endswith(("0", "5")) else "failed"

    report = co.stress(campaign(tmp_path, RULES + function()), functions={"mine": mine})
    assert sorted(seen) == sorted(ATTACKS)
    assert report.campaign.attacks.finished == 12
    # Held by the rules: 1, 10, 11; by the function: 0, 5, 10.
    assert report.campaign.finds == 12 - 5
    table = outcomes(report)
    assert table["mine"].count("0") == 3 and table["rules"].count("0") == 3
    again = co.read(report.folder + "/outcomes.parquet", cluster="goal")
    assert co.analyze(again, replicates=200).beta.estimate == pytest.approx(7 / 12)
    # The document is the one that lies in the folder, and reads back.
    assert co.report(report.folder + "/campaign.json") == report
    assert "test" in report.to_html() and report.answer


def test_the_program_says_how_to_run_a_function(tmp_path: Path, program: str) -> None:
    file = campaign(tmp_path, function())
    said = subprocess.run([program, "stress", str(file)], capture_output=True, text=True)
    assert said.returncode != 0 and "nobody gave the function" in said.stderr and "coincide.stress" in said.stderr


def test_the_plan_is_the_programs(tmp_path: Path, program: str) -> None:
    file = campaign(tmp_path, RULES)
    plan = co.plan(file)
    printed = subprocess.run([program, "stress", str(file), "--dry-run"], capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
    assert repr(plan) == printed.stdout.rstrip()
    written = subprocess.run([program, "stress", str(file), "--dry-run", "--json", "-"], capture_output=True, text=True)
    assert plan.to_dict() == json.loads(written.stdout) and plan.calls == 12


@pytest.mark.parametrize(
    ("said", "word", "why"),
    [
        ("held", "0", None),
        (co.Verdict("failed", score=0.2, labels=("violence",)), "1", None),
        ({"outcome": "abstain", "reason": "not my business"}, "abstain", "not my business"),
        (True, "unparsed", "may mean either"),
        ("safe", "unparsed", "no outcome"),
        (None, "unparsed", "NoneType"),
        (0.7, "unparsed", "no outcome"),
        (co.Verdict(outcome="stopped"), "unparsed", "an outcome that is none"),  # type: ignore[arg-type]
    ],
)
def test_what_a_function_may_say(tmp_path: Path, said: object, word: str, why: str | None) -> None:
    report = co.stress(campaign(tmp_path, function()), functions={"mine": lambda prompt: said})
    assert set(outcomes(report)["mine"]) == {word}
    if why:
        assert why in report.campaign.layers[0].reasons[0].reason


def test_scores_are_cut_at_the_threshold(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    file = campaign(tmp_path, function(more='threshold = 5\nfails_when = "below"'))
    report = co.stress(file, functions={"mine": lambda prompt: numpy.float32(prompt.split()[-1])})
    assert report.campaign.layers[0].cells.to_dict() == {"failed": 5, "held": 7}
    nan = co.stress(
        campaign(tmp_path, function(more='threshold = 5\nfails_when = "below"'), more='output = "nan"'), functions={"mine": lambda p: float("nan")}
    )
    assert nan.campaign.layers[0].cells.to_dict() == {"unparsed": 12}


def test_functions_as_model_and_judge(tmp_path: Path) -> None:
    layers = function("target", 'stage = "model"') + function("judge", 'stage = "output"')

    def target(prompt: str) -> co.Verdict:
        n = int(prompt.split()[-1])
        return co.Verdict("held" if n < 4 else "failed", output=f"answer {n}")

    given: list[str] = []

    def judge(prompt: str, output: str) -> str:
        given.append(output)
        assert output.split()[-1] == prompt.split()[-1]
        return "failed"

    report = co.stress(campaign(tmp_path, layers), functions={"target": target, "judge": judge})
    assert sorted(given) == sorted(f"answer {n}" for n in range(4, 12))
    table = outcomes(report)
    assert table["judge"].count("censored_by:target") == 4 and report.campaign.finds == 8


def test_async_functions_share_one_loop(tmp_path: Path) -> None:
    loops = set()
    at_once = [0, 0]

    async def mine(prompt: str) -> str:
        loops.add(asyncio.get_running_loop())
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0.02)
        at_once[0] -= 1
        return "failed"

    co.stress(campaign(tmp_path, function(more="concurrency = 4")), functions={"mine": mine})
    assert len(loops) == 1 and at_once[1] == 4


def test_one_thread_at_a_time_unless_asked(tmp_path: Path) -> None:
    lock = threading.Lock()

    def mine(prompt: str) -> str:
        assert lock.acquire(blocking=False), "called twice at once"
        time.sleep(0.005)
        lock.release()
        return "failed"

    assert co.stress(campaign(tmp_path, function()), functions={"mine": mine}).campaign.layers[0].cells.to_dict() == {"failed": 12}


def test_exceptions_become_cells_without_prompts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def mine(prompt: str) -> str:
        if prompt.endswith("3"):
            raise ValueError(prompt)
        return "held"

    report = co.stress(campaign(tmp_path, function()), functions={"mine": mine})
    assert report.campaign.layers[0].cells.to_dict() == {"error": 1, "held": 11}
    reason = report.campaign.layers[0].reasons[0].reason
    assert reason.startswith("ValueError at test_campaigns.py:") and "attack" not in reason
    assert len(caplog.records) == 1 and "mine" in caplog.records[0].getMessage()


def test_a_function_that_only_raises_is_given_up(tmp_path: Path) -> None:
    calls = 0

    def mine(prompt: str) -> str:
        nonlocal calls
        calls += 1
        raise RuntimeError

    many = [f"attack number {i}" for i in range(300)]
    report = co.stress(campaign(tmp_path, function(), many), functions={"mine": mine})
    assert calls < 40 and report.campaign.layers[0].given_up


def test_wrong_functions_are_named(tmp_path: Path) -> None:
    file = campaign(tmp_path, function())
    with pytest.raises(co.InputError, match="no layer of kind function is called `other`"):
        co.stress(file, functions={"mine": str, "other": str})
    with pytest.raises(co.InputError, match="nobody gave") as missing:
        co.stress(file)
    assert missing.value.line == 7 and "functions={" in (missing.value.hint or "")
    with pytest.raises(TypeError, match="cannot be called"):
        co.stress(file, functions={"mine": "held"})  # type: ignore[dict-item]
    with pytest.raises(co.OptionError, match="resume"):
        co.stress(file, functions={"mine": str}, retry_errors=True)
    assert not (tmp_path / "run").exists()


def test_runs_go_on_and_parts_add_up(tmp_path: Path) -> None:
    file = campaign(tmp_path, function(), more="[budget]\ncalls = 5")
    asked: list[str] = []

    def mine(prompt: str) -> str:
        asked.append(prompt)
        return "failed"

    first = co.stress(file, functions={"mine": mine})
    assert first.campaign.ended_early and len(asked) == 5
    with pytest.raises(co.OptionError, match="already holds a run"):
        co.stress(file, functions={"mine": mine})
    campaign(tmp_path, function())
    assert co.stress(file, functions={"mine": mine}, resume=True).campaign.attacks.finished == 12
    assert sorted(asked) == sorted(ATTACKS)
    parts = [co.stress(file, functions={"mine": mine}, shard=f"{i}/3") for i in (1, 2, 3)]
    assert sum(p.campaign.attacks.finished for p in parts) == 12
    whole = co.read([p.folder + "/outcomes.parquet" for p in parts], cluster="goal")
    assert whole.trials == 12
    with pytest.raises(co.OptionError, match="not a part"):
        co.stress(file, functions={"mine": mine}, shard="4/3")


def test_ctrl_c_finishes_what_is_in_flight(tmp_path: Path) -> None:
    file = campaign(tmp_path, function(), [f"attack number {i}" for i in range(500)])
    script = f"""
import time, coincide as co
def mine(prompt):
    print("asked", flush=True)
    time.sleep(0.02)
    return "failed"
try:
    co.stress({str(file)!r}, functions={{"mine": mine}})
except KeyboardInterrupt:
    print("interrupted", flush=True)
done = co.read({str(tmp_path / "run" / "outcomes.parquet")!r}).trials
print("kept", done, flush=True)
"""
    import signal

    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "asked\n"
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=30)
    lines = rest.split("\n")
    assert "interrupted" in lines and child.returncode == 0
    kept = int(next(line for line in lines if line.startswith("kept")).split()[1])
    # Everything that was asked was kept.
    assert 1 < kept == 1 + lines.count("asked") < 500


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    co.stress(campaign(tmp_path, RULES), progress=lambda *now: told.append(now))
    assert told and told[-1] == ("trials", 12, 12)


@pytest.mark.parametrize(
    "said", [{"score": "SECRET"}, co.Verdict("held", labels="SECRET"), {"outcome": "SECRET"}, {"outcome": "held", "reason": object()}]
)
def test_odd_answers_do_not_reach_the_journal(tmp_path: Path, said: object) -> None:
    report = co.stress(campaign(tmp_path, function()), functions={"mine": lambda prompt: said})
    assert set(outcomes(report)["mine"]) == {"unparsed"}
    assert "SECRET" not in report.to_json()
    assert not any(b"SECRET" in f.read_bytes() for f in (tmp_path / "run").iterdir() if f.is_file())


def test_exits_are_exceptions(tmp_path: Path) -> None:
    async def leaves(prompt: str) -> str:
        sys.exit(3) if prompt.endswith("3") else None
        return "held"

    def also(prompt: str) -> str:
        sys.exit(3) if prompt.endswith("3") else None
        return "held"

    for mine in (leaves, also):
        name = f'output = "{mine.__name__}"'
        report = co.stress(campaign(tmp_path, function(), more=name), functions={"mine": mine})
        assert report.campaign.layers[0].cells.to_dict() == {"error": 1, "held": 11}


def test_a_call_that_was_given_up_costs_only_itself(tmp_path: Path) -> None:
    slept = threading.Event()

    def mine(prompt: str) -> str:
        if not slept.is_set():
            slept.set()
            time.sleep(2)
        return "held"

    report = co.stress(campaign(tmp_path, function(more="timeout = 0.5")), functions={"mine": mine})
    assert report.campaign.layers[0].cells.to_dict() == {"error": 1, "held": 11}


def test_parts_of_reports_are_copied(tmp_path: Path) -> None:
    import copy
    import pickle

    report = co.stress(campaign(tmp_path, RULES))
    assert copy.copy(report.campaign) == report.campaign
    assert pickle.loads(pickle.dumps(report.campaign)) == report.campaign
    assert repr(copy.copy(co.plan(campaign(tmp_path, RULES)))) == repr(co.plan(campaign(tmp_path, RULES)))


def test_a_model_talks_with_a_function(tmp_path: Path) -> None:

    class Writer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            turn = sum(m["role"] == "assistant" for m in asked["messages"]) + 1
            reply = json.dumps({"prompt": f"message {turn}"})
            body = json.dumps({"choices": [{"message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    heard: list[list[dict[str, str]]] = []

    def mine(prompt: str, history: list[dict[str, str]]) -> co.Verdict:
        heard.append([*history, {"role": "user", "content": prompt}])
        # It gives in at the third message.
        return co.Verdict("failed" if len(history) == 4 else "held", output=f"answer to {prompt}")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Writer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
        search = f'[adaptive]\nsearch = "crescendo"\nqueries = 90\naccess = {{ sees = "block" }}\n[adaptive.attacker]\nurl = "{url}"\nmodel = "w"\n'
        r = co.stress(campaign(tmp_path, search + function(more='stage = "model"')), functions={"mine": mine})
        server.shutdown()
    search_ = r.campaign.adaptive
    assert search_.beaten == search_.goals == 4 and search_.queries.finished == 12
    assert [d.queries for d in search_.conversations.depths] == [4, 4, 4]
    longest = max(heard, key=len)
    assert [m["role"] for m in longest] == ["user", "assistant", "user", "assistant", "user"]
    assert longest[1]["content"] == "answer to message 1"


def test_an_attacker_who_learns(tmp_path: Path) -> None:
    def mine(prompt: str) -> str:
        # Whatever hides the words gets through.
        return "held" if "attack" in prompt.lower() else "failed"

    file = campaign(tmp_path, function())
    plan = co.plan(file, functions={"mine": mine}, adaptive="stack", queries=300)
    assert plan.adaptive == 300
    r = co.stress(file, functions={"mine": mine}, adaptive="stack", queries=300)
    search = r.campaign.adaptive
    assert search.search == "stack" and search.beaten == search.goals > 0
    assert search.stack.points[0].beaten.estimate == 0, "the prompt as it is comes first"
    assert "no rate of the layers" in " ".join(r.answer)
    table = co.read(r.folder + "/outcomes.parquet")
    data = co.analyze(table, replicates=100).analysis.data
    assert data.adaptive_trials == search.queries.finished and data.attack_trials == r.campaign.attacks.finished
    with pytest.raises(co.OptionError, match="adaptive needs queries"):
        co.stress(file, functions={"mine": mine}, adaptive="stack")
    with pytest.raises(co.OptionError, match="no search `greedy`"):
        co.plan(file, functions={"mine": mine}, adaptive="greedy", queries=1)  # type: ignore[arg-type]
