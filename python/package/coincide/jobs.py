"""What the program's commands compute, as functions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any, Literal

from . import _coincide
from ._options import Names, analyze_options, as_list, fit_options
from ._progress import Progress, shown
from .errors import InputError, MissingFileError, OptionError
from .outcomes import JointOutcomes, Paths, paths
from .reading import count
from .reports import Report

__all__ = ["analyze", "check", "fit", "impact", "init", "modes", "report", "risk", "run", "schema", "select", "verify"]

ExactInterval = Literal["clopper-pearson", "jeffreys"]


def _outcomes(outcomes: Any) -> JointOutcomes:
    if type(outcomes).__module__.split(".")[0] == "ibis":
        raise OptionError("a table of an engine is counted first, for its layers have to be named", hint="coincide.count(table, layers=[…])")
    return outcomes if isinstance(outcomes, JointOutcomes) else count(outcomes)


def analyze(
    outcomes: Any,
    *,
    seed: int = 1,
    replicates: int = 2000,
    level: float = 0.95,
    interval: ExactInterval = "clopper-pearson",
    order: Sequence[str] | None = None,
    groups: Mapping[str, Names] | None = None,
    split_by: Names | None = None,
    attempts: int | Iterable[int] | None = None,
    goal: str | None = None,
    progress: Progress = None,
) -> Report:
    """How often all layers fail together, how far that is from independence, and why.

    Parameters
    ----------
    outcomes : JointOutcomes, frame or path
        What was recorded; frames and paths go through :func:`coincide.count` with what can be inferred. An Ibis table must be counted first: its layers have to be named.
    seed : int
        Seed of every random number. The same seed gives the same digits on any number of threads.
    replicates : int
        Bootstrap replicates, from 100.
    level : float
        Confidence level of the intervals, between 0 and 1.
    interval : {"clopper-pearson", "jeffreys"}
        Interval of a rate where trials are independent and unweighted.
    order : sequence of str, optional
        The layers in the order in which a pipeline asked them, stopping at the first that held.
    groups : mapping of str to names, optional
        Also say what these groups of layers add.
    split_by : str or iterable of str, optional
        Attributes of layers by whose values the gap is split.
    attempts : int or iterable of int, optional
        Also say how likely it is that some of so many attempts on a goal beats everything.
    goal : str, optional
        The cluster column that holds attackers' goals; by default the only one.
    progress : bool or callable, optional
        As for :meth:`JointOutcomes.from_frame`.

    Returns
    -------
    Report
        With the sections ``data``, ``layers``, ``joint``, ``curve``, ``contributions``, ``pairs``, ``together``, ``causes``, ``bounds`` and others as they apply.

    Raises
    ------
    StatisticsError
        The table has no attack with an outcome of every layer, or options name layers that are not there.

    Notes
    -----
    With failure rates :math:`p_i` and :math:`β = P(\\text{all fail})` the independence gap is :math:`π = β / \\prod p_i`. Intervals of rates are those of Korn and
    Graubard (1998) where trials are clustered; others are bootstrap intervals over clusters.

    Examples
    --------
    >>> import coincide as co
    >>> t = co.read("examples/agentdojo/outcomes.csv", cluster=["user_task", "injection_task"], strata="suite", baseline="undefended")
    >>> r = co.analyze(t, replicates=200)
    >>> round(r.gap.estimate, 1)
    15.1
    >>> r.pairs[0].a, len(r.pairs)
    ('repeat_user_prompt', 6)
    """
    options = analyze_options(seed=seed, replicates=replicates, level=level, interval=interval, order=order, groups=groups)
    if goal is not None and attempts is None:
        raise OptionError("goal is about attempts", hint="add attempts=[1, 10, 100]")
    return _assess(_outcomes(outcomes), options, None, _ask(["analysis"], split_by, attempts, goal), "all", progress)


def fit(
    outcomes: Any,
    models: Names | None = None,
    *,
    draws: int = 4000,
    prior: bool = True,
    common_modes: Mapping[str, Names] | None = None,
    folds: int = 10,
    refits: int = 100,
    claims: Names | None = None,
    confidences: Names | None = None,
    seed: int = 1,
    replicates: int = 2000,
    level: float = 0.95,
    interval: ExactInterval = "clopper-pearson",
    order: Sequence[str] | None = None,
    progress: Progress = None,
) -> Report:
    """Fits models of joint failure, checks them against what was seen, and says whose word the rate is.

    Parameters
    ----------
    outcomes : JointOutcomes, frame or path
        What was recorded.
    models : str or iterable of str, optional
        ``"independent"``, ``"empirical"``, ``"latent-class"``, ``"factor"``, ``"two-factor"``, ``"factor+common-mode"``, ``"student-factor"``,
        ``"beta-binomial"``, ``"stratified(MODEL)"``; all of them where none is named.
    draws : int
        Posterior draws of each model, over four chains.
    prior : bool
        Weak priors, and so a posterior; ``False`` is pure maximum likelihood.
    common_modes : mapping of str to names, optional
        Sets of layers that may fail at once; by default all layers.
    folds, refits : int
        Folds of clusters for held-out scores; refits to clusters drawn again.
    claims : str or iterable of str, optional
        Bounds to judge, as ``"beta<=1e-4@0.95"`` or ``"beta(a,b)<=1e-3@0.9"``.
    confidences : str or iterable of str, optional
        What was believed before the tests, as ``"beta<=1e-5@0.9"``.
    seed, replicates, level, interval, order, progress
        As for :func:`analyze`.

    Returns
    -------
    Report
        With ``models`` and all that :func:`analyze` gives; :meth:`Report.co_failure` asks the best model about any set of layers.

    Raises
    ------
    StatisticsError
        A model is not known, or the table holds too little for any.

    Examples
    --------
    >>> import coincide as co
    >>> t = co.read("examples/agentdojo/outcomes.csv", cluster="user_task")
    >>> m = co.fit(t, ["independent", "factor"], draws=400, refits=20, replicates=200)
    >>> [row.model for row in m.models]
    ['independent', 'factor']
    """
    options = analyze_options(seed=seed, replicates=replicates, level=level, interval=interval, order=order, groups=None)
    asked = fit_options(
        models=models,
        draws=draws,
        prior=prior,
        common_modes=common_modes,
        folds=folds,
        refits=refits,
        claims=claims,
        confidences=confidences,
        seed=seed,
        level=level,
    )
    return _assess(_outcomes(outcomes), options, asked, _ask(["analysis", "fit"], None, None, None), "fit", progress)


def _ask(parts: list[str], split_by: Names | None, attempts: int | Iterable[int] | None, goal: str | None) -> dict[str, Any]:
    counts = [] if attempts is None else [index(n) for n in (attempts if isinstance(attempts, Iterable) else [attempts])]
    asked = {"parts": parts, "attempts": counts, "goal": goal, "split_by": as_list(split_by)}
    return {k: v for k, v in asked.items() if v not in (None, [])}


def _assess(
    outcomes: JointOutcomes,
    analyze: dict[str, Any],
    fit: dict[str, Any] | None,
    ask: dict[str, Any],
    part: Literal["all", "fit"],
    progress: Progress,
) -> Report:
    with shown(progress) as report:
        inner = _coincide.assess(outcomes._inner, json.dumps(analyze), None if fit is None else json.dumps(fit), json.dumps(ask), True, report)
    return Report(inner, part=part, outcomes=outcomes)


def init(outcomes: JointOutcomes, output: str | os.PathLike[str] = "study.toml", *, order: Sequence[str] | None = None) -> str:
    """Writes a commented study file for outcomes, with everything that was inferred written down.

    Parameters
    ----------
    outcomes : JointOutcomes
        As :func:`coincide.read` gives them: a study names the files.
    output : path
        The study; it must not exist yet.
    order : sequence of str, optional
        The layers in the order in which a pipeline asked them, stopping at the first that held.

    Returns
    -------
    str
        What was written, and what to do with it.

    Raises
    ------
    OptionError
        ``output`` exists, the outcomes came from no file, or a layer in ``order`` is none.

    Examples
    --------
    >>> import coincide as co, pathlib, tempfile
    >>> study = pathlib.Path(tempfile.mkdtemp()) / "study.toml"
    >>> _ = co.init(co.read("examples/agentdojo/outcomes.csv", cluster="user_task"), study)
    >>> co.check(study).claims.claims[0].verdict
    'undecidable'
    """
    return outcomes._inner.draft(list(order or []), os.fspath(output))


def run(study: str | os.PathLike[str], *, progress: Progress = None) -> Report:
    """A whole assessment from a study file: outcomes, models, failure modes, scenarios, claims, impact.

    Parameters
    ----------
    study : path
        The study, as ``docs/studies.md`` describes it; its paths are relative to it.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        The study or an input is not what it has to be; with file and line.
    OptionError
        The study has nothing to assess.

    Examples
    --------
    >>> import coincide as co
    >>> co.run("examples/impact/study.toml").answer[0][:20] != ""
    True
    """
    with shown(progress) as report:
        return Report(_coincide.run_study(os.fspath(study), True, report))


def check(study: str | os.PathLike[str], claims: Names | None = None, *, strict: bool = False, progress: Progress = None) -> Report:
    """Judges a study's claims.

    Parameters
    ----------
    study : path
    claims : str or iterable of str, optional
        Names of claims; all of them where none is named.
    strict : bool
        Judge bounds by the limit that no further failure lowers.

    Returns
    -------
    Report
        ``report.claims.claims`` has a row a claim, with its ``verdict``: ``"supported"``, ``"refuted"`` or ``"undecidable"``.

    Raises
    ------
    InputError
        The study has no claims, or not these.
    """
    with shown(progress) as report:
        return Report(_coincide.check_study(os.fspath(study), as_list(claims), strict, True, report), part="claims")


def modes(maps: Names | None = None, *, study: str | os.PathLike[str] | None = None, progress: Progress = None) -> Report:
    """Which failure modes techniques share, and what that does to portfolios of them.

    Parameters
    ----------
    maps : str or iterable of str, optional
        Maps to merge and compare, as CSV files, or ``"dung-mai-2025"``; by default the study's, else the published one.
    study : path, optional
        A study with prevalences: joint failure of portfolios in scenarios, what to build next, what audits are worth.

    Returns
    -------
    Report

    Examples
    --------
    >>> import coincide as co
    >>> len(co.modes().map.map.techniques)
    7
    """
    with shown(progress) as report:
        return Report(_coincide.modes(as_list(maps), None if study is None else os.fspath(study), True, report))


def impact(study: str | os.PathLike[str], *, progress: Progress = None) -> Report:
    """Scores the impact of a study's research problems.

    Raises
    ------
    OptionError
        The study scores no problem.
    """
    with shown(progress) as report:
        return Report(_coincide.impact(os.fspath(study), True, report))


def risk(
    system: Any,
    fails: str | None = None,
    *,
    models: Names | None = None,
    common_causes: Names | None = None,
    draws: int = 4000,
    cut_sets: int = 100,
    mission_time: float | None = None,
    rare_event_parameters: bool = False,
    seed: int = 1,
    replicates: int = 2000,
    level: float = 0.95,
    progress: Progress = None,
) -> Report:
    """P(system failure) of a structure of layers, or of a fault tree, under every law there is for it; minimal cut sets, importance and bounds.

    Parameters
    ----------
    system : path, JointOutcomes or frame
        A study (``.toml``), whose own options count; a fault tree in the Open-PSA Model Exchange Format (``.xml``); or outcomes.
    fails : str, optional
        When the system fails, as ``"a & (b | c)"`` or ``"at_least(2, a, b, c)"``; by default what the study says, or when all layers fail.
    models : str or iterable of str, optional
        Models to fit to outcomes, as for :func:`fit`.
    common_causes : str or iterable of str, optional
        Common causes whose factors are learned from the outcomes, each as ``"alpha=filter,monitor,review"``: ``beta``, ``mgl``, ``alpha`` or ``alpha-staggered``.
    draws : int
        Posterior draws of each model.
    cut_sets : int
        Minimal cut sets to list.
    mission_time : float, optional
        Hours that a fault tree's ``system-mission-time`` stands for; 8760 by default.
    rare_event_parameters : bool
        Shocks of a fault tree's common causes have the probability Q_k itself, as in other tools.
    seed, replicates, level, progress
        As for :func:`analyze`.

    Returns
    -------
    Report
        ``report.risk.laws`` has a row a law, ``report.risk.cut_sets`` the cut sets, and the ``importance`` of each law what the risk rests on.

    Raises
    ------
    InputError
        The study or fault tree is not what it has to be; with file and line.
    OptionError
        Options of fault trees with anything else, or of outcomes with a study or fault tree.

    Notes
    -----
    Under a mixture :math:`P = \\sum_z w_z f(p(z))`, where :math:`f` is read off a binary decision diagram of the structure.

    Examples
    --------
    >>> import coincide as co
    >>> r = co.risk("examples/structure/study.toml")
    >>> [law.law for law in r.risk.laws][:2]
    ['independent at stated rates', 'stated common causes']
    >>> r.risk.cut_sets.total
    '6'
    """
    name = os.fspath(system) if isinstance(system, (str, os.PathLike)) else None
    tree = name is not None and name.endswith((".xml", ".opsa"))
    if not tree and (mission_time is not None or rare_event_parameters):
        raise OptionError("mission_time and rare_event_parameters are about fault trees", hint="name a .xml file, or leave them out")
    if not 0 <= index(cut_sets) <= 1_000_000:
        raise OptionError(f"cut_sets is {cut_sets}", hint="give a number from 0 to 1000000")
    options = analyze_options(seed=seed, replicates=replicates, level=level, interval="clopper-pearson", order=None, groups=None)
    causes = [_common_cause(c) for c in as_list(common_causes)]
    ask = {k: v for k, v in {"fails": fails, "listed": index(cut_sets), "common_causes": causes or None}.items() if v is not None}
    if name is not None and tree:
        if fails is not None or models is not None or causes:
            raise OptionError("a fault tree says itself what fails, and has no outcomes", hint="leave fails, models and common_causes out")
        read = {"mission_time": 8760.0 if mission_time is None else float(mission_time), "rare_event_parameters": rare_event_parameters}
        with shown(progress) as report:
            return Report(_coincide.risk_tree(name, json.dumps(read), json.dumps(options), index(cut_sets), True, report), part="risk")
    if name is not None and name.endswith(".toml"):
        if models is not None:
            raise OptionError("a study says itself which models are fitted", hint='write models = ["factor"] under [fit]')
        with shown(progress) as report:
            return Report(_coincide.risk_study(name, json.dumps(ask), True, report), part="risk")
    asked = _models_asked(models, draws, seed, level)
    outcomes = _outcomes(system)
    with shown(progress) as report:
        inner = _coincide.risk_outcomes(outcomes._inner, json.dumps(options), json.dumps(asked), json.dumps(ask), True, report)
    return Report(inner, part="risk", outcomes=outcomes)


def select(
    system: Any,
    budgets: Mapping[str, float] | None = None,
    *,
    false_alarm: float | None = None,
    at_most: Mapping[str, int] | None = None,
    force: Names | None = None,
    without: Names | None = None,
    worst: float | None = None,
    models: Names | None = None,
    draws: int = 4000,
    seed: int = 1,
    replicates: int = 2000,
    level: float = 0.95,
    progress: Progress = None,
) -> Report:
    """Which layers to choose: the smallest P(all chosen layers fail) under limits, with what other ways to choose would have cost.

    Parameters
    ----------
    system : path, JointOutcomes or frame
        A study (``.toml``), whose layers say what they take (``takes = { cost = 10 }``), or outcomes.
    budgets : mapping of str to float, optional
        What a choice may take in all, by name; ``layers`` is the number of layers.
    false_alarm : float, optional
        The most of all benign trials on which some chosen layer may raise an alarm.
    at_most : mapping of str to int, optional
        At most so many layers that share a value of an attribute, as ``{"provider": 2}``; attributes stand in a study.
    force, without : str or iterable of str, optional
        Layers that are chosen whatever they bring, and layers that are not to be had.
    worst : float, optional
        Judge a choice by the mean over this share of the worst posterior draws.
    models : str or iterable of str, optional
        Fit these models, and judge choices by the posterior mean of the best that holds up; by default by what was counted, or as a study says.
    draws : int
        Posterior draws of each model.
    seed, replicates, level, progress
        As for :func:`analyze`.

    Returns
    -------
    Report
        ``report.selection.best`` is the choice, ``report.selection.others`` what other ways would have chosen, ``report.selection.frontier`` the best for less.

    Raises
    ------
    OptionError
        A budget of something that a layer does not say; limits that no choice keeps to.

    Notes
    -----
    P(all of S fail) is supermodular in S: adding layers one by one has no promise. Up to 60 layers the best is searched for, and ``proven`` says whether it was reached.

    Examples
    --------
    >>> import coincide as co
    >>> r = co.select("examples/agentdojo/outcomes.csv", {"layers": 3}, without="undefended")
    >>> len(r.selection.best.layers), r.selection.proven
    (3, True)
    """
    options = analyze_options(seed=seed, replicates=replicates, level=level, interval="clopper-pearson", order=None, groups=None)
    asked = {
        "budgets": {name: float(most) for name, most in (budgets or {}).items()},
        "false_alarm": false_alarm,
        "at_most": {name: index(many) for name, many in (at_most or {}).items()},
        "forced": as_list(force),
        "without": as_list(without),
        "worst": worst,
    }
    ask = json.dumps({name: value for name, value in asked.items() if value is not None})
    name = os.fspath(system) if isinstance(system, (str, os.PathLike)) else None
    if name is not None and name.endswith(".toml"):
        if models is not None:
            raise OptionError("a study says itself which models are fitted", hint='write models = ["factor"] under [fit]')
        with shown(progress) as report:
            return Report(_coincide.select_study(name, ask, True, report), part="select")
    fit = None if models is None else json.dumps(_models_asked(models, draws, seed, level))
    outcomes = _outcomes(system)
    with shown(progress) as report:
        inner = _coincide.select_outcomes(outcomes._inner, json.dumps(options), fit, ask, True, report)
    return Report(inner, part="select", outcomes=outcomes)


def _models_asked(models: Names | None, draws: int, seed: int, level: float) -> dict[str, Any]:
    """How models are fitted where only they, their draws, the seed and the level are said."""
    return fit_options(
        models=models,
        draws=draws,
        prior=True,
        common_modes=None,
        folds=10,
        refits=100,
        claims=None,
        confidences=None,
        seed=seed,
        level=level,
    )


def _common_cause(text: str) -> dict[str, Any]:
    model, found, layers = text.partition("=")
    members = [layer.strip() for layer in layers.split(",") if layer.strip()]
    if not found or model.strip() not in ("beta", "mgl", "alpha", "alpha-staggered"):
        raise OptionError(
            f"common cause {text!r}",
            hint='give a model and its layers, as "alpha=filter,monitor,review"; beta, mgl, alpha and alpha-staggered are learned',
        )
    return {"name": " + ".join(members), "layers": members, "model": model.strip()}


def report(file: str | os.PathLike[str]) -> Report:
    """A results document that was written before, by Python or by the program.

    Raises
    ------
    InputError
        It is no results document, or one of a newer version.
    """
    name = os.fspath(file)
    try:
        with open(name, encoding="utf-8") as opened:
            text = opened.read()
    except FileNotFoundError as e:
        raise MissingFileError(f"{name}: there is no such file", file=name) from e
    except OSError as e:
        raise InputError(f"{name} cannot be read: {e.strerror}", file=name) from e
    except UnicodeDecodeError as e:
        raise OptionError(f"`{name}` is not text", hint="give the file that was written with --json") from e
    return Report(_coincide.read_report(name, text))


def verify(report: Report, outcomes: JointOutcomes | None = None, *, inputs: Paths = (), progress: Progress = None) -> list[str]:
    """Computes a report again and says what differs.

    Parameters
    ----------
    report : Report
    outcomes : JointOutcomes, optional
        The outcomes, for a report on a frame; by default the inputs are read again.
    inputs : path, or iterable of paths, optional
        Where the inputs lie now, in the document's order.

    Returns
    -------
    list of str
        Places in the document with both values; empty where nothing differs.

    Examples
    --------
    >>> import coincide as co
    >>> co.verify(co.analyze("examples/agentdojo/outcomes.csv", replicates=200))
    []
    """
    where = paths(inputs)
    if outcomes is not None and where:
        raise OptionError("outcomes and inputs are both given", hint="give the outcomes themselves, or where their files lie now")
    with shown(progress) as show:
        return _coincide.verify(report._inner, outcomes._inner if outcomes is not None else None, where, show)


def schema(of: Literal["results", "study", "campaign"] = "results") -> dict[str, Any]:
    """The JSON Schema of the results document, of a study, or of a campaign.

    Examples
    --------
    >>> import coincide as co
    >>> co.schema()["title"]
    'Coincide results'
    """
    found: dict[str, Any] = json.loads(_coincide.schema(of))
    return found
