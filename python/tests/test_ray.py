"""Computations and campaigns on a Ray cluster of two nodes on this machine, with workers killed midway."""

from __future__ import annotations

import ast
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import coincide as co
import pytest
from test_campaigns import campaign, function

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    cluster.add_node(**node)
    # Workers import the tests' own modules by value of the path.
    path = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}}
    ray.init(address=cluster.address, runtime_env=path, log_to_driver=False)
    yield
    ray.shutdown()
    cluster.shutdown()


ATTACKS = [f"attack number {i}" for i in range(80)]


def judged(prompt: str) -> str:
    return "held" if int(prompt.split()[-1]) % 3 == 0 else "failed"


AGENTDOJO = "examples/agentdojo/outcomes.csv"


def test_one_seed_gives_the_same_digits_on_a_cluster_though_a_worker_dies(cluster: None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = co.read(AGENTDOJO, cluster=["user_task", "injection_task"], strata="suite", baseline="undefended")
    here, killed = os.getpid(), tmp_path / "killed"

    def both(table: co.JointOutcomes) -> tuple[co.Report, co.Report]:
        if os.getpid() != here and not killed.exists():
            killed.touch()
            Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        models = ["factor", "student-factor", "latent-class", "stratified(factor)"]
        return co.analyze(table), co.fit(table, models, draws=2000, refits=40)

    alone = both(table)
    with caplog.at_level("INFO", "coincide"):
        together = co.ray.spread(both, workers=2)(table)
    assert killed.exists()
    assert [r.to_json() for r in together] == [r.to_json() for r in alone]
    assert together[1].co_failure(["repeat_user_prompt"]) == alone[1].co_failure(["repeat_user_prompt"])
    # This process, and workers, of which the one that died is not the last.
    said = next(m for m in caplog.messages if m.startswith("pieces computed: "))
    by = ast.literal_eval(said.removeprefix("pieces computed: "))
    assert "died and is replaced" in caplog.text
    assert by["this process"] > 0 and sum(n for who, n in by.items() if who != "this process") > 20, by
    assert len(by) >= 3, by


def test_studies_are_computed_on_a_cluster(cluster: None, caplog: pytest.LogCaptureFixture) -> None:
    study = os.path.abspath("examples/alignment/study.toml")
    with caplog.at_level("INFO", "coincide"):
        assert co.ray.spread(co.run, workers=1)(study, progress=False).to_json() == co.run(study).to_json()
    assert "'this process'" in caplog.text


def test_errors_are_those_of_the_function(cluster: None, tmp_path: Path) -> None:
    with pytest.raises(co.StatisticsError, match="no model"):
        co.ray.spread(co.fit, workers=1)(co.read(AGENTDOJO), "none")
    with pytest.raises(co.OptionError, match="workers is 0"):
        co.ray.spread(co.fit, workers=0)
    here = os.getpid()

    def elsewhere(path: str) -> co.Report:
        if os.getpid() != here:
            raise FileNotFoundError(path)
        report = co.analyze(path, replicates=100_000)
        for seed in range(100):
            report = co.analyze(path, replicates=100_000, seed=seed)
        return report

    # What only a worker runs into is not passed over.
    with pytest.raises(FileNotFoundError):
        co.ray.spread(elsewhere, workers=1)(os.path.abspath(AGENTDOJO))


def test_what_differs_on_a_worker_is_told_and_not_mixed(cluster: None, caplog: pytest.LogCaptureFixture) -> None:
    here = os.getpid()

    def seeded(table: co.JointOutcomes) -> list[co.Report]:
        # A worker begins one seed later, as one with a colder cache would.
        return [co.analyze(table, seed=seed, replicates=50_000) for seed in range(0 if os.getpid() == here else 1, 200)]

    with pytest.raises(RuntimeError, match="do not compute the same"):
        co.ray.spread(seeded, workers=1)(co.read(AGENTDOJO))
    with pytest.raises(ray.exceptions.RayError):
        co.ray.spread(seeded, workers=1, options={"runtime_env": {"conda": "no-such-environment"}})(co.read(AGENTDOJO))
    # The only other node of this cluster has one CPU.
    with caplog.at_level("INFO", "coincide"):
        co.ray.spread(co.analyze, threads=4)(co.read(AGENTDOJO), replicates=200)
    assert "computes alone" in caplog.text


def test_ctrl_c_ends_it(cluster: None, tmp_path: Path) -> None:
    def long(table: co.JointOutcomes) -> None:
        for seed in range(1000):
            co.analyze(table, replicates=100_000, seed=seed)

    Timer(4, lambda: signal.raise_signal(signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        co.ray.spread(long, workers=1)(co.read(AGENTDOJO))
    assert time.monotonic() - begun < 12


def test_parts_give_the_whole_though_a_worker_dies(cluster: None, tmp_path: Path) -> None:
    here = co.stress(campaign(tmp_path, function(), ATTACKS, more='output = "here"'), functions={"mine": judged})
    log = tmp_path / "asked"
    log.mkdir()

    def mine(prompt: str) -> str:
        # One file a call: who asked, and when.
        asked = log / f"{prompt.split()[-1]}-{os.getpid()}-{time.monotonic_ns()}"
        asked.touch()
        time.sleep(0.02)
        marker = log / "killed"
        if not marker.exists() and len(list(log.iterdir())) > 25:
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "held" if int(prompt.split()[-1]) % 3 == 0 else "failed"

    parts = co.ray.stress(campaign(tmp_path, function(), ATTACKS, more='output = "there"'), shards=4, functions={"mine": mine})
    assert (log / "killed").exists()
    names = [f.name for f in log.iterdir() if f.name != "killed"]
    assert len({name.split("-")[1] for name in names}) >= 2, "two processes asked"
    # Everything was asked; again only what was in flight, or not yet in the journal, when the worker died.
    assert {int(name.split("-")[0]) for name in names} == set(range(80))
    assert len(names) <= 80 + 10
    assert [p.campaign.shard for p in parts] == ["1/4", "2/4", "3/4", "4/4"]
    together = co.read([p.folder + "/outcomes.parquet" for p in parts], cluster="goal")
    assert together == co.read(here.folder + "/outcomes.parquet", cluster="goal")


def test_a_run_that_is_there_is_not_run_over(cluster: None, tmp_path: Path) -> None:
    file = campaign(tmp_path, function())
    first = co.ray.stress(file, shards=2, functions={"mine": judged})
    with pytest.raises(co.OptionError, match="already"):
        co.ray.stress(file, shards=2, functions={"mine": judged})
    again = co.ray.stress(file, shards=2, functions={"mine": judged}, resume=True)
    assert [r.campaign.calls for r in again] == [r.campaign.calls for r in first]
    with pytest.raises(co.OptionError, match="shards is 0"):
        co.ray.stress(file, shards=0)
