"""Logs of other tools: what was understood of them, and their outcomes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _coincide
from ._options import read_options
from ._progress import Progress, shown
from .errors import CoincideError, InputError
from .figures import Rows
from .outcomes import JointOutcomes, Paths, paths

if TYPE_CHECKING:
    import pandas
    import polars

__all__ = [
    "ImportedLogs",
    "from_agentdojo",
    "from_controlarena",
    "from_deepteam",
    "from_garak",
    "from_inspect",
    "from_jailbreakbench",
    "from_llm_guard",
    "from_nemo",
    "from_promptfoo",
    "from_pyrit",
    "import_logs",
]


class ImportedLogs:
    """Logs as a table of outcomes, with what was understood."""

    def __init__(self, inner: _coincide.ImportedLogs) -> None:
        self._inner = inner

    @property
    def tool(self) -> str:
        """The tool that wrote the logs."""
        return self._inner.tool

    @property
    def layers(self) -> Rows:
        """A row a layer: ``name``, ``rule``, ``failed``, ``held``, ``missing``."""
        names = ("name", "rule", "failed", "held")
        return Rows([dict(zip(names, layer)) | {"missing": ", ".join(f"{n} {word}" for word, n in layer[4])} for layer in self._inner.layers])

    @property
    def trials(self) -> int:
        """Trials in the table."""
        return self._inner.trials

    @property
    def clusters(self) -> list[str]:
        """Columns by which trials are clustered."""
        return self._inner.clusters

    @property
    def strata(self) -> list[str]:
        """Columns of strata."""
        return self._inner.strata

    @property
    def notes(self) -> list[str]:
        """What else was inferred or counted, in sentences."""
        return self._inner.notes

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table of outcomes: a row a trial."""
        return self._inner.table().__arrow_c_stream__(requested_schema)

    def to_polars(self) -> polars.DataFrame:
        """The table of outcomes as a polars frame; needs polars."""
        import polars

        return polars.DataFrame(self)

    def to_pandas(self) -> pandas.DataFrame:
        """The table of outcomes as a pandas frame; needs pandas and pyarrow."""
        import pyarrow

        frame: pandas.DataFrame = pyarrow.table(self).to_pandas()
        return frame

    def to_dict(self) -> dict[str, Any]:
        """What was understood."""
        return {
            "tool": self.tool,
            "trials": self.trials,
            "layers": self.layers.to_dict(),
            "clusters": self.clusters,
            "strata": self.strata,
            "notes": self.notes,
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the table as Parquet that says itself what its columns are, as ``coincide import … -o`` does."""
        self._inner.write(os.fspath(path))
        return Path(path)

    def __repr__(self) -> str:
        lines = [f"logs of {self.tool}: {self.trials:,} trials", repr(self.layers), *self.notes]
        return "\n".join(lines)


def import_logs(tool: str | None, logs: Paths, *, progress: Progress = None, **options: Any) -> ImportedLogs:
    """Reads logs of another tool and says how they were understood, as ``coincide import`` does.

    Parameters
    ----------
    tool : str or None
        ``"inspect"``, ``"controlarena"``, ``"garak"``, ``"promptfoo"``, ``"pyrit"``, ``"agentdojo"``, ``"nemo"``, ``"llm-guard"``, ``"deepteam"`` or
        ``"jailbreakbench"``; ``None``: whichever it is, by content.
    logs : path, pattern, or iterable of those
    **options
        As for :func:`coincide.read`.

    Returns
    -------
    ImportedLogs

    Raises
    ------
    InputError
        A log is damaged, or another tool's.
    OptionError
        The log does not say what the table needs.
    """
    with shown(progress) as report:
        return ImportedLogs(_coincide.import_logs(tool, paths(logs), read_options(**options), report))


def _from(tool: str, logs: Paths, progress: Progress, options: dict[str, Any]) -> JointOutcomes:
    with shown(progress) as report:
        return JointOutcomes(_coincide.read(paths(logs), tool, read_options(**options), report))


def from_inspect(logs: Any, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of Inspect logs (`.eval`, `.json`), a layer a scorer.

    Parameters
    ----------
    logs : path, pattern, EvalLog, or iterable of those
        Logs in memory must have their samples.
    **options
        As for :func:`coincide.read`: ``thresholds`` for scorers that give scores, ``layer_from="task", join="sample.id"`` for one run per defence.

    Returns
    -------
    JointOutcomes
    """
    listed = [logs] if isinstance(logs, (str, os.PathLike)) or hasattr(logs, "model_dump_json") else list(logs)
    if all(isinstance(log, (str, os.PathLike)) for log in listed):
        return _from("inspect", listed, progress, options)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        files: list[str] = []
        names: list[str] = []
        for i, log in enumerate(listed):
            if isinstance(log, (str, os.PathLike)):
                files.append(os.fspath(log))
                names.append(files[-1])
                continue
            file, name = Path(folder) / f"log_{i + 1}.json", f"<EvalLog {i + 1}>"
            if not getattr(log, "samples", None):
                raise InputError(f"{name} has no samples", hint="read it with them: read_eval_log(file), without header_only", file=name)
            file.write_text(log.model_dump_json(exclude_none=True), encoding="utf-8")
            files.append(str(file))
            names.append(name)
        try:
            with shown(progress) as report:
                return JointOutcomes(_coincide.read(files, "inspect", read_options(**options), report, names))
        except CoincideError as e:
            # Nobody knows the files that logs in memory were handed on in.
            for file_name, name in zip(files, names, strict=True):
                e.args = tuple(str(arg).replace(file_name, name) for arg in e.args)
                if isinstance(e, InputError) and e.file == file_name:
                    e.file = name
            raise


def from_controlarena(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of ControlArena's logs, a layer a monitor; ``thresholds`` says where suspicions are cut. Options as for :func:`coincide.read`."""
    return _from("controlarena", logs, progress, options)


def from_garak(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of garak's reports (`report.jsonl`), a layer a detector. Options as for :func:`coincide.read`."""
    return _from("garak", logs, progress, options)


def from_promptfoo(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of promptfoo's outputs, a layer an assertion; ``fails_when`` says which verdicts failed. Options as for :func:`coincide.read`."""
    return _from("promptfoo", logs, progress, options)


def from_pyrit(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of PyRIT's memory (a database), a layer a scorer. Options as for :func:`coincide.read`."""
    return _from("pyrit", logs, progress, options)


def from_agentdojo(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of AgentDojo's run files, a layer a pipeline. Options as for :func:`coincide.read`."""
    return _from("agentdojo", logs, progress, options)


def from_nemo(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of NeMo Guardrails' replies, a layer a rail. Options as for :func:`coincide.read`."""
    return _from("nemo", logs, progress, options)


def from_llm_guard(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of llm-guard's scanners, a layer a scanner. Options as for :func:`coincide.read`."""
    return _from("llm-guard", logs, progress, options)


def from_deepteam(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of deepteam's guards, a layer a guard. Options as for :func:`coincide.read`."""
    return _from("deepteam", logs, progress, options)


def from_jailbreakbench(logs: Paths, *, progress: Progress = None, **options: Any) -> JointOutcomes:
    """Outcomes of JailbreakBench artifacts, a layer a model; ``gave_up`` says what an attack that gave up counts as. Options as for :func:`coincide.read`."""
    return _from("jailbreakbench", logs, progress, options)
