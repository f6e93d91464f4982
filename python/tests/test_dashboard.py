"""The dashboard as a function."""

from __future__ import annotations

import json
import shutil
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from threading import Timer

import coincide as co
import pytest


def get(url: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        body: bytes = answer.read()
        return body


def test_it_answers_until_it_is_closed(tmp_path: Path) -> None:
    shutil.copy("examples/agentdojo/outcomes.csv", tmp_path / "outcomes.csv")
    dashboard = co.serve(tmp_path)
    assert dashboard.url in repr(dashboard) and f'href="{dashboard.url}"' in dashboard._repr_html_()
    assert b"<title>" in get(dashboard.url)
    paths = json.loads(get(dashboard.url + "api/openapi.json"))["paths"]
    files = next(p for p in paths if p.endswith("/files"))
    assert "outcomes.csv" in get(dashboard.url.rstrip("/") + files).decode()
    dashboard.close()
    assert repr(dashboard) == "Dashboard(closed)"
    with pytest.raises(OSError):
        get(dashboard.url)


def test_a_token_is_needed_and_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(co.OptionError, match="there is no token") as e:
        co.serve(tmp_path, address="0.0.0.0:0")
    assert "token=" in (e.value.hint or "")
    monkeypatch.setenv("COINCIDE_TOKEN", "correct-horse-battery")
    with co.serve(tmp_path) as dashboard:
        assert dashboard.url.endswith("/?token=correct-horse-battery")
        assert b"<title>" in get(dashboard.url)
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(dashboard.url.split("?")[0] + "api/openapi.json")
        assert refused.value.code in (401, 403)


def test_what_cannot_be_served(tmp_path: Path) -> None:
    with co.serve(tmp_path) as first, pytest.raises(co.OptionError, match="cannot listen"):
        co.serve(tmp_path, address=first.url.removeprefix("http://").rstrip("/"))
    with pytest.raises(co.OptionError, match="no address"):
        co.serve(tmp_path, address="localhost")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(co.OptionError, match="file: "):
        co.serve(file)


def test_ctrl_c_closes_it(tmp_path: Path) -> None:
    dashboard = co.serve(tmp_path)
    Timer(0.3, lambda: signal.raise_signal(signal.SIGINT)).start()
    begun = time.monotonic()
    dashboard.wait()
    assert time.monotonic() - begun < 5
    assert repr(dashboard) == "Dashboard(closed)"
