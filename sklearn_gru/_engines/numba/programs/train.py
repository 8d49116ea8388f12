"""An epoch of training, on one thread or with the blocks of a batch shared.

A block's gradient is complete before it is added to the batch's. Blocks are added in a
binary tree: 0 + 1, 2 + 3, then these two sums, and so on. So the result is a function
of the batch alone, and whoever computes a branch of the tree passes on one sum.

One thread calls `train_epoch`. With several, or with ranks (see `shared`), Python calls
for every batch `prepare_batch`, `share_blocks` in every thread, then `join_blocks`.
"""

from typing import Any, NamedTuple

from sklearn_gru._engines.numba.compile.denormals import (
    flush_denormals,
    restore_denormals,
)
from sklearn_gru._engines.numba.compile.jit import entry, inner
from sklearn_gru._engines.numba.compile.simd import (
    doubles_at,
    floats_at,
    integers_at,
    unsigned_at,
)
from sklearn_gru._engines.numba.parts.block import sort_by_length
from sklearn_gru._engines.numba.parts.dropout import Dropout, drop_pooled
from sklearn_gru._engines.numba.parts.losses import (
    Goal,
    apply_head,
    head_backward,
    loss_backward,
)
from sklearn_gru._engines.numba.parts.optimizer import adamw, clip_factor, make_update
from sklearn_gru._engines.numba.parts.rows import copy_row, fill
from sklearn_gru._engines.numba.parts.stack import (
    Wanted,
    Work,
    backward_stack,
    forward_stack,
    nothing_carried,
)
from sklearn_gru._engines.numba.parts.tree import (
    add_block,
    add_branch,
    sum_of_blocks,
)
from sklearn_gru._engines.numba.parts.weights import head_of, pack, unpack_gradients
from sklearn_gru._engines.numba.programs.batch import block_of, view_data
from sklearn_gru._engines.numba.programs.predict import write_scores

cell: Any = None  # set by `bind`, in the copy of a program


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


class Shared(NamedTuple):
    """Addresses of what threads share: the sorted batch and their results."""

    ordered: int  # (batch_size,) int64
    grads: int  # (blocks, n_packed)
    losses: int  # (blocks,) float64


class Job(NamedTuple):
    """Arguments of a training program, passed on to the functions below it."""

    shape: Any
    layout: Any
    memory: Any  # Addresses
    sequences: Any  # RowAddresses
    training: Training
    ordered: int  # address of the sorted batch


def train_epoch(shape, layout, memory, sequences, training, scores):
    """Run one step of AdamW for every batch of `order`, or predict.

    If the address `scores` is not 0, only write scores there, as `predict` does. A fit
    does both, and one program takes less time to compile than two.
    """
    if scores != 0:
        write_scores(cell, shape, layout, memory, sequences, floats_at(scores))
        return
    before = flush_denormals()
    job = Job(shape, layout, memory, sequences, training, memory.integers)
    workspace = floats_at(memory.workspace)
    grads, sums = workspace + layout.grads, workspace + layout.total_grads
    losses = doubles_at(training.losses)
    for batch in range((training.n_used - 1) // training.batch_size + 1):
        _prepare_batch(job, batch)
        loss, number = 0.0, 0
        for first in range(0, _n_in_batch(training, batch), layout.rows):
            if integers_at(sequences.stop)[0] != 0:
                break
            loss += _block_gradient(cell, job, batch, first)
            add_block(sums, grads, memory.n_packed, number)
            number += 1
        if integers_at(sequences.stop)[0] != 0:
            break
        total = sum_of_blocks(sums, memory.n_packed, number)
        _take_step(shape, memory, training, batch, total)
        losses[batch] = loss
    restore_denormals(before)


@entry
def prepare_batch(shape, layout, memory, sequences, training, batch):
    """Pack the parameters and sort the batch, for `share_blocks`."""
    job = Job(shape, layout, memory, sequences, training, memory.integers)
    _prepare_batch(job, batch)


def share_blocks(
    shape, layout, memory, sequences, training, shared, batch, begin, end, step
):
    """Compute blocks begin, begin + step, ... before `end` in this thread's memory."""
    before = flush_denormals()
    job = Job(shape, layout, memory, sequences, training, shared.ordered)
    grads = floats_at(memory.workspace) + layout.grads
    losses = doubles_at(shared.losses)
    for number in range(begin, end, step):
        losses[number] = _block_gradient(cell, job, batch, number * layout.rows)
        target = floats_at(shared.grads) + number * memory.n_packed
        copy_row(target, grads, memory.n_packed)
    restore_denormals(before)


@entry
def add_blocks(n_packed, shared, begin, end):
    """Add the gradients of a branch of the tree to that of its first block."""
    before = flush_denormals()
    add_branch(floats_at(shared.grads), n_packed, begin, end, 1)
    restore_denormals(before)


@entry
def join_blocks(shape, memory, training, shared, batch, n_blocks, width):
    """Add what was computed apart, and take the step.

    Every `width`-th gradient is the sum of a branch of that many blocks.
    """
    before = flush_denormals()
    grads, losses = floats_at(shared.grads), doubles_at(shared.losses)
    add_branch(grads, memory.n_packed, 0, n_blocks, width)
    loss = 0.0
    for number in range(n_blocks):
        loss += losses[number]
    _take_step(shape, memory, training, batch, grads)
    doubles_at(training.losses)[batch] = loss
    restore_denormals(before)


@inner
def _n_in_batch(training, batch):
    """Return how many sequences a batch has."""
    return min(training.batch_size, training.n_used - batch * training.batch_size)


@inner
def _prepare_batch(job, batch):
    """Pack the parameters and sort the batch into `job.ordered`."""
    memory, training = job.memory, job.training
    n, packed = _n_in_batch(training, batch), floats_at(memory.packed)
    pack(job.shape, floats_at(memory.params), packed, memory.n_packed)
    ordered = integers_at(job.ordered)
    order = integers_at(training.order) + batch * training.batch_size
    lengths = integers_at(job.sequences.lengths)
    sort_by_length(n, job.layout.steps, order, lengths, ordered, ordered + n)


@inner
def _block_gradient(cell, job, batch, first):
    """Write the gradient of a block to the workspace; return its part of the loss.

    `first` is where the block begins in the sorted batch.
    """
    shape, layout, memory, training = job.shape, job.layout, job.memory, job.training
    data, n = view_data(job.sequences), _n_in_batch(training, batch)
    ordered, spare = integers_at(job.ordered), integers_at(memory.integers) + n
    block = block_of(shape, layout, data, ordered, n, first, spare)
    dropout = Dropout(training.dropout, unsigned_at(training.seeds)[batch])
    workspace, packed = floats_at(memory.workspace), floats_at(memory.packed)
    carried = nothing_carried()
    work = Work(shape, layout, block, workspace, packed, data, dropout, carried, True)
    goal = Goal(
        floats_at(training.targets),
        training.target_width,
        floats_at(training.weights),
        n,
        doubles_at(training.loss_parameters),
    )
    grads, one = workspace + layout.grads, workspace + layout.one
    pooled, d_pooled = workspace + layout.pooled, workspace + layout.d_pooled
    scores, d_scores = workspace + layout.scores, workspace + layout.d_scores
    one[0] = 1.0
    fill(grads, memory.n_packed, 0.0)
    forward_stack(cell, work, False)
    if data.stop[0] != 0:
        return 0.0
    if dropout.rate > 0.0:
        drop_pooled(shape, block, dropout, pooled)
    head, d_head = head_of(shape, packed), head_of(shape, grads)
    apply_head(shape, block.rows, pooled, head, scores)
    loss = loss_backward(shape, block.rows, block.sequences, goal, scores, d_scores)
    head_backward(shape, block.rows, pooled, d_scores, head, d_head, one, d_pooled)
    if dropout.rate > 0.0:
        drop_pooled(shape, block, dropout, d_pooled)
    backward_stack(cell, work, Wanted(False, data.values), False)
    return loss


@inner
def _take_step(shape, memory, training, batch, total):
    """Clip the summed gradient of a batch and move the parameters."""
    n, grads = training.n_parameters, floats_at(training.grads)
    unpack_gradients(shape, total, grads)
    clip = clip_factor(grads, n, training.clip_norm)
    rate = doubles_at(training.rates)[batch]
    update = make_update(clip, training.step + batch + 1, rate, training.weight_decay)
    mean, square = floats_at(training.mean), floats_at(training.square)
    adamw(floats_at(memory.params), grads, mean, square, n, update)
