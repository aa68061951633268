"""The notebook runs from its first cell to its last, and finds what it says it finds."""

import json
import pathlib
import re
import subprocess
import sys

import matplotlib
import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
NOTEBOOK = REPOSITORY / "docs" / "quickstart.ipynb"


def read_code():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def as_python(source):
    """A cell without Jupyter's one sign in it: `!command` becomes a call that must succeed."""
    return re.sub(r"(?m)^!python ((?:.*\\\n)*.*)$", r"run_python('''\1''')", source)


@pytest.mark.slow
def test_every_cell_runs(tmp_path, monkeypatch):
    matplotlib.use("Agg")
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))

    def run_python(arguments):
        subprocess.run(f"{sys.executable} {arguments}", shell=True, check=True)

    names = {"run_python": run_python}
    for source in read_code():
        exec(compile(as_python(source), str(NOTEBOOK), "exec"), names)
    assert names["outputs"]["features"].shape == (450, 128)
    assert names["same_class"] > 0.03  # chance: 0.02
