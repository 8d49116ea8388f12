"""The base of the estimators: fit, partial_fit and predict as lists of calls.

A fit checks the parameters, reads the data, holds out a validation set, freezes the
schema, standardization, dtype, networks and target (first fit only), cross-fits a small
training set, trains, in the last epochs on all data, and assigns all fitted attributes
at the end. Constructor parameters are never written.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._encoding.all_ranks import of_all_ranks
from sklearn_gru._encoding.encoder import Encoder
from sklearn_gru._encoding.normalizations import Continuation
from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.targets import TrainingData, read_training_data
from sklearn_gru._engines.base import Plan
from sklearn_gru._engines.members import make_nets, train_all, train_all_further
from sklearn_gru._engines.precision import choose_dtype
from sklearn_gru._engines.torch.callbacks import EpochReports, check_callbacks
from sklearn_gru._engines.torch.device import resolve_device, torch_threads
from sklearn_gru._engines.torch.embedding import embedding_width
from sklearn_gru._engines.torch.net import SequenceNet
from sklearn_gru._engines.training import (
    Best,
    Stopping,
    TrainingParams,
    make_net,
    move_net,
    snapshot,
)
from sklearn_gru._estimators.cross_fit import CrossFit, first_half
from sklearn_gru._estimators.fitted import Fitted, Prediction
from sklearn_gru._estimators.hold_out import HOLD_OUT_HALF_FROM, hold_out, stops_early
from sklearn_gru._estimators.last_epochs import (
    has_last_epochs,
    has_time_limit,
    last_epochs,
)
from sklearn_gru._estimators.linear_part import LinearParts, OfNetworks
from sklearn_gru._estimators.transaction import transaction
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.streamed import Data
from sklearn_gru._model.tasks import Task
from sklearn_gru._support.estimator import Estimator
from sklearn_gru._support.ranks import of_first_rank
from sklearn_gru._support.rules import (
    Rule,
    check_parameters,
)
from sklearn_gru._support.sklearn_callbacks import (
    CallbackSupportMixin,
    FitReport,
    with_callbacks,
)
from sklearn_gru.exceptions import InputError, InvalidParameterError

# Fitted attributes that only some fits set.
_SOMETIMES_FITTED = ("feature_names_in_", "validation_scores_", "best_iteration_")

# Steps from which segment_length="auto" reads two at a time: as accurate on five tasks
# of 100 to 361 steps, in half of the time.
_LONG = 100


@functools.lru_cache
def _drawn_from(seed: int) -> int:
    """Return what a new random state draws, which takes longer to make than to ask."""
    return check_random_state(seed).randint(2**31 - 1)


class BaseGRU(CallbackSupportMixin, Estimator):
    """Base class of the estimators: everything that does not depend on the target."""

    _fitted: Fitted

    _parameter_rules: ClassVar[dict[str, list[Rule]]]
    _writes_texts: ClassVar[bool] = False  # answers that no stream or graph gives

    # Sequences times steps below which segment_length="auto" reads them one by one.
    _least_to_read: ClassVar[int] = 0

    # What an estimator does whose constructor lacks the parameter.
    pooling: Any = "last"
    n_estimators: Any = 1
    conv_filters: Any = None
    segment_length: Any = None
    normalization: Any = None
    add_differences: Any = False
    linear_share: Any = 0
    features_per_step: Any = 1
    standardize: Any = False
    categorical_features: Any = None

    # -- the contract -----------------------------------------------------------------

    @of_all_ranks
    @transaction(continues=lambda self: bool(self.warm_start))
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
            Sequences: an array of shape (n, n_steps, n_features), a list of arrays of
            shape (n_steps, n_features) that may differ in length, or a 2-D array in
            which each row is a series (see `features_per_step`). NaN marks a missing
            value.
        y : array-like of shape (n,) or (n, n_outputs)
            Target.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sequence; an integer weight is equivalent to repeating the
            sequence that many times.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            Validation data for early stopping. If given, no part of X is held out.

        Returns
        -------
        self : estimator
            Fitted estimator.
        """
        began = time.perf_counter()
        self._check_params()
        epochs = int(self.max_iter)
        before = self._fitted_before() if self.warm_start else None
        data, schema = self._read(self._schema(before), X, y, sample_weight)
        n_nets = self._n_networks(before, len(data.sequences), epochs)
        report = FitReport(self, X, y, sample_weight, max_subtasks=epochs * n_nets)
        labels = self._learn_labels(before, data.y)
        training, validation = self._hold_out(
            schema, labels, data, X_val, y_val, sample_weight_val
        )
        n_given = len(data.sequences)
        whole = data if self._learns_held_out(validation, X_val) else None
        # One half may lack categories, or be constant. A tenth lacks little.
        holds_half = whole is not None and not stops_early(self.early_stopping, n_given)
        known = data if holds_half else training
        del data  # not to be held in memory during training, unless it is learned later
        size = self._batch_size(training)
        fitted = before or self._start(schema, labels, known, n_given, size, n_nets)
        del known
        fitted = self._train(
            fitted, labels, training, validation, epochs, report, whole
        )
        self._keep(fitted, began, fresh=before is None)
        report.end()
        return self

    @of_all_ranks
    @transaction(continues=lambda self: True)
    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None):
        began = time.perf_counter()
        self._check_params()
        before = self._fitted_before()
        data, schema = self._read(self._schema(before), X, y, sample_weight)
        labels = self._learn_labels(before, data.y, classes)
        n, size = len(data.sequences), self._batch_size(data)
        n_nets = self._n_networks(before, n, 1)
        fitted = before or self._start(schema, labels, data, n, size, n_nets)
        self._keep(
            self._train(fitted, labels, data, None, 1), began, fresh=before is None
        )
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    # -- the steps of a fit -----------------------------------------------------------

    def _check_params(self) -> None:
        check_parameters(self, self._parameter_rules)
        check_callbacks(self.callbacks)

    def _fitted_before(self) -> Fitted | None:
        return getattr(self, "_fitted", None)

    def _schema(self, before: Fitted | None) -> InputSchema:
        """Return the schema of the first fit, or one that is still to learn."""
        if before is not None:
            return before.encoder.schema
        return InputSchema(
            type(self).__name__, self.features_per_step, self.categorical_features
        )

    def _read(
        self, schema: InputSchema, X: Any, y: Any, sample_weight: Any
    ) -> tuple[TrainingData, InputSchema]:
        """Check the arguments of fit, against the schema if it has learned."""
        return read_training_data(
            schema,
            X,
            y,
            sample_weight,
            self._check_y,
            check_pairs=self._check_pairs,
            keeps_gaps=self._keeps_gaps,
        )

    def _hold_out(
        self,
        schema: InputSchema,
        labels: Any,
        data: TrainingData,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
    ) -> tuple[TrainingData, TrainingData | None]:
        """Return the training set and the validation set, if there is one."""
        if (X_val is None) != (y_val is None):
            raise InputError(
                "X_val and y_val were not given together. Pass both to fit, or neither."
            )
        if X_val is not None:
            return data, self._read(schema, X_val, y_val, sample_weight_val)[0]
        if stops_early(self.early_stopping, len(data.sequences)):
            codes = self._strata(labels, data.y)
            return hold_out(data, self.validation_fraction, self._seed, codes)
        if len(data.sequences) < HOLD_OUT_HALF_FROM or not self._holds_out_half():
            return data, None
        held = first_half(data.sequences, data.weights, self._batch_size(data))
        if held is None:
            return data, None
        return data.select(~held), data.select(held)

    def _makes_halves(self) -> bool:
        """Return whether halves of a small training set tell how to train."""
        return False

    def _holds_out_half(self) -> bool:
        """Return whether a half may be held out, because networks learn it later."""
        if not self._has_last_epochs() or has_time_limit(self.callbacks):
            return False
        return self._makes_halves()

    def _learns_held_out(self, validation: TrainingData | None, X_val: Any) -> bool:
        """Return whether networks learn from the validation set in the end.

        One that is given stays unknown to them.
        """
        return validation is not None and X_val is None and self._has_last_epochs()

    def _has_last_epochs(self) -> bool:
        """Return whether the last epochs may be of all sequences.

        The fits that continue a warm start need a validation set that networks do not
        know.
        """
        return not self.warm_start

    # -- hooks that depend on the kind of target --------------------------------------

    def _check_y(self, y: Any) -> np.ndarray:
        """Return y as an array; finiteness is checked after weighting."""
        raise NotImplementedError(f"{type(self).__name__} defines no _check_y")

    def _check_pairs(
        self, sequences: Sequences, y: np.ndarray, part: np.ndarray
    ) -> None:
        """Refuse targets that do not fit their sequences; `part` is the mask in use."""

    def _learn_labels(
        self, before: Fitted | None, y: np.ndarray, classes: Any = None
    ) -> Any:
        """Return what is learned from all of y, including the validation set."""
        return None

    def _strata(self, labels: Any, y: np.ndarray) -> np.ndarray | None:
        """Return the codes to stratify the validation set by, or None."""
        return None

    def _loss_weights(self, labels: Any, data: TrainingData) -> np.ndarray | None:
        """Return the weight of each sequence in the loss."""
        return data.weights

    def _sequence_weights(self, labels: Any, data: TrainingData) -> np.ndarray | None:
        """Return the weight of each sequence in the moments of X."""
        return self._loss_weights(labels, data)

    def _choose_levels(
        self, schema: InputSchema, data: TrainingData
    ) -> tuple[str | None, int | None]:
        """Return the normalization, and the channel that y continues."""
        return self.normalization, None

    def _make_task(
        self,
        labels: Any,
        data: TrainingData,
        encoder: Encoder,
        continued: int | None,
    ) -> tuple[Task, Continuation | None]:
        """Learn the target from the training set."""
        raise NotImplementedError(f"{type(self).__name__} defines no _make_task")

    def _linear_share(self) -> float | str:
        """Return the share of the linear part, or "auto"."""
        return self.linear_share

    def _calibrate(
        self,
        fitted: Fitted,
        validation: TrainingData | None,
        encoded: Data | None,
        held_out: OfNetworks,
    ) -> Fitted:
        """Learn anything that the validation set is needed for after training.

        `held_out` returns the outputs of each network for it.
        """
        return fitted

    # -- the steps of a fit, continued ------------------------------------------------

    def _seed(self) -> int:
        given = self.random_state
        if isinstance(given, Integral):
            own = _drawn_from(int(given))
        else:
            own = check_random_state(given).randint(2**31 - 1)
        return int(of_first_rank(own))

    def _start(
        self,
        schema: InputSchema,
        labels: Any,
        data: TrainingData,
        n_given: int,
        batch_size: int,
        n_nets: int,
    ) -> Fitted:
        """Freeze everything that later fits reuse, and make the nets."""
        weights = self._sequence_weights(labels, data)
        normalization, continued = self._choose_levels(schema, data)
        encoder = self._learn_encoder(schema, data, weights, normalization)
        task, continuation = self._make_task(labels, data, encoder, continued)
        params = self._training_params(batch_size)
        device = resolve_device(self.device)
        work = self._work(n_given, data)
        plan = Plan(self._spec(encoder, task), work, device.type)
        dtype = choose_dtype(
            self.dtype, data.sequences, n_given, params.batch_size, plan, weights
        )
        if dtype == "float64":
            encoder = encoder.at_precision(float(np.finfo(np.float64).eps))
            task, continuation = self._make_task(labels, data, encoder, continued)
        # The QR decompositions of the initialization take 100 times as long on several
        # threads of busy cores: 18 % of a search of small networks.
        with torch_threads(1):
            nets = make_nets(
                n_nets,
                self._spec(encoder, task),
                task,
                params,
                seed=self._seed(),
                device=device,
                dtype=getattr(torch, dtype),
                work=work,
            )
        return Fitted(encoder, task, continuation, nets)

    def _n_networks(self, before: Fitted | None, n_given: int, epochs: int) -> int:
        """Return the number of networks; "auto" keeps that of an earlier fit."""
        if self.n_estimators != "auto":
            return int(self.n_estimators)
        if before is not None:
            return len(before.nets)
        return self._auto_networks(n_given, epochs)

    def _auto_networks(self, n_given: int, epochs: int) -> int:
        """Return the number of networks that "auto" makes for so many sequences."""
        return 1

    def _training_params(self, batch_size: int) -> TrainingParams:
        return TrainingParams(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            batch_size=batch_size,
            clip_norm=self.clip_norm,
            callbacks=list(self.callbacks or []),
        )

    def _one_more_net(self, fitted: Fitted) -> SequenceNet:
        """Return an untrained network like the first one, always of the same seed."""
        net, weight = fitted.net, fitted.net.module_.head.weight
        return make_net(
            net.module_.spec,
            fitted.task,
            self._training_params(net.batch_size)._replace(callbacks=[]),
            seed=0,
            device=weight.device,
            dtype=weight.dtype,
            work=net.work,
        )

    def _learn_encoder(
        self,
        schema: InputSchema,
        data: TrainingData,
        weights: np.ndarray | None,
        normalization: str | None,
    ) -> Encoder:
        """Learn how X is read."""
        return Encoder.learn(
            schema,
            data.sequences,
            weights,
            standardize=self.standardize,
            normalization=normalization,
            add_differences=bool(self.add_differences),
            precision=float(np.finfo(np.float32).eps),
            segment_length=self._segment_length(schema),
            convolves=self.conv_filters is not None,
        )

    def _spec(self, encoder: Encoder, task: Task) -> NetworkSpec:
        tables = tuple((n, embedding_width(n)) for n in encoder.categories.sizes)
        return NetworkSpec(
            self.cell,
            n_inputs=encoder.n_dense + sum(width for _, width in tables),
            n_outputs=task.n_outputs,
            loss=task.loss,
            loss_parameters=task.loss_parameters,
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            bidirectional=bool(self.bidirectional),
            pooling=self.pooling,
            dropout=float(self.dropout),
            segment_length=self._segment_length(encoder.schema),
            conv_filters=tuple(int(size) for size in self.conv_filters or ()),
            normalization=self._normalization(encoder),
            embeddings=tables,
            differences=bool(self.add_differences),
        )

    def _normalization(self, encoder: Encoder) -> str | None:
        """Return what the parameter asks for; "auto" keeps the choice of fit."""
        if self.normalization != "auto":
            return self.normalization
        return None if encoder.normalizer is None else encoder.normalizer.kind

    def _segment_length(self, schema: InputSchema) -> int:
        """Return what the parameter asks for; "auto" reads long sequences by twos."""
        if self.segment_length != "auto":
            return int(self.segment_length or 1)
        is_long = schema.n_steps >= _LONG and schema.is_categorical is None
        is_much = schema.n_steps * schema.n_sequences >= self._least_to_read
        return 2 if is_long and is_much else 1

    def _keeps_gaps(self, schema: InputSchema) -> bool:
        """Return :attr:`NetworkSpec.keeps_gaps` before there is a network."""
        return self._segment_length(schema) > 1 or self.conv_filters is not None

    def _work(self, n_given: int, data: TrainingData) -> int:
        """Return the amount of training: sequences x steps x epochs."""
        return n_given * data.sequences.shape[1] * int(self.max_iter)

    def _batch_size(self, data: TrainingData) -> int:
        if isinstance(self.batch_size, str):
            return auto_batch_size(len(data.sequences))
        return int(self.batch_size)

    def _train(
        self,
        fitted: Fitted,
        labels: Any,
        training: TrainingData,
        validation: TrainingData | None,
        epochs: int,
        report: FitReport | None = None,
        whole: TrainingData | None = None,
    ) -> Fitted:
        """Train the nets, in the end on `whole` if it is given.

        With a report, train for `epochs` epochs at scheduled learning rates; without
        one, at a constant rate.
        """
        self._check_same_spec(fitted)
        for net in fitted.nets:
            net.lr = self.learning_rate
        watched = validation is not None and self.early_stopping is not False
        training = fitted.recode(training)
        encoder = fitted.encoder.having_seen(training.sequences)
        fitted = replace(fitted, encoder=encoder)
        weights = self._loss_weights(labels, training)
        held_weights = None
        if validation is not None:
            validation = fitted.recode(validation)
            held_weights = self._loss_weights(labels, validation)
        pair = fitted.training_pair(training, weights, validation, held_weights)
        with torch_threads(1) as threads:
            crossed = None
            if report is not None and not fitted.net.history:
                sequences = training.sequences
                crossed = self._cross_fit(fitted, sequences, *pair, epochs, threads)
            if crossed is not None:
                epochs = crossed.epochs
            linear = LinearParts(fitted, self._linear_share(), *pair, crossed)
            stopped = train_all(
                fitted.nets,
                *pair,
                epochs,
                scheduled=report is not None,
                stopping=Stopping(self.n_iter_no_change, self.tol) if watched else None,
                progress=type(self).__name__ if self.verbose else None,
                watchers=self._watchers(fitted, linear, report),
                threads=threads,
            )
            best = tuple(None if at is None else at.epoch for at in stopped)
            fitted = replace(fitted, best_epochs=best, calibrations=None)
            held_out = _held_out(fitted, pair[1], threads, stopped)
            recipe = None
            if report is not None:
                recipe = linear.recipe(held_out)
                part = linear.made(recipe)
                fitted = replace(fitted, linear=part, mix=recipe)
            fitted = self._calibrate(fitted, validation, pair[1], held_out)
            if whole is None or not has_last_epochs(fitted.nets, epochs, best):
                return fitted
            known = training, pair[0]
            fitted, data = self._train_on_whole(fitted, labels, whole, known, threads)
            return replace(fitted, linear=linear.made(recipe, data))

    def _train_on_whole(
        self,
        fitted: Fitted,
        labels: Any,
        whole: TrainingData,
        known: tuple[TrainingData, Data],
        threads: int,
    ) -> tuple[Fitted, Data]:
        """Train the last epochs; return the model that has seen all, and all encoded.

        `known` is the training set, as it was read and encoded.
        """
        whole = fitted.recode(whole)
        fitted = replace(fitted, encoder=fitted.encoder.having_seen(whole.sequences))
        data = fitted.encoded_beside(whole, self._loss_weights(labels, whole), known)
        train_all_further(
            fitted.nets,
            data,
            last_epochs(fitted.best_epochs),
            progress=f"{type(self).__name__}, all sequences" if self.verbose else None,
            threads=threads,
        )
        return fitted, data

    def _cross_fit(
        self,
        fitted: Fitted,
        sequences: Sequences,
        training: Data,
        validation: Data | None,
        epochs: int,
        threads: int,
    ) -> CrossFit | None:
        """Return networks of halves of the training set, or None.

        They are for small training sets of which the estimator chooses the number of
        epochs; see :func:`first_half` for the sets that have no halves.
        """
        if validation is not None or not self._makes_halves():
            return None
        whole = training.whole
        if whole is None:  # rows in a file that are not read at once
            return None
        is_first = first_half(sequences, whole.weight, fitted.net.batch_size)
        if is_first is None:
            return None
        return CrossFit.of(
            whole,
            is_first,
            functools.partial(self._one_more_net, fitted),
            epochs,
            Stopping(self.n_iter_no_change, tol=0.0),
            threads,
        )

    def _check_same_spec(self, fitted: Fitted) -> None:
        """Refuse to continue training with other networks than there are."""
        n, given = len(fitted.nets), self.n_estimators
        if given not in ("auto", n):
            raise InvalidParameterError(
                f"warm_start=True and partial_fit continue {n} network(s), but "
                f"n_estimators={given}. Set n_estimators={n}, or fit with "
                "warm_start=False to start over."
            )
        spec, now = fitted.net.module_.spec, self._spec(fitted.encoder, fitted.task)
        if spec != now:
            raise InvalidParameterError(
                f"warm_start=True continues the network {spec}, but the parameters now "
                f"describe {now}. Set warm_start=False to start over."
            )

    def _watchers(
        self, fitted: Fitted, linear: LinearParts, report: FitReport | None
    ) -> list[EpochReports] | None:
        """Return a reporter to scikit-learn's callbacks per net; None without them.

        The model after an epoch has the nets that are trained, and the one in training.
        """
        if report is None or not report.is_watched:
            return None
        own = [(net, net.callbacks_) for net in fitted.nets]

        def attributes(n: int) -> dict[str, Any]:
            nets = tuple(snapshot(net, callbacks) for net, callbacks in own[:n])
            model = replace(fitted, nets=nets, best_epochs=())
            recipe = linear.recipe(_held_out(model, linear.validation, 1))
            model = replace(model, linear=linear.made(recipe))
            return self._fitted_attributes(model)

        numbers = range(1, len(own) + 1)
        return [EpochReports(report, functools.partial(attributes, n)) for n in numbers]

    def _keep(self, fitted: Fitted, began: float, *, fresh: bool) -> None:
        """Assign all fitted attributes, and remove those that this fit did not set.

        They change together, for other threads that predict with this estimator.
        """
        spent = 0.0 if fresh else getattr(self, "fit_time_", 0.0)
        kept = {k: v for k, v in vars(self).items() if k not in _SOMETIMES_FITTED}
        found = self._fitted_attributes(fitted)
        found["fit_time_"] = spent + time.perf_counter() - began
        self.__dict__ = {**kept, **found}

    def _fitted_attributes(self, fitted: Fitted) -> dict[str, Any]:
        """Return all attributes that a fit sets on the estimator."""
        net, nets = fitted.net, fitted.nets
        losses = [row["train_loss"] for row in net.history if "train_loss" in row]
        scores = [-row["valid_loss"] for row in net.history if "valid_loss" in row]
        found = {
            "_fitted": fitted,
            "n_outputs_": len(fitted.task.without_input),
            **self._attributes_of_features(fitted),
            **_of_the_nets(fitted),
            "engine_": net.engine_,
            "n_parameters_": sum(
                p.numel() for net in nets for p in net.module_.parameters()
            ),
            "loss_curve_": losses,
            "n_iter_": max(_n_trained(net) for net in nets),
        }
        if scores:
            found["validation_scores_"] = scores
        best = fitted.best_epochs[0] if fitted.best_epochs else None
        if best is not None:
            found["best_iteration_"] = best
        return found

    def _attributes_of_features(self, fitted: Fitted) -> dict[str, Any]:
        """Return the attributes that say how X is read."""
        schema = fitted.encoder.schema
        normalizer, linear = fitted.encoder.normalizer, fitted.linear
        found = {
            "n_features_in_": schema.n_features,
            "is_categorical_": schema.is_categorical,
            "categories_": fitted.encoder.categories.categories,
            "normalization_": None if normalizer is None else normalizer.kind,
            "segment_length_": fitted.encoder.segment_length,
            "linear_share_": 0.0 if linear is None else linear.share,
        }
        if schema.feature_names is not None:
            found["feature_names_in_"] = schema.feature_names
        return found

    def _prediction(self, X: Any) -> Prediction:
        """Return the decoded prediction; a stream passes one that it has made."""
        if isinstance(X, Prediction):
            return X
        return self._for_prediction().predict(X)

    def _for_prediction(self) -> Any:
        """Return the fitted model; raise NotFittedError without one."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # with a message, and much slower
        return self._check_same_network()

    def _check_same_network(self) -> Fitted:
        """Return the fitted model, if no other network was assigned to an attribute."""
        state = vars(self)  # a fit in another thread exchanges it as a whole
        fitted = state["_fitted"]
        if _of_the_nets(fitted).items() <= state.items():
            return fitted
        raise InvalidParameterError(
            "net_, module_, nets_ or modules_ was assigned after fit, but predictions "
            "come from the networks that fit trained. To use other weights, load them "
            "into those: model.module_.load_state_dict(other.state_dict())."
        )

    # -- pickling: tensors are stored on the CPU, loading chooses the device again ----

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_fitted" in state:
            self._check_same_network()
            state["_fitted"] = _moved(state["_fitted"], torch.device("cpu"))
            for name in _of_the_nets(state["_fitted"]):
                state.pop(name)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_fitted" in state:
            try:
                device = resolve_device(self.device)
            except InvalidParameterError:  # that device exists only where it was fitted
                device = torch.device("cpu")
            self._fitted = _moved(self._fitted, device)
            self.__dict__.update(_of_the_nets(self._fitted))


def _held_out(
    fitted: Fitted,
    validation: Data | None,
    threads: int,
    stopped: Sequence[Best | None] = (),
) -> OfNetworks:
    """Return a function that returns what networks say of a validation set, once."""
    known = [at.outputs for at in stopped if at is not None and at.outputs is not None]
    if len(known) == len(fitted.nets):
        return lambda: known
    return functools.cache(lambda: fitted.of_networks(validation, threads))


def _of_the_nets(fitted: Fitted) -> dict[str, Any]:
    """Return the fitted attributes that a pickle leaves out, as others hold them."""
    modules = tuple(net.module_ for net in fitted.nets)
    names = ("net_", "nets_", "module_", "modules_")
    values = (fitted.net, fitted.nets, modules[0], modules)
    return dict(zip(names, values, strict=True))


def _moved(fitted: Fitted, device: torch.device) -> Fitted:
    nets = tuple(move_net(net, device) for net in fitted.nets)
    return replace(fitted, nets=nets)


def _n_trained(net: Any) -> int:
    """Return for how many epochs a net was trained."""
    return sum("train_loss" in row for row in net.history)


def auto_batch_size(n_sequences: int) -> int:
    """Return all of a small data set, else about a sixteenth of it, from 32 to 128."""
    if n_sequences <= 64:
        return n_sequences
    power = round(np.log2(n_sequences / 16))
    return int(np.clip(2**power, 32, 128))
