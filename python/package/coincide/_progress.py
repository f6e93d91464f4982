"""How far long work is: a bar where somebody watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import OptionError

__all__ = ["Progress", "shown"]

Report = Callable[[str, int, int], object]
Progress = bool | Report | None
"""``True``: a bar; ``False``: nothing; ``None``: a bar where somebody watches; or what is called with the step, how much is done, and how much there is (0 where
that is not known)."""


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    get = getattr(shell, "get_ipython", None)
    return get is not None and type(get()).__name__ == "ZMQInteractiveShell"


_owner: int | None = None
"""The process that computes."""


def _not_in_a_fork() -> None:
    global _owner
    _owner = _owner or os.getpid()
    if _owner != os.getpid():
        raise OptionError(
            "this process was forked from one that had computed, and the threads of the computation stayed there",
            hint='start it with multiprocessing.get_context("spawn"), or before the first call',
        )


@contextmanager
def shown(progress: Progress) -> Iterator[Report | None]:
    """What to report to, while the work lasts. Raises in a process that would wait for ever."""
    _not_in_a_fork()
    if callable(progress):
        yield progress
        return
    if progress is False or (progress is None and not (_in_notebook() or sys.stderr.isatty())):
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    bar: Any = None

    def report(step: str, done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(desc=step, total=total or None, leave=False, unit="", delay=0.5)
        if bar.desc.rstrip(": ") != step or bar.total != (total or None):
            bar.reset(total or None)
            bar.set_description(step)
        bar.update(done - bar.n)

    try:
        yield report
    finally:
        if bar is not None:
            bar.close()
