"""Small matrix products at the speed of the core: one register tile, many shapes.

Every product of a recurrent network, forward and backward, has the form

    C[i, :] = S[i, :] + sum over k of A(i, k) W[k, :]
    A(i, k) = a[i * step_i + k * step_k]

with W and C in rows of whole vectors and the two steps of A free, which makes A
transposed, broadcast or overlapping at no cost. S is C itself (accumulate), or a bias
row (step 0). The products are too small for BLAS: a call costs more than they do, and
MKL and OpenBLAS run at half of this speed even on large ones.

`gemm` covers C with tiles that stay in registers through the whole sum. numba cannot
express that, so a tile is written in LLVM's own language, for any number of rows and
vectors; LLVM turns it into AVX-512, AVX2 or NEON code.

Every value of C is the same chain of fused multiply-adds over k = 0, 1, ...,
whatever tile it falls in: a row's result does not depend on how many rows are with it.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sklearn_gru._engines.numba.compile.jit import VECTOR_UNIT, inner
from sklearn_gru._engines.numba.compile.simd import (
    LANES,
    broadcast,
    declare_math,
    float_pointer,
    load_vector,
    store_vector,
)

INTP = ir.IntType(64)


def _make_tile(n_rows, n_vectors):
    """Return the intrinsic that computes n_rows x n_vectors vectors of C."""

    @intrinsic
    def tile(typing_context, depth, a, step_i, step_k, w, w_step, s, s_step, c, c_step):
        sig = types.void(
            types.intp, float_pointer, types.intp, types.intp, float_pointer,
            types.intp, float_pointer, types.intp, float_pointer, types.intp,
        )  # fmt: skip

        def codegen(context, builder, sig, args):
            return _build_tile(context, builder, n_rows, n_vectors, *args)

        return sig, codegen

    return tile


def _build_tile(
    context, builder, n_rows, n_vectors,
    depth, a, step_i, step_k, w, w_step, s, s_step, c, c_step,
):  # fmt: skip
    """Emit: load the sums, loop over k adding A(i, k) W[k, :], store the sums."""
    # One copy of the tiles per program: inlining them wherever gemm is called would
    # only multiply the time to compile.
    builder.function.attributes.add("noinline")
    fma = declare_math(builder, "fma", 3)
    cells = [(i, v) for i in range(n_rows) for v in range(n_vectors)]

    def row(base, step, i):
        return builder.gep(base, [builder.mul(step, INTP(i))], inbounds=True)

    def vector_of(base, v):
        return builder.gep(base, [INTP(v * LANES)], inbounds=True)

    s_rows = [row(s, s_step, i) for i in range(n_rows)]
    a_rows = [row(a, step_i, i) for i in range(n_rows)]
    start = [load_vector(builder, vector_of(s_rows[i], v)) for i, v in cells]
    before = builder.block
    loop = builder.append_basic_block("k.loop")
    after = builder.append_basic_block("k.done")
    builder.cbranch(builder.icmp_signed(">", depth, INTP(0)), loop, after)

    builder.position_at_end(loop)
    k = builder.phi(INTP)
    sums = [builder.phi(value.type) for value in start]
    w_row = builder.gep(w, [builder.mul(k, w_step)], inbounds=True)
    a_step = builder.mul(k, step_k)
    weights = [load_vector(builder, vector_of(w_row, v)) for v in range(n_vectors)]
    added = []
    for i in range(n_rows):
        scalar = builder.load(builder.gep(a_rows[i], [a_step], inbounds=True))
        spread = broadcast(builder, scalar)
        for v in range(n_vectors):
            old = sums[i * n_vectors + v]
            added.append(builder.call(fma, [spread, weights[v], old]))
    k_next = builder.add(k, INTP(1))
    builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, after)
    k.add_incoming(INTP(0), before)
    k.add_incoming(k_next, loop)
    for total, first, new in zip(sums, start, added, strict=True):
        total.add_incoming(first, before)
        total.add_incoming(new, loop)

    builder.position_at_end(after)
    result = []
    for first, new in zip(start, added, strict=True):
        value = builder.phi(first.type)
        value.add_incoming(first, before)
        value.add_incoming(new, loop)
        result.append(value)
    c_rows = [row(c, c_step, i) for i in range(n_rows)]
    for (i, v), value in zip(cells, result, strict=True):
        store_vector(builder, value, vector_of(c_rows[i], v))
    return context.get_dummy_value()


ROWS = VECTOR_UNIT.tile_rows
VECTORS = VECTOR_UNIT.tile_vectors
HALF = ROWS // 2
SINGLE = 6  # vectors of a one-row tile: enough sums to hide the latency of an fma


def _make_band(height):
    """Return the function that covers rows of C with tiles of that many rows."""
    wide = _make_tile(height, VECTORS)
    two, one = _make_tile(height, 2), _make_tile(height, 1)

    def band(
        begin, end, n_vectors, depth, a, step_i, step_k, w, w_step, s, s_step, c, c_step
    ):
        v = 0
        while v < n_vectors:
            left = n_vectors - v
            # 4 vectors are 2 + 2, not 3 + 1: a narrow tile waits for its own sums.
            width = VECTORS if left >= VECTORS and left != VECTORS + 1 else min(left, 2)
            j = v * LANES
            for i in range(begin, end, height):
                ai, si, ci = a + i * step_i, s + (i * s_step + j), c + (i * c_step + j)
                if width == VECTORS:
                    wide(depth, ai, step_i, step_k, w + j, w_step, si, s_step,
                         ci, c_step)  # fmt: skip
                elif width == 2:
                    two(depth, ai, step_i, step_k, w + j, w_step, si, s_step,
                        ci, c_step)  # fmt: skip
                else:
                    one(depth, ai, step_i, step_k, w + j, w_step, si, s_step,
                        ci, c_step)  # fmt: skip
            v += width

    # Programs from the disk may bring others of this kind: names tell them apart.
    band.__name__ = band.__qualname__ = f"band_of_{height}"
    return inner(band)


_rows, _half = _make_band(ROWS), _make_band(HALF)
_row, _long_row = _make_band(1), _make_tile(1, SINGLE)


@inner
def gemm(n_rows, n_vectors, depth, a, step_i, step_k, w, w_step, s, s_step, c, c_step):
    """Compute C = S + A W for n_rows x n_vectors vectors of C and depth terms a sum."""
    whole, halves = n_rows - n_rows % ROWS, n_rows - n_rows % HALF
    if whole > 0:
        _rows(0, whole, n_vectors, depth, a, step_i, step_k, w, w_step, s, s_step,
              c, c_step)  # fmt: skip
    if halves > whole:
        _half(whole, halves, n_vectors, depth, a, step_i, step_k, w, w_step, s, s_step,
              c, c_step)  # fmt: skip
    if n_rows > halves:
        rest = n_vectors % SINGLE
        j = (n_vectors - rest) * LANES
        for i in range(halves, n_rows):
            ai, si, ci = a + i * step_i, s + i * s_step, c + i * c_step
            for k in range(0, j, SINGLE * LANES):
                _long_row(depth, ai, 0, step_k, w + k, w_step, si + k, 0, ci + k, 0)
        _row(halves, n_rows, rest, depth, a, step_i, step_k, w + j, w_step,
             s + j, s_step, c + j, c_step)  # fmt: skip
