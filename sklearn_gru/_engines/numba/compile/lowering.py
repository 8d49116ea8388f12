"""Let numba optimize each kernel once, and not more than it gains.

numba turns every jitted function into machine code together with all it calls, so a
program ten calls deep compiles its innermost loops ten times: here 17 seconds instead
of 6. Functions marked `inner` are never called from Python; they only need to be
there, as unoptimized LLVM code, when the entry that calls them is linked and compiled.
The entry is compiled with the first level of LLVM's optimizations: the kernels say
themselves what is to be a vector, and the further levels make nothing faster.

This reaches into numba's compiler. `options_of_entries` and `options_of_inner` return
nothing where its parts are not as expected, and functions are then compiled the long
way.
"""

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
    from numba.core import config
    from numba.core.codegen import JITCodeLibrary, JITCPUCodegen

    # What is replaced below, and what it calls.
    _ = JITCodeLibrary._optimize_final_module, JITCPUCodegen._module_pass_manager

    class FirstLevel:
        """Stands in for the code generator where numba asks it for optimizations."""

        def __init__(self, codegen):
            self._codegen = codegen

        def __getattr__(self, name):
            return getattr(self._codegen, name)

        def _module_pass_manager(self, **options):
            level = min(_LEVEL, int(options.pop("opt", config.OPT)))
            return self._codegen._module_pass_manager(opt=level, **options)

    class EntryLibrary(JITCodeLibrary):
        """Machine code of an entry and of what it calls."""

        def _optimize_final_module(self):
            whole = self._codegen
            self._codegen = FirstLevel(whole)
            try:
                super()._optimize_final_module()
            finally:
                self._codegen = whole

    return _compiler_with(EntryLibrary, needless=())


def _compiler_of_inner():
    """Return numba's compiler, with a library that is no machine code."""
    from numba.core.codegen import JITCodeLibrary
    from numba.core.typed_passes import AnnotateTypes, NopythonRewrites

    # Inner functions get pointers and numbers: they have no expressions of arrays to
    # rewrite, and nobody reads their annotated source: a tenth of the time.
    needless = AnnotateTypes, NopythonRewrites

    class NoEnvironment:
        """Stands in for the code generator where numba would write to machine code."""

        def set_env(self, name, env):
            """Do nothing: an inner function has no machine code of its own."""

    class LinkOnlyLibrary(JITCodeLibrary):
        """LLVM code of a function and of what it calls, for other libraries to link."""

        codegen = NoEnvironment()

        def finalize(self):
            self._raise_if_finalized()
            for library in dict.fromkeys(self._linking_libraries):
                self._final_module.link_in(
                    library._get_module_for_linking(), preserve=True
                )
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
            state.library = library(state.targetctx.codegen(), name)
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
