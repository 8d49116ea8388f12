"""An epoch of training, on one thread or with the blocks of a batch shared.

A block's gradient is complete before it is added to the batch's, in the order of the
blocks, so the result is a function of the batch alone.

One thread calls `train_epoch`. With several, Python calls for every batch
`prepare_batch`, `share_blocks` in every thread, then `join_blocks`.
"""

from typing import Any, NamedTuple

from sklearn_gru._engines.numba.compile.denormals import (
    flush_denormals,
    restore_denormals,
)
from sklearn_gru._engines.numba.compile.jit import entry, inner
from sklearn_gru._engines.numba.compile.records import (
    Doubles,
    Floats,
    Integers,
    Unsigned,
    reader,
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
from sklearn_gru._engines.numba.parts.rows import add_row, copy_row, fill
from sklearn_gru._engines.numba.parts.stack import (
    Wanted,
    Work,
    backward_stack,
    forward_stack,
)
from sklearn_gru._engines.numba.parts.weights import head_of, pack, unpack_gradients
from sklearn_gru._engines.numba.programs.batch import (
    block_of,
    data_at,
    layout_at,
    memory_at,
    shape_at,
)

cell: Any = None  # set by `bind`, in the copy of a program


class Training(NamedTuple):
    """Record of the addresses and numbers that only training needs."""

    n_parameters: int
    grads: Floats  # (n_parameters,)
    mean: Floats  # (n_parameters,), AdamW's moments
    square: Floats
    step: int  # steps taken before this epoch
    targets: Floats  # (n, target_width)
    target_width: int
    weights: Floats  # (n,)
    order: Integers  # (n_used,): which sequences, in which order
    n_used: int
    batch_size: int
    rates: Doubles  # (n_batches,), learning rates
    seeds: Unsigned  # (n_batches,), of dropout
    losses: Doubles  # (n_batches,), written
    clip_norm: float
    weight_decay: float
    loss_parameters: Doubles  # see Goal
    dropout: float


class Shared(NamedTuple):
    """Record of what threads share: the sorted batch and their results."""

    ordered: Integers  # (batch_size,)
    grads: Floats  # (blocks, n_packed)
    losses: Doubles  # (blocks,)


class Job(NamedTuple):
    """Records of a training program, passed on to the functions below it."""

    shape: Any
    layout: Any
    memory: Any
    data: Any
    training: Any
    ordered: Any  # the sorted batch


training_at, shared_at = reader(Training), reader(Shared)


@inner
def _job_at(shape, layout, memory, data, training, ordered):
    """Turn addresses into records."""
    return Job(
        shape_at(shape), layout_at(layout), memory_at(memory), data_at(data),
        training_at(training), ordered,
    )  # fmt: skip


def train_epoch(shape, layout, memory, data, training):
    """Run one step of AdamW for every batch of `order`.

    Arguments of all programs here are addresses of records, then numbers.
    """
    before = flush_denormals()
    ordered = memory_at(memory).integers
    job = _job_at(shape, layout, memory, data, training, ordered)
    training, stop = job.training, job.data.stop
    workspace, n_packed = job.memory.workspace, job.memory.n_packed
    total = workspace + job.layout.total_grads
    for batch in range((training.n_used - 1) // training.batch_size + 1):
        _prepare_batch(job, batch)
        fill(total, n_packed, 0.0)
        loss = 0.0
        for first in range(0, _n_in_batch(training, batch), job.layout.rows):
            if stop[0] != 0:
                break
            loss += _block_gradient(cell, job, batch, first)
            add_row(total, workspace + job.layout.grads, n_packed)
        if stop[0] != 0:
            break
        _take_step(job, batch, total)
        training.losses[batch] = loss
    restore_denormals(before)


@entry
def prepare_batch(shape, layout, memory, data, training, batch):
    """Pack the parameters and sort the batch, for `share_blocks`."""
    ordered = memory_at(memory).integers
    _prepare_batch(_job_at(shape, layout, memory, data, training, ordered), batch)


def share_blocks(shape, layout, memory, data, training, shared, batch, begin, step):
    """Compute blocks begin, begin + step, ... of a batch in this thread's memory."""
    before = flush_denormals()
    shared = shared_at(shared)
    job = _job_at(shape, layout, memory, data, training, shared.ordered)
    rows, n_packed = job.layout.rows, job.memory.n_packed
    grads = job.memory.workspace + job.layout.grads
    n = _n_in_batch(job.training, batch)
    for number in range(begin, (n - 1) // rows + 1, step):
        shared.losses[number] = _block_gradient(cell, job, batch, number * rows)
        copy_row(shared.grads + number * n_packed, grads, n_packed)
    restore_denormals(before)


@entry
def join_blocks(shape, layout, memory, data, training, shared, batch):
    """Add what the threads computed, in the order of the blocks, and take the step."""
    before = flush_denormals()
    shared = shared_at(shared)
    job = _job_at(shape, layout, memory, data, training, shared.ordered)
    total, n_packed = job.memory.workspace + job.layout.total_grads, job.memory.n_packed
    fill(total, n_packed, 0.0)
    loss = 0.0
    for number in range((_n_in_batch(job.training, batch) - 1) // job.layout.rows + 1):
        add_row(total, shared.grads + number * n_packed, n_packed)
        loss += shared.losses[number]
    _take_step(job, batch, total)
    job.training.losses[batch] = loss
    restore_denormals(before)


@inner
def _n_in_batch(training, batch):
    """Return how many sequences a batch has."""
    return min(training.batch_size, training.n_used - batch * training.batch_size)


@inner
def _prepare_batch(job, batch):
    """Pack the parameters and sort the batch into `job.ordered`."""
    memory, training, ordered = job.memory, job.training, job.ordered
    n = _n_in_batch(training, batch)
    pack(job.shape, memory.params, memory.packed, memory.n_packed)
    order = training.order + batch * training.batch_size
    lengths = job.data.lengths
    sort_by_length(n, job.layout.steps, order, lengths, ordered, ordered + n)


@inner
def _block_gradient(cell, job, batch, first):
    """Write the gradient of a block to the workspace; return its part of the loss.

    `first` is where the block begins in the sorted batch.
    """
    shape, layout, memory, data, training, ordered = job
    n, workspace = _n_in_batch(training, batch), memory.workspace
    spare = memory.integers + n
    block = block_of(shape, layout, data, ordered, n, first, spare)
    dropout = Dropout(training.dropout, training.seeds[batch])
    work = Work(shape, layout, block, workspace, memory.packed, data, dropout)
    goal = Goal(
        training.targets,
        training.target_width,
        training.weights,
        n,
        training.loss_parameters,
    )
    grads, one = workspace + layout.grads, workspace + layout.one
    pooled, d_pooled = workspace + layout.pooled, workspace + layout.d_pooled
    scores, d_scores = workspace + layout.scores, workspace + layout.d_scores
    one[0] = 1.0
    fill(grads, memory.n_packed, 0.0)
    forward_stack(cell, work, True, False)
    if data.stop[0] != 0:
        return 0.0
    if dropout.rate > 0.0:
        drop_pooled(shape, block, dropout, pooled)
    head, d_head = head_of(shape, memory.packed), head_of(shape, grads)
    apply_head(shape, block.rows, pooled, head, scores)
    loss = loss_backward(shape, block.rows, block.sequences, goal, scores, d_scores)
    head_backward(shape, block.rows, pooled, d_scores, head, d_head, one, d_pooled)
    if dropout.rate > 0.0:
        drop_pooled(shape, block, dropout, d_pooled)
    backward_stack(cell, work, Wanted(False, data.values), False)
    return loss


@inner
def _take_step(job, batch, total):
    """Clip the summed gradient of a batch and move the parameters."""
    training = job.training
    n, grads = training.n_parameters, training.grads
    unpack_gradients(job.shape, total, grads)
    clip = clip_factor(grads, n, training.clip_norm)
    step, rate = training.step + batch + 1, training.rates[batch]
    update = make_update(clip, step, rate, training.weight_decay)
    adamw(job.memory.params, grads, training.mean, training.square, n, update)
