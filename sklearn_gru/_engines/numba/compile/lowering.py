"""Let numba optimize each kernel once, and not more than it gains.

numba turns every jitted function into machine code together with all it calls, so a
program ten calls deep compiles its innermost loops ten times: here 17 seconds instead
of 5. Functions marked `inner` are never called from Python; they only need to be
there, as LLVM code, when the entry that calls them is linked and compiled. All get the
first level of LLVM's optimizations: the kernels say themselves what is to be a vector,
and the further levels make nothing faster.

numba also searches all definitions of an operator, from arrays to time spans, for each
sum of two integers; while kernels are compiled, the first answer is remembered.

This reaches into numba's compiler. `options_of_entries` and `options_of_inner` return
nothing where its parts are not as expected, and functions are then compiled the long
way.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

_LEVEL = 1


def options_of_entries() -> dict[str, Any]:
    """Return the options of `numba.njit` for functions that Python calls."""
    try:
        return {"pipeline_class": _compiler_of_entries()}
    except (ImportError, AttributeError):
        return {}


def options_of_inner() -> dict[str, Any]:
    """Return the options of `numba.njit` for functions that only others call."""
    try:
        return {"pipeline_class": _compiler_of_inner()}
    except (ImportError, AttributeError):
        return {}


def _compiler_of_entries():
    """Return numba's compiler, with a library that is optimized a little."""
    from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
    from numba.core.compiler import CompilerBase
    from numba.core.types import BaseFunction

    # What is replaced below, and what it calls.
    _ = JITCPUCodegen._module_pass_manager, JITCodeLibrary.finalize
    _ = BaseFunction.get_call_type, CompilerBase._compile_core

    class EntryLibrary(JITCodeLibrary):
        """Machine code of an entry and of what it calls."""

        def finalize(self):
            self._linking_libraries = _linked(self)
            super().finalize()

    class Compiler(_compiler_with(EntryLibrary, needless=())):
        """A compiler that compiles what the entry calls on the way."""

        def _compile_core(self):
            with _signatures_remembered():
                return super()._compile_core()

    return Compiler


def _compiler_of_inner():
    """Return numba's compiler, with a library that is no machine code."""
    from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
    from numba.core.typed_passes import AnnotateTypes, NopythonRewrites

    # Inner functions get pointers and numbers: they have no expressions of arrays to
    # rewrite, and nobody reads their annotated source: a tenth of the time.
    needless = AnnotateTypes, NopythonRewrites
    _ = JITCPUCodegen._function_pass_manager  # what is replaced

    class NoEnvironment:
        """Stands in for the code generator where numba would write to machine code."""

        def set_env(self, name, env):
            """Do nothing: an inner function has no machine code of its own."""

    class LinkOnlyLibrary(JITCodeLibrary):
        """LLVM code of a function, which the library of an entry links."""

        links_nothing = True
        codegen = NoEnvironment()

        def finalize(self):
            self._raise_if_finalized()
            self._finalized = True

        def get_pointer_to_function(self, name):
            self._ensure_finalized()
            return 0

    return _compiler_with(LinkOnlyLibrary, needless)


def _compiler_with(library, needless):
    """Return numba's compiler, without needless passes, for libraries of a kind."""
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import NativeLowering

    @register_pass(mutates_CFG=True, analysis_only=False)
    class Lowering(NativeLowering):
        """Lower to LLVM code in a library of that kind."""

        _name = f"sklearn_gru_lowering_to_{library.__name__}"

        def run_pass(self, state):
            name = state.func_id.func_qualname
            state.library = library(_FirstLevel(state.targetctx.codegen()), name)
            state.library.enable_object_caching()
            return super().run_pass(state)

    class Compiler(CompilerBase):
        """The usual pipeline, with its last pass replaced."""

        def define_pipelines(self):
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            manager.passes = [
                (Lowering, text) if step is NativeLowering else (step, text)
                for step, text in manager.passes
                if step not in needless
            ]
            manager.finalize()
            return [manager]

    return Compiler


class _FirstLevel:
    """Stands in for numba's code generator where it is asked for optimizations."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def _module_pass_manager(self, *given: Any, **options: Any) -> Any:
        return self._codegen._module_pass_manager(*given, **_first_level(options))

    def _function_pass_manager(self, *given: Any, **options: Any) -> Any:
        return self._codegen._function_pass_manager(*given, **_first_level(options))


def _first_level(options: dict[str, Any]) -> dict[str, Any]:
    """Return options of LLVM's optimizations, with the first level at most."""
    from numba.core import config

    usual: Any = getattr(config, "OPT")  # noqa: B009 (set when numba is imported)
    return {**options, "opt": min(_LEVEL, int(options.get("opt", usual)))}


def _linked(library: Any) -> list[Any]:
    """Return what to link to a library: those it calls, and what inner ones call."""
    found = list(dict.fromkeys(library._linking_libraries))
    for called in found:  # grows on the way
        if getattr(called, "links_nothing", False):
            further = dict.fromkeys(called._linking_libraries)
            found += [new for new in further if new not in found]
    return found


@contextlib.contextmanager
def _signatures_remembered() -> Iterator[None]:
    """Let numba look up once what a function returns for arguments of some types."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.types import BaseFunction

    known: dict[tuple[Any, ...], Any] = {}

    def get_call_type(function, context, args, kws):
        if kws:
            return look_up(function, context, args, kws)
        key = function, tuple(args)
        if key not in known:
            known[key] = look_up(function, context, args, kws)
        return known[key]

    with global_compiler_lock:
        look_up = BaseFunction.get_call_type
        BaseFunction.get_call_type = get_call_type  # type: ignore[method-assign]
        try:
            yield
        finally:
            BaseFunction.get_call_type = look_up  # type: ignore[method-assign]


def without_constants(compiled: Any) -> Any:
    """Return a compiled function that takes an integer in the code for any integer.

    numba compiles it for each, and once more where a variable only begins as one.
    """
    from numba.core import types

    look_up = getattr(compiled, "get_call_template", None)
    if look_up is None:
        return compiled

    def get_call_template(args, kws):
        return look_up(tuple(map(of_any_value, args)), kws)

    def of_any_value(kind):
        is_constant = isinstance(kind, types.IntegerLiteral)
        return types.unliteral(kind) if is_constant else kind

    compiled.get_call_template = get_call_template
    return compiled
