"""Let numba optimise each kernel once, not once for every function that calls it.

numba turns every jitted function into machine code together with all it calls, so a
program ten calls deep compiles its innermost loops ten times: here 17 seconds instead
of 6. Functions marked `inner` are never called from Python; they only need to be
there, as unoptimised LLVM code, when the entry that calls them is linked and compiled.

This reaches into numba's compiler. `inner_options` returns nothing where its parts
are not as expected, and inner functions are then compiled the long way.
"""

from typing import Any


def inner_options() -> dict[str, Any]:
    """Return the options of `numba.njit` for functions that only others call."""
    try:
        return {"pipeline_class": _make_compiler()}
    except (ImportError, AttributeError):
        return {}


def _make_compiler():
    """Return numba's compiler, with a lowering pass that stops before machine code."""
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import (
        AnnotateTypes,
        NativeLowering,
        NopythonRewrites,
    )

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

    @register_pass(mutates_CFG=True, analysis_only=False)
    class LinkOnlyLowering(NativeLowering):
        """Lower to LLVM code in a library of the kind above."""

        _name = "sklearn_gru_link_only_lowering"

        def run_pass(self, state):
            name = state.func_id.func_qualname
            state.library = LinkOnlyLibrary(state.targetctx.codegen(), name)
            state.library.enable_object_caching()
            return super().run_pass(state)

    class InnerCompiler(CompilerBase):
        """The usual pipeline, with its last pass replaced."""

        def define_pipelines(self):
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            manager.passes = [
                (LinkOnlyLowering, text) if step is NativeLowering else (step, text)
                for step, text in manager.passes
                if step not in needless
            ]
            manager.finalize()
            return [manager]

    return InnerCompiler
