"""Arguments of functions as the library's own options."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any, Literal

from .errors import OptionError

__all__ = ["Names", "Side", "analyze_options", "as_list", "fit_options", "read_options"]

Names = str | Iterable[str]
"""One name, or several."""

Side = Literal["below", "above"]


def as_list(names: Names | None) -> list[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else [str(name) for name in names]


def read_options(
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
    in_frame: bool = False,
) -> str:
    for name, given in (("thresholds", thresholds), ("fails_when", None if isinstance(fails_when, str) else fails_when)):
        if not isinstance(given, Mapping | None):
            raise OptionError(f"{name} is {given!r}", hint=f'say which layer\'s: {name}={{"judge": …}}')
    if layers is not None and not as_list(layers):
        raise OptionError("layers names none", hint="name the layers' columns, or leave layers out to infer them")
    thresholds = dict(thresholds or {})
    for layer, cut in thresholds.items():
        if not math.isfinite(cut):
            raise OptionError(f"the threshold of layer `{layer}` is {cut}", hint="give a finite number")
    sides: dict[str, Side] = {} if fails_when is None or isinstance(fails_when, str) else dict(fails_when)
    options: dict[str, Any] = {
        "layers": None if layers is None else as_list(layers),
        "thresholds": [
            {"layer": layer, "value": float(value), **({"fails_when": sides[layer]} if layer in sides else {})} for layer, value in thresholds.items()
        ],
        "fails_when": fails_when if isinstance(fails_when, str) else None,
        "polarities": [{"layer": layer, "fails_when": side} for layer, side in sides.items() if layer not in thresholds],
        "gave_up": gave_up,
        "strata": as_list(strata),
        "clusters": as_list(cluster),
        "baseline": baseline,
        "trial": trial,
        "weight": weight,
        "label": label,
        "order_from": order_from,
        "layer_from": None if layer_from is None else ("file" if layer_from == "file" and not in_frame else {"column": layer_from}),
        "join": as_list(join),
    }
    return json.dumps({k: v for k, v in options.items() if v not in (None, [])})


def _groups(option: str, groups: Mapping[str, Names] | None) -> list[dict[str, Any]]:
    if not isinstance(groups, Mapping | None):
        raise OptionError(f"{option} is {groups!r}", hint=f'name each: {option}={{"inputs": ["filter", "probe"]}}')
    return [{"name": name, "layers": as_list(layers)} for name, layers in (groups or {}).items()]


def analyze_options(
    *,
    seed: int,
    replicates: int,
    level: float,
    interval: Literal["clopper-pearson", "jeffreys"],
    order: Sequence[str] | None,
    groups: Mapping[str, Names] | None,
) -> dict[str, Any]:
    if not 0 <= seed < 1 << 64:
        raise OptionError(f"seed is {seed}", hint="give a whole number from 0, below 2**64")
    if not 0 < level < 1:
        raise OptionError(f"level is {level}", hint="give a number between 0 and 1, for example 0.95")
    if not 100 <= replicates <= 1_000_000:
        raise OptionError(f"replicates is {replicates}", hint="give a number from 100 to 1000000")
    options: dict[str, Any] = {
        "seed": index(seed),
        "replicates": index(replicates),
        "level": float(level),
        "exact": interval,
        "groups": _groups("groups", groups),
        "order": as_list(order),
    }
    return {k: v for k, v in options.items() if v != []}


def fit_options(
    *,
    models: Names | None,
    draws: int,
    prior: bool,
    common_modes: Mapping[str, Names] | None,
    folds: int,
    refits: int,
    claims: Names | None,
    confidences: Names | None,
    seed: int,
    level: float,
) -> dict[str, Any]:
    for name, value, low, high in (("draws", draws, 100, 10_000_000), ("folds", folds, 2, 1000), ("refits", refits, 20, 100_000)):
        if not low <= value <= high:
            raise OptionError(f"{name} is {value}", hint=f"give a number from {low} to {high}")
    options: dict[str, Any] = {
        "seed": index(seed),
        "level": float(level),
        "models": as_list(models) or ["all"],
        "draws": index(draws),
        "priors": "weak" if prior else "none",
        "folds": index(folds),
        "refits": index(refits),
        "common_modes": _groups("common_modes", common_modes),
        "claims": as_list(claims),
        "confidences": as_list(confidences),
    }
    return {k: v for k, v in options.items() if v != []}
