"""Errors and warnings of the package.

::

    SklearnGRUError
    ├── InvalidParameterError    a constructor parameter outside its range
    ├── InputError               data that cannot be read as sequences
    │   └── TimeIndexError       times or groups that cannot be read, or off the grid
    ├── LeakageError             a column that gives the target away
    ├── StoreError               a file that is not a whole row store, or was changed
    ├── StreamError              a model that no stream can follow, or no longer does
    ├── ExportError              a model that has no other form, or would differ in it
    ├── DivergenceError          training produced a loss that is not finite
    ├── CheckpointError          a checkpoint of another fit, or one that cannot be used
    ├── DistributedFitError      ranks of a fit that were lost, or that differ
    └── VersionError             a pickle of a version that this one cannot read

    LostHistoryWarning           windows are shorter than the data could make them
    LayoutWarning                data that look like another layout than the one assumed
    UnseenDataWarning            values to predict from that fit saw nothing like
    CalibrationWarning           a promised rate rests on too few held-out rows

Every error is also a ``ValueError``: the contract of scikit-learn requires it, and code
that catches ``ValueError`` keeps working.
"""

__all__ = [
    "CalibrationWarning",
    "CheckpointError",
    "DistributedFitError",
    "DivergenceError",
    "ExportError",
    "InputError",
    "InvalidParameterError",
    "LayoutWarning",
    "LeakageError",
    "LostHistoryWarning",
    "SklearnGRUError",
    "StoreError",
    "StreamError",
    "TimeIndexError",
    "UnseenDataWarning",
    "VersionError",
]


class SklearnGRUError(ValueError):
    """Base of all errors that this package raises."""


class InvalidParameterError(SklearnGRUError):
    """A constructor parameter has the wrong type or is outside its range."""


class InputError(SklearnGRUError):
    """The data cannot be read as sequences, or differ from those seen in fit."""


class TimeIndexError(InputError):
    """Times or groups cannot be read, contradict each other or leave the grid."""


class LeakageError(SklearnGRUError):
    """A column visible at the target's own time is a copy of the target."""


class StoreError(SklearnGRUError):
    """A file is not a whole row store, or was changed since."""


class StreamError(SklearnGRUError):
    """A stream cannot follow the model, or the model has changed since."""


class ExportError(SklearnGRUError):
    """A model cannot be exported, or would predict other numbers there."""


class DivergenceError(SklearnGRUError):
    """The training loss stopped being finite."""


class CheckpointError(SklearnGRUError):
    """A checkpoint belongs to another fit, or cannot be read or written."""


class DistributedFitError(SklearnGRUError):
    """The processes that fit a model together lost each other, or fit another one."""


class VersionError(SklearnGRUError):
    """A saved model is of a version that this one cannot read."""


class LostHistoryWarning(UserWarning):
    """Windows miss rows that exist, or should exist, before them."""


class LayoutWarning(UserWarning):
    """The data look like another layout than the one assumed."""


class UnseenDataWarning(UserWarning):
    """Predictions read values unlike those seen in fit: far outside, or missing."""


class CalibrationWarning(UserWarning):
    """A promised rate rests on too few held-out rows."""
