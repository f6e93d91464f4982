"""Outcomes from files, and from the engines that hold them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from . import _coincide
from ._options import Names, Side, read_options
from ._progress import Progress, shown
from .outcomes import JointOutcomes, Paths, paths

__all__ = ["count", "merge", "read"]


def read(
    files: Paths,
    *,
    layers: Sequence[str] | None = None,
    cluster: Names | None = None,
    strata: Names | None = None,
    thresholds: Mapping[str, float] | None = None,
    fails_when: Side | Mapping[str, Side] | None = None,
    baseline: str | None = None,
    trial: str | None = None,
    weight: str | None = None,
    label: str | None = None,
    order_from: str | None = None,
    layer_from: str | None = None,
    join: Names | None = None,
    gave_up: Literal["missing", "held"] | None = None,
    progress: Progress = None,
) -> JointOutcomes:
    """Reads files, as the program does.

    Parameters
    ----------
    files : path, pattern, or iterable of those
        CSV, TSV, JSON lines, Parquet or Arrow IPC, plain or packed with gzip or zstd; counts files; logs of other tools, recognised by what is in them.
    layers, cluster, strata, thresholds, fails_when, baseline, trial, weight, label, order_from, join, progress
        As for :meth:`JointOutcomes.from_frame`. In logs ``fails_when`` also says which verdicts failed.
    layer_from : str, optional
        Runs of one layer each: ``"file"``, or the column that names the layer; in logs ``"model"``, ``"task"``, ``"solver"`` or ``"scorer"``.
    gave_up : {"missing", "held"}, optional
        What an attack that gave up before it asked counts as, in JailbreakBench artifacts.

    Returns
    -------
    JointOutcomes

    Raises
    ------
    InputError
        A file is not there, or not what it has to be; with file, line and column.
    OptionError
        Columns are not there, or the log does not say what the table needs: which values failed, where scores are cut.

    Examples
    --------
    >>> import coincide as co
    >>> t = co.read("examples/agentdojo/outcomes.csv", cluster=["user_task", "injection_task"], strata="suite", baseline="undefended")
    >>> t.trials, len(t.layers)
    (629, 4)
    """
    options = read_options(
        layers=layers,
        cluster=cluster,
        strata=strata,
        thresholds=thresholds,
        fails_when=fails_when,
        baseline=baseline,
        trial=trial,
        weight=weight,
        label=label,
        order_from=order_from,
        layer_from=layer_from,
        join=join,
        gave_up=gave_up,
    )
    with shown(progress) as report:
        return JointOutcomes(_coincide.read(paths(files), None, options, report))


def merge(files: Paths, *, progress: Progress = None) -> JointOutcomes:
    """Adds counts files up, or the tables of outcomes of a campaign's parts.

    Parameters
    ----------
    files : path, pattern, or iterable of those
        Counts files of the same layers, strata and clusters.

    Returns
    -------
    JointOutcomes

    Raises
    ------
    InputError
        A file does not say what its columns are, as these do, or its columns are others.
    """
    with shown(progress) as report:
        return JointOutcomes(_coincide.merge(paths(files), report))


def count(source: Any, **options: Any) -> JointOutcomes:
    """Counts outcomes where they are: on the engine behind an Ibis table, in a frame, or in files.

    Parameters
    ----------
    source
        An Ibis table: the group-by runs on its engine, and only patterns come back (options as for :func:`coincide.elsewhere.count`). A frame: as
        :meth:`JointOutcomes.from_frame`. Paths: as :func:`read`.

    Returns
    -------
    JointOutcomes

    Examples
    --------
    >>> import coincide as co
    >>> co.count({"filter": [1, 0], "judge": [0, 0]}).trials
    2
    """
    if are_paths(source):
        return read(source, **options)
    if type(source).__module__.split(".")[0] == "ibis":
        from . import elsewhere

        return elsewhere.count(source, **options)
    return JointOutcomes.from_frame(source, **options)


def are_paths(source: Any) -> bool:
    """Whether this names files."""
    if isinstance(source, (str, os.PathLike)):
        return True
    return isinstance(source, (list, tuple)) and bool(source) and all(isinstance(s, (str, os.PathLike)) for s in source)
