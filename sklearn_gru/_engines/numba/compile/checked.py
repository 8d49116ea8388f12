"""The checked build: programs work on copies between guard pages.

With ``SKLEARN_GRU_CHECKED=1``, each call of a program gets a copy of every array whose
address it was given. The copy ends where a page begins that may not be touched, so the
first read or write behind an array ends the process with a segmentation fault; bytes in
front of it are compared afterwards, and so are arrays that must not be written to. The
numbers are the same. numba's own `boundscheck` does not see bare pointers.

For tests: it is slow, and uses one thread.
"""

import ctypes
import functools
import mmap
import os
import weakref
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

ENABLED = os.environ.get("SKLEARN_GRU_CHECKED", "") not in ("", "0")

_FILL = 0xA5  # of the bytes in front of an array

# Address -> (weak reference to the owner, number of bytes, writeable).
_known: dict[int, tuple[Any, int, bool]] = {}


def register(array: np.ndarray, address: int) -> None:
    """Remember how many bytes lie at an address, while their owner lives."""
    owner: Any = array
    while getattr(owner, "base", None) is not None:
        owner = owner.base
    try:
        owner = weakref.ref(owner)
    except TypeError:  # such as a memory map, which outlives the call
        owner = functools.partial(lambda kept: kept, owner)
    # Not `nbytes`: all rows of a broadcast array may be one in memory.
    low, high = byte_bounds(array)
    n_bytes = high - low if array.size else 0
    before = _known.get(address)
    if before is None or before[0]() is None or before[1] < n_bytes:
        _known[address] = owner, n_bytes, array.flags.writeable


def guarded(program: Any) -> Any:
    """Return the program, called with copies between guard pages."""

    @functools.wraps(program)
    def call(*arguments: Any) -> Any:
        copies: dict[int, GuardedCopy] = {}
        result = program(*(_replaced(a, copies) for a in arguments))
        for copy in copies.values():
            copy.give_back()
        return result

    return call


def _replaced(value: Any, copies: dict[int, "GuardedCopy"]) -> Any:
    """Return an argument in which every known address is that of a copy."""
    if isinstance(value, tuple):
        return type(value)(*(_replaced(part, copies) for part in value))
    if type(value) is not int or value not in _known:
        return value
    owner, n_bytes, writeable = _known[value]
    if owner() is None:
        del _known[value]
        return value
    if value not in copies:
        copies[value] = GuardedCopy(value, n_bytes, writeable)
    return copies[value].address


class GuardedCopy:
    """A copy of some bytes, with pages around it that may not be touched."""

    def __init__(self, source: int, n_bytes: int, writeable: bool) -> None:
        self.source, self.n_bytes, self.writeable = source, n_bytes, writeable
        page = mmap.PAGESIZE
        room = -(-n_bytes // page) * page
        self._memory = mmap.mmap(-1, room + 2 * page)
        self._view = (ctypes.c_char * (room + 2 * page)).from_buffer(self._memory)
        start = ctypes.addressof(self._view) + page
        self.address = start + room - n_bytes
        self._front = start, room - n_bytes
        ctypes.memset(start, _FILL, room - n_bytes)
        ctypes.memmove(self.address, source, n_bytes)
        _protect(start - page, page)
        _protect(start + room, page)

    def give_back(self) -> None:
        """Copy what was written, or refuse what must not have been."""
        start, n_front = self._front
        if ctypes.string_at(start, n_front) != bytes([_FILL]) * n_front:
            raise MemoryError("compiled code wrote in front of an array")
        if self.writeable:
            ctypes.memmove(self.source, self.address, self.n_bytes)
        elif ctypes.string_at(self.address, self.n_bytes) != ctypes.string_at(
            self.source, self.n_bytes
        ):
            raise MemoryError("compiled code wrote to an array that is read-only")


def _protect(address: int, n_bytes: int) -> None:
    """Make pages untouchable."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    if libc.mprotect(address, n_bytes, 0):
        raise OSError(ctypes.get_errno(), "mprotect failed")
