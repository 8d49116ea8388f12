"""Versions in pickles: which saved models this version of the package can load.

A pickle names classes of this package and the attributes that they had. A later version
may have renamed them, and a load would end in an ``AttributeError`` that tells a user
nothing. So a pickle says first which version wrote it, and in which layout; a reader
that does not know this layout says so before it meets anything else.

Raise `LAYOUT` in the change after which older pickles no longer load, or would predict
other numbers. ``tests/test_saved_models.py`` loads files of every version that is kept.
"""

from __future__ import annotations

from typing import Any

import sklearn_gru
from sklearn_gru.exceptions import VersionError

LAYOUT = 1
READABLE = frozenset({LAYOUT})  # with the older ones that this version also reads


class Saved:
    """A mixin for estimators whose pickles name their version and layout."""

    def __reduce__(self) -> tuple[Any, ...]:
        written = type(self), sklearn_gru.__version__, LAYOUT
        return restore, written, self.__getstate__()


def restore(cls: type, version: str, layout: int) -> Any:
    """Return an empty instance for the state of a pickle.

    Pickles of every version call this function by its name and with these arguments.
    """
    if layout not in READABLE:
        raise VersionError(
            f"This {cls.__name__} was saved by sklearn-gru {version}, and this is "
            f"{sklearn_gru.__version__}, which cannot read it (layout {layout}; known: "
            f"{', '.join(map(str, sorted(READABLE)))}). Fit it again, or load it with "
            f'the version that saved it: pip install "sklearn-gru=={version}".'
        )
    return object.__new__(cls)
