"""Counting on the engine that holds the data: an Ibis expression groups there, and only patterns come back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from . import _coincide
from ._options import Names, Side, as_list, read_options
from .errors import InputError, OptionError
from .outcomes import JointOutcomes

__all__ = ["count", "count_sql"]

_INFINITE = 1.7976931348623157e308
"""Scores and weights lie below it: the largest number."""
_PER_MASK = 62
"""Layers in one packed integer: every engine has 64-bit integers with a sign."""
_FAILED = ("1", "true", "failed")
_HELD = ("0", "false", "held")
_NOT_RUN = ("", "not_run")
_REASONS = {"error": 1, "abstain": 2, "unparsed": 3, "nan": 3}


class _Layer:
    """A layer's cells as expressions: 1 where it failed, 1 where it has an outcome, the code of its reason, 1 where the cell is no outcome."""

    def __init__(self, ibis: Any, column: Any, layers: list[str], threshold: float | None, side: Side | None) -> None:
        kind = column.type()
        self.has_reasons = False
        zero = ibis.literal(0, type="int64")
        if kind.is_string():
            if threshold is not None:
                raise OptionError(f"layer `{column.get_name()}` has a threshold, and its column holds text", hint="cast it to a number first")
            # Not stripped: what engines take for a blank differs (one takes the letters v and f of an escape for themselves).
            text = column.lower()
            failed, held = text.isin(_FAILED), text.isin(_HELD)
            by = [(column == f"censored_by:{name}", 4 + i) for i, name in enumerate(layers)]
            cases = [(text == word, code) for word, code in _REASONS.items()] + by
            self.reason = ibis.cases(*cases, else_=0).cast("int64").coalesce(zero)
            known = failed | held | text.isin(_NOT_RUN) | (self.reason > 0)
            self.has_reasons = True
        else:
            if kind.is_boolean() and threshold is None:
                failed, held, known = column, ~column, ibis.literal(True)
            elif not (kind.is_numeric() or kind.is_boolean()):
                raise OptionError(f"layer `{column.get_name()}` has cells of type {kind}", hint="give booleans, numbers or texts")
            elif threshold is not None:
                x = column.cast("float64")
                failed = x < threshold if side == "below" else x > threshold
                # No score is infinite; what is no number is told apart below.
                held, known = ~failed, (x < _INFINITE) & (x > -_INFINITE)
            else:
                failed, held = column == 1, column == 0
                known = failed | held
            self.reason = zero
            if kind.is_floating():
                unread = column.isnan().coalesce(False)
                failed, held, known = failed & ~unread, held & ~unread, known | unread
                self.reason, self.has_reasons = unread.cast("int64") * 3, True
        self.failed = failed.coalesce(False).cast("int64")
        self.observed = (failed | held).coalesce(False).cast("int64")
        self.odd = (~known.coalesce(True)).cast("int64")


def _packed(ibis: Any, values: Sequence[Any], per: int, bits: int) -> list[Any]:
    out = []
    for start in range(0, len(values), per):
        total = ibis.literal(0, type="int64")
        for i, value in enumerate(values[start : start + per]):
            total = total + value * ibis.literal(1 << (i * bits), type="int64")
        out.append(total.cast("int64"))
    return out


def _text(column: Any) -> Any:
    kind = column.type()
    if not (kind.is_string() or kind.is_integer() or kind.is_boolean()):
        raise OptionError(f"column `{column.get_name()}` of type {kind} cannot name strata or clusters", hint="cast it to text as it should be read")
    if kind.is_boolean():
        return column.isnull().ifelse("", column.ifelse("true", "false"))
    return column.cast("string").coalesce("")


def _expression(
    table: Any,
    *,
    layers: Sequence[str],
    cluster: Names | None,
    strata: Names | None,
    thresholds: Mapping[str, float] | None,
    fails_when: Side | Mapping[str, Side] | None,
    baseline: str | None,
    weight: str | None,
    label: str | None,
) -> tuple[Any, dict[str, Any]]:
    """The groups as an Ibis expression, and how they are packed."""
    import ibis

    names, clusters, conditions = as_list(layers), as_list(cluster), as_list(strata)
    if not names:
        raise OptionError("no layers are named", hint='name the layers\' columns: layers=["filter", "judge"]')
    named = [*names, *clusters, *conditions, *(n for n in (baseline, weight, label) if n)]
    for name in named:
        if name not in table.columns:
            raise OptionError(f"there is no column `{name}`", hint=f"the columns are {', '.join(table.columns)}")
    # A stratum may be the cluster as well; nothing else has two parts.
    if twice := {n for n in named if named.count(n) - (n in clusters and n in conditions) > 1}:
        raise OptionError(f"column `{min(twice)}` has two parts", hint="give each column one part")
    cuts = dict(thresholds or {})
    for layer in cuts:
        if layer not in names and layer != baseline:
            raise OptionError(f"thresholds names `{layer}`, which is not a layer", hint=f"the layers are {', '.join(names)}")
    for layer in {} if fails_when is None or isinstance(fails_when, str) else fails_when:
        if layer not in cuts:
            raise OptionError(f"fails_when names `{layer}`, which has no threshold", hint="thresholds says at which score a layer changes its mind")
    if isinstance(fails_when, str) and not cuts:
        raise OptionError(
            "fails_when says which scores fail, and no layer has a threshold", hint="thresholds says at which score a layer changes its mind"
        )
    side = (lambda layer: fails_when) if fails_when is None or isinstance(fails_when, str) else fails_when.get

    def read(name: str) -> _Layer:
        if name in cuts and side(name) not in ("below", "above"):
            raise OptionError(
                f"layer `{name}` has a threshold but nothing says which side of it fails", hint='add fails_when="below" or fails_when="above"'
            )
        return _Layer(ibis, table[name], names, cuts.get(name), side(name))

    read_layers = [read(name) for name in names]
    keys: dict[str, Any] = {}
    for prefix, values in (("failed", [x.failed for x in read_layers]), ("observed", [x.observed for x in read_layers])):
        keys |= {f"{prefix}_{i}": mask for i, mask in enumerate(_packed(ibis, values, _PER_MASK, 1))}
    packing: dict[str, Any] = {
        "columns": {"layers": names, "strata": conditions, "clusters": clusters, "baseline": baseline},
        "layers_per_mask": _PER_MASK,
        "label": label is not None,
    }
    if any(x.has_reasons for x in read_layers):
        bits = (len(names) + 4).bit_length()
        packing |= {"reason_bits": bits, "layers_per_reasons": _PER_MASK // bits}
        keys |= {f"reasons_{i}": word for i, word in enumerate(_packed(ibis, [x.reason for x in read_layers], _PER_MASK // bits, bits))}
    keys |= {f"stratum_{i}": _text(table[name]) for i, name in enumerate(conditions)}
    keys |= {f"cluster_{i}": _text(table[name]) for i, name in enumerate(clusters)}
    odd = [x.odd for x in read_layers]
    if label:
        keys["label"] = table[label].cast("string").coalesce("")
    if baseline:
        own = read(baseline)
        keys["baseline"] = (own.observed == 1).ifelse(own.failed, ibis.null("int64"))
        odd.append(own.odd)
    w: Any = table[weight].cast("float64") if weight else ibis.literal(1.0, type="float64")
    if weight:
        odd.append((~((w > 0) & (w < _INFINITE)).coalesce(False)).cast("int64"))
    rows = table.select(**keys, w=w, **{f"odd_{i}": x for i, x in enumerate(odd)})
    groups = rows.group_by(list(keys)).aggregate(
        n=rows.count().cast("int64"),
        w2=(rows.w * rows.w).sum().cast("float64"),
        w=rows.w.sum().cast("float64"),
        **{f"odd_{i}": rows[f"odd_{i}"].sum().cast("int64") for i in range(len(odd))},
    )
    return groups, packing


def _by_name(table: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Options with the parts that columns called ``goal``, ``weight`` and ``label`` play by default, as in files and frames."""
    used = [*as_list(options["layers"]), *as_list(options["strata"]), options["baseline"]]
    out = dict(options)
    for part, name in (("cluster", "goal"), ("weight", "weight"), ("label", "label")):
        if out[part] is None and name in table.columns and name not in used:
            out[part] = name
    if out["cluster"] is None and {"trial", "epoch"} <= set(table.columns) and "trial" not in used:
        out["cluster"] = "trial"
    return out


def count(
    table: Any,
    *,
    layers: Sequence[str],
    cluster: Names | None = None,
    strata: Names | None = None,
    thresholds: Mapping[str, float] | None = None,
    fails_when: Side | Mapping[str, Side] | None = None,
    baseline: str | None = None,
    weight: str | None = None,
    label: str | None = None,
) -> JointOutcomes:
    """Counts an Ibis table on its own engine.

    Layers are packed into integers and grouped there, with the reasons why outcomes are missing; what comes back are distinct patterns with their sums, a few
    thousand rows of however many trials.

    Parameters
    ----------
    table : ibis.expr.types.Table
        A table of any engine that Ibis reaches: DuckDB, Spark Connect, BigQuery, Snowflake, Trino, ClickHouse, …
    layers : sequence of str
        The layers' columns: booleans, numbers 0 and 1, texts as in files (``failed``, ``held``, ``error``, ``censored_by:LAYER``, …; without blanks around them), or
        scores with ``thresholds``.
        An engine is not read twice, so they are not inferred.
    cluster, strata, thresholds, fails_when, baseline, weight, label
        As for :meth:`JointOutcomes.from_frame`; columns called ``goal``, ``weight`` and ``label`` are the cluster, weight and label where nothing else is said, and trials with epochs
        are their own clusters. Trials that are named twice are not looked for.

    Returns
    -------
    JointOutcomes
        The same as :meth:`JointOutcomes.from_frame` gives for the same rows.

    Raises
    ------
    OptionError
        Columns are not there, or of types that hold no outcomes.
    InputError
        Cells are no outcomes; which layer's, and how many.
    """
    given = cluster
    options: dict[str, Any] = _by_name(
        table,
        {
            "layers": layers,
            "cluster": cluster,
            "strata": strata,
            "thresholds": thresholds,
            "fails_when": fails_when,
            "baseline": baseline,
            "weight": weight,
            "label": label,
        },
    )
    cluster, weight, label = options["cluster"], options["weight"], options["label"]
    groups, packing = _expression(table, **options)
    found = groups.to_pyarrow()
    read = [*as_list(layers), *([baseline] if baseline else [])]
    checked: list[str] = [*read, *([weight] if weight else [])]
    for i, name in enumerate(checked):
        odd = sum(n or 0 for n in found[f"odd_{i}"].to_pylist())
        if odd and i == len(read):
            raise InputError(f"{odd} weights in column `{name}` are no positive numbers", hint="drop those trials, or give them weights", column=name)
        if odd:
            raise InputError(
                f"{odd} cells of layer `{name}` are no outcomes",
                hint="expected 1 or 0, true or false, failed or held, a reason such as error, or nothing; scores need thresholds",
                column=name,
            )
    notes = []
    if given != cluster and cluster == "trial":
        notes.append("trials have epochs: repeats of one `trial` are not independent, so it is taken as the cluster")
    elif given != cluster:
        notes.append("column `goal` taken as the cluster; name others with cluster")
    notes += [f"column `{name}` read as the {role}" for role, name in (("weight", weight), ("label", label)) if name]
    for layer, cut in dict(thresholds or {}).items():
        side = fails_when if isinstance(fails_when, str) or fails_when is None else fails_when.get(layer)
        if layer != baseline:
            notes.append(f"`{layer}` failed where its score is {side} {cut:g}")
    return JointOutcomes(_coincide.from_patterns(found, json.dumps(packing), read_options(**options), notes))


def count_sql(dialect: str, table: Any = None, **options: Any) -> str:
    """The SQL that :func:`count` would run.

    Parameters
    ----------
    dialect : str
        A dialect of Ibis, such as ``"duckdb"``, ``"bigquery"``, ``"snowflake"``, ``"trino"``, ``"clickhouse"`` or ``"pyspark"``.
    table : ibis.expr.types.Table, optional
        The table, of any engine; by default one called ``outcomes`` with the columns that the options name: integers for layers, texts for others. What columns mean
        by their names alone, as ``goal`` does, counts only where there is a table.
    **options
        As for :func:`count`.

    Returns
    -------
    str
        SQL whose result :func:`count` would have turned into the joint outcome table.

    Examples
    --------
    >>> import coincide as co
    >>> sql = co.count_sql("bigquery", layers=["filter", "judge"], strata=["suite"])  # doctest: +SKIP
    """
    import ibis

    if table is None:
        texts = [*as_list(options.get("cluster")), *as_list(options.get("strata")), *(n for n in [options.get("label")] if n)]
        numbers = [*as_list(options.get("layers")), *(n for n in [options.get("baseline")] if n)]
        schema = dict.fromkeys(numbers, "int64") | dict.fromkeys(texts, "string")
        schema |= {n: "float64" for n in [options.get("weight"), *(options.get("thresholds") or {})] if n}
        table = ibis.table(schema, name="outcomes")
    defaults: dict[str, Any] = {
        "layers": (),
        "cluster": None,
        "strata": None,
        "thresholds": None,
        "fails_when": None,
        "baseline": None,
        "weight": None,
        "label": None,
    }
    if unknown := options.keys() - defaults.keys():
        raise OptionError(f"there is no option `{min(unknown)}`", hint=f"the options are {', '.join(defaults)}")
    groups, _ = _expression(table, **_by_name(table, defaults | options))
    try:
        return str(ibis.to_sql(groups, dialect=dialect))
    except (AttributeError, ValueError):
        # Some dialects have options of their own, which are there once the backend is loaded.
        pass
    try:
        getattr(ibis, dialect)
        return str(ibis.to_sql(groups, dialect=dialect))
    except (AttributeError, ImportError, ValueError) as e:
        raise OptionError(f"Ibis cannot write `{dialect}`: {e}", hint=f"pip install 'ibis-framework[{dialect}]'") from e
