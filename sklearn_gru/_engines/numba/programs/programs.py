"""What Python asks for: an epoch of training, predictions, a layer for autograd.

A program takes a batch of sequences, sorts it by length, cuts it into blocks of fixed
size, and carries every block through the network while it is in cache. A block's
gradient is complete before it is added to the batch's, in the order of the blocks, so
the result is a function of the batch alone.

Programs that step through sequences are templates: `bind` puts the module of a kind
of cell in the place of `cell` and compiles them. The functions below a program get
the module as their first argument.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._engines.numba.compile.denormals import (
    flush_denormals,
    restore_denormals,
)
from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import (
    doubles_at,
    floats_at,
    integers_at,
    unsigned_at,
)
from sklearn_gru._engines.numba.parts.block import pack_block, sort_by_length
from sklearn_gru._engines.numba.parts.dropout import Dropout, drop_pooled
from sklearn_gru._engines.numba.parts.inputs import Data
from sklearn_gru._engines.numba.parts.losses import (
    Goal,
    apply_head,
    head_backward,
    loss_backward,
)
from sklearn_gru._engines.numba.parts.optimizer import adamw, clip_factor, make_update
from sklearn_gru._engines.numba.parts.rows import add_row, copy_row, fill
from sklearn_gru._engines.numba.parts.stack import (
    Wanted,
    Work,
    backward_stack,
    d_output_at,
    forward_stack,
    output_at,
)
from sklearn_gru._engines.numba.parts.weights import head_of, pack, unpack_gradients

U64 = np.uint64

cell: Any = None  # set by `bind`, in the copy of a program


class Memory(NamedTuple):
    """Addresses of the arrays a program works in."""

    params: int  # (n_parameters,)
    packed: int  # (n_packed,)
    n_packed: int
    workspace: int  # (layout.total,)
    integers: int  # as `n_integers` in _calls says


class Sequences(NamedTuple):
    """Addresses of the data: flat rows, and the sequences over them (`Data`)."""

    values: int  # (n_rows, width) float32
    starts: int  # (n,) int64
    lengths: int  # (n,) int64
    n: int
    stride: int
    width: int
    absent: int  # (n,) int64
    n_levels: int
    shift: int  # (n, n_levels) float32
    scale: int


class Training(NamedTuple):
    """Addresses and numbers that only training needs."""

    n_parameters: int
    grads: int  # (n_parameters,)
    mean: int  # (n_parameters,), AdamW's moments
    square: int
    step: int  # steps taken before this epoch
    targets: int  # (n, target_width)
    target_width: int
    weights: int  # (n,)
    order: int  # (n_used,) int64: which sequences, in which order
    n_used: int
    batch_size: int
    rates: int  # (n_batches,) float64, learning rates
    seeds: int  # (n_batches,) uint64, of dropout
    losses: int  # (n_batches,) float64, written
    clip_norm: float
    weight_decay: float
    loss_parameters: int  # float64; see Goal
    dropout: float


@inner
def view_data(sequences):
    """Turn addresses into pointers."""
    return Data(
        floats_at(sequences.values),
        integers_at(sequences.starts),
        integers_at(sequences.lengths),
        sequences.stride,
        sequences.width,
        integers_at(sequences.absent),
        sequences.n_levels,
        floats_at(sequences.shift),
        floats_at(sequences.scale),
    )


def train_epoch(shape, layout, memory, sequences, training):
    """Run one step of AdamW for every batch of `order`."""
    before = flush_denormals()
    workspace = floats_at(memory.workspace)
    total = workspace + layout.total_grads
    losses = doubles_at(training.losses)
    for batch in range((training.n_used - 1) // training.batch_size + 1):
        n = prepare_batch(shape, layout, memory, sequences, training, batch)
        fill(total, memory.n_packed, 0.0)
        loss = 0.0
        for first in range(0, n, layout.rows):
            loss += block_gradient(
                cell, shape, layout, memory, memory.integers, sequences, training,
                batch, first,
            )  # fmt: skip
            add_row(total, workspace + layout.grads, memory.n_packed)
        take_step(shape, memory, training, batch, total)
        losses[batch] = loss
    restore_denormals(before)


@inner
def n_in_batch(training, batch):
    """Return how many sequences a batch has."""
    return min(training.batch_size, training.n_used - batch * training.batch_size)


@inner
def prepare_batch(shape, layout, memory, sequences, training, batch):
    """Pack the parameters, sort the batch into `integers`; return its size."""
    n = n_in_batch(training, batch)
    packed = floats_at(memory.packed)
    pack(shape, floats_at(memory.params), packed, memory.n_packed)
    ordered = integers_at(memory.integers)
    order = integers_at(training.order) + batch * training.batch_size
    lengths = integers_at(sequences.lengths)
    sort_by_length(n, layout.steps, order, lengths, ordered, ordered + n)
    return n


@inner
def block_gradient(
    cell, shape, layout, memory, ordered, sequences, training, batch, first
):
    """Write the gradient of a block to the workspace; return its part of the loss.

    `ordered` is the address of the sorted batch, `first` where the block begins in it.
    """
    data = view_data(sequences)
    n = n_in_batch(training, batch)
    block = pack_block(
        min(layout.rows, n - first), integers_at(ordered) + first, data.lengths,
        integers_at(memory.integers) + n, shape.directions == 2,
    )  # fmt: skip
    dropout = Dropout(training.dropout, unsigned_at(training.seeds)[batch])
    workspace, packed = floats_at(memory.workspace), floats_at(memory.packed)
    work = Work(shape, layout, block, workspace, packed, data, dropout)
    goal = Goal(
        floats_at(training.targets), training.target_width,
        floats_at(training.weights), n, doubles_at(training.loss_parameters),
    )  # fmt: skip
    grads = workspace + layout.grads
    pooled, d_pooled = workspace + layout.pooled, workspace + layout.d_pooled
    scores, d_scores = workspace + layout.scores, workspace + layout.d_scores
    workspace[layout.one] = 1.0
    fill(grads, memory.n_packed, 0.0)
    forward_stack(cell, work, True, False)
    if dropout.rate > 0.0:
        drop_pooled(shape, block, dropout, pooled)
    head = head_of(shape, packed)
    apply_head(shape, block.rows, pooled, head, scores)
    loss = loss_backward(shape, block.rows, block.sequences, goal, scores, d_scores)
    head_backward(
        shape, block.rows, pooled, d_scores, head, head_of(shape, grads),
        workspace + layout.one, d_pooled,
    )  # fmt: skip
    if dropout.rate > 0.0:
        drop_pooled(shape, block, dropout, d_pooled)
    nothing = Wanted(False, data.values)
    backward_stack(cell, work, nothing, False)
    return loss


@inner
def take_step(shape, memory, training, batch, total):
    """Clip the summed gradient of a batch and move the parameters."""
    params, grads = floats_at(memory.params), floats_at(training.grads)
    unpack_gradients(shape, total, grads)
    clip = clip_factor(grads, training.n_parameters, training.clip_norm)
    rate = doubles_at(training.rates)[batch]
    update = make_update(clip, training.step + batch + 1, rate, training.weight_decay)
    adamw(
        params, grads, floats_at(training.mean), floats_at(training.square),
        training.n_parameters, update,
    )  # fmt: skip


# The same step with its blocks shared among threads: prepare_batch, share_blocks in
# every thread, then join_blocks, which adds the gradients in the order of the blocks.


def share_blocks(
    shape, layout, memory, ordered, sequences, training, batch, shared, begin, step
):
    """Compute blocks begin, begin + step, ... of a batch in this thread's memory."""
    before = flush_denormals()
    grads = floats_at(memory.workspace) + layout.grads
    losses = doubles_at(shared.losses)
    n = n_in_batch(training, batch)
    for number in range(begin, (n - 1) // layout.rows + 1, step):
        losses[number] = block_gradient(
            cell, shape, layout, memory, ordered, sequences, training, batch,
            number * layout.rows,
        )  # fmt: skip
        target = floats_at(shared.grads) + number * memory.n_packed
        copy_row(target, grads, memory.n_packed)
    restore_denormals(before)


class Shared(NamedTuple):
    """Addresses of what the threads leave for `join_blocks`."""

    grads: int  # (blocks, n_packed)
    losses: int  # (blocks,) float64


@inner
def join_blocks(shape, layout, memory, training, batch, shared):
    """Add what the threads computed, in the order of the blocks, and take the step."""
    before = flush_denormals()
    total = floats_at(memory.workspace) + layout.total_grads
    losses = doubles_at(shared.losses)
    fill(total, memory.n_packed, 0.0)
    loss = 0.0
    for number in range((n_in_batch(training, batch) - 1) // layout.rows + 1):
        source = floats_at(shared.grads) + number * memory.n_packed
        add_row(total, source, memory.n_packed)
        loss += losses[number]
    take_step(shape, memory, training, batch, total)
    doubles_at(training.losses)[batch] = loss
    restore_denormals(before)


def predict(shape, layout, memory, sequences, scores_address):
    """Write the head's scores (n, n_outputs) of every sequence; weights are packed."""
    workspace, packed = floats_at(memory.workspace), floats_at(memory.packed)
    data, scores = view_data(sequences), floats_at(scores_address)
    ordered, spare = sorted_batch(layout, memory, sequences, data)
    dropout = Dropout(0.0, U64(0))
    head, block_scores = head_of(shape, packed), workspace + layout.scores
    for first in range(0, sequences.n, layout.rows):
        rows = min(layout.rows, sequences.n - first)
        block = pack_block(
            rows, ordered + first, data.lengths, spare, shape.directions == 2
        )
        work = Work(shape, layout, block, workspace, packed, data, dropout)
        forward_stack(cell, work, False, False)
        apply_head(shape, rows, workspace + layout.pooled, head, block_scores)
        for i in range(rows):
            target = scores + block.sequences[i] * shape.n_outputs
            copy_row(target, block_scores + i * shape.padded_outputs, shape.n_outputs)


class Outputs(NamedTuple):
    """Addresses of what the layer program returns, or of the gradients of it."""

    last: int  # (n, width): final states of the last layer's directions
    steps: int  # (n, n_steps, width), or 0 if not wanted
    n_steps: int
    keep: bool  # a backward pass will follow


def run_layers(shape, layout, memory, sequences, outputs, rate, seed):
    """Write final states, and all states if wanted, of a batch; for autograd.

    With `keep`, every block has a workspace of its own, for `run_layers_backward`.
    """
    packed, data = floats_at(memory.packed), view_data(sequences)
    last, steps = floats_at(outputs.last), floats_at(outputs.steps)
    dropout = Dropout(rate, U64(seed))
    ordered, spare = sorted_batch(layout, memory, sequences, data)
    for first in range(0, sequences.n, layout.rows):
        number = first // layout.rows if outputs.keep else 0
        workspace = floats_at(memory.workspace) + number * layout.total
        rows = min(layout.rows, sequences.n - first)
        block = pack_block(
            rows, ordered + first, data.lengths, spare, shape.directions == 2
        )
        work = Work(shape, layout, block, workspace, packed, data, dropout)
        forward_stack(cell, work, outputs.keep, outputs.steps != 0)
        pooled = workspace + layout.pooled
        for i in range(rows):
            target = last + block.sequences[i] * shape.width
            copy_row(target, pooled + i * shape.padded_pooled, shape.width)
        if outputs.steps != 0:
            at = output_at(layout, shape.layers - 1, outputs.keep)
            spread_steps(shape, block, workspace + at, steps, outputs.n_steps, True)


@inner
def sorted_batch(layout, memory, sequences, data):
    """Sort a whole batch by length; return the order and the memory left over."""
    ordered = integers_at(memory.integers)
    spare = ordered + sequences.n
    for i in range(sequences.n):
        spare[i] = i
    buckets = spare + sequences.n
    sort_by_length(sequences.n, layout.steps, spare, data.lengths, ordered, buckets)
    return ordered, spare


@inner
def spread_steps(shape, block, packed_rows, steps, n_steps, outward):
    """Copy packed rows to (n, n_steps, width), or back."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            row = packed_rows + (block.firsts[s] + i) * shape.padded_width
            place = steps + (block.sequences[i] * n_steps + s) * shape.width
            if outward:
                copy_row(place, row, shape.width)
            else:
                copy_row(row, place, shape.width)


def run_layers_backward(
    shape, layout, memory, sequences, outputs, grads, d_values, rate, seed
):
    """Write the gradients of the parameters, and add those of the inputs."""
    before = flush_denormals()
    packed, data = floats_at(memory.packed), view_data(sequences)
    last, steps = floats_at(outputs.last), floats_at(outputs.steps)
    dropout = Dropout(rate, U64(seed))
    wanted = Wanted(d_values != 0, floats_at(d_values))
    ordered, spare = sorted_batch(layout, memory, sequences, data)
    total = floats_at(memory.workspace) + layout.total_grads
    fill(total, memory.n_packed, 0.0)
    for first in range(0, sequences.n, layout.rows):
        workspace = floats_at(memory.workspace) + first // layout.rows * layout.total
        workspace[layout.one] = 1.0
        rows = min(layout.rows, sequences.n - first)
        block = pack_block(
            rows, ordered + first, data.lengths, spare, shape.directions == 2
        )
        d_pooled = workspace + layout.d_pooled
        for i in range(rows):
            source = last + block.sequences[i] * shape.width
            copy_row(d_pooled + i * shape.padded_pooled, source, shape.width)
        if outputs.steps != 0:
            top = workspace + d_output_at(shape, layout, shape.layers - 1)
            spread_steps(shape, block, top, steps, outputs.n_steps, False)
        fill(workspace + layout.grads, memory.n_packed, 0.0)
        work = Work(shape, layout, block, workspace, packed, data, dropout)
        backward_stack(cell, work, wanted, outputs.steps != 0)
        add_row(total, workspace + layout.grads, memory.n_packed)
    unpack_gradients(shape, total, floats_at(grads))
    restore_denormals(before)
