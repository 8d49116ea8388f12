"""The numbers that describe a network to the compiled code, and where things lie.

Everything compiled code touches lies in arrays that Python allocates once: `params`
(torch's own layout, flat), `packed` (the same weights as the tile wants them) and one
`workspace`. This module is the map of all three; it holds plain Python and integers
only, so that the map can be read, and tested, without numba.

A hidden vector of H units is stored as P = H rounded up to whole vectors. A *slot* is
P consecutive floats; the gates of one step of one sequence are a row of slots.
"""

from typing import NamedTuple

from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.spec import NetworkSpec

BLOCK = 32  # sequences computed together; fixed, so that results are too
CHUNK_FLOATS = 16384  # of gate gradients kept in cache until the weights' product

POOLINGS = ("last", "mean", "max", "mean_max")
LAST, MEAN, MAX, MEAN_MAX = range(4)
LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "cross_entropy",
    "quantile",
    "poisson",
)
SQUARED, ABSOLUTE, HUBER, CROSS_ENTROPY, QUANTILE, POISSON = range(6)


def round_up(n: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that is at least n."""
    return -(-n // multiple) * multiple


class Shape(NamedTuple):
    """The sizes of a network, as compiled code receives them (integers only)."""

    n_inputs: int
    hidden: int  # H
    padded: int  # P
    layers: int
    directions: int
    gates: int
    saved: int
    deltas: int
    apart: int  # gates at the end, whose sums over input and state are kept apart
    width: int  # of a layer's output: directions * H
    padded_width: int
    pooling: int
    pooled: int  # values the head sees
    padded_pooled: int
    n_outputs: int
    padded_outputs: int
    loss: int
    lanes: int
    table_floats: int  # of the embeddings, one table after the other


def make_shape(network: NetworkSpec, lanes: int, saved: int) -> Shape:
    """Return the sizes of a network for vectors of `lanes` floats.

    `saved` is the number of slots that the forward pass of the cell saves.
    """
    cell = CELLS[network.cell]
    gates = len(cell.blocks)
    width, pooled = network.state_size, network.n_pooled
    return Shape(
        n_inputs=network.n_read,
        hidden=network.hidden_size,
        padded=round_up(network.hidden_size, lanes),
        layers=network.num_layers,
        directions=network.n_directions,
        gates=gates,
        saved=saved,
        deltas=gates + cell.n_apart,  # a row of gradients: one per sum
        apart=cell.n_apart,
        width=width,
        padded_width=round_up(width, lanes),
        pooling=POOLINGS.index(network.pooling),
        pooled=pooled,
        padded_pooled=round_up(pooled, lanes),
        n_outputs=network.n_outputs,
        padded_outputs=round_up(network.n_outputs, lanes),
        loss=LOSSES.index(str(network.loss)),
        lanes=lanes,
        table_floats=sum((n + 1) * width for n, width in network.embeddings),
    )


class WorkspaceLayout(NamedTuple):
    """Offsets of the arrays in the workspace, in floats."""

    rows: int  # sequences in a block, at most
    steps: int  # of the longest sequence
    chunk: int  # rows of gate gradients kept at a time
    x: int  # (N, n_inputs), inputs of the block in time order
    x_reversed: int  # (N, inputs of a layer) in the order of the backward direction
    outputs: int  # layers x (N, padded_width), in time order
    output_floats: int
    states: int  # layers x directions x (N, P), the state before each step
    state_floats: int
    saved: int  # layers x directions x (rows + N, saved P)
    saved_floats: int
    finals: int  # directions x (rows, P), the state after the last step
    pooled: int  # (rows, padded_pooled)
    argmax: int  # 2 x (rows, padded_width), where and what the maximum is
    scores: int  # (rows, padded_outputs)
    d_scores: int
    d_pooled: int
    d_outputs: int  # 2 x (N, padded_width or padded inputs)
    d_output_floats: int
    d_state: int  # (rows, P)
    d_cell: int  # (rows, P)
    deltas: int  # (chunk, deltas P)
    d_x: int  # (chunk, inputs)
    grads: int  # as `packed`, of one block
    total_grads: int  # (levels of the tree, n_packed), sums of blocks of the batch
    one: int  # the number 1
    total: int


# Compiled code calls the three functions that follow too, so that these offsets are
# known in one place: they do nothing but arithmetic, and call no other function.


class PackedDirection(NamedTuple):
    """Offsets of the packed weights of one direction of a layer; `wx` is at 0."""

    wh: int
    bias: int
    wx_rows: int
    wh_rows: int
    end: int


class PackedHead(NamedTuple):
    """Offsets of the packed weights of the head and of the tables behind it."""

    columns: int
    rows: int
    bias: int
    tables: int  # of the embeddings, as torch has them
    end: int


def lay_out_direction(shape, n_inputs):
    """Lay out the weights of one direction of a layer: see `parts.weights.Weights`."""
    columns, units = shape.gates * shape.padded, shape.gates * shape.hidden
    padded_inputs = (n_inputs + shape.lanes - 1) // shape.lanes * shape.lanes
    wh = n_inputs * columns
    bias = wh + shape.hidden * columns
    wx_rows = bias + shape.deltas * shape.padded
    wh_rows = wx_rows + units * padded_inputs
    return PackedDirection(wh, bias, wx_rows, wh_rows, wh_rows + units * shape.padded)


def start_of_direction(shape, first, later, layer, direction):
    """Return where a direction starts; the head does where one more layer would.

    `first` and `later` are the layouts of a direction of the first layer, and others.
    """
    if layer == 0:
        return direction * first.end
    number = (layer - 1) * shape.directions + direction
    return shape.directions * first.end + number * later.end


def lay_out_head(shape, start):
    """Lay out the weights of the head: see `parts.weights.Head`."""
    rows = start + shape.pooled * shape.padded_outputs
    bias = rows + shape.n_outputs * shape.padded_pooled
    tables = bias + shape.padded_outputs
    return PackedHead(start, rows, bias, tables, tables + shape.table_floats)


def packed_floats(shape: Shape) -> int:
    """Return the length of the array of packed weights."""
    first = lay_out_direction(shape, shape.n_inputs)
    later = lay_out_direction(shape, shape.width)
    start = start_of_direction(shape, first, later, shape.layers, 0)
    return lay_out_head(shape, start).end


def block_rows(shape: Shape, steps: int) -> int:
    """Return how many sequences of `steps` steps are computed together.

    BLOCK, unless what they keep for the backward pass would take over a gigabyte
    (32 sequences of 10 000 steps, hidden 128); never fewer than a tile has rows.
    """
    per_direction = (shape.saved + 1) * shape.padded + shape.padded_width
    per_row = shape.layers * shape.directions * per_direction + shape.n_inputs
    rows = BLOCK
    while rows > 8 and rows * steps * per_row > 2**28:
        rows //= 2
    return rows


def make_layout(
    shape: Shape, rows: int, steps: int, *, train: bool, levels: int = 1
) -> WorkspaceLayout:
    """Lay out the workspace for blocks of `rows` sequences of at most `steps` steps.

    Prediction keeps two steps of states and gates instead of all, and no gradient.
    `levels` are those of the tree in which gradients of blocks are added.
    """
    rows, steps = min(rows, block_rows(shape, steps)), max(steps, 1)
    n = rows * steps
    saved_layers = shape.layers if train else 2
    saved_rows = n if train else 2 * rows
    stacks = shape.layers * shape.directions if train else 1
    row = shape.deltas * shape.padded
    chunk = max(rows, min(n, CHUNK_FLOATS // row)) if train else 0
    widest = max(round_up(shape.n_inputs, shape.lanes), shape.padded_width)
    sizes = {
        "x": n * shape.n_inputs,
        "x_reversed": n * widest if shape.directions == 2 else 0,
        "outputs": saved_layers * n * shape.padded_width,
        "states": stacks * saved_rows * shape.padded,
        "saved": stacks * (rows + saved_rows) * shape.saved * shape.padded,
        "finals": shape.directions * rows * shape.padded,
        "pooled": rows * shape.padded_pooled,
        "argmax": 2 * rows * shape.padded_width,
        "scores": rows * shape.padded_outputs,
        "d_scores": rows * shape.padded_outputs,
        "d_pooled": rows * shape.padded_pooled,
        "d_outputs": 2 * n * widest if train else 0,
        "d_state": rows * shape.padded,
        "d_cell": rows * shape.padded,
        "deltas": chunk * row,
        "d_x": chunk * widest,
        "grads": packed_floats(shape) if train else 0,
        "total_grads": levels * packed_floats(shape) if train else 0,
        "one": 1,
    }
    starts, total = {}, 0
    for name, size in sizes.items():
        starts[name] = total
        total += round_up(size, 16)  # a cache line of 64 bytes
    return WorkspaceLayout(
        rows=rows,
        steps=steps,
        chunk=chunk,
        output_floats=n * shape.padded_width,
        d_output_floats=n * widest,
        state_floats=saved_rows * shape.padded,
        saved_floats=(rows + saved_rows) * shape.saved * shape.padded,
        total=total,
        **starts,
    )
