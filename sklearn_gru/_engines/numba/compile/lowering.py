"""Let numba compile the kernels in half the time.

numba turns every jitted function into machine code together with all it calls, so a
program ten calls deep compiles its innermost loops ten times. Functions marked `inner`
are never called from Python; they only need to be there, as unoptimised LLVM code, when
the entry that calls them is linked and compiled, once.

Most of the rest is numba's own Python. It is made for any code, and the kernels have no
closures, array expressions or references to count: passes that look for them are left
out, and the type of an operation such as `int64 + int64`, which numba works out anew at
each of a thousand places, is remembered.

This reaches into numba's compiler. Where its parts are not as expected, `options_of`
returns nothing, and functions are compiled the long way.
"""

import functools
from types import BuiltinFunctionType
from typing import Any

from numba.core import types

# They rewrite what the kernels do not have, check it, or free references.
_LEFT_OUT = {
    "WithLifting",
    "InlineClosureLikes",
    "RewriteSemanticConstants",
    "DeadBranchPrune",
    "RewriteDynamicRaises",
    "MakeFunctionToJitFunction",
    "InlineInlinables",
    "FindLiterallyCalls",
    "LiteralUnroll",
    "LiteralPropagationSubPipelinePass",
    "InlineOverloads",
    "NopythonRewrites",
    "NoPythonSupportedFeatureValidation",
    "IRLegalization",
    "DumpParforDiagnostics",
}

# Operators, and the intrinsics that the kernels define.
_TYPED_ONCE = BuiltinFunctionType, types.Function


def options_of(kind: str) -> dict[str, Any]:
    """Return the options of `numba.njit` for functions of a kind: inner or entry."""
    try:
        return {"pipeline_class": _make_compiler(_make_libraries()[kind])}
    except (ImportError, AttributeError):
        return {}


@functools.cache
def _make_libraries() -> dict[str, Any]:
    """Return the class of the LLVM code of inner functions, and that of entries."""
    from numba.core.codegen import JITCodeLibrary

    class NoEnvironment:
        """Stands in for the code generator where numba would write to machine code."""

        def set_env(self, name, env):
            """Do nothing: an inner function has no machine code of its own."""

    class Library(JITCodeLibrary):
        """LLVM code of one function, neither optimised nor linked with its callees."""

        def add_llvm_module(self, ll_module):
            ll_module.data_layout = self._codegen._data_layout
            self._final_module.link_in(ll_module)

        def add_callees(self, found):
            """Add the libraries of all functions below, each behind its callees."""
            for library in self._linking_libraries:
                if library not in found:
                    if isinstance(library, Library):
                        library.add_callees(found)
                    found[library] = None
            return found

    class InnerLibrary(Library):
        """LLVM code for entries to link."""

        def finalize(self):
            self._raise_if_finalized()
            self._codegen = NoEnvironment()
            self._finalized = True

        def get_pointer_to_function(self, name):
            self._ensure_finalized()
            return 0

    class EntryLibrary(Library):
        """LLVM code of an entry and of all it calls, optimised together."""

        def finalize(self):
            self._raise_if_finalized()
            self._codegen._check_llvm_bugs()
            # Callers first: LLVM links what is called by what is there.
            for library in reversed(self.add_callees({})):
                self._final_module.link_in(
                    library._get_module_for_linking(), preserve=True
                )
            passes, builder = self._codegen._module_pass_manager()
            passes.run(self._final_module, builder)
            self._final_module.verify()
            self._finalize_final_module()

    return {"inner": InnerLibrary, "entry": EntryLibrary}


def _make_compiler(library_class: Any) -> Any:
    """Return numba's compiler with fewer passes, which lowers to a kind of library."""
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import NativeLowering

    @register_pass(mutates_CFG=True, analysis_only=False)
    class Lowering(NativeLowering):
        """Lower to LLVM code in a library of the class above."""

        _name = f"sklearn_gru_{library_class.__name__}"

        def run_pass(self, state):
            name = state.func_id.func_qualname
            state.library = library_class(state.targetctx.codegen(), name)
            state.library.enable_object_caching()
            return super().run_pass(state)

    class Compiler(CompilerBase):
        """The usual pipeline, less what is left out, with its last pass replaced."""

        def define_pipelines(self):
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            manager.passes = [
                (Lowering, text) if step is NativeLowering else (step, text)
                for step, text in manager.passes
                if step.__name__ not in _LEFT_OUT
            ]
            manager.finalize()
            manager._ENFORCING = False  # no analysis again behind every pass
            self.state.typingctx = RememberedTypes(self.state.typingctx)
            return [manager]

    return Compiler


class RememberedTypes:
    """numba's typing context, which works out the type of an operation once."""

    _found: dict[tuple[Any, Any], Any] = {}  # noqa: RUF012 (shared by all functions)

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def resolve_function_type(self, function: Any, args: Any, kws: Any) -> Any:
        """Return the signature of a call; those of most are always the same."""
        if kws or not isinstance(function, _TYPED_ONCE):
            return self._context.resolve_function_type(function, args, kws)
        key = function, args
        if key not in self._found:
            found = self._context.resolve_function_type(function, args, kws)
            self._found[key] = found
        return self._found[key]
