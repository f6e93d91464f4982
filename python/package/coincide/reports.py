"""The results document and its renderings."""

from __future__ import annotations

import json
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import _coincide
from ._options import Names, as_list
from .errors import OptionError
from .figures import Figure, Rows, View, view

if TYPE_CHECKING:
    import pandas
    import polars

    from .outcomes import JointOutcomes

__all__ = ["Report"]

Part = Literal["all", "fit", "claims", "risk", "select", "thresholds", "plan", "compare"]


class Report:
    """Everything that one assessment gave: numbers, sentences, and what is needed to compute it again.

    Printed, it is the report; in a notebook, the page. Its sections are attributes, which raise ``AttributeError`` where the section was not asked for.
    """

    def __init__(self, inner: _coincide.Report, *, part: Part = "all", outcomes: JointOutcomes | None = None, folder: str | None = None) -> None:
        self._inner = inner
        self._part = part
        self._outcomes = outcomes
        self._folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._inner.whole_json(), self._part, self._outcomes, self._folder)

    # What it says

    @cached_property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._inner.to_json())
        return document

    @property
    def answer(self) -> list[str]:
        """The answer in a few sentences without jargon: of outcomes, then of models, then of everything else."""
        names = ("answer", "fit_answer", "assessment_answer", "campaign_answer")
        return [sentence for name in names for sentence in self._document.get(name, [])]

    @property
    def notes(self) -> list[str]:
        """What was inferred or counted on the way, in sentences."""
        notes: list[str] = self._document["notes"]
        return notes

    @property
    def conclusions(self) -> dict[str, str]:
        """What each section says, in a sentence, by the section's name."""
        return dict(self._document.get("conclusions", {}))

    @property
    def provenance(self) -> View:
        """Inputs with their SHA-256, and all options, the seed included."""
        return View(self._document["provenance"])

    @property
    def analysis(self) -> View:
        """What recorded outcomes say, section by section."""
        return self._view("analysis")

    @property
    def assessment(self) -> View:
        """Scenarios, failure modes, claims and what else was asked for."""
        return self._view("assessment")

    @property
    def campaign(self) -> View:
        """What a stress campaign did: what was asked, what beat every layer, how layers behaved as services."""
        return self._view("campaign")

    @property
    def folder(self) -> str:
        """The folder of a campaign's results; only where :func:`coincide.stress` gave the report."""
        if self._folder is None:
            raise AttributeError("this report has no folder: it is of no campaign that was run here")
        return self._folder

    @property
    def models(self) -> Rows:
        """Models of joint failure that were fitted, a row each."""
        rows: Rows = self._view("fit").models
        return rows

    @property
    def claims(self) -> View:
        """Claims and their verdicts."""
        claims: View = self.assessment.claims
        return claims

    def _view(self, name: str) -> View:
        found = view(self._document.get(name) or None)
        if not isinstance(found, View):
            raise AttributeError(f"this report has no {name}: it was not asked for")
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "models":
            raise AttributeError("this report has no models: they were not asked for")
        for section in ("analysis", "assessment"):
            part = self._document.get(section) or {}
            if name in part:
                return view(part[name])
        raise AttributeError(f"this report has no `{name}`; it has: {', '.join(self._sections())}")

    def _sections(self) -> list[str]:
        return [name for part in ("analysis", "assessment") for name in self._document.get(part) or {}]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._sections()]

    # Rates of all layers, by their usual names

    def _joint(self, name: str) -> Figure:
        figure: Figure = getattr(self.analysis.joint, name)
        return figure

    @property
    def beta(self) -> Figure:
        """P(all layers fail) over attacks, from 0 to 1."""
        return self._joint("beta")

    @property
    def gap(self) -> Figure:
        """The independence gap: β over the product of the layers' failure rates; 1 where they fail independently."""
        return self._joint("gap")

    @property
    def efficiency(self) -> Figure:
        """Dependence efficiency: ln β over the logarithm of the product; 1 where layers fail independently, 0 where extra layers bring nothing."""
        return self._joint("efficiency")

    @property
    def effective_layers(self) -> Figure:
        """How many independent layers these are worth."""
        return self._joint("effective_layers")

    def co_failure(self, layers: Names | None = None) -> Figure:
        """P(all of some layers fail), by the model that predicts best among those that reproduce what was seen.

        Parameters
        ----------
        layers : str or iterable of str, optional
            The layers; all of them where none is named.

        Returns
        -------
        Figure
            Median over posterior draws with a central interval, or the model's best place where there is no posterior.

        Raises
        ------
        OptionError
            No model was fitted, none of them reproduces what was seen, or a layer is not among theirs.
        """
        value, level = self._inner.co_failure(None if layers is None else as_list(layers))
        if not value:
            raise OptionError("no model says how often layers fail together", hint=level)
        return Figure.of(json.loads(value))

    # What it can become

    def to_dict(self) -> dict[str, Any]:
        """The results document, as ``coincide … --json`` writes it."""
        document: dict[str, Any] = json.loads(self._inner.to_json())
        return document

    def to_json(self) -> str:
        """The results document as text, byte for byte what ``coincide … --json`` writes."""
        return self._inner.to_json()

    def to_markdown(self) -> str:
        """The report as Markdown."""
        return self._inner.markdown(self._part)

    def to_text(self, width: int = 100, *, colour: bool = False) -> str:
        """The report as the program prints it, ``width`` columns wide."""
        return self._inner.terminal(self._part, width, colour)

    def to_html(self) -> str:
        """The report as one HTML page that needs no network."""
        return self._inner.page()

    def figures(self) -> Rows:
        """Every figure of the document, a row each: its place, estimate, ends and method."""
        found: list[dict[str, Any]] = []
        _figures("", {k: self._document.get(k) for k in ("analysis", "fit", "assessment")}, found)
        return Rows(found)

    def to_polars(self) -> polars.DataFrame:
        """:meth:`figures` as a polars frame; sections such as ``pairs`` have frames of their own."""
        return self.figures().to_polars()

    def to_pandas(self) -> pandas.DataFrame:
        """:meth:`figures` as a pandas frame."""
        return self.figures().to_pandas()

    def save(self, path: str | Path) -> Path:
        """Writes the report: ``.json`` the document, ``.html`` the page, ``.md`` Markdown, ``.txt`` text, ``.svg`` the claims' argument.

        Returns
        -------
        pathlib.Path
            Where it lies.

        Raises
        ------
        OptionError
            The name has another ending, the file cannot be written, or there are no claims to draw.
        """
        path = Path(path)
        writers = {
            ".json": self.to_json,
            ".html": self.to_html,
            ".md": self.to_markdown,
            ".txt": self.to_text,
            ".svg": self._gsn,
        }
        writer = writers.get(path.suffix)
        if writer is None:
            raise OptionError(f"`{path}` does not say what to write", hint=f"end it in one of {', '.join(writers)}")
        try:
            path.write_text(writer(), encoding="utf-8")
        except OSError as e:
            raise OptionError(f"`{path}` cannot be written: {e.strerror}", hint="name a file in a folder that is there") from e
        return path

    def _gsn(self) -> str:
        picture = self._inner.gsn()
        if picture is None:
            raise OptionError("there are no claims to draw", hint="add [[claims]] to the study")
        return picture

    def __repr__(self) -> str:
        return self.to_text(terminal_width())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Report) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def _repr_html_(self) -> str:
        # A frame of its own: the page's styles and scripts stay apart from the notebook's.
        grow = "this.style.height=(this.contentDocument.documentElement.scrollHeight+20)+'px'"
        page = escape(self.to_html(), quote=True)
        return f'<iframe title="{escape(self._inner.title(), quote=True)}" style="width:100%;height:720px;border:0" onload="{grow}" srcdoc="{page}"></iframe>'


def terminal_width() -> int:
    """Columns for text that is printed: the terminal's within reason, 100 where there is none."""
    import shutil

    return max(60, min(shutil.get_terminal_size((100, 24)).columns, 160))


def _figures(place: str, value: Any, out: list[dict[str, Any]]) -> None:
    if isinstance(value, dict):
        seen = view(value)
        if isinstance(seen, Figure):
            low, high = seen.interval or (None, None)
            level, method = (seen.interval.level, seen.interval.method) if seen.interval else (None, None)
            out.append({"figure": place, "estimate": seen.estimate, "low": low, "high": high, "level": level, "method": method})
            return
        inner = value["content"] if value.keys() == {"version", "content"} else value
        if inner is not value:
            _figures(place, inner, out)
            return
        for name, part in value.items():
            _figures(f"{place}.{name}" if place else name, part, out)
    elif isinstance(value, list):
        for i, part in enumerate(value):
            _figures(f"{place}[{i}]", part, out)


def _unpickled(document: str, part: Part, outcomes: JointOutcomes | None, folder: str | None) -> Report:
    return Report(_coincide.read_report("a pickle", document), part=part, outcomes=outcomes, folder=folder)
