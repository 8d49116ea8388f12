"""One step of recurrent states that are kept between calls.

A *key* is one series, with a table of `n_slots` rows per part of its state. With one
slot, the state of the whole sequence so far is carried. With W slots that roll, the
states of all W windows that hold the newest row are carried: each row starts one window
in a slot of zeros, all slots read the row in one product, and the slot of the oldest
window holds the answer. Every value is computed as `predict` computes it, so answers
are equal to the bit.

The equations are those of the cell; `forward_step` may write the new state and the
saved slots over the old ones, because it reads a vector before it writes it.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import (
    LANES,
    doubles_at,
    floats_at,
    integers_at,
    load,
    store,
    where_new_maximum,
)
from sklearn_gru._engines.numba.memory import (
    BLOCK,
    LAST,
    MAX,
    MEAN,
    MEAN_MAX,
    Shape,
)
from sklearn_gru._engines.numba.parts.inputs import index_of
from sklearn_gru._engines.numba.parts.losses import apply_head
from sklearn_gru._engines.numba.parts.rows import add_row, copy_row, fill
from sklearn_gru._engines.numba.parts.weights import head_of, weights_of

cell: Any = None  # set by `bind`, in the copy of a program

INFINITE = -1  # what a program returns for a row that holds infinity


class StepPlan(NamedTuple):
    """Sizes and addresses, which follow those of `Shape` in an array of integers."""

    packed: int  # weights
    n_features: int
    n_slots: int  # rows of a key's tables
    rolls: int  # 1 if slots are windows that start one after the other
    key_floats: int  # states of one key
    states: int  # (capacity, key_floats)
    counts: int  # (capacity, n_slots) int64, steps that each slot has read
    row: int  # (n_features,) float64, the row to read
    out: int  # (n_outputs,) float64, the answer
    mean: int  # (n_features,) float64, BLOCK times
    scale: int
    marks: int  # (n_features,) int64, input that marks a missing value, or -1
    center: int  # (n_outputs,) float64
    unit: int
    x: int  # (BLOCK, n_inputs)
    table: int  # states of BLOCK keys with one slot each
    table_counts: int  # (BLOCK,) int64
    slots: int  # (BLOCK, saved P)
    pooled: int  # (BLOCK, padded_pooled)
    scores: int  # (BLOCK, padded_outputs)
    places: int  # (n_features,) int64, input of a feature, or -1 - k for table k
    embeddings: int  # (n_tables, 4) int64; see `Embedded`
    is_plain: int  # 1 if features are inputs as they are: no marks, no tables


class Embedded(NamedTuple):
    """The table of a feature that is an index, and the inputs its rows fill."""

    n_categories: int
    width: int
    first_input: int
    start: int  # in the packed tables


class Tables(NamedTuple):
    """Addresses of states: a table of `rows` rows per layer and part, then poolings."""

    rows: Any
    states: Any
    counts: Any


def step(plan_address, key, position):
    """Let a key read the row; return how many steps its answer has read."""
    shape, plan = _read_plan(plan_address)
    return _step_key(cell, shape, plan, key, position, doubles_at(plan.row),
                     doubles_at(plan.out))  # fmt: skip


def step_many(plan_address, n, keys, positions, rows, out, found):
    """Let n different keys read a row each; return INFINITE, having changed nothing.

    What `step` returns for each key is written to `found`.
    """
    shape, plan = _read_plan(plan_address)
    keys, positions, found = (
        integers_at(keys),
        integers_at(positions),
        integers_at(found),
    )
    rows, out = doubles_at(rows), doubles_at(out)
    infinite = 0
    for i in range(n * plan.n_features):  # without a way out, in vectors
        infinite += np.isinf(rows[i])
    if infinite > 0:
        return INFINITE
    if plan.rolls:
        for i in range(n):
            found[i] = _step_key(
                cell, shape, plan, keys[i], positions[i], rows + i * plan.n_features,
                out + i * shape.n_outputs,
            )  # fmt: skip
        return 0
    for first in range(0, n, BLOCK):
        _step_block(
            cell, shape, plan, min(BLOCK, n - first), keys + first,
            rows + first * plan.n_features, out + first * shape.n_outputs,
            found + first,
        )  # fmt: skip
    return 0


@inner
def _read_plan(address):
    """Return the sizes of the network, and the plan, from an array of integers."""
    p = integers_at(address)
    shape = Shape(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10],
                  p[11], p[12], p[13], p[14], p[15], p[16], p[17], p[18])  # fmt: skip
    plan = StepPlan(p[19], p[20], p[21], p[22], p[23], p[24], p[25], p[26], p[27],
                    p[28], p[29], p[30], p[31], p[32], p[33], p[34], p[35], p[36],
                    p[37], p[38], p[39], p[40], p[41])  # fmt: skip
    return shape, plan


@inner
def _step_key(cell, shape, plan, key, position, row, out):
    """Let one key read a row; return how many steps its answer has read."""
    x = floats_at(plan.x)
    seen = _standardise(shape, plan, row, x)
    if seen == INFINITE:
        return INFINITE
    n = plan.n_slots
    states = floats_at(plan.states) + key * plan.key_floats
    counts = integers_at(plan.counts) + key * n
    tables = Tables(n, states, counts)
    answer = 0
    if plan.rolls:
        _start_slot(cell, shape, tables, position % n)
        answer = (position + 1) % n
    if seen > 0:
        _advance(cell, shape, plan, x, 0, n, tables)
    count = counts[answer]
    if count > 0:
        pooled = floats_at(plan.pooled)
        _pool_slot(cell, shape, tables, answer, pooled)
        scores = floats_at(plan.scores)
        apply_head(shape, 1, pooled, head_of(shape, floats_at(plan.packed)), scores)
        _decode(shape, plan, scores, out)
    return count


@inner
def _step_block(cell, shape, plan, n, keys, rows, out, found):
    """Let up to BLOCK keys of one slot read a row each, with their states gathered."""
    table, counts = floats_at(plan.table), integers_at(plan.table_counts)
    states, all_counts = floats_at(plan.states), integers_at(plan.counts)
    x, size = floats_at(plan.x), shape.padded
    pooled, scores = floats_at(plan.pooled), floats_at(plan.scores)
    n_tables = plan.key_floats // size
    whole = plan.is_plain and _standardise_whole(plan, n, rows, x)
    m, last = 0, n
    for i in range(n):
        row = rows + i * plan.n_features
        if whole or _standardise(shape, plan, row, x + m * shape.n_inputs) > 0:
            at = m
            m += 1
        else:  # a key that reads nothing lies behind all that read
            last -= 1
            at = last
        source = states + keys[i] * plan.key_floats
        for t in range(n_tables):
            copy_row(table + (t * BLOCK + at) * size, source + t * size, size)
        counts[at] = all_counts[keys[i]]
        found[i] = at  # for a moment
    tables = Tables(BLOCK, table, counts)
    _advance(cell, shape, plan, x, shape.n_inputs, m, tables)
    if shape.pooling == LAST:  # which is a part of the table as it is
        pooled = table + (shape.layers - 1) * _parts(cell) * BLOCK * size
    else:
        for at in range(n):
            _pool_slot(cell, shape, tables, at, pooled + at * shape.padded_pooled)
    apply_head(shape, n, pooled, head_of(shape, floats_at(plan.packed)), scores)
    for i in range(n):
        at = found[i]
        target = states + keys[i] * plan.key_floats
        for t in range(n_tables):
            copy_row(target + t * size, table + (t * BLOCK + at) * size, size)
        found[i] = all_counts[keys[i]] = counts[at]
        _decode(shape, plan, scores + at * shape.padded_outputs,
                out + i * shape.n_outputs)  # fmt: skip


@inner
def _standardise_whole(plan, n, rows, x):
    """Write what the network reads of plain rows; return whether no value is missing.

    One loop over all rows, without a branch, is compiled to vectors.
    """
    mean, scale, missing = doubles_at(plan.mean), doubles_at(plan.scale), 0
    for k in range(n * plan.n_features):
        value = (rows[k] - mean[k]) / scale[k]
        missing += np.isnan(value)
        x[k] = np.float32(value)
    return missing == 0


@inner
def _standardise(shape, plan, row, x):
    """Write what the network reads; return 1 if a value is observed, else 0."""
    mean, scale = doubles_at(plan.mean), doubles_at(plan.scale)
    marks, places = integers_at(plan.marks), integers_at(plan.places)
    seen = 0
    for j in range(plan.n_features):
        if np.isinf(row[j]):
            return INFINITE
        value = (row[j] - mean[j]) / scale[j]
        missing = np.isnan(value)
        if marks[j] >= 0:
            x[marks[j]] = np.float32(1.0) if missing else np.float32(0.0)
        if places[j] < 0:
            _look_up(shape, plan, -1 - places[j], value, x)
        else:
            x[places[j]] = np.float32(0.0) if missing else np.float32(value)
        if not missing:
            seen = 1
    return seen


@inner
def _look_up(shape, plan, k, value, x):
    """Write the row of table k for an index, that of a missing one if there is none."""
    e = integers_at(plan.embeddings) + 4 * k
    table = Embedded(e[0], e[1], e[2], e[3])
    rows = head_of(shape, floats_at(plan.packed)).tables + table.start
    row = rows + index_of(value, table.n_categories) * table.width
    copy_row(x + table.first_input, row, table.width)


@inner
def _parts(cell):
    """Return how many tables a layer has: its output, and what else it carries."""
    return 2 if cell.CARRIED_SLOT >= 0 else 1


@inner
def _start_slot(cell, shape, tables, slot):
    """Set the state of a slot to that before the first step."""
    size = shape.padded
    for t in range(shape.layers * _parts(cell)):
        fill(tables.states + (t * tables.rows + slot) * size, size, np.float32(0.0))
    if shape.pooling == MEAN or shape.pooling == MEAN_MAX:
        t = shape.layers * _parts(cell)
        fill(tables.states + (t * tables.rows + slot) * size, size, np.float32(0.0))
    tables.counts[slot] = 0


@inner
def _advance(cell, shape, plan, x, x_step, n, tables):
    """Let n slots read one step each; with `x_step` 0, all of them the same one."""
    size, row = shape.padded, shape.saved * shape.padded
    packed, slots = floats_at(plan.packed), floats_at(plan.slots)
    parts = _parts(cell)
    for at in range(0, n, BLOCK):
        m = min(BLOCK, n - at)
        below, step = x + at * x_step, x_step
        for layer in range(shape.layers):
            h = tables.states + (layer * parts * tables.rows + at) * size
            carried, saved = h, slots
            if parts > 1:
                carried = h + tables.rows * size
                saved = slots + cell.CARRIED_SLOT * size
                for i in range(m):
                    copy_row(saved + i * row, carried + i * size, size)
            weights = weights_of(shape, packed, layer, 0)
            cell.forward_step(
                shape, m, below, step, weights, h, shape.hidden, slots, slots, h, m, h
            )
            if parts > 1:
                for i in range(m):
                    copy_row(carried + i * size, saved + i * row, size)
            below, step = h, size
        _collect(shape, tables, shape.layers * parts, at, m, below)


@inner
def _collect(shape, tables, t, at, m, h):
    """Add the newest states (m, P) to what the pooling has collected."""
    size = shape.padded
    first = tables.states + (t * tables.rows + at) * size
    best = first
    if shape.pooling == MEAN or shape.pooling == MEAN_MAX:
        add_row(first, h, m * size)
        best = first + tables.rows * size
    if shape.pooling == MAX or shape.pooling == MEAN_MAX:
        for i in range(m):
            for j in range(0, size, LANES):
                place, value = best + (i * size + j), load(h + (i * size + j))
                if tables.counts[at + i] > 0:
                    old = load(place)
                    value = where_new_maximum(value, old, value, old)
                store(place, value)
    for i in range(m):
        tables.counts[at + i] += 1


@inner
def _pool_slot(cell, shape, tables, slot, pooled):
    """Write the pooled state of a slot."""
    size, width, parts = shape.padded, shape.width, _parts(cell)
    row = tables.states + slot * size
    collected = row + shape.layers * parts * tables.rows * size
    if shape.pooling == LAST:
        copy_row(pooled, row + (shape.layers - 1) * parts * tables.rows * size, width)
    elif shape.pooling == MAX:
        copy_row(pooled, collected, width)
    else:
        copy_row(pooled, collected, width)
        length = tables.counts[slot]
        for j in range(width):
            pooled[j] /= length
        if shape.pooling == MEAN_MAX:
            copy_row(pooled + width, collected + tables.rows * size, width)


@inner
def _decode(shape, plan, scores, out):
    """Write the outputs of a network on the scale of y."""
    center, unit = doubles_at(plan.center), doubles_at(plan.unit)
    for o in range(shape.n_outputs):
        out[o] = np.float64(scores[o]) * unit[o] + center[o]
