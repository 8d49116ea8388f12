"""The compiled programs, one for each kind of cell, as Python calls them.

A cell is bound to a program here, at the top, so that everything below is compiled
for it: its gates are inlined into the loops, and nothing is compiled for cells that
are not used. Each entry is cached on disk with all the code it calls. They are
written out, not made by a function: numba cannot cache closures over functions.
The arguments are those of the programs in `_programs`, after the cell's functions.
(Spelled out too: through *arguments, numba would pass the functions as pointers.)
"""

from types import SimpleNamespace

from sklearn_gru._engines.numba.cells import gru as _gru
from sklearn_gru._engines.numba.cells import gru_reset_before as _before
from sklearn_gru._engines.numba.cells import lstm as _lstm
from sklearn_gru._engines.numba.cells import rnn as _rnn
from sklearn_gru._engines.numba.compile.jit import entry
from sklearn_gru._engines.numba.compile.simd import floats_at, integers_at
from sklearn_gru._engines.numba.parts.weights import pack as _pack
from sklearn_gru._engines.numba.parts.weights import pack_layers as _pack_layers
from sklearn_gru._engines.numba.programs import programs as _programs

_train, _predict = _programs.train_epoch, _programs.predict
_share = _programs.share_blocks
_run, _run_backward = _programs.run_layers, _programs.run_layers_backward


@entry
def pack(shape, memory):
    """Copy flat parameters to packed weights."""
    packed = floats_at(memory.packed)
    _pack(shape, floats_at(memory.params), packed, memory.n_packed)


@entry
def pack_layers(shape, memory, params):
    """Copy the layers' parameters at an address to packed weights."""
    packed = floats_at(memory.packed)
    _pack_layers(shape, floats_at(params), packed, memory.n_packed)


@entry
def prepare_batch(shape, layout, memory, sequences, training, batch):
    """Pack the parameters and sort the batch."""
    _programs.prepare_batch(shape, layout, memory, sequences, training, batch)


@entry
def join_blocks(shape, layout, memory, training, batch, shared):
    """Add the gradients of the blocks of a batch and take the step."""
    _programs.join_blocks(shape, layout, memory, training, batch, shared)


@entry
def longest_sequence(starts, lengths, n, n_rows, stride):
    """Return the longest length, or -1 if a sequence reaches outside the rows.

    Each of its steps reads `stride` rows.
    """
    starts, lengths = integers_at(starts), integers_at(lengths)
    longest = 0
    for i in range(n):
        start, length = starts[i], lengths[i]
        if start < 0 or length < 0 or start + stride * length > n_rows:
            return -1
        longest = max(longest, length)
    return longest


# --- gru -----------------------------------------------------------------------------


@entry
def _train_gru(shape, layout, memory, sequences, training):
    _train(
        _gru.forward_step, _gru.backward_step, _gru.state_gradient,
        shape, layout, memory, sequences, training,
    )  # fmt: skip


@entry
def _share_gru(
    shape, layout, memory, ordered, sequences, training, batch, shared, begin, step
):
    _share(
        _gru.forward_step, _gru.backward_step, _gru.state_gradient,
        shape, layout, memory, ordered, sequences, training, batch, shared, begin, step,
    )  # fmt: skip


@entry
def _predict_gru(shape, layout, memory, sequences, scores):
    _predict(_gru.forward_step, shape, layout, memory, sequences, scores)


@entry
def _run_gru(shape, layout, memory, sequences, outputs, rate, seed):
    _run(_gru.forward_step, shape, layout, memory, sequences, outputs, rate, seed)


@entry
def _run_backward_gru(
    shape, layout, memory, sequences, outputs, grads, d_values, d_h0, rate, seed
):
    _run_backward(
        _gru.backward_step, _gru.state_gradient, shape, layout, memory,
        sequences, outputs, grads, d_values, d_h0, rate, seed,
    )  # fmt: skip


# --- gru_reset_before ----------------------------------------------------------------


@entry
def _train_before(shape, layout, memory, sequences, training):
    _train(
        _before.forward_step, _before.backward_step, _before.state_gradient,
        shape, layout, memory, sequences, training,
    )  # fmt: skip


@entry
def _share_before(
    shape, layout, memory, ordered, sequences, training, batch, shared, begin, step
):
    _share(
        _before.forward_step, _before.backward_step, _before.state_gradient,
        shape, layout, memory, ordered, sequences, training, batch, shared, begin, step,
    )  # fmt: skip


@entry
def _predict_before(shape, layout, memory, sequences, scores):
    _predict(_before.forward_step, shape, layout, memory, sequences, scores)


@entry
def _run_before(shape, layout, memory, sequences, outputs, rate, seed):
    _run(_before.forward_step, shape, layout, memory, sequences, outputs, rate, seed)


@entry
def _run_backward_before(
    shape, layout, memory, sequences, outputs, grads, d_values, d_h0, rate, seed
):
    _run_backward(
        _before.backward_step, _before.state_gradient, shape, layout, memory,
        sequences, outputs, grads, d_values, d_h0, rate, seed,
    )  # fmt: skip


# --- lstm ----------------------------------------------------------------------------


@entry
def _train_lstm(shape, layout, memory, sequences, training):
    _train(
        _lstm.forward_step, _lstm.backward_step, _lstm.state_gradient,
        shape, layout, memory, sequences, training,
    )  # fmt: skip


@entry
def _share_lstm(
    shape, layout, memory, ordered, sequences, training, batch, shared, begin, step
):
    _share(
        _lstm.forward_step, _lstm.backward_step, _lstm.state_gradient,
        shape, layout, memory, ordered, sequences, training, batch, shared, begin, step,
    )  # fmt: skip


@entry
def _predict_lstm(shape, layout, memory, sequences, scores):
    _predict(_lstm.forward_step, shape, layout, memory, sequences, scores)


@entry
def _run_lstm(shape, layout, memory, sequences, outputs, rate, seed):
    _run(_lstm.forward_step, shape, layout, memory, sequences, outputs, rate, seed)


@entry
def _run_backward_lstm(
    shape, layout, memory, sequences, outputs, grads, d_values, d_h0, rate, seed
):
    _run_backward(
        _lstm.backward_step, _lstm.state_gradient, shape, layout, memory,
        sequences, outputs, grads, d_values, d_h0, rate, seed,
    )  # fmt: skip


# --- rnn -----------------------------------------------------------------------------


@entry
def _train_rnn(shape, layout, memory, sequences, training):
    _train(
        _rnn.forward_step, _rnn.backward_step, _rnn.state_gradient,
        shape, layout, memory, sequences, training,
    )  # fmt: skip


@entry
def _share_rnn(
    shape, layout, memory, ordered, sequences, training, batch, shared, begin, step
):
    _share(
        _rnn.forward_step, _rnn.backward_step, _rnn.state_gradient,
        shape, layout, memory, ordered, sequences, training, batch, shared, begin, step,
    )  # fmt: skip


@entry
def _predict_rnn(shape, layout, memory, sequences, scores):
    _predict(_rnn.forward_step, shape, layout, memory, sequences, scores)


@entry
def _run_rnn(shape, layout, memory, sequences, outputs, rate, seed):
    _run(_rnn.forward_step, shape, layout, memory, sequences, outputs, rate, seed)


@entry
def _run_backward_rnn(
    shape, layout, memory, sequences, outputs, grads, d_values, d_h0, rate, seed
):
    _run_backward(
        _rnn.backward_step, _rnn.state_gradient, shape, layout, memory,
        sequences, outputs, grads, d_values, d_h0, rate, seed,
    )  # fmt: skip


PROGRAMS = {
    "gru": SimpleNamespace(
        train=_train_gru,
        share=_share_gru,
        predict=_predict_gru,
        run=_run_gru,
        run_backward=_run_backward_gru,
    ),
    "gru_reset_before": SimpleNamespace(
        train=_train_before,
        share=_share_before,
        predict=_predict_before,
        run=_run_before,
        run_backward=_run_backward_before,
    ),
    "lstm": SimpleNamespace(
        train=_train_lstm,
        share=_share_lstm,
        predict=_predict_lstm,
        run=_run_lstm,
        run_backward=_run_backward_lstm,
    ),
    "rnn": SimpleNamespace(
        train=_train_rnn,
        share=_share_rnn,
        predict=_predict_rnn,
        run=_run_rnn,
        run_backward=_run_backward_rnn,
    ),
}
