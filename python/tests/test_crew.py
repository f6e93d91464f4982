"""The board that deals out pieces, without a cluster."""

from __future__ import annotations

import asyncio
import random

import pytest
from coincide._crew import Board


async def work(board: Board, member: str, many: int, threads: int, dies: bool = False) -> list[bytes] | None:
    finished: list[tuple[int, bytes]] = []
    while True:
        pieces, results = await board.exchange(member, (0, 0), "loop", many, 7, finished, threads)
        if results is not None:
            found: list[bytes] = results
            return found
        finished = [(i, str(i).encode()) for i in pieces or []]
        if pieces:
            assert len(pieces) <= threads
            await asyncio.sleep(random.random() * 0.002)
            if dies:
                await board.lost(member)
                return None


@pytest.mark.parametrize("many", [0, 1, 7, 200])
def test_everybody_gets_everything_once_computed(many: int) -> None:
    async def all_members() -> None:
        board = Board()
        random.seed(many)
        first = await asyncio.gather(*(work(board, f"m{i}", many, i + 1, dies=i == 2) for i in range(4)))
        whole = [str(i).encode() for i in range(many)]
        assert [f for f in first if f is not None] == [whole] * (4 if many == 0 or first[2] is not None else 3)
        assert sum((await board.done()).values()) == many
        # Whoever comes late has nothing to do.
        assert await work(board, "late", many, 1) == whole

    asyncio.run(all_members())


def test_who_was_taken_for_dead_may_hand_in() -> None:
    async def story() -> None:
        board = Board()
        assert await board.exchange("a", (0, 0), "loop", 2, 7, [], 2) == ([0, 1], None)
        await board.lost("a")
        assert await board.exchange("b", (0, 0), "loop", 2, 7, [], 1) == ([0], None)
        # What came meanwhile is not dealt out again, and counts once.
        assert await board.exchange("a", (0, 0), "loop", 2, 7, [(0, b"0"), (1, b"1")], 2) == (None, [b"0", b"1"])
        assert await board.exchange("b", (0, 0), "loop", 2, 7, [(0, b"0")], 1) == (None, [b"0", b"1"])
        assert await board.done() == {"a": 2, "b": 0}

    asyncio.run(story())


def test_members_that_disagree_are_told() -> None:
    async def story() -> None:
        board = Board()
        await board.exchange("a", (0, 3), "starts", 4, 7, [], 1)
        with pytest.raises(RuntimeError, match="4 pieces of 'starts', and 8 of 'starts'"):
            await board.exchange("b", (0, 3), "starts", 8, 7, [], 1)
        with pytest.raises(RuntimeError, match="'starts' with other inputs or options"):
            await board.exchange("b", (0, 3), "starts", 4, 8, [], 1)

    asyncio.run(story())


def test_two_that_die_together_leave_nothing_behind() -> None:
    async def story() -> None:
        board = Board()
        assert await board.exchange("b", (0, 0), "loop", 1, 7, [], 1) == ([0], None)
        # A waits while b holds the last piece; both die, and a is told of first.
        waits = asyncio.create_task(board.exchange("a", (0, 0), "loop", 1, 7, [], 1))
        await asyncio.sleep(0.01)
        await board.lost("a")
        await board.lost("b")
        assert await waits == (None, None)
        assert await board.exchange("here", (0, 0), "loop", 1, 7, [], 1) == ([0], None)
        # A last word of the dead brings no work, and no division by nobody.
        assert await board.exchange("b", (0, 1), "loop", 1, 7, [], 1) == (None, None)

    asyncio.run(story())
