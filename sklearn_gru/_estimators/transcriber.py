"""The public transcriber: a text for every sequence of frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_consistent_length

from sklearn_gru._encoding.encoder import Encoder
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.targets import (
    TrainingData,
    check_sample_weight,
    require_target,
)
from sklearn_gru._encoding.texts import (
    alphabet_of,
    check_same_kind,
    given_as,
    read_texts,
)
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._estimators.fitted_texts import FittedTexts
from sklearn_gru._estimators.parameters import OF_FRAMES, with_parameters
from sklearn_gru._estimators.search_ranges import TRANSCRIBER_RANGES
from sklearn_gru._estimators.text_scores import token_error_rate
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.transcription import BLANK, Transcription, frames_needed
from sklearn_gru._model.vocabulary import Vocabulary
from sklearn_gru.exceptions import InputError

__all__ = ["GRUTranscriber"]

# Most frames per optimizer step of batch_size="auto".
_FRAMES_PER_STEP = 4096
# Optimizer steps per epoch that it leaves a small data set.
_FEWEST_STEPS = 16


@with_parameters(texts=OF_FRAMES)
class GRUTranscriber(BaseGRU):
    """Transcription of frames into texts with a gated recurrent unit network.

    X holds sequences of frames (of sound, of pen strokes, of sensor readings), y the
    text of each, and nobody needs to say which frame belongs to which token of the
    text: the loss sums over all alignments [2]_. Tokens come in the order of the
    frames, and there are at least as many frames as tokens.

    {parameters}

    Attributes
    ----------
    alphabet_ : ndarray of shape (n_tokens,)
        The tokens of all texts, sorted; the characters, if texts are strings.
    n_features_in_ : int
        Number of features of a frame.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Set only if X has names.
    is_categorical_ : ndarray of shape (n_features,) or None
        Mask of the categorical features; None if there are none.
    categories_ : tuple of length n_features
        Array of categories of each feature; None for a numeric feature.
    n_outputs_ : int
        Number of outputs of the network: one per token, and the blank.
    n_iter_ : int
        Number of epochs trained.
    loss_curve_ : list of float
        Mean training loss of each epoch, per token.
    validation_scores_ : list of float
        Negative validation loss of each epoch (higher is better). Set only if there was
        validation data.
    best_iteration_ : int
        Epoch whose weights were kept, counted from 1. Set only with early stopping.
    net_ : skorch.NeuralNet
        The skorch net, with its ``history``.
    nets_ : tuple of skorch.NeuralNet
        The net, as other estimators have several.
    module_ : torch.nn.Module
        The network itself.
    modules_ : tuple of torch.nn.Module
        The network, as other estimators have several.
    n_parameters_ : int
        Number of parameters of the network.
    engine_ : {"numba+autograd", "torch"}
        Engine that trained the network: "numba+autograd" compiles the recurrent layers
        and leaves the rest to PyTorch's autograd, "torch" is PyTorch alone.
        ``net_.declined`` holds the reasons.
    fit_time_ : float
        Duration of fit in seconds, including the time to compile the kernels, if any.
        ``warm_start`` adds its own duration.

    Raises
    ------
    InputError
        A text that is longer than its frames, with the number of the sequence; texts
        that are neither strings nor lists of tokens; no frame to learn from.

    See Also
    --------
    sklearn_gru.GRUTagger : One label per frame, where the alignment is known.
    sklearn_gru.GRUClassifier : One label per sequence.

    Notes
    -----
    A frame without any value is skipped. Two equal tokens in a row need a frame between
    them, in which the network says neither: "aa" needs three frames.

    References
    ----------
    .. [1] Cho et al. (2014). Learning Phrase Representations using RNN Encoder-Decoder
       for Statistical Machine Translation. EMNLP.
    .. [2] Graves et al. (2006). Connectionist Temporal Classification: Labelling
       Unsegmented Sequence Data with Recurrent Neural Networks. ICML.
    .. [3] Loshchilov & Hutter (2019). Decoupled Weight Decay Regularization. ICLR.
    .. [4] Pascanu, Mikolov & Bengio (2013). On the difficulty of training recurrent
       neural networks. ICML.
    .. [5] Guo & Berkhahn (2016). Entity Embeddings of Categorical Variables.
       arXiv:1604.06737.
    .. [6] Hannun et al. (2014). First-Pass Large Vocabulary Continuous Speech
       Recognition using Bi-Directional Recurrent DNNs. arXiv:1408.2873.
    .. [7] Gal & Ghahramani (2016). A Theoretically Grounded Application of Dropout in
       Recurrent Neural Networks. NeurIPS.

    Examples
    --------
    Pulses of two heights, with silence in between, are read as letters:

    >>> import numpy as np
    >>> from sklearn_gru.text import GRUTranscriber
    >>> rng = np.random.default_rng(0)
    >>> def pulses(word):
    ...     parts = [np.zeros(rng.integers(1, 4))]
    ...     for letter in word:
    ...         parts += [np.full(rng.integers(2, 6), 1.0 + (letter == "b"))]
    ...         parts += [np.zeros(rng.integers(1, 4))]
    ...     x = np.concatenate(parts)
    ...     return (x + 0.1 * rng.normal(size=len(x)))[:, None]
    >>> y = ["".join(rng.choice(["a", "b"], rng.integers(1, 5))) for _ in range(300)]
    >>> X = [pulses(word) for word in y]
    >>> model = GRUTranscriber(16, max_iter=30, random_state=0).fit(X, y)
    >>> print(model.predict([pulses("abba"), pulses("bb")]))
    ['abba' 'bb']
    """

    _search_ranges: ClassVar[dict[str, Any]] = TRANSCRIBER_RANGES
    _writes_texts = True
    _doc_module = "text."

    def __init__(
        self,
        hidden_size=64,
        num_layers=1,
        *,
        cell="gru",
        bidirectional=True,
        beam_width=1,
        dropout=0.0,
        categorical_features="from_dtype",
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
        self.beam_width = beam_width
        self.dropout = dropout
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
        """Fit the network to sequences of frames and their texts.

        Parameters
        ----------
        X : list of arrays or DataFrames, Sequences or 3-D array
            Sequences of frames, of shape (n_frames, n_features), which may differ in
            length. NaN marks a missing value.
        y : list of str, or list of lists of tokens, of length n
            Text of each sequence. The tokens of a string are its characters; tokens of
            lists are strings or numbers. A text may be empty.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sequence in the loss.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            Validation data for early stopping. If given, no part of X is held out.

        Returns
        -------
        self : GRUTranscriber
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

    def predict(self, X):
        """Predict the text of each sequence.

        Parameters
        ----------
        X : like X of fit
            Sequences of frames.

        Returns
        -------
        y : ndarray of str of shape (n,), or list of lists of tokens
            Texts, in the form of y in `fit`. A sequence without any value has the empty
            text.
        """
        self._check_params()
        fitted = self._for_prediction()
        width = int(self.beam_width)
        texts = [fitted.task.text(log_p, width) for log_p in fitted.frames(X)]
        return fitted.task.vocabulary.collect(texts)

    def frame_log_proba(self, X):
        """Return the distribution over the tokens at every frame.

        It shows when a token was seen, and is what decoders with a language model of
        their own read.

        Parameters
        ----------
        X : like X of fit
            Sequences of frames.

        Returns
        -------
        log_p : list of ndarrays of shape (n_frames, 1 + n_tokens)
            Log-probabilities of the blank (no token), which comes first, and of each
            token of ``alphabet_``. A frame without any value has those of the frame
            before it; the first ones are blanks.
        """
        return self._for_prediction().all_frames(X)

    def score(self, X, y, sample_weight=None):
        """Return 1 minus the token error rate.

        The error rate is the number of tokens to insert, delete or replace in the
        predicted texts, over the number of tokens in y. The score is below 0 if there
        are more edits than tokens.

        Parameters
        ----------
        X : like X of fit
            Sequences of frames.
        y : like y of fit
            Their texts.
        sample_weight : array-like of shape (n,), default=None
            Weight of the edits and tokens of each sequence.

        Returns
        -------
        score : float
            1 if every text is right.
        """
        require_target(y, type(self).__name__)
        texts, found = self._check_y(y), self.predict(X)
        check_consistent_length(found, texts)
        check_same_kind(texts[0], _vocabulary(self._fitted), "y")
        weights = check_sample_weight(sample_weight, len(texts))
        return 1.0 - token_error_rate(found, texts, weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    # -- the steps of a fit -----------------------------------------------------------

    def _check_y(self, y: Any) -> np.ndarray:
        return read_texts(y, "y").items

    def _check_pairs(
        self, sequences: Sequences, y: np.ndarray, part: np.ndarray
    ) -> None:
        for k in np.flatnonzero(part):
            needed, n_frames = frames_needed(y[k]), sequences.lengths[k]
            if needed > n_frames:
                raise InputError(
                    f"Sequence {k} has {n_frames} frames with a value, but its text "
                    f"{given_as(y[k])} needs {needed}: one per token, and one between "
                    "equal tokens. Give it more frames per second, or leave it out."
                )

    def _learn_labels(
        self, before: Fitted | None, y: np.ndarray, classes: Any = None
    ) -> Vocabulary:
        if before is not None:
            known = _vocabulary(before)
            check_same_kind(y[0], known, "y")
            return known
        alphabet = alphabet_of(y)
        if not len(alphabet):
            raise InputError(
                "Every text in y is empty: there is nothing to learn. Pass the tokens "
                "of each sequence."
            )
        return Vocabulary(alphabet, BLANK + 1, isinstance(y[0], str))

    def _make_task(
        self, labels: Any, data: TrainingData, encoder: Encoder, continued: Any
    ) -> tuple[Any, None]:
        return Transcription(labels), None

    def _start(
        self,
        schema: Any,
        labels: Any,
        data: TrainingData,
        n_given: int,
        batch_size: int,
        n_nets: int,
    ) -> FittedTexts:
        n_frames = int(data.sequences.lengths.sum())
        found = super()._start(schema, labels, data, n_frames, batch_size, n_nets)
        return FittedTexts(found.encoder, found.task, None, found.nets)

    def _spec(self, encoder: Encoder, task: Any) -> NetworkSpec:
        return replace(super()._spec(encoder, task), per_step=True)

    def _work(self, n_given: int, data: TrainingData) -> int:
        return n_given * int(self.max_iter)

    def _batch_size(self, data: TrainingData) -> int:
        if not isinstance(self.batch_size, str):
            return int(self.batch_size)
        size = _FRAMES_PER_STEP / data.sequences.lengths.mean()
        return max(1, round(min(size, len(data.sequences) / _FEWEST_STEPS)))

    def _attributes_of_features(self, fitted: Fitted) -> dict[str, Any]:
        found = super()._attributes_of_features(fitted)
        for name in ("normalization_", "linear_share_", "segment_length_"):
            del found[name]
        return {**found, "alphabet_": _vocabulary(fitted).tokens}


def _vocabulary(fitted: Any) -> Vocabulary:
    return fitted.task.vocabulary
