"""Work on a Ray cluster: computations that workers take a share of, and the parts of a campaign as tasks.

Needs ``ray``, and is imported when it is first used: ``coincide.ray.spread(…)``.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from threading import Event, Thread
from typing import Any, ParamSpec, Self, TypeVar

try:
    import ray as cluster
    from ray.exceptions import RayActorError, RayError
    from ray.util import client
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as e:
    raise ImportError("coincide.ray needs Ray: pip install 'coincide[ray]'") from e

from . import _coincide, campaigns
from ._crew import Board, Dealt
from ._progress import Progress, shown
from .errors import OptionError
from .reports import Report

__all__ = ["spread", "stress"]

P = ParamSpec("P")
R = TypeVar("R")


def spread(
    function: Callable[P, R], *, workers: int | None = None, threads: int = 1, retries: int = 3, options: Mapping[str, Any] | None = None
) -> Callable[P, R]:
    """A function that computes what ``function`` does, with workers of a Ray cluster taking a share.

    Everybody runs the same computation. Its long loops (bootstrap replicates, starts of models, chains, refits, draws) are dealt out piece by piece, to this process
    as well; what lies between is computed by all. Pieces have random streams of their own, so the digits are those of one machine. A worker that dies is replaced;
    what it had not handed in is computed by the others.

    Parameters
    ----------
    function : callable
        :func:`coincide.analyze`, :func:`coincide.fit`, :func:`coincide.run`, :func:`coincide.check`, :func:`coincide.modes`, or a function of your own that calls
        them, in an order that depends on its arguments alone. Workers run it too: give it a :class:`JointOutcomes`, or paths that they see as well.
    workers : int, optional
        How many workers; by default as many as the other nodes have CPUs for, as this process uses those of its own. A machine alone gains nothing.
    threads : int
        Threads, and CPUs, of each.
    retries : int
        How often a worker that dies may be replaced.
    options : mapping, optional
        Further options of the workers, as Ray takes them for actors.

    Returns
    -------
    callable
        With the arguments and the result of ``function``.

    Raises
    ------
    RuntimeError
        A worker does not compute the same: its inputs differ, the function depends on more than its arguments, or processors of different kinds came to different
        intermediate results.
    ray.exceptions.RayError
        Workers cannot be started as ``options`` says.

    Notes
    -----
    The logger ``coincide`` warns of workers that died or never came, and tells at level INFO who computed how many pieces.

    Examples
    --------
    >>> import coincide as co
    >>> report = co.ray.spread(co.fit, workers=8)(outcomes, "factor")  # doctest: +SKIP
    """
    if (workers is not None and workers < 1) or threads < 1:
        raise OptionError(f"workers is {workers}, and threads is {threads}", hint="give numbers from 1")

    @wraps(function)
    def spread_out(*args: P.args, **kwargs: P.kwargs) -> R:
        with _Workers(_Job(function, args, kwargs), workers, threads, retries, options or {}) as crew:
            found: R = _coincide.in_crew(crew.exchange, lambda: function(*args, **kwargs))
            return found

    return spread_out


class _Job:
    """A function with its arguments, for workers."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._function = function
        self._args = args
        # Progress is shown where somebody watches. What a function of the user's means by the word is not known.
        ours = function.__module__.split(".")[0] == "coincide"
        self._kwargs = {name: False if ours and name == "progress" else value for name, value in kwargs.items()}

    def __call__(self) -> object:
        return self._function(*self._args, **self._kwargs)


_LOG = logging.getLogger("coincide")
PATIENCE = 20.0
"""Seconds after which somebody should have come."""


def _cpus_elsewhere() -> float:
    """CPUs of the nodes on which this process does not run."""
    nodes: Any = cluster.nodes
    remote: Any = client.ray.is_connected
    here = None if remote() else cluster.get_runtime_context().get_node_id()
    return sum(float(n["Resources"].get("CPU", 0)) for n in nodes() if n["Alive"] and n["NodeID"] != here)


class _Over(Exception):
    """The result is there: nobody needs this worker any more."""


def _ask(board: Any, member: str, loop: tuple[int, int], *rest: Any) -> Dealt:
    pieces, results = cluster.get(board.exchange.remote(member, loop, *rest))
    return pieces, cluster.get(results) if isinstance(results, cluster.ObjectRef) else results


class _Helper:
    """A worker. An actor and not a task, as tasks that are cancelled while they end take the caller down with them."""

    def work(self, board: Any, member: str, version: str, job: list[Any]) -> None:
        if version != _coincide.__version__:
            raise OptionError(f"a worker has Coincide {_coincide.__version__}, and this is {version}", hint="install the same on every node")

        def exchange(computation: int, loop: int, *rest: Any) -> Dealt:
            try:
                return _ask(board, member, (computation, loop), *rest)
            except RayActorError as e:
                raise _Over from e

        with suppress(_Over):
            # What another version pickled is not looked at before the versions are compared.
            _coincide.in_crew(exchange, cluster.get(job[0]))


class _Workers:
    """Workers that help this process while it computes."""

    def __init__(self, job: _Job, workers: int | None, threads: int, retries: int, options: Mapping[str, Any]) -> None:
        if not cluster.is_initialized():
            cluster.init(log_to_driver=False)
        if workers is None:
            workers = int(_cpus_elsewhere() // threads)
            if not workers:
                _LOG.warning("the cluster has no other node with room for a worker: this process computes alone (workers=… starts some here)")
        environment = dict(options.get("runtime_env") or {})
        environment["env_vars"] = {**environment.get("env_vars", {}), "RAYON_NUM_THREADS": str(threads)}
        # A worker is replaced here, for the board has to know.
        self._helper = cluster.remote(_Helper).options(**{"num_cpus": threads, **options, "runtime_env": environment, "max_restarts": 0})
        # Beside this process: what it computes does not end with another node.
        here = NodeAffinitySchedulingStrategy(cluster.get_runtime_context().get_node_id(), soft=True)
        self._board: Any = cluster.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote(cluster.put)
        self._job = cluster.put(job)
        self._left = retries
        self._running: dict[Any, tuple[str, Any]] = {}
        self._started = 0
        self._failed: BaseException | None = None
        self._ended = Event()
        self._began = time.monotonic()
        self._watcher = Thread(target=self._watch, name="coincide workers", daemon=True)
        for _ in range(workers):
            self._start()

    def _start(self) -> None:
        member = f"worker {self._started}"
        self._started += 1
        helper: Any = self._helper.remote()
        self._running[helper.work.remote(self._board, member, _coincide.__version__, [self._job])] = member, helper

    def _watch(self) -> None:
        while not self._ended.is_set():
            done, _ = cluster.wait(list(self._running), timeout=0.2) if self._running else ([], self._ended.wait(0.2))
            for reference in done:
                member, helper = self._running.pop(reference)
                try:
                    cluster.get(reference)
                except RayActorError as e:
                    self._board.lost.remote(member)
                    replaced = self._left > 0
                    _LOG.warning("%s died and is %s: %s", member, "replaced" if replaced else "not replaced again", str(e).splitlines()[0])
                    if replaced:
                        self._left -= 1
                        self._start()
                except RayError as e:
                    self._failed = e
                cluster.kill(helper)

    def exchange(self, computation: int, loop: int, *rest: Any) -> Dealt:
        if self._failed is not None:
            raise self._failed
        return _ask(self._board, "this process", (computation, loop), *rest)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._ended.set()
        self._watcher.join()
        if kind is None:
            done = cluster.get(self._board.done.remote())
            _LOG.info("pieces computed: %s", done)
            if absent := sorted({running[0] for running in self._running.values()} - set(done)):
                level = logging.WARNING if time.monotonic() - self._began > PATIENCE else logging.INFO
                _LOG.log(level, "%s took no part: the work was over before they came, or the cluster has no room for them", ", ".join(absent))
        for running in self._running.values():
            cluster.kill(running[1])
        cluster.kill(self._board)


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
