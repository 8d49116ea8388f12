"""The public classifier."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin

from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.targets import TrainingData, check_class_target
from sklearn_gru._engines.members import can_be_copied
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.class_labels import ClassesMixin
from sklearn_gru._estimators.hidden_states import HiddenStatesMixin
from sklearn_gru._estimators.last_epochs import LEAST_EPOCHS
from sklearn_gru._estimators.parameters import with_parameters
from sklearn_gru._estimators.search_ranges import CLASSIFIER_RANGES
from sklearn_gru._model.tasks import class_codes

__all__ = ["GRUClassifier"]

# Below so many sequences, which take a second or two, networks of different seeds often
# disagree, and their mean is better than each of them.
_FEW = 200
_COMMITTEE = 3


@with_parameters
class GRUClassifier(ClassesMixin, ClassifierMixin, HiddenStatesMixin, BaseGRU):
    """Classification of sequences with a gated recurrent unit network.

    X is standardized inside. Sequences may differ in length and contain missing values.
    The final weights are kept, or the best ones with early stopping.

    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_features_in_ : int
        Number of columns of a 2-D X; number of features per step otherwise.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Set only if X has feature names.
    is_categorical_ : ndarray of shape (n_features,) or None
        Mask of the categorical features; None if there are none.
    categories_ : tuple of length n_features
        Array of categories of each feature; None for a numeric feature.
    n_outputs_ : int
        Number of outputs of the network, one per class.
    normalization_ : str or None
        Normalization in use: `normalization`, None for "auto".
    segment_length_ : int
        Number of time steps read at a time.
    linear_share_ : float
        Share of ridge regression in the outputs; 0 without one.
    n_iter_ : int
        Number of epochs trained; the largest of several networks.
    loss_curve_ : list of float
        Mean training loss of each epoch.
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
    GRURegressor : The same network for real-valued targets.
    to_sequences : Make one sequence per group from a long frame.

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
    .. [13] Lai et al. (2018). Modeling Long- and Short-Term Temporal Patterns with Deep
       Neural Networks. SIGIR.
    .. [14] Guo et al. (2017). On Calibration of Modern Neural Networks. ICML.
    .. [15] Breiman (1996). Stacked Regressions. Machine Learning 24(1).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRUClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 15), 2)) for _ in range(120)]
    >>> y = ["up" if x[:, 0].sum() > 0 else "down" for x in X]
    >>> model = GRUClassifier(random_state=0).fit(X[:90], y[:90])
    >>> model.score(X[90:], y[90:]) > 0.8
    True
    >>> model.classes_
    array(['down', 'up'], dtype='<U4')

    Words can be categories, and texts are sequences that differ in length:

    >>> words = [["so", "good"], ["so", "bad"], ["bad"], ["good", "day"]] * 5
    >>> model = GRUClassifier(8, categorical_features=[0], random_state=0)
    >>> model.fit(words, [1, 0, 0, 1] * 5).predict([["good", "news"]])
    array([1])
    """

    _search_ranges: ClassVar[dict[str, Any]] = CLASSIFIER_RANGES

    def __init__(
        self,
        hidden_size=64,
        num_layers=1,
        *,
        cell="gru",
        bidirectional=True,
        pooling="max",
        dropout=0.0,
        n_estimators="auto",
        conv_filters=None,
        segment_length="auto",
        normalization=None,
        add_differences=True,
        linear_share="auto",
        features_per_step=1,
        categorical_features="from_dtype",
        learning_rate=0.01,
        weight_decay=1e-4,
        batch_size="auto",
        max_iter=100,
        clip_norm=1.0,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=1e-4,
        standardize=True,
        class_weight=None,
        label_smoothing=0.0,
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
        self.add_differences = add_differences
        self.linear_share = linear_share
        self.features_per_step = features_per_step
        self.categorical_features = categorical_features
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.device = device
        self.dtype = dtype
        self.callbacks = callbacks

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one pass over X, at a constant learning rate.

        Parameters
        ----------
        X : like X of fit
            Sequences.
        y : array-like of shape (n,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur. Needed only in the first call, and only if
            y does not contain all of them there.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sequence.

        Returns
        -------
        self : GRUClassifier
            The estimator. Standardization, dtype and classes stay as in the first call.
        """
        return self._partial_fit_classes(X, y, classes, sample_weight)

    def predict(self, X):
        """Predict the class of each sequence.

        Parameters
        ----------
        X : like X of fit
            Sequences. A 3-D array, a list and Sequences are interchangeable.

        Returns
        -------
        y : ndarray of shape (n,)
            Most probable class.
        """
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(axis=1)]

    def predict_proba(self, X):
        """Predict the probability of each class for each sequence.

        Parameters
        ----------
        X : like X of fit
            Sequences.

        Returns
        -------
        p : ndarray of shape (n, n_classes)
            Probabilities, in the order of ``classes_``. A sequence without any observed
            step gets the frequencies of the classes, weighted as in the loss.
        """
        return self._prediction(X).values

    def predict_log_proba(self, X):
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : like X of fit
            Sequences.

        Returns
        -------
        log_p : ndarray of shape (n, n_classes)
            Log-probabilities, in the order of ``classes_``.
        """
        p = self.predict_proba(X)
        return np.log(np.maximum(p, np.finfo(p.dtype).tiny))

    def _auto_networks(self, n_given: int, epochs: int) -> int:
        is_few = n_given < _FEW and epochs >= LEAST_EPOCHS and not self.warm_start
        return _COMMITTEE if is_few and can_be_copied(self.callbacks) else 1

    # -- the target -------------------------------------------------------------------

    def _check_y(self, y: Any) -> np.ndarray:
        return check_class_target(y)

    def _strata(self, labels: Any, y: np.ndarray) -> np.ndarray | None:
        return class_codes(y, labels)

    def _choose_levels(
        self, schema: InputSchema, data: TrainingData
    ) -> tuple[str | None, int | None]:
        return None if self.normalization == "auto" else self.normalization, None
