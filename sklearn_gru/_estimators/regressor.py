"""The public regressor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin

from sklearn_gru._encoding.automatic_levels import (
    choose_normalization,
    continued_channel,
    sizes_are_apart,
)
from sklearn_gru._encoding.encoder import Encoder
from sklearn_gru._encoding.normalizations import Continuation
from sklearn_gru._encoding.schema import InputSchema, find_channel
from sklearn_gru._encoding.targets import (
    TrainingData,
    check_regression_target,
    warn_rounding,
)
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.fitted import Fitted, relative_target
from sklearn_gru._estimators.hidden_states import HiddenStatesMixin
from sklearn_gru._estimators.intervals import IntervalsMixin
from sklearn_gru._estimators.last_epochs import is_usual
from sklearn_gru._estimators.parameters import with_parameters
from sklearn_gru._estimators.search_ranges import REGRESSOR_RANGES
from sklearn_gru._model.losses import LossName, find_loss
from sklearn_gru._model.tasks import (
    PoissonRegression,
    QuantileRegression,
    Regression,
)
from sklearn_gru.exceptions import InvalidParameterError

__all__ = ["GRURegressor"]

_MOST_ZEROS = 0.25  # share of y that a median forgives


@with_parameters
class GRURegressor(IntervalsMixin, RegressorMixin, HiddenStatesMixin, BaseGRU):
    """Regression from sequences with a gated recurrent unit network.

    X and y are standardized inside. Sequences may differ in length and contain missing
    values. The final weights are kept, or the best ones with early stopping.

    {parameters}

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of a 2-D X; number of features per step otherwise.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Set only if X has feature names.
    is_categorical_ : ndarray of shape (n_features,) or None
        Mask of the categorical features; None if there are none.
    categories_ : tuple of length n_features
        Array of categories of each feature; None for a numeric feature.
    n_outputs_ : int
        Number of outputs.
    normalization_ : str or None
        Normalization of each sequence, also if ``normalization="auto"`` chose it.
    segment_length_ : int
        Number of time steps read at a time.
    linear_share_ : float
        1 minus the weight of the network. The rest is that of ridge regression, which
        may be drawn toward the mean of y, even to it (see `linear_share`).
    target_feature_ : str, int or None
        Feature that y continues, by name if the features have names.
    loss_ : str or callable
        Loss that training minimized, also if ``loss="auto"`` chose it.
    n_iter_ : int
        Number of epochs trained, at most `max_iter`; the largest of several networks.
    loss_curve_ : list of float
        Mean training loss of each epoch, on the standardized target.
    validation_scores_ : list of float
        Negative validation loss of each epoch (higher is better). Set only if there was
        validation data.
    best_iteration_ : int
        Epoch whose weights were kept, counted from 1. Set only with early stopping.
    net_ : skorch.NeuralNet
        The skorch net, with its ``history``. Of several networks (`n_estimators`) this
        is the first, as in `module_`, `loss_curve_`, `validation_scores_` and
        `best_iteration_`.
    nets_ : tuple of skorch.NeuralNet
        All skorch nets.
    module_ : torch.nn.Module
        The network itself.
    modules_ : tuple of torch.nn.Module
        All networks.
    n_parameters_ : int
        Number of parameters of all networks.
    engine_ : {"numba", "numba+autograd", "torch"}
        Engine that trained the network: "numba" runs whole optimizer steps in compiled
        code, "numba+autograd" compiles only the recurrent layers and leaves the rest to
        PyTorch's autograd, and "torch" is PyTorch alone. ``net_.declined`` holds the
        reasons why a compiled engine was not used.
    fit_time_ : float
        Duration of fit in seconds, including the time to compile the kernels, if any.
        ``warm_start`` and `partial_fit` add their own duration.

    See Also
    --------
    GRUClassifier : The same network for classes.
    SlidingWindow : Turn each row into the sequence of rows that leads to it.

    References
    ----------
    .. [1] Cho et al. (2014). Learning Phrase Representations using RNN Encoder-Decoder
       for Statistical Machine Translation. EMNLP.
    .. [2] Yang et al. (2016). Hierarchical Attention Networks for Document
       Classification. NAACL.
    .. [3] Loshchilov & Hutter (2019). Decoupled Weight Decay Regularization. ICLR.
    .. [4] Pascanu, Mikolov & Bengio (2013). On the difficulty of training recurrent
       neural networks. ICML.
    .. [5] Elsayed, Maida & Bayoumi (2018). Deep Gated Recurrent and Convolutional
       Network Hybrid Model for Univariate Time Series Classification.
       arXiv:1812.07683.
    .. [6] Lin et al. (2023). SegRNN: Segment Recurrent Neural Network for Long-Term
       Time Series Forecasting. arXiv:2308.11200.
    .. [7] Zeng et al. (2023). Are Transformers Effective for Time Series Forecasting?
       AAAI.
    .. [8] Kim et al. (2022). Reversible Instance Normalization for Accurate Time-Series
       Forecasting against Distribution Shift. ICLR.
    .. [9] Guo & Berkhahn (2016). Entity Embeddings of Categorical Variables.
       arXiv:1604.06737.
    .. [10] Górecki & Łuczak (2013). Using derivatives in time series classification.
       Data Mining and Knowledge Discovery 26(2).
    .. [11] Koenker & Bassett (1978). Regression Quantiles. Econometrica 46(1).
    .. [12] McCullagh & Nelder (1989). Generalized Linear Models, chapter 6. Chapman &
       Hall.
    .. [13] Lai et al. (2018). Modeling Long- and Short-Term Temporal Patterns with Deep
       Neural Networks. SIGIR.
    .. [14] Guo et al. (2017). On Calibration of Modern Neural Networks. ICML.
    .. [15] Breiman (1996). Stacked Regressions. Machine Learning 24(1).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 10, 2))         # 200 sequences, 10 steps, 2 features
    >>> y = X[:, :, 0].sum(axis=1)
    >>> model = GRURegressor(random_state=0).fit(X[:150], y[:150])
    >>> model.score(X[150:], y[150:]) > 0.8
    True

    Sequences may differ in length; NaN marks a missing value:

    >>> ragged = [x[: 3 + i % 7] for i, x in enumerate(X)]
    >>> GRURegressor(max_iter=2).fit(ragged, y).predict(ragged[:3]).shape
    (3,)

    A series with a trend reaches values that were not in the training data. Predict it
    relative to the last value of each window:

    >>> t = np.arange(300)
    >>> series = 0.1 * t + np.sin(t / 3) + 0.1 * rng.normal(size=300)
    >>> X = np.lib.stride_tricks.sliding_window_view(series, 12)[:-1, :, None]
    >>> model = GRURegressor(
    ...     normalization="last", target_feature=0, max_iter=5, random_state=0
    ... )
    >>> model.fit(X[:150], series[12:162]).score(X[200:], series[212:]) > 0.9
    True

    Predict quantiles, and an interval that covers 80 %:

    >>> model = GRURegressor(
    ...     loss="quantile", quantile=(0.1, 0.5, 0.9), early_stopping=True, max_iter=5,
    ...     normalization="last", target_feature=0,
    ... )
    >>> model.fit(X[:150], series[12:162]).predict_quantiles(X[200:]).shape
    (88, 3)
    >>> model.predict_interval(X[200:], coverage=0.8).shape
    (88, 2)
    >>> model.predict(X[200:], coverage=0.8).shape  # lower end, prediction, upper end
    (88, 3)
    """

    # With metadata routing, the arguments of predict pass through without a request.
    __metadata_request__predict: ClassVar[dict] = {"coverage": True, "quantiles": True}
    _search_ranges: ClassVar[dict[str, Any]] = REGRESSOR_RANGES
    # A fit of fewer takes seconds, and forecasts are better step by step.
    _least_to_read: ClassVar[int] = 10_000_000

    def __init__(
        self,
        hidden_size=64,
        num_layers=1,
        *,
        cell="gru",
        bidirectional=False,
        pooling="last",
        dropout=0.0,
        n_estimators=1,
        conv_filters=None,
        segment_length="auto",
        normalization="auto",
        target_feature="auto",
        add_differences=False,
        linear_share="auto",
        features_per_step=1,
        categorical_features="from_dtype",
        loss="auto",
        quantile=None,
        learning_rate=0.01,
        weight_decay=1e-4,
        batch_size="auto",
        max_iter=50,
        clip_norm=1.0,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=1e-4,
        standardize=True,
        warm_start=False,
        random_state=None,
        verbose=0,
        device="auto",
        dtype="auto",
        callbacks=None,
    ):
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.cell = cell
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.dropout = dropout
        self.n_estimators = n_estimators
        self.conv_filters = conv_filters
        self.segment_length = segment_length
        self.normalization = normalization
        self.target_feature = target_feature
        self.add_differences = add_differences
        self.linear_share = linear_share
        self.features_per_step = features_per_step
        self.categorical_features = categorical_features
        self.loss = loss
        self.quantile = quantile
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.clip_norm = clip_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.standardize = standardize
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.device = device
        self.dtype = dtype
        self.callbacks = callbacks

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one pass over X, at a constant learning rate.

        Parameters
        ----------
        X : like X of fit
            Sequences.
        y : array-like of shape (n,) or (n, n_outputs)
            Target.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sequence.

        Returns
        -------
        self : GRURegressor
            The estimator. Standardization, dtype and the shape of y stay as in the
            first call.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X, *, coverage=None, quantiles=False):
        """Predict the target of each sequence.

        `coverage` and `quantiles` add columns to the predictions. A Pipeline and a
        TransformedTargetRegressor pass them on, which they cannot do with
        `predict_interval` and `predict_quantiles`.

        Parameters
        ----------
        X : like X of fit
            Sequences. A 3-D array, a list and Sequences are interchangeable.
        coverage : float, default=None
            Also return the interval that y falls into with this probability, as in
            `predict_interval`. None returns the predictions alone.
        quantiles : bool, default=False
            Return the quantiles instead, as in `predict_quantiles`.

        Returns
        -------
        y : ndarray of shape (n,) or (n, n_outputs)
            Predictions, in the shape and on the scale of y in fit. With
            ``loss="quantile"``, the quantile nearest to 0.5. A sequence without any
            observed step gets the mean of y, or that quantile of y. With `coverage`,
            an array of shape (n, 3) or (n, n_outputs, 3): lower end, prediction, upper
            end. With `quantiles`, one of shape (n, q) or (n, n_outputs, q).

        Raises
        ------
        InvalidParameterError
            `coverage` without a validation set in fit, `quantiles` of a model without
            quantiles, or both.

        Notes
        -----
        In a TransformedTargetRegressor, the columns are those of the transformed y. It
        maps them back with ``inverse_func`` or ``inverse_transform``, which is right
        for any elementwise increasing function (a logarithm, StandardScaler, a
        MinMaxScaler). Transformers that know the number of columns of y, such as
        PowerTransformer and QuantileTransformer, raise an error. For these, call
        `predict` of the ``regressor_`` and ``inverse_transform`` for each column.
        """
        if coverage is None and not quantiles:
            values, _ = self._prediction(X)
            task = self._fitted.task
            return task.shaped(task.point(values))
        return self._predict_several(X, coverage, quantiles)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        # The tag is about R2 on few noisy rows of a linear data set. Quantiles and
        # counts have no linear part, and few epochs are best for new rows of it.
        tags.regressor_tags.poor_score = self.loss in ("poisson", "quantile")
        return tags

    # -- the target -------------------------------------------------------------------

    def _check_y(self, y: Any) -> np.ndarray:
        return check_regression_target(y, type(self).__name__)

    def _check_params(self) -> None:
        super()._check_params()
        kind = self._kind_of_loss
        if kind == "quantiles":
            if self.quantile is None:
                raise InvalidParameterError(
                    f"loss={self.loss!r} needs quantile, which is None. Set one, such "
                    "as quantile=0.9, or several, such as quantile=(0.1, 0.5, 0.9)."
                )
            if self.warm_start and self.__sklearn_is_fitted__():
                self._check_same_quantiles()
        if kind == "counts" and self.target_feature not in (None, "auto"):
            raise InvalidParameterError(
                f"loss={self.loss!r} learns y that is never negative, but "
                f"target_feature={self.target_feature!r} makes it relative to the "
                "level of a sequence, which is negative for some. Set "
                "target_feature=None, or another loss."
            )
        if kind != "values" and self.linear_share not in (0, "auto"):
            raise InvalidParameterError(
                f"linear_share={self.linear_share!r} mixes in ridge regression, which "
                f"predicts the mean of y, but loss={self.loss!r} learns another "
                "quantity. Set linear_share=0, or loss='squared_error'."
            )
        if self.target_feature not in (None, "auto") and self.normalization is None:
            raise InvalidParameterError(
                f"target_feature={self.target_feature!r} names the channel whose level "
                "is added back to predictions, but normalization=None removes none. "
                "Set normalization='last' or 'standard', or target_feature=None."
            )

    def _makes_halves(self) -> bool:
        if self.early_stopping != "auto" or self._linear_share() == 1:
            return False  # with a share of 1, the network is not in the output
        return is_usual(self.callbacks, int(self.max_iter))

    def _has_last_epochs(self) -> bool:
        # Bands of quantiles get narrower in them than those that were measured.
        return self.loss != "quantile" and super()._has_last_epochs()

    def _linear_share(self) -> float | str:
        if self.linear_share == "auto" and self._kind_of_loss != "values":
            return 0.0
        return super()._linear_share()

    def _fitted_attributes(self, fitted: Fitted) -> dict[str, Any]:
        found = super()._fitted_attributes(fitted)
        continued = fitted.continuation
        schema = fitted.encoder.schema
        names = schema.feature_names if schema.ndim == 3 else None
        column = None if continued is None else continued.column
        name = column if column is None or names is None else names[column]
        return {**found, "target_feature_": name, "loss_": fitted.task.loss}

    def _check_same_spec(self, fitted: Fitted) -> None:
        learned = fitted.task.loss
        if not self._loss_is_open and self.loss != learned:
            raise InvalidParameterError(
                f"warm_start=True and partial_fit continue with loss={learned!r}, but "
                f"loss={self.loss!r}. Set loss={learned!r}, or fit with "
                "warm_start=False to start over."
            )
        super()._check_same_spec(fitted)

    def _check_same_quantiles(self) -> None:
        learned = getattr(self._fitted.task, "given", None)
        if learned is None or not np.array_equal(learned, np.ravel(self.quantile)):
            raise InvalidParameterError(
                f"warm_start=True continues a network whose outputs are the quantiles "
                f"{None if learned is None else learned.tolist()}, but quantile="
                f"{self.quantile!r}. Set warm_start=False to start over."
            )

    @property
    def _loss_is_open(self) -> bool:
        return isinstance(self.loss, str) and self.loss == "auto"

    @property
    def _kind_of_loss(self) -> str:
        """Kind of target of the loss; "auto" chooses among losses of values."""
        return "values" if self._loss_is_open else find_loss(self.loss).task

    def _chosen_loss(
        self, data: TrainingData, encoder: Encoder, continued: int | None
    ) -> LossName:
        """Return the loss; "auto" learns medians of series of very different size.

        In units of each sequence, a few quiet ones have errors of many deviations,
        which squares let rule. Of values that are often 0, a median says nothing.
        """
        if not self._loss_is_open:
            return self.loss
        if continued is None or self._normalization(encoder) != "standard":
            return "squared_error"
        zeros = (data.y == 0).reshape(len(data.y), -1).mean(axis=1)
        if np.average(zeros, weights=data.weights) > _MOST_ZEROS:
            return "squared_error"
        is_apart = sizes_are_apart(data.sequences, data.weights, continued)
        return "absolute_error" if is_apart else "squared_error"

    def _learn_task(
        self, y: np.ndarray, weights: np.ndarray | None, loss: LossName
    ) -> Regression:
        kind, standardize = self._kind_of_loss, self.standardize
        if kind == "counts":
            return PoissonRegression.of(y, weights, standardize=standardize, loss=loss)
        if kind == "quantiles":
            given = np.ravel(np.asarray(self.quantile, dtype=np.float64))
            return QuantileRegression.of(
                y, weights, given, standardize=standardize, loss=loss
            )
        return Regression.fit(y, weights, loss, standardize=standardize)

    def _choose_levels(
        self, schema: InputSchema, data: TrainingData
    ) -> tuple[str | None, int | None]:
        if self._kind_of_loss == "counts" and self.target_feature == "auto":
            column = None  # relative to a level, y would be negative for some
        else:
            column = self._continued_channel(schema, data)
        if self.normalization != "auto":
            return self.normalization, column
        if column is None:
            return None, None
        y = data.y.reshape(len(data.y), -1)
        return choose_normalization(data.sequences, y, data.weights, column), column

    def _continued_channel(self, schema: InputSchema, data: TrainingData) -> int | None:
        key, sequences = self.target_feature, data.sequences
        if key is None or self.normalization is None:
            return None
        n_channels = sequences.shape[2]
        is_categorical = schema.is_categorical
        if is_categorical is None:
            is_categorical = np.zeros(n_channels, dtype=bool)
        if key == "auto":
            y = data.y.reshape(len(data.y), -1)
            return continued_channel(sequences, y, np.flatnonzero(~is_categorical))
        column = find_channel(sequences, key, "target_feature")
        if is_categorical[column]:
            raise InvalidParameterError(
                f"target_feature={key!r} is categorical, but y can only continue a "
                "numeric feature. Name a numeric feature, or set target_feature=None."
            )
        return column

    def _make_task(
        self,
        labels: Any,
        data: TrainingData,
        encoder: Encoder,
        continued: int | None,
    ) -> tuple[Regression, Continuation | None]:
        warn_rounding(data.y, data.sequences.dtype)
        loss = self._chosen_loss(data, encoder, continued)
        plain = self._learn_task(data.y, data.weights, loss)
        if continued is None or encoder.normalizer is None:
            return plain, None
        continuation = Continuation.fit(
            encoder.normalizer, continued, data.sequences, data.weights
        )
        relative = self._learn_task(
            *relative_target(
                plain.prepare(data.y), data.weights, data.sequences, continuation
            ),
            loss,
        )
        task = replace(relative, without_input=plain.without_input, n_dims=plain.n_dims)
        return task, continuation
