"""Work on a Ray cluster: the parts of a campaign as tasks.

Needs ``ray``, and is imported when it is first used: ``coincide.ray.stress(…)``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

try:
    import ray as cluster
except ImportError as e:
    raise ImportError("coincide.ray needs Ray: pip install 'coincide[ray]'") from e

from . import _coincide, campaigns
from ._progress import Progress, shown
from .errors import OptionError
from .reports import Report

__all__ = ["stress"]


def stress(
    campaign: str | os.PathLike[str],
    *,
    shards: int,
    functions: Mapping[str, campaigns.Function] | None = None,
    resume: bool = False,
    keep_text: bool = False,
    retry_errors: bool = False,
    task: Mapping[str, Any] | None = None,
    progress: Progress = None,
) -> list[Report]:
    """Runs a campaign's parts as Ray tasks, each of whole goals and with a folder of its own.

    What is asked does not depend on how many parts there are or where they run. A part whose worker dies is run again and goes on with its journal: only
    calls that were in flight are made again. So the campaign's folder must lie where every node sees it under the same path.

    Parameters
    ----------
    campaign : path
    shards : int
        How many parts, from 1.
    functions, resume, keep_text, retry_errors, progress
        As for :func:`coincide.stress`; functions are sent to the workers. Budgets and rate limits of the campaign hold for each part.
    task : mapping, optional
        Options of the tasks, such as ``{"num_cpus": 1, "max_retries": 3}``.

    Returns
    -------
    list of Report
        A report a part. ``coincide.read([r.folder + "/outcomes.parquet" for r in reports])`` has the outcomes of all.

    Raises
    ------
    OptionError
        There is a run already and ``resume`` was not asked for, or ``shards`` is below 1.
    ray.exceptions.RayError
        A part could not be run, however often it was tried.
    """
    if shards < 1:
        raise OptionError(f"shards is {shards}", hint="give a number from 1")
    name = os.path.abspath(os.fspath(campaign))
    parts = [f"{i}/{shards}" for i in range(1, shards + 1)]
    for part in parts:
        if campaigns.plan(name, functions=functions, shard=part).begun and not resume:
            raise OptionError(f"there is a run of part {part} already", hint="go on with resume=True, or remove its folder to begin again")
    if not cluster.is_initialized():
        cluster.init(log_to_driver=False)
    run = cluster.remote(_part).options(**({"num_cpus": 1, "max_retries": 3} | dict(task or {})))
    shared = cluster.put(dict(functions or {}))
    waiting = [run.remote(name, part, shared, keep_text, resume and retry_errors) for part in parts]
    order = {reference: i for i, reference in enumerate(waiting)}
    found: dict[int, Report] = {}
    with shown(progress) as report:
        try:
            while waiting:
                done, waiting = cluster.wait(waiting)
                for reference in done:
                    document, folder = cluster.get(reference)
                    found[order[reference]] = Report(_coincide.read_report(folder, document), folder=folder)
                if report is not None:
                    report("parts", shards - len(waiting), shards)
        except BaseException:
            # Parts that run finish the calls in flight and write their tables.
            for reference in waiting:
                cluster.cancel(reference)
            raise
    return [found[i] for i in range(shards)]


def _part(name: str, part: str, functions: dict[str, campaigns.Function], keep_text: bool, retry_errors: bool) -> tuple[str, str]:
    # Whoever ran this part before may have died: its journal says what is left.
    report = campaigns.stress(name, functions=functions, shard=part, resume=True, keep_text=keep_text, retry_errors=retry_errors, progress=False)
    return report.to_json(), report.folder
