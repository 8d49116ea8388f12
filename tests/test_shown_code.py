"""Code that readers are shown is run; what is not is listed here, with the reason.

`make docs` runs the blocks of the pages and the gallery's scripts, pytest the README and
the examples of docstrings. This module looks for Python that none of them would meet.
"""

import ast
import inspect
import re

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import GRURegressor
from tests.benchmarks import etth1
from tests.pages import PAGES, ROOT

OF_OTHERS = "code of another library, beside the same task here, which is run"
NOT_RUN = {
    ("docs/coming_from.md", "scaler = StandardScaler().fit(X_train.reshape(-1, 3))"): (
        OF_OTHERS  # Keras
    ),
    ("docs/coming_from.md", "class Net(nn.Module):"): OF_OTHERS,  # PyTorch
    ("docs/coming_from.md", "net = NeuralNetRegressor("): OF_OTHERS,  # skorch
    (
        "docs/coming_from.md",
        'X_train, y_train = load_classification("BasicMotions", split="train")  '
        "# (n, channels, steps)",
    ): OF_OTHERS,  # sktime
    (
        "docs/coming_from.md",
        'series = TimeSeries.from_dataframe(df, value_cols="load")',
    ): OF_OTHERS,  # darts
    ("docs/user_guide/forecasting.md", "../../tests/benchmarks/etth1.py"): (
        "its data may not be shipped; run below on made-up ones"
    ),
    ("docs/user_guide/several_machines.md", '# Ray: pip install "ray[train]"'): (
        "half a gigabyte of other libraries; both calls are made in test_interop.py"
    ),
}

MARKDOWN = [
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if not {"_build", "auto_examples", "generated"} & set(path.parts)
]
FENCE = re.compile(r"^(`{3,}|:{3,}|~{3,})([^\n`]*)\n(.*?)^\1[ \t]*$", re.M | re.S)
PYTHON = re.compile(
    r"^(?!python$)(\W*(code-block|code|sourcecode)\W*)?(python|py|ipython)"
)


def calls_something(text):
    """Whether a text is Python that does something: not a figure, output or command."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    doing = (ast.Import, ast.ImportFrom, ast.Call, ast.Assign, ast.FunctionDef)
    return any(isinstance(node, doing) for node in ast.walk(tree))


def first_line(text):
    """The first line of a block with words on it, options of a directive left out."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith(":")), "")


def unrun_blocks(path):
    """First lines of the Python blocks of a page that nothing runs."""
    for _, kind, body in FENCE.findall(path.read_text()):
        kind = kind.strip()
        if kind.startswith("{literalinclude}"):
            yield kind.removeprefix("{literalinclude}").strip()
            continue
        unmarked = kind in ("", "text", "console", "bash", "sh")
        if PYTHON.match(kind) or ">>> " in body or (unmarked and calls_something(body)):
            yield first_line(body)


def test_the_blocks_that_are_not_run_are_known():
    """Exactly the listed blocks of the pages are not run, each for the reason given."""
    found = {
        (path.relative_to(ROOT).as_posix(), line)
        for path in MARKDOWN
        for line in unrun_blocks(path)
    }
    assert found == set(NOT_RUN)


def test_every_page_with_a_python_block_is_run():
    """No page with code is missing from those that are run."""
    with_code = {p for p in MARKDOWN if re.search(r"^```python$", p.read_text(), re.M)}
    assert with_code == set(PAGES)


MODULES = sorted((ROOT / "sklearn_gru").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_docstrings_hold_no_code_that_is_not_run(path):
    """Examples are doctests, none is skipped, and no literal block hides Python."""
    tree = ast.parse(path.read_text())
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        text = ast.get_docstring(node) if isinstance(node, kinds) else None
        if text is None:
            continue
        assert "+SKIP" not in text
        assert "code-block" not in text
        for block in re.findall(r"::\n\n((?:(?: +.*)?\n?)+)", text):
            assert not calls_something(inspect.cleandoc(block)), block


@pytest.mark.slow
def test_the_recipe_for_long_look_backs_runs(tmp_path, monkeypatch):
    """The script that the guide shows forecasts paths from a file like that of ETTh1."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2016-07-01", periods=8900, freq="h", name="date")
    walk = pd.DataFrame({"HUFL": rng.normal(size=8900).cumsum()}, index=hours)
    walk.to_csv(tmp_path / "walk.csv")

    def short(**params):
        return GRURegressor(8, **{**params, "max_iter": 1, "segment_length": 120})

    monkeypatch.setattr(etth1, "GRURegressor", short)
    true, predicted = etth1.forecast(tmp_path / "walk.csv", 8700, 8900)
    assert true.shape == predicted.shape == (200 - 95, 96)
    assert np.isfinite(predicted).all()


def test_every_script_of_the_gallery_is_run():
    """The gallery shows what `make docs` runs: examples/plot_*.py, nothing else."""
    shown = set((ROOT / "examples").rglob("*.py"))
    assert shown == set((ROOT / "examples").glob("plot_*.py"))
    for path in shown:
        assert "sphinx_gallery_dummy" not in path.read_text()
        assert "__name__ ==" not in path.read_text(), path.name


def test_the_gallery_lists_every_script_once():
    """Each stands under its task, a new one at the end until it has one."""
    gallery = pytest.importorskip("gallery")  # docs/extensions; needs sphinx-gallery
    scripts = {path.stem.removeprefix("plot_") for path in ROOT.glob("examples/plot_*")}
    assert len(set(gallery.NAMED)) == len(gallery.NAMED)
    assert set(gallery.NAMED) <= scripts
    page = gallery.index_page([f"plot_{name}.py" for name in [*scripts, "of_tomorrow"]])
    for name in scripts:
        assert page.count(f"../examples/plot_{name}.py\n") == 1
    assert page.index("More\n----") < page.index("../examples/plot_of_tomorrow.py")


def test_the_check_sees_what_is_not_run(tmp_path):
    """A block in another notation, an unlabelled one and a doctest are found."""
    page = tmp_path / "page.md"
    page.write_text(
        "```{code-block} python\n:caption: no\na = 1\n```\n"
        "```\nmake demo\n```\n```\nimport numpy\n```\n"
        "```pycon\n>>> 1 + 1\n2\n```\n```text\nload 1 2 3\n```\n"
        "```python\nrun = True\n```\n"
    )
    assert list(unrun_blocks(page)) == ["a = 1", "import numpy", ">>> 1 + 1"]
