"""What this package and its peers do when scikit-learn's tools use them.

Run where peers are installed, one environment each, since they do not all fit together:
``python -m tests.benchmarks.contract keras`` asks keras alone, without a name it asks all
that are there. The same questions to each, on the same data: a row of a Markdown table
for each peer, then what was said where the answer is no, then the steady state of an
epoch as in ``bench_peers``. Small networks and few epochs: what is asked is whether, not
how well.
"""

import contextlib
import inspect
import os
import pickle
import random
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from tests.benchmarks.contest import race_epochs, ratio
from tests.benchmarks.machine import describe, use_one_thread
from tests.benchmarks.peers import ours, peers

N_EPOCH = 5000  # windows of the epoch that is timed


def data(peer, n=60, seed=0):
    """Sequences of 8 steps x 3 features in the layout of the peer, and a target."""
    X = np.random.default_rng(seed).normal(size=(n, 8, 3))
    y = X[:, -1, 0] + X[:, -2, 1]
    return peer.layout(X), (y > 0).astype(int) if peer.classifies else y


def sequences(peer):
    """3-D X: fit and predict."""
    X, y = data(peer)
    peer = peer.with_sequences()
    predicted = np.asarray(peer.predict(peer.fit(peer.make(), X, y), X))
    return predicted.shape == (60,) or f"predictions of shape {predicted.shape}"


def pipeline(peer):
    """Pipeline: fit and predict behind another step."""
    X, y = data(peer)
    model = make_pipeline(FunctionTransformer(), peer.make()).fit(X, y)
    return len(model.predict(X)) == 60


def grid_search(peer):
    """GridSearchCV over two values of a parameter."""
    X, y = data(peer)
    search = GridSearchCV(peer.make(), peer.grid, cv=2, error_score="raise").fit(X, y)
    return bool(np.isfinite(search.best_score_))


def checks(peer):
    """check_estimator: how many of its checks fail with default parameters."""
    done = check_estimator(peer.make(default=True), on_skip=None, on_fail=None)
    failed = [c["check_name"] for c in done if c["status"] == "failed"]
    counted = sum(c["status"] in ("failed", "passed") for c in done)
    return f"{len(failed)} of {counted} fail"


def cloned(peer):
    """Clone: a copy that has every parameter of the original."""
    model = peer.make()
    before, after = model.get_params(), clone(model).get_params()
    plain = [name for name in before if " at 0x" not in repr(before[name])]
    lost = [name for name in plain if repr(before[name]) != repr(after.get(name))]
    return not lost or f"lost: {', '.join(lost)}"


def pickled(peer):
    """Pickle: the same predictions after loading."""
    X, y = data(peer)
    model = peer.fit(peer.make(), X, y)
    again = pickle.loads(pickle.dumps(model))
    return np.array_equal(peer.predict(model, X), peer.predict(again, X))


def seeded(peer):
    """Same seed: two fits whatever random numbers were drawn between them."""
    X, y = data(peer)
    seed = inspect.signature(peer.make).parameters
    if "seed" not in seed:
        return "no parameter for a seed"
    one = peer.predict(peer.fit(peer.make(seed=0), X, y), X)
    scramble()
    two = peer.predict(peer.fit(peer.make(seed=0), X, y), X)
    return np.array_equal(one, two) or f"differ by {np.abs(one - two).max():.1e}"


def scramble(seed=None):
    """Draw from every global generator, or set them all."""
    import torch

    if seed is None:
        random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
        return
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)  # noqa: NPY002
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)


def missing(peer):
    """NaN in X: predictions, an error, or NaN that nobody mentions."""
    X, y = data(peer)
    X = X.copy()
    X[3, -1, ...] = np.nan
    try:
        predicted = peer.predict(peer.fit(peer.make(), X, y), X)
    except Exception as error:
        return f"refused: {first_line(error)}"
    if np.isfinite(predicted).all():
        return True
    return f"silent: {np.mean(~np.isfinite(predicted)):.0%} of the predictions are NaN"


def ragged(peer):
    """Sequences of 4 to 8 steps in one list."""
    X, y = data(peer.with_sequences())
    axis = -2 if X.shape[-1] == 3 else -1
    cut = [np.take(x, range(i % 5, 8), axis=axis) for i, x in enumerate(X)]
    predicted = peer.predict(peer.fit(peer.make(), cut, y), cut)
    return len(predicted) == 60


def alone(peer):
    """The same answer for a sequence alone and among others."""
    X, y = data(peer)
    model = peer.fit(peer.make(), X, y)
    together = np.asarray(peer.scores(model, X), dtype=float)
    single = np.concatenate([peer.scores(model, X[i : i + 1]) for i in range(20)])
    off = np.abs(together[:20] - single).max()
    return bool(off < 1e-4) or f"differ by up to {off:.2f}"


def weighted(peer):
    """Fit takes sample_weight, and a weight of 0 is a row left out."""
    X, y = data(peer)
    weight = np.ones(60)
    weight[:20] = 0
    wrong = y.copy()
    wrong[:20] = wrong[20:40]
    fitted = []
    for target in (y, wrong):
        scramble(seed=0)
        fitted.append(peer.fit(peer.make(), X, target, sample_weight=weight))
    off = np.abs(np.subtract(*(peer.scores(model, X) for model in fitted))).max()
    return bool(off < 1e-4) or f"differ by up to {off:.2f}"


def quiet(peer):
    """Nothing printed and no file written by fit and predict."""
    X, y = data(peer)
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, silence() as said:
        os.chdir(folder)
        try:
            peer.predict(peer.fit(peer.make(default=True), X, y), X)
            files = sorted(p.name for p in Path(folder).iterdir())
        finally:
            os.chdir(here)
        sys.stdout.flush(), sys.stderr.flush()
        n = said.seek(0, os.SEEK_END)
    return not (n or files) or f"{n} characters, files {files}"


@contextlib.contextmanager
def silence():
    """Send both outputs of the process, loggers included, to a file."""
    with tempfile.TemporaryFile() as said:
        sys.stdout.flush(), sys.stderr.flush()
        kept = {number: os.dup(number) for number in (1, 2)}
        try:
            for number in kept:
                os.dup2(said.fileno(), number)
            yield said
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)


QUESTIONS = {
    "3-D X": sequences,
    "Pipeline": pipeline,
    "GridSearchCV": grid_search,
    "check_estimator": checks,
    "clone": cloned,
    "pickle": pickled,
    "same seed": seeded,
    "NaN in X": missing,
    "lengths differ": ragged,
    "alone as among others": alone,
    "sample_weight": weighted,
    "quiet": quiet,
}


def first_line(error):
    """What an error says first."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:110]}"


def ask(question, peer):
    """A short answer for the table, and what was said if it is not yes."""
    if question.__name__ in peer.not_asked:
        return "", None
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = question(peer)
        except Exception as error:
            answer = first_line(error)
    if answer is True:
        return "yes", None
    if isinstance(answer, str) and answer.endswith("fail"):
        return answer.removesuffix(" fail"), None
    short = (
        answer.split(":")[0] if str(answer).startswith(("refused", "silent")) else ""
    )
    return short or "no", str(answer)


def epochs(asked):
    """How many times as long as here an epoch takes, by neighbouring runs."""
    contestants = {peer.name: peer.trainer(N_EPOCH) for peer in asked}
    contestants = {name: fit for name, fit in contestants.items() if fit is not None}
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = race_epochs(contestants, 2, 3)
    least = seconds[ours().name][1]
    return {name: f"{ratio(more, least):.1f}" for name, (_, more) in seconds.items()}


def main(*chosen):
    """Print a row for each peer that is here, and the reasons of every no."""
    use_one_thread()
    asked = [ours(), *peers(*chosen)]
    print(describe(), end="\n\n")
    print("|", " | ".join(["", *QUESTIONS]), "|")
    print("|" + "---|" * (len(QUESTIONS) + 1), flush=True)
    reasons = []
    for peer in asked:
        row = []
        for name, question in QUESTIONS.items():
            answer, said = ask(question, peer)
            row.append(answer)
            if said is not None:
                reasons.append(f"- {peer.name}, {name}: {said}")
        print("|", " | ".join([peer.name, *row]), "|", flush=True)
    print("", *reasons, sep="\n", flush=True)
    print("\n| an epoch, CPU seconds | times ours |\n|---|---|")
    for name, times in epochs(asked).items():
        print(f"| {name} | {times} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
