"""Exported C files, compiled with gcc and called through ctypes."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np

FLAGS = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
_POINTER = ctypes.POINTER(ctypes.c_double)
_DRIVER = """
#include "NAME.c"
unsigned long size_work(void); unsigned long size_state(void); int n_out(void);
unsigned long size_work(void) { return sizeof(NAME_work); }
int n_out(void) { return UPPER_N_OUT; }
#if UPPER_WINDOW || UPPER_STEPWISE
unsigned long size_state(void) { return sizeof(NAME_state); }
#endif
"""


def gcc(folder, *arguments):
    """Run gcc; an error or a warning fails, with its text."""
    done = subprocess.run(
        ["gcc", *FLAGS, *arguments], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise AssertionError(done.stderr)


class Compiled:
    """The functions of one exported file."""

    def __init__(self, path, *options):
        path = Path(path)
        name, folder = path.stem, path.parent
        driver = _DRIVER.replace("NAME", name).replace("UPPER", name.upper())
        (folder / "driver.c").write_text(driver)
        options = options or ("-O1",)
        made = f"{name}{'_'.join(options)}.so"
        gcc(folder, *options, "-shared", "-fPIC", "driver.c", "-lm", "-o", made)
        library = ctypes.CDLL(str(folder / made))
        library.size_work.restype = ctypes.c_ulong
        self.n_out = library.n_out()
        self._work = ctypes.create_string_buffer(library.size_work())
        self._window = getattr(library, f"{name}_window")
        if hasattr(library, "size_state"):
            library.size_state.restype = ctypes.c_ulong
            self.n_bytes = library.size_state()
            self._state = ctypes.create_string_buffer(self.n_bytes)
            self._step = getattr(library, f"{name}_step")
            getattr(library, f"{name}_reset")(self._state)

    def window(self, rows):
        """The answer for a sequence."""
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        out = np.empty(self.n_out)
        n = self._window(
            self._work, rows.ctypes.data_as(_POINTER), len(rows),
            out.ctypes.data_as(_POINTER),
        )  # fmt: skip
        if n < 0:
            raise ValueError("too many steps")
        return out

    def step(self, row):
        """The answer after one more row."""
        row, out = np.ascontiguousarray(row, dtype=np.float64), np.empty(self.n_out)
        self._step(
            self._state, row.ctypes.data_as(_POINTER), out.ctypes.data_as(_POINTER)
        )
        return out


def by_code(model, X):
    """Sequences with categories by their position, as C reads them."""
    kinds = model.categories_ if hasattr(model, "categories_") else ()
    found = []
    for x in X:
        x = np.array(x, dtype=float)
        for j, kind in enumerate(kinds):
            if kind is not None:
                code = {value: k for k, value in enumerate(kind.tolist())}
                x[:, j] = [code.get(value, np.nan) for value in x[:, j].tolist()]
        found.append(x)
    return found


def c_answers(model, X):
    """What C answers with: probabilities, quantiles or predictions; (n, n_out)."""
    if hasattr(model, "predict_proba"):
        found = model.predict_proba(X)
    elif hasattr(model, "predict_quantiles"):
        found = model.predict_quantiles(X)
    else:
        found = model.predict(X)
    return found.reshape(len(found), -1)
