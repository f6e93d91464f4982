"""Campaigns on a Ray cluster of two nodes on this machine, with a worker killed midway."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

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
