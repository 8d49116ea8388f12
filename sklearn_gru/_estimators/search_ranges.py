"""Ranges that a search draws parameters from, one table per estimator.

``model_selection.search_space`` reads them from the classes. They were chosen by the
defaults study (docs/development/defaults_study.md) and the settings recommended for its
tasks. They leave out what made no difference there (weight_decay, clip_norm,
batch_size), what depends on the data (window_size, normalization, segment_length), and
max_iter, which a halving search increases from round to round.
"""

from typing import Any

from scipy.stats import loguniform, uniform

_BOTH: dict[str, Any] = {
    # ERing prefers 0.003, Airline 0.01; 0.001 and 0.03 were worse on several tasks and
    # on none better by more than the noise.
    "learning_rate": loguniform(1e-3, 3e-2),
    # The recommended settings have 0 on most tasks, 0.1 on ETTh1 and 0.5 on IMDB.
    "dropout": uniform(0.0, 0.5),
}

REGRESSOR_RANGES: dict[str, Any] = {
    **_BOTH,
    # Within the noise of each other on Bikeshare, where 128 cost twice the time of 64.
    "hidden_size": [16, 32, 64, 128],
}

CLASSIFIER_RANGES: dict[str, Any] = {
    **_BOTH,
    # 16 were worse than 64 on FSDD, and more than 64 were better on no task.
    "hidden_size": [32, 64, 128],
    # Both directions were better on ERing and GunPoint, one is recommended for IMDB.
    "bidirectional": [True, False],
    # "max" was better on GunPoint; "mean" and "attention" were not on FSDD, where they
    # were tried.
    "pooling": ["last", "max", "mean_max"],
}

TAGGER_RANGES: dict[str, Any] = {
    **_BOTH,
    "hidden_size": [32, 64, 128],
}

# A text per sequence asks the network for a label at every frame, too.
TRANSCRIBER_RANGES = TAGGER_RANGES

TRANSLATOR_RANGES: dict[str, Any] = {
    "learning_rate": loguniform(1e-3, 1e-2),
    "dropout": uniform(0.0, 0.5),
    "hidden_size": [64, 128, 256],
}
