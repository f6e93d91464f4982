"""A monitor of a stream of trials: whether joint failures have become more frequent."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any, Self

from . import _coincide
from .errors import OptionError

__all__ = ["DriftMonitor"]


class DriftMonitor:
    """Watches a stream of trials for a rate of joint failures above a stated one.

    Parameters
    ----------
    rate : float
        The rate that is watched for being exceeded, between 0 and 1.
    confidence : float
        While the rate is not exceeded, there is never an alarm with this probability or more: over the whole stream, however often one looks.

    Raises
    ------
    OptionError
        ``rate`` or ``confidence`` is not between 0 and 1.

    Notes
    -----
    The evidence is the capital of a gambler who starts with 1 and bets on every trial that the rate is higher; it ever reaches :math:`1/α` with probability at most
    :math:`α` (Ville 1939). Trials of one cluster are not independent: hand in one mean a cluster, not trial after trial.

    Examples
    --------
    >>> import coincide as co
    >>> m = co.DriftMonitor(0.01)
    >>> m.observe_zeros(99)
    >>> m.observe(1)
    False
    >>> m.observe([1, 1, 1, 1])
    True
    >>> m.p_value <= 0.05
    True
    """

    def __init__(self, rate: float, confidence: float = 0.95) -> None:
        _between("rate", rate)
        _between("confidence", confidence)
        self._inner = _coincide.DriftMonitor.above(float(rate), float(confidence))

    @classmethod
    def against(cls, failed: float, trials: float, confidence: float = 0.95) -> Self:
        """A monitor for rates above an earlier one, which is only known from counts of independent trials.

        Parameters
        ----------
        failed, trials : float
            Joint failures, and trials.
        confidence : float
            As for the class; half of what may go wrong is spent on the earlier rate's upper limit, which is what is watched.

        Returns
        -------
        DriftMonitor

        Raises
        ------
        OptionError
            There are not more trials than joint failures, or ``confidence`` is not between 0 and 1.

        Examples
        --------
        >>> import coincide as co
        >>> round(co.DriftMonitor.against(5, 1000).rate, 4)
        0.0116
        """
        _between("confidence", confidence)
        if not 0 <= failed < trials < float("inf"):
            raise OptionError(f"{failed} of {trials} trials failed", hint="give a number of trials, and how many of them failed: not all")
        return cls._of(_coincide.DriftMonitor.against(float(failed), float(trials), float(confidence)))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A monitor that :meth:`to_json` stored: it goes on where that one stopped.

        Raises
        ------
        OptionError
            It is no stored monitor, or one of another version.

        Examples
        --------
        >>> import coincide as co
        >>> m = co.DriftMonitor(0.01)
        >>> m.observe_zeros(10)
        >>> co.DriftMonitor.from_json(m.to_json()) == m
        True
        """
        return cls._of(_coincide.DriftMonitor.from_json(text))

    @classmethod
    def _of(cls, inner: _coincide.DriftMonitor) -> Self:
        monitor = cls.__new__(cls)
        monitor._inner = inner
        return monitor

    def observe(self, x: float | Iterable[float]) -> bool:
        """Takes an observation, or several in their order.

        Parameters
        ----------
        x : float or iterable of float
            1 where all layers failed on a trial, 0 where one held, or the mean over the trials of one cluster.

        Returns
        -------
        bool
            Whether one of them raises the alarm, which there is once; later observations go on adding to the evidence.

        Raises
        ------
        OptionError
            One is not between 0 and 1; none is taken then.

        Examples
        --------
        >>> import coincide as co
        >>> m = co.DriftMonitor(0.2)
        >>> m.observe([0, 0, 0.5, 0, 1]), m.trials
        (False, 5)
        """
        several = hasattr(x, "__iter__") and getattr(x, "ndim", 1) != 0
        return self._inner.observe([_observation(v) for v in x] if several else [_observation(x)])  # type: ignore[union-attr]

    def observe_zeros(self, n: int) -> None:
        """Takes ``n`` trials on which some layer held, in the time of one. They never raise an alarm.

        Examples
        --------
        >>> import coincide as co
        >>> m = co.DriftMonitor(0.01)
        >>> m.observe_zeros(1_000_000)
        >>> m.trials
        1000000
        """
        if not 0 <= n < 1 << 64:
            raise OptionError(f"n is {n}", hint="give a whole number from 0")
        self._inner.observe_zeros(index(n))

    @property
    def rate(self) -> float:
        """The rate that is watched for being exceeded."""
        return self._inner.rate

    @property
    def trials(self) -> int:
        """Observations so far."""
        return self._inner.trials

    @property
    def alarm_at(self) -> int | None:
        """The observation, from 1, at which the alarm was raised; ``None`` while there was none."""
        return self._inner.alarm_at

    @property
    def p_value(self) -> float:
        """p-value of "the rate was never exceeded", which holds at every trial at once."""
        return self._inner.p_value

    @property
    def log10_e(self) -> float:
        """log10 of the evidence now; 0 at the start."""
        return self._inner.log10_e

    def to_json(self) -> str:
        """Everything it knows, as text for :meth:`from_json`.

        Examples
        --------
        >>> import coincide as co, json
        >>> json.loads(co.DriftMonitor(0.01).to_json())["rate"]
        0.01
        """
        return self._inner.to_json()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DriftMonitor) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_json, (self.to_json(),)

    def __repr__(self) -> str:
        alarm = "no alarm" if self.alarm_at is None else f"alarm at {self.alarm_at:,}"
        return f"DriftMonitor(rate above {self.rate:.4g}; {self.trials:,} trials; p = {self.p_value:.4g}; {alarm})"


def _between(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise OptionError(f"{name} is {value}", hint="give a number between 0 and 1")


def _observation(x: Any) -> float:
    try:
        value = float("nan") if isinstance(x, str) else float(x)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value <= 1:
        raise OptionError(f"an observation is {x!r}", hint="give 1 where all layers failed, 0 where one held, or the mean over one cluster")
    return value
