"""scikit-learn's own checks, with nothing skipped and nothing excused."""

import warnings

import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru.exceptions import LostHistoryWarning

ORDER_CHECKS = {
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
}

# The untouched classifier passes with what it takes; its options with less.
LIGHT = {"bidirectional": False, "max_iter": 50}

CASES = {
    "regressor": GRURegressor(),
    "classifier": GRUClassifier(),
    "window": SlidingWindow(1),
    "window flat": SlidingWindow(1, flatten=True),
    "regressor lstm": GRURegressor(cell="lstm"),
    "regressor bidirectional": GRURegressor(bidirectional=True),
    "regressor attention": GRURegressor(pooling="attention"),
    "regressor from the last value": GRURegressor(
        normalization="last", target_feature=0
    ),
    "regressor in own units": GRURegressor(normalization="standard", target_feature=0),
    "regressor segments": GRURegressor(segment_length=3),
    "regressor convolution": GRURegressor(conv_filters=(8, 8, 8)),
    "regressor all options": GRURegressor(
        conv_filters=(4, 4),
        segment_length=4,
        normalization="standard",
        target_feature=0,
        loss="absolute_error",
    ),
    "regressor categorical": GRURegressor(categorical_features=[0]),
    "regressor quantile": GRURegressor(loss="quantile", quantile=0.5),
    "regressor quantiles": GRURegressor(loss="quantile", quantile=(0.1, 0.5, 0.9)),
    "classifier categorical": GRUClassifier(categorical_features=[0], **LIGHT),
    "classifier lstm": GRUClassifier(cell="lstm", **LIGHT),
    "classifier one way": GRUClassifier(**LIGHT),
    "classifier attention": GRUClassifier(pooling="attention", **LIGHT),
    "classifier segments": GRUClassifier(segment_length=3, **LIGHT),
    "classifier convolution": GRUClassifier(conv_filters=(8, 8, 8), **LIGHT),
}

# The blobs of check_classifiers_train have one class a level, in two steps of a series:
# without its level, nothing is left of it.
WITHOUT_LEVEL = {
    "classifier from the last value": GRUClassifier(normalization="last", **LIGHT),
    "classifier in own units": GRUClassifier(normalization="standard", **LIGHT),
}


def run_checks(estimator):
    """Results of all checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's checks provoke warnings
        return check_estimator(estimator, on_fail=None)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_check_estimator(case):
    """Every check passes; none is skipped or expected to fail."""
    results = run_checks(CASES[case])
    not_passed = [
        (r["check_name"], r["status"], repr(r["exception"]))
        for r in results
        if r["status"] != "passed"
    ]
    assert not_passed == []
    assert len(results) > 40


@pytest.mark.slow
@pytest.mark.parametrize("case", WITHOUT_LEVEL)
def test_classes_of_levels_need_the_level(case):
    """Normalised series cannot be told apart by their level; nothing else fails."""
    results = run_checks(WITHOUT_LEVEL[case])
    failed = {r["check_name"] for r in results if r["status"] != "passed"}
    assert failed == {"check_classifiers_train"}


@pytest.mark.parametrize("flatten", [False, True])
def test_windows_fail_only_what_they_must(flatten):
    """A window of 3 rows depends on the order of rows, and on nothing else."""
    results = run_checks(SlidingWindow(3, flatten=flatten))
    failed = {r["check_name"] for r in results if r["status"] != "passed"}
    assert failed == ORDER_CHECKS


@pytest.mark.parametrize("case", CASES)
def test_constructor_keeps_parameters_untouched(case):
    """Clone gives equal parameters and fit never writes one."""
    estimator = CASES[case]
    assert clone(estimator).get_params() == estimator.get_params()


def test_fit_writes_no_constructor_parameter(hourly):
    """Parameters are the same objects after fit."""
    window = SlidingWindow("6h", lag="1h", known_future=["temp"])
    before = dict(vars(window))
    X = window.fit_transform(hourly)
    model = GRURegressor(2, max_iter=1, random_state=0)
    params = model.get_params()
    model.fit(X, hourly["load"])
    assert model.get_params() == params
    assert {k: v for k, v in vars(window).items() if k in before} == before


def test_lost_history_warning_is_public():
    """The warning can be silenced by its class."""
    assert issubclass(LostHistoryWarning, UserWarning)
