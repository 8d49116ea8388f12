"""The index of the public interface is what the modules export."""

import importlib
import pkgutil
import re
from types import ModuleType

import sklearn_gru
from tests.pages import ROOT
from tests.saved_models import exported

INDEX = ROOT / "docs" / "api.md"


def listed():
    """Names on the page of the API, without ``sklearn_gru.``."""
    page = INDEX.read_text(encoding="utf-8")
    found = []
    for block in re.findall(r":toctree: generated\n\n(.*?)```", page, re.S):
        found += re.findall(r"^   ([\w.]+)$", block, re.M)
    for module in re.findall(r"^\.\. automodule:: sklearn_gru\.(\w+)$", page, re.M):
        names = importlib.import_module(f"sklearn_gru.{module}").__all__
        found += [f"{module}.{name}" for name in names]
    return found


def test_the_index_is_what_is_exported():
    """Every public object stands once on the page, and nothing else does."""
    names, things = listed(), exported()
    assert len(names) == len(set(names))
    assert set(names) <= set(things)
    assert {id(things[name]) for name in names} == {id(t) for t in things.values()}
    assert len(names) == len({id(thing) for thing in things.values()})


def test_every_public_module_is_exported():
    """A module without an underscore is named by the package, and says what it exports."""
    modules = {m.name for m in pkgutil.iter_modules(sklearn_gru.__path__)}
    public = {name for name in modules if not name.startswith("_")}
    named = {
        name
        for name in sklearn_gru.__all__
        if isinstance(getattr(sklearn_gru, name), ModuleType)
    }
    assert named == public
    for name in public:
        assert importlib.import_module(f"sklearn_gru.{name}").__all__
