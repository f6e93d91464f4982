"""Numbers with their intervals, rows of them, and views of a document's sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import polars

__all__ = ["Figure", "Interval", "Rows", "View", "view"]


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    low, high : float or None
        Its ends; ``None`` where nothing bounds it on that side.
    level : float
        Confidence level, such as 0.95.
    method : str
        How it was computed, such as ``"korn-graubard"``.
    """

    low: float | None
    high: float | None
    level: float
    method: str

    def __contains__(self, value: float) -> bool:
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)

    def __iter__(self) -> Iterator[float | None]:
        """Low, then high: ``low, high = figure.interval``."""
        return iter((self.low, self.high))

    def __repr__(self) -> str:
        return f"[{_number(self.low, '-∞')}, {_number(self.high, '∞')}]"


@dataclass(frozen=True)
class Figure:
    """A number of the report.

    Attributes
    ----------
    estimate : float or None
        The estimate; ``None`` where it is undefined, or only known to lie in ``identified``.
    interval : Interval or None
        Its confidence interval.
    bca : Interval or None
        The bias-corrected and accelerated bootstrap interval, where there are enough clusters for one.
    identified : tuple of (float or None) or None
        The values that fit what was seen, whatever missing outcomes are.
    undefined : str or None
        Why there is no estimate, in words.
    """

    estimate: float | None
    interval: Interval | None = None
    bca: Interval | None = None
    identified: tuple[float | None, float | None] | None = None
    undefined: str | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Figure:
        """A figure of the results document."""
        known = value.get("identified")
        return cls(
            estimate=value.get("value"),
            interval=_interval(value.get("interval")),
            bca=_interval(value.get("bca")),
            identified=None if known is None else (known.get("low"), known.get("high")),
            undefined=value.get("undefined"),
        )

    def __float__(self) -> float:
        if self.estimate is None:
            raise ValueError(self.undefined or "there is no estimate, only the values that fit what was seen")
        return self.estimate

    def __repr__(self) -> str:
        if self.estimate is None:
            return f"Figure({self.undefined})" if self.undefined else f"Figure(identified={self.identified})"
        return f"Figure({_number(self.estimate, '')}" + (f", {self.interval})" if self.interval else ")")


def _number(x: float | None, none: str) -> str:
    return none if x is None else f"{x:.4g}"


def _interval(value: Mapping[str, Any] | None) -> Interval | None:
    return None if value is None else Interval(value.get("low"), value.get("high"), value["level"], value["method"])


_FIGURE = frozenset({"value", "interval", "bca", "identified", "undefined"})


def _is_figure(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and value.keys() <= _FIGURE


def view(value: Any) -> Any:
    """A value of the results document as it is met in Python: figures, intervals, rows and views; plain values as they are."""
    if _is_figure(value):
        return Figure.of(value)
    if isinstance(value, dict):
        if value.keys() == {"low", "high", "level", "method"}:
            return _interval(value)
        if value.keys() == {"version", "content"}:
            return view(value["content"])
        return View(value)
    if isinstance(value, list):
        return Rows(value) if value and all(isinstance(v, dict) for v in value) else [view(v) for v in value]
    return value


class View:
    """A part of the results document, its members as attributes.

    ``dir()`` lists the members; ``to_dict()`` gives the part itself.
    """

    __slots__ = ("_part",)

    def __init__(self, part: dict[str, Any]) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            # Copying and unpickling ask before there is a part.
            raise AttributeError(name)
        try:
            return view(self._part[name])
        except KeyError:
            known = ", ".join(self._part)
            raise AttributeError(f"there is no `{name}` here; there are: {known}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._part]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self._part == other._part

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """The part as the results document has it."""
        return self._part

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {_short(view(value))}" for name, value in self._part.items())


def _short(value: Any) -> str:
    text = f"{len(value)} rows" if isinstance(value, Rows) else repr(value).replace("\n", "; ")
    return text if len(text) <= 100 else text[:99] + "…"


class Rows(Sequence[View]):
    """Rows of a section, such as pairs of layers: a sequence of views, and a table.

    In tables a figure has columns ``NAME``, ``NAME_low`` and ``NAME_high``.
    """

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __getitem__(self, at: Any) -> Any:
        return Rows(self._rows[at]) if isinstance(at, slice) else View(self._rows[at])

    def __len__(self) -> int:
        return len(self._rows)

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name, all of ``len(self)`` values; ``None`` where a row has none."""
        flat = [_flat(row) for row in self._rows]
        names = list(dict.fromkeys(name for row in flat for name in row))
        return {name: [row.get(name) for row in flat] for name in names}

    def to_polars(self) -> polars.DataFrame:
        """A polars frame, a row a row; needs polars."""
        import polars

        return polars.DataFrame(self.to_dict(), strict=False)

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas frame, a row a row; needs pandas."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def __repr__(self) -> str:
        columns = {name: [_cell(v) for v in values] for name, values in self.to_dict().items()}
        widths = {name: max(len(name), *(len(v) for v in values), 0) for name, values in columns.items()}
        lines = ["  ".join(name.ljust(width) for name, width in widths.items())]
        lines += ["  ".join(columns[n][i].ljust(w) for n, w in widths.items()) for i in range(len(self))]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        columns = self.to_dict()
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(_cell(values[i]))}</td>" for values in columns.values()) + "</tr>" for i in range(len(self)))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A row's members as columns: figures by their estimate and ends, parts by dotted names; lists as text."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if _is_figure(value):
            figure = Figure.of(value)
            low, high = figure.interval or figure.identified or (None, None)
            out |= {prefix + name: figure.estimate, f"{prefix}{name}_low": low, f"{prefix}{name}_high": high}
        elif isinstance(value, dict):
            out |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            out[prefix + name] = ", ".join(str(v) for v in value) if all(not isinstance(v, dict) for v in value) else f"{len(value)} rows"
        else:
            out[prefix + name] = value
    return out


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
