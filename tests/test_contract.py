"""scikit-learn's own checks, with nothing skipped and nothing excused."""

import inspect
import itertools

import pytest
from sklearn.base import clone

from sklearn_gru import GRURegressor, SlidingWindow
from sklearn_gru.exceptions import LostHistoryWarning
from tests.contract_cases import (
    CLASSIFIER_OPTIONS,
    CLASSIFIER_ROWS,
    DEFAULTS,
    FAILS_ON_ROWS,
    LIGHT,
    OPTIONS,
    REGRESSOR_OPTIONS,
    REGRESSOR_ROWS,
    TAGGER,
    WITHOUT_LEVEL,
    run_checks,
)

ORDER_CHECKS = {
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
}


def assert_all_pass(estimator):
    """Every check passes; none is skipped or expected to fail."""
    results = run_checks(estimator)
    not_passed = [
        (r["check_name"], r["status"], repr(r["exception"]))
        for r in results
        if r["status"] != "passed"
    ]
    assert not_passed == []
    assert len(results) > 40


@pytest.mark.slow
@pytest.mark.parametrize("case", DEFAULTS)
def test_check_estimator(case):
    """The untouched estimators pass every check."""
    assert_all_pass(DEFAULTS[case])


@pytest.mark.parametrize("case", LIGHT)
def test_check_small_estimator(case):
    """So do small ones, in a sixth of the time."""
    assert_all_pass(LIGHT[case])


@pytest.mark.slow
@pytest.mark.parametrize("case", OPTIONS)
def test_check_estimator_with_options(case):
    """So do estimators in which every pair of options occurs."""
    assert_all_pass(OPTIONS[case])


@pytest.mark.parametrize(
    ("options", "rows"),
    [(REGRESSOR_OPTIONS, REGRESSOR_ROWS), (CLASSIFIER_OPTIONS, CLASSIFIER_ROWS)],
    ids=["regressor", "classifier"],
)
def test_every_pair_of_options_has_a_case(options, rows):
    """Whatever two options are set to, some row of the cases has both."""
    sizes = [len(values) for values in options.values()]
    for i, j in itertools.combinations(range(len(sizes)), 2):
        pairs = set(itertools.product(range(sizes[i]), range(sizes[j])))
        missing = pairs - {(row[i], row[j]) for row in rows}
        assert not missing, (list(options)[i], list(options)[j], missing)


@pytest.mark.slow
@pytest.mark.parametrize("case", WITHOUT_LEVEL)
def test_classes_of_levels_need_the_level(case):
    """Normalized series cannot be told apart by their level; nothing else fails."""
    results = run_checks(WITHOUT_LEVEL[case])
    failed = {r["check_name"] for r in results if r["status"] != "passed"}
    assert failed == {"check_classifiers_train"}


@pytest.mark.parametrize("flatten", [False, True])
def test_windows_fail_only_what_they_must(flatten):
    """A window of 3 rows depends on the order of rows, and on nothing else."""
    results = run_checks(SlidingWindow(3, flatten=flatten))
    failed = {r["check_name"] for r in results if r["status"] != "passed"}
    assert failed == ORDER_CHECKS


@pytest.mark.slow
def test_tagger_fails_only_what_it_must():
    """A tagger reads neighboring rows, and passes all else; nothing is skipped."""
    results = run_checks(TAGGER, FAILS_ON_ROWS)
    failed = {r["check_name"] for r in results if r["status"] == "xfail"}
    assert failed == set(FAILS_ON_ROWS)
    assert {r["status"] for r in results} == {"passed", "xfail"}


@pytest.mark.parametrize("case", [*DEFAULTS, *OPTIONS])
def test_constructor_keeps_parameters_untouched(case):
    """Clone gives equal parameters and fit never writes one."""
    estimator = {**DEFAULTS, **OPTIONS}[case]
    assert clone(estimator).get_params() == estimator.get_params()


def test_a_subclass_has_the_parameters_of_its_own_constructor():
    """Or those of the class above, if it has none."""

    class Plain(GRURegressor):
        pass

    class Own(GRURegressor):
        def __init__(self, hidden_size=8, *, alpha=1):
            super().__init__(hidden_size)
            self.alpha = alpha

    assert clone(Plain(5)).get_params() == GRURegressor(5).get_params()
    assert clone(Own(5, alpha=2)).get_params() == {"alpha": 2, "hidden_size": 5}
    assert list(inspect.signature(Own).parameters) == ["hidden_size", "alpha"]
    assert Own.__init__.__signature__ == inspect.signature(Own.__init__)


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
