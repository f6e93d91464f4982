"""The joint outcome table: how often each pattern of failures was seen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, runtime_checkable

from . import _coincide
from ._options import Names, Side, as_list, read_options
from ._progress import Progress, shown
from .errors import InputError, OptionError

if TYPE_CHECKING:
    import pandas
    import polars

__all__ = ["ArrowStream", "JointOutcomes", "Paths"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""A path or pattern, or several."""


@runtime_checkable
class ArrowStream(Protocol):
    """Anything with the Arrow C stream interface: frames of polars, pandas and pyarrow, results of DuckDB, and more."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


def paths(files: Paths) -> list[str]:
    if hasattr(files, "read"):
        raise OptionError("an open file is no path", hint="give its name, or what is in it as a frame")
    return [os.fspath(files)] if isinstance(files, (str, os.PathLike)) else [os.fspath(f) for f in files]


class JointOutcomes:
    """The joint outcome table: distinct patterns of failed, held and missing outcomes with their counts.

    It holds patterns, not trials: of ten million trials of twelve layers a few thousand rows are left. Make one with :meth:`from_frame`, :func:`coincide.read`,
    :func:`coincide.count` or one of the ``from_…`` functions for logs of other tools.

    Examples
    --------
    >>> import coincide as co
    >>> t = co.JointOutcomes.from_columns({"filter": [1, 0, 0, 1], "judge": [1, 0, 1, 0]})
    >>> t.layers, t.trials, t.cells
    (['filter', 'judge'], 4, 4)
    """

    def __init__(self, inner: _coincide.Table) -> None:
        self._inner = inner

    @classmethod
    def from_frame(
        cls,
        frame: Any,
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
        progress: Progress = None,
    ) -> Self:
        """Counts a frame: a row a trial and a column a layer, or, with ``layer`` and ``outcome`` columns, a row a trial and layer.

        Parameters
        ----------
        frame
            A frame of polars, pandas or pyarrow, or anything else with ``__arrow_c_stream__`` or ``__arrow_c_array__``; its columns are read where they lie.
            Also a mapping of names to arrays, and a numpy matrix of trials by ``layers``.
        layers : sequence of str, optional
            The layers' columns. Cells are failed (1, true, ``"failed"``), held (0, false, ``"held"``), missing (null, or a reason such as ``"error"``) or, with
            thresholds, scores. By default every column that holds only outcomes.
        cluster : str or iterable of str, optional
            Trials with the same value are not independent; several columns are crossed. By default ``goal``, if there is such a column.
        strata : str or iterable of str, optional
            Known conditions to compare within.
        thresholds : mapping of str to float, optional
            Scores at which layers change their mind.
        fails_when : {"below", "above"} or mapping of str to those, optional
            Which scores mean that a layer failed.
        baseline : str, optional
            The undefended pipeline on the same attacks; it is not a layer.
        trial, weight, label : str, optional
            Columns that name trials, weigh them, and say ``attack`` or ``benign``; by default the columns of these names.
        order_from : str, optional
            The column that records in which order layers were asked, as ``a>b>c``.
        layer_from : str, optional
            The column that names the layer in each row, for runs of one layer each, joined on ``join``.
        join : str or iterable of str, optional
            Columns that identify a trial across runs.
        progress : bool or callable, optional
            ``True`` shows a bar, ``False`` nothing; a callable gets ``(step, done, total)``. By default a bar where somebody watches.

        Returns
        -------
        JointOutcomes

        Raises
        ------
        InputError
            A cell is not an outcome; ``line`` and ``column`` say which.
        OptionError
            Columns are not there, or have two parts.

        Examples
        --------
        >>> import coincide as co
        >>> frame = {"guard": [True, False, True], "judge": [True, True, False], "goal": ["a", "a", "b"]}
        >>> co.JointOutcomes.from_frame(frame, layers=["guard", "judge"]).clusters
        {'goal': 2}
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
            in_frame=True,
        )
        with shown(progress) as report:
            return cls(
                handed_over(
                    frame,
                    layers,
                    lambda whole: _coincide.from_frame(whole, options, report),
                    lambda columns: _coincide.from_columns(columns, options, report),
                )
            )

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], **options: Any) -> Self:
        """Counts columns by name: arrays of numpy or Arrow, or lists. Options and errors are those of :meth:`from_frame`."""
        return cls.from_frame(columns, **options)

    # What it holds

    @property
    def layers(self) -> list[str]:
        """Names of the layers, in order."""
        return self._inner.layers

    @property
    def strata(self) -> dict[str, list[str]]:
        """Columns of strata with their levels."""
        return dict(self._inner.strata)

    @property
    def clusters(self) -> dict[str, int]:
        """Columns of clusters, and how many clusters each has."""
        return dict(self._inner.clusters)

    @property
    def baseline(self) -> str | None:
        """The undefended pipeline, where there is one."""
        return self._inner.baseline

    @property
    def trials(self) -> int | float:
        """How many trials were counted; a fraction where repeats of separate runs were averaged."""
        trials = self._inner.trials
        return int(trials) if trials.is_integer() else trials

    @property
    def cells(self) -> int:
        """How many distinct cells (patterns, reasons, strata, clusters) there are: what is kept."""
        return self._inner.cells

    @property
    def notes(self) -> list[str]:
        """What was inferred on the way, in sentences."""
        return self._inner.notes

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """Path, size in bytes and SHA-256 of each input; of a frame, those of its counts."""
        return [{"path": p, "bytes": b, "sha256": s} for p, b, s in self._inner.inputs]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JointOutcomes) and self._inner.same_counts(other._inner)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, self._inner.pickled()

    # What it can become

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The counts: a row a cell, as ``coincide count`` writes them."""
        return self._inner.counts().__arrow_c_stream__(requested_schema)

    def to_polars(self) -> polars.DataFrame:
        """The counts as a polars frame; needs polars."""
        import polars

        return polars.DataFrame(self)

    def to_pandas(self) -> pandas.DataFrame:
        """The counts as a pandas frame; needs pandas and pyarrow."""
        import pyarrow

        frame: pandas.DataFrame = pyarrow.table(self).to_pandas()
        return frame

    def to_dict(self) -> dict[str, Any]:
        """What the table is: layers, strata, clusters, baseline, trials, cells, inputs and notes."""
        names = ("layers", "strata", "clusters", "baseline", "trials", "cells", "inputs", "notes")
        return {name: getattr(self, name) for name in names}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a counts file (Parquet), which the program and :func:`coincide.read` read in the place of the outcomes.

        Returns
        -------
        pathlib.Path
            Where it lies.
        """
        self._inner.write(os.fspath(path))
        return Path(path)

    def __repr__(self) -> str:
        parts = [f"{self.trials:,} trials in {self.cells:,} cells", f"layers: {', '.join(self.layers)}"]
        if self.clusters:
            parts.append("clusters: " + ", ".join(f"{n} of `{c}`" for c, n in self.clusters.items()))
        if self.strata:
            parts.append("strata: " + ", ".join(f"`{c}` ({len(levels)})" for c, levels in self.strata.items()))
        if self.baseline:
            parts.append(f"baseline: {self.baseline}")
        return "JointOutcomes(" + "; ".join(parts) + ")"


def _unpickled(header: str, outcomes: bytes) -> JointOutcomes:
    return JointOutcomes(_coincide.unpickle(header, outcomes))


Read = TypeVar("Read")


def handed_over(frame: Any, layers: Sequence[str] | None, whole: Callable[[Any], Read], columns: Callable[[list[tuple[str, Any]]], Read]) -> Read:
    """A frame as the extension takes it: as Arrow where it can be, else column by column."""
    if type(frame).__module__.startswith("polars"):
        frame = _without_nulls(frame)
    if not hasattr(frame, "__arrow_c_stream__") and not hasattr(frame, "__arrow_c_array__"):
        return columns(_columns(frame, layers))
    try:
        return whole(frame)
    except InputError:
        # Columns of objects may hold numbers beside reasons, which Arrow has no type for.
        if not type(frame).__module__.startswith("pandas") or not (mixed := _mixed(frame)):
            raise
        return whole(frame.assign(**mixed))


def _without_nulls(frame: Any) -> Any:
    """A frame of polars whose columns of no type, all empty, have one: readers of Arrow refuse the way in which polars exports them."""
    import polars

    empty = [name for name, kind in getattr(frame, "schema", {}).items() if kind == polars.Null]
    return frame.with_columns(polars.col(empty).cast(polars.Boolean)) if empty else frame


def _columns(frame: Any, layers: Sequence[str] | None) -> list[tuple[str, Any]]:
    """A mapping or matrix as named columns."""
    if isinstance(frame, Mapping):
        return [(str(name), _array(values, str(name))) for name, values in frame.items()]
    if getattr(frame, "ndim", None) == 2:
        names = as_list(layers)
        if len(names) != frame.shape[1]:
            raise OptionError(
                f"the matrix has {frame.shape[1]} columns, and layers names {len(names)}", hint="name a layer for each column, in order"
            )
        return [(name, _array(frame[:, i], name)) for i, name in enumerate(names)]
    if hasattr(frame, "collect"):
        raise OptionError(f"a {type(frame).__name__} holds no rows yet", hint="collect() it first")
    raise OptionError(
        f"a {type(frame).__name__} is no frame", hint="give a frame of polars, pandas or pyarrow, a mapping of names to arrays, or a numpy matrix"
    )


def _array(values: Any, name: str) -> Any:
    """What the extension takes for a column: Arrow, or a buffer of numbers."""
    if hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__"):
        return values
    if hasattr(values, "to_numpy") and type(values).__module__.startswith("pandas"):
        import pandas

        # Series and arrays of pandas know what is missing; so does Arrow.
        series = pandas.Series(values)
        if str(series.dtype) != "object":
            return _exported(series)
        try:
            import pyarrow

            return pyarrow.array(series, from_pandas=True)
        except (ImportError, TypeError, ValueError):
            # Objects may be numbers beside reasons, which Arrow has no type for.
            return _list(series.tolist(), name)
    if hasattr(values, "mask") and hasattr(values, "filled"):
        import numpy

        hidden: Any = numpy.ma.getmaskarray(values).tolist()
        return _list([None if h else v for v, h in zip(values.data.tolist(), hidden)], name)
    if hasattr(values, "dtype") and values.dtype.kind in "biuf":
        import numpy

        # Readers of the buffer interface know neither half nor extended precision, and take the machine's order of bytes for granted.
        kind = {"e": "f4", "g": "f8"}.get(values.dtype.char, values.dtype.newbyteorder("="))
        values = numpy.ascontiguousarray(values, dtype=kind)
        return values.view("u1") if values.dtype.kind == "b" else values
    return _list(values, name)


def _mixed(frame: Any) -> dict[str, Any]:
    """Columns of objects of a pandas frame that hold numbers beside texts, as texts."""
    out = {}
    for at, name in enumerate(frame.columns):
        if str(frame.dtypes.iloc[at]) == "object" and frame.iloc[:, at].map(type).nunique() > 1:
            out[str(name)] = frame.iloc[:, at].map(lambda value, name=name: _word(value, str(name)), na_action="ignore")
    return out


def _word(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)) or hasattr(value, "__index__"):
        return str(int(value)) if value == int(value) else str(value)
    raise _odd(value, name)


def _odd(value: Any, name: str) -> InputError:
    return InputError(f"column `{name}` holds a {type(value).__name__}", hint="give booleans, numbers, texts or None", column=name)


def _list(values: Any, name: str) -> Any:
    try:
        return _coincide.column([None if v is None or type(v).__name__ == "NAType" or v != v else v for v in values])
    except (TypeError, ValueError) as e:
        # An array's answer to whether it is itself is an array.
        raise _odd(next((v for v in values if not isinstance(v, (bool, int, float, str, type(None)))), None), name) from e


def _exported(series: Any) -> Any:
    """A series of pandas as Arrow: by itself where its pandas can, else by pyarrow."""
    if hasattr(series, "__arrow_c_stream__"):
        return series
    import pyarrow

    return pyarrow.array(series, from_pandas=True)
