"""The estimators inside other people's libraries, on real data.

Each test names its library, and is skipped where that is not installed. Name, version,
the first line of the docstring and the outcome are the rows of the table in
``docs/user_guide/ecosystem.md``, printed by ``python -m tests.tools.print_interop``.
What a library writes in warnings of its own is silenced in the test that needs it.
"""

import sys
from importlib.metadata import version

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow, to_sequences
from tests.builders import seasonal_naive

# Names of the distributions that are not those of the modules.
DISTRIBUTIONS = {
    "imblearn": "imbalanced-learn",
    "mlflow": "mlflow-skinny",
    "optuna_integration": "optuna-integration",
    "xgboost": "xgboost-cpu",
}
BESIDE = ("scikit-learn", "numpy", "pandas", "numba", "torch")
OWNERS = {"sklearn_gru", "skorch", "torch", "functools", "pandas", "numpy"}
FAST = {
    "hidden_size": 8,
    "max_iter": 10,
    "learning_rate": 0.02,
    "early_stopping": False,
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def library(request):
    """The library of the test; leaves a row for the table in a report of pytest."""
    name = request.node.get_closest_marker("interop").args[0]
    distribution = DISTRIBUTIONS.get(name, name)
    row = request.node.user_properties
    row.append(("library", distribution))
    row.append(("what", request.function.__doc__.splitlines()[0].rstrip(".")))
    row.append(("environment", ", ".join(map(_with_version, BESIDE))))
    module = pytest.importorskip(name)
    row.append(("version", version(distribution)))
    return module


def _with_version(distribution):
    return f"{distribution} {version(distribution)}"


@pytest.fixture(scope="module")
def data(bikes):
    """Six weeks of rentals: features with the target, target, names known ahead."""
    frame, y, known = bikes
    return frame.iloc[2000:3000], y.iloc[2000:3000], known


@pytest.fixture
def model(data):
    """Forecast one hour ahead from 24 hours, calendar and weather known."""
    window = SlidingWindow(24, lag=1, known_future=data[2])
    return make_pipeline(window, GRURegressor(**FAST))


# -- other models on the same windows -------------------------------------------------


def check_boosting(booster, data):
    """Flat windows in cross-validation: equal to the loop by hand, better than naive."""
    X, y, known = data
    window = SlidingWindow(24, lag=1, known_future=known, flatten=True)
    model = make_pipeline(window, booster).set_output(transform="pandas")
    cv = TimeSeriesSplit(2)
    scores = cross_val_score(model, X, y, cv=cv)
    for score, (train, test) in zip(scores, cv.split(X), strict=True):
        flat = clone(window).fit(X.iloc[train])
        alone = clone(booster).fit(flat.transform(X.iloc[train]), y.iloc[train])
        predicted = alone.predict(flat.transform(X.iloc[test]))
        assert score == pytest.approx(r2_score(y.iloc[test], predicted), abs=1e-9)
    assert scores.min() > seasonal_naive(y)
    model.fit(X, y)
    names = list(model[0].get_feature_names_out())
    assert "bikers_lag24" in names
    return model[-1], names


@pytest.mark.interop("lightgbm")
def test_lightgbm(library, data):
    """LGBMRegressor on SlidingWindow(flatten=True) in cross_val_score."""
    booster = library.LGBMRegressor(n_estimators=50, n_jobs=1, verbose=-1)
    fitted, names = check_boosting(booster, data)
    assert fitted.feature_name_ == names


@pytest.mark.interop("xgboost")
def test_xgboost(library, data):
    """XGBRegressor on SlidingWindow(flatten=True) in cross_val_score."""
    booster = library.XGBRegressor(n_estimators=50, n_jobs=1)
    fitted, names = check_boosting(booster, data)
    assert list(fitted.feature_names_in_) == names


@pytest.mark.interop("shap")
@pytest.mark.filterwarnings("ignore:The set_.* function will be deprecated")
def test_shap(library, data):
    """PermutationExplainer on GRURegressor(features_per_step=2) over flat windows."""
    X, y, _ = data
    window = SlidingWindow(6, lag=1, known_future=["hour"], flatten=True)
    X = X[["bikers", "hour"]]
    flat = window.fit(X).transform(X)[24:]
    gru = GRURegressor(**FAST, features_per_step=2).fit(flat, y.iloc[24:])
    explainer = library.explainers.Permutation(
        gru.predict, flat[:10], feature_names=window.get_feature_names_out()
    )
    explained = explainer(flat[-10:], max_evals=50)
    whole = explained.values.sum(axis=1) + explained.base_values
    np.testing.assert_allclose(whole, gru.predict(flat[-10:]), rtol=1e-6)
    weight = np.abs(explained.values).mean(axis=0)
    names = list(explained.feature_names)
    last, first = names.index("bikers_lag1"), names.index("bikers_lag6")
    assert weight[last] > 2 * weight[first]


# -- around the pipeline --------------------------------------------------------------


@pytest.mark.interop("optuna_integration")
@pytest.mark.filterwarnings("ignore:OptunaSearchCV is experimental")
@pytest.mark.filterwarnings("ignore:.optuna.terminator. module has been deprecated")
def test_optuna(library, model, data):
    """OptunaSearchCV over window and network of the pipeline."""
    import optuna

    X, y, _ = data
    space = {
        "slidingwindow__window_size": optuna.distributions.IntDistribution(3, 24),
        "gruregressor__learning_rate": optuna.distributions.FloatDistribution(
            1e-3, 0.05, log=True
        ),
    }
    search = library.OptunaSearchCV(
        model, space, cv=TimeSeriesSplit(2), n_trials=4, random_state=0
    )
    search.fit(X.iloc[:-200], y.iloc[:-200])
    best = cross_val_score(
        clone(model).set_params(**search.best_params_),
        X.iloc[:-200],
        y.iloc[:-200],
        cv=TimeSeriesSplit(2),
    )
    assert search.best_score_ == pytest.approx(best.mean(), abs=1e-12)
    assert len(search.trials_) == 4
    assert search.score(X.iloc[-200:], y.iloc[-200:]) > 0.5


# Its probe is a row of zeros.
@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.UnseenDataWarning")
@pytest.mark.interop("mapie")
def test_mapie_split(library, data):
    """SplitConformalRegressor around the fitted pipeline with flat windows."""
    from mapie.regression import SplitConformalRegressor

    X, y, known = data
    model = make_pipeline(
        SlidingWindow(24, lag=1, known_future=known, flatten=True),
        GRURegressor(**FAST, features_per_step=X.shape[1]),
    ).fit(X.iloc[:600], y.iloc[:600])
    later = X.iloc[600:800], y.iloc[600:800]
    conformal = SplitConformalRegressor(model, confidence_level=0.8)
    conformal.conformalize(*later)
    model[0].partial_fit(later[0])  # what lies between is history now
    points, intervals = conformal.predict_interval(X.iloc[800:])
    predicted = model.predict(X.iloc[800:])
    np.testing.assert_array_equal(points, predicted)
    errors = np.sort(np.abs(later[1] - model.predict(later[0])))
    half = errors[int(np.ceil(0.8 * 201)) - 1]
    np.testing.assert_allclose(intervals[:, 0, 0], predicted - half, rtol=1e-6)
    np.testing.assert_allclose(intervals[:, 1, 0], predicted + half, rtol=1e-6)


@pytest.mark.interop("mapie")
def test_mapie_split_refuses_sequences(library, model, data):
    """SplitConformalRegressor around 3-D windows: refused by its probe, a row of 0."""
    from mapie.regression import SplitConformalRegressor

    X, y, _ = data
    model.fit(X.iloc[:200], y.iloc[:200])
    with pytest.raises(UserWarning, match="failed a minimal prediction test"):
        SplitConformalRegressor(model).conformalize(X.iloc[200:300], y.iloc[200:300])


@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.UnseenDataWarning")
@pytest.mark.interop("mapie")
def test_mapie_cross(library, model, data):
    """CrossConformalRegressor(method="base", cv=KFold(3)) around the pipeline."""
    from mapie.regression import CrossConformalRegressor
    from sklearn.model_selection import KFold

    X, y, _ = data
    conformal = CrossConformalRegressor(
        model, confidence_level=0.8, method="base", cv=KFold(3)
    )
    conformal.fit_conformalize(X.iloc[:800], y.iloc[:800])
    points, intervals = conformal.predict_interval(X.iloc[800:])
    low, high = intervals[:, 0, 0], intervals[:, 1, 0]
    assert r2_score(y.iloc[800:], points) > seasonal_naive(y)
    assert ((low < points) & (points < high)).all()
    assert 0.5 < ((low <= y.iloc[800:]) & (y.iloc[800:] <= high)).mean() < 1


@pytest.mark.interop("dask")
def test_dask(library, model, data):
    """GridSearchCV on a LocalCluster of two processes, through joblib's dask backend."""
    import joblib
    from distributed import Client, LocalCluster

    X, y, _ = data
    grid = {"gruregressor__hidden_size": [4, 8]}
    here = GridSearchCV(model, grid, cv=TimeSeriesSplit(2)).fit(X, y)
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        there = GridSearchCV(model, grid, cv=TimeSeriesSplit(2)).fit(X, y)
    for key in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(there.cv_results_[key], here.cv_results_[key])


SHARED = {
    "hidden_size": 64,
    "max_iter": 3,
    "batch_size": 1024,
    "random_state": 0,
    "dtype": "float32",
}


def shared_rows():
    X = np.random.default_rng(0).normal(size=(2048, 12, 4))
    return X, X[:, :, 0].sum(axis=1)


def fit_as_rank(folder):
    """Fit with the other ranks, and write what this one predicts."""
    import torch.distributed as dist

    from sklearn_gru.distributed import data_parallel

    if not dist.is_initialized():  # Ray has done it
        dist.init_process_group("gloo")
    X, y = shared_rows()
    rank, size = dist.get_rank(), dist.get_world_size()
    own = slice(rank * len(X) // size, (rank + 1) * len(X) // size)
    with data_parallel():
        model = GRURegressor(**SHARED).fit(X[own], y[own])
    np.save(f"{folder}/{rank}.npy", model.predict(X))


def assert_ranks_as_one_process(folder):
    X, y = shared_rows()
    expected = GRURegressor(**SHARED).fit(X, y).predict(X)
    for rank in range(2):
        np.testing.assert_array_equal(np.load(folder / f"{rank}.npy"), expected)


@pytest.mark.interop("ray")
@pytest.mark.filterwarnings("ignore")
def test_ray_train(library, tmp_path):
    """TorchTrainer with two workers around `data_parallel`: the bits of one process."""
    pytest.importorskip("pyarrow")  # of ray[train]
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    library.init(num_cpus=2, include_dashboard=False)
    try:
        TorchTrainer(
            lambda config: fit_as_rank(config["folder"]),
            train_loop_config={"folder": str(tmp_path)},
            scaling_config=ScalingConfig(num_workers=2),
            torch_config=TorchConfig(backend="gloo"),
            run_config=RunConfig(storage_path=str(tmp_path)),
        ).fit()
    finally:
        library.shutdown()
    assert_ranks_as_one_process(tmp_path)


@pytest.fixture
def spark(library, monkeypatch):
    # Its workers would run the first python3 on the path.
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = library.sql.SparkSession.builder.master("local[2]").getOrCreate()
    yield session
    session.stop()


@pytest.mark.interop("pyspark")
@pytest.mark.filterwarnings("ignore")
def test_spark_distributor(spark, tmp_path):
    """TorchDistributor with two processes around `data_parallel`: the bits of one."""
    from pyspark.ml.torch.distributor import TorchDistributor

    distributor = TorchDistributor(num_processes=2, local_mode=True, use_gpu=False)
    distributor.run(fit_as_rank, str(tmp_path))
    assert_ranks_as_one_process(tmp_path)


@pytest.mark.interop("pyspark")
@pytest.mark.filterwarnings("ignore")
def test_spark_by_group(spark):
    """Predictions of whole groups by `applyInPandas`: those of one call, to the bit."""
    import pandas as pd

    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"shop": np.repeat(list("abc"), 80), "x": rng.normal(size=240)})
    rows["place"] = np.arange(240)
    window = SlidingWindow(12, lag=1, groups="shop")
    model = make_pipeline(window, GRURegressor(**FAST))
    model.fit(rows[["shop", "x"]], rows["x"])

    def predict(group):
        group = group.sort_values("place")
        found = model.predict(group[["shop", "x"]])
        return pd.DataFrame({"place": group["place"], "found": found})

    schema = "place long, found double"
    found = spark.createDataFrame(rows).groupBy("shop").applyInPandas(predict, schema)
    found = found.toPandas().sort_values("place")["found"]
    np.testing.assert_array_equal(found, model.predict(rows[["shop", "x"]]))


# -- kept and logged ------------------------------------------------------------------


@pytest.mark.interop("mlflow")
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
def test_mlflow(library, model, data, tmp_path, monkeypatch):
    """`log_params`, `log_metric` and `sklearn.log_model` (skops) into SQLite, and back."""
    io = pytest.importorskip("skops.io")
    X, y, _ = data
    held = X.iloc[-100:], y.iloc[-100:]
    model.fit(X.iloc[:-100], y.iloc[:-100])
    monkeypatch.chdir(tmp_path)
    library.set_tracking_uri("sqlite:///mlflow.db")
    with library.start_run() as run:
        library.log_params(model[-1].get_params())
        library.log_metric("r2", model.score(*held))
        logged = library.sklearn.log_model(
            model,
            name="model",
            skops_trusted_types=io.get_untrusted_types(data=io.dumps(model)),
            pip_requirements=["sklearn-gru"],
        )
    found = library.get_run(run.info.run_id).data
    assert found.params["hidden_size"] == "8"
    assert found.metrics["r2"] == pytest.approx(model.score(*held))
    again = library.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(again.predict(held[0]), model.predict(held[0]))


@pytest.mark.interop("skops")
def test_skops(library, model, data, tmp_path):
    """`dump` and `load` of the fitted pipeline, with the types to trust listed."""
    from skops import io

    X, y, _ = data
    model.fit(X.iloc[:-100], y.iloc[:-100])
    path = tmp_path / "model.skops"
    io.dump(model, path)
    trusted = io.get_untrusted_types(file=path)
    assert {name.split(".")[0] for name in trusted} <= OWNERS
    again = io.load(path, trusted=trusted)
    np.testing.assert_array_equal(
        again.predict(X.iloc[-100:]), model.predict(X.iloc[-100:])
    )


@pytest.mark.interop("skops")
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
        {"conv_filters": (4,), "dropout": 0.2, "num_layers": 2},
        {"normalization": "last", "target_feature": "bikers", "dtype": "float64"},
        {"early_stopping": True, "cell": "lstm", "bidirectional": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_skops_goes_on_training_alike(library, options, data):
    """A loaded model of any kind predicts and trains on to the same bits."""
    from skops import io

    X, y, _ = data
    windows = SlidingWindow(12, lag=1).fit_transform(X[:200])
    gru = GRURegressor(4, max_iter=2, warm_start=True, random_state=0, **options)
    gru.fit(windows, y[:200])
    kept = io.dumps(gru)
    again = io.loads(kept, trusted=io.get_untrusted_types(data=kept))
    np.testing.assert_array_equal(again.predict(windows), gru.predict(windows))
    for model in (gru, again):
        model.fit(windows, y[:200])
    np.testing.assert_array_equal(again.predict(windows), gru.predict(windows))


@pytest.mark.interop("skops")
def test_skops_classifier(library, speakers):
    """`dump` and `load` of GRUClassifier with text labels."""
    from skops import io

    X, y, X_test, _ = speakers
    gru = GRUClassifier(**FAST, class_weight="balanced").fit(
        X, np.char.add("n", y.astype(str))
    )
    kept = io.dumps(gru)
    again = io.loads(kept, trusted=io.get_untrusted_types(data=kept))
    np.testing.assert_array_equal(again.predict(X_test), gru.predict(X_test))


# -- frames and data of others --------------------------------------------------------


@pytest.mark.interop("skrub")
def test_skrub(library, data):
    """TableVectorizer in front of SlidingWindow: text becomes columns, time stays."""
    X, y, known = data
    X = X.assign(weather=X["weather"].map({1: "clear", 2: "cloudy"}).fillna("rain"))
    known = ["hour", "workingday"]
    model = make_pipeline(
        library.TableVectorizer(),
        SlidingWindow(24, lag=1, known_future=known),
        GRURegressor(**FAST),
    )
    model.fit(X.iloc[:-200], y.iloc[:-200])
    names = list(model[:-2].get_feature_names_out())
    assert {"weather_clear", "weather_cloudy", "weather_rain"} <= set(names)
    windows = model[:-1].transform(X.iloc[-200:])
    assert (windows.lengths == 24).all()
    assert model.score(X.iloc[-200:], y.iloc[-200:]) > seasonal_naive(y)


@pytest.mark.interop("polars")
def test_polars(library, model, data):
    """A polars frame into SlidingWindow(time=...): the predictions of pandas."""
    X, y, _ = data
    in_pandas = clone(model).fit(X.iloc[:-100], y.iloc[:-100]).predict(X.iloc[-100:])
    frame = library.from_pandas(X.rename_axis("when").reset_index())
    model.set_params(slidingwindow__time="when")
    model.fit(frame[:-100], library.Series(y.to_numpy()[:-100]))
    np.testing.assert_array_equal(model.predict(frame[-100:]), in_pandas)


def check_vowels(X, y, X_test, y_test):
    """Speakers are told apart as with the same recordings of our own."""
    gru = GRUClassifier(16, max_iter=15, learning_rate=0.02, random_state=0)
    assert gru.fit(X, y).score(X_test, y_test) > 0.8


@pytest.mark.interop("aeon")
def test_aeon(library, speakers):
    """Lists of (channels, steps), turned, in GRUClassifier: load_japanese_vowels."""
    from aeon.datasets import load_japanese_vowels

    X, y = load_japanese_vowels(split="train")
    X_test, y_test = load_japanese_vowels(split="test")
    np.testing.assert_allclose(X[0].T, speakers[0][0], rtol=1e-6)
    check_vowels([x.T for x in X], y, [x.T for x in X_test], y_test)


@pytest.mark.interop("sktime")
def test_sktime_long_frame(library, speakers):
    """A pd-multiindex frame by to_sequences in GRUClassifier: load_japanese_vowels."""
    from sktime.datasets import load_japanese_vowels

    parts = []
    for split in ("train", "test"):
        X, y = load_japanese_vowels(split=split, return_X_y=True)
        long = library.datatypes.convert_to(X, "pd-multiindex")
        parts += [to_sequences(long), y]
    assert list(parts[0].lengths) == [len(x) for x in speakers[0]]
    check_vowels(*parts)


@pytest.mark.interop("sktime")
def test_sktime_array(library):
    """A numpy3D array (n, channels, steps), turned: load_basic_motions."""
    from sktime.datasets import load_basic_motions

    X, y = load_basic_motions(split="train", return_type="numpy3d")
    X_test, y_test = load_basic_motions(split="test", return_type="numpy3d")
    assert X.shape == (40, 6, 100)
    gru = GRUClassifier(8, max_iter=15, learning_rate=0.02, random_state=0)
    score = gru.fit(X.swapaxes(1, 2), y).score(X_test.swapaxes(1, 2), y_test)
    assert score > 0.6  # of four motions


# -- samplers -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rare(data):
    """Windows of which one in ten is busy."""
    X, y, _ = data
    return X, np.where(y > y.quantile(0.9), "busy", "calm")


@pytest.mark.interop("imblearn")
def test_imbalanced_learn_refuses_sequences(library, speakers, rare):
    """RandomOverSampler on 3-D arrays and Sequences: refused by its check of X."""
    from imblearn.over_sampling import RandomOverSampler

    X, busy = rare
    windows = SlidingWindow(12, lag=1).fit_transform(X)
    for sequences in (windows, np.asarray(windows)):
        with pytest.raises(ValueError, match="dim 3"):
            RandomOverSampler().fit_resample(sequences, busy)


@pytest.mark.interop("imblearn")
def test_imbalanced_learn_flat(library, rare):
    """RandomOverSampler on flat windows before GRUClassifier(features_per_step)."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline as make_sampling_pipeline

    X, busy = rare
    X = X[["bikers", "hour"]]
    flat = SlidingWindow(12, lag=1, flatten=True)
    gru = GRUClassifier(**FAST, features_per_step=2)
    model = make_sampling_pipeline(flat, RandomOverSampler(random_state=0), gru)
    model.fit(X[:-200], busy[:-200])
    found = RandomOverSampler(random_state=0)
    rows, labels = found.fit_resample(flat.fit_transform(X[:-200]), busy[:-200])
    by_hand = clone(gru).fit(rows, labels)
    np.testing.assert_array_equal(
        model.predict_proba(X[-200:]), by_hand.predict_proba(flat.transform(X[-200:]))
    )
    assert (labels == "busy").mean() == 0.5


@pytest.mark.interop("imblearn")
def test_imbalanced_learn_by_number(library, rare):
    """FunctionSampler that samples numbers of Sequences, between window and GRU."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline as make_sampling_pipeline

    def oversample(X, y):
        sampler = RandomOverSampler(random_state=0)
        sampler.fit_resample(np.arange(len(y))[:, None], y)
        seen.append((X, sampler.sample_indices_))
        return X[sampler.sample_indices_], y[sampler.sample_indices_]

    X, busy = rare
    seen = []
    model = make_sampling_pipeline(
        SlidingWindow(12, lag=1),
        library.FunctionSampler(func=oversample, validate=False),
        GRUClassifier(**FAST),
    )
    model.fit(X[:-200], busy[:-200])
    (windows, chosen), test = seen[0], model[0].transform(X[-200:])
    by_hand = GRUClassifier(**FAST).fit(windows[chosen], busy[:-200][chosen])
    np.testing.assert_array_equal(model[-1].predict(test), by_hand.predict(test))
    assert windows[chosen].values is windows.values
