"""Runs the notebooks and writes what they give into them: python examples/notebooks/execute.py"""

from pathlib import Path

import nbclient
import nbformat

FOLDER = Path(__file__).parent

for name in ("first.ipynb", "models.ipynb"):
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    for cell in notebook.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            # Progress is about this machine too.
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        if cell.cell_type == "code" and "%pip" in cell.source:
            # What pip says is about this machine.
            cell.outputs = []
    nbformat.write(notebook, FOLDER / name)
