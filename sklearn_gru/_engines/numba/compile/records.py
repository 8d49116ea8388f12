"""Records: numbers in memory that compiled code reads by name, as fields of a tuple.

A program needs a hundred sizes and addresses. Handed over as tuples, they become a
hundred arguments of each function, which numba unpacks and packs again wherever one
calls another, and which the caller has to unpack at each call. A record is one pointer
to an array of 8-byte numbers, described by a `NamedTuple` whose annotations say how to
read each: `int`, `float`, or a pointer (`Floats` and so on).

Nothing changes a record while a program runs, and LLVM is told so: it reads a field
once, in front of a loop, like an argument.
"""

from typing import Annotated, Any, get_type_hints

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, lower_getattr_generic, models, register_model

# Addresses, by what lies there.
Floats = Annotated[int, types.float32]
Doubles = Annotated[int, types.float64]
Integers = Annotated[int, types.int64]
Unsigned = Annotated[int, types.uint64]

_WORD = ir.IntType(64)


class RecordType(types.Type):
    """The numba type of a pointer to a record."""

    def __init__(self, fields: Any) -> None:
        super().__init__(name=f"Record({fields.__name__})")
        self.places = {name: place for place, name in enumerate(fields._fields)}
        hints = get_type_hints(fields, include_extras=True)
        self.kinds = {name: _kind_of(hints[name]) for name in fields._fields}


def _kind_of(annotation: Any) -> types.Type:
    """Return the numba type of a field."""
    if annotation is float:
        return types.float64
    if annotation is int:
        return types.int64
    return types.CPointer(annotation.__metadata__[0])


@register_model(RecordType)
class _RecordModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _WORD.as_pointer())


@infer_getattr
class _RecordAttributes(AttributeTemplate):
    key = RecordType

    def generic_resolve(self, record, name):
        return record.kinds.get(name)


@lower_getattr_generic(RecordType)
def _read_field(context, builder, record, pointer, name):
    """Build the load of a field."""
    place = builder.gep(pointer, [_WORD(record.places[name])], inbounds=True)
    kind = context.get_value_type(record.kinds[name])
    value = builder.load(builder.bitcast(place, kind.as_pointer()))
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


def reader(fields: Any) -> Any:
    """Return the compiled function from the address of a record to the record."""
    record = RecordType(fields)

    @intrinsic
    def read(typing_context, address):
        def codegen(context, builder, sig, args):
            return builder.inttoptr(args[0], _WORD.as_pointer())

        return record(types.intp), codegen

    return read


def as_record(values: tuple) -> np.ndarray:
    """Return the array of numbers of a record."""
    numbers = np.zeros(len(values), dtype=np.int64)
    numbers[:] = [
        np.float64(value).view(np.int64) if isinstance(value, float) else value
        for value in values
    ]
    return numbers
