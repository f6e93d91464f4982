"""Coincide: how AI-safety layers fail *together*.

A **layer** is one safeguard (input filter, refusal, probe, monitor, output filter, review). A **trial** is one harmful input put to every layer; its **outcome** at a
layer is *failed* (missed), *held*, or missing for a reason. Coincide takes every layer's outcome on every attack and says how often all fail together, how far that
is from multiplying their failure rates, why, and what each layer adds.

Examples
--------
>>> import coincide as co
>>> t = co.JointOutcomes.from_frame({"filter": [1, 1, 0, 0] * 50, "judge": [1, 0, 1, 0] * 50})
>>> r = co.analyze(t, replicates=200)
>>> r.beta.estimate, r.gap.estimate
(0.25, 1.0)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import errors
from ._coincide import __version__
from .campaigns import Plan, Verdict, stress
from .dashboard import Dashboard, serve
from .drift import DriftMonitor
from .elsewhere import count_sql
from .errors import CoincideError, InputError, MissingFileError, OptionError, StatisticsError
from .figures import Figure, Interval, Rows, View
from .jobs import analyze, check, compare, fit, impact, init, label, modes, plan, report, risk, run, schema, select, thresholds, verify
from .logs import (
    ImportedLogs,
    from_agentdojo,
    from_controlarena,
    from_deepteam,
    from_garak,
    from_inspect,
    from_jailbreakbench,
    from_llm_guard,
    from_nemo,
    from_promptfoo,
    from_pyrit,
    import_logs,
)
from .outcomes import JointOutcomes
from .reading import count, merge, read
from .reports import Report

if TYPE_CHECKING:
    from . import ray as ray

__all__ = [
    "CoincideError",
    "Dashboard",
    "DriftMonitor",
    "Figure",
    "ImportedLogs",
    "InputError",
    "Interval",
    "JointOutcomes",
    "MissingFileError",
    "OptionError",
    "Plan",
    "Report",
    "Rows",
    "StatisticsError",
    "Verdict",
    "View",
    "__version__",
    "analyze",
    "check",
    "compare",
    "count",
    "count_sql",
    "errors",
    "fit",
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
    "impact",
    "import_logs",
    "init",
    "label",
    "merge",
    "modes",
    "plan",
    "read",
    "report",
    "risk",
    "run",
    "schema",
    "select",
    "serve",
    "stress",
    "thresholds",
    "verify",
]


def __getattr__(name: str) -> Any:
    # Imports Ray, which takes a second: only for whoever uses it.
    if name == "ray":
        from importlib import import_module

        return import_module("coincide.ray")
    raise AttributeError(f"module `coincide` has no attribute `{name}`")
