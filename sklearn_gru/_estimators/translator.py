"""The public translator: a text for every text."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_consistent_length

from sklearn_gru._encoding.targets import (
    TrainingData,
    check_sample_weight,
    require_target,
)
from sklearn_gru._encoding.texts import check_same_kind, read_texts
from sklearn_gru._encoding.tokens import TokenEncoder, Tokenizer, TokenReader
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._estimators.fitted_translator import FittedTranslator
from sklearn_gru._estimators.parameters import OF_TEXTS, with_parameters
from sklearn_gru._estimators.search_ranges import TRANSLATOR_RANGES
from sklearn_gru._estimators.text_scores import chrf
from sklearn_gru._model.translation import FIRST, Translation, TranslatorSpec
from sklearn_gru._model.vocabulary import Vocabulary
from sklearn_gru.exceptions import InputError

__all__ = ["GRUTranslator"]

# Largest batch of batch_size="auto", and the optimizer steps per epoch that it leaves a
# small data set.
_TEXTS_PER_STEP = 64
_FEWEST_STEPS = 16


@with_parameters(texts=OF_TEXTS)
class GRUTranslator(BaseGRU):
    """Texts for texts with a gated recurrent unit network that reads and writes.

    X holds texts, y the text that each is to become: dates in one form, product codes,
    names in another script, sentences in another language. The answer may have any
    length and any order of its tokens. A bidirectional encoder reads the text, and a
    decoder writes the answer token by token, looking back through attention [2]_ [5]_.

    {parameters}

    Attributes
    ----------
    source_vocabulary_ : ndarray of shape (n_source_tokens,)
        Known tokens of X, sorted.
    target_vocabulary_ : ndarray of shape (n_target_tokens,)
        Tokens that can be written, sorted.
    n_outputs_ : int
        Number of outputs of the network: one per target token, the end of a text and
        the unknown token.
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
        Texts that are neither strings nor lists of tokens; a tokenizer that makes
        something else than strings; no token that occurs `min_count` times.

    See Also
    --------
    GRUTranscriber : Texts of frames, in their order.

    Notes
    -----
    Tokens that occur less than `min_count` times in fit, or never, share one vector. A
    token of y that is unknown is learned as such; where the network writes it, the
    source token that attention looks at is copied: a name, a number.

    Training reads the true tokens before each token; predictions read those that were
    written. The outputs share their matrix with the vectors of the tokens that the
    decoder reads [7]_. The score is that of Popović [9]_.

    References
    ----------
    .. [1] Cho et al. (2014). Learning Phrase Representations using RNN Encoder-Decoder
       for Statistical Machine Translation. EMNLP.
    .. [2] Bahdanau, Cho & Bengio (2015). Neural Machine Translation by Jointly Learning
       to Align and Translate. ICLR.
    .. [3] Loshchilov & Hutter (2019). Decoupled Weight Decay Regularization. ICLR.
    .. [4] Pascanu, Mikolov & Bengio (2013). On the difficulty of training recurrent
       neural networks. ICML.
    .. [5] Luong, Pham & Manning (2015). Effective Approaches to Attention-based Neural
       Machine Translation. EMNLP.
    .. [6] Sutskever, Vinyals & Le (2014). Sequence to Sequence Learning with Neural
       Networks. NeurIPS.
    .. [7] Press & Wolf (2017). Using the Output Embedding to Improve Language Models.
       EACL.
    .. [8] Szegedy et al. (2016). Rethinking the Inception Architecture for Computer
       Vision. CVPR.
    .. [9] Popović (2015). chrF: character n-gram F-score for automatic MT evaluation.
       WMT.

    Examples
    --------
    Letters in reverse order:

    >>> import numpy as np
    >>> from sklearn_gru.text import GRUTranslator
    >>> rng = np.random.default_rng(0)
    >>> X = ["".join(rng.choice(list("abc"), rng.integers(1, 5))) for _ in range(600)]
    >>> y = [word[::-1] for word in X]
    >>> model = GRUTranslator(
    ...     32, 16, tokenizer="char", learning_rate=0.02, max_iter=15, random_state=0
    ... )
    >>> print(model.fit(X, y).predict(["abb", "ca"]))
    ['bba' 'ac']
    """

    _search_ranges: ClassVar[dict[str, Any]] = TRANSLATOR_RANGES
    _writes_texts = True
    _doc_module = "text."

    def __init__(
        self,
        hidden_size=256,
        embedding_size=128,
        num_layers=1,
        *,
        tokenizer="word",
        min_count=1,
        max_length=None,
        beam_width=1,
        cell="gru",
        dropout=0.2,
        label_smoothing=0.1,
        learning_rate=0.003,
        weight_decay=1e-4,
        batch_size="auto",
        max_iter=20,
        clip_norm=1.0,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        verbose=0,
        device="auto",
        dtype="auto",
        callbacks=None,
    ):
        self.hidden_size = hidden_size
        self.embedding_size = embedding_size
        self.num_layers = num_layers
        self.tokenizer = tokenizer
        self.min_count = min_count
        self.max_length = max_length
        self.beam_width = beam_width
        self.cell = cell
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.clip_norm = clip_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
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
        """Fit the network to texts and what each is to become.

        Parameters
        ----------
        X : list of str, or list of lists of tokens, of length n
            Source texts. Strings are cut into tokens by `tokenizer`. A text may be
            empty.
        y : list of str, or list of lists of tokens, of length n
            The text that each becomes.
        sample_weight : array-like of shape (n,), default=None
            Weight of each text in the loss.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            Validation data for early stopping. If given, no part of X is held out.

        Returns
        -------
        self : GRUTranslator
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
        """Write the text that each text becomes.

        Parameters
        ----------
        X : like X of fit
            Source texts.

        Returns
        -------
        y : ndarray of str of shape (n,), or list of lists of tokens
            Texts, in the form of y in `fit`, of at most `max_length` tokens.
        """
        fitted, sources, written = self._write(X)
        texts = [
            fitted.task.text(codes, weights, source)
            for source, (codes, weights) in zip(sources, written, strict=True)
        ]
        return fitted.task.vocabulary.collect(texts)

    def attention_weights(self, X):
        """Return where the decoder looked while it wrote each token.

        Parameters
        ----------
        X : like X of fit
            Source texts.

        Returns
        -------
        weights : list of ndarrays of shape (n_written, 1 + n_source_tokens)
            A row per token of the text that `predict` writes, a column per token of the
            source, and a last one for its end. Rows sum to 1.
        """
        return [weights for _, weights in self._write(X)[2]]

    def score(self, X, y, sample_weight=None):
        """Return the F-score of character n-grams, chrF, from 0 to 1.

        Parameters
        ----------
        X : like X of fit
            Source texts.
        y : like y of fit
            The text that each becomes.
        sample_weight : array-like of shape (n,), default=None
            Weight of the n-grams of each text.

        Returns
        -------
        score : float
            1 if every text is right, up to white space. Tokens of lists are compared as
            strings with spaces between them.
        """
        require_target(y, type(self).__name__)
        true, found = self._check_y(y), self.predict(X)
        check_consistent_length(found, true)
        check_same_kind(true[0], _vocabulary(self._fitted), "y")
        weights = check_sample_weight(sample_weight, len(true))
        return chrf(map(_shown, found), map(_shown, true), weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = False
        tags.target_tags.required = True
        return tags

    # -- the steps of a fit -----------------------------------------------------------

    def _schema(self, before: Fitted | None) -> Any:
        if before is not None:
            return before.encoder.schema
        return TokenReader(type(self).__name__, self._tokenizer())

    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self.tokenizer, int(self.min_count))

    def _check_y(self, y: Any) -> np.ndarray:
        return read_texts(y, "y", of="sample").items

    def _read(
        self, schema: Any, X: Any, y: Any, sample_weight: Any
    ) -> tuple[TrainingData, Any]:
        require_target(y, schema.owner)
        reader, texts = schema.read(X)
        y = self._check_y(y)
        check_consistent_length(texts, y)
        if not len(texts):
            raise InputError("Found array with 0 sample(s): X has no texts.")
        weights = check_sample_weight(sample_weight, len(y))
        data = TrainingData(reader.sequences(texts), y, weights)
        return data if weights is None else data.select(weights > 0), reader

    def _learn_labels(
        self, before: Fitted | None, y: np.ndarray, classes: Any = None
    ) -> Any:
        if before is not None:
            check_same_kind(y[0], _vocabulary(before), "y")
            return before.task
        tokenizer = self._tokenizer()
        texts = tokenizer.cut(y, "y")
        known = tokenizer.vocabulary(texts, FIRST, isinstance(y[0], str))
        if not len(known):
            raise InputError(
                f"No token of y occurs {int(self.min_count)} times: there is nothing "
                "to write. Pass more texts, or set min_count=1."
            )
        longest = max(map(len, texts))
        return Translation(known, longest, float(self.label_smoothing))

    def _make_task(
        self, labels: Any, data: TrainingData, encoder: Any, continued: Any
    ) -> tuple[Any, None]:
        return labels, None

    def _learn_encoder(self, schema: Any, *others: Any) -> Any:
        return TokenEncoder(schema)

    def _start(
        self,
        schema: Any,
        labels: Any,
        data: TrainingData,
        n_given: int,
        batch_size: int,
        n_nets: int,
    ) -> FittedTranslator:
        n_tokens = int(data.sequences.lengths.sum())
        found = super()._start(schema, labels, data, n_tokens, batch_size, n_nets)
        return FittedTranslator(found.encoder, found.task, None, found.nets)

    def _spec(self, encoder: Any, task: Any) -> TranslatorSpec:
        width = int(self.embedding_size)
        return TranslatorSpec(
            self.cell,
            n_inputs=width,
            hidden_size=(int(self.hidden_size) + 1) // 2,
            num_layers=int(self.num_layers),
            bidirectional=True,
            n_outputs=task.n_outputs,
            loss=task.loss,
            loss_parameters=(float(self.label_smoothing),),
            dropout=float(self.dropout),
            embeddings=((encoder.n_codes, width),),
            per_step=True,
            decoder_size=int(self.hidden_size),
            embedding_size=width,
        )

    def _work(self, n_given: int, data: TrainingData) -> int:
        return n_given * int(self.max_iter)

    def _batch_size(self, data: TrainingData) -> int:
        if not isinstance(self.batch_size, str):
            return int(self.batch_size)
        size = min(_TEXTS_PER_STEP, len(data.sequences) / _FEWEST_STEPS)
        return max(1, round(size))

    def _attributes_of_features(self, fitted: Fitted) -> dict[str, Any]:
        source: Any = fitted.encoder.schema
        return {
            "source_vocabulary_": source.vocabulary.tokens,
            "target_vocabulary_": _vocabulary(fitted).tokens,
        }

    def _write(self, X: Any) -> tuple[Any, Any, Any]:
        """Return the fitted model, tokens of X, and what is written for each text."""
        self._check_params()
        fitted: Any = self._for_prediction()
        most = None if self.max_length is None else int(self.max_length)
        return fitted, *fitted.write(X, int(self.beam_width), most)


def _vocabulary(fitted: Any) -> Vocabulary:
    return fitted.task.vocabulary


def _shown(text: Any) -> str:
    """Return a text as one string."""
    return text if isinstance(text, str) else " ".join(map(str, text))
