"""A killed fit goes on to the same bits; a checkpoint never harms a fit."""

import contextlib
import itertools
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skorch.callbacks
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklearn_gru import GRUClassifier, GRURegressor
from sklearn_gru._engines import checkpoint as module
from sklearn_gru._support.files import write_whole
from sklearn_gru.callbacks import Checkpoint, TimeLimit
from sklearn_gru.exceptions import CheckpointError, InvalidParameterError


def make_data(n=120):
    X = np.random.default_rng(0).normal(size=(n, 10, 3)).astype(np.float32)
    return X, X.sum((1, 2))


class Kill(Callback):
    """Ends a fit as a kill does: nothing after it runs but what the system does."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("killed")


def make(folder=None, kill=None, kind=GRURegressor, **params):
    callbacks = [] if folder is None else [Checkpoint(folder, every=0)]
    if kill is not None:
        callbacks.append(Kill(kill))
    settings = {"hidden_size": 8, "max_iter": 60, "random_state": 0, "batch_size": 32}
    return kind(**{**settings, "callbacks": callbacks, **params})


def outcome(model, X):
    """Return what must be equal to the bit."""
    net = model.net_
    moments = [
        np.asarray(value).tobytes()
        for p in net.module_.parameters()
        for _, value in sorted(net.optimizer_.state[p].items())
    ]
    return {
        "predictions": model.predict(X).tobytes(),
        "losses": model.loss_curve_,
        "scores": getattr(model, "validation_scores_", None),
        "best": getattr(model, "best_iteration_", None),
        "n_iter": model.n_iter_,
        "moments": moments,
        "streams": [
            s.generator.get_state().tolist()
            for s in (net.shuffle_stream, net.module_.dropout.stream)
        ],
    }


CASES = {
    "numba": {"dtype": "float32"},
    "torch": {"dtype": "float64", "max_iter": 12},
    "attention": {"dtype": "float32", "pooling": "attention"},
    "dropout": {"dtype": "float32", "dropout": 0.3, "num_layers": 2},
    "early": {"dtype": "float32", "early_stopping": True, "n_iter_no_change": 3},
    "convolution": {"dtype": "float32", "conv_filters": (4,), "max_iter": 12},
}


@pytest.mark.parametrize("kill", [2, 9])
@pytest.mark.parametrize("case", CASES)
def test_a_killed_fit_goes_on_to_the_same_bits(tmp_path, case, kill):
    """As one without checkpoint or interruption; and it is read, not trained again."""
    X, y = make_data()
    expected = outcome(make(**CASES[case]).fit(X, y), X)
    with pytest.raises(RuntimeError, match="killed"):
        make(tmp_path, kill, **CASES[case]).fit(X, y)
    with pytest.raises(RuntimeError, match="killed"):  # and once more
        make(tmp_path, kill + 1, **CASES[case]).fit(X, y)
    seen = []

    class Count(Callback):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(len(net.history))

    model = make(tmp_path, **CASES[case])
    model.callbacks.append(Count())
    assert outcome(model.fit(X, y), X) == expected
    assert seen[0] == kill + 1
    seen.clear()
    assert outcome(model.fit(X, y), X) == expected
    assert seen == []


def test_a_classifier_with_weights_and_a_validation_set_goes_on(tmp_path):
    """Also what is measured after training is the same."""
    X, y = make_data()
    weights = np.random.default_rng(1).uniform(size=len(y))

    def fit(model):
        return model.fit(X, y > 0, weights, X_val=X[:30], y_val=y[:30] > 0)

    kind = {"kind": GRUClassifier, "dtype": "float32"}
    expected = outcome(fit(make(**kind)), X)
    with pytest.raises(RuntimeError, match="killed"):
        fit(make(tmp_path, 5, **kind))
    assert outcome(fit(make(tmp_path, **kind)), X) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.02}, "parameters"),
        ({"max_iter": 61}, "parameters"),
        ({"random_state": 1}, "random_state"),
        ({"random_state": None}, "random_state"),
        ({"X": 3}, "X"),
        ({"y": 3}, "y"),
        ({"sample_weight": True}, "sample_weight"),
        ({"hidden_size": 9}, "parameters"),
    ],
)
def test_a_checkpoint_of_another_fit_is_an_error(tmp_path, change, message):
    """It says what differs, and the estimator stays unfitted."""
    X, y = make_data(40)
    params = {"dtype": "float32", "max_iter": 60}
    with pytest.raises(RuntimeError, match="killed"):
        make(tmp_path, 5, **params).fit(X, y)
    X, y, weights = X.copy(), y.copy(), None
    if "X" in change:
        X[change.pop("X"), 0, 0] += 1
    if "y" in change:
        y[change.pop("y")] += 1
    if change.pop("sample_weight", False):
        weights = np.arange(1.0, len(y) + 1)
    model = make(tmp_path, **{**params, **change})
    with pytest.raises(CheckpointError, match=f"another fit: .*{message}"):
        model.fit(X, y, weights)
    assert not model.__sklearn_is_fitted__()


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_search_has_a_folder_for_each_candidate_and_fold(tmp_path, n_jobs):
    """Finished ones are read; another process writes into the same folders."""
    X, y = make_data(60)
    grid = {"learning_rate": [0.01, 0.02, 0.03]}
    model = make(tmp_path, dtype="float64", max_iter=3)
    search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs, refit=True).fit(X, y)
    files = sorted(tmp_path.glob("*/checkpoint.npz"))
    assert len(files) == 3 * 2 + 1
    plain = GridSearchCV(make(dtype="float64", max_iter=3), grid, cv=2).fit(X, y)
    for found in (search, clone(search).fit(X, y)):
        scores = found.cv_results_["mean_test_score"]
        assert np.array_equal(scores, plain.cv_results_["mean_test_score"])
    assert sorted(tmp_path.glob("*/checkpoint.npz")) == files
    assert not list(tmp_path.rglob("*.npz.*"))


def test_a_folder_that_cannot_be_written_is_an_error_before_training(tmp_path):
    """A file is in the way, which is so for root too."""
    X, y = make_data(40)
    (tmp_path / "file").write_text("")
    model = make(tmp_path / "file" / "folder", max_iter=2)
    with pytest.raises(CheckpointError, match="Choose another path"):
        model.fit(X, y)


def test_a_full_disk_does_not_lose_the_fit(tmp_path, monkeypatch):
    """It warns, goes on, and the last whole checkpoint is still there."""
    X, y = make_data(40)
    expected = outcome(make(dtype="float32").fit(X, y), X)
    written = []

    def write(path, content):
        written.append(path)
        if path.name == "checkpoint.npz" and len(written) > 10:
            raise OSError(28, "No space left on device")
        write_whole(path, content)

    monkeypatch.setattr(module, "write_whole", write)
    with pytest.warns(RuntimeWarning, match="No space left"):
        model = make(tmp_path, dtype="float32").fit(X, y)
    assert outcome(model, X) == expected
    monkeypatch.undo()
    assert outcome(make(tmp_path, dtype="float32").fit(X, y), X) == expected
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    """And no other."""
    path = tmp_path / "file"
    write_whole(path, b"old")

    def fail(handle):
        raise OSError("injected")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="injected"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_checkpoint_is_an_error(tmp_path):
    """Bytes cut off, changed or of another format: no crash, and no wrong network."""
    X, y = make_data(40)
    params = {"dtype": "float32", "hidden_size": 4, "max_iter": 60}
    with pytest.raises(RuntimeError, match="killed"):
        make(tmp_path, 5, **params).fit(X, y)
    file = tmp_path / "checkpoint.npz"
    content, rng = file.read_bytes(), np.random.default_rng(0)
    expected = outcome(make(**params).fit(X, y), X)
    for trial in range(40):
        if trial % 2:
            damaged = content[: rng.integers(len(content))]
        else:
            damaged = bytearray(content)
            for at in rng.integers(0, len(content), 3):
                damaged[at] ^= 1 << int(rng.integers(8))
        file.write_bytes(bytes(damaged))
        model = make(tmp_path, **params)
        with contextlib.suppress(CheckpointError):
            model.fit(X, y)
        if model.__sklearn_is_fitted__():  # what changed was nothing that is read
            assert outcome(model, X) == expected


def test_a_header_that_does_not_parse_is_an_error(tmp_path):
    """NumPy raises a SyntaxError and, in its second attempt, a TokenError."""
    X, y = make_data(40)
    make(tmp_path, dtype="float32").fit(X, y)
    file = tmp_path / "checkpoint.npz"
    content = file.read_bytes()
    assert b",), }" in content
    file.write_bytes(content.replace(b",), }", b",!, }", 1))
    with pytest.raises(CheckpointError, match="cannot be read"):
        make(tmp_path, dtype="float32").fit(X, y)


def test_a_checkpoint_holds_arrays_and_json_only(tmp_path):
    """Whoever reads it runs none of its content."""
    X, y = make_data(40)
    make(tmp_path, dtype="float32").fit(X, y)
    with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert {a.dtype.kind for a in arrays.values()} <= set("fu")
    assert json.loads(arrays["about"].tobytes())["is_over"] is True
    # An array of objects, which NumPy would unpickle, is refused.
    file = tmp_path / "checkpoint.npz"
    with zipfile.ZipFile(file, "w") as archive, archive.open("about.npy", "w") as out:
        np.lib.format.write_array(out, np.array([Path()], dtype=object))
    with pytest.raises(CheckpointError, match="cannot be read"):
        make(tmp_path, dtype="float32").fit(X, y)


@pytest.mark.parametrize("every", [0, 3600])
def test_a_time_limit_ends_training_and_the_next_fit_goes_on(
    tmp_path, every, monkeypatch
):
    """With a checkpoint, however rare, pieces of time add up to the same fit."""
    X, y = make_data()
    params = {"dtype": "float32", "max_iter": 300, "early_stopping": False}
    expected = outcome(make(**params).fit(X, y), X)
    ticks = itertools.count(0.0, 0.001)  # of a clock that no machine is faster than
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr(module, "time", clock)
    limits = [Checkpoint(tmp_path, every=every), TimeLimit(0.2)]
    limited = make(callbacks=limits, **params)
    counts = [limited.fit(X, y).n_iter_]
    assert 0 < counts[0] < 300
    while counts[-1] < 300:
        counts.append(limited.fit(X, y).n_iter_)
        assert counts[-1] > counts[-2]
    assert outcome(limited, X) == expected


def test_a_time_limit_trains_one_epoch_and_keeps_the_best_weights():
    """However short it is; early stopping restores as usual."""
    X, y = make_data()
    model = make(callbacks=[TimeLimit(0)], early_stopping=True).fit(X, y)
    assert model.n_iter_ == model.best_iteration_ == 1
    with pytest.raises(InvalidParameterError, match="seconds"):
        make(callbacks=[TimeLimit("1 h")]).fit(X, y)


def outcome_of_all(model, X):
    """Return the weights of all networks, their histories and the predictions."""
    weights = [p.detach().numpy() for m in model.modules_ for p in m.parameters()]
    losses = [[row["train_loss"] for row in net.history] for net in model.nets_]
    return [w.tobytes() for w in weights], losses, model.predict(X).tobytes()


def test_every_network_of_a_fit_has_a_file(tmp_path):
    """A fit killed in its second network goes on there."""
    X, y = make_data()
    params = {"dtype": "float32", "n_estimators": 3, "max_iter": 10}
    expected = outcome_of_all(make(**params).fit(X, y), X)

    class KillTheSecond(Callback):
        began = 0

        def on_epoch_begin(self, net, **kwargs):
            KillTheSecond.began += 1
            if KillTheSecond.began == 14:
                raise RuntimeError("killed")

    model = make(tmp_path, **params)
    model.callbacks.append(KillTheSecond())
    with pytest.raises(RuntimeError, match="killed"):
        model.fit(X, y)
    files = [tmp_path / "checkpoint.npz", tmp_path / "member_1" / "checkpoint.npz"]
    assert sorted(tmp_path.rglob("*.npz")) == files
    assert outcome_of_all(make(tmp_path, **params).fit(X, y), X) == expected
    assert (tmp_path / "member_2" / "checkpoint.npz").exists()
    again = make(tmp_path, **{**params, "n_estimators": 1}).fit(X, y)
    assert outcome_of_all(again, X)[1] == expected[1][:1]
    with pytest.raises(CheckpointError, match="belongs to another fit"):
        make(tmp_path, **params).fit(X, y + 1)


@pytest.mark.unchecked
@pytest.mark.parametrize(("threads", "turns"), [(1, 3), (2, 2), (5, 1)])
def test_networks_share_a_time_limit(tmp_path, threads, turns):
    """Those that are trained one after the other; pieces add up to the same fit."""
    X, y = make_data()
    params = {"dtype": "float32", "n_estimators": 3, "max_iter": 30}
    expected = outcome_of_all(make(**params).fit(X, y), X)
    limits = [TimeLimit(0.1), Checkpoint(tmp_path, every=3600)]
    model = make(callbacks=limits, **params)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        while True:
            model.fit(X, y)
            shared = [dict(net.callbacks_)["TimeLimit"] for net in model.nets_]
            assert [limit.turns for limit in shared] == [turns] * 3
            if not any(limit.expired_ for limit in shared):
                break
    finally:
        torch.set_num_threads(before)
    assert outcome_of_all(model, X) == expected


def test_other_callbacks_that_cannot_go_with_it_are_refused(tmp_path):
    """Skorch's Checkpoint, with the way out, and its schedules."""
    X, y = make_data(40)
    theirs = skorch.callbacks.Checkpoint(dirname=str(tmp_path))
    with pytest.raises(InvalidParameterError, match=r"sklearn_gru\.callbacks"):
        make(callbacks=[theirs]).fit(X, y)
    schedule = skorch.callbacks.LRScheduler("StepLR", step_size=2)
    with pytest.raises(InvalidParameterError, match="LRScheduler"):
        make(callbacks=[Checkpoint(tmp_path), schedule]).fit(X, y)
    with pytest.raises(InvalidParameterError, match="every"):
        make(callbacks=[Checkpoint(tmp_path, every=-1)]).fit(X, y)
