"""Pointers and SIMD vectors for numba: the few words the kernels are written in.

numba leaves the inner loops of a recurrent layer scalar: it cannot prove that arrays
do not overlap, and checks every index for a negative one. So the kernels say what
they mean: a `Vector` is one register of `LANES` float32 values with `+ - * /`, `fma`,
`clip`, `sqrt` and a few more, and arrays are passed around as bare pointers,
which also compile several times faster than arrays.

>>> from sklearn_gru._engines import numba as kernels
>>> if kernels.available():
...     from sklearn_gru._engines.numba.compile.simd import LANES
...     assert LANES in (4, 8, 16)

An array must outlive the pointers into it: Python owns every one for the whole call,
hands over its address, and no compiled function allocates any. (Addresses instead of
arrays also mean one compilation: to numba a read-only array is another type.)
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import (
    intrinsic,
    lower_builtin,
    lower_cast,
    models,
    register_model,
)

from sklearn_gru._engines.numba.compile.jit import VECTOR_UNIT

LANES = VECTOR_UNIT.lanes

INT32 = ir.IntType(32)
FLOAT = ir.FloatType()
DOUBLE = ir.DoubleType()
VECTOR = ir.VectorType(FLOAT, LANES)
INT_VECTOR = ir.VectorType(INT32, LANES)
UNALIGNED = 4  # loads and stores may start at any float

float_pointer = types.CPointer(types.float32)


# --- pointers -----------------------------------------------------------------------


def _pointer_maker(dtype):
    """Return the function that turns an address into a pointer to `dtype`."""

    @intrinsic
    def make_pointer(typing_context, address):
        def codegen(context, builder, sig, args):
            kind = context.get_value_type(sig.return_type)
            return builder.inttoptr(args[0], kind)

        return types.CPointer(dtype)(types.intp), codegen

    return make_pointer


floats_at = _pointer_maker(types.float32)
doubles_at = _pointer_maker(types.float64)
integers_at = _pointer_maker(types.int64)
unsigned_at = _pointer_maker(types.uint64)


@infer_global(operator.add)
class _PointerPlusInteger(AbstractTemplate):
    """`p + n` is the address n values further on, as in C."""

    def generic(self, args, kws):
        if isinstance(args[0], types.CPointer) and isinstance(args[1], types.Integer):
            return signature(args[0], args[0], types.intp)
        return None


@lower_builtin(operator.add, types.CPointer, types.Integer)
def _add_to_pointer(context, builder, sig, args):
    return builder.gep(args[0], [args[1]], inbounds=True)


# --- vectors ------------------------------------------------------------------------


class VectorType(types.Type):
    """The numba type of one register of float32 values."""

    def __init__(self):
        super().__init__(name=f"Vector({LANES} x float32)")

    def can_convert_from(self, typing_context, other):
        """Let `x * 0.5` and `fma(x, y, 1.0)` broadcast the number."""
        from numba.core.typeconv import Conversion

        return Conversion.safe if isinstance(other, types.Float) else None


vector_type = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, VECTOR)


def broadcast(builder, scalar):
    """Build a vector that holds a scalar in every lane."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(INT_VECTOR, None))


@lower_cast(types.Float, VectorType)
def _float_to_vector(context, builder, from_type, to_type, value):
    return broadcast(builder, context.cast(builder, value, from_type, types.float32))


def _vector_operator(symbol, instruction):
    """Define an arithmetic operator between vectors, or a vector and a number."""

    @infer_global(symbol)
    class _Template(AbstractTemplate):
        def generic(self, args, kws):
            if vector_type in args and all(
                isinstance(a, VectorType | types.Float) for a in args
            ):
                return signature(vector_type, vector_type, vector_type)
            return None

    @lower_builtin(symbol, VectorType, VectorType)
    def _lower(context, builder, sig, args):
        return getattr(builder, instruction)(*args)


_vector_operator(operator.add, "fadd")
_vector_operator(operator.sub, "fsub")
_vector_operator(operator.mul, "fmul")
_vector_operator(operator.truediv, "fdiv")


def declare_math(builder, name, n_arguments):
    """Return LLVM's vector intrinsic `name`, declared in the module being built."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * n_arguments)
    return cgutils.get_or_insert_function(
        builder.module, kind, f"llvm.{name}.v{LANES}f32"
    )


def load_vector(builder, address):
    """Build a load of one vector from an address that need not be aligned."""
    value = builder.load(builder.bitcast(address, VECTOR.as_pointer()))
    value.align = UNALIGNED
    return value


def store_vector(builder, value, address):
    """Build a store of one vector to an address that need not be aligned."""
    builder.store(
        value, builder.bitcast(address, VECTOR.as_pointer())
    ).align = UNALIGNED


@intrinsic
def load(typing_context, source):
    """Return the LANES values that start at a pointer."""

    def codegen(context, builder, sig, args):
        return load_vector(builder, args[0])

    return vector_type(float_pointer), codegen


@intrinsic
def store(typing_context, target, value):
    """Write a vector to the LANES values that start at a pointer."""

    def codegen(context, builder, sig, args):
        store_vector(builder, args[1], args[0])
        return context.get_dummy_value()

    return types.void(float_pointer, vector_type), codegen


def _standardizer_of(kind):
    """Return the intrinsic that standardizes LANES values of a kind of float."""

    @intrinsic
    def standardized(typing_context, values, mean, scale):
        def codegen(context, builder, sig, args):
            def vector_of(pointer, bits):
                vector = ir.VectorType(bits, LANES)
                value = builder.load(builder.bitcast(pointer, vector.as_pointer()))
                value.align = UNALIGNED
                return value

            given = vector_of(args[0], FLOAT if kind == types.float32 else DOUBLE)
            if kind == types.float32:
                given = builder.fpext(given, ir.VectorType(DOUBLE, LANES))
            mean, scale = (vector_of(pointer, DOUBLE) for pointer in args[1:])
            return builder.fptrunc(
                builder.fdiv(builder.fsub(given, mean), scale), VECTOR
            )

        doubles = types.CPointer(types.float64)
        return vector_type(types.CPointer(kind), doubles, doubles), codegen

    return standardized


standardized_floats = _standardizer_of(types.float32)
standardized_doubles = _standardizer_of(types.float64)


@intrinsic
def copy_four(typing_context, target, source):
    """Copy four values."""

    def codegen(context, builder, sig, args):
        four = ir.VectorType(FLOAT, 4).as_pointer()
        target, source = (builder.bitcast(pointer, four) for pointer in args)
        value = builder.load(source)
        value.align = UNALIGNED
        builder.store(value, target).align = UNALIGNED
        return context.get_dummy_value()

    return types.void(float_pointer, float_pointer), codegen


@intrinsic
def fma(typing_context, x, y, z):
    """Return x * y + z, rounded once."""

    def codegen(context, builder, sig, args):
        return builder.call(declare_math(builder, "fma", 3), args)

    return vector_type(vector_type, vector_type, vector_type), codegen


@intrinsic
def sqrt(typing_context, x):
    """Return the square root of a number, or of every lane."""

    def codegen(context, builder, sig, args):
        kind = args[0].type
        name = f"llvm.sqrt.v{LANES}f32" if kind == VECTOR else "llvm.sqrt.f64"
        function = ir.FunctionType(kind, [kind])
        declared = cgutils.get_or_insert_function(builder.module, function, name)
        return builder.call(declared, args)

    kind = vector_type if x == vector_type else types.float64
    return kind(kind), codegen


@intrinsic
def where_new_maximum(typing_context, x, maximum, yes, no):
    """Return yes where x > maximum, or x is the first NaN, and no elsewhere."""

    def codegen(context, builder, sig, args):
        x, maximum, yes, no = args
        larger = builder.fcmp_unordered(">", x, maximum)
        valid = builder.fcmp_ordered("ord", maximum, maximum)
        return builder.select(builder.and_(larger, valid), yes, no)

    return vector_type(vector_type, vector_type, vector_type, vector_type), codegen


@intrinsic
def clip(typing_context, x, low, high):
    """Return x limited to [low, high]; NaN stays NaN (llvm.minnum would drop it)."""

    def codegen(context, builder, sig, args):
        x, low, high = args
        x = builder.select(builder.fcmp_ordered("<", high, x), high, x)
        return builder.select(builder.fcmp_ordered(">", low, x), low, x)

    return vector_type(vector_type, vector_type, vector_type), codegen


@intrinsic
def power_of_two(typing_context, shifted):
    """Return 2**n of n + 1.5 * 2**23, whose low mantissa bits are the integer n.

    Reading the bits is defined for every value, NaN included, which a conversion from
    float to integer is not. n = 128 gives infinity.
    """

    def codegen(context, builder, sig, args):
        bits = builder.bitcast(args[0], INT_VECTOR)
        bits = builder.shl(bits, ir.Constant(INT_VECTOR, [23] * LANES))
        bits = builder.add(bits, ir.Constant(INT_VECTOR, [127 << 23] * LANES))
        return builder.bitcast(bits, VECTOR)

    return vector_type(vector_type), codegen


@intrinsic
def total(typing_context, x):
    """Return the sum of the lanes, added in a fixed tree."""

    def codegen(context, builder, sig, args):
        value, width = args[0], LANES
        while width > 1:
            width //= 2
            half = ir.VectorType(INT32, width)
            low = ir.Constant(half, list(range(width)))
            high = ir.Constant(half, list(range(width, 2 * width)))
            value = builder.fadd(
                builder.shuffle_vector(value, value, low),
                builder.shuffle_vector(value, value, high),
            )
        return builder.extract_element(value, ir.Constant(INT32, 0))

    return types.float32(vector_type), codegen
