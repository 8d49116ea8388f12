"""What keeps the package in shape: names, layers, import cost, words that run."""

import ast
import gc
import importlib
import inspect
import pickle
import re
import subprocess
import sys
import textwrap

import pytest

import sklearn_gru
from sklearn_gru._engines import numba as kernels
from sklearn_gru._support.collector import paused_collector
from tests.pages import ROOT, blocks


def test_public_names_are_sorted_and_documented():
    """__all__ is sorted, complete, and every name and method has a docstring."""
    assert sklearn_gru.__all__ == sorted(sklearn_gru.__all__)
    assert set(sklearn_gru.__all__) <= set(dir(sklearn_gru))
    for name in sklearn_gru.__all__:
        thing = getattr(sklearn_gru, name)
        assert inspect.getdoc(thing), name
        if inspect.isclass(thing):
            for method, function in inspect.getmembers(thing, inspect.isfunction):
                if not method.startswith("_"):
                    assert inspect.getdoc(function), (name, method)
    for module in (
        "callbacks",
        "windows",
        "datasets",
        "exceptions",
        "export",
        "inspection",
        "metrics",
        "model_selection",
        "store",
        "text",
    ):
        names = getattr(sklearn_gru, module).__all__
        assert names == sorted(names)
    with pytest.raises(AttributeError, match="no attribute 'GRU'"):
        sklearn_gru.GRU  # noqa: B018  (the access is the test)


@pytest.mark.parametrize("name", ["GRURegressor", "GRUClassifier", "SlidingWindow"])
def test_every_parameter_is_documented(name):
    """Parameters stand in the docstring with the default of the signature."""
    estimator = getattr(sklearn_gru, name)
    text = inspect.getdoc(estimator)
    for parameter in inspect.signature(estimator).parameters.values():
        line = re.search(rf"^{parameter.name} : .*$", text, re.M)
        assert line, parameter.name
        if parameter.default is inspect.Parameter.empty:
            continue
        shown = re.search(r"default=(.+)$", line.group()).group(1)
        assert eval(shown) == parameter.default, parameter.name


def _python(code):
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return out.stdout.strip()


def test_importing_is_cheap():
    """Importing sklearn_gru loads neither torch nor pandas."""
    code = (
        "import sys, sklearn_gru;"
        "print(*(name in sys.modules for name in ('torch', 'pandas')))"
    )
    assert _python(code) == "False False"


def test_windows_and_data_do_not_load_torch():
    """Windowing, sequences and data sets work without PyTorch in memory."""
    code = (
        "import sys; from sklearn_gru import SlidingWindow, Sequences, to_sequences;"
        "from sklearn_gru import datasets; datasets.load_airline();"
        "import sklearn_gru.model_selection, sklearn_gru.inspection;"
        "print(*(n in sys.modules for n in ('torch', 'skorch', 'matplotlib')))"
    )
    assert _python(code) == "False False False"


@pytest.mark.slow
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_fit_loads_neither_dynamo_nor_sympy(early_stopping):
    """Training in the kernels leaves out what only making an optimizer imports."""
    if not kernels.available():
        pytest.skip(f"no kernels here: {kernels.reason()}")
    code = f"""
        import sys
        import numpy as np
        from sklearn_gru import GRUClassifier, GRURegressor
        X = np.random.default_rng(0).normal(size=(1100, 50, 1))
        options = dict(hidden_size=8, max_iter=1, early_stopping={early_stopping})
        engines = [
            model(**options).fit(X, X[:, 0, 0] > 0).engine_
            for model in (GRURegressor, GRUClassifier)
        ]
        print(engines, [n for n in ("torch._dynamo", "sympy") if n in sys.modules])
    """
    assert _python(textwrap.dedent(code)) == "['numba', 'numba'] []"


@pytest.mark.parametrize(
    "code", ["from sklearn_gru import GRURegressor", "pickle.loads(pickled)"]
)
def test_no_garbage_is_collected_while_an_estimator_is_imported(code):
    """Neither by name nor, as in the workers of a search, from a pickle."""
    pickled = pickle.dumps(sklearn_gru.GRURegressor)
    program = f"""
        import gc, pickle, sys, numpy, sklearn.base
        pickled, passes = {pickled!r}, []
        gc.callbacks.append(lambda phase, info: passes.append(phase))
        {code}
        assert "torch" in sys.modules and gc.isenabled()
        print(len(passes))
    """
    assert int(_python(textwrap.dedent(program))) < 20  # hundreds otherwise


def test_only_workers_never_scan_the_objects_of_libraries():
    """They end sooner; in the process of a user, garbage may hold data."""
    program = """
        import gc
        from joblib import Parallel, delayed
        from sklearn_gru import GRURegressor

        print(gc.get_freeze_count())
        count = delayed(lambda: (GRURegressor.__name__, gc.get_freeze_count()))
        print(Parallel(2)([count()])[0][1])
    """
    main, worker = map(int, _python(textwrap.dedent(program)).split())
    assert main == 0
    assert worker > 100_000


@pytest.mark.parametrize("frozen", [True, False])
def test_objects_are_not_scanned_after_an_import(frozen):
    """They are the oldest; a user's garbage is still found, and what is frozen stays."""
    program = f"""
        import gc, weakref

        class Cycle:
            pass

        gc.collect()
        if {frozen}:
            gc.freeze()
        before = gc.get_freeze_count()
        cycle = Cycle()
        cycle.own, seen = cycle, weakref.ref(cycle)
        del cycle
        from sklearn_gru import GRURegressor

        found = [len(gc.get_objects(generation=k)) for k in range(3)]
        print(abs(gc.get_freeze_count() - before) < before / 2 + 1, *found)
        gc.collect()
        print(seen() is None)
    """
    first, second = _python(textwrap.dedent(program)).splitlines()
    same, *found = first.split()
    assert same == second == "True"
    assert frozen or sum(map(int, found[:2])) < 10_000 < 100_000 < int(found[2])


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_paused_and_then_as_it_was(enabled):
    def fail():
        with paused_collector():
            assert not gc.isenabled()
            raise LookupError

    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(LookupError):
            fail()
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_layers():
    """Higher modules import lower ones, never the reverse."""
    cli = importlib.import_module("importlinter.cli")
    assert cli.lint_imports(config_filename=str(ROOT / "pyproject.toml")) == 0


@pytest.mark.slow
def test_code_of_the_readme_runs(tmp_path, monkeypatch):
    """Its blocks run in order, in one namespace; `make docs` runs those of the site."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for block in blocks(ROOT / "README.md"):
        exec(compile(block, "README.md", "exec"), namespace)


def test_version_is_in_one_place():
    """The distribution has the version of the package."""
    from importlib.metadata import version

    assert version("sklearn-gru") == sklearn_gru.__version__


NOTES = sorted((ROOT / "docs" / "changes" / "unreleased").glob("*.md"))


@pytest.mark.parametrize("path", NOTES, ids=lambda p: p.name)
def test_change_notes_have_known_types(path):
    """A fragment of unknown type would be dropped from the changelog in silence."""
    types = "added|changed|fixed|deprecated|removed|performance"
    assert re.fullmatch(rf"(\d+|\+[a-z\d-]+)\.({types})(\.\d+)?\.md", path.name)


@pytest.mark.parametrize("path", NOTES, ids=lambda p: p.name)
def test_a_change_note_is_one_sentence(path):
    """One change per fragment: one line that begins with a verb and ends with a stop."""
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(r"[A-Z].*\.\n", text)
    assert not re.search(r"\. [A-Z`]", text), "more than one sentence"


def test_the_table_of_other_libraries_is_of_the_pinned_versions():
    """`make interop` was run with the versions of constraints.txt."""
    page = (ROOT / "docs" / "user_guide" / "ecosystem.md").read_text()
    table = page.split("% interop begin")[1].split("% interop end")[0]
    rows = re.findall(r"^\| (\S+) \| (\d\S*) \| .+ \| (\w+) \|$", table, re.M)
    pins = (ROOT / "constraints.txt").read_text().lower().splitlines()
    names = {name for name, _, _ in rows}
    assert {"lightgbm", "skops", "sktime", "aeon"} <= names
    for name, version, result in rows:
        assert result == "passed"
        if any(pin.startswith(f"{name}==") for pin in pins):
            assert f"{name}=={version}" in pins


MODULES = sorted((ROOT / "tests").glob("*.py"))
GENERATORS = {"default_rng", "RandomState", "Random", "Generator"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_test_modules_stand_alone(path):
    """No module imports a test module: what two of them need is in a helper."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            assert not re.match(r"tests\.test_", name), f"{name}: see tests/builders.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_no_generator_is_shared(path):
    """No module holds a random generator: tests would depend on which ran before."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = ast.unparse(node.value.func).split(".")[-1]
            assert made not in GENERATORS, f"line {node.lineno}: one per test, please"
