"""What can go wrong, as a small tree of exceptions.

Every message says what was found and where; ``hint`` says what to do about it.
"""

from __future__ import annotations

__all__ = ["CoincideError", "InputError", "MissingFileError", "OptionError", "StatisticsError"]


def _in_python(text: str | None) -> str | None:
    """Names of options as Python has them: the library says them as the program does."""
    if text is None:
        return None
    import re

    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda m: _ARGUMENTS.get(m.group(1)) or m.group(1).replace("-", "_"), text)


_ARGUMENTS = {
    "claim": "claims",
    "common-mode": "common_modes",
    "confidence": "confidences",
    "group": "groups",
    "input": "inputs",
    "stratum": "strata",
    "threshold": "thresholds",
}
"""Arguments that are called otherwise than the program's options, which may be given several times."""


class CoincideError(Exception):
    """The base of all exceptions of this package.

    Attributes
    ----------
    hint : str or None
        What to do about it, where there is something to say.
    """

    hint: str | None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.hint = _in_python(hint)
        message = _in_python(message) or ""
        super().__init__(f"{message}\n{self.hint}" if self.hint else message)


class InputError(CoincideError, ValueError):
    """A file, frame or study is not what it has to be.

    Attributes
    ----------
    file, column : str or None
    line : int or None
        Line of a text file or row of a frame or columnar file, from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        file: str | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line
        self.column = column


class MissingFileError(InputError, FileNotFoundError):
    """A file is not there."""


class OptionError(CoincideError, ValueError):
    """The arguments do not fit the input, or each other."""


class StatisticsError(CoincideError, ValueError):
    """The mathematics refused, for a reason that the message states."""
