"""Try the installed package: its public names, then the first example of a page.

``python -I tests/tools/try_wheel.py README.md`` (``-I`` keeps the checkout off the path,
so that what is tried is what is installed).
"""

import importlib
import re
import sys
from pathlib import Path

MODULES = ("datasets", "exceptions", "inspection", "model_selection", "windows")


def import_all():
    """Import every public name and return how many there are."""
    package = importlib.import_module("sklearn_gru")
    modules = [importlib.import_module(f"sklearn_gru.{name}") for name in MODULES]
    names = [(m, name) for m in (package, *modules) for name in m.__all__]
    for module, name in names:
        getattr(module, name)
    return len(names)


def first_example(page):
    """The first Python block of a Markdown page."""
    return re.search(r"^```python\n(.*?)^```", page, re.M | re.S).group(1)


def smoke():
    """Fit, predict and pickle both estimators, each on the path it takes by itself."""
    import pickle

    import numpy as np

    from sklearn_gru import GRUClassifier, GRURegressor

    X = np.random.default_rng(0).normal(size=(1200, 12, 2)).astype(np.float32)
    y = X[:, -3:, 0].sum(axis=1)
    for model, target in (
        (GRURegressor(8, max_iter=5, random_state=0), y),
        (GRUClassifier(8, max_iter=5, random_state=0), y > 0),
    ):
        model.fit(X, target)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        print(type(model).__name__, model.engine_, round(model.score(X, target), 3))


def main(page):
    """Run all three, and say from where."""
    package = importlib.import_module("sklearn_gru")
    folder = Path(package.__file__).parent
    assert "site-packages" in folder.parts, f"not the installed package: {folder}"
    print("sklearn-gru", package.__version__, "in", folder)
    print(import_all(), "public names")
    exec(compile(first_example(page), "README.md", "exec"), {"__name__": "__main__"})
    smoke()


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf-8"))
