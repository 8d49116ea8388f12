"""The public tagger: a label for every row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from sklearn_gru._encoding.labeled_rows import joined, labeled_rows
from sklearn_gru._encoding.layouts import Ragged
from sklearn_gru._encoding.targets import require_target
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.class_labels import ClassesMixin
from sklearn_gru._estimators.fitted import Fitted, Prediction
from sklearn_gru._estimators.fitted_rows import FittedRows
from sklearn_gru._estimators.hold_out import held_out, stops_early
from sklearn_gru._estimators.parameters import OF_ROWS, with_parameters
from sklearn_gru._estimators.search_ranges import TAGGER_RANGES
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._windows.recordings import RecordingReader
from sklearn_gru._windows.row_checks import check_same_rows

__all__ = ["GRUTagger"]

# Rows per optimizer step of batch_size="auto".
_ROWS_PER_STEP = 1024


@with_parameters(texts=OF_ROWS)
class GRUTagger(ClassesMixin, ClassifierMixin, BaseGRU):
    """Classification of every row of a recording with a gated recurrent unit network.

    X holds rows, y one label per row, and ``predict`` answers every row from the rows
    of the same recording: those before it, and those after it too with
    `bidirectional` [2]_. Groups and times are read as
    :class:`~sklearn_gru.SlidingWindow` reads them, but the network reads a recording
    once, not one window per row.

    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_features_in_ : int
        Number of columns of a table, keys included; number of features of a list.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Set only if X has names.
    is_categorical_ : ndarray of shape (n_features,) or None
        Mask of the categorical features; None if there are none.
    categories_ : tuple of length n_features
        Array of categories of each feature; None for a numeric feature.
    n_outputs_ : int
        Number of outputs of the network, one per class.
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
    engine_ : {"numba+autograd", "torch"}
        Engine that trained the network: "numba+autograd" compiles the recurrent layers
        and leaves the rest to PyTorch's autograd, "torch" is PyTorch alone.
        ``net_.declined`` holds the reasons.
    fit_time_ : float
        Duration of fit in seconds, including the time to compile the kernels, if any.
        ``warm_start`` and `partial_fit` add their own duration.

    Raises
    ------
    InputError
        Labels or weights that do not match the rows, or no row to learn from.
    TimeIndexError
        Times or groups are missing, or different rows have the same group and time.

    See Also
    --------
    GRUClassifier : One label per sequence; behind a SlidingWindow, one per row.
    sklearn_gru.live.Stream : Answers of a causal tagger to rows as they arrive.

    Notes
    -----
    Rows may be in any order if they carry a time. A row whose label is missing (NaN,
    None) or whose weight is 0 is not learned from, but the rows around it read it. A
    row without any value is neither learned from nor read: it has the answer of the
    latest row before it, else (with `bidirectional`) of the next one, else the class
    frequencies. How much time passes between two rows is not seen; make it a feature.

    In training, a state is carried through at most as many pieces (`chunk_length`) as
    an epoch has optimizer steps, so a smaller `batch_size` carries it further. The
    backward direction begins at the end of each piece.

    References
    ----------
    .. [1] Cho et al. (2014). Learning Phrase Representations using RNN Encoder-Decoder
       for Statistical Machine Translation. EMNLP.
    .. [2] Graves & Schmidhuber (2005). Framewise Phoneme Classification with
       Bidirectional LSTM and Other Neural Network Architectures. Neural Networks 18.
    .. [3] Loshchilov & Hutter (2019). Decoupled Weight Decay Regularization. ICLR.
    .. [4] Pascanu, Mikolov & Bengio (2013). On the difficulty of training recurrent
       neural networks. ICML.
    .. [5] Guo & Berkhahn (2016). Entity Embeddings of Categorical Variables.
       arXiv:1604.06737.
    .. [6] Williams & Peng (1990). An Efficient Gradient-Based Algorithm for On-Line
       Training of Recurrent Network Trajectories. Neural Computation 2(4).
    .. [7] Gal & Ghahramani (2016). A Theoretically Grounded Application of Dropout in
       Recurrent Neural Networks. NeurIPS.

    Examples
    --------
    The sign of a running sum, in recordings of 50 rows:

    >>> import numpy as np
    >>> from sklearn_gru import GRUTagger
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(50, 1)) for _ in range(40)]
    >>> y = [np.where(x[:, 0].cumsum() > 0, "up", "down") for x in X]
    >>> model = GRUTagger(16, bidirectional=False, max_iter=30, random_state=0)
    >>> model.fit(X[:30], y[:30]).score(X[30:], y[30:]) > 0.9
    True
    >>> [labels.shape for labels in model.predict(X[30:32])]
    [(50,), (50,)]

    The same rows in a frame, in any order:

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": np.concatenate(X)[:, 0]})
    >>> frame["recording"] = np.repeat(np.arange(40), 50)
    >>> labels = pd.Series(np.concatenate(y)).sample(frac=1, random_state=0)
    >>> model.set_params(groups="recording")
    GRUTagger(bidirectional=False, groups='recording', hidden_size=16, max_iter=30,
              random_state=0)
    >>> model.fit(frame.loc[labels.index], labels).predict(frame).shape
    (2000,)
    """

    _search_ranges: ClassVar[dict[str, Any]] = TAGGER_RANGES

    def __init__(
        self,
        hidden_size=64,
        num_layers=1,
        *,
        groups=None,
        time=None,
        cell="gru",
        bidirectional=True,
        chunk_length=256,
        dropout=0.0,
        n_estimators=1,
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
        self.groups = groups
        self.time = time
        self.cell = cell
        self.bidirectional = bidirectional
        self.chunk_length = chunk_length
        self.dropout = dropout
        self.n_estimators = n_estimators
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

    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the network to labeled rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), or list of arrays
            Rows, with the columns named by `groups` and `time`; without any, all rows
            are one recording in order. A list holds recordings, arrays or frames of
            shape (n_steps, n_features). NaN marks a missing value.
        y : array-like of shape (n_rows,), or list of arrays of shape (n_steps,)
            Labels. A row without one (NaN, None) is not learned from.
        sample_weight : array-like of shape (n_rows,), or list, default=None
            Weight of each row in the loss. A row of weight 0 is still read.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            Validation data for early stopping. If given, no part of X is held out.

        Returns
        -------
        self : GRUTagger
            Fitted estimator.
        """
        return super().fit(
            X,
            y,
            sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one pass over X, at a constant learning rate.

        Parameters
        ----------
        X : like X of fit
            Rows.
        y : like y of fit
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur. Needed only in the first call, and only if
            y does not contain all of them there.
        sample_weight : like sample_weight of fit, default=None
            Weight of each row.

        Returns
        -------
        self : GRUTagger
            The estimator. Standardization, dtype and classes stay as in the first call.
        """
        return self._partial_fit_classes(X, y, classes, sample_weight)

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : like X of fit
            Rows in any order, or a list of recordings.

        Returns
        -------
        y : ndarray of shape (n_rows,), or list of ndarrays of shape (n_steps,)
            Most probable class of each row, in the order of the rows of X.
        """
        values = self._prediction(X).values
        return _in_form_of(X, self.classes_[values.argmax(axis=1)])

    def predict_proba(self, X):
        """Predict the probability of each class for each row.

        Parameters
        ----------
        X : like X of fit
            Rows in any order, or a list of recordings.

        Returns
        -------
        p : ndarray of shape (n_rows, n_classes), or list of (n_steps, n_classes)
            Probabilities, in the order of ``classes_``.
        """
        return _in_form_of(X, self._prediction(X).values)

    def predict_log_proba(self, X):
        """Predict the logarithm of the probability of each class for each row.

        Parameters
        ----------
        X : like X of fit
            Rows in any order, or a list of recordings.

        Returns
        -------
        log_p : ndarray of shape (n_rows, n_classes), or list of (n_steps, n_classes)
            Log-probabilities, in the order of ``classes_``.
        """
        p = self._prediction(X).values
        return _in_form_of(X, np.log(np.maximum(p, np.finfo(p.dtype).tiny)))

    def score(self, X, y, sample_weight=None):
        """Return the share of rows whose class is predicted.

        Parameters
        ----------
        X : like X of fit
            Rows, or a list of recordings.
        y : like y of fit
            Labels of all rows.
        sample_weight : like sample_weight of fit, default=None
            Weight of each row.

        Returns
        -------
        score : float
            Accuracy.
        """
        sizes = _sizes(X)
        found = self.predict(X)
        if sizes is not None:
            found = np.concatenate(found)
        return accuracy_score(
            joined(y, sizes, "y"),
            found,
            sample_weight=joined(sample_weight, sizes, "sample_weight"),
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = False
        return tags

    # -- the steps of a fit -----------------------------------------------------------

    def _schema(self, before: Fitted | None) -> Any:
        if before is not None:
            assert isinstance(before, FittedRows)
            return before.reader
        return RecordingReader(
            type(self).__name__, self.groups, self.time, self.categorical_features
        )

    def _read(self, schema: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        require_target(y, schema.owner)
        reader, (sequences, place, sizes) = schema.read(X)
        check_same_rows(X, y)
        data = labeled_rows(sequences, place, sizes, y, sample_weight)
        return data.without_gaps().checked("X"), reader

    def _hold_out(
        self,
        schema: Any,
        labels: Any,
        data: Any,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
    ) -> tuple[Any, Any]:
        n = len(data.sequences)
        given = X_val is not None or y_val is not None
        if given or not stops_early(self.early_stopping, n):
            validation = X_val, y_val, sample_weight_val
            return super()._hold_out(schema, labels, data, *validation)
        if n == 1:
            first, last = data.halves(self.validation_fraction)
        else:
            mask = held_out(data.sequences, self.validation_fraction, self._seed)
            first, last = data.select(~mask), data.select(mask)
        what = "X_val and y_val, or set early_stopping=False"
        return (
            first.checked(f"the training part (pass {what})"),
            last.checked(f"the validation part (pass {what})"),
        )

    def _start(
        self,
        schema: Any,
        labels: Any,
        data: Any,
        n_given: int,
        batch_size: int,
        n_nets: int,
    ) -> FittedRows:
        n_rows, features = len(data.y), schema.features
        found = super()._start(features, labels, data, n_rows, batch_size, n_nets)
        parts = found.encoder, found.task, found.continuation, found.nets
        return FittedRows(*parts, reader=schema)

    def _train(self, fitted: Any, *others: Any) -> Any:
        chunk = None if self.chunk_length is None else int(self.chunk_length)
        return super()._train(replace(fitted, chunk_length=chunk), *others)

    def _sequence_weights(self, labels: Any, data: Any) -> None:
        return None  # a row that is not learned from is still read

    def _spec(self, encoder: Any, task: Any) -> NetworkSpec:
        spec = super()._spec(encoder, task)
        return replace(spec, per_step=True)

    def _work(self, n_given: int, data: Any) -> int:
        return n_given * int(self.max_iter)

    def _batch_size(self, data: Any) -> int:
        if not isinstance(self.batch_size, str):
            return int(self.batch_size)
        lengths = data.sequences.lengths
        rows = np.minimum(lengths, self.chunk_length or lengths.max()).mean()
        return max(1, round(_ROWS_PER_STEP / rows))

    def _fitted_attributes(self, fitted: Fitted) -> dict[str, Any]:
        found = super()._fitted_attributes(fitted)
        assert isinstance(fitted, FittedRows)
        seen = fitted.reader.seen
        found["n_features_in_"] = seen.n_features
        found.pop("feature_names_in_", None)
        if seen.feature_names is not None:
            found["feature_names_in_"] = seen.feature_names
        for name in ("normalization_", "linear_share_", "segment_length_"):
            del found[name]
        return found


def _sizes(X: Any) -> np.ndarray | None:
    """Return the number of rows of each item of a list; None for a table."""
    if isinstance(X, Prediction) or not Ragged().accepts(X):
        return None
    return np.array([len(item) for item in X])


def _in_form_of(X: Any, answers: np.ndarray) -> Any:
    """Return the answers of all rows, as a list of arrays if X is one."""
    sizes = _sizes(X)
    return answers if sizes is None else np.split(answers, np.cumsum(sizes)[:-1])
