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
        self._lost: set[str] = set()
        self._changed = asyncio.Condition()
        self._done: Counter[str] = Counter()

    async def exchange(
        self, member: str, loop: tuple[int, int], name: str, many: int, given: int, finished: list[tuple[int, bytes]], threads: int
    ) -> Dealt:
        """Takes the results of finished pieces and deals new ones, ``threads`` at most.

        Raises
        ------
        RuntimeError
            The member is not at the loop at which others are, or was given something else.
        """
        here = self._loops.setdefault(loop, _Loop(name, many, given))
        if (here.name, here.many, here.given) != (name, many, given):
            other = f"{here.many} pieces of {here.name!r}, and {many} of {name!r}"
            what = other if (here.name, here.many) != (name, many) else f"{name!r} with other inputs or options"
            raise RuntimeError(
                f"workers do not compute the same ({what}): the function must call the same with the same inputs everywhere, on machines of one kind"
            )
        async with self._changed:
            if member not in self._lost:
                self._members.add(member)
            if finished:
                self._done[member] += here.hand_in(finished, self._keep)
                self._changed.notify_all()
            # Who was lost, and still speaks, gets results and no work: nobody would take that back.
            while (dealt := here.deal(member, 0 if member in self._lost else threads, len(self._members))) == (None, None):
                try:
                    await asyncio.wait_for(self._changed.wait(), PATIENCE)
                except TimeoutError:
                    break
        return dealt

    async def lost(self, member: str) -> None:
        """Deals out again what a member that died had been given."""
        async with self._changed:
            self._members.discard(member)
            self._lost.add(member)
            for loop in self._loops.values():
                loop.take_back(member)
            self._changed.notify_all()

    async def done(self) -> dict[str, int]:
        """How many pieces each member computed."""
        return dict(self._done)


class _Loop:
    def __init__(self, name: str, many: int, given: int) -> None:
        self.name = name
        self.many = many
        self.given = given
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
        most = min(threads, -(-len(self._free) // max(members, 1)))
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
