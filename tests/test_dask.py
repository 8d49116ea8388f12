"""Fits and predictions on a Dask cluster of processes, some of which are killed."""

import itertools
import os
import pickle
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from sklearn_gru import GRUOutlierDetector, GRURegressor, GRUTagger, SlidingWindow
from sklearn_gru.callbacks import Checkpoint
from sklearn_gru.exceptions import (
    DistributedFitError,
    InputError,
    InvalidParameterError,
)

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

from sklearn_gru.distributed import fit_dask, predict_dask  # noqa: E402
from sklearn_gru.distributed._rank import _add_callbacks  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
# Large enough for a step to be shared (see the page "One model on several machines").
SIZES = {"hidden_size": 64, "max_iter": 6, "batch_size": 512, "dtype": "float32"}


class KillInThirdEpoch(Callback):
    """Callback that kills a process that trains, once: the first to make a file."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            Path(self.path).write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)


class Mortal(distributed.Nanny):
    """A worker that is not started again."""

    async def _on_worker_exit(self, exitcode):
        await self.close(reason="its worker ended")


def panel():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"shop": np.repeat(list("abcdef"), 120), "x": rng.normal(size=720)}
    )
    return frame.assign(y=frame["x"].shift(1).fillna(0))


def parts_of(frame, *edges):
    """Return Delayed parts of a frame; two equal edges make an empty one."""
    cuts = itertools.pairwise([0, *edges, len(frame)])
    return [dask.delayed(frame.iloc[a:b]) for a, b in cuts]


def pipeline(**params):
    return make_pipeline(
        SlidingWindow(12, groups="shop"),
        GRURegressor(**{**SIZES, "random_state": 0, **params}),
    )


@pytest.fixture(scope="module")
def client():
    """A cluster of which tests kill workers.

    Some seconds after a kill, a cluster looks for the worker again, and gives it up if
    it is not there: it may be dead by then because of the next test.
    """
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}),
        distributed.LocalCluster(
            2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def alone():
    """Predictions of the same fit in this process."""
    frame = panel()
    X = frame.drop(columns="y")
    return pipeline().fit(X, frame["y"]).predict(X)


def test_workers_train_the_model_of_one_process(client, alone):
    frame, model = panel(), pipeline()
    X = frame.drop(columns="y")
    fitted = fit_dask(model, parts_of(frame, 240, 240, 600), "y", client=client)
    assert np.array_equal(fitted.predict(X), alone)
    assert not hasattr(model[-1], "n_iter_")
    assert fitted[-1].get_params() == model[-1].get_params()
    # Nothing of the cluster is left in it.
    names = [type(callback).__name__ for _, callback in fitted[-1].net_.callbacks_]
    assert names == ["EpochTimer"]
    fitted[-1].set_params(warm_start=True)
    pickle.loads(pickle.dumps(fitted)).fit(X, frame["y"])
    predicted = dask.compute(*predict_dask(fitted, parts_of(X, 240, 240, 600)))
    assert np.array_equal(pd.concat(predicted), alone)


def test_a_fit_goes_on_after_a_worker_was_killed(client, alone, tmp_path):
    frame = panel()
    model = pipeline(callbacks=[KillInThirdEpoch(str(tmp_path / "killed"))])
    fitted = fit_dask(model, parts_of(frame, 360), "y", client=client)
    killed = int((tmp_path / "killed").read_text())
    assert killed not in client.run(os.getpid).values()
    assert np.array_equal(fitted.predict(frame.drop(columns="y")), alone)
    assert fitted[-1].n_iter_ == SIZES["max_iter"]


def test_a_random_state_of_none_survives_a_kill(client, tmp_path):
    frame = panel()
    killer = KillInThirdEpoch(str(tmp_path / "killed"))
    model = pipeline(random_state=None, callbacks=[killer])
    fitted = fit_dask(model, parts_of(frame, 360), "y", client=client)
    assert (tmp_path / "killed").exists()
    assert fitted[-1].random_state is None


@pytest.mark.parametrize("own", [False, True], ids=["default", "own"])
def test_a_detector_goes_on_after_a_worker_was_killed(client, tmp_path, own):
    """Its forecaster has the checkpoint, and the fit leaves no trace of that."""
    X = panel().drop(columns="y")
    killer = [KillInThirdEpoch(str(tmp_path / "killed"))]
    if own:
        # Batches are shared if they are large.
        forecaster = GRURegressor(**SIZES, callbacks=killer)
        detector = GRUOutlierDetector(forecaster, random_state=0)
        expected = GRUOutlierDetector(GRURegressor(**SIZES), random_state=0)
    else:
        detector = expected = GRUOutlierDetector(random_state=0)
    model, alone = (
        make_pipeline(SlidingWindow(12, groups="shop"), last)
        for last in (detector, expected)
    )
    alone.fit(X)
    fitted = fit_dask(model, parts_of(X, 360), client=client)
    assert np.array_equal(fitted.score_samples(X), alone.score_samples(X))
    last = fitted[-1]
    assert (tmp_path / "killed").exists() == own
    assert (last.estimator is None) == (not own)
    left = last.regressor_.callbacks or []
    assert [type(callback) for callback in left] == [KillInThirdEpoch] * own
    names = [type(callback).__name__ for _, callback in last.regressor_.net_.callbacks_]
    assert names == ["EpochTimer", *["KillInThirdEpoch"] * own]
    pickle.loads(pickle.dumps(fitted)).fit(X)


def test_the_forecaster_of_a_detector_tells_its_checkpoint(tmp_path):
    """A detector without one has the same forecaster, with a checkpoint."""
    detector = GRUOutlierDetector(random_state=0)
    X = np.random.default_rng(0).normal(size=(60, 8, 2))
    alone = clone(detector).fit(X).score_samples(X)
    assert _add_callbacks(detector, [Checkpoint(tmp_path)]) == ["estimator"]
    assert np.array_equal(detector.fit(X).score_samples(X), alone)
    assert any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_tagger_goes_on_after_a_worker_was_killed(client, tmp_path):
    frame = panel().assign(y=lambda rows: (rows["y"] > 0).astype(int))
    X, params = frame.drop(columns="y"), {**SIZES, "random_state": 0}
    tagger = GRUTagger(**params, groups="shop")
    killer = KillInThirdEpoch(str(tmp_path / "killed"))
    mortal = clone(tagger).set_params(callbacks=[killer])
    fitted = fit_dask(mortal, parts_of(frame, 360), "y", client=client)
    assert (tmp_path / "killed").exists()
    alone = tagger.fit(X, frame["y"])
    assert np.array_equal(fitted.predict_proba(X), alone.predict_proba(X))


def test_a_regressor_needs_a_target(client):
    with pytest.raises(ValueError, match="y is None, but GRURegressor needs a target"):
        fit_dask(pipeline(), parts_of(panel(), 360), client=client)


def test_array_partitions_and_targets_of_their_own(client):
    array = pytest.importorskip("dask.array")
    X = np.random.default_rng(0).normal(size=(90, 5, 2))
    y = X[:, :, 0].sum(axis=1)
    model = GRURegressor(**SIZES, random_state=0)
    chunked = array.from_array(X, chunks=(40, 5, 2))
    fitted = fit_dask(model, chunked, array.from_array(y, chunks=40), client=client)
    expected = model.fit(X, y).predict(X)
    assert np.array_equal(predict_dask(fitted, chunked).compute(), expected)


def test_partitions_that_do_not_fit_are_refused(client):
    frame = panel()
    with pytest.raises(
        InputError, match=r"'b' lie in partitions 0 and 1.*whole groups"
    ):
        fit_dask(pipeline(), parts_of(frame, 200), "y", client=client)
    fitted = pipeline().fit(frame.drop(columns="y"), frame["y"])
    with pytest.raises(
        InputError, match=r"'b' lie in partitions 0 and 1.*whole groups"
    ):
        predict_dask(fitted, parts_of(frame.drop(columns="y"), 200))
    with pytest.raises(InputError, match=r"no column 'load' to take y from; it has"):
        fit_dask(pipeline(), parts_of(frame, 240), "load", client=client)
    targets = parts_of(frame["y"], 240)
    with pytest.raises(InvalidParameterError, match="1 partitions, but y has 2"):
        fit_dask(pipeline(), parts_of(frame), targets, client=client)
    rows = parts_of(frame.drop(columns="y"), 360)
    with pytest.raises(
        InputError, match="Partition 0 has 360 rows in frame and 240 in"
    ):
        fit_dask(pipeline(), rows, targets, client=client)
    with pytest.raises(
        InputError, match=r"frame is a DataFrame\. Give a Dask DataFrame"
    ):
        fit_dask(pipeline(), frame, "y", client=client)


def test_a_series_without_groups_cannot_be_predicted_in_parts(client):
    X = np.random.default_rng(0).normal(size=(80, 2))
    model = make_pipeline(SlidingWindow(5), GRURegressor(**SIZES, random_state=0))
    parts = [dask.delayed(X[:40]), dask.delayed(X[40:])]
    y = np.roll(X[:, 0], 1)
    targets = [dask.delayed(y[:40]), dask.delayed(y[40:])]
    fitted = fit_dask(model, parts, targets, client=client)
    assert np.array_equal(fitted.predict(X), model.fit(X, y).predict(X))
    with pytest.raises(
        InputError, match="Rows without groups lie in partitions 0 and 1"
    ):
        predict_dask(fitted, parts)


def test_a_search_finishes_although_a_worker_is_killed(client):
    """As in the guide; joblib's backend for Dask loses the search."""
    X = np.random.default_rng(0).normal(size=(2000, 8, 2))
    model = GRURegressor(**{**SIZES, "max_iter": 8}, random_state=0)

    def score(rate, data):
        candidate = clone(model).set_params(learning_rate=rate)
        return cross_val_score(candidate, *data, cv=3).mean()

    rates = [0.01, 0.02, 0.05, 0.1]
    data = client.submit(lambda: (X, X[:, :, 0].sum(axis=1)))
    distributed.wait(data)
    holder = client.who_has([data])[data.key][0]
    pid = client.run(os.getpid)[holder]
    found = client.map(score, rates, data=data)
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    assert np.isfinite(client.gather(found)).all()
    assert pid not in client.run(os.getpid).values()


def test_a_worker_that_nobody_replaces_ends_in_an_error(tmp_path):
    frame = panel()
    model = pipeline(callbacks=[KillInThirdEpoch(str(tmp_path / "killed"))])
    with (
        distributed.LocalCluster(
            2,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=50,
            worker_class=Mortal,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        with pytest.raises(DistributedFitError, match="1 of 2 workers are left"):
            fit_dask(model, parts_of(frame, 360), "y", client=client, timeout=5)
        seconds = time.time() - (tmp_path / "killed").stat().st_mtime
        assert seconds < 60


def test_workers_that_are_threads_are_refused():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(InvalidParameterError, match="processes=True"),
    ):
        fit_dask(pipeline(), parts_of(panel(), 360), "y", client=client)
