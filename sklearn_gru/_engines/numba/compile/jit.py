"""Compilation of the kernels: two decorators, the vector unit, the cache.

`inner` marks a function that only other compiled functions call (its arguments are
raw pointers); `entry` one that Python calls, with numbers and addresses. Only entries
are cached on disk: the code of all they call is stored with them.

numba's own cache (`cache=True`) looks at the time stamp of the file of the cached
function alone. An entry here is three lines long and its code lives in a dozen other
modules, so the folder of our cache carries a hash of all of them instead: a changed
kernel is always compiled again, and two versions of the package never share a cache.
"""

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import llvmlite
import numba
from numba import njit, types
from numba.core import caching, config
from numba.core.codegen import get_host_cpu_features

from sklearn_gru._engines.numba.compile import checked
from sklearn_gru._engines.numba.compile.lowering import (
    options_of_entries,
    options_of_inner,
    without_constants,
)

# No fastmath flag: a fused multiply-add is asked for by name where it is wanted, and
# NaN and infinity go through as they do in torch.
_OPTIONS = {
    "error_model": "numpy",
    "nogil": True,
    "boundscheck": False,
    "no_cfunc_wrapper": True,  # nothing in C calls them
}
_ENTRY_OPTIONS = options_of_entries()
_INNER_OPTIONS = options_of_inner()


class VectorUnit(NamedTuple):
    """Vector unit of a processor: the width of a vector, and the tile that fits it."""

    name: str
    lanes: int  # float32 values in one register
    tile_rows: int  # the tile keeps tile_rows x tile_vectors registers of sums
    tile_vectors: int


# Tiles fill the register file: sums, one vector of weights per column, and (AVX2
# only, which cannot broadcast from memory inside a multiply-add) one of inputs.
AVX512 = VectorUnit("AVX-512", lanes=16, tile_rows=8, tile_vectors=3)  # 32 registers
AVX2 = VectorUnit("AVX2", lanes=8, tile_rows=4, tile_vectors=3)  # 16 registers
NEON = VectorUnit("NEON", lanes=4, tile_rows=4, tile_vectors=6)  # 32 registers


def detect_vector_unit() -> VectorUnit | None:
    """Return the widest known vector unit that numba will compile for, or None."""
    if sys.maxsize < 2**32:
        return None  # addresses are taken to have 64 bits
    # NUMBA_CPU_FEATURES: the tests compile for less than the processor has
    features = getattr(config, "CPU_FEATURES", None) or get_host_cpu_features()
    names = set(features.split(","))
    if "+avx512f" in names:
        return AVX512
    if {"+avx2", "+fma"} <= names:
        return AVX2
    return NEON if "+neon" in names or "+fp-armv8" in names else None


def _require_vector_unit() -> VectorUnit:
    """Return the vector unit, or refuse to be imported: there is nothing to compile."""
    unit = detect_vector_unit()
    if unit is None:
        raise ImportError("this processor has no vector unit that the kernels know")
    return unit


VECTOR_UNIT = _require_vector_unit()


def cache_folder() -> Path | None:
    """Return a folder to keep compiled code in or to read it from, or None.

    It never lies in the package, which may be installed read-only and shared. Its name
    has everything that makes two installations write different code under one name, or
    an index that the other replaces: the kernels, the tile, numba and llvmlite. A
    folder that cannot be written to is used if it has compiled code.
    """
    folder = _folder()
    if folder is not None and (_is_writable(folder) or any(folder.glob("*.nbi"))):
        return folder
    return None


def why_not_kept() -> str | None:
    """Return None if compiled code can be kept on the disk, or why it cannot."""
    folder = _folder()
    if folder is None:
        return "this user has no home directory (HOME is not set)"
    if _is_writable(folder):
        return None
    return f"the folder {_cache_root()} cannot be written to"


def _folder() -> Path | None:
    """Return the folder of this installation, which may not exist; None: no home."""
    version = f"numba-{numba.__version__}-llvmlite-{llvmlite.__version__}"
    name = f"{_source_hash()}-{VECTOR_UNIT.name}-{version}"
    root = _cache_root()
    return None if root is None else root / "sklearn_gru" / name


def _cache_root() -> Path | None:
    """Return the folder where this user keeps caches, or None without a home."""
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        if os.environ.get(variable):
            return Path(os.environ[variable])
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"])
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and a user id that the machine does not know
        return None
    if sys.platform == "win32":
        return home
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def _is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, which is made if needed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@functools.cache
def _source_hash() -> str:
    """Hash every module that compiled code is made from."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256((package / "memory.py").read_bytes())
    for folder in ("cells", "compile", "parts", "programs"):
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class _Locator(caching._CacheLocator):
    """Tells numba's cache to use our folder, whatever the time stamps say."""

    def __init__(self, py_func, folder):
        self._folder = str(folder)
        self._py_file = py_func.__code__.co_filename
        self._line = py_func.__code__.co_firstlineno

    def get_cache_path(self):
        return self._folder

    def get_source_stamp(self):
        return _source_hash()

    def get_disambiguator(self):
        return str(self._line)

    @classmethod
    def from_function(cls, py_func, py_file):
        folder = cache_folder()
        return None if folder is None else cls(py_func, folder)


class _CacheImplementation(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012 (numba's own type)


class _Cache(caching.FunctionCache):
    """numba's cache, except that a broken file or a full disk is no error.

    Without the cache the same code is compiled again; a fit must not end for it.
    """

    _impl_class = _CacheImplementation

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling a damaged file can raise anything
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig, data):
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


def entry(function, *, nogil=True):
    """Compile a function that Python calls; keep the result on disk if possible."""
    options = _OPTIONS | _ENTRY_OPTIONS | {"nogil": nogil}
    compiled = njit(**options)(function)
    if cache_folder() is not None:
        compiled._cache = _Cache(function)
    return checked.guarded(compiled) if checked.ENABLED else compiled


def of_integers(compiled, n):
    """Return an entry of n integers as a function that does not look at their types.

    A short call takes four fifths of the time. In the checked build, it is the entry.
    """
    if checked.ENABLED:
        return compiled
    return compiled.compile((types.int64,) * n)


def of_same_types(compiled):
    """Return an entry as a function that looks at the types of its first call alone.

    numba would look at every number in a tuple. Arguments of other types are converted,
    not refused. In the checked build, it is the entry.
    """
    if checked.ENABLED:
        return compiled
    known = None

    @functools.wraps(compiled)
    def call(*arguments):
        nonlocal known
        if known is None:
            known = compiled.compile(tuple(map(numba.typeof, arguments)))
        return known(*arguments)

    return call


def inner(function):
    """Compile a function that only compiled functions call."""
    options = _OPTIONS | _INNER_OPTIONS | {"no_cpython_wrapper": True}
    return without_constants(njit(**options)(function))
