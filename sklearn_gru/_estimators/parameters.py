"""Constructor parameters of the estimators: a rule and a description of each, once.

scikit-learn asks every class for its own signature and assignments. Rules and prose are
shared: :func:`with_parameters` checks nothing and copies nothing by hand, it writes the
"Parameters" section of a docstring from this table and the defaults of the signature.
Choices come from the registries.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Mapping
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sklearn_gru._encoding.normalizations import NORMALIZATIONS
from sklearn_gru._encoding.tokens import TOKENIZERS
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.losses import regression_losses
from sklearn_gru._model.poolings import POOLINGS
from sklearn_gru._support.rules import (
    Boolean,
    NameIn,
    Number,
    OneOf,
    Rule,
    Satisfies,
    positive_integer,
    real,
)

Class = TypeVar("Class", bound=type)

# Where the section of parameters goes in a docstring.
_PLACE = "    {parameters}\n"


class Parameter(NamedTuple):
    """Rules, type and description of one parameter."""

    rules: list[Rule]
    kind: str
    text: str


def _choice(names: Iterable[Any]) -> str:
    quoted = (f'"{n}"' if isinstance(n, str) else str(n) for n in names)
    return "{" + ", ".join(quoted) + "}"


def _is_sizes(value: Any) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) > 0
        and all(positive_integer().accepts(size) for size in value)
    )


def _names_features(value: Any) -> bool:
    if np.ndim(value) == 0:
        return isinstance(value, (str, Integral))
    return np.ndim(value) == 1 and all(
        isinstance(key, (str, Integral, np.bool_)) for key in value
    )


def are_levels(value: Any) -> bool:
    """Return whether a value is several different numbers above 0 and below 1."""
    if not isinstance(value, (tuple, list, np.ndarray)) or np.ndim(value) != 1:
        return False
    level = real(0, 1, low_open=True, high_open=True)
    return 0 < len(set(value)) == len(value) and all(map(level.accepts, value))


PARAMETERS: dict[str, Parameter] = {
    "hidden_size": Parameter(
        [positive_integer()],
        "int",
        "Number of features of the recurrent state, as in ``torch.nn.GRU``.",
    ),
    "num_layers": Parameter([positive_integer()], "int", "Number of recurrent layers."),
    "cell": Parameter(
        [NameIn(CELLS)],
        _choice(CELLS),
        "Recurrent cell: "
        + "; ".join(f'"{name}" {cell.summary}' for name, cell in CELLS.items())
        + ".",
    ),
    "bidirectional": Parameter(
        [Boolean()], "bool", "Also read each sequence backwards."
    ),
    "groups": Parameter(
        [],
        "str, int or list of them",
        "Columns or index levels that identify the recordings: rows of different "
        "groups never read each other. None takes the levels of a MultiIndex that are "
        "not the time, else all rows are one recording.",
    ),
    "time": Parameter(
        [],
        "str or int",
        "Column or index level that orders the rows of a recording. None takes a "
        "DatetimeIndex, PeriodIndex or integer index, or the only datetime level of a "
        "MultiIndex (else its last integer level). Rows of an array without `time` are "
        "in order.",
    ),
    "chunk_length": Parameter(
        [OneOf((None,)), positive_integer()],
        "int or None",
        "Largest number of rows that an optimizer step reads of a recording; None for "
        "all of them. Longer recordings are cut into pieces, at other rows in each "
        "epoch. The state is carried from piece to piece [6]_, but no gradient, and "
        "half of the pieces begin anew, to learn to begin anywhere. Predictions read a "
        "recording in one pass.",
    ),
    "beam_width": Parameter(
        [positive_integer()],
        "int",
        "Number of candidates that a search for the most probable text keeps at a time "
        "[6]_; 1 takes the most probable token at every step.",
    ),
    "embedding_size": Parameter(
        [positive_integer()],
        "int",
        "Number of features of the vectors that tokens are learned as.",
    ),
    "tokenizer": Parameter(
        [
            NameIn(TOKENIZERS),
            Satisfies(callable, "a function from a string to a list of strings"),
        ],
        _choice(TOKENIZERS) + " or callable",
        'Way to cut strings into tokens: "word" at white space, "char" into '
        "characters; a function gets a string and returns a list of strings. Words, "
        "and what a function returns, are joined with spaces in predictions. Lists of "
        "tokens are left as they are.",
    ),
    "min_count": Parameter(
        [positive_integer()],
        "int",
        "How often a token must occur in X, or in y, to be known. With 1, no token of "
        "fit is unknown, and the network does not learn what to do with one; with 2, "
        "it learns that from all that occur once.",
    ),
    "max_length": Parameter(
        [OneOf((None,)), positive_integer()],
        "int or None",
        "Largest number of tokens of a text that is written; None takes that of the "
        "longest y of the first fit.",
    ),
    "pooling": Parameter(
        [NameIn(POOLINGS)],
        _choice(POOLINGS),
        'Way to make one vector of the states of all time steps. "last" is the final '
        'state of each direction; "attention" is a learned weighted mean [2]_.',
    ),
    "dropout": Parameter(
        [real(0, 1, high_open=True)],
        "float",
        "Share of features dropped between layers and before the head, in training.",
    ),
    "n_estimators": Parameter(
        [OneOf(("auto",)), positive_integer()],
        'int or "auto"',
        "Number of networks trained on the same data from different seeds; predictions "
        "are means over them. Training takes that many times the processor time. "
        '"auto" is 3 for a `GRUClassifier` that gets fewer than 200 sequences, with a '
        "`max_iter` of at least 20 and without `warm_start`; 1 for everything else.",
    ),
    "conv_filters": Parameter(
        [
            OneOf((None,)),
            Satisfies(_is_sizes, "a tuple of positive integers such as (64, 128, 64)"),
        ],
        "tuple of int or None",
        "Filters of each layer of a convolution branch beside the recurrent layers, "
        "such as (64, 128, 64) [5]_. A layer convolves over the time steps (kernel "
        "sizes 8, 5 and 3, and 3 again for further layers), is batch-normalized and "
        "rectified; the mean over the steps joins the pooled state.",
    ),
    "segment_length": Parameter(
        [OneOf((None, "auto")), positive_integer()],
        'int, "auto" or None',
        "Number of time steps read at a time, side by side as one vector [6]_; None "
        "reads one. Segments end where the sequence ends; absent steps of a partial "
        'first segment are 0. "auto" reads two if the longest sequence has at least '
        "100 steps, no feature is categorical and, in a `GRURegressor`, the number of "
        "sequences times these steps is at least 10 million.",
    ),
    "normalization": Parameter(
        [OneOf((None, "auto")), NameIn(NORMALIZATIONS)],
        _choice((None, "auto", *NORMALIZATIONS)),
        'Per-sequence normalization, applied to each feature: "last" subtracts the '
        'last observed value [7]_; "standard" subtracts the mean and divides by the '
        "standard deviation [8]_. Only observed cells count; a missing one is 0 "
        'afterwards. "auto" normalizes if y continues a feature (see '
        "`target_feature`) and ridge regression on its latest steps then predicts the "
        "latest fifth of the training set better; a classifier does not.",
    ),
    "target_feature": Parameter(
        [
            OneOf((None,)),
            Satisfies(lambda v: isinstance(v, str), "the name of a channel"),
            positive_integer(0),
        ],
        "str, int or None",
        "With `normalization`: the feature that y continues, by name or position. "
        "What was subtracted from it is added back to every output, and y is learned "
        'relative to it; with "standard" the loss is in units of each sequence, so '
        "that large series do not drown small ones. None adds nothing back. "
        '"auto" is the numeric feature whose later values y holds; none, if there is '
        "no such feature or more than one. (Give a feature named auto by position.)",
    ),
    "add_differences": Parameter(
        [Boolean()],
        "bool",
        "Also read the difference of each numeric feature from its last observed value "
        "[10]_, standardized on its own. It is 0 at the first step of a sequence and "
        "where the feature is missing.",
    ),
    "linear_share": Parameter(
        [OneOf(("auto",)), real(0, 1)],
        'float or "auto"',
        "Share of ridge regression on the latest steps of each sequence, side by side, "
        "in the outputs; the rest is that of the network [13]_. A classifier regresses "
        "the class membership, scaled to logits [14]_. "
        '"auto" is the best share on the validation set. Without one, it is 0.5 for '
        "classes. For squared errors of fewer than 750 sequences, it is the best one "
        "for halves of the training set that the models did not learn from [15]_ (if "
        "`early_stopping` makes halves): both are drawn toward the mean as far as that "
        "is better, and the share of the network is at least 0.01. Otherwise it is "
        "half of the variance of y that ridge regression explains in sequences left "
        "out, and 0 for losses that learn quantiles or counts. "
        "``partial_fit`` leaves the ridge regression as the last `fit` made it.",
    ),
    "features_per_step": Parameter(
        [positive_integer()],
        "int",
        "For 2-D X: number of columns per time step, oldest step first. With 1 every "
        "row is a univariate series.",
    ),
    "categorical_features": Parameter(
        [
            OneOf((None,)),
            Satisfies(_names_features, "'from_dtype', names, positions or a mask"),
        ],
        "array-like, str, int or None",
        "Features that are categories, by name, position or boolean mask; each "
        'category is learned as a vector (an embedding [9]_). "from_dtype" takes '
        "those of category dtype, None allows none. Values are compared with those of "
        "fit; an unknown one is missing. In 2-D X a position is one within a step.",
    ),
    "loss": Parameter(
        [
            NameIn(lambda: ["auto", *regression_losses()]),
            Satisfies(callable, "a function of output and target, two tensors"),
        ],
        _choice(["auto", *regression_losses()]) + " or callable",
        'Loss on the standardized target. "auto" is "squared_error", but '
        '"absolute_error" where `normalization` scales series of very different '
        'size. "huber" turns linear at one standard '
        "deviation of y (with a `target_feature`: of y relative to its own sequence). "
        '"quantile" is the pinball loss [11]_, averaged over `quantile`. "poisson" is '
        "half the Poisson deviance, for y that is never negative: the network learns "
        "the logarithm of its mean [12]_, so no prediction or interval is below 0. A "
        "function gets output and target, tensors of shape (n, n_outputs), and returns "
        "a tensor of that shape, the loss of each; PyTorch computes it.",
    ),
    "quantile": Parameter(
        [
            OneOf((None,)),
            real(0, 1, low_open=True, high_open=True),
            Satisfies(are_levels, "several different ones such as (0.1, 0.5, 0.9)"),
        ],
        "float or several of them",
        'Needed for ``loss="quantile"``, unused otherwise: one number above 0 and '
        "below 1, or several different ones in any order, such as (0.1, 0.5, 0.9). "
        "They never cross. ``predict`` returns the one nearest 0.5 (the lower of two), "
        "``predict_quantiles`` all of them.",
    ),
    "learning_rate": Parameter(
        [real(0, low_open=True)],
        "float",
        "Largest learning rate of AdamW [3]_, reached after a warm-up; a cosine then "
        "takes it to 0. ``partial_fit`` uses it unchanged.",
    ),
    "weight_decay": Parameter([real(0)], "float", "Decoupled weight decay of AdamW."),
    "batch_size": Parameter(
        [OneOf(("auto",)), positive_integer()],
        'int or "auto"',
        'Number of sequences per optimizer step. "auto" takes all of up to 64, then a '
        "sixteenth of them as a power of 2 between 32 and 128.",
    ),
    "max_iter": Parameter(
        [positive_integer()],
        "int",
        "Number of epochs, or the largest number of them if `early_stopping` chooses "
        "how many.",
    ),
    "clip_norm": Parameter(
        [OneOf((None,)), real(0, low_open=True)],
        "float or None",
        "Largest norm of the gradient in an optimizer step [4]_; None does not clip.",
    ),
    "early_stopping": Parameter(
        [OneOf(("auto",)), Boolean()],
        'bool or "auto"',
        "Stop when the loss on a validation set no longer falls, and go back to the "
        "best weights. The validation set is the most recent sequences if they carry "
        'times, and a random subset otherwise (stratified for classes). "auto" stops '
        "early from 1000 sequences on. With fewer, a classifier trains for `max_iter` "
        "epochs. A regressor whose `max_iter` is at least 20 holds out every second of "
        "four stretches of time or, below 750 sequences, trains on all of them for as "
        "many epochs as were best for halves of them (the user guide tells the "
        "exceptions). False trains for `max_iter` epochs. If `max_iter` is at least "
        "20, up to 5 epochs of all sequences follow early stopping, unless "
        "`warm_start` is True, the loss is that of quantiles, or you pass `X_val`. "
        "Callbacks hear nothing of these epochs, or of halves below 750 sequences.",
    ),
    "validation_fraction": Parameter(
        [real(0, 1, low_open=True, high_open=True)],
        "float",
        'Share held out for early stopping, except where "auto" holds out a half; a '
        "regressor's ``predict_interval`` uses the errors on it.",
    ),
    "n_iter_no_change": Parameter(
        [positive_integer()], "int", "Epochs without improvement before stopping."
    ),
    "tol": Parameter(
        [real(0)],
        "float",
        "Smallest fall of the validation loss that counts as an improvement.",
    ),
    "standardize": Parameter(
        [Boolean()],
        "bool",
        "Bring every feature, and the y of a regressor, to mean 0 and standard "
        "deviation 1. A missing value is 0 after that.",
    ),
    "class_weight": Parameter(
        [
            OneOf((None, "balanced")),
            Satisfies(lambda v: isinstance(v, dict), "a dict of class weights"),
        ],
        'dict, "balanced" or None',
        "Weight of each class in the loss, as in scikit-learn.",
    ),
    "label_smoothing": Parameter(
        [real(0, 1, high_open=True)],
        "float",
        "Share of each label spread evenly over all classes.",
    ),
    "warm_start": Parameter(
        [Boolean()],
        "bool",
        "``fit`` continues for `max_iter` epochs from the last fit, with its "
        "standardization, classes and optimizer. Below 1000 sequences, it does not "
        "choose fewer.",
    ),
    "random_state": Parameter(
        [
            OneOf((None,)),
            Number(Integral, 0, 2**32 - 1),
            Satisfies(
                lambda v: isinstance(v, np.random.RandomState), "a RandomState instance"
            ),
        ],
        "int, RandomState or None",
        "Seed of initial weights, shuffling, dropout and the validation set.",
    ),
    "verbose": Parameter(
        [Boolean(), positive_integer(0)],
        "int",
        "1 shows a progress line in terminals and notebooks.",
    ),
    "device": Parameter(
        [Satisfies(lambda v: isinstance(v, str), "'auto', 'cpu' or 'cuda'")],
        "str",
        '"auto" is CUDA where there is a device, else the CPU.',
    ),
    "dtype": Parameter(
        [OneOf(("auto", "float32", "float64"))],
        '{"auto", "float32", "float64"}',
        'Precision of the network. "auto" is float32, except for fewer than 1000 '
        "sequences of float64: it is float64 if the kernels do not take the fit, or if "
        "it has one batch with weights or repeated sequences.",
    ),
    "callbacks": Parameter(
        [],
        "list of skorch callbacks",
        "Called during training, as in skorch. Those of scikit-learn go to "
        "`set_callbacks`.",
    ),
}


# What an estimator that answers every row says differently.
OF_ROWS: dict[str, str] = {
    "bidirectional": "Read each recording in both directions, so that an answer knows "
    "the rows after it. False answers each row from those up to it, and can stream.",
    "dropout": "Share of features dropped between layers and before the head, in "
    "training; before the head, the same ones at all rows of a piece [7]_.",
    "batch_size": 'Number of recordings or pieces per optimizer step. "auto" takes '
    "about 1024 rows.",
    "early_stopping": "Stop when the loss on a validation set no longer falls, and go "
    "back to the best weights. The validation set is a random part of the recordings, "
    'or the last rows of the only one. "auto" stops early from 1000 recordings on. If '
    "`max_iter` is at least 20, up to 5 epochs of all recordings follow early "
    "stopping, unless `warm_start` is True or you pass `X_val`.",
    "standardize": "Bring every feature to mean 0 and standard deviation 1. A missing "
    "value is 0 after that.",
    "class_weight": "Weight of each class in the loss, as in scikit-learn; "
    '"balanced" counts rows.',
    "categorical_features": "Features that are categories, by name, position or "
    "boolean mask; each category is learned as a vector (an embedding [5]_). "
    '"from_dtype" takes those of category dtype, None allows none. Values are compared '
    "with those of fit; an unknown one is missing. A group key that is named here is a "
    "feature, too.",
    "dtype": 'Precision of the network. "auto" is float64 for fewer than 1000 rows of '
    "float64, else float32, which the kernels take.",
}


# What an estimator that reads a text off the frames says differently.
OF_FRAMES: dict[str, str] = {
    "bidirectional": "Read each sequence in both directions, so that a token knows the "
    "frames after it.",
    "beam_width": "Number of candidates that the search for the most probable text "
    "keeps at each frame [6]_; 1 takes the most probable token or blank at every frame "
    "on its own.",
    "dropout": "Share of features dropped between layers and before the head, in "
    "training; before the head, the same ones at all frames [7]_.",
    "batch_size": 'Number of sequences per optimizer step, of similar length. "auto" '
    "takes about 4096 frames, and at most a sixteenth of the sequences.",
    "early_stopping": "Stop when the loss on a validation set no longer falls, and go "
    "back to the best weights. The validation set is a random part of the sequences, "
    'or the most recent ones if they carry times. "auto" stops early from 1000 '
    "sequences on. If `max_iter` is at least 20, up to 5 epochs of all sequences "
    "follow early stopping, unless `warm_start` is True or you pass `X_val`.",
    "validation_fraction": "Share of the sequences held out for early stopping.",
    "standardize": "Bring every feature to mean 0 and standard deviation 1. A missing "
    "value is 0 after that.",
    "categorical_features": "Features that are categories, by name, position or "
    "boolean mask; each category is learned as a vector (an embedding [5]_). "
    '"from_dtype" takes those of category dtype, None allows none. Values are compared '
    "with those of fit; an unknown one is missing.",
    "warm_start": "``fit`` continues for `max_iter` epochs from the last fit, with its "
    "standardization, alphabet and optimizer.",
    "dtype": 'Precision of the network. "auto" is float64 for fewer than 1000 frames '
    "of float64, else float32, which the kernels take.",
}


# What an estimator that writes texts says differently.
OF_TEXTS: dict[str, str] = {
    "hidden_size": "Number of features of the state of the decoder; each direction of "
    "the encoder has half of it.",
    "num_layers": "Number of recurrent layers, of the encoder and of the decoder.",
    "beam_width": "Number of beginnings that the search for the most probable text "
    "keeps at each token [6]_; 1 takes the most probable token each time. The best of "
    "several has the largest mean log-probability per token.",
    "dropout": "Share of features dropped from the vectors of tokens, between layers "
    "and before the outputs, in training.",
    "label_smoothing": "Share of each token of y spread evenly over all of them [8]_.",
    "batch_size": 'Number of texts per optimizer step, of similar length. "auto" '
    "takes 64, and at most a sixteenth of the texts.",
    "early_stopping": "Stop when the loss on a validation set no longer falls, and go "
    "back to the best weights. The validation set is a random part of the texts. "
    '"auto" stops early from 1000 texts on. If `max_iter` is at least 20, up to 5 '
    "epochs of all texts follow early stopping, unless `warm_start` is True or you "
    "pass `X_val`.",
    "validation_fraction": "Share of the texts held out for early stopping.",
    "warm_start": "``fit`` continues for `max_iter` epochs from the last fit, with its "
    "vocabularies and optimizer.",
    "dtype": 'Precision of the network. "auto" is float32, which the kernels take.',
}


def with_parameters(
    cls: Class | None = None, *, texts: Mapping[str, str] | None = None
) -> Any:
    """Give a class the rules of its parameters and their section in its docstring.

    `texts` are descriptions that replace those of the table.
    """
    if cls is None:
        return partial(with_parameters, texts=texts)
    signature = inspect.signature(cls)
    names = list(signature.parameters)
    known: Any = cls
    known._parameter_rules = {
        name: PARAMETERS[name].rules for name in names if PARAMETERS[name].rules
    }
    section = "Parameters\n----------\n" + "\n".join(
        _described(name, signature.parameters[name].default, texts or {})
        for name in names
    )
    if cls.__doc__ is not None:  # it is under python -OO
        section = textwrap.indent(section, "    ") + "\n"
        cls.__doc__ = cls.__doc__.replace(_PLACE, section)
    return cls


def _described(name: str, default: Any, texts: Mapping[str, str]) -> str:
    parameter = PARAMETERS[name]
    shown = f'"{default}"' if isinstance(default, str) else repr(default)
    text = textwrap.fill(texts.get(name, parameter.text), 80, break_on_hyphens=False)
    head = f"{name} : {parameter.kind}, default={shown}"
    return f"{head}\n{textwrap.indent(text, '    ')}"
