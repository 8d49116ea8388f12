"""Models saved by earlier versions, kept as files: they load and answer as they did.

If a test fails after a change of fitted attributes, either keep reading the old ones, or
raise `LAYOUT` in `sklearn_gru/_support/saved.py`: then these files have to be refused
with the message of `VersionError`, and the change note says that models must be fitted
again.
"""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.fixes import parse_version

import sklearn_gru
from sklearn_gru import GRURegressor
from sklearn_gru._support import saved
from sklearn_gru.exceptions import VersionError
from sklearn_gru.export import load_portable
from tests.saved_models import CASES, FOLDER, answers, interface, make_sequences

VERSIONS = sorted(path.name for path in FOLDER.iterdir())


def about(version):
    """What is written down of a version."""
    return json.loads((FOLDER / version / "about.json").read_text(encoding="utf-8"))


def loaded(path, version):
    """The model of a file; scikit-learn promises nothing to versions before its own."""
    written = about(version)["versions"]["sklearn"]
    if parse_version(sklearn.__version__) < parse_version(written):
        pytest.skip(f"written with scikit-learn {written}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return pickle.loads(path.read_bytes())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_models_of_earlier_versions_answer_alike(version, make):
    """A pickle gives the answers that it gave when it was written."""
    name = make.__name__
    model = loaded(FOLDER / version / f"{name}.pickle", version)
    _, _, method, X = make()
    then = np.load(FOLDER / version / f"{name}.npy")
    now = answers(model, method, X)
    if then.dtype.kind == "U":
        assert now.tolist() == then.tolist()
    else:
        np.testing.assert_allclose(now, then, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_portable_models_of_earlier_versions_answer_alike(version):
    """The file needs neither scikit-learn nor PyTorch."""
    model = load_portable(FOLDER / version / "classifier.gru")
    then = np.load(FOLDER / version / "portable.npy")
    now = model.predict_proba(make_sequences())
    np.testing.assert_allclose(now, then, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_interface_of_earlier_versions_is_there(version):
    """No public name and no parameter of an earlier version is missing.

    One that was deprecated for a minor version may go: take it out of about.json.
    """
    now = interface()
    for name, then in about(version)["interface"].items():
        assert name in now, f"{name} of {version} is gone"
        missing = [parameter for parameter in then if parameter not in now[name]]
        assert missing == [], f"parameters of {name} in {version}"


def test_the_version_before_is_kept():
    """Files of the last release are there, or of the one that is about to be."""
    release = sklearn_gru.__version__.partition(".dev")[0]
    assert release in VERSIONS or parse_version(VERSIONS[-1]) < parse_version(release)


def test_a_pickle_of_an_unknown_layout_says_who_can_read_it(monkeypatch):
    """Before anything in it is looked for: the version, and what to do."""
    model = GRURegressor(4)
    with monkeypatch.context() as later:
        later.setattr(saved, "LAYOUT", 7)
        later.setattr(sklearn_gru, "__version__", "3.1.0")
        later.setattr(model, "learned", Unknown(), raising=False)
        content = pickle.dumps(model)
    with pytest.raises(VersionError, match=r"saved by sklearn-gru 3\.1\.0") as error:
        pickle.loads(content)
    assert 'pip install "sklearn-gru==3.1.0"' in str(error.value)
    assert "layout 7; known: 1" in str(error.value)
    with pytest.raises(AssertionError, match="looked at"):
        pickle.loads(pickle.dumps(Unknown()))


class Unknown:
    """Something that a reader of today does not know."""

    def __reduce__(self):
        return fail, ()


def fail():
    """Fail, as a class that is not there."""
    raise AssertionError("looked at")


def test_a_pickle_says_its_version_first():
    """Also copies and subclasses go through `restore`."""
    model = Mine(4, random_state=3)
    restore, written, _ = model.__reduce__()
    assert restore is saved.restore
    assert written == (Mine, sklearn_gru.__version__, saved.LAYOUT)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(again) is Mine
        assert again.get_params() == model.get_params()


class Mine(GRURegressor):
    """A subclass of a user."""
