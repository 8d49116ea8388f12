"""Base class of all estimators and transformers of this package."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

from sklearn.base import BaseEstimator

import sklearn_gru
from sklearn_gru._support.saved import Saved


def version_of_pages() -> str:
    """Return the pages to link to: of this release, or the latest while developing."""
    release = sklearn_gru.__version__
    return "latest" if "dev" in release else f"v{release}"


class Estimator(Saved, BaseEstimator):
    """Base class with pickles that name their version, and a link to the pages.

    scikit-learn shows the link beside the name of an estimator.
    """

    _doc_module = ""  # and a dot, of a class that is in a public submodule
    _doc_link_module = "sklearn_gru"
    _doc_link_template = (
        "https://sklearn-gru.readthedocs.io/en/{version}/generated/"
        "sklearn_gru.{estimator}.html"
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the signature, which `clone` and `get_params` ask for in each call.

        `inspect.signature` takes a fifth of the time for a function that has one.
        """
        super().__init_subclass__(**kwargs)
        own: Any = vars(cls).get("__init__")
        if inspect.isfunction(own):
            # Annotations may name the class itself, which does not exist yet.
            with contextlib.suppress(NameError):
                vars(own).update(__signature__=inspect.signature(own))

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        estimator = self._doc_module + type(self).__name__
        return {"version": version_of_pages(), "estimator": estimator}
