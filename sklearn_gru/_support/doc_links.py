"""Link from the HTML representation of an estimator to its documentation."""

from __future__ import annotations

import sklearn_gru


class DocumentationLink:
    """The link that scikit-learn shows beside the name of an estimator.

    Development versions link to the latest pages, and releases to their own.
    """

    _doc_module = ""  # and a dot, of a class that is in a public submodule
    _doc_link_module = "sklearn_gru"
    _doc_link_template = (
        "https://sklearn-gru.readthedocs.io/en/{version}/generated/"
        "sklearn_gru.{estimator}.html"
    )

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        release = sklearn_gru.__version__
        version = "latest" if "dev" in release else f"v{release}"
        return {"version": version, "estimator": self._doc_module + type(self).__name__}
