"""What tests share: the repository, the program, and a small table in every shape."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
AGENTDOJO = REPOSITORY / "examples/agentdojo/outcomes.csv"
LOGS = REPOSITORY / "crates/coincide-io/tests/logs"

OPTIONS = {"cluster": ["user_task", "injection_task"], "strata": "suite", "baseline": "undefended"}
COMMAND = ["--cluster", "user_task", "--cluster", "injection_task", "--stratum", "suite", "--baseline", "undefended"]


@pytest.fixture(scope="session")
def program() -> str:
    """The program: $COINCIDE, or what is on the path."""
    found = os.environ.get("COINCIDE") or shutil.which("coincide")
    if not found:
        pytest.fail("set COINCIDE to the built program")
    return found


@pytest.fixture
def coincide(program: str, tmp_path: Path):
    """Runs the program in the repository; its standard output."""

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run([program, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout

    return run


@pytest.fixture(autouse=True)
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("COLUMNS", raising=False)
