"""The dashboard: the page, live, for the outcomes, studies and campaigns of a folder."""

from __future__ import annotations

import os
from html import escape
from threading import Event
from typing import Self

from . import _coincide
from .errors import OptionError

__all__ = ["Dashboard", "serve"]


class Dashboard:
    """A server that answers while this object lives, or until it is closed; in a notebook, a link to it."""

    def __init__(self, inner: _coincide.Dashboard, token: str | None) -> None:
        self._inner = inner
        self._token = token
        self._closed = Event()

    @property
    def url(self) -> str:
        """Where the page is, with the token if there is one."""
        return f"http://{self._inner.address}/" + (f"?token={self._token}" if self._token else "")

    def close(self) -> None:
        """Ends the server, and an analysis under way at its next step."""
        self._inner.close()
        self._closed.set()

    def wait(self) -> None:
        """Waits until somebody closes it, or for Ctrl-C, which closes it."""
        try:
            # Not for ever at once: a signal that another thread got is seen in between.
            while not self._closed.wait(0.2):
                pass
        except KeyboardInterrupt:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "Dashboard(closed)" if self._closed.is_set() else f"Dashboard({self.url})"

    def _repr_html_(self) -> str:
        return escape(repr(self)) if self._closed.is_set() else f'<a href="{escape(self.url)}" target="_blank">{escape(self.url)}</a>'


def serve(data: str | os.PathLike[str] = ".", *, address: str = "127.0.0.1:0", token: str | None = None, upload_limit: int = 256) -> Dashboard:
    """Shows the dashboard for a folder, on threads beside this one.

    Parameters
    ----------
    data : path
        The folder with outcomes, studies and campaigns; uploads and the store of results go there too.
    address : str
        IP address and port to listen on; port 0 is any that is free.
    token : str, optional
        A word of 16 characters or more that whoever comes must know; needed where others can reach the address. By default what ``COINCIDE_TOKEN`` says.
    upload_limit : int
        Megabytes that an upload may have.

    Returns
    -------
    Dashboard
        Keep it: without it the server ends.

    Raises
    ------
    OptionError
        The address is taken, or reachable from other machines without a token; or the folder cannot be used.

    Examples
    --------
    >>> import coincide as co, tempfile, urllib.request
    >>> with co.serve(tempfile.mkdtemp()) as dashboard:
    ...     urllib.request.urlopen(dashboard.url).status
    200
    """
    if upload_limit < 1:
        raise OptionError(f"upload_limit is {upload_limit}", hint="give megabytes, from 1")
    token = token or os.environ.get("COINCIDE_TOKEN") or None
    return Dashboard(_coincide.serve(os.fspath(data), address, token, upload_limit * 1_000_000), token)
