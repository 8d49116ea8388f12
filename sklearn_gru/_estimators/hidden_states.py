"""Attention weights and gates of a fitted network at every step, as arrays.

The network reads right-padded batches from which unobserved steps have been removed,
while a user asks about the steps of X. Both methods run the network over the same
batches as predict and map the results back to the steps of X, with the last step in the
last column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._engines.torch.batches import SequenceDataset, blocks_by_length
from sklearn_gru._engines.torch.device import torch_threads
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.poolings import POOLINGS
from sklearn_gru._support.rules import positive_integer
from sklearn_gru.exceptions import InvalidParameterError

# Sequences per pass: gates take many times as much memory as states.
_PASS_SIZE = 256


class HiddenStatesMixin:
    """Attention weights and gates of a fitted estimator."""

    net_: Any
    modules_: Any
    _fitted: Any

    def attention_weights(self, X, *, member=0):
        """Return the attention weight of each step; only with ``pooling="attention"``.

        Parameters
        ----------
        X : like X of fit
            Sequences.
        member : int, default=0
            Network to look into, of several (`n_estimators`).

        Returns
        -------
        weights : ndarray of shape (n, n_steps)
            Weight of each step in the pooled state. The last step of every sequence is
            in the last column, as in :class:`~sklearn_gru.Sequences`. Each row sums to
            1 over its observed steps. Unobserved steps are NaN; a sequence without any
            observed step is NaN throughout. With ``segment_length=k`` the columns are
            segments, ``(n, ceil(n_steps / k))``, and the last segment ends with the
            last observed step.

        Raises
        ------
        InvalidParameterError
            If the estimator was fitted with another pooling, or has no such member.

        Notes
        -----
        A weight is the contribution of the state *at* a step [1]_. That state has also
        read the steps before it (in both directions if `bidirectional`), so the weight
        is not a measure of the influence of the step itself. For that, see
        :func:`~sklearn_gru.inspection.step_permutation_importance`.

        References
        ----------
        .. [1] Yang et al. (2016). Hierarchical Attention Networks for Document
           Classification. NAACL.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_gru import GRURegressor
        >>> X = [np.arange(3.0), np.arange(4.0)]
        >>> model = GRURegressor(4, pooling="attention", max_iter=1, random_state=0)
        >>> weights = model.fit(X, [0.0, 1.0]).attention_weights(X)
        >>> np.isnan(weights)
        array([[ True, False, False, False],
               [False, False, False, False]])
        >>> np.nansum(weights, axis=1).round(6)
        array([1., 1.])
        """
        check_is_fitted(self)
        pooling = self.net_.module_.spec.pooling
        if not POOLINGS[pooling].weighs_steps:
            name = type(self).__name__
            raise InvalidParameterError(
                f"attention_weights needs a network that pools by attention; this "
                f"{name} was fitted with pooling={pooling!r}. Fit "
                f"{name}(pooling='attention')."
            )
        module = self._member(member)
        return _along_steps(self._fitted, module, X, _attention, 1)[0]

    def gate_activations(self, X, *, member=0):
        """Return the gates of every unit at every step, each between 0 and 1.

        Parameters
        ----------
        X : like X of fit
            Sequences.
        member : int, default=0
            Network to look into, of several (`n_estimators`).

        Returns
        -------
        gates : :class:`~sklearn.utils.Bunch`
            Arrays of shape ``(n, n_steps, num_layers, n_directions, hidden_size)``.
            The cells "gru" and "gru_reset_before" have `update_gate` (near 1, the unit
            keeps its state; near 0, it takes a new one) and `reset_gate` (near 0, the
            new state is computed without the old one). The cell "lstm" has
            `input_gate`, `forget_gate` and `output_gate`. The second direction is the
            backward one, at the steps that it reads. Steps are aligned as in
            :meth:`attention_weights`: the last step comes last, unobserved steps are
            NaN, and with `segment_length` the steps are segments.

        Raises
        ------
        InvalidParameterError
            If the cell is "rnn", which has no gates, or there is no such member.

        Notes
        -----
        As in PyTorch and [1]_, ``h = (1 - update) * new + update * h``; some texts
        [2]_ define the update gate the other way around. Each array holds
        ``n * n_steps * num_layers * n_directions * hidden_size`` numbers, so pass only
        the sequences that you want to inspect.

        References
        ----------
        .. [1] Cho et al. (2014). Learning Phrase Representations using RNN
           Encoder-Decoder for Statistical Machine Translation. EMNLP.
        .. [2] Chung et al. (2014). Empirical Evaluation of Gated Recurrent Neural
           Networks on Sequence Modeling. arXiv:1412.3555.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_gru import GRURegressor
        >>> X = np.random.default_rng(0).normal(size=(10, 6, 2))
        >>> model = GRURegressor(4, max_iter=1).fit(X, X[:, -1, 0])
        >>> gates = model.gate_activations(X[:3])
        >>> gates.update_gate.shape
        (3, 6, 1, 1, 4)
        """
        check_is_fitted(self)
        spec = self.net_.module_.spec
        gates = CELLS[spec.cell].gates
        if not gates:
            raise InvalidParameterError(
                f"A plain recurrent network (cell={spec.cell!r}) has no gates. Fit "
                f"{type(self).__name__}(cell='gru') to look at some."
            )
        n_directions = spec.state_size // spec.hidden_size
        shape = (spec.num_layers, n_directions, spec.hidden_size)
        module = self._member(member)
        arrays = _along_steps(self._fitted, module, X, _gates, len(gates), shape)
        names = [f"{gate}_gate" for gate in gates]
        return Bunch(**dict(zip(names, arrays, strict=True)))

    def _member(self, number):
        """Return one of the networks."""
        modules = self.modules_
        if not positive_integer(0).accepts(number) or number >= len(modules):
            raise InvalidParameterError(
                f"member={number!r} is not one of the {len(modules)} network(s), which "
                "are counted from 0."
            )
        return modules[number]


def _attention(module: Any, batch: dict[str, Tensor]) -> Tensor:
    return module.attention(**batch)[None]


def _gates(module: Any, batch: dict[str, Tensor]) -> Tensor:
    return module.gates(**batch)


def _along_steps(
    fitted: Any,
    module: Any,
    X: Any,
    look: Callable[[Any, dict[str, Tensor]], Tensor],
    n_kinds: int,
    shape: tuple[int, ...] = (),
) -> np.ndarray:
    """Map results of `look` on batches (G, B, S, …) to the steps of X: (G, n, S, …)."""
    encoder, spec = fitted.encoder, module.spec
    given = encoder.read(X)
    read = encoder.condense(given)
    if spec.segment_length > 1:
        place = _segment_places(given, read, spec.segment_length)
    else:
        place = _step_places(given)
    counts = place.sum(axis=1)
    laid = np.full((n_kinds, *place.shape, *shape), np.nan, dtype=given.dtype)
    some = np.flatnonzero(counts)
    if not len(some):
        return laid
    module.eval()
    with torch_threads(1), torch.inference_mode():
        rows = encoder.rows(read, fitted.dtype)
        dataset = SequenceDataset(
            encoder.encode(read[some], rows), module.head.weight.device
        )
        for block in blocks_by_length(dataset.data.lengths, _PASS_SIZE):
            inputs, _ = dataset.gather(torch.from_numpy(block))
            found = look(module, inputs).cpu().numpy()
            at = some[block]
            real = np.arange(found.shape[2]) < counts[at, None]
            part = np.full_like(laid[:, at], np.nan)
            part[:, place[at]] = found[:, real]
            laid[:, at] = part
    return laid


def _step_places(given: Sequences) -> np.ndarray:
    """Return a mask (n, n_steps) of the observed steps of X, with aligned ends."""
    back = np.arange(given.shape[1], 0, -1)  # steps from the end: n_steps … 1
    at = (given.starts + given.lengths)[:, None] - back
    inside = back <= given.lengths[:, None]
    observed = np.append(given.observed_rows(), False)
    return observed[np.where(inside, at, -1)]


def _segment_places(given: Sequences, read: Sequences, k: int) -> np.ndarray:
    """Return a mask (n, n_segments) of the segments that hold steps that are read."""
    n_segments = -(-given.shape[1] // k)
    counts = -(-read.lengths // k)
    return np.arange(n_segments, 0, -1) <= counts[:, None]
