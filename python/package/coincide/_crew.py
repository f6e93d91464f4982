"""Sharing one computation among processes: a board deals out the pieces of its long loops.

Every member runs the same computation from the start. At a long loop it asks the board what to compute, hands in what it has, and gets the results of all pieces when
they are there: so all go on alike, and whoever joins late or again has nothing to do twice. Nothing here knows how members reach the board.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

__all__ = ["Board", "Dealt"]

Dealt = tuple[list[int] | None, Any]
"""The pieces to compute next, or the results of all; or neither, where the member may ask again."""

PATIENCE = 0.5
"""Seconds after which a member that waits is told so."""


class Board:
    """What is computed, by whom, and what came out.

    Parameters
    ----------
    keep : callable
        What is handed out of the results of a loop, made once: the list itself, or where it lies.
    """

    def __init__(self, keep: Callable[[list[bytes]], Any] = lambda results: results) -> None:
        self._keep = keep
        self._loops: dict[tuple[int, int], _Loop] = {}
        self._members: set[str] = set()
        self._changed = asyncio.Condition()
        self._done: Counter[str] = Counter()

    async def exchange(self, member: str, loop: tuple[int, int], name: str, many: int, finished: list[tuple[int, bytes]], threads: int) -> Dealt:
        """Takes the results of finished pieces and deals new ones, ``threads`` at most.

        Raises
        ------
        RuntimeError
            The member is not at the loop at which others are.
        """
        self._members.add(member)
        here = self._loops.setdefault(loop, _Loop(name, many))
        if (here.name, here.many) != (name, many):
            raise RuntimeError(
                f"workers disagree about what they compute ({here.many} pieces of {here.name!r}, and {many} of {name!r}): "
                "use machines of one kind, and the same inputs on all"
            )
        async with self._changed:
            if finished:
                self._done[member] += here.hand_in(finished, self._keep)
                self._changed.notify_all()
            while (dealt := here.deal(member, threads, len(self._members))) == (None, None):
                try:
                    await asyncio.wait_for(self._changed.wait(), PATIENCE)
                except TimeoutError:
                    break
        return dealt

    async def lost(self, member: str) -> None:
        """Deals out again what a member that died had been given."""
        async with self._changed:
            self._members.discard(member)
            for loop in self._loops.values():
                loop.take_back(member)
            self._changed.notify_all()

    async def done(self) -> dict[str, int]:
        """How many pieces each member computed."""
        return dict(self._done)


class _Loop:
    def __init__(self, name: str, many: int) -> None:
        self.name = name
        self.many = many
        self._free = list(range(many - 1, -1, -1))
        self._with: dict[int, str] = {}
        self._results: dict[int, bytes] = {}
        self._kept: Any = None

    def hand_in(self, finished: list[tuple[int, bytes]], keep: Callable[[list[bytes]], Any]) -> int:
        new = 0
        for piece, result in finished:
            # Who was taken for dead may hand in after all, and what it was given is already with somebody else.
            if self._kept is None and piece not in self._results:
                self._results[piece] = result
                self._with.pop(piece, None)
                new += 1
        if new and len(self._results) == self.many:
            self._kept = keep([self._results[i] for i in range(self.many)])
            self._results.clear()
            self._free.clear()
        return new

    def deal(self, member: str, threads: int, members: int) -> Dealt:
        if self._kept is None and self.many == 0:
            self._kept = []
        if self._kept is not None:
            return None, self._kept
        dealt: list[int] = []
        # At the end of a loop everybody gets some.
        most = min(threads, -(-len(self._free) // members))
        while self._free and len(dealt) < most:
            piece = self._free.pop()
            if piece not in self._results:
                self._with[piece] = member
                dealt.append(piece)
        return (dealt or None), None

    def take_back(self, member: str) -> None:
        back = [piece for piece, who in self._with.items() if who == member]
        for piece in back:
            del self._with[piece]
        self._free += sorted(back, reverse=True)
