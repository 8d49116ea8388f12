"""The estimators that scikit-learn's checks are run on, and the run itself."""

import warnings

from sklearn.utils.estimator_checks import check_estimator

from sklearn_gru import (
    GRUClassifier,
    GRUOutlierDetector,
    GRURegressor,
    GRUTagger,
    SequenceEmbedding,
    SlidingWindow,
)

# One instance of each class as its constructor leaves it.
DEFAULTS = {
    "regressor": GRURegressor(),
    "classifier": GRUClassifier(),
    "window": SlidingWindow(1),
    "detector": GRUOutlierDetector(),
    "embedding": SequenceEmbedding(),
}

# Small networks that learn fast enough for scikit-learn's thresholds: for options, and
# for `make test-fast`. They take a sixth of the time of the untouched classifier.
LIGHT_REGRESSOR = {"hidden_size": 32, "max_iter": 35, "learning_rate": 0.03}
LIGHT_CLASSIFIER = {"hidden_size": 8, "max_iter": 20, "learning_rate": 0.05}
LIGHT = {
    "regressor": GRURegressor(**LIGHT_REGRESSOR),
    "classifier": GRUClassifier(bidirectional=False, **LIGHT_CLASSIFIER),
    "window": SlidingWindow(1),
}

# The rows of X are steps of one recording, so that an answer depends on its neighbors,
# and a row of weight 0 is still read by them.
TAGGER = GRUTagger(
    8, bidirectional=False, chunk_length=32, max_iter=15, learning_rate=0.05
)
FAILS_ON_ROWS = {
    "check_methods_sample_order_invariance": "an answer depends on the rows before it",
    "check_methods_subset_invariance": "an answer depends on the rows around it",
    "check_sample_weight_equivalence_on_dense_data": "a row of weight 0 is still read",
}

# Values of each option, the cheapest first.
REGRESSOR_OPTIONS = {
    "cell": ["gru", "lstm", "rnn"],
    "pooling": ["last", "attention", "mean_max"],
    "normalization": [None, "last", "standard"],
    "quantile": [None, 0.5, (0.1, 0.5, 0.9)],
    "bidirectional": [False, True],
    "segment_length": [None, 3],
    "conv_filters": [None, (8, 8)],
    "categorical_features": ["from_dtype", [0]],
    "add_differences": [False, True],
}
CLASSIFIER_OPTIONS = {
    "cell": ["gru", "lstm"],
    "pooling": ["last", "attention"],
    "bidirectional": [False, True],
    "segment_length": [None, 3],
    "conv_filters": [None, (8, 8, 8)],
    "categorical_features": ["from_dtype", [0]],
    "add_differences": [False, True],
}

# Positions in those lists, one row per estimator: every pair of values of two options
# is in some row, which `test_contract.py` checks. Of 2592 regressors, ten are left,
# and of 128 classifiers, six.
REGRESSOR_ROWS = [
    (0, 0, 0, 0, 0, 0, 0, 0, 0),
    (2, 0, 1, 2, 0, 1, 1, 1, 1),
    (1, 0, 2, 1, 1, 1, 0, 0, 0),
    (2, 2, 2, 0, 1, 1, 1, 1, 1),
    (0, 2, 1, 1, 1, 0, 1, 1, 0),
    (1, 1, 1, 0, 0, 0, 0, 0, 0),
    (1, 2, 0, 2, 1, 0, 1, 1, 1),
    (0, 1, 2, 2, 1, 1, 0, 1, 1),
    (2, 1, 0, 1, 0, 1, 1, 0, 1),
    (2, 2, 2, 2, 0, 0, 0, 0, 0),
]
CLASSIFIER_ROWS = [
    (0, 0, 0, 0, 0, 0, 0),
    (1, 0, 1, 1, 0, 0, 0),
    (0, 1, 1, 1, 0, 1, 1),
    (0, 1, 0, 1, 1, 0, 1),
    (1, 0, 0, 0, 1, 1, 1),
    (1, 1, 1, 0, 1, 1, 0),
]


def chosen(options, row):
    """Name and value of each option in a row."""
    return {
        name: values[k] for (name, values), k in zip(options.items(), row, strict=True)
    }


def make_regressor(row):
    """The regressor of a row; y continues feature 0 unless that one is a category."""
    params = chosen(REGRESSOR_OPTIONS, row)
    if params["quantile"] is None:
        del params["quantile"]
    else:
        params["loss"] = "quantile"
    if params["normalization"] and params["categorical_features"] == "from_dtype":
        params["target_feature"] = 0
    return GRURegressor(**params, **LIGHT_REGRESSOR)


def make_classifier(row):
    """The classifier of a row."""
    return GRUClassifier(**chosen(CLASSIFIER_OPTIONS, row), **LIGHT_CLASSIFIER)


# Row 0 of either is in LIGHT.
OPTIONS = {
    **{f"regressor {k}": make_regressor(r) for k, r in enumerate(REGRESSOR_ROWS) if k},
    **{
        f"classifier {k}": make_classifier(r)
        for k, r in enumerate(CLASSIFIER_ROWS)
        if k
    },
    # Several networks and the linear part are means of what other options make.
    "regressor, several": GRURegressor(
        n_estimators=2,
        linear_share="auto",
        normalization="auto",
        target_feature="auto",
        **LIGHT_REGRESSOR,
    ),
    "classifier, several": GRUClassifier(
        n_estimators=2, bidirectional=False, **LIGHT_CLASSIFIER
    ),
    "window flat": SlidingWindow(1, flatten=True),
}

# The blobs of check_classifiers_train have one class per level, in two steps of a
# series: without its level, nothing is left of it.
WITHOUT_LEVEL = {
    kind: GRUClassifier(normalization=kind, bidirectional=False, **LIGHT_CLASSIFIER)
    for kind in ("last", "standard")
}


def run_checks(estimator, expected_failed_checks=None):
    """Results of all checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's checks provoke warnings
        return check_estimator(
            estimator, on_fail=None, expected_failed_checks=expected_failed_checks
        )
