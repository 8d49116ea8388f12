"""The notebooks of the gallery; `make docs` runs its scripts."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from sphinx_gallery.notebook import python_to_jupyter_cli

EXAMPLES = Path(__file__).parent.parent / "examples"
NOTEBOOKS = ["plot_first_forecast", "plot_attention"]


def execute(notebook, folder):
    """The notebook after all its cells have run in a new kernel."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",  # the one of this environment
        timeout=300,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute()


def outputs(notebook, kind):
    """What cells have shown of a kind: a MIME type, or the name of a stream."""
    for cell in notebook.cells:
        for out in cell.get("outputs", ()):
            if out.get("name") == kind:
                yield out["text"]
            elif kind in out.get("data", {}):
                yield out["data"][kind]


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_examples_run_as_notebooks(name, tmp_path, monkeypatch):
    """An example converted as the gallery does runs cell by cell and shows pictures."""
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel draws into its cells
    script = shutil.copy(EXAMPLES / f"{name}.py", tmp_path)
    python_to_jupyter_cli([script])
    notebook = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
    assert sum(cell.cell_type == "markdown" for cell in notebook.cells) > 2
    done = execute(notebook, tmp_path)
    source = Path(script).read_text()
    drawn = source.count("plt.show()") or source.count("plt.subplots(")
    assert len(list(outputs(done, "image/png"))) == drawn
    assert "Warning" not in "".join(outputs(done, "stderr"))


VERBOSE = """
import numpy as np
from sklearn_gru import GRURegressor
X = np.random.default_rng(0).normal(size=(60, 5, 2))
model = GRURegressor(4, max_iter=4, early_stopping=True, verbose=1, random_state=0)
model.fit(X, X[:, :, 0].sum(axis=1))
"""


@pytest.mark.slow
def test_progress_and_repr_in_a_notebook(tmp_path):
    """``verbose=1`` shows one complete line, the estimator its HTML."""
    cell = nbformat.v4.new_code_cell(VERBOSE)
    done = execute(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
    (line,) = "".join(outputs(done, "stderr")).strip().split("\r")[-1:]
    assert "4/4" in line
    assert "loss" in line
    assert "\n" not in line
    (html,) = outputs(done, "text/html")
    assert "GRURegressor" in html
