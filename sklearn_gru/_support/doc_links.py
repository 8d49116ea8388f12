"""Link from the HTML representation of an estimator to its documentation."""

from __future__ import annotations

import sklearn_gru


def version_of_pages() -> str:
    """Return the pages to link to: of this release, or the latest while developing."""
    release = sklearn_gru.__version__
    return "latest" if "dev" in release else f"v{release}"


class DocumentationLink:
    """The link that scikit-learn shows beside the name of an estimator."""

    _doc_module = ""  # and a dot, of a class that is in a public submodule
    _doc_link_module = "sklearn_gru"
    _doc_link_template = (
        "https://sklearn-gru.readthedocs.io/en/{version}/generated/"
        "sklearn_gru.{estimator}.html"
    )

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        estimator = self._doc_module + type(self).__name__
        return {"version": version_of_pages(), "estimator": estimator}
