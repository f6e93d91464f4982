"""Every block of Python in the guide runs."""

from __future__ import annotations

import re

import pytest
from conftest import REPOSITORY

PAGES = ["docs/python.md", "python/README.md"]


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), flags=re.S)
    assert blocks
    import polars as pl

    names: dict[str, object] = {"df": pl.DataFrame({"filter": [1, 0, 1, 0] * 9, "judge": [1, 1, 0, 0] * 9, "goal": list(range(36))})}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
