"""Decisions beside the choice of layers: thresholds, next tests, checks by hand, what changed, what drifts."""

from __future__ import annotations

import csv
import json
import pickle
import random
from pathlib import Path

import coincide as co
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest


def scores() -> dict[str, list]:
    """A sharp judge, a blunt probe whose low scores stop, and a filter without scores; attacks in goals of four."""
    draw = random.Random(7)
    rows: dict[str, list] = {name: [] for name in ("trial", "goal", "label", "judge", "probe", "filter")}
    for t in range(900):
        attack = t < 300
        label = "attack" if attack else "benign"
        shared = draw.gauss(0, 0.5)
        judge = round(shared + draw.gauss(0, 0.8) + 2 * attack, 4)
        probe = round(-shared - draw.gauss(0, 0.8) - 0.7 * attack, 4)
        row = (f"t{t}", f"{label}{t // 4}", label, judge, probe, "held" if attack and draw.random() < 0.2 else "failed")
        for name, value in zip(rows, row, strict=True):
            rows[name].append(value)
    return rows


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("scores") / "s.csv"
    pl.DataFrame(scores()).write_csv(file)
    return file


IN_USE = {"judge": 1.0, "probe": -2.0}


def test_thresholds_do_what_they_say(scored: Path) -> None:
    r = co.thresholds(scored, 0.1, in_use=IN_USE)
    best = r.thresholds.best
    assert best.promised and r.thresholds.budget == 0.1
    assert {layer.layer: layer.to_dict().get("fails_when") for layer in r.thresholds.layers} == {"judge": "below", "probe": "above", "filter": None}
    assert "in-use" in [other.way for other in r.thresholds.others]
    # A layer that should stop nothing has no threshold.
    never = {"judge": 1e9, "probe": -1e9}
    cuts = {t.layer: t.to_dict().get("value", never[t.layer]) for t in best.thresholds}
    cut = co.analyze(co.read(scored, thresholds=cuts, fails_when={"judge": "below", "probe": "above"}), replicates=100)
    assert cut.beta.estimate == pytest.approx(best.beta.estimate, abs=1e-12)
    assert "Thresholds chosen together" in repr(r) and co.verify(r) == []
    assert co.thresholds([scored], 0.1, in_use=IN_USE) == r


def test_thresholds_of_a_frame_are_those_of_its_file(scored: Path) -> None:
    want = co.thresholds(scored, 0.1, cluster="goal", in_use=IN_USE, fails_when={"judge": "below"}).thresholds
    rows = scores()
    numbered = pd.DataFrame(rows).set_index("trial")
    for frame in (pl.DataFrame(rows), pd.DataFrame(rows), pa.table(rows), rows, numbered):
        assert co.thresholds(frame, 0.1, cluster="goal", in_use=IN_USE, fails_when={"judge": "below"}).thresholds == want
    # Rows that nobody names have no other part in the choice.
    assert co.thresholds(pl.DataFrame(rows), 0.1, layers=["judge"], cluster="goal").thresholds.layers[0].layer == "judge"


def test_thresholds_are_the_programs(scored: Path, coincide) -> None:
    python = co.thresholds(scored, 0.1, confidence=0.9, cluster="goal", in_use=IN_USE, fails_when={"probe": "above"}, layers=["judge", "probe"])
    printed = coincide(
        "thresholds", str(scored), "--false-alarm", "0.1", "--confidence", "0.9", "--cluster", "goal", "--threshold", "judge=1", "--threshold",
        "probe=-2", "--fails-when", "probe=above", "--layers", "judge,probe", "--json", "-",
    )  # fmt: skip
    assert python.to_json() == printed
    study = scored.parent / "s.toml"
    study.write_text('[outcomes]\nfiles = ["s.csv"]\n[[layers]]\nname = "judge"\nthreshold = 1.0\nfails_when = "below"\n[[layers]]\nname = "probe"\n')
    assert co.thresholds(study, 0.1).to_json() == coincide("thresholds", str(study), "--false-alarm", "0.1", "--json", "-")
    with pytest.raises(co.OptionError, match="a study says itself how scores are read, and cluster is given"):
        co.thresholds(study, cluster="goal")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: co.thresholds({"a": [0.1, 0.2]}, 1.5), r"false_alarm is 1\.5"),
        (lambda: co.thresholds({"a": [0.1, 0.2]}, confidence=0), "confidence is 0"),
        (lambda: co.thresholds({"a": [0.1, 0.3], "b": [0.7, 0.2]}), "benign"),
        (lambda: co.thresholds({"label": ["attack", "benign"], "a": [1, 0], "b": [0, 1]}), "no layer has scores"),
        (lambda: co.thresholds(scores(), in_use={"jury": 0.5}), "jury"),
        (lambda: co.thresholds(scores(), in_use=0.5), r"in_use is 0\.5"),  # type: ignore[arg-type]
        (lambda: co.thresholds(co.count({"a": [1, 0], "b": [0, 0]})), "counts do not keep scores"),
        (lambda: co.thresholds(7), "is no frame"),
        (lambda: co.thresholds("nowhere.csv"), "nowhere.csv"),
        (lambda: co.plan({"a": [1, 0], "b": [1, 0]}, claim="release"), "claim `release`"),
        (lambda: co.plan({"a": [1, 0], "b": [1, 0]}, budget=-1), "budget"),
        (lambda: co.plan({"a": [1, 0], "b": [1, 0]}, costs=4), "costs is 4"),  # type: ignore[arg-type]
        (lambda: co.plan({"a": [1, 0], "b": [1, 0]}, floor=-1), "floor is -1"),
        (lambda: co.plan({"a": [1, 0], "b": [1, 0]}, queries=4), "queries is about a campaign"),
        (lambda: co.compare({"a": [1, 0], "b": [1, 0]}, {"c": [1, 0], "d": [1, 0]}), "no layer in common"),
        (lambda: co.compare({"a": [1, 0]}, {"a": [1, 0]}, level=2), "level is 2"),
        (lambda: co.label({"a": [1, 0], "b": [1, 0]}, "/tmp/never.csv"), "needs the file"),
        (lambda: co.label(co.count({"a": [1, 0], "b": [1, 0]}), "/tmp/never.csv"), "needs the file"),
        (lambda: co.label("nowhere.csv", "/tmp/never.csv", others=-1), "others is -1"),
        (lambda: co.analyze({"a": [1, 0], "b": [1, 0]}, labels="/proc/nowhere.csv"), "nowhere"),
    ],
)
def test_errors_say_what_was_given(call, says: str) -> None:
    with pytest.raises(co.CoincideError, match=says):
        call()


ROWS = [("common", 0, 0)] * 898 + [("common", 1, 1)] * 2 + [("rare", 0, 1)] * 80 + [("rare", 1, 1)] * 20


@pytest.fixture
def families(tmp_path: Path) -> Path:
    """Two families: the common one is nearly always stopped."""
    file = tmp_path / "o.csv"
    file.write_text("family,filter,judge\n" + "".join(f"{a},{b},{c}\n" for a, b, c in ROWS))
    return file


def new_trials(r: co.Report, name: str) -> int:
    return next(s.new_trials for s in r.plan.strata if s.name == name)


def test_where_to_test_next(families: Path, coincide) -> None:
    outcomes = co.read(families, strata="family")
    r = co.plan(outcomes, budget=2000, claim="beta<=0.03@0.95", check_cost=5)
    assert r.plan.new_trials == 2000 and new_trials(r, "rare") > 1000
    assert r.plan.interval_factor_planned.estimate < r.plan.interval_factor_proportional.estimate
    assert r.plan.claim.support.claim.at_most == 0.03
    asked = ("plan", str(families), "--stratum", "family")
    printed = coincide(*asked, "--budget", "2000", "--claim", "beta<=0.03@0.95", "--check-cost", "5", "--json", "-")
    assert r.to_json() == printed
    assert co.plan(outcomes).to_json() == coincide(*asked, "--json", "-")
    assert co.verify(r) == [] and repr(r)
    # What is believed of shares, floors and batches.
    other = co.plan(outcomes, budget=1000, strata=["family"], shares={"common": 0.5, "rare": 0.5}, floor=100, batches=2, layer_costs={"judge": 0.2})
    assert [s.share for s in other.plan.strata] == [0.5, 0.5] and len(other.plan.batches) == 2
    assert min(s.new_trials for s in other.plan.strata) >= 100
    with pytest.raises(co.CoincideError, match="nobody"):
        co.plan(outcomes, costs={"nobody": 3})


def test_a_studys_plan_is_changed_by_what_is_given(families: Path, coincide) -> None:
    study = families.parent / "s.toml"
    study.write_text(
        '[outcomes]\nfiles = ["o.csv"]\nstrata = ["family"]\n[[claims]]\nname = "release"\nbound = "beta<=0.03@0.95"\n'
        "[plan]\nbudget = 500\ncosts = { rare = 4 }\n"
    )
    own = co.plan(study, claim="release")
    assert isinstance(own, co.Report)
    assert own.plan.budget == 500 and own.plan.claim.support.claim.at_most == 0.03
    assert new_trials(own, "common") + 4 * new_trials(own, "rare") <= 500
    # Cheaper, the rare ones get more of the money.
    cheap = co.plan(study, costs={"rare": 1})
    assert new_trials(cheap, "rare") > new_trials(own, "rare") and cheap.plan.budget == 500
    assert own.to_json() == coincide("plan", str(study), "--claim", "release", "--json", "-")
    assert cheap.to_json() == coincide("plan", str(study), "--cost", "rare=1", "--json", "-")
    with pytest.raises(co.InputError, match="no claim `relase`"):
        co.plan(study, claim="relase")


def test_a_campaign_is_still_told_from_a_study(tmp_path: Path) -> None:
    (tmp_path / "attacks.csv").write_text("prompt,goal\na,g1\nb,g2\n")
    file = tmp_path / "campaign.toml"
    file.write_text(
        'name = "test"\n[attacks]\nfiles = ["attacks.csv"]\n[[layers]]\nname = "rules"\nkind = "rules"\npatterns = ["a"]\n'
        '[[layers]]\nname = "more"\nkind = "rules"\npatterns = ["b"]\n'
    )
    assert isinstance(co.plan(file), co.Plan)
    with pytest.raises(co.OptionError, match="budget is about tests to come"):
        co.plan(file, budget=100)


def month(seed: int, judge: float) -> dict[str, list]:
    """Outcomes of two layers on 60 goals."""
    draw = random.Random(seed)
    rows: dict[str, list] = {"goal": [], "family": [], "filter": [], "judge": []}
    for goal in range(60):
        hard = draw.random() < 0.4
        for _ in range(8):
            rows["goal"].append(f"g{goal}")
            rows["family"].append("chat" if goal % 3 else "code")
            rows["filter"].append(int(draw.random() < (0.7 if hard else 0.1)))
            rows["judge"].append(int(draw.random() < (judge if hard else 0.3 * judge)))
    return rows


def test_what_changed_is_told_from_noise(tmp_path: Path, coincide) -> None:
    asked = {"cluster": "goal", "strata": "family"}
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    pl.DataFrame(month(1, 0.15)).write_csv(before)
    pl.DataFrame(month(1, 0.9)).write_csv(after)
    read = co.read(before, **asked), co.read(after, **asked)
    r = co.compare(*read)
    beta = r.comparison.beta
    assert beta.verdict == "rose" and beta.p_value < 0.01 and beta.change.estimate > 0
    assert r.comparison.paired[0].to_dict() == {"column": "goal", "before": 60, "after": 60, "both": 60}
    streamed = co.compare(*read, stream=True)
    assert streamed.drift.trials == 60 and streamed.drift.log10_highest_e > 0 and streamed.comparison.to_dict() == r.comparison.to_dict()
    words = ("compare", str(before), str(after), "--cluster", "goal", "--stratum", "family", "--json", "-")
    assert r.to_json() == coincide(*words)
    assert co.verify(r) == []
    apart = co.compare(*read, paired=False, level=0.9, interval="jeffreys")
    assert "paired" not in apart.comparison.to_dict() and apart.comparison.level == 0.9
    assert apart.to_json() == coincide(*words, "--unpaired", "--level", "0.9", "--interval", "jeffreys")
    # The same twice.
    nothing = co.compare(read[0], co.read(before, **asked))
    assert nothing.comparison.beta.change.estimate == 0 and nothing.comparison.beta.verdict in ("within-noise", "undetermined")


def test_frames_are_compared_and_verified() -> None:
    asked = {"cluster": "goal", "strata": "family"}
    before, after = (co.count(pl.DataFrame(month(1, judge)), **asked) for judge in (0.15, 0.9))
    r = co.compare(before, after)
    assert r.comparison.beta.verdict == "rose" and "What changed" in r.to_markdown()
    with pytest.raises(co.OptionError, match="a stream needs the files"):
        co.compare(before, after, stream=True)
    with pytest.raises(AttributeError, match="no `drift`"):
        _ = r.drift
    assert co.verify(r, after, before=before) == []
    with pytest.raises(co.OptionError, match="give both tables"):
        co.verify(r)
    with pytest.raises(co.OptionError, match="give both tables"):
        co.verify(r, after)
    assert any("/comparison" in line for line in co.verify(r, after, before=after))


def test_a_threshold_may_have_changed(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("judge,filter\n" + "".join(f"{t / 100},{t % 2}\n" for t in range(100)))
    at = [co.read(file, thresholds={"judge": cut}, fails_when="below") for cut in (0.5, 0.7)]
    r = co.compare(*at)
    assert (r.comparison.beta.before.estimate, r.comparison.beta.after.estimate) == pytest.approx((0.25, 0.35))
    assert co.verify(r, at[1], before=at[0]) == []


def test_verdicts_change_the_rate(tmp_path: Path, coincide) -> None:
    draw = random.Random(3)
    lines = ["trial,prompt,filter,judge,probe"]
    for t in range(400):
        row = "1,1,1" if t < 12 else ("1,1,0", "0,1,1")[t % 2] if t < 60 else draw.choice(["0,0,0", "1,0,0", "0,0,1"])
        lines.append(f't{t},"attack, number {t}",{row}')
    outcomes, queue = tmp_path / "o.csv", tmp_path / "queue.csv"
    outcomes.write_text("\n".join(lines) + "\n")
    want = {"all-failed": (12, 12), "near-miss": (48, 20), "other": (340, 30)}
    assert co.label(outcomes, queue, near_misses=20, others=30) == want
    mine = queue.read_bytes()
    coincide("label", str(outcomes), "-o", str(queue), "--near-misses", "20", "--others", "30", "--force")
    assert queue.read_bytes() == mine
    with pytest.raises(co.OptionError, match="perhaps with verdicts"):
        co.label(outcomes, queue)
    with pytest.raises(co.OptionError, match="is an input"):
        co.label(outcomes, outcomes, overwrite=True)
    assert co.label(co.read(outcomes), queue, near_misses=20, others=30, overwrite=True) == want
    study = tmp_path / "s.toml"
    study.write_text('[outcomes]\nfiles = ["o.csv"]\n')
    assert co.label(study, tmp_path / "queue.jsonl", all_failed=5, near_misses=0, others=0)["all-failed"] == (12, 5)
    assert len((tmp_path / "queue.jsonl").read_text().splitlines()) == 5
    with pytest.raises(co.OptionError, match="no verdict yet"):
        co.analyze(outcomes, replicates=100, labels=queue)
    # The first nine joint failures were genuine, and everything else is as it was recorded.
    with open(queue, newline="") as file:
        rows = list(csv.DictReader(file))
    for at, row in enumerate(rows):
        row["verdict"] = "failed" if at < 9 else "held"
    pl.DataFrame(rows).write_csv(queue)
    r = co.analyze(outcomes, replicates=100, labels=queue)
    assert r.checked.corrects == "both" and r.checked.recorded == pytest.approx(12 / 400)
    assert r.checked.beta.estimate == pytest.approx(9 / 400)
    assert [(g.group, g.checked, g.genuine) for g in r.checked.groups] == [("all-failed", 12, 9), ("near-miss", 20, 0), ("other", 30, 0)]
    assert any("Checked by hand" in sentence for sentence in r.answer) and co.verify(r) == []
    printed = coincide("analyze", str(outcomes), "--replicates", "100", "--labels", str(queue), "--json", "-")
    assert r.to_json() == printed
    assert co.analyze(co.read(outcomes), replicates=100, labels=[queue]) == r
    frame = pl.read_csv(outcomes)
    with pytest.raises(co.OptionError, match="give the files"):
        co.analyze(frame, replicates=100, labels=queue)


def test_a_monitor_finds_what_changed() -> None:
    m = co.DriftMonitor(0.01)
    # One joint failure in a hundred, as promised.
    for _ in range(20):
        m.observe_zeros(99)
        assert m.observe(1) is False
    assert m.alarm_at is None and m.trials == 2000
    # Then four in a hundred.
    raised = [m.observe([0] * 24 + [1]) for _ in range(40)]
    assert raised.count(True) == 1 and 2000 < m.alarm_at <= m.trials == 3000
    assert m.p_value <= 0.05 and "alarm at" in repr(m)


def test_a_monitor_goes_on() -> None:
    m = co.DriftMonitor(0.01, confidence=0.95)
    m.observe_zeros(99)
    for again in (co.DriftMonitor.from_json(m.to_json()), pickle.loads(pickle.dumps(m))):
        assert again == m and again.trials == 99 and again.log10_e == m.log10_e < 0
        # A zero now and a zero then is the same evidence.
        assert again.observe(np.array([1.0, 1.0, 1.0, 1.0, 1.0])) and again.alarm_at == 103
        assert m != again
    one_by_one = co.DriftMonitor(0.01)
    assert not any(one_by_one.observe(x) for x in [False] * 99)
    assert one_by_one == m
    assert json.loads(m.to_json())["zeros"] == 99
    many = co.DriftMonitor(0.01)
    assert many.observe(pl.Series([1, 1, 1])) and many.alarm_at == 3
    assert not many.observe(x for x in (0.5, np.int64(1), np.float32(0))) and many.trials == 6
    assert many.observe([]) is False and many.observe(np.array(0.0)) is False


def test_a_monitor_against_an_uncertain_rate() -> None:
    m = co.DriftMonitor.against(0, 1000)
    # The exact limit of no failure, at half of what may go wrong.
    assert m.rate == pytest.approx(1 - 0.025**0.001, abs=1e-12)
    assert co.DriftMonitor.against(5, 1000).rate == pytest.approx(0.01163, abs=1e-4)
    assert m.p_value == 1 and m.log10_e == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: co.DriftMonitor(1.5), r"rate is 1\.5"),
        (lambda m: co.DriftMonitor(float("nan")), "rate is nan"),
        (lambda m: co.DriftMonitor(0.1, 1), "confidence is 1"),
        (lambda m: co.DriftMonitor.against(10, 10), "10 of 10 trials failed"),
        (lambda m: co.DriftMonitor.from_json("{}"), "no stored monitor"),
        (lambda m: co.DriftMonitor.from_json(m.to_json().replace('"version":1', '"version":7')), "version"),
        (lambda m: m.observe(1.2), r"an observation is 1\.2"),
        (lambda m: m.observe([1, 1, None]), "an observation is None"),
        (lambda m: m.observe("1"), "an observation is '1'"),
        (lambda m: m.observe_zeros(-1), "n is -1"),
    ],
)
def test_what_cannot_be_watched_is_refused(call, says: str) -> None:
    m = co.DriftMonitor(0.1)
    with pytest.raises(co.OptionError, match=says):
        call(m)
    assert m == co.DriftMonitor(0.1)
