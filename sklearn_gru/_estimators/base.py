"""What regressor and classifier share: fit, partial_fit and predict as lists of calls.

The order of a fit: check parameters, read the data, hold out a validation part, freeze
what the first fit freezes (standardisation, dtype, network, target), train, set the
fitted attributes. Constructor parameters are never written.
"""

from __future__ import annotations

import time
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._encoding.categories import CategoryTable
from sklearn_gru._encoding.normalizations import Normalizer
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.standardizer import Standardizer
from sklearn_gru._encoding.validation import TrainingData, check_training, check_X
from sklearn_gru._engines.torch.batches import SequenceDataset
from sklearn_gru._engines.torch.callbacks import EpochTasks, check_callbacks
from sklearn_gru._engines.torch.device import (
    resolve_device,
    resolve_dtype,
    torch_threads,
)
from sklearn_gru._engines.torch.embedding import embedding_width
from sklearn_gru._engines.torch.net import (
    SequenceNet,
    Stopping,
    TrainingParams,
    forward,
    make_net,
    move_net,
    snapshot,
    train,
)
from sklearn_gru._estimators.hidden_states import ActivationsMixin
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._support.doc_links import DocumentationLink
from sklearn_gru._support.rules import (
    Boolean,
    Number,
    OneOf,
    Rule,
    Satisfies,
    check_parameters,
    positive_integer,
    real,
)
from sklearn_gru._support.sklearn_callbacks import (
    CallbackSupportMixin,
    FitTask,
    with_callbacks,
)
from sklearn_gru.exceptions import InputError, InvalidParameterError

# Early stopping "auto": below, a tenth of the data is too few to judge by and too much
# to lose.
STOP_EARLY_FROM = 1000


def _names_features(value: Any) -> bool:
    if np.ndim(value) == 0:
        return isinstance(value, (str, Integral))
    return np.ndim(value) == 1 and all(
        isinstance(key, (str, Integral, np.bool_)) for key in value
    )


class BaseGRU(ActivationsMixin, DocumentationLink, CallbackSupportMixin, BaseEstimator):
    """Everything but the target."""

    _parameter_rules: ClassVar[dict[str, list[Rule]]] = {
        "hidden_size": [positive_integer()],
        "num_layers": [positive_integer()],
        "cell": [OneOf(("gru", "gru_reset_before", "lstm", "rnn"))],
        "bidirectional": [Boolean()],
        "pooling": [OneOf(("last", "mean", "max", "attention", "mean_max"))],
        "dropout": [real(0, 1, high_open=True)],
        "conv_filters": [
            OneOf((None,)),
            Satisfies(
                lambda v: (
                    isinstance(v, (tuple, list))
                    and len(v) > 0
                    and all(positive_integer().accepts(size) for size in v)
                ),
                "a tuple of positive integers such as (64, 128, 64)",
            ),
        ],
        "segment_length": [OneOf((None,)), positive_integer()],
        "normalization": [OneOf((None, "last", "standard"))],
        "features_per_step": [positive_integer()],
        "categorical_features": [
            OneOf((None,)),
            Satisfies(_names_features, "'from_dtype', names, positions or a mask"),
        ],
        "learning_rate": [real(0, low_open=True)],
        "weight_decay": [real(0)],
        "batch_size": [OneOf(("auto",)), positive_integer()],
        "max_iter": [positive_integer()],
        "clip_norm": [OneOf((None,)), real(0, low_open=True)],
        "early_stopping": [OneOf(("auto",)), Boolean()],
        "validation_fraction": [real(0, 1, low_open=True, high_open=True)],
        "n_iter_no_change": [positive_integer()],
        "tol": [real(0)],
        "standardize": [Boolean()],
        "warm_start": [Boolean()],
        "random_state": [
            OneOf((None,)),
            Number(Integral, 0, 2**32 - 1),
            Satisfies(
                lambda v: isinstance(v, np.random.RandomState), "a RandomState instance"
            ),
        ],
        "verbose": [Boolean(), positive_integer(0)],
        "device": [Satisfies(lambda v: isinstance(v, str), "'auto', 'cpu' or 'cuda'")],
        "dtype": [OneOf(("auto", "float32", "float64"))],
    }

    # -- the contract -----------------------------------------------------------------

    @with_callbacks
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
        """Fit the network to sequences.

        Parameters
        ----------
        X : Sequences, list of arrays or DataFrames, or array-like
            Sequences: of shape (n, n_steps, n_features), or a list of arrays
            (n_steps, n_features) of any lengths, or 2-D rows of which each is a series
            (see `features_per_step`). NaN is a missing value.
        y : array-like of shape (n,) or (n, n_outputs)
            Target.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sequence; an integer weight is as good as repeated rows.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            Validation data for early stopping, instead of a part of X.

        Returns
        -------
        self : estimator
            Fitted estimator.
        """
        began = time.perf_counter()
        self._check_params()
        task = FitTask(self, X, y, sample_weight, max_subtasks=int(self.max_iter))
        fresh = not (self.warm_start and self.__sklearn_is_fitted__())
        data = check_training(self, X, y, sample_weight, reset=fresh)
        if fresh:
            self._learn_target(data)
        training, validation = self._hold_out(data, X_val, y_val, sample_weight_val)
        if fresh:
            self._start(training, len(data.sequences))
        self._train(training, validation, self.max_iter, scheduled=True, task=task)
        self._add_fit_time(began, fresh=fresh)
        task.end()
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None):
        began = time.perf_counter()
        self._check_params()
        fresh = not self.__sklearn_is_fitted__()
        data = check_training(self, X, y, sample_weight, reset=fresh)
        if fresh:
            self._learn_target(data, classes)
            self._start(data, len(data.sequences))
        self._train(data, None, 1, scheduled=False)
        self._add_fit_time(began, fresh=fresh)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    # -- the steps of a fit -----------------------------------------------------------

    def _check_params(self) -> None:
        check_parameters(self, self._parameter_rules)
        check_callbacks(self.callbacks)

    def _hold_out(
        self, data: TrainingData, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> tuple[TrainingData, TrainingData | None]:
        """Training and validation part."""
        if (X_val is None) != (y_val is None):
            raise InputError("X_val and y_val were not given together.")
        if X_val is not None:
            validation = check_training(
                self, X_val, y_val, sample_weight_val, reset=False
            )
            return data, validation
        n = len(data.sequences)
        if not self._stops_early(n):
            return data, None
        if n < 2:
            raise InputError(
                f"early_stopping=True holds out a part for validation, but there is "
                f"only {n} sequence: pass X_val and y_val, or early_stopping=False."
            )
        held_out = self._choose_validation(data)
        return _select(data, ~held_out), _select(data, held_out)

    def _stops_early(self, n_sequences: int) -> bool:
        if isinstance(self.early_stopping, str):
            return n_sequences >= STOP_EARLY_FROM
        return bool(self.early_stopping)

    def _choose_validation(self, data: TrainingData) -> np.ndarray:
        """Which sequences to hold out: the latest, or a random part without times."""
        n = len(data.sequences)
        n_held = min(max(1, round(self.validation_fraction * n)), n - 1)
        order = data.sequences.order
        if order is not None:
            held = order >= np.sort(order)[n - n_held]
            if not held.all():
                return held
        seed = self._seed()
        strata = self._strata(data, n_held)
        if strata is None:
            splitter: Any = ShuffleSplit(1, test_size=n_held, random_state=seed)
        else:
            splitter = StratifiedShuffleSplit(1, test_size=n_held, random_state=seed)
        _, index = next(splitter.split(np.zeros(n), strata))
        held = np.zeros(n, dtype=bool)
        held[index] = True
        return held

    def _strata(self, data: TrainingData, n_held: int) -> np.ndarray | None:
        """Classes to hold out in proportion, or None."""
        return None

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _start(self, data: TrainingData, n_given: int) -> None:
        """Freeze what the first fit freezes, and build the net."""
        dtype = resolve_dtype(self.dtype, data.sequences.dtype, n_given)
        self._table = CategoryTable.learn(data.sequences, self.is_categorical_)
        self.categories_ = self._table.categories
        self._standardizer = Standardizer.fit(
            data.sequences,
            self._loss_weights(data),
            identity=not self.standardize,
            embedded=self._table.columns,
        )
        self._normalizer = None
        if self.normalization is not None:
            precision = float(torch.finfo(dtype).eps)
            self._normalizer = Normalizer(
                self.normalization, self._standardizer, precision
            )
        self._task = self._make_task(data)
        self.n_outputs_ = len(self._task.without_input)
        self.net_ = make_net(
            self._spec(),
            self._task,
            TrainingParams(
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                batch_size=self._batch_size(len(data.sequences)),
                clip_norm=self.clip_norm,
                callbacks=list(self.callbacks or []),
            ),
            seed=self._seed(),
            device=resolve_device(self.device),
            dtype=dtype,
            work=n_given * data.sequences.shape[1] * self.max_iter,
            announce=bool(self.verbose),
        )

    def _spec(self) -> NetworkSpec:
        tables = tuple((n, embedding_width(n)) for n in self._table.sizes)
        n_dense = self._standardizer.n_inputs - len(tables)
        return NetworkSpec(
            n_inputs=n_dense + sum(width for _, width in tables),
            n_outputs=self._task.n_outputs,
            cell=self.cell,
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            bidirectional=bool(self.bidirectional),
            pooling=self.pooling,
            dropout=float(self.dropout),
            segment_length=int(self.segment_length or 1),
            conv_filters=tuple(int(size) for size in self.conv_filters or ()),
            normalization=self.normalization,
            embeddings=tables,
        )

    def _keeps_gaps(self) -> bool:
        """As :attr:`NetworkSpec.keeps_gaps`, before there is a network."""
        return int(self.segment_length or 1) > 1 or self.conv_filters is not None

    def _batch_size(self, n_sequences: int) -> int:
        if isinstance(self.batch_size, str):
            return auto_batch_size(n_sequences)
        return int(self.batch_size)

    def _train(
        self,
        training: TrainingData,
        validation: TrainingData | None,
        epochs: int,
        *,
        scheduled: bool,
        task: FitTask | None = None,
    ) -> None:
        net = self.net_
        if net.module_.spec != self._spec():
            raise InvalidParameterError(
                f"warm_start=True continues the network {net.module_.spec}, but the "
                f"parameters now describe {self._spec()}. Set warm_start=False to "
                "start anew."
            )
        for name in ("validation_scores_", "best_iteration_"):
            if hasattr(self, name):
                delattr(self, name)
        net.lr = self.learning_rate
        watched = validation is not None and self.early_stopping is not False
        training = self._recoded(training)
        validation = None if validation is None else self._recoded(validation)
        datasets = self._datasets(training, validation)
        with torch_threads(1) as threads:
            best = train(
                net,
                self._task,
                *datasets,
                epochs,
                scheduled=scheduled,
                stopping=Stopping(self.n_iter_no_change, self.tol) if watched else None,
                progress=type(self).__name__ if self.verbose else None,
                watcher=self._watcher(task),
                threads=threads,
            )
            self._judge(validation, datasets[1], threads)
        for name, value in self._fitted_attributes(net, best).items():
            setattr(self, name, value)

    def _watcher(self, task: FitTask | None) -> EpochTasks | None:
        """What tells scikit-learn's callbacks of the epochs, if there are any."""
        if task is None or not task.is_watched:
            return None
        net, callbacks = self.net_, self.net_.callbacks_
        return EpochTasks(
            task, lambda: self._fitted_attributes(snapshot(net, callbacks), None)
        )

    def _judge(
        self,
        validation: TrainingData | None,
        dataset: SequenceDataset | None,
        threads: int,
    ) -> None:
        """What else to learn from the validation part, now that training is over."""

    def _datasets(
        self, training: TrainingData, validation: TrainingData | None
    ) -> tuple[SequenceDataset, SequenceDataset | None]:
        """Training and validation part, over the same rows where they share them."""
        rows = self._rows(training.sequences)
        dataset = self._labelled(training, rows)
        if validation is None:
            return dataset, None
        if validation.sequences.values is not training.sequences.values:
            rows = self._rows(validation.sequences)
        return dataset, self._labelled(validation, rows)

    def _recoded(self, data: TrainingData) -> TrainingData:
        """Categories in the codes of fit; what holds nothing known drops out."""
        sequences = self._table.encode(data.sequences)
        if sequences is data.sequences:
            return data
        sequences = sequences.without_gaps(interior=not self._keeps_gaps())
        some = sequences.lengths > 0
        if not some.any():
            raise InputError(
                f"None of the {len(some)} sequences holds a category that fit has seen "
                "or a number: there is nothing to learn from."
            )
        return _select(data._replace(sequences=sequences), some)

    def _rows(self, sequences: Sequences) -> torch.Tensor:
        """The rows as the network sees them: standardised, in its dtype and place."""
        parameter = self.net_.module_.head.weight
        dtype = np.float32 if parameter.dtype == torch.float32 else np.float64
        rows = self._standardizer.transform(
            sequences.values,
            np.dtype(dtype),
            keep_missing=self._normalizer is not None,
        )
        reach = self.net_.module_.spec.segment_length - 1
        if reach:
            rows = np.pad(rows, ((reach, 0), (0, 0)))
        return torch.from_numpy(rows).to(parameter.device)

    def _labelled(self, data: TrainingData, rows: torch.Tensor) -> SequenceDataset:
        target, weights = self._target(data)
        return self._dataset(
            data.sequences,
            rows,
            self._task.encode(target, rows.dtype),
            None if weights is None else torch.from_numpy(weights).to(rows.dtype),
        )

    def _dataset(
        self,
        sequences: Sequences,
        rows: torch.Tensor,
        target: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
    ) -> SequenceDataset:
        levels = None
        if self._normalizer is not None:
            dtype = np.float32 if rows.dtype == torch.float32 else np.float64
            levels = self._normalizer.inputs(sequences, np.dtype(dtype))
        spec, observed = self.net_.module_.spec, None
        if spec.conv_filters:
            observed = np.pad(sequences.observed_rows(), (spec.segment_length - 1, 0))
        return SequenceDataset(
            rows,
            sequences,
            target,
            weight,
            levels=levels,
            segment_length=spec.segment_length,
            observed=observed,
        )

    def _target(self, data: TrainingData) -> tuple[np.ndarray, np.ndarray | None]:
        """What the task encodes, and weights in the loss, of mean 1."""
        weights = self._loss_weights(data)
        return self._encode(
            data.y
        ), None if weights is None else weights / weights.mean()

    def _loss_weights(self, data: TrainingData) -> np.ndarray | None:
        return data.weights

    def _fitted_attributes(
        self, net: SequenceNet, best_epoch: int | None
    ) -> dict[str, Any]:
        """What a fit leaves on the estimator, besides what it froze at its start."""
        history = net.history
        losses = [row["train_loss"] for row in history if "train_loss" in row]
        scores = [-row["valid_loss"] for row in history if "valid_loss" in row]
        fitted = {
            "net_": net,
            "module_": net.module_,
            "engine_": net.engine_,
            "n_parameters_": sum(p.numel() for p in net.module_.parameters()),
            "loss_curve_": losses,
            "n_iter_": len(losses),
        }
        if scores:
            fitted["validation_scores_"] = scores
        if best_epoch is not None:
            fitted["best_iteration_"] = best_epoch
        return fitted

    def _add_fit_time(self, began: float, *, fresh: bool) -> None:
        before = 0.0 if fresh else getattr(self, "fit_time_", 0.0)
        self.fit_time_ = before + time.perf_counter() - began

    # -- prediction -------------------------------------------------------------------

    def _predictions(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """What the task predicts, a row a sequence, in the float dtype of X.

        And which sequences have an observed step (n,).
        """
        check_is_fitted(self)
        given = self._table.encode(check_X(self, X, reset=False))
        keeps_gaps = self.net_.module_.spec.keeps_gaps
        sequences = given.without_gaps(interior=not keeps_gaps)
        observed = sequences.lengths > 0
        out = np.empty((len(observed), *self._task.without_input.shape))
        out[~observed] = self._task.without_input
        if observed.any():
            with torch_threads(1) as threads:
                rows, chosen = self._rows(sequences), sequences[observed]
                dataset = self._dataset(chosen, rows)
                output = forward(self.net_, self._task, dataset, threads)
            out[observed] = self._decode(output, chosen)
        return out.astype(sequences.dtype, copy=False), observed

    def _decode(self, output: np.ndarray, sequences: Sequences) -> np.ndarray:
        return self._task.decode(output)

    # -- pickling: CPU tensors inside, the device is chosen again at load -------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "net_" in state:
            state["net_"] = move_net(state["net_"], torch.device("cpu"))
            state.pop("module_", None)  # none yet in the first fit
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "net_" in state:
            try:
                device = resolve_device(self.device)
            except InvalidParameterError:  # trained where there was one
                device = torch.device("cpu")
            self.net_ = move_net(self.net_, device)
            self.module_ = self.net_.module_


def auto_batch_size(n_sequences: int) -> int:
    """All of a small data set, then about 16 batches an epoch, up to 128 sequences."""
    if n_sequences <= 64:
        return n_sequences
    power = round(np.log2(n_sequences / 16))
    return int(np.clip(2**power, 32, 128))


def _select(data: TrainingData, mask: np.ndarray) -> TrainingData:
    weights = None if data.weights is None else data.weights[mask]
    return TrainingData(data.sequences[mask], data.y[mask], weights)
