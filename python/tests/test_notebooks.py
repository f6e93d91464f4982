"""The notebooks run from top to bottom, and what is committed is what they give."""

from __future__ import annotations

import nbclient
import nbformat
import pytest
from conftest import REPOSITORY

FOLDER = REPOSITORY / "examples/notebooks"


@pytest.mark.parametrize("name", ["first.ipynb", "models.ipynb"])
def test_a_notebook_runs(name: str) -> None:
    committed = nbformat.read(FOLDER / name, as_version=4)
    notebook = nbformat.read(FOLDER / name, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute()
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert len(code) == 5 or name != "first.ipynb"
    last = code[-1]["outputs"][-1]["data"]
    if name == "first.ipynb":
        assert "<iframe" in last["text/html"] and "All layers failing together" in last["text/plain"]

    def texts(nb: nbformat.NotebookNode) -> list[str]:
        outputs = [o for c in nb.cells if c.cell_type == "code" for o in c["outputs"] if "%pip" not in c["source"] and o.get("name") != "stderr"]
        return [o.get("text") or o["data"].get("text/plain", "") for o in outputs if o["output_type"] != "display_data"]

    assert texts(notebook) == texts(committed)
