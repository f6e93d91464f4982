"""What the program's commands compute, as functions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any, Literal

from . import _coincide, campaigns
from ._options import Names, Side, analyze_options, as_list, fit_options, read_options
from ._progress import Progress, shown
from .campaigns import Function, Plan, Search
from .errors import InputError, MissingFileError, OptionError
from .outcomes import JointOutcomes, Paths, handed_over, paths
from .reading import are_paths, count
from .reports import Report

__all__ = [
    "analyze",
    "check",
    "compare",
    "fit",
    "impact",
    "init",
    "label",
    "modes",
    "plan",
    "report",
    "risk",
    "run",
    "schema",
    "select",
    "thresholds",
    "verify",
]

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
    labels: Paths | None = None,
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
    labels : path, or iterable of paths, optional
        Files with verdicts of people on trials that :func:`label` queued: ``report.checked`` then gives rates as checked. The outcomes have to come from files.
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
    ask = _ask(["analysis"], split_by, attempts, goal)
    if labels is not None and (verdicts := paths(labels)):
        ask["labels"] = verdicts
    return _assess(_outcomes(outcomes), options, None, ask, "all", progress)


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
    fails: str | None = None,
    scenarios: Names | None = None,
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
    fails : str, optional
        When the system fails, as ``"a & (b | c)"``; layers that are not chosen count as failed. As a study says, or when all chosen layers fail.
    scenarios : str or iterable of str, optional
        Judge a choice by the worst of the world as tested and these scenarios of the study; ``"all"`` for all of them.
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
        "fails": fails,
        "scenarios": as_list(scenarios),
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


def _study(source: Any) -> str | None:
    """The study that is named, if one is."""
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    return name if name is not None and name.endswith(".toml") else None


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def thresholds(
    scores: Any,
    false_alarm: float = 0.05,
    *,
    confidence: float = 0.95,
    layers: Sequence[str] | None = None,
    fails_when: Side | Mapping[str, Side] | None = None,
    in_use: Mapping[str, float] | None = None,
    cluster: Names | None = None,
    label: str | None = None,
    weight: str | None = None,
    trial: str | None = None,
    seed: int = 1,
    level: float = 0.95,
    progress: Progress = None,
) -> Report:
    """Thresholds of all layers' scores, chosen together under one budget for the false alarms of the whole stack.

    Parameters
    ----------
    scores : path, iterable of paths, or frame
        Files or a frame with a row a trial and a column of scores a layer, attacks and benign trials among them; or a study (``.toml``), whose own options count.
    false_alarm : float
        The most of all benign trials that the whole stack may stop.
    confidence : float
        Probability with which that is kept on benign trials like these.
    layers : sequence of str, optional
        The layers' columns; by default every column of numbers that plays no other part.
    fails_when : {"below", "above"} or mapping of str to those, optional
        Which scores mean that a layer failed; by default the side on which attacks score differently from benign trials decides.
    in_use : mapping of str to float, optional
        Thresholds that are in use now, to compare with.
    cluster, label, weight, trial
        Columns, as for :meth:`JointOutcomes.from_frame`.
    seed, level, progress
        As for :func:`analyze`.

    Returns
    -------
    Report
        ``report.thresholds.best`` is the choice, ``report.thresholds.others`` what other ways would let through.

    Raises
    ------
    InputError
        A cell is neither a score, an outcome nor a reason.
    StatisticsError
        There are no attacks or no benign trials, or too few.
    OptionError
        Counts, which keep no scores; options of columns with a study.

    Notes
    -----
    One half of the benign trials says how false alarms are best spread over layers, the other how far all thresholds may go together: an order statistic, whose upper confidence limit keeps to the
    budget (Tong, Feng and Li 2018). What each way lets through is judged on clusters that took no part in its choices.

    Examples
    --------
    >>> import coincide as co
    >>> n = 600
    >>> frame = {
    ...     "sharp": [t * 7 % 601 / 601 + (0.8 if t < 200 else 0) for t in range(n)],
    ...     "blunt": [t * 11 % 601 / 601 + (0.05 if t < 200 else 0) for t in range(n)],
    ...     "label": ["attack" if t < 200 else "benign" for t in range(n)],
    ... }
    >>> r = co.thresholds(frame, 0.1)
    >>> r.thresholds.best.promised, r.thresholds.best.held_out_beta.estimate < 0.4
    (True, True)
    """
    options = analyze_options(seed=seed, replicates=2000, level=level, interval="clopper-pearson", order=None, groups=None)
    for what, value in (("false_alarm", false_alarm), ("confidence", confidence)):
        if not 0 < value < 1:
            raise OptionError(f"{what} is {value}", hint="give a number between 0 and 1")
    ask = json.dumps({"false_alarm": float(false_alarm), "confidence": float(confidence)})
    if (study := _study(scores)) is not None:
        columns = _given(layers=layers, fails_when=fails_when, in_use=in_use, cluster=cluster, label=label, weight=weight, trial=trial)
        if columns:
            raise OptionError(
                f"a study says itself how scores are read, and {next(iter(columns))} is given", hint="write it under [outcomes] or [[layers]]"
            )
        with shown(progress) as report:
            return Report(_coincide.thresholds_study(study, ask, True, report), part="thresholds")
    if isinstance(scores, JointOutcomes):
        raise OptionError("counts do not keep scores", hint="give the files or the frame that they were counted from")
    read = read_options(
        layers=layers,
        cluster=cluster,
        thresholds=_numbers("in_use", in_use),
        fails_when=fails_when,
        trial=trial,
        weight=weight,
        label=label,
        in_frame=not are_paths(scores),
    )
    analyze = json.dumps(options)
    with shown(progress) as report:
        if are_paths(scores):
            return Report(_coincide.thresholds_files(paths(scores), read, analyze, ask, True, report), part="thresholds")
        trials = handed_over(
            scores,
            layers,
            lambda whole: _coincide.scores_from_frame(whole, read, report),
            lambda columns: _coincide.scores_from_columns(columns, read, report),
        )
        return Report(_coincide.thresholds_trials(trials, analyze, ask, True, report), part="thresholds")


def plan(
    system: Any,
    *,
    claim: str | None = None,
    budget: float | None = None,
    strata: Names | None = None,
    shares: Mapping[str, float] | None = None,
    cost: float | None = None,
    costs: Mapping[str, float] | None = None,
    layer_costs: Mapping[str, float] | None = None,
    check_cost: float | None = None,
    floor: int | None = None,
    batches: int | None = None,
    seed: int = 1,
    level: float = 0.95,
    functions: Mapping[str, Function] | None = None,
    adaptive: Search | None = None,
    queries: int | None = None,
    shard: str | None = None,
    progress: Progress = None,
) -> Report | Plan:
    """Where to spend the next tests, and what they can show; of a campaign, what it would do and cost.

    Parameters
    ----------
    system : path, JointOutcomes or frame
        Outcomes; a study (``.toml``), over whose ``[plan]`` counts what is given here; or a campaign (``.toml`` with attacks), of which nothing is asked.
    claim : str, optional
        What the tests are to show: ``"beta<=1e-3@0.95"``, or the name of one of a study's claims.
    budget : float, optional
        What can be spent, in the unit of the costs; 1000 where nobody says otherwise.
    strata : str or iterable of str, optional
        Columns that trials can be chosen by, crossed where there are several; by default the first that the outcomes have.
    shares : mapping of str to float, optional
        Shares of the strata in operation; by default those among the outcomes.
    cost, costs : float, and mapping of str to float, optional
        Cost of a trial, 1 where nobody says otherwise; and of trials of some strata, where it differs.
    layer_costs : mapping of str to float, optional
        Cost of running one layer on a trial that exists, by layer.
    check_cost : float, optional
        Cost of a joint failure checked by hand; without it checks are not planned.
    floor, batches : int, optional
        New trials that every stratum gets at least, 20; batches that the budget is spent in, 4.
    seed, level, progress
        As for :func:`analyze`; a study says its own.
    functions, adaptive, queries, shard
        Of a campaign, as for :func:`stress`.

    Returns
    -------
    Report
        ``report.plan.strata`` has the new trials of every stratum, ``report.plan.actions`` what to do next, ``report.plan.claim`` what the budget can show.
    Plan
        Of a campaign: ``calls`` at most, ``cost`` in the unit of the layers' costs, ``seconds_at_least``, ``layers``.

    Raises
    ------
    InputError
        The study or campaign is not what it has to be; with file and line.
    OptionError
        A claim is neither a bound nor one of the study's; options of a campaign with outcomes, or of outcomes with a campaign.
    StatisticsError
        There is no such stratum or layer, or a number is out of its range.

    Notes
    -----
    New trials go to strata in proportion to :math:`W_s \\sqrt{E[β_s(1 - β_s)]/c_s}`, trials that exist counted in.

    Examples
    --------
    >>> import coincide as co
    >>> rows = [("common", 1, 1)] * 2 + [("common", 0, 0)] * 898 + [("rare", 1, 1)] * 20 + [("rare", 0, 1)] * 80
    >>> family, guard, judge = zip(*rows)
    >>> t = co.JointOutcomes.from_frame({"family": family, "guard": guard, "judge": judge}, layers=["guard", "judge"], strata="family")
    >>> p = co.plan(t, budget=2000).plan
    >>> p.new_trials, p.strata[1].name, p.strata[1].new_trials > 1000
    (2000, 'rare', True)
    """
    own = _given(functions=functions, adaptive=adaptive, queries=queries, shard=shard)
    asked = _given(
        claim=claim,
        budget=None if budget is None else float(budget),
        strata=None if strata is None else as_list(strata),
        shares=_numbers("shares", shares),
        cost=None if cost is None else float(cost),
        costs=_numbers("costs", costs),
        layer_costs=_numbers("layer_costs", layer_costs),
        check_cost=None if check_cost is None else float(check_cost),
        floor=_whole("floor", floor),
        batches=_whole("batches", batches),
    )
    study = _study(system)
    if study is not None and (own or _is_campaign(study)):
        if asked:
            raise OptionError(
                f"{next(iter(asked))} is about tests to come, and `{study}` is a campaign", hint="give the outcomes, or a study of them"
            )
        return campaigns.plan(study, functions=functions, adaptive=adaptive, queries=queries, shard=shard)
    if own:
        raise OptionError(f"{next(iter(own))} is about a campaign", hint="name the campaign's .toml file, or leave it out")
    options = analyze_options(seed=seed, replicates=2000, level=level, interval="clopper-pearson", order=None, groups=None)
    ask = json.dumps(asked)
    if study is not None:
        with shown(progress) as report:
            return Report(_coincide.plan_study(study, ask, True, report), part="plan")
    outcomes = _outcomes(system)
    with shown(progress) as report:
        inner = _coincide.plan_outcomes(outcomes._inner, json.dumps(options), ask, True, report)
    return Report(inner, part="plan", outcomes=outcomes)


def _is_campaign(name: str) -> bool:
    """Whether a file is a campaign, and no study: it has attacks to make."""
    import tomllib

    try:
        with open(name, "rb") as file:
            return not {"attacks", "benign", "operators"}.isdisjoint(tomllib.load(file))
    except (OSError, ValueError):
        # Who reads it says what is wrong with it, and where.
        return False


def _numbers(option: str, given: Mapping[str, float] | None) -> dict[str, float] | None:
    if not isinstance(given, Mapping | None):
        raise OptionError(f"{option} is {given!r}", hint=f'say whose: {option}={{"NAME": …}}')
    return None if given is None else {str(name): float(value) for name, value in given.items()}


def _whole(option: str, given: int | None) -> int | None:
    if given is not None and not 0 <= given < 1 << 63:
        raise OptionError(f"{option} is {given}", hint="give a whole number from 0")
    return None if given is None else index(given)


def compare(
    before: Any,
    after: Any,
    *,
    paired: bool = True,
    stream: bool = False,
    level: float = 0.95,
    interval: ExactInterval = "clopper-pearson",
    progress: Progress = None,
) -> Report:
    """What changed between two tables of outcomes of the same layers, and whether noise explains it.

    Parameters
    ----------
    before, after : JointOutcomes, frame or path
        The earlier and the later outcomes; frames and paths go through :func:`coincide.count` with what can be inferred.
    paired : bool
        Clusters of one name in both are the same goals tested twice, which makes changes easier to see; ``False`` where they are different things.
    stream : bool
        The later rows are in the order in which attacks came: watch them with a monitor that may be looked at after every one. Both tables have to come from files.
    level, interval, progress
        As for :func:`analyze`.

    Returns
    -------
    Report
        ``report.comparison.beta`` has the rate of joint failures before and after, their ``change`` and its ``verdict``: ``"rose"``, ``"fell"``, ``"within-noise"`` or
        ``"undetermined"``; ``report.comparison.rates`` a row a layer. ``report.drift`` says what the monitor saw, with ``stream=True``.

    Raises
    ------
    StatisticsError
        The tables share no layer, or one has no attacks.

    Examples
    --------
    >>> import coincide as co
    >>> def month(both):
    ...     return {"guard": [1] * 200 + [0] * 800, "judge": [1] * both + [0] * (1000 - both)}
    >>> c = co.compare(month(12), month(35)).comparison
    >>> c.beta.verdict, round(c.beta.change.estimate, 3), c.rates[0].rate.verdict
    ('rose', 0.023, 'within-noise')
    """
    options = analyze_options(seed=1, replicates=2000, level=level, interval=interval, order=None, groups=None)
    asked = {"unpaired": not paired, "stream": bool(stream)}
    earlier, later = _outcomes(before), _outcomes(after)
    with shown(progress) as report:
        inner = _coincide.compare(earlier._inner, later._inner, json.dumps(options), json.dumps(asked), True, report)
    return Report(inner, part="compare", outcomes=later)


def label(
    outcomes: Any,
    output: str | os.PathLike[str],
    *,
    all_failed: int | None = None,
    near_misses: int = 100,
    others: int = 100,
    seed: int = 1,
    overwrite: bool = False,
    progress: Progress = None,
) -> dict[str, tuple[int, int]]:
    """Writes the trials that a person should check by hand: all joint failures, and samples of near misses and of the rest.

    Parameters
    ----------
    outcomes : JointOutcomes, path, or iterable of paths
        Outcomes as :func:`coincide.read` gives them, files, or a study (``.toml``): what is queued is read from the files.
    output : path
        The queue, as ``.jsonl`` or ``.csv``. Fill in its ``verdict`` with ``failed``, ``held`` or ``ambiguous``, and give it to :func:`analyze` as ``labels``.
    all_failed : int, optional
        Trials on which all layers failed; by default all of them.
    near_misses : int
        Trials on which all layers failed but one, or all that have an outcome.
    others : int
        Of all other attacks.
    seed : int
        Seed of the draw.
    overwrite : bool
        Write over a file that is there.
    progress : bool or callable, optional
        As for :meth:`JointOutcomes.from_frame`.

    Returns
    -------
    dict of str to (int, int)
        Of ``"all-failed"``, ``"near-miss"`` and ``"other"``: how many trials there are, and how many are queued.

    Raises
    ------
    OptionError
        The outcomes came from no file, or ``output`` is there already.
    InputError
        The files hold counts, which do not keep trials, or a row a layer.

    Examples
    --------
    >>> import coincide as co, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "outcomes.csv").write_text("trial,prompt,guard,judge\\na,p,1,1\\nb,q,1,0\\nc,r,0,0\\nd,s,0,0\\n")
    >>> co.label(folder / "outcomes.csv", folder / "queue.csv", others=1)
    {'all-failed': (1, 1), 'near-miss': (1, 1), 'other': (2, 1)}
    >>> queue = (folder / "queue.csv").read_text().splitlines()
    >>> _ = (folder / "queue.csv").write_text("\\n".join([queue[0], *(line[: -len(",,")] + "held,," for line in queue[1:])]))
    >>> r = co.analyze(folder / "outcomes.csv", replicates=100, labels=folder / "queue.csv")
    >>> r.checked.recorded, r.checked.beta.estimate
    (0.25, 0.0)
    """
    if not 0 <= seed < 1 << 64:
        raise OptionError(f"seed is {seed}", hint="give a whole number from 0, below 2**64")
    asked = _given(
        all_failed=_whole("all_failed", all_failed), near_misses=_whole("near_misses", near_misses), others=_whole("others", others), seed=index(seed)
    )
    options, file = json.dumps(asked), os.fspath(output)
    study = _study(outcomes)
    if study is None and not are_paths(outcomes) and not isinstance(outcomes, JointOutcomes):
        raise OptionError("a queue needs the file that holds the trials", hint="write the frame to a file, and name that")
    with shown(progress) as report:
        if study is not None:
            groups = _coincide.label_study(study, options, file, overwrite, report)
        elif isinstance(outcomes, JointOutcomes):
            groups = _coincide.label_outcomes(outcomes._inner, options, file, overwrite, report)
        else:
            groups = _coincide.label_files(paths(outcomes), options, file, overwrite, report)
    return {word: (trials, queued) for word, trials, queued in groups}


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


def verify(
    report: Report,
    outcomes: JointOutcomes | None = None,
    *,
    before: JointOutcomes | None = None,
    inputs: Paths = (),
    progress: Progress = None,
) -> list[str]:
    """Computes a report again and says what differs.

    Parameters
    ----------
    report : Report
    outcomes : JointOutcomes, optional
        The outcomes, for a report on a frame; by default the inputs are read again.
    before : JointOutcomes, optional
        The earlier outcomes of a comparison, where they came from no file or were read in another way than the later ones.
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
        later, earlier = (None if table is None else table._inner for table in (outcomes, before))
        return _coincide.verify(report._inner, later, earlier, where, show)


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
