"""The pooled state of a network as features: the public transformer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._encoding.all_ranks import of_all_ranks
from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._engines.training import headless, outputs
from sklearn_gru._estimators.classifier import GRUClassifier
from sklearn_gru._estimators.newest_steps import Context, NewestSteps, numeric_channels
from sklearn_gru._estimators.regressor import GRURegressor
from sklearn_gru._support.estimator import Estimator
from sklearn_gru._support.rules import (
    Boolean,
    OneOf,
    Rule,
    Satisfies,
    check_parameters,
)
from sklearn_gru.exceptions import InputError, InvalidParameterError

__all__ = ["SequenceEmbedding"]


class SequenceEmbedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Transformation of sequences into the pooled state of a network.

    Each sequence becomes one row of fixed length: what the head of the network reads.
    Nearest neighbors, clustering, isolation forests and gradient boosting can use it.

    Parameters
    ----------
    estimator : GRURegressor or GRUClassifier, default=None
        Estimator whose network is used; fit fits a clone of it to y. With None, a
        ``GRURegressor(64, pooling="mean_max", normalization=None, linear_share=0,
        max_iter=10)`` learns to forecast the newest step of each sequence from the
        steps before it, which needs no y [1]_.
    prefit : bool, default=False
        Use the fitted `estimator` as it is. fit then only checks X.
    random_state : int, RandomState or None, default=None
        Seed of the default estimator. An `estimator` keeps its own.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    n_features_in_ : int
        Number of columns of a 2-D X; number of features per step otherwise.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Set only if X has feature names.

    See Also
    --------
    GRUOutlierDetector : The same forecaster, for its errors instead of its state.

    Notes
    -----
    A sequence without any observed step is embedded as zeros. Of several networks
    (`n_estimators`), the first is used: units of two have nothing in common. If labels
    are plenty, an estimator fitted to them is at least as good as its states with a
    second model.

    References
    ----------
    .. [1] Srivastava, Mansimov & Salakhutdinov (2015). Unsupervised Learning of Video
       Representations using LSTMs. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import SequenceEmbedding
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(30)
    >>> speed = rng.choice([0.3, 0.6], size=200)
    >>> X = np.sin(speed[:, None] * t + rng.uniform(0, 6, size=(200, 1)))
    >>> embedding = SequenceEmbedding(random_state=0).fit(X[:, :, None])
    >>> embedding.transform(X[:, :, None]).shape
    (200, 128)
    >>> model = make_pipeline(embedding, KNeighborsClassifier())
    >>> y = (speed > 0.5).astype(int)
    >>> model.fit(X[:20, :, None], y[:20]).score(X[20:, :, None], y[20:]) > 0.95
    True
    """

    _parameter_rules: ClassVar[dict[str, list[Rule]]] = {
        "estimator": [
            OneOf((None,)),
            Satisfies(
                lambda v: isinstance(v, (GRURegressor, GRUClassifier)),
                "a GRURegressor or GRUClassifier",
            ),
        ],
        "prefit": [Boolean()],
    }

    def __init__(self, estimator=None, *, prefit=False, random_state=None):
        self.estimator = estimator
        self.prefit = prefit
        self.random_state = random_state

    @of_all_ranks
    def fit(self, X, y=None):
        """Fit the estimator, or learn to forecast the newest steps.

        Parameters
        ----------
        X : Sequences, list of arrays or DataFrames, or array-like
            Sequences, as for :class:`~sklearn_gru.GRURegressor`.
        y : array-like of shape (n,) or (n, n_outputs), default=None
            Target of `estimator`; ignored without one.

        Returns
        -------
        self : SequenceEmbedding
            The fitted transformer.

        Raises
        ------
        InputError
            If there is no estimator and no sequence has two observed steps.
        InvalidParameterError
            If a parameter is not allowed, or `prefit` needs an estimator.
        """
        check_parameters(self, self._parameter_rules)
        self.estimator_, schema = self._fit_estimator(X, y)
        self._own_schema = schema  # the forecaster reads sequences, also of a 2-D X
        if schema is None:
            schema = self.estimator_._fitted.encoder.schema
        self._net = headless(self.estimator_.net_)
        self.n_features_in_ = schema.n_features
        if schema.feature_names is not None:
            self.feature_names_in_ = schema.feature_names
        return self

    def transform(self, X):
        """Return the pooled state of each sequence.

        Parameters
        ----------
        X : like X of fit
            Sequences.

        Returns
        -------
        states : ndarray of shape (n, n_pooled)
            What the head of the network reads: ``hidden_size`` values for each
            direction, twice as many with ``pooling="mean_max"``, and the filters of a
            convolution branch.
        """
        check_is_fitted(self)
        fitted = self.estimator_._fitted
        if self._own_schema is not None:
            X = self._own_schema.check(X)
        found, chosen, observed = fitted.run(
            X, lambda encoded, threads: [outputs(self._net, encoded, threads)]
        )
        states = np.zeros((len(observed), self._n_features_out), chosen.dtype)
        if found:
            states[observed] = found[0]
        return states

    @property
    def _n_features_out(self) -> int:
        return self._net.module_.spec.n_outputs

    def __getstate__(self):  # the net without a head is a part of the estimator's
        return {k: v for k, v in super().__getstate__().items() if k != "_net"}

    def __setstate__(self, state):
        super().__setstate__(state)
        if "estimator_" in state:
            self._net = headless(self.estimator_.net_)

    def _fit_estimator(self, X: Any, y: Any) -> tuple[Any, InputSchema | None]:
        if self.prefit:
            if self.estimator is None:
                raise InvalidParameterError(
                    "prefit=True uses a fitted estimator, but estimator=None. Pass "
                    "SequenceEmbedding(estimator, prefit=True)."
                )
            check_is_fitted(self.estimator)
            self.estimator._fitted.encoder.read(X)
            return self.estimator, None
        if self.estimator is not None:
            own = clone(self.estimator)
            if getattr(own, "n_estimators", 1) == "auto":  # only the first is looked at
                own.set_params(n_estimators=1)
            return own.fit(X, y), None
        schema, sequences = InputSchema(type(self).__name__).learn(X)
        return self._fit_forecaster(sequences), schema

    def _fit_forecaster(self, sequences: Sequences) -> GRURegressor:
        n_steps = sequences.shape[1]
        if n_steps < 2:
            raise InputError(
                f"The sequences have {n_steps} step(s) (n_features={n_steps} of a 2-D "
                "X), but without an estimator the newest step is learned from the "
                "steps before it. Use longer sequences, or pass an estimator and y."
            )
        steps = NewestSteps.of(sequences, Context(n_steps))
        before, target, _ = steps.to_learn(numeric_channels(sequences))
        if len(before) < 2:
            raise InputError(
                f"Found {len(before)} sample(s) with two observed steps, but at least "
                "2 are needed to learn a forecast from."
            )
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        forecaster = GRURegressor(
            64,
            pooling="mean_max",
            normalization=None,
            linear_share=0,
            max_iter=10,
            random_state=seed,
        )
        return forecaster.fit(before, target)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if self.estimator is not None:
            tags.target_tags.required = not self.prefit
        return tags
