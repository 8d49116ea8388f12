"""From numpy arrays to the compiled programs: memory, addresses, one call.

Importing this module imports numba. Every function checks what compiled code could
not survive (type, contiguity, size, indices); what the numbers mean is the caller's
affair. An address is made next to the check of what it points to, in the call that
uses it, and arrays that a caller could change in another thread are copied first.
"""

import functools
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._engines.numba import threads as _threads
from sklearn_gru._engines.numba.compile import checked as checked_build
from sklearn_gru._engines.numba.compile.jit import cache_folder
from sklearn_gru._engines.numba.compile.simd import LANES
from sklearn_gru._engines.numba.exchange import Exchange
from sklearn_gru._engines.numba.memory import (
    BLOCK,
    WorkspaceLayout,
    make_layout,
    make_shape,
    packed_floats,
)
from sklearn_gru._engines.numba.programs.batch import (
    Addresses,
    RowAddresses,
    longest_sequence,
)
from sklearn_gru._engines.numba.programs.bind import bound_name, programs_of
from sklearn_gru._engines.numba.programs.layers import Outputs, pack_layers
from sklearn_gru._engines.numba.programs.predict import pack
from sklearn_gru._engines.numba.programs.standardize import (
    standardize_doubles,
    standardize_floats,
)
from sklearn_gru._engines.numba.programs.train import (
    Shared,
    Training,
    add_blocks,
    join_blocks,
    prepare_batch,
)
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._support.interrupts import stop_flag
from sklearn_gru._support.ranks import Ranks

_CACHE_LINE = 64

# Floats of workspace that a kernel keeps between calls (32 MB). Larger ones are made
# anew: to fill that much memory takes ten times as long as to ask for it.
KEPT_FLOATS = 2**23

# Of rows that are standardized as one, so that narrow ones take no longer.
_JOINT_VALUES = 1024

_SEEN: set[str] = set()  # kinds of cells whose programs were found on the disk
_TRAINED: set[str] = set()  # and whose programs trained in this process

# Steps are stored as float32 by max pooling, and indices exact up to this one.
MOST_STEPS = 2**24


def aligned_floats(n: int) -> np.ndarray:
    """Return n float32 zeros that start at a cache line."""
    spare = _CACHE_LINE // 4
    memory = np.zeros(n + spare, dtype=np.float32)
    start = -(memory.__array_interface__["data"][0] // 4) % spare
    return memory[start : start + n]


def address(array: np.ndarray, at: int | None = None) -> int:
    """Return where the values of an array lie: `at`, if the caller knows.

    numpy takes a microsecond or two to tell.
    """
    if at is None:
        at = array.__array_interface__["data"][0]
    if checked_build.ENABLED:
        checked_build.register(array, at)
    return at


def checked(array: Any, dtype: type, size: int | None, name: str) -> np.ndarray:
    """Return the array if compiled code can read it; raise TypeError otherwise."""
    if not (isinstance(array, np.ndarray) and array.dtype == dtype):
        raise TypeError(f"{name} must be a numpy array of {np.dtype(dtype)}")
    if not array.flags.c_contiguous:
        raise TypeError(f"{name} must be C-contiguous")
    if size is not None and array.size != size:
        raise ValueError(f"{name} has {array.size} values, not {size}")
    return array


def standardize(
    values: np.ndarray, mean: np.ndarray, scale: np.ndarray, out: np.ndarray
) -> int:
    """Write standardized rows as float32; return how many are right, from the first on.

    None if a result is not finite.
    """
    n_columns = values.shape[1]
    joint = LANES // gcd(LANES, n_columns)  # rows of whole vectors
    joint *= max(1, _JOINT_VALUES // (joint * n_columns))
    n, width = len(values) // joint, joint * n_columns
    if n == 0:
        return 0
    is_single = values.dtype == np.float32
    checked(values, np.float32 if is_single else np.float64, None, "values")
    checked(out, np.float32, values.size, "out")
    wide = [
        checked(np.tile(a, joint), np.float64, width, "moments") for a in (mean, scale)
    ]
    bad = np.zeros(LANES, dtype=np.float32)
    program = standardize_floats if is_single else standardize_doubles
    program(n, width, address(values), *map(address, wide), address(out), address(bad))
    return 0 if np.isnan(bad).any() else n * joint


def is_cached(cell: str) -> bool:
    """Return whether the program that trains a kind of cell lies on the disk."""
    if cell not in _SEEN:
        folder, name = cache_folder(), bound_name("train_epoch", cell)
        if folder is not None and any(folder.glob(f"*.{name}-*.nbi")):
            _SEEN.add(cell)
    return cell in _SEEN


@functools.cache
def _predicts_by_training(cell: str) -> bool:
    """Return whether the program that trains a kind of cell is to predict, too.

    It is larger than the one that predicts, and takes longer to compile and to load. A
    process that has predicted with the latter goes on with it.
    """
    return cell in _TRAINED or is_cached(cell)


def _checked_leading(leading: Any, n: int, width: int) -> np.ndarray:
    """Return (n, n_differences) integers, of which all rows may be one in memory."""
    apart = leading.shape[1] > 1 and leading.strides[1] != 8
    if leading.dtype != np.int64 or apart:
        raise TypeError("leading must be an int64 array, contiguous in its rows")
    if len(leading) != n or leading.shape[1] > width:
        raise ValueError(f"leading has the shape {leading.shape}")
    return leading


# What the program that trains gets where it predicts.
_NOTHING = Training(**{name: kind() for name, kind in Training.__annotations__.items()})


class Rows:
    """Flat rows and the sequences over them, checked once.

    Parameters
    ----------
    values : float32 (n_rows, width)
    starts, lengths : int64 (n,)
        Sequence i is `lengths[i]` rows from `starts[i]` on.
    segment_length : int
        Rows read at a time; up to one less are reached in front of a sequence, must
        exist and count as 0.
    levels : pair of float32 arrays (n, n_levels), optional
        Shift and scale of each sequence in the first columns; NaN then counts as 0.
    leading : int64 array (n, n_differences), optional
        Rows of each sequence whose first columns count as 0; a row may serve all.
    embeddings : sequence of (number of categories, width)
        Tables that replace the last columns, which are indices.
    """

    def __init__(
        self, values, starts, lengths, *,
        segment_length=1, levels=None, leading=None, embeddings=(),
    ):  # fmt: skip
        n = len(starts)
        self.values = checked(values, np.float32, None, "values")
        if self.values.ndim != 2 or segment_length < 1:
            raise ValueError(
                "values must be two-dimensional, segment_length at least 1"
            )
        # Copies: another thread may change those of the caller after the check.
        block = np.zeros(3 * n + 1, dtype=np.int64)
        self.starts, self.lengths = block[:n], block[n : 2 * n]
        self.absent, self._own_stop = block[2 * n : 3 * n], block[3 * n :]
        self.starts[:] = checked(starts, np.int64, n, "starts")
        self.lengths[:] = checked(lengths, np.int64, n, "lengths")
        self._block_at = address(self.starts)
        self._all_places = self._places_from(0)
        self.segment_length = segment_length
        self.n_steps = self._longest(1)
        if segment_length > 1:
            self.absent[:] = -self.lengths % segment_length
            self.lengths[:] = (self.lengths + self.absent) // segment_length
            self.starts -= self.absent
            self.n_steps = self._longest(segment_length)
        self.levels = levels or ()
        self._check_levels(n)
        self.leading = leading
        if leading is not None:
            self.leading = _checked_leading(leading, n, values.shape[-1])
        self.embeddings = tuple(embeddings)
        if self.embeddings:
            self._tables = np.array(self.embeddings, dtype=np.int64)
            self._check_indices()
        n_dense = self.values.shape[1] - len(self.embeddings)
        self.n_read = n_dense + sum(width for _, width in self.embeddings)
        self.stop = stop_flag(self._own_stop)
        self.addresses = self.part(0, n)

    def _longest(self, stride: int) -> int:
        """Return the longest length, having checked that all rows exist."""
        n = len(self.starts)
        starts, lengths, _ = self._all_places
        longest = longest_sequence(starts, lengths, n, len(self.values), stride)
        if longest < 0:
            raise ValueError("a sequence reaches outside the rows of values")
        if longest > MOST_STEPS:
            raise ValueError(f"a sequence has {longest} steps, more than {MOST_STEPS}")
        return longest

    def _check_levels(self, n: int) -> None:
        """Refuse levels that are not one per sequence and column."""
        for level in self.levels:
            checked(level, np.float32, None, "levels")
            shape, width = self.levels[0].shape, self.values.shape[1]
            if level.shape != shape or len(shape) != 2 or shape[0] != n:
                raise ValueError("levels must be two arrays with one row per sequence")
            if shape[1] > width:
                raise ValueError(f"levels have {shape[1]} columns, but values {width}")

    def _check_indices(self) -> None:
        """Refuse indices that no table has; compiled code reads them as missing."""
        n_dense = self.values.shape[1] - len(self.embeddings)
        if n_dense < 0:
            raise ValueError(
                f"values have {self.values.shape[1]} columns, less than the "
                f"{len(self.embeddings)} tables"
            )
        for k, (n_categories, _) in enumerate(self.embeddings):
            index = self.values[:, n_dense + k]
            if len(index) and not (index.min() >= 0 and index.max() <= n_categories):
                raise ValueError(f"an index is outside table {k}")

    def _places_from(self, begin: int) -> tuple[int, int, int]:
        """Return the addresses of starts, lengths and absent steps from `begin` on."""
        first, size = self._block_at + 8 * begin, 8 * len(self.starts)
        found = first, first + size, first + 2 * size
        if checked_build.ENABLED:
            parts = self.starts, self.lengths, self.absent
            for part, at in zip(parts, found, strict=True):
                address(part[begin:], at)
        return found

    def part(self, begin: int, end: int) -> RowAddresses:
        """Return the addresses of some of the sequences; 0 for what there is not."""
        places = self._places_from(begin) if begin else self._all_places
        starts, lengths, absent = places
        shift = scale = leading = tables = n_levels = n_differences = step = 0
        if self.levels:
            n_levels = self.levels[0].shape[1]
            shift, scale = (address(level[begin:]) for level in self.levels)
        if self.leading is not None:
            n_differences = self.leading.shape[1]
            leading, step = address(self.leading[begin:]), self.leading.strides[0] // 8
        if self.embeddings:
            tables = address(self._tables)
        return RowAddresses(
            address(self.values),
            starts,
            lengths,
            end - begin,
            self.segment_length,
            self.values.shape[-1],
            absent,
            n_levels,
            shift,
            scale,
            n_differences,
            leading,
            step,
            len(self.embeddings),
            tables,
            self.n_read,
            self._stop_at(),
        )

    def _stop_at(self) -> int:
        own = self._block_at + 24 * len(self.starts)
        return address(self.stop, own if self.stop is self._own_stop else None)


class Memory(NamedTuple):
    """Memory of the programs, with its addresses: replaced as one, or not at all.

    If an allocation fails half-way, no address is left that points to freed memory.
    """

    workspace: np.ndarray
    integers: np.ndarray
    addresses: Addresses


class Kernel:
    """A network with the memory its programs work in.

    The workspace grows to what the longest sequence needs and is then reused; one
    `Kernel` must not be used by two threads at the same time.
    """

    def __init__(
        self, network: NetworkSpec, params: np.ndarray, packed: np.ndarray | None = None
    ):
        self.network = network
        self.programs = programs_of(network.cell)
        self.shape = make_shape(network, LANES, self.programs.saved_slots)
        self.n_parameters = network.n_parameters
        self.params = checked(params, np.float32, self.n_parameters, "params")
        if packed is None:
            packed = aligned_floats(packed_floats(self.shape))
        self.packed = packed
        self._layouts: dict[tuple[int, int, bool, int], WorkspaceLayout] = {}
        self._others: list[Kernel] = []  # memory of other threads
        self._kept: Rows | None = None  # of the forward pass in the workspace
        self._memory = self._allocate(0, 0)

    def pack(self) -> None:
        """Copy the parameters to where `predict` reads them."""
        pack(self.shape, self._memory.addresses)

    def pack_layers(self, params: np.ndarray) -> None:
        """Copy the layers' flat parameters to where `run` reads them."""
        n_head = prod(self.network.parameters()["head.weight"]) + self.network.n_outputs
        checked(params, np.float32, self.n_parameters - n_head, "params of the layers")
        pack_layers(self.shape, self._memory.addresses, address(params))

    @property
    def nbytes(self) -> int:
        """Number of bytes of workspace, with those of helping threads."""
        own = self._memory.workspace.nbytes + self._memory.integers.nbytes
        return own + sum(helper.nbytes for helper in self._others)

    def shrink(self, most: int = KEPT_FLOATS) -> None:
        """Free the workspace if it holds more floats than are worth keeping."""
        self._kept = None
        if self.nbytes > 4 * most:
            self._others.clear()
            self._memory = self._allocate(0, 0)

    def _check_width(self, rows: Rows) -> None:
        """Refuse rows of another width than the network reads."""
        if rows.embeddings != self.network.embeddings:
            raise ValueError(
                f"rows have the tables {rows.embeddings}, the network has "
                f"{self.network.embeddings}"
            )
        n_read, rest = divmod(self.network.n_read, rows.segment_length)
        if rest or rows.n_read != n_read:
            raise ValueError(
                f"values have {rows.values.shape[1]} columns, read "
                f"{rows.segment_length} rows at a time; the network reads "
                f"{self.network.n_read} values"
            )

    def _allocate(self, n_floats: int, n_integers: int) -> Memory:
        workspace = aligned_floats(n_floats)
        integers = np.zeros(n_integers, dtype=np.int64)
        addresses = Addresses(
            address(self.params),
            address(self.packed),
            len(self.packed),
            address(workspace),
            address(integers),
        )
        return Memory(workspace, integers, addresses)

    def _layout(
        self, n: int, n_steps: int, train: bool, levels: int = 1
    ) -> WorkspaceLayout:
        """Return the layout for batches of n sequences; making one takes a while."""
        key = min(n, BLOCK), n_steps, train, levels
        if key not in self._layouts:
            if len(self._layouts) > 100:  # ragged batches have many longest lengths
                self._layouts.clear()
            self._layouts[key] = make_layout(
                self.shape, key[0], n_steps, train=train, levels=levels
            )
        return self._layouts[key]

    def _reserve(
        self, n: int, n_steps: int, train: bool, blocks: int = 1, levels: int = 1
    ) -> WorkspaceLayout:
        """Make the workspace large enough for batches of n sequences."""
        layout = self._layout(n, n_steps, train, levels)
        # the sorted batch, an unsorted one or the buckets of lengths, a block's packing
        n_integers = 3 * n + (layout.rows + 4) * (n_steps + 2)
        n_floats, memory = layout.total * blocks, self._memory
        if n_floats > len(memory.workspace) or n_integers > len(memory.integers):
            self._memory = self._allocate(
                max(n_floats, len(memory.workspace)),
                max(n_integers, len(memory.integers)),
            )
        return layout

    def _helpers(
        self, size: int, n: int, n_steps: int, train: bool, levels: int = 1
    ) -> list["Kernel"]:
        """Return kernels with memory of their own and the same parameters."""
        while len(self._others) < size - 1:
            self._others.append(Kernel(self.network, self.params, self.packed))
        helpers = self._others[: size - 1]
        for helper in helpers:
            helper._reserve(n, n_steps, train, levels=levels)
        return helpers

    def predict(self, rows: Rows, threads: int = 1) -> np.ndarray:
        """Return the scores (n, n_outputs) of every sequence."""
        work = _threads.forward_work(self.shape, len(rows.starts), rows.n_steps)
        return _threads.stoppable(work, rows.stop, self._scores, rows, threads)

    def _scores(self, rows: Rows, threads: int) -> np.ndarray:
        self._check_width(rows)
        n = len(rows.starts)
        scores = np.empty((n, self.network.n_outputs), dtype=np.float32)
        size = _threads.for_prediction(self.shape, n, rows.n_steps, threads)
        if n and size == 1:
            self._predict(rows.addresses, n, rows.n_steps, scores)
        elif n:
            kernels = [self, *self._helpers(size, n, rows.n_steps, train=False)]
            arguments = []
            for kernel, (begin, end) in zip(
                kernels, _threads.spread(n, size), strict=True
            ):
                part = rows.part(begin, end)
                out = scores[begin:end]
                arguments.append((kernel, part, end - begin, rows.n_steps, out))
            with _threads.team(size) as team:
                team.run(Kernel._predict, arguments)
        return scores

    def _predict(self, sequences, n: int, n_steps: int, scores: np.ndarray) -> None:
        layout = self._reserve(n, n_steps, train=False)
        arguments = self.shape, layout, self._memory.addresses, sequences
        if _predicts_by_training(self.network.cell):
            self.programs.train_epoch(*arguments, _NOTHING, address(scores))
        else:
            self.programs.predict(*arguments, address(scores))

    def train_epoch(
        self, rows: Rows, objective: "Objective", optimizer: "Optimizer",
        order, batch_size: int, rates, seeds=None, threads=1, ranks=None,
    ):  # fmt: skip
        """Run one AdamW step for each batch of `order`; return their losses."""
        work = 3 * _threads.forward_work(self.shape, len(order), rows.n_steps)
        return _threads.stoppable(
            work, rows.stop, self._train_epoch,
            rows, objective, optimizer, order, batch_size, rates, seeds, threads, ranks,
        )  # fmt: skip

    def _train_epoch(
        self, rows, objective, optimizer, order, batch_size, rates, seeds, threads,
        ranks,
    ):  # fmt: skip
        self._check_width(rows)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but must be at least 1")
        n_used = len(order)
        n_batches = -(-n_used // batch_size)
        checked(order, np.int64, None, "order")
        checked(rates, np.float64, n_batches, "rates")
        if seeds is None:
            seeds = np.zeros(n_batches, dtype=np.uint64)
        checked(seeds, np.uint64, n_batches, "seeds")
        losses = np.zeros(n_batches)
        if not n_used:
            return losses
        if order.min() < 0 or order.max() >= len(rows.starts):
            raise ValueError("order names a sequence that does not exist")
        objective.check(self.network, len(rows.starts))
        n = min(batch_size, n_used)
        n_blocks = -(-n // self._layout(n, rows.n_steps, True).rows)
        levels = n_blocks.bit_length()  # of the tree in which blocks are added
        layout = self._reserve(n, rows.n_steps, train=True, levels=levels)
        for name in ("grads", "mean", "square"):
            checked(getattr(optimizer, name), np.float32, self.n_parameters, name)
        training = Training(
            n_parameters=self.n_parameters,
            grads=address(optimizer.grads),
            mean=address(optimizer.mean),
            square=address(optimizer.square),
            step=optimizer.step,
            targets=address(objective.targets),
            target_width=objective.targets.shape[1],
            weights=address(objective.weights),
            order=address(order),
            n_used=n_used,
            batch_size=batch_size,
            rates=address(rates),
            seeds=address(seeds),
            losses=address(losses),
            clip_norm=float(optimizer.clip_norm),
            weight_decay=float(optimizer.weight_decay),
            loss_parameters=address(objective.parameters),
            dropout=float(self.network.dropout),
        )
        size = _threads.for_training(self.shape, n, rows.n_steps, threads)
        if size == 1 and ranks is None:
            self.programs.train_epoch(
                self.shape, layout, self._memory.addresses, rows.addresses, training, 0
            )
            _TRAINED.add(self.network.cell)
        else:
            self._train_shared(rows, training, layout, n, size, ranks)
        return losses

    def worth_ranks(self, n: int, n_steps: int, ranks: Ranks) -> bool:
        """Return whether it pays to share batches of n sequences among processes."""
        return _threads.worth_ranks(self.shape, n, n_steps, ranks)

    def _train_shared(
        self, rows: Rows, training, layout: WorkspaceLayout, n: int, size: int, ranks
    ):
        """Train as the program does, with the blocks of a batch shared.

        Each of the ranks computes branches of the tree in which gradients are added,
        with `size` threads; None stands for one process.
        """
        most, n_packed = -(-n // layout.rows), len(self.packed)
        levels = most.bit_length()
        kernels = [self, *self._helpers(size, n, rows.n_steps, True, levels)]
        grads = np.zeros((most, n_packed), dtype=np.float32)
        losses = np.zeros(most)
        memory, sequences = self._memory.addresses, rows.addresses
        shared = Shared(memory.integers, address(grads), address(losses))
        exchange = Exchange(ranks, grads, losses)
        with _threads.team(size) as team:
            for number in range(-(-training.n_used // training.batch_size)):
                if rows.stop[0]:
                    break
                prepare_batch(self.shape, layout, memory, sequences, training, number)
                left = training.n_used - number * training.batch_size
                n_blocks = -(-min(n, left) // layout.rows)
                for begin, end in exchange.own_branches(n_blocks):
                    team.run(
                        self.programs.share_blocks,
                        [
                            (
                                self.shape, layout, kernel._memory.addresses, sequences,
                                training, shared, number, begin + member, end, size,
                            )
                            for member, kernel in enumerate(kernels)
                        ],
                    )  # fmt: skip
                    add_blocks(n_packed, shared, begin, end)
                width = exchange.run(n_blocks)
                join_blocks(
                    self.shape, memory, training, shared, number, n_blocks, width
                )

    def run(
        self, rows: Rows, *, all_steps: bool, keep: bool, seed: int = 0, initial=None
    ):
        """Return final states (n, width), and all states (n, n_steps, width) or None.

        With `keep`, what `run_backward` needs stays in the workspace. With `initial`
        (n, layers, parts, hidden), the forward direction begins in these states, and
        the third result has those at its end; otherwise it is None.
        """
        work = _threads.forward_work(self.shape, len(rows.starts), rows.n_steps)
        return _threads.stoppable(
            work, rows.stop, self._run, rows, all_steps, keep, seed, initial
        )

    def _run(self, rows: Rows, all_steps: bool, keep: bool, seed: int, initial):
        self._check_width(rows)
        n, width = len(rows.starts), self.shape.width
        final, parts = None, 1
        if initial is not None:
            parts = len(CELLS[self.network.cell].state)
            size = n * self.network.num_layers * parts * self.network.hidden_size
            checked(initial, np.float32, size, "initial")
            if not keep:
                raise ValueError("states at the end are known only with keep=True")
            final = np.zeros_like(initial)
        last = np.zeros((n, width), dtype=np.float32)
        steps = None
        if all_steps:
            steps = np.zeros((n, rows.n_steps, width), dtype=np.float32)
        if n:
            block = self._layout(n, rows.n_steps, keep).rows
            blocks = -(-n // block) if keep else 1
            layout = self._reserve(n, rows.n_steps, keep, blocks)
            outputs = Outputs(
                address(last),
                0 if steps is None else address(steps),
                rows.n_steps,
                keep,
                0 if initial is None else address(initial),
                0 if final is None else address(final),
                parts,
            )
            self.programs.run_layers(
                self.shape, layout, self._memory.addresses, rows.addresses, outputs,
                float(self.network.dropout if keep else 0.0), seed,
            )  # fmt: skip
        self._kept = rows if keep else None
        return last, steps, final

    def run_backward(self, rows: Rows, d_last, d_steps, *, inputs=False, seed=0):
        """Return gradients (flat parameters, values or None).

        `d_last (n, width)` and `d_steps (n, n_steps, width)` are None where zero.
        """
        if self._kept is not rows:
            raise RuntimeError("the workspace does not hold the forward pass of rows")
        work = 2 * _threads.forward_work(self.shape, len(rows.starts), rows.n_steps)
        return _threads.stoppable(
            work, rows.stop, self._run_backward, rows, d_last, d_steps, inputs, seed
        )

    def _run_backward(self, rows: Rows, d_last, d_steps, inputs: bool, seed: int):
        n, width = len(rows.starts), self.shape.width
        if d_last is None:
            d_last = np.zeros((n, width), dtype=np.float32)
        checked(d_last, np.float32, n * width, "d_last")
        if d_steps is not None:
            checked(d_steps, np.float32, n * rows.n_steps * width, "d_steps")
        grads = np.zeros(self.n_parameters, dtype=np.float32)
        d_values = np.zeros_like(rows.values) if inputs else None
        if n:
            layout = self._layout(n, rows.n_steps, True)
            outputs = Outputs(
                address(d_last),
                0 if d_steps is None else address(d_steps),
                rows.n_steps,
                True,
            )
            self.programs.run_layers_backward(
                self.shape, layout, self._memory.addresses, rows.addresses, outputs,
                address(grads),
                0 if d_values is None else address(d_values),
                float(self.network.dropout), seed,
            )  # fmt: skip
        return grads, d_values


class Objective(NamedTuple):
    """Targets and weights of all sequences, and the parameters of the loss."""

    targets: np.ndarray  # (n, target_width) float32
    weights: np.ndarray  # (n,) float32
    parameters: np.ndarray  # float64; see `as_parameters`

    def check(self, network: NetworkSpec, n: int) -> None:
        """Refuse arrays of another size than n sequences need."""
        checked(self.targets, np.float32, n * network.target_width, "targets")
        checked(self.weights, np.float32, n, "weights")
        size = max(1, len(network.loss_parameters))
        checked(self.parameters, np.float64, size, "parameters of the loss")
        if network.loss == "quantile" and network.n_outputs % size:
            raise ValueError(f"{network.n_outputs} outputs for {size} quantiles each")


class Optimizer(NamedTuple):
    """The state of AdamW, changed in place, and its constants."""

    grads: np.ndarray  # (n_parameters,), of the last step, before clipping
    mean: np.ndarray  # the moments
    square: np.ndarray
    clip_norm: float = 0.0  # 0: no clipping
    weight_decay: float = 0.0
    step: int = 0  # steps taken before


def as_targets(targets: np.ndarray, network: NetworkSpec, n: int) -> np.ndarray:
    """Return targets as compiled code reads them: float32, two-dimensional.

    Class indices are exact as float32 below 2**24.
    """
    if network.loss == "cross_entropy":
        if len(targets) and not (
            int(targets.min()) >= 0 and int(targets.max()) < network.n_outputs
        ):
            raise ValueError("a class index is outside the outputs of the network")
        return np.ascontiguousarray(targets, dtype=np.float32).reshape(n, 1)
    width = network.target_width
    checked(targets, np.float32, n * width, "targets")
    return targets.reshape(n, width)


def as_parameters(network: NetworkSpec) -> np.ndarray:
    """Return the numbers that the loss depends on, at least one."""
    return np.array(network.loss_parameters or (0.0,), dtype=np.float64)
