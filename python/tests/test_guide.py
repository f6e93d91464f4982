"""Every block of code in the guide runs: Python and shell; TOML fits the published schemas; what a tutorial shows is what is printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from conftest import REPOSITORY

DOCS = sorted(p.relative_to(REPOSITORY).as_posix() for p in (REPOSITORY / "docs").rglob("*.md"))
PAGES = [*DOCS, "python/README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.S | re.M)


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((REPOSITORY / page).read_text(encoding="utf-8"))


def test_languages_are_known() -> None:
    """`text` is output, a file's inside or a list of commands on files that are the reader's; `yaml` is another tool's. Everything else is run or checked."""
    known = {"python", "sh", "toml", "text", "yaml"}
    assert {language for page in PAGES for language, _ in blocks(page)} <= known


@pytest.mark.parametrize("page", [p for p in PAGES if any(language == "python" for language, _ in blocks(p))])
def test_python_runs(page: str) -> None:
    import polars as pl

    names: dict[str, object] = {"df": pl.DataFrame({"filter": [1, 0, 1, 0] * 9, "judge": [1, 1, 0, 0] * 9, "goal": list(range(36))})}
    for language, block in blocks(page):
        if language == "python":
            code = compile(block, page, "exec")
            # Pages on logs show how another tool is run, which is not installed here.
            if not page.startswith("docs/logs/"):
                exec(code, names)


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("page", [p for p in PAGES if any(language == "sh" for language, _ in blocks(p))])
def test_commands_run_and_print_what_the_page_shows(page: str, program: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/coincide").symlink_to(Path(program).resolve())
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "COLUMNS": "100"}
    printed = None
    for language, block in blocks(page):
        if language == "sh":
            done = subprocess.run(["bash", "-euc", block], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block}\n{done.stderr}"
            printed = squeezed(done.stdout)
        elif language == "text" and printed is not None:
            # A whole paragraph where its lines are wrapped as printed, else line by line.
            for part in [block] if squeezed(block) in printed else block.splitlines():
                assert squeezed(part) in printed, f"{page} shows what is not printed: {part}"


@pytest.mark.parametrize("page", [p for p in PAGES if any(language == "toml" for language, _ in blocks(p))])
def test_files_fit_their_schemas(page: str) -> None:
    from jsonschema import Draft202012Validator

    validators = [Draft202012Validator(json.loads((REPOSITORY / f"schema/{name}.schema.json").read_text())) for name in ("study", "campaign")]
    for language, block in blocks(page):
        if language == "toml":
            content = tomllib.loads(block)
            assert any(v.is_valid(content) for v in validators), [e.message for v in validators for e in v.iter_errors(content)]


def test_the_book_has_every_page() -> None:
    listed = re.findall(r"\]\(([^)]+\.md)\)", (REPOSITORY / "docs/SUMMARY.md").read_text(encoding="utf-8"))
    assert len(listed) == len(set(listed))
    assert {f"docs/{name}" for name in listed} == set(DOCS) - {"docs/SUMMARY.md"}


@pytest.mark.parametrize("page", [*PAGES, "README.md"])
def test_links_lead_somewhere(page: str) -> None:
    file = REPOSITORY / page
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (file.parent / target).exists(), f"{page} links to {target}, which is not there"
